"""Derivatives at kinks, ties, zeros and infinities: the policy for each function, in both modes.

At a kink the derivative is the mean of the slopes on its sides where ties share, else 0; where a
limit exists it is given, infinities included, and never nan.
"""

import math

import numpy as np
import pytest

import wengert as wg
from modes import MODES, has_gradient

INF = math.inf


@pytest.fixture(autouse=True)
def quiet():
    """NumPy itself warns of division by zero; the tests say what must come of it."""
    with np.errstate(all="ignore"):
        yield


def nth_derivatives(function, point, order):
    """Derivatives of ``order`` by every mix of modes that begins and ends differently."""
    mixes = [(wg.grad,), (wg.jacfwd,), (wg.jacfwd, wg.grad), (wg.grad, wg.jacfwd)]
    for mix in mixes:
        derivative = function
        for level in range(order):
            derivative = mix[level % len(mix)](derivative)
        yield float(derivative(point))


# Absolute value and what rounds.


@pytest.mark.parametrize("function", [np.abs, np.absolute, np.fabs, abs])
def test_absolute_value(function):
    has_gradient(function, 0.0, 0.0)
    has_gradient(lambda x: np.sum(function(x)), np.array([-2.0, 0.0, 3.0]), [-1.0, 0.0, 1.0])
    assert np.isclose(wg.grad(wg.grad(function))(0.0), 0.0, atol=0.0)


def test_absolute_value_of_a_complex_zero():
    z = np.array([0.0, 3.0 + 4.0j])
    gradient = wg.grad(lambda z: np.sum(np.abs(z)))(z)
    np.testing.assert_allclose(gradient, [0.0, 0.6 - 0.8j], rtol=1e-15)


@pytest.mark.parametrize("function", [np.sign, np.floor, np.ceil, np.rint, np.trunc, np.round])
def test_piecewise_constant_functions(function):
    points = np.array([-1.3, 0.0, 0.5, 2.0])
    has_gradient(lambda x: np.sum(function(x) * x), points, function(points))
    has_gradient(lambda x: function(x) + 2.0 * x, 0.7, 2.0)


# Ties.


@pytest.mark.parametrize(
    "largest",
    [np.max, np.amax, np.maximum.reduce, lambda x: x.max()],
    ids=["function", "alias", "reduce", "method"],
)
def test_ties_of_the_largest_share(largest):
    has_gradient(largest, np.array([2.0, 1.0, 2.0]), [0.5, 0.0, 0.5])
    has_gradient(largest, np.full(4, 7.0), np.full(4, 0.25))
    has_gradient(largest, np.array([1.0, 3.0, 2.0]), [0.0, 1.0, 0.0])
    has_gradient(largest, np.array([-INF, -INF]), [0.5, 0.5])
    has_gradient(largest, np.array([INF, 1.0]), [1.0, 0.0])


@pytest.mark.parametrize(
    "smallest",
    [np.min, np.amin, np.minimum.reduce, lambda x: x.min()],
    ids=["function", "alias", "reduce", "method"],
)
def test_ties_of_the_smallest_share(smallest):
    has_gradient(smallest, np.array([2.0, 1.0, 1.0]), [0.0, 0.5, 0.5])
    has_gradient(smallest, np.zeros(5), np.full(5, 0.2), 1e-15)


def test_ties_along_axes_share():
    table = np.array([[2.0, 2.0, 1.0], [0.0, 2.0, 2.0]])
    weights = np.array([1.0, 3.0])
    has_gradient(
        lambda a: np.sum(weights * np.max(a, axis=1)), table, [[0.5, 0.5, 0.0], [0.0, 1.5, 1.5]]
    )
    has_gradient(lambda a: np.sum(np.max(a, axis=0)), table, [[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]])
    has_gradient(
        lambda a: np.sum(np.max(a, axis=(0, 1), keepdims=True)),
        table,
        [[0.25, 0.25, 0.0], [0.0, 0.25, 0.25]],
    )


