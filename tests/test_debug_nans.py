"""``config.debug_nans``: the first operation that makes a nan or an infinity, and its line."""

import inspect
import re

import numpy as np
import pytest

import wengert as wg
from wengert.errors import NonFiniteError
from wengert.tracing.core import depth


@pytest.fixture(autouse=True)
def _watching():
    with np.errstate(all="ignore"), wg.config(debug_nans=True):
        yield
    assert not wg.config.debug_nans
    assert depth() == 0


def culprit(x):
    y = np.sin(x) + 1.0
    z = np.log(x)
    return np.sum(y * z + z)


def root(x):
    y = x * 2.0
    return np.sum(np.sqrt(y) * y)


def line_of(function, text):
    lines, start = inspect.getsourcelines(function)
    return start + next(i for i, line in enumerate(lines) if text in line)


X = np.array([1.0, 0.0])


@pytest.mark.parametrize(
    "call",
    [
        lambda: wg.grad(culprit)(X),
        lambda: wg.grad(wg.checkpoint(culprit))(X),
        lambda: wg.jvp(culprit, (X,), (X,)),
        lambda: wg.linearize(culprit, X),
        lambda: wg.hessian(culprit)(X),
        lambda: wg.jit(culprit)(X),
        lambda: wg.jit(wg.grad(culprit))(X),
        lambda: wg.grad(lambda x: np.sum(wg.vmap(culprit)(x[None])))(X),
        lambda: wg.vmap(culprit)(X[None]),
        lambda: wg.vmap(wg.grad(culprit))(X[None]),
        lambda: wg.jit(wg.vmap(culprit))(X[None]),
        lambda: wg.checkpoint(culprit)(X),
        lambda: wg.derivative(culprit, 2)(X),
        lambda: wg.scan(lambda c, x: (c + culprit(x), None), 0.0, X[None]),
        lambda: wg.while_loop(
            lambda s: s[0] < 2, lambda s: (s[0] + 1, culprit(X * s[1])), (0, 1.0)
        ),
        lambda: wg.cond(True, culprit, np.sum, X),
        lambda: wg.map(culprit, X[None]),
    ],
)
def test_forward(call):
    line = line_of(culprit, "np.log")
    wanted = rf"log made inf at .*test_debug_nans\.py:{line} \(forward\).*float64\[.*\]"
    with pytest.raises(NonFiniteError, match=wanted):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: wg.grad(root)(X),
        lambda: wg.vjp(root, X)[1](1.0),
        lambda: wg.jit(wg.grad(root))(X),
        lambda: wg.jacobian(lambda x: np.sqrt(x * 2.0) * x, mode="reverse")(X),
    ],
)
def test_backward(call):
    wanted = r"derivative of sqrt at .*test_debug_nans\.py:\d+ made (nan|inf) \(backward\).*0\."
    with pytest.raises(NonFiniteError, match=wanted) as caught:
        call()
    assert "cotangent" in str(caught.value)


def test_the_line_of_a_backward_culprit_is_that_of_its_operation():
    with pytest.raises(NonFiniteError, match=re.escape(f".py:{line_of(root, 'np.sqrt')} made")):
        wg.grad(root)(X)


def test_tangents_are_looked_at():
    with pytest.raises(NonFiniteError, match=r"sqrt made inf .*tangent"):
        wg.jvp(np.sqrt, (0.0,), (1.0,))


def test_what_is_not_finite_already_is_not_to_blame():
    x = np.array([np.inf, 1.0])
    np.testing.assert_array_equal(wg.grad(lambda v: np.sum(v * 2.0))(x), [2.0, 2.0])
    assert np.isnan(wg.jit(lambda v: v - v)(np.inf))


