"""Reductions, statistics, running reductions and sorting: every keyword, and the hard points.

Values are NumPy's to the bit; derivatives are compared with differences in both modes, or with a
closed form where differences do not reach: zeros, ties, nan, infinities.
"""

import functools
import math
import warnings

import numpy as np
import pytest

import wengert as wg
from modes import MODES, agrees, has_gradient
from reference import close, jacobian, same, spaced
from wengert.scipy.special import logsumexp

INF, NAN = math.inf, math.nan


X = spaced(3, 4, start=-1.9, step=0.31, seed=1)
CUBE = spaced(2, 3, 4, start=0.3, step=0.12, seed=2)
MASK = np.random.default_rng(3).uniform(size=(3, 4)) < 0.6
WEIGHTS = np.random.default_rng(4).uniform(0.2, 2.0, (3, 4))


# Every keyword of every function.

REDUCTIONS = {
    "sum": np.sum,
    "prod": np.prod,
    "max": np.max,
    "amax": np.amax,
    "min": np.min,
    "amin": np.amin,
    "mean": np.mean,
    "var": np.var,
    "std": np.std,
    "nansum": np.nansum,
    "nanprod": np.nanprod,
    "nanmean": np.nanmean,
    "nanvar": np.nanvar,
    "nanstd": np.nanstd,
    "nanmax": np.nanmax,
    "nanmin": np.nanmin,
    "ptp": np.ptp,
    "median": np.median,
    "average": np.average,
}
each_reduction = pytest.mark.parametrize("name", REDUCTIONS)


@each_reduction
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("axis", [None, 0, -1, (0, 2), (-1, 0, 1)], ids=str)
def test_axis_and_keepdims(name, axis, keepdims):
    function = REDUCTIONS[name]
    agrees(lambda x: function(x, axis=axis, keepdims=keepdims), CUBE)
    agrees(lambda x: function(x.T, axis=axis, keepdims=keepdims), CUBE)


@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "mean", "var", "std"])
def test_methods(name):
    agrees(lambda x: getattr(x, name)(), CUBE)
    agrees(lambda x: getattr(x, name)(1), CUBE)
    agrees(lambda x: getattr(x, name)(axis=(0, 2), keepdims=True), CUBE)


@pytest.mark.parametrize(
    "name", [name for name in REDUCTIONS if name not in ("ptp", "median", "average")]
)
def test_where(name):
    function = REDUCTIONS[name]
    more = (
        {} if name not in ("max", "amax", "min", "amin", "nanmax", "nanmin") else {"initial": 0.1}
    )
    agrees(lambda x: function(x, where=MASK, **more), X)
    agrees(lambda x: function(x, axis=1, where=MASK, **more), X)
    agrees(lambda x: function(x, axis=0, keepdims=True, where=MASK[:, :1], **more), X)


@pytest.mark.parametrize(
    "name", ["sum", "prod", "max", "min", "nansum", "nanprod", "nanmax", "nanmin"]
)
def test_initial(name):
    function = REDUCTIONS[name]
    agrees(lambda x: function(x, initial=0.7), X)
    agrees(lambda x: function(x, axis=0, initial=-0.7, where=MASK), X)
    for start in (1.05, -1.12):
        # The initial value may itself be traced, in both modes.
        agrees(lambda s: function(X + 0 * s, axis=1, initial=s[0]), np.array([start]))
        agrees(
            lambda s: function(X * s, axis=(0, 1), initial=s[0] * 2, where=MASK), np.array([start])
        )


@pytest.mark.parametrize(
    "name",
    ["sum", "prod", "mean", "var", "std", "nansum", "nanprod", "nanmean", "nanvar", "nanstd"],
)
def test_dtype(name):
    function = REDUCTIONS[name]
    agrees(lambda x: function(x, axis=0, dtype=np.float64), X)
    narrow = X.astype(np.float32)
    for dtype in (np.float64, np.float32):
        value, pull = wg.vjp(lambda x, d=dtype: function(x, axis=0, dtype=d), narrow)
        same(value, function(narrow, axis=0, dtype=dtype))
        (back,) = pull(np.ones(4, dtype))
        assert back.dtype == np.float32
        reference = wg.vjp(lambda x: function(x, axis=0), narrow.astype(float))[1](np.ones(4))[0]
        np.testing.assert_allclose(back, reference, rtol=1e-5, atol=1e-5)
        value, change = wg.jvp(
            lambda x, d=dtype: function(x, axis=0, dtype=d), (narrow,), (np.ones_like(narrow),)
        )
        assert value.dtype == change.dtype == dtype