@pytest.mark.parametrize("function", [np.maximum, np.minimum])
def test_ties_of_two_share(function):
    for mode in MODES:
        assert mode(function, argnums=(0, 1))(2.0, 2.0) == (0.5, 0.5)
    has_gradient(lambda x: function(x, x), 2.0, 1.0)
    has_gradient(lambda x: function(x, 0.0), 0.0, 0.5)
    has_gradient(lambda x: function(x, 1.0 * x + 0.0), 0.0, 1.0)
    has_gradient(lambda x: np.sum(function(x, 1.0)), np.ones(3), np.full(3, 0.5))


def test_choices_written_with_comparisons_take_their_branch():
    has_gradient(lambda x: np.where(x > 0, x, 0.0), 0.0, 0.0)
    has_gradient(lambda x: np.where(x >= 0, x, 0.0), 0.0, 1.0)
    has_gradient(lambda x: x * (x > 0), 0.0, 0.0)
    has_gradient(lambda x: x if x > 0 else 2.0 * x, 0.0, 2.0)


def test_ties_of_a_sort_share():
    weights = np.array([1.0, 2.0, 4.0])
    has_gradient(lambda x: weights @ np.sort(x), np.array([2.0, 1.0, 2.0]), [3.0, 1.0, 3.0])
    has_gradient(lambda x: weights @ np.sort(x), np.array([3.0, 1.0, 2.0]), [4.0, 1.0, 2.0])


# Products with zeros.


@pytest.mark.parametrize(
    "product",
    [np.prod, np.multiply.reduce, lambda x: np.cumprod(x)[-1]],
    ids=["prod", "reduce", "cum"],
)
def test_products_with_zeros(product):
    has_gradient(product, np.array([2.0, 0.0, 3.0]), [0.0, 6.0, 0.0])
    has_gradient(product, np.array([2.0, 0.0, 3.0, 0.0]), np.zeros(4))
    has_gradient(product, np.array([0.0]), [1.0])
    has_gradient(product, np.array([1e-200, 1e-200, 2.0]), [2e-200, 2e-200, 0.0])
    has_gradient(product, np.array([2.0, 3.0, 4.0]), [12.0, 8.0, 6.0])


@pytest.mark.parametrize("outer", [wg.jacfwd, wg.jacrev], ids=["forward", "reverse"])
@pytest.mark.parametrize("inner", [wg.jacfwd, wg.jacrev], ids=["of-forward", "of-reverse"])
@pytest.mark.parametrize("product", [np.prod, lambda x: np.cumprod(x)[-1]], ids=["prod", "cumprod"])
def test_second_derivatives_of_products_with_zeros(product, outer, inner):
    one_zero = outer(inner(product))(np.array([2.0, 0.0, 3.0]))
    assert one_zero.tolist() == [[0.0, 3.0, 0.0], [3.0, 0.0, 2.0], [0.0, 2.0, 0.0]]
    two_zeros = outer(inner(product))(np.array([2.0, 0.0, 0.0, 5.0]))
    expected = np.zeros((4, 4))
    expected[1, 2] = expected[2, 1] = 10.0
    assert two_zeros.tolist() == expected.tolist()


def test_products_with_zeros_along_an_axis():
    table = np.array([[2.0, 0.0], [0.0, 0.0], [5.0, 4.0]])
    has_gradient(lambda a: np.sum(np.prod(a, axis=0)), table, [[0.0, 0.0], [10.0, 0.0], [0.0, 0.0]])
    has_gradient(lambda a: np.sum(np.prod(a, axis=1)), table, [[0.0, 2.0], [0.0, 0.0], [4.0, 5.0]])


def test_running_products_with_zeros():
    weights = np.array([1.0, 10.0, 100.0, 1000.0])
    x = np.array([2.0, 0.0, 3.0, 5.0])
    # Σ wₙ x₁…xₙ: only the derivative by the zero itself sees the products after it.
    has_gradient(lambda x: weights @ np.cumprod(x), x, [1.0, 20.0 + 600.0 + 30_000.0, 0.0, 0.0])


# Norms, spreads and quotients whose limit is known.


