"""The jvp, vjp and batch of a Wengert list, for every primitive: as eager modes, as a loop."""

import gc
import weakref

import numpy as np
import pytest

import wengert as wg
from primitive_calls import call_of, direction, each, epsilon, filled, pulled, pushed, samples_of
from wengert.ir.aval import aval_of, zeros_of
from wengert.ir.equation import Variable
from wengert.ir.primitive import registry
from wengert.ir.verify import verify
from wengert.tracing.core import bind
from wengert.tracing.staging import stage
from wengert.transforms import lists

every_sample = pytest.mark.parametrize(("name", "index"), each(samples_of))

# Staged, the derivative of slogdet inverts the matrix: its sample that is singular raises.
SINGULAR = {("slogdet", 9)}


@pytest.fixture(autouse=True)
def _quiet():
    """Samples at kinks and poles warn as NumPy does; other tests hold the warnings."""
    with np.errstate(all="ignore"):
        yield


def program_of(call):
    """Return the list of one sample as a function of its differentiable arguments."""

    def program(*point):
        result = bind(call.primitive, *call.with_point(point), **call.params)
        results = result if call.primitive.multiple else (result,)
        return [entry for entry in results if aval_of(entry).dtype.kind in "fc"]

    return stage(program, [aval_of(value) for value in call.point])


def evaluated(name, index, program, *values):
    """Return the outputs of a list, or None where it inverts a singular matrix."""
    try:
        return program.evaluate(*values)
    except np.linalg.LinAlgError:
        assert (name, index) in SINGULAR
        return None


def close(found, expected, tolerance, least=1.0):
    """Assert equality up to rounding of numbers as large as the expected ones, or as `least`."""
    for entry, other in zip(found, expected, strict=True):
        assert aval_of(entry).shape == aval_of(other).shape
        assert aval_of(entry).dtype == aval_of(other).dtype
        size = float(np.nanmax(np.abs(np.where(np.isfinite(other), other, 0)), initial=least))
        np.testing.assert_allclose(entry, other, rtol=0, atol=tolerance * size)


def size_of_terms(name, point):
    """Return how large the terms are whose sum is the derivative, which may cancel.

    Cofactors are sums of products of entries of all rows but one: Hadamard bounds them by the
    lengths of the rows. Of a matrix of low rank they cancel, and rounding errors stay.
    """
    if name != "det":
        return 1.0
    lengths = np.sort(np.linalg.norm(point[0], axis=-1), axis=-1)
    return float(np.max(np.prod(lengths[..., 1:], axis=-1), initial=1.0))


@every_sample
def test_jvp_of_list_is_eager_jvp(name, index):
    call, _ = call_of(name, index)
    if not call.which:
        return
    point = call.point
    program = program_of(call)
    for nonzero in {(True,) * len(point), (True, *[False] * (len(point) - 1))}:
        pushing = lists.jvp_of_list(program, nonzero)
        verify(pushing)
        tangents = [
            tangent if flag else None
            for tangent, flag in zip(direction(point, 1), nonzero, strict=True)
        ]
        given = [tangent for tangent in tangents if tangent is not None]
        found = evaluated(name, index, pushing, *point, *given)
        if found is None:
            return
        values, changes = pushed(call, point, tangents)
        tolerance = 30 * epsilon(point, values)
        close(found, [*values, *filled(changes, values)], tolerance, size_of_terms(name, point))


@every_sample
def test_vjp_of_list_is_eager_vjp(name, index):
    call, _ = call_of(name, index)
    if not call.which or call.primitive.zero_derivative:
        return
    point = call.point
    program = program_of(call)
    values = call.raw(point)
    cotangents = direction(values, 3)
    for subset in {tuple(range(len(point))), (0,)}:
        wanted = [i in subset for i in range(len(point))]
        forward, backward = lists.vjp_of_list(program, wanted)
        verify(forward)
        verify(backward)
        outputs = forward.evaluate(*point)
        residuals = outputs[len(values) :]
        close(outputs[: len(values)], values, 0)
        found = evaluated(name, index, backward, *residuals, *cotangents)
        if found is None:
            return
        raw = pulled(call, point, subset, lambda number, value: cotangents[number])
        expected = filled(raw, [point[i] for i in subset])
        close(found, expected, 60 * epsilon(point, values))


