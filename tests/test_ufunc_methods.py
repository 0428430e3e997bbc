"""``reduce``, ``accumulate``, ``outer``, ``reduceat`` and ``at`` of ufuncs, with every keyword.

Values are NumPy's to the bit; derivatives are compared with differences in both modes.
"""

import functools
import math

import numpy as np
import pytest

import wengert as wg
from modes import has_gradient
from reference import close, jacobian, same
from wengert.errors import TracedWriteError

INF = math.inf


def spaced(*shape, start, step, seed):
    """Numbers in random order, further apart than the steps of the differences."""
    size = math.prod(shape)
    numbers = start + step * (np.arange(size) + 0.1 * np.cos(np.arange(size)))
    return np.random.default_rng(seed).permutation(numbers).reshape(shape)


X = spaced(3, 4, start=0.3, step=0.13, seed=1)
VECTOR = spaced(7, start=0.4, step=0.2, seed=2)
CUBE = spaced(2, 3, 4, start=0.3, step=0.12, seed=3)
MASK = np.random.default_rng(4).uniform(size=(3, 4)) < 0.6

SPECIALISED = [
    np.add,
    np.multiply,
    np.maximum,
    np.minimum,
    np.fmax,
    np.fmin,
    np.logaddexp,
    np.logaddexp2,
]
ALL_GENERIC = [np.subtract, np.divide, np.hypot, np.power, np.arctan2, np.float_power]


def is_a_fold(ufunc):
    """Whether NumPy's ``reduce`` is the fold that it is documented to be.

    On AVX-512 processors NumPy 2.4 reduces ``power`` and ``arctan2`` to other numbers.
    """
    return bool(np.isclose(ufunc.reduce(VECTOR), functools.reduce(ufunc, VECTOR), rtol=1e-12))


GENERIC = [ufunc for ufunc in ALL_GENERIC if is_a_fold(ufunc)]
each_ufunc = pytest.mark.parametrize("ufunc", SPECIALISED + GENERIC, ids=lambda u: u.__name__)
each_specialised = pytest.mark.parametrize("ufunc", SPECIALISED, ids=lambda u: u.__name__)


def agrees(function, point, steps=(0.02, 0.01, 0.005, 0.0025)):
    """Value as NumPy's to the bit, Jacobian in both modes as differences."""
    expected = function(point.copy())
    value, _ = wg.vjp(function, point)
    same(value, expected)
    reference = jacobian(function, point, steps=steps)
    for mode in (wg.jacfwd, wg.jacrev):
        close(mode(function)(point), reference, 1e-8)


@each_ufunc
def test_reduce(ufunc):
    agrees(ufunc.reduce, VECTOR)
    agrees(ufunc.reduce, X)
    agrees(lambda x: ufunc.reduce(x, 1), X)
    agrees(lambda x: ufunc.reduce(x, axis=-1, keepdims=True), CUBE)
    agrees(lambda x: ufunc.reduce(x.T, axis=0, dtype=np.float64), X)
    agrees(lambda x: ufunc.reduce(x, axis=1, initial=0.77), X)
    agrees(lambda x: ufunc.reduce(x, axis=0, initial=0.77, where=MASK), X)
    agrees(lambda x: ufunc.reduce(x, initial=0.77 * x[0]), VECTOR)
    agrees(lambda x: ufunc.reduce(x[:1]), VECTOR)
    same(wg.vjp(ufunc.reduce, X.astype(np.float32))[0], ufunc.reduce(X.astype(np.float32)))
    same(wg.vjp(ufunc.reduce, 1.5)[0], ufunc.reduce(1.5))


@pytest.mark.parametrize("ufunc", ALL_GENERIC, ids=lambda u: u.__name__)
def test_reduce_is_a_fold(ufunc):
    value, pullback = wg.vjp(ufunc.reduce, VECTOR)
    close(value, functools.reduce(ufunc, VECTOR), 1e-14)
    reference = jacobian(lambda x: functools.reduce(ufunc, x), VECTOR)
    close(pullback(1.0)[0], reference, 1e-8)