def test_finite_programs_run_as_ever():
    x = np.array([0.5, 2.0])
    with wg.config(debug_nans=False):
        expected = [wg.grad(culprit)(x), wg.hessian(culprit)(x), wg.jvp(culprit, (x,), (x,))[1]]
    found = [wg.grad(culprit)(x), wg.hessian(culprit)(x), wg.jvp(culprit, (x,), (x,))[1]]
    for entry, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(entry, other)

    def paused(v):
        with wg.no_grad():
            scale = np.sum(v * v)
        return np.sum(v) * scale

    np.testing.assert_array_equal(wg.grad(paused)(x), np.full(2, 4.25))

    def writing(v):
        buffer = np.zeros(3)
        buffer[1:] = v * v
        buffer[0] = buffer[1] * 2
        return np.where(buffer > 100.0, 0.0, buffer).sum()

    np.testing.assert_allclose(wg.grad(writing)(x), [6 * x[0], 2 * x[1]])


def test_what_examples_do_not_take_is_not_to_blame():
    """Results decide whether anything is looked for."""
    x = np.array([0.0, 1.0])
    found = wg.vmap(lambda v: wg.cond(v > 0.5, np.log, np.sin, v))(x)
    np.testing.assert_array_equal(found, [0.0, 0.0])


@pytest.mark.parametrize("x", [np.array([0.0, 1.0]), np.array([0.0, -1.0])])
def test_branches_that_examples_do_not_take_are_not_to_blame_in_derivatives(x):
    def f(x):
        return np.sum(wg.vmap(lambda v: wg.cond(v > 0.5, np.log, np.sin, v))(x))

    def slope(x):
        return np.where(x > 0.5, 1.0 / np.where(x > 0.5, x, 1.0), np.cos(x))

    np.testing.assert_allclose(wg.grad(f)(x), slope(x))
    np.testing.assert_allclose(wg.jvp(f, (x,), (np.ones(2),))[1], np.sum(slope(x)))
    np.testing.assert_allclose(wg.jit(wg.grad(f))(x), slope(x))


def test_a_later_culprit_is_found_beside_branches_not_taken():
    def f(x):
        y = wg.vmap(lambda v: wg.cond(v > 0.5, np.log, np.sin, v))(x)
        return np.sqrt(np.sum(y) - 1.0)

    x = np.array([0.0, 1.0])
    for call in (wg.grad(f), wg.jit(f)):
        with pytest.raises(NonFiniteError, match=rf"sqrt made nan at .*:{line_of(f, 'np.sqrt')}"):
            call(x)


def in_the_function(x):
    return np.sum(x / (x - 1.0))


def in_the_rule(primals, tangents):
    (x,), (t,) = primals, tangents
    return np.sum(x), np.sum(np.log(x) * t)


def kept(x):
    return np.sum(x), x


def in_the_pullback(x, g):
    return (g * np.log(x),)


def test_culprits_inside_functions_with_rules():
    pushed = wg.custom_jvp(in_the_function)
    pushed.defjvp(in_the_rule)
    pulled = wg.custom_vjp(in_the_function)
    pulled.defvjp(kept, in_the_pullback)
    in_function = rf"divide made inf at .*:{line_of(in_the_function, 'x /')} \(forward\)"
    for function in (pushed, pulled):
        for call in (function, wg.vmap(function), wg.jit(function)):
            with pytest.raises(NonFiniteError, match=in_function):
                call(np.ones((2, 2)))
    with pytest.raises(NonFiniteError, match=in_function):
        wg.grad(pushed)(np.ones(2))
    log = r"log made inf at .*:{}"
    x = np.array([0.0, 2.0])
    with pytest.raises(NonFiniteError, match=log.format(line_of(in_the_rule, "np.log"))):
        wg.jvp(pushed, (x,), (np.ones(2),))
    with pytest.raises(NonFiniteError, match=log.format(line_of(in_the_pullback, "np.log"))):
        wg.grad(pulled)(x)
    with pytest.raises(NonFiniteError, match=log.format(line_of(in_the_rule, "np.log"))):
        wg.grad(pushed)(x)