@pytest.mark.parametrize("name", ["sum", "mean", "max", "var", "std"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.longdouble])
def test_dtypes_are_kept(name, dtype):
    x = X.astype(dtype)
    function = REDUCTIONS[name]
    same(wg.vjp(function, x)[0], function(x))
    gradient = wg.grad(lambda x: function(x))(x)
    assert gradient.dtype == dtype
    np.testing.assert_allclose(gradient, wg.grad(function)(X), rtol=2e-3, atol=2e-3)


def test_dtype_without_derivative():
    assert wg.grad(lambda x: np.sum(x * 1.5) + np.sum(x, dtype=int))(2.0) == 1.5
    with pytest.raises(TypeError, match="imaginary part"):
        wg.grad(lambda z: np.var(z, dtype=np.float64))(np.ones(2, complex))


@pytest.mark.parametrize(
    "name", ["sum", "prod", "max", "min", "mean", "var", "std", "nansum", "median"]
)
def test_out(name):
    function = REDUCTIONS[name]

    def program(x):
        out = np.empty(4)
        result = function(x, axis=0, out=out)
        assert result is out
        return out * 2.0

    agrees(program, X)

    def into_float32(x):
        out = np.empty(4, np.float32)
        function(x, axis=0, out=out)
        return out

    def into_float64(x):
        return function(x, axis=0, out=np.empty(4))

    narrow = X.astype(np.float32)
    if name in ("var", "std", "median"):  # rounded where NumPy rounds a partial result
        np.testing.assert_allclose(wg.vjp(into_float64, narrow)[0], into_float64(narrow), rtol=1e-6)
        return
    same(wg.vjp(into_float32, X)[0], into_float32(X))
    same(wg.vjp(into_float64, narrow)[0], into_float64(narrow))


def test_spread_keywords():
    for function in (np.var, np.std, np.nanvar, np.nanstd):
        agrees(lambda x, f=function: f(x, ddof=1), X)
        agrees(lambda x, f=function: f(x, axis=1, correction=1.5), X)
        agrees(lambda x, f=function: f(x, axis=0, ddof=1, where=MASK, keepdims=True), X)
        agrees(lambda x, f=function: f(x, axis=0, mean=np.mean(x, axis=0, keepdims=True)), X)
        agrees(lambda m, f=function: f(X + 0 * m, axis=0, mean=m), X[:1] * 1.5)
        agrees(lambda x, f=function: f(x, axis=1, mean=x[:, :1], where=MASK), X)
        with pytest.raises(ValueError, match="simultaneously"):
            wg.grad(lambda x, f=function: f(x, ddof=1, correction=1))(X)


def test_average():
    agrees(lambda x: np.average(x, weights=WEIGHTS), X)
    agrees(lambda x: np.average(x, axis=1, weights=WEIGHTS[0]), X)
    agrees(lambda x: np.average(x, axis=0, weights=WEIGHTS, keepdims=True), X)
    agrees(lambda w: np.average(X, axis=1, weights=w), WEIGHTS)
    agrees(lambda w: np.average(X, axis=1, weights=w, returned=True)[1], WEIGHTS)
    agrees(lambda x: np.average(x, axis=(2, 0), weights=WEIGHTS[:, :2]) * 1.0, CUBE[:, :2, :3])
    with pytest.raises(ZeroDivisionError):
        wg.grad(lambda w: np.average(X, weights=w))(np.zeros((3, 4)))
    with pytest.raises(TypeError, match="Axis must be specified"):
        wg.grad(lambda w: np.average(X, weights=w))(np.ones(4))


def test_complex_numbers():
    z = X + 1j * WEIGHTS
    for function in (np.sum, np.mean, np.prod):
        value, pull = wg.vjp(lambda z, f=function: f(z, axis=1), z)
        same(value, function(z, axis=1))
        change = np.conj(WEIGHTS) + 0.5j
        _, tangent = wg.jvp(lambda z, f=function: f(z, axis=1), (z,), (change,))
        cotangent = np.array([1.0, 2.0j, -1.0 + 1.0j])
        left = np.sum(cotangent * tangent).real
        assert math.isclose(left, np.sum(pull(cotangent)[0] * change).real, rel_tol=1e-12)
    for function in (np.var, np.std):
        # A real function of a complex argument, as one of two real ones.
        gradient = wg.grad(function)(z)
        real = jacobian(lambda x, f=function: f(x + 1j * WEIGHTS), X)
        imaginary = jacobian(lambda y, f=function: f(X + 1j * y), WEIGHTS)
        close(gradient.real, real, 1e-9)
        close(-gradient.imag, imaginary, 1e-9)