@each_specialised
def test_reduce_of_several_axes(ufunc):
    agrees(lambda x: ufunc.reduce(x, axis=None), CUBE)
    agrees(lambda x: ufunc.reduce(x, axis=(0, -1)), CUBE)
    agrees(lambda x: ufunc.reduce(x, axis=(2, 1), keepdims=True, initial=0.77), CUBE)


@each_ufunc
def test_reduce_into_an_array(ufunc):
    def program(x):
        out = np.zeros((2, 4))
        assert ufunc.reduce(x, axis=0, out=out[1]) is not None
        return out

    agrees(program, X)


@each_ufunc
def test_accumulate(ufunc):
    agrees(ufunc.accumulate, VECTOR)
    agrees(lambda x: ufunc.accumulate(x, axis=1), X)
    agrees(lambda x: ufunc.accumulate(x[::-1, ::-2], -1, np.float64), X)

    def into(x):
        out = np.empty(x.shape)
        assert ufunc.accumulate(x, out=out) is out
        return out * 2.0

    agrees(into, X)
    with pytest.raises(TypeError, match="scalar"):
        wg.grad(ufunc.accumulate)(1.5)


@each_ufunc
def test_outer(ufunc):
    agrees(lambda x: ufunc.outer(x, VECTOR[:2]), X)
    agrees(lambda x: ufunc.outer(VECTOR[:2], x), X)
    agrees(lambda x: ufunc.outer(x[:2], x), VECTOR)
    agrees(lambda x: ufunc.outer(x, 1.5), VECTOR)
    agrees(lambda x: ufunc.outer(1.5, x, dtype=np.float64), VECTOR)


@each_ufunc
@pytest.mark.parametrize("indices", [[0, 4, 1, 5], [2, 2, 3], [6], [0, 3, 5]], ids=str)
def test_reduceat(ufunc, indices):
    agrees(lambda x: ufunc.reduceat(x, indices), VECTOR)
    agrees(lambda x: ufunc.reduceat(x, np.array([1, 0]), axis=1, dtype=np.float64), X)
    with pytest.raises(IndexError, match="out-of-bounds"):
        wg.jacrev(lambda x: ufunc.reduceat(x, [7]))(VECTOR)


@pytest.mark.parametrize(
    "ufunc",
    [np.add, np.subtract, np.multiply, np.divide, np.maximum, np.hypot],
    ids=lambda u: u.__name__,
)
def test_at(ufunc):
    def repeated(x):
        y = x * 1.0
        ufunc.at(y, [0, 2, 0, 0, -1], x[:5] + 0.77)
        return y

    agrees(repeated, VECTOR)

    def with_one_number(x):
        y = np.array(X)
        ufunc.at(y, (np.array([0, 2, 0]), slice(1, 3)), x[0])
        return y

    agrees(with_one_number, VECTOR[:2])

    def through_a_view(x):
        y = np.ones((3, 4))
        ufunc.at(y[1], np.array([True, False, True, True]), x[:3])
        y[0] = y[1] * 2.0
        return y

    agrees(through_a_view, VECTOR)


@pytest.mark.parametrize("number", [0.7, np.float32(0.7), np.float64(0.7), 3, np.uint8(3)])
@pytest.mark.parametrize("key", [np.s_[:, 1], np.s_[1, 0], [0, 2, 0], np.eye(3, 2) > 0, np.s_[:]])
@pytest.mark.parametrize(
    "ufunc",
    [np.add, np.subtract, np.multiply, np.divide, np.power, np.arctan2],
    ids=lambda u: u.__name__,
)
def test_at_takes_numbers_as_arrays_of_their_own_dtype(ufunc, key, number):
    """A Python number is not weak for ``ufunc.at``: the sum is made in double precision."""

    def program(x):
        ufunc.at(x, key, number)
        return x

    x = (np.random.default_rng(3).random((3, 2)) + 0.05).astype(np.float32)
    expected = program(x.copy())
    same(wg.jvp(program, (x,), (x,))[0], expected)
    same(wg.vjp(program, x)[0], expected)
    same(wg.vmap(program)(x[None].copy()), expected[None])
    compiled = wg.jit(program)
    for _ in range(2):
        if ufunc in (np.power, np.arctan2):  # compiled ones have a last digit of their own
            close(compiled(x.copy()), expected, 1e-6)
        else:
            same(compiled(x.copy()), expected)


