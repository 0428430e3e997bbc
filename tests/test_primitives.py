"""Every primitive, every sample: values as NumPy's, derivatives as differences, both modes alike.

A sample is named ``primitive-index``. tests/primitive_calls.py has the reference.
"""

import re

import numpy as np
import pytest

import wengert as wg
from primitive_calls import (
    Call,
    adjoint,
    agrees,
    call_of,
    copies,
    differentiate,
    direction,
    each,
    epsilon,
    fails_of,
    filled,
    flat,
    is_number,
    moved,
    pulled,
    pushed,
    results_of,
    same,
    samples_of,
    subsets,
    unchanged,
    widened,
    widened_call,
)
from wengert.ir.aval import aval_of
from wengert.ir.cotangent import Masked
from wengert.ir.verify import verify
from wengert.tracing.core import bind, depth
from wengert.tracing.creation import is_patched
from wengert.tracing.staging import stage

every_sample = pytest.mark.parametrize(("name", "index"), each(samples_of))


@pytest.fixture(autouse=True)
def _quiet():
    """Samples at kinks and poles warn as NumPy does; other tests hold the warnings."""
    with np.errstate(all="ignore"):
        yield


# ------------------------------------------------------------------ values


@every_sample
def test_value_is_numpys(name, index):
    call, sample = call_of(name, index)
    primitive = call.primitive
    before = copies(sample.args)
    found = results_of(primitive, sample.args, sample.params)
    unchanged(sample.args, before)
    if isinstance(primitive.numpy, np.ufunc) and not sample.params:
        expected = primitive.numpy(*sample.args)
        expected = expected if isinstance(expected, tuple) else (expected,)
        weak = all(aval_of(value).kind == "python" for value in sample.args)
        for entry, other in zip(found, expected, strict=True):
            if weak and aval_of(entry).kind == "python":
                other = other.item()  # the operator keeps Python numbers what they are
            if name == "power_operator":
                # NumPy's operator squares and takes roots where its ufunc calls pow: 1 ulp.
                assert aval_of(entry) == aval_of(other)
                np.testing.assert_allclose(entry, other, rtol=2 * epsilon([other]))
            else:
                same(entry, other)
    # In forward, reverse and nested traces the value is the same to the last bit.
    expected = [entry for entry in found if aval_of(entry).dtype.kind in "fc"]
    if call.which:
        tangents = direction(call.point, 1)
        for value, other in zip(pushed(call, call.point, tangents)[0], expected, strict=True):
            same(value, other)
        value, _ = wg.vjp(call, *call.point)
        for entry, other in zip(value, expected, strict=True):
            same(entry, other)
        unchanged(sample.args, before)


@every_sample
def test_infer_is_evaluation(name, index):
    call, sample = call_of(name, index)
    found = results_of(call.primitive, sample.args, sample.params)
    avals = [aval_of(value) if is_number(value) else value for value in sample.args]
    inferred = call.primitive.infer(*avals, **sample.params)
    assert isinstance(inferred, tuple) == call.primitive.multiple
    inferred = inferred if call.primitive.multiple else (inferred,)
    assert [str(aval) for aval in inferred] == [str(aval_of(value)) for value in found]


@every_sample
def test_staged_and_evaluated_is_eager(name, index):
    call, sample = call_of(name, index)
    primitive = call.primitive
    numbers = [i for i, value in enumerate(sample.args) if is_number(value)]

    def program(*values):
        full = list(sample.args)
        for i, value in zip(numbers, values, strict=True):
            full[i] = value
        result = bind(primitive, *full, **sample.params)
        return result if primitive.multiple else [result]

    staged = stage(program, [aval_of(sample.args[i]) for i in numbers])
    verify(staged)
    assert [equation.primitive for equation in staged] == [primitive]
    found = staged.evaluate(*(sample.args[i] for i in numbers))
    expected = results_of(primitive, sample.args, sample.params)
    for entry, other in zip(found, expected, strict=True):
        same(entry, other)


# ------------------------------------------------------------------ first derivatives


@every_sample
def test_jvp_is_differences(name, index):
    call, sample = call_of(name, index)
    if not call.which:
        return
    point = call.point
    wide = widened_call(name, sample)
    before = copies(point)
    for subset in subsets(len(point)):
        tangents = direction(point, len(subset), scaled=True)
        kept = copies(tangents)
        chosen = [tangent if i in subset else None for i, tangent in enumerate(tangents)]
        values, changes = pushed(call, point, chosen)
        if call.primitive.zero_derivative:
            assert all(change is None for change in changes)
            continue
        changes = filled(changes, values)
        unchanged(point, before)
        unchanged(tangents, kept)
        if not sample.differentiable or not values:
            continue

        along = filled(chosen, point)

        def curve(step, along=along):
            return flat(wide.raw(moved([widened(v) for v in point], along, step)))

        agrees(changes, curve, epsilon(point, values))