@pytest.mark.parametrize(
    "point", [1.5, np.float64(1.5), np.array(1.5)], ids=["float", "numpy", "0d"]
)
@each_reduction
def test_numbers(name, point):
    function = REDUCTIONS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        same(wg.vjp(function, point)[0], function(point))
        expected = 0.0 if name in ("var", "std", "nanvar", "nanstd", "ptp") else 1.0
        has_gradient(function, point, expected)


def test_empty():
    empty = np.zeros((3, 0))
    for function in (np.sum, np.prod, np.cumsum, np.cumprod):
        same(wg.vjp(lambda x, f=function: f(x, axis=1), empty)[0], function(empty, axis=1))
        assert wg.jacrev(lambda x, f=function: f(x, axis=1))(empty).size == 0
    for function in (np.max, np.min, np.nanmax):
        with pytest.raises(ValueError, match="zero-size array to reduction"):
            wg.grad(function)(np.zeros(0))
    with pytest.raises(np.exceptions.AxisError, match="axis 2 is out of bounds"):
        wg.grad(lambda x: np.sum(x, axis=2))(X)
    with pytest.raises(ValueError, match="duplicate"):
        wg.grad(lambda x: np.sum(x, axis=(0, 0)))(X)
    with pytest.raises(TypeError, match="integer"):
        wg.grad(lambda x: np.sum(x, axis=[0]))(X)


@pytest.mark.parametrize(
    ("function", "point"),
    [
        (np.mean, np.zeros(0)),
        (lambda x: np.var(x, ddof=4), np.ones(3)),
        (lambda x: np.nanstd(x, ddof=4), np.array([1.0, NAN])),
        (np.nanmax, np.full(3, NAN)),
        (np.nanmean, np.full(3, NAN)),
        (np.median, np.zeros(0)),
    ],
    ids=["mean", "var", "nanstd", "nanmax", "nanmean", "median"],
)
def test_warnings_are_numpys(function, point):
    heard = []
    for call in (function, lambda x: wg.vjp(function, x)[0]):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert np.isnan(call(point))
        heard.append({str(warning.message) for warning in caught})
    assert heard[0] == heard[1]


# Zeros, ties, nan, infinities.


@pytest.mark.parametrize("outer", [wg.jacfwd, wg.jacrev])
@pytest.mark.parametrize("inner", [wg.jacfwd, wg.jacrev])
def test_products_to_third_order(inner, outer):
    for point in (np.array([2.0, 0.0, 3.0, 0.5]), np.array([0.0, 0.0, 3.0, 5.0]), np.zeros(4)):
        third = outer(inner(wg.grad(np.prod)))(point)
        expected = np.zeros((4, 4, 4))
        for i, j, k in np.ndindex(4, 4, 4):
            if len({i, j, k}) == 3:
                expected[i, j, k] = np.prod(np.delete(point, [i, j, k]))
        assert third.tolist() == expected.tolist()


def test_products_over_several_axes():
    table = X.copy()
    table[1, 2] = 0.0
    expected = np.zeros((3, 4))
    expected[1, 2] = np.prod(np.delete(table.ravel(), 6))
    has_gradient(lambda x: np.prod(x, axis=(1, 0)), table, expected, 1e-12)


def test_nan_and_ties_of_extremes():
    has_gradient(np.max, np.array([1.0, NAN, 2.0]), [0.0, 1.0, 0.0])
    has_gradient(np.min, np.array([NAN, 1.0, NAN]), [0.5, 0.0, 0.5])
    has_gradient(np.nanmax, np.array([1.0, NAN, 2.0, 2.0]), [0.0, 0.0, 0.5, 0.5])
    has_gradient(lambda x: np.max(x, initial=2.0), np.array([2.0, 1.0]), [0.5, 0.0])
    has_gradient(lambda s: np.max(np.array([2.0, 1.0]), initial=s), 2.0, 0.5)
    has_gradient(lambda s: np.max(np.array([2.0, 1.0]), initial=s), 1.0, 0.0)
    assert (
        wg.jacfwd(wg.grad(np.max))(np.array([2.0, 1.0, 2.0])).tolist() == np.zeros((3, 3)).tolist()
    )