def test_at_of_one_operand():
    def program(x):
        y = x * 1.0
        np.exp.at(y, [0, 3])
        np.square.at(y, [1, 1, 2])
        return y

    agrees(program, VECTOR)


def test_at_on_constants():
    def program(x):
        y = np.zeros(3)
        view = y[1:]
        assert np.add.at(y, [0, 2, 2], 1.0) is None
        assert y.tolist() == [1.0, 0.0, 2.0]
        assert view.tolist() == [0.0, 2.0]
        return np.sum(x * y)

    has_gradient(program, np.ones(3), [1.0, 0.0, 2.0])

    def into_a_plain_array(x):
        np.add.at(plain, [0], x[0])

    plain = np.zeros(3)
    with pytest.raises(TracedWriteError, match=r"np\.array\(A\)"):
        wg.grad(into_a_plain_array)(np.ones(3))
    assert plain.tolist() == [0.0, 0.0, 0.0]


def test_errors_are_numpys():
    with pytest.raises(ValueError, match="not reorderable"):
        wg.jacrev(lambda x: np.subtract.reduce(x, axis=(0, 1)))(X)
    with pytest.raises(ValueError, match="no identity"):
        wg.jacrev(lambda x: np.divide.reduce(x))(np.zeros(0))
    with pytest.raises(ValueError, match="initial"):
        wg.jacrev(lambda x: np.maximum.reduce(x, where=MASK))(X)


def test_ufuncs_without_derivative():
    def program(x):
        assert np.logical_and.reduce(x > 0)
        assert np.greater.outer(x, x).sum() == 21
        assert np.floor_divide.reduce(x).tolist() == np.floor_divide.reduce(VECTOR).tolist()
        assert np.logical_or.accumulate(x).all()
        return np.sum(x)

    has_gradient(program, VECTOR, np.ones(7))


def test_ties_of_running_extremes_share():
    x = np.array([1.0, 3.0, 3.0, 2.0, 3.0])
    weights = np.array([1.0, 10.0, 100.0, 1000.0, 10_000.0])
    last = 10_000.0 / 3
    expected = [1.0, 10 + 50 + 500 + last, 50 + 500 + last, 0.0, last]
    has_gradient(lambda x: weights @ np.maximum.accumulate(x), x, expected, 1e-14)
    has_gradient(lambda x: -weights @ np.minimum.accumulate(-x), x, expected, 1e-14)
    with_nan = np.array([1.0, math.nan, 3.0])
    has_gradient(lambda x: np.sum(np.maximum.accumulate(x)), with_nan, [1.0, 2.0, 0.0])


def test_running_exponentials_at_the_ends():
    with np.errstate(all="ignore"):
        for shift in (0.0, 1000.0, -1000.0):
            x = np.array([-INF, 0.0, math.log(3.0)]) + shift
            has_gradient(lambda x: np.logaddexp.accumulate(x)[2], x, [0.0, 0.25, 0.75], 1e-12)
        x = np.array([-INF, -INF, INF, 1.0])
        has_gradient(lambda x: np.logaddexp.accumulate(x)[1], x, [0.5, 0.5, 0.0, 0.0])
        has_gradient(lambda x: np.logaddexp.accumulate(x)[3], x, [0.0, 0.0, 1.0, 0.0])


@each_ufunc
def test_second_order(ufunc):
    def scalar(x):
        kept = np.sum(ufunc.accumulate(x, axis=1) ** 2)
        return kept + np.sum(np.sin(ufunc.reduceat(x, [0, 2, 1])) * ufunc.reduce(x))

    point = spaced(3, 3, start=0.4, step=0.17, seed=9)
    steps = (0.01, 0.005, 0.0025, 0.00125)
    expected = jacobian(lambda x: jacobian(scalar, x, steps), point, steps)
    scale = float(np.abs(expected).max())
    for outer in (wg.jacfwd, wg.jacrev):
        for inner in (wg.jacfwd, wg.jacrev):
            close(outer(inner(scalar))(point) / scale, expected / scale, 2e-6)