def test_a_second_look_leaves_the_arguments_alone():
    x = np.array([[1.0, 0.0], [2.0, 3.0]])

    def writing(row):
        row += 1.0
        return np.log(row[1] - 1.0)

    with pytest.raises(NonFiniteError, match="log made inf"):
        wg.vmap(writing)(x)
    np.testing.assert_array_equal(x, [[2.0, 1.0], [3.0, 4.0]])


def test_compiled_functions_are_watched_from_then_on():
    fun = wg.jit(lambda x: np.log(x) * 2.0)
    with wg.config(debug_nans=False):
        for _ in range(6):
            fun(2.0)
        assert fun(0.0) == -np.inf
    with pytest.raises(NonFiniteError, match="log made inf"):
        fun(0.0)
    with wg.config(debug_nans=False):
        assert fun(0.0) == -np.inf
        assert fun(1.0) == 0.0


def chosen_log(x):
    return wg.cond(x > 0, np.log, lambda x: x * x, x)


def switched_log(x):
    index = np.where(x > 0, 7, np.where(x < -1.5, 1, -3))
    return wg.switch(index, [lambda x: x, np.negative, np.log], x)


@pytest.mark.parametrize("fun", [chosen_log, switched_log])
@pytest.mark.parametrize("axes", [0, 1])
def test_branches_that_outer_examples_do_not_take_are_not_to_blame(fun, axes):
    rows = np.array([[-1.0, -2.0], [1.0, 2.0], [3.0, -2.0]])  # the first one takes no logarithm
    nested = wg.vmap(wg.vmap(fun), axes, axes)
    expected = [[fun(x) for x in row] for row in rows.tolist()]
    np.testing.assert_allclose(nested(rows), expected, rtol=1e-14)
    slopes = [[wg.grad(fun)(x) for x in row] for row in rows.tolist()]
    for call in (
        wg.vmap(wg.vmap(wg.grad(fun)), axes, axes),
        wg.grad(lambda x: np.sum(nested(x))),
        lambda x: wg.jvp(nested, (x,), (np.ones_like(x),))[1],
        wg.vmap(wg.grad(lambda row: np.sum(wg.vmap(fun)(row))), axes, axes),
        wg.jit(wg.vmap(wg.vmap(wg.grad(fun)), axes, axes)),
    ):
        np.testing.assert_allclose(call(rows), slopes, rtol=1e-14)
    np.testing.assert_array_equal(nested(-abs(rows)), [[fun(x) for x in r] for r in -abs(rows)])
    assert nested(np.zeros((0, 2))).shape == (0, 2)


def test_operands_that_some_of_the_batches_share_suit_a_branch():
    def fun(x, row, shift, flag):
        return wg.cond(flag & (x > 0), lambda x: np.log(x) * row + shift, lambda x: x * row, x)

    x, row = np.array([-1.0, 2.0]), np.arange(6.0).reshape(3, 2)
    flags = np.array([[False] * 3, [True, False, True]])
    inner = wg.vmap(fun, (0, None, None, None))
    middle = wg.vmap(inner, (None, -1, None, 0), -1)
    found = wg.vmap(middle, (None, None, 0, 0))(x, row.T, np.arange(2.0), flags)
    expected = [
        [[fun(v, row[j], float(i), flags[i, j]) for j in range(3)] for v in x] for i in range(2)
    ]
    np.testing.assert_allclose(np.moveaxis(found, -1, 2), expected, rtol=1e-14)


def test_branches_that_outer_examples_take_are_to_blame():
    def bad(x):
        return wg.cond(x > 0, lambda x: np.log(x - 1.0), lambda x: x * x, x)

    rows = np.array([[-1.0, -2.0], [1.0, 2.0]])
    nested = wg.vmap(wg.vmap(bad))
    wanted = rf"log made inf at .*:{line_of(bad, 'np.log')}"
    for call in (nested, wg.grad(lambda x: np.sum(nested(x)))):
        with pytest.raises(NonFiniteError, match=wanted):
            call(rows)