def test_what_is_not_selected_has_no_influence():
    x = np.array([0.0, 4.0, 9.0])
    chosen = x > 0
    with np.errstate(all="ignore"):
        for function in (np.sum, np.prod, np.mean, np.var, np.std):
            for mode in MODES:
                gradient = mode(lambda x, f=function: f(np.log(x), where=chosen))(x)
                expected = mode(lambda x, f=function: f(np.log(x)))(x[1:])
                assert gradient[0] == 0.0
                np.testing.assert_allclose(gradient[1:], expected, rtol=1e-13)
        with_nan = np.array([-1.0, 4.0, 9.0])
        for function in (np.nansum, np.nanprod, np.nanmean, np.nanvar, np.nanstd, np.nanmax):
            expected = wg.grad(lambda x, f=function: f(np.log(x)))(with_nan[1:])
            # A nan that is replaced has a derivative like any constant: none.
            has_gradient(
                lambda x, f=function: f(np.log(x)), with_nan, [0.0, *expected], tolerance=1e-13
            )


def test_masks_pass_through_reductions():
    table = np.array([[0.0, 0.0], [1.0, 4.0]])
    for function in (np.sum, np.mean, np.max):
        has_gradient(
            lambda x, f=function: np.sum(np.where([False, True], f(np.sqrt(x), axis=1), 0.0)),
            table,
            wg.grad(lambda x, f=function: f(np.sqrt(x)))(table[1]) * np.array([[0.0], [1.0]]),
        )


def test_spread_of_constants():
    with_mask = np.array([True, False, True])
    for function in (np.std, np.nanstd):
        has_gradient(
            lambda x, f=function: np.sum(f(x, axis=1)), np.full((2, 3), 1.5), np.zeros((2, 3))
        )
        has_gradient(
            lambda x, f=function: f(x, where=with_mask), np.array([2.0, 5.0, 2.0]), np.zeros(3)
        )
    second = wg.jacfwd(wg.grad(np.std))(np.array([1.0, 2.0, 4.0]))
    close(second, jacobian(lambda x: jacobian(np.std, x), np.array([1.0, 2.0, 4.0])), 1e-7)


def test_ties_of_a_sort():
    weights = np.array([1.0, 2.0, 4.0, 8.0])
    x = np.array([2.0, 1.0, 2.0, 2.0])
    has_gradient(lambda x: weights @ np.sort(x), x, [14 / 3, 1.0, 14 / 3, 14 / 3], 1e-15)
    has_gradient(lambda x: weights @ np.partition(x, 1), x, [14 / 3, 1.0, 14 / 3, 14 / 3], 1e-15)
    has_gradient(np.median, np.array([1.0, 2.0, 2.0, 3.0]), [0.0, 0.5, 0.5, 0.0])


# Running reductions, differences, sorting.


@pytest.mark.parametrize("function", [np.cumsum, np.cumprod, np.nancumsum, np.nancumprod])
def test_running(function):
    for axis in (None, 0, -1):
        agrees(lambda x, a=axis: function(x, axis=a), X)
    agrees(lambda x: function(x, 1, np.float64), X)
    agrees(lambda x: function(x, axis=2), CUBE[::-1, :, ::-2])

    def into(x):
        out = np.empty((3, 4))
        assert function(x, axis=0, out=out) is out
        return out + 1.0

    agrees(into, X)
    same(wg.vjp(function, 2.5)[0], function(2.5))
    has_gradient(lambda x: function(x)[0], 2.5, 1.0)


@pytest.mark.parametrize("function", [np.cumulative_sum, np.cumulative_prod])
def test_running_of_the_array_api(function):
    agrees(function, X[0])
    agrees(lambda x: function(x, axis=-1, include_initial=True), X)
    agrees(lambda x: function(x, axis=0, dtype=np.float64), X)
    with pytest.raises(ValueError, match="axis"):
        wg.jacrev(function)(X)


def test_running_methods():
    agrees(lambda x: x.cumsum(), X)
    agrees(lambda x: x.cumprod(axis=1), X)


def test_running_products_to_second_order():
    for x in (np.array([2.0, 0.0, 3.0, 0.5]), np.array([0.0, 2.0, 0.0, 3.0])):
        expected = jacobian(lambda p: jacobian(np.cumprod, p), x)
        for outer in (wg.jacfwd, wg.jacrev):
            for inner in (wg.jacfwd, wg.jacrev):
                close(outer(inner(np.cumprod))(x), expected, 1e-8)