@every_sample
def test_vjp_is_jvp_transposed(name, index):
    call, sample = call_of(name, index)
    if not call.which or call.primitive.zero_derivative:
        return
    point = call.point
    values = call.raw(point)
    if not values:
        return
    before = copies(point)
    cotangents = direction(values, 3)
    kept = copies(cotangents)
    for subset in subsets(len(point)):
        raw = pulled(call, point, subset, lambda number, value: cotangents[number])
        found = filled(raw, [point[i] for i in subset])
        unchanged(point, before)
        unchanged(cotangents, kept)
        if not sample.differentiable:
            continue
        for seed in (4, 5):
            tangents = direction(point, seed)
            chosen = [tangent if i in subset else None for i, tangent in enumerate(tangents)]
            _, changes = pushed(call, point, chosen)
            adjoint(
                filled(changes, values),
                cotangents,
                found,
                [tangents[i] for i in subset],
                epsilon(point, values),
            )


@every_sample
def test_vjp_keeps_masks(name, index):
    """A masked cotangent gives what its dense value gives, and an owned one is not required."""
    call, sample = call_of(name, index)
    if not call.which or call.primitive.zero_derivative or not sample.differentiable:
        return
    point = call.point
    values = call.raw(point)
    generator = np.random.default_rng(8)
    masks = [generator.uniform(size=np.shape(value)) < 0.6 for value in values]
    cotangents = [
        np.where(mask, change, np.zeros_like(change)) if np.ndim(change) else change
        for mask, change in zip(masks, direction(values, 3), strict=True)
    ]
    kept = copies([*cotangents, *masks])
    everything = tuple(range(len(point)))

    def masked(number, value):
        if not np.ndim(value):
            return cotangents[number]
        return Masked(cotangents[number], masks[number])

    dense = filled(pulled(call, point, everything, lambda i, value: cotangents[i]), point)
    found = filled(pulled(call, point, everything, masked), point)
    unchanged([*cotangents, *masks], kept)
    for entry, other in zip(found, dense, strict=True):
        size = float(np.max(np.abs(other), initial=1.0))
        np.testing.assert_allclose(entry, other, rtol=0, atol=20 * epsilon(point, values) * size)


# ------------------------------------------------------------------ second derivatives


def forward_of(call, count):
    """Return (point, tangents) -> tangents of the results."""
    return lambda *both: wg.jvp(call, both[:count], both[count:])[1]


def reverse_of(call, count):
    """Return (point, cotangents) -> cotangents of the arguments."""
    return lambda *both: wg.vjp(call, *both[:count])[1](tuple(both[count:]))


@pytest.mark.parametrize("first", [forward_of, reverse_of])
@every_sample
def test_second_derivatives_are_differences_of_first(name, index, first):
    """Both modes of either mode, in the point and in the change that the first one is given."""
    call, sample = call_of(name, index)
    if not call.which or call.primitive.zero_derivative:
        return
    point = call.point
    values = call.raw(point)
    if not values:
        return
    changes = direction(point, 1, scaled=True) if first is forward_of else direction(values, 1)
    derivative = first(call, len(point))
    both = [*point, *changes]
    directions = [*direction(point, 2, scaled=True), *direction(changes, 3, scaled=True)]
    found, pushed_through = wg.jvp(derivative, both, directions)
    _, pullback = wg.vjp(derivative, *both)
    cotangents = direction(found, 4)
    pulled_through = pullback(tuple(cotangents))
    for entry, like in zip(pulled_through, both, strict=True):
        assert aval_of(entry) == aval_of(like)
    if not sample.second:
        return
    eps = epsilon(point, values)
    adjoint(pushed_through, cotangents, pulled_through, directions, eps)
    wide = widened_call(name, sample)
    at_wide = first(wide, len(point))

    def curve(step):
        return flat(at_wide(*moved([widened(v) for v in both], directions, step)))

    agrees(pushed_through, curve, eps)


# ------------------------------------------------------------------ failures


@pytest.mark.parametrize(("name", "index"), each(fails_of))
def test_fails_as_declared(name, index):
    fail = fails_of(name)[index]
    call = Call(name, fail.args, fail.params)
    refused = pytest.raises(fail.error, match=re.escape(fail.message) or None)
    with refused:
        bind(call.primitive, *fail.args, **fail.params)
    if call.which:
        point = call.point
        with refused:
            wg.jvp(call, point, direction(point, 1))
        with refused:
            wg.vjp(call, *point)
        with refused:
            wg.jvp(lambda *inner: wg.vjp(call, *inner)[0], point, direction(point, 1))
    assert depth() == 0
    assert not is_patched()
    assert wg.grad(lambda x: x * x)(3.0) == 6.0


def test_the_reference_knows_its_error():
    """Where differences do not settle the reference must not pretend."""
    _, uncertainty = differentiate(lambda step: np.array([np.sqrt(max(step, 0.0))]))
    assert uncertainty[0] > 0.1
    expected, uncertainty = differentiate(lambda step: np.array([np.exp(1 + step)]))
    assert abs(expected[0] - np.e) < 1e-11
    assert uncertainty[0] < 1e-9