@pytest.mark.parametrize(
    "norm",
    [
        np.linalg.norm,
        lambda x: np.linalg.norm(x, ord=2),
        lambda x: np.linalg.norm(x, ord=1),
        lambda x: np.linalg.norm(x, ord=np.inf),
        lambda x: np.linalg.norm(x.reshape(1, 3), ord="fro"),
        lambda x: np.linalg.norm(x.reshape(3, 1)),
        lambda x: np.sum(np.linalg.norm(x[:, None], axis=1)),
    ],
    ids=["default", "two", "one", "infinite", "frobenius", "table", "rows"],
)
def test_norms_at_zero(norm):
    has_gradient(norm, np.zeros(3), np.zeros(3))


def test_norms_of_rows_some_of_them_zero():
    rows = np.array([[3.0, 4.0], [0.0, 0.0]])
    has_gradient(lambda a: np.sum(np.linalg.norm(a, axis=1)), rows, [[0.6, 0.8], [0.0, 0.0]], 1e-15)


def test_hypotenuse():
    for mode in MODES:
        assert mode(np.hypot, argnums=(0, 1))(0.0, 0.0) == (0.0, 0.0)
        assert mode(np.hypot, argnums=(0, 1))(0.0, 2.0) == (0.0, 1.0)
        for scale in (1e-200, 1.0, 1e200):
            gradient = mode(np.hypot, argnums=(0, 1))(3.0 * scale, -4.0 * scale)
            np.testing.assert_allclose(gradient, (0.6, -0.8), rtol=1e-15)


@pytest.mark.parametrize(
    "spread", [np.std, np.var, lambda x: np.std(x, ddof=1)], ids=["std", "var", "ddof"]
)
def test_spread_of_a_constant(spread):
    has_gradient(spread, np.full(3, 1.5), np.zeros(3))
    has_gradient(spread, np.zeros(4), np.zeros(4))


def test_spread_of_rows_some_of_them_constant():
    rows = np.array([[1.0, 3.0], [2.0, 2.0]])
    has_gradient(lambda a: np.sum(np.std(a, axis=1)), rows, [[-0.5, 0.5], [0.0, 0.0]])


def test_cardinal_sine_at_zero():
    has_gradient(np.sinc, 0.0, 0.0)
    has_gradient(lambda x: np.sum(np.sinc(x)), np.array([0.0, 1.0]), [0.0, -1.0], 1e-15)
    # sinc x = Σ (−1)ᵏ (πx)²ᵏ / (2k+1)!
    for order, expected in [(2, -(math.pi**2) / 3), (3, 0.0), (4, math.pi**4 / 5)]:
        for derivative in nth_derivatives(np.sinc, 0.0, order):
            assert math.isclose(derivative, expected, rel_tol=1e-14)


@pytest.mark.parametrize("x", [1e-2, 1e-3, 1e-5, 1e-7, 1e-9, -1e-4])
def test_cardinal_sine_near_zero(x):
    t = (math.pi * x) ** 2
    first = -math.pi * (math.pi * x) * (1 / 3 - t / 30 + t**2 / 840 - t**3 / 45_360)
    second = -(math.pi**2) * (1 / 3 - t / 10 + t**2 / 168 - t**3 / 6480)
    for derivative in nth_derivatives(np.sinc, x, 1):
        assert abs(derivative - first) < 1e-12
    for derivative in nth_derivatives(np.sinc, x, 2):
        assert abs(derivative - second) < 1e-8


# Powers.


@pytest.mark.parametrize("make", [int, float, np.float64], ids=["int", "float", "scalar"])
@pytest.mark.parametrize("exponent", [0, 1, 2, 3, 4])
def test_whole_powers_at_zero(exponent, make):
    functions = [lambda x: x ** make(exponent), lambda x: np.power(x, make(exponent))]
    for function in functions:
        for order in range(1, 5):
            expected = math.factorial(exponent) if order == exponent else 0.0
            for derivative in nth_derivatives(function, 0.0, order):
                assert derivative == expected, (order, derivative)