def test_long_running_products():
    x = np.linspace(0.99, 1.01, 4000)
    x[1700] = 0.0
    gradient = wg.grad(lambda x: np.sum(np.cumprod(x)))(x)
    assert (gradient[1701:] == 0.0).all()
    before = np.prod(x[:1700])
    assert math.isclose(gradient[1700], before * (1 + np.sum(np.cumprod(x[1701:]))), rel_tol=1e-12)


def test_differences():
    for n in (1, 2, 3):
        agrees(lambda x, n=n: np.diff(x, n), X)
    agrees(lambda x: np.diff(x, axis=0, prepend=0.5, append=x[:1]), X)
    agrees(lambda x: np.diff(x, prepend=x[:, -2:], append=2.0), X)
    agrees(lambda x: np.ediff1d(x, to_begin=x[0, :2], to_end=3.0), X)
    agrees(lambda x: np.trapezoid(x), X)
    agrees(lambda x: np.trapezoid(x, dx=x[0, 0], axis=0), X)
    agrees(lambda x: np.trapezoid(x, np.array([0.0, 0.5, 2.0]), axis=0), X)
    agrees(lambda x: np.trapezoid(X, x), X)
    assert wg.grad(lambda x: np.sum(np.diff(x > 0) * 1.0) + x[0])(X[0])[0] == 1.0