@every_sample
def test_batch_of_list_is_the_loop(name, index):
    call, _ = call_of(name, index)
    if not call.which or registry[name].family in ("callback", "guard"):
        return
    point = call.point
    program = program_of(call)
    scales = (1.0, 0.9, 1.05)
    for subset in {tuple(range(len(point))), (0,)}:
        examples = [
            [_scaled(value, scale) if i in subset else value for i, value in enumerate(point)]
            for scale in scales
        ]
        batched, places = lists.batch_of_list(
            program, [0 if i in subset else None for i in range(len(point))], len(scales)
        )
        verify(batched)
        stacked = [
            np.stack([np.asarray(row[i]) for row in examples]) if i in subset else value
            for i, value in enumerate(point)
        ]
        found = batched.evaluate(*stacked)
        rows = [program.evaluate(*example) for example in examples]
        for position, (entry, place) in enumerate(zip(found, places, strict=True)):
            column = [row[position] for row in rows]
            expected = np.stack(column) if place == 0 else column[0]
            close([entry], [expected], 30 * epsilon(point, column))


def _scaled(value, scale):
    return (np.asarray(value) * scale).astype(aval_of(value).dtype)[()]


# ------------------------------------------------------------------ whole programs


def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def test_gradient_of_a_program_and_its_derivatives():
    x = np.array([0.3, -1.2, 0.7, 1.1])
    program = wg.trace(rosenbrock)(x)
    forward, backward = lists.vjp_of_list(program, [True])

    def gradient(point):
        outputs = forward.evaluate(point)
        return backward.evaluate(*outputs[1:], np.float64(1.0))[0]

    expected = wg.numerical.gradient(rosenbrock, method="richardson")(x)
    np.testing.assert_allclose(gradient(x), expected, rtol=1e-8)
    # The jvp of a gradient's list is the product with the Hessian.
    whole = stage(
        lambda point: lists.evaluate_traced(
            backward, [*lists.evaluate_traced(forward, [point])[1:], np.float64(1.0)]
        ),
        [aval_of(x)],
    )
    v = np.array([1.0, 0.5, -0.2, 0.1])
    curvature = lists.jvp_of_list(whole, [True]).evaluate(x, v)[1]
    step = 1e-5
    expected = (gradient(x + step * v) - gradient(x - step * v)) / (2 * step)
    np.testing.assert_allclose(curvature, expected, rtol=1e-6)


def test_residuals_are_what_rules_name():
    program = wg.trace(lambda x, y: np.sum(np.sin(x + 1.0) * y))(np.ones(3), np.ones(3))
    forward, backward = lists.vjp_of_list(program, [True, False])
    # cos(x + 1) and y; the cosine is taken in the backward list, where it is needed.
    assert len(forward.outputs) == 3
    assert forward.outputs[2] is forward.inputs[1] or forward.outputs[1] is forward.inputs[1]
    assert not set(forward.inputs) & set(backward.inputs)


def test_zero_derivatives_are_literals():
    program = wg.trace(lambda x, y: (x * 2.0, y * 3.0))(1.0, 1.0)
    pushing = lists.jvp_of_list(program, [True, False])
    assert [lists.is_zero(operand) for operand in pushing.outputs[2:]] == [False, True]
    _, backward = lists.vjp_of_list(program, [True, True], [True, False])
    assert len(backward.inputs) == 1
    assert [lists.is_zero(operand) for operand in backward.outputs] == [False, True]


def test_integers_have_no_tangents():
    program = wg.trace(lambda x, n: (x * n, n + 1))(2.0, 3)
    pushing = lists.jvp_of_list(program, [True, True])
    assert len(pushing.inputs) == 3
    assert pushing.evaluate(2.0, 3, 1.0) == (6.0, 4, 3.0)
    assert zeros_of(pushing.outputs[2].aval) == 0.0


def test_lists_are_made_once_and_not_kept_alive():
    program = wg.trace(lambda x: np.sin(x) * x)(1.0)
    assert lists.jvp_of_list(program, [True]) is lists.jvp_of_list(program, (True,))
    assert lists.vjp_of_list(program, [True]) is lists.vjp_of_list(program, [True])
    assert all(isinstance(variable, Variable) for variable in program.inputs)
    reference = weakref.ref(program)
    del program
    gc.collect()
    assert reference() is None