def test_whole_powers_of_arrays_at_zero():
    x, exponents = np.zeros(4), np.arange(4.0)
    has_gradient(lambda x: np.sum(x**exponents), x, [0.0, 1.0, 0.0, 0.0])
    has_gradient(lambda x: np.sum(np.power(x, np.arange(4))), x, [0.0, 1.0, 0.0, 0.0])
    has_gradient(lambda x: np.sum(np.float_power(x, 2)), x, np.zeros(4))
    second = wg.jacfwd(wg.grad(lambda x: np.sum(x**exponents)))(x)
    assert second.tolist() == np.diag([0.0, 0.0, 2.0, 0.0]).tolist()


def test_broken_powers_at_zero():
    has_gradient(lambda x: x**1.5, 0.0, 0.0)
    has_gradient(lambda x: x**0.5, 0.0, INF)
    has_gradient(lambda x: x**-1.0, np.array(0.0), -INF)
    for derivative in nth_derivatives(lambda x: x**1.5, 0.0, 2):
        assert derivative == INF
    for derivative in nth_derivatives(lambda x: x**2.5, 0.0, 2):
        assert derivative == 0.0


def test_derivatives_of_powers_of_python_numbers_do_not_warn():
    with np.errstate(all="warn"):  # which is an error here
        assert wg.grad(lambda x: x**0.5)(0.0) == INF
        assert math.isnan(wg.grad(lambda y: (-2.0) ** y)(3.0))


def test_exponent_over_a_base_of_zero():
    for mode in MODES:
        assert mode(lambda y: np.power(0.0, y))(2.0) == 0.0
        assert mode(np.power, argnums=(0, 1))(0.0, 2.0) == (0.0, 0.0)
        assert mode(np.power, argnums=(0, 1))(0.0, 1.0) == (1.0, 0.0)
        assert mode(lambda x, y: x**y)(-2.0, 3.0) == 12.0


# Infinite slopes, and slopes that must not underflow, overflow or cancel.


@pytest.mark.parametrize(
    ("function", "point"),
    [(np.sqrt, 0.0), (np.cbrt, 0.0), (np.log, 0.0), (np.arcsin, 1.0), (np.arccosh, 1.0)],
    ids=["sqrt", "cbrt", "log", "arcsin", "arccosh"],
)
def test_infinite_slopes(function, point):
    has_gradient(function, point, INF)
    has_gradient(lambda x: np.sum(function(x)), np.array([point]), [INF])


def test_exponential_less_one_far_below_zero():
    has_gradient(np.expm1, -40.0, math.exp(-40.0), 1e-15)
    has_gradient(np.expm1, -700.0, math.exp(-700.0), 1e-15)
    for derivative in nth_derivatives(np.expm1, -40.0, 2):
        assert math.isclose(derivative, math.exp(-40.0), rel_tol=1e-15)


def log_sum_exp(x):
    top = np.max(x)
    return top + np.log(np.sum(np.exp(x - top)))


@pytest.mark.parametrize("function", [np.logaddexp.reduce, log_sum_exp], ids=["reduce", "composed"])
def test_logarithm_of_a_sum_of_exponentials(function):
    weights = np.array([0.0, 0.25, 0.75])
    x = np.array([-INF, 0.0, math.log(3.0)])
    has_gradient(function, x, weights, 1e-15)
    has_gradient(function, x + 1000.0, weights, 1e-12)
    has_gradient(function, x - 1000.0, weights, 1e-12)


def test_logarithm_of_two_exponentials():
    for function in (np.logaddexp, np.logaddexp2):
        for mode in MODES:
            slopes = mode(function, argnums=(0, 1))
            assert slopes(2.0, -INF) == (1.0, 0.0)
            assert slopes(-INF, 2.0) == (0.0, 1.0)
            assert slopes(1e4, 1e4) == (0.5, 0.5)
            assert slopes(-1e4, 1e4) == (0.0, 1.0)


def test_saturated_functions_have_slope_zero():
    for function in (np.tanh, np.arctan, lambda x: np.exp(-x)):
        has_gradient(lambda x, f=function: f(x), 1e200, 0.0)
    has_gradient(np.exp, -INF, 0.0)
    has_gradient(np.log, 1e-300, 1e300, 1e-15)
    has_gradient(lambda x: np.log1p(x), 1e300, 1e-300, 1e-15)