def test_sorting():
    for kind in (None, "quicksort", "stable", "heapsort"):
        agrees(lambda x, k=kind: np.sort(x, kind=k), X)
    agrees(lambda x: np.sort(x, axis=0), X)
    agrees(lambda x: np.sort(x, axis=None), X)
    agrees(lambda x: np.sort(x, axis=1, stable=True), CUBE)
    agrees(lambda x: np.partition(x, 2), X)
    agrees(lambda x: np.partition(x, (1, 5), axis=None), X)
    agrees(lambda x: np.take_along_axis(x, np.argsort(x, axis=1), axis=1), X)
    agrees(lambda x: x[np.argsort(x[:, 0])] * x[np.argmax(x) // 4], X)
    same(wg.vjp(np.sort_complex, X[0])[0], np.sort_complex(X[0]))


def test_sorting_in_place():
    def program(x):
        y = x * 2.0
        y.sort(axis=0)
        y[1].sort()
        y[:, ::2].sort(axis=1)
        return y * y

    agrees(program, X)

    def partitioned(x):
        y = np.exp(x)
        y.partition(1, axis=1)
        return y

    agrees(partitioned, X)


def test_searches_pass_through():
    def program(x):
        y = x * 1.0
        assert type(np.argmax(y)) is np.intp
        assert y.argmax(axis=1).tolist() == X.argmax(axis=1).tolist()
        assert y.argsort().tolist() == X.argsort().tolist()
        assert np.any(y > 0)
        assert (y * y).all()
        assert len(y.nonzero()) == 2
        assert np.sort(y[0]).searchsorted(0.0) == np.sort(X[0]).searchsorted(0.0)
        assert np.count_nonzero(y > 0) == np.count_nonzero(X > 0)
        assert np.allclose(y, X)
        assert np.array_equal(y, X)
        return np.sum(y)

    has_gradient(program, X, np.ones((3, 4)))


# log Σ exp.


def test_logsumexp_keywords():
    agrees(logsumexp, X)
    agrees(lambda x: logsumexp(x, axis=0), X)
    agrees(lambda x: logsumexp(x, axis=(0, 2), keepdims=True), CUBE)
    agrees(lambda x: logsumexp(x, axis=-1, b=WEIGHTS), X)
    agrees(lambda x: logsumexp(x, b=WEIGHTS[0], axis=0), X)
    agrees(lambda b: logsumexp(X, b=b), WEIGHTS)
    agrees(lambda x: logsumexp(x, b=-x, axis=1, return_sign=True)[0], WEIGHTS)
    sign = wg.vjp(lambda x: logsumexp(x, b=-WEIGHTS, axis=1, return_sign=True), X)[0][1]
    assert sign.tolist() == [-1.0, -1.0, -1.0]
    for point in (1.5, np.float32(1.5), np.array(1.5)):
        same(wg.vjp(logsumexp, point)[0], logsumexp(point))
        has_gradient(logsumexp, point, 1.0)
    narrow = X.astype(np.float32)
    same(wg.vjp(logsumexp, narrow)[0], logsumexp(narrow))


@pytest.mark.parametrize("function", [logsumexp, np.logaddexp.reduce], ids=["scipy", "numpy"])
def test_logsumexp_at_the_ends(function):
    with np.errstate(all="ignore"):
        for shift in (0.0, 1000.0, -1000.0):
            x = np.array([-INF, 0.0, math.log(3.0)]) + shift
            has_gradient(function, x, [0.0, 0.25, 0.75], 1e-12)
            for outer in (wg.jacfwd, wg.jacrev):
                second = outer(wg.grad(function))(x)
                close(
                    second, np.diag([0.0, 0.25, 0.75]) - np.outer(*[[0.0, 0.25, 0.75]] * 2), 1e-12
                )
        has_gradient(function, np.full(4, -INF), np.full(4, 0.25))
        has_gradient(function, np.array([INF, 1.0, INF]), [0.5, 0.0, 0.5])


def test_logsumexp_to_third_order():
    x = np.array([0.3, -0.4, 1.1])
    p = np.exp(x) / np.sum(np.exp(x))
    third = wg.jacfwd(wg.jacrev(wg.grad(logsumexp)))(x)
    expected = jacobian(lambda x: wg.jacfwd(wg.grad(logsumexp))(x), x)
    close(third, expected, 1e-9)
    close(wg.grad(logsumexp)(x), p, 1e-14)


def test_a_weight_of_zero_takes_its_entry_out():
    x = np.array([INF, 0.5, NAN, 1.0])
    b = np.array([0.0, 1.0, 0.0, 2.0])
    expected = wg.grad(lambda x: logsumexp(x, b=b[[1, 3]]))(x[[1, 3]])
    with np.errstate(all="ignore"):
        has_gradient(lambda x: logsumexp(x, b=b), x, [0.0, expected[0], 0.0, expected[1]], 1e-15)


# Second order of everything, by differences of the first.


@pytest.mark.parametrize("name", [n for n in REDUCTIONS if n not in ("amax", "amin", "ptp")])
def test_second_order(name):
    function = REDUCTIONS[name]

    def scalar(x):
        return np.sum(function(x * x, axis=0) ** 2 * np.array([1.0, -2.0, 0.5, 3.0]))

    expected = jacobian(lambda x: jacobian(scalar, x), X, steps=(0.01, 0.005, 0.0025, 0.00125))
    for outer in (wg.jacfwd, wg.jacrev):
        for inner in (wg.jacfwd, wg.jacrev):
            close(outer(inner(scalar))(X), expected, 2e-6)


def test_initial_of_another_precision():
    """NumPy compares it in the precision of the result: that of the array."""
    x = np.array([1.5, 2.0, 0.3], np.float32)
    for start in (-0.7, np.float64(-0.7)):
        assert wg.grad(lambda i: np.min(x, initial=i))(start) == 1.0
        assert wg.jvp(lambda i: np.min(x, initial=i), (start,), (2.0,))[1] == 2.0


INTO = {
    "sum": np.sum,
    "mean": np.mean,
    "var": np.var,
    "std": functools.partial(np.std, ddof=1),
    "std in double": functools.partial(np.std, dtype=np.float64),
    "ptp": np.ptp,
    "median": np.median,
    "percentile": functools.partial(np.percentile, q=30.0),
    "nansum": np.nansum,
    "nanmean": np.nanmean,
    "nanvar": np.nanvar,
    "nanstd": np.nanstd,
    "nanmedian": np.nanmedian,
    "nanquantile": functools.partial(np.nanquantile, q=0.3),
}


@pytest.mark.parametrize("precision", [np.float16, np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("name", INTO)
def test_out_of_another_precision(name, precision):
    """Where NumPy rounds to the dtype of `out`, so do transformations; derivatives come along."""
    for dtype in (np.float16, np.float32, np.float64):
        x = np.random.default_rng(3).normal(size=(5, 7)).astype(dtype)

        def stored(x):
            out = np.zeros(7, precision)
            INTO[name](x, axis=0, out=out)
            return out

        value, tangent = wg.jvp(stored, (x,), (np.ones_like(x),))
        np.testing.assert_array_equal(value, stored(x))
        assert value.dtype == tangent.dtype == precision
        gradient = wg.grad(lambda x: np.sum(stored(x)))(x)
        exact = wg.grad(lambda x: np.sum(INTO[name](x, axis=0)))(x.astype(float))
        assert gradient.dtype == dtype
        coarse = np.float16 in (dtype, precision)
        np.testing.assert_allclose(gradient, exact, rtol=0.05 if coarse else 1e-5, atol=1e-3)
