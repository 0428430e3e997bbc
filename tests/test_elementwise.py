"""Elementwise functions: derivatives of orders 1 to 3 against mpmath, hard points, and keywords.

The matrix test over all samples compares with differences; here the witness has 50 digits.
"""

import math

import mpmath
import numpy as np
import pytest

import wengert as wg

# For each function: the formula, points, and how many units in the last place each order may lose.
UNARY = {
    "exp": (np.exp, mpmath.exp, (-30.0, -0.3, 2.0)),
    "exp2": (np.exp2, lambda x: mpmath.power(2, x), (-30.0, 0.4, 3.0)),
    "expm1": (np.expm1, mpmath.expm1, (-40.0, -1e-9, 0.7)),
    "log": (np.log, mpmath.log, (1e-5, 0.7, 1e8)),
    "log2": (np.log2, lambda x: mpmath.log(x) / mpmath.log(2), (1e-5, 0.7, 1e8)),
    "log10": (np.log10, lambda x: mpmath.log(x) / mpmath.log(10), (1e-5, 0.7, 1e8)),
    "log1p": (np.log1p, mpmath.log1p, (-0.999, 1e-12, 5.0)),
    "sqrt": (np.sqrt, mpmath.sqrt, (1e-6, 0.7, 1e8)),
    "cbrt": (np.cbrt, mpmath.cbrt, (1e-6, 0.7, 1e8)),
    "square": (np.square, lambda x: x * x, (-0.7, 0.0, 3.0)),
    "reciprocal": (np.reciprocal, lambda x: 1 / x, (1e-4, -0.7, 1e4)),
    "sin": (np.sin, mpmath.sin, (0.0, 0.7, 40.0)),
    "cos": (np.cos, mpmath.cos, (0.0, 0.7, 40.0)),
    "tan": (np.tan, mpmath.tan, (0.0, 0.7, -1.3)),
    "arcsin": (np.arcsin, mpmath.asin, (0.0, 0.7, 1 - 1e-9)),
    "arccos": (np.arccos, mpmath.acos, (0.0, 0.7, -1 + 1e-9)),
    "arctan": (np.arctan, mpmath.atan, (0.0, 0.7, 1e5)),
    "sinh": (np.sinh, mpmath.sinh, (0.0, 0.7, -20.0)),
    "cosh": (np.cosh, mpmath.cosh, (0.0, 0.7, -20.0)),
    "tanh": (np.tanh, mpmath.tanh, (0.0, 0.7, -1.5)),
    "arcsinh": (np.arcsinh, mpmath.asinh, (0.0, 0.7, 1e5)),
    "arccosh": (np.arccosh, mpmath.acosh, (1 + 1e-9, 1.7, 1e5)),
    "arctanh": (np.arctanh, mpmath.atanh, (0.0, 0.7, 1 - 1e-9)),
    "deg2rad": (np.deg2rad, mpmath.radians, (0.0, 40.0)),
    "radians": (np.radians, mpmath.radians, (0.0, 40.0)),
    "rad2deg": (np.rad2deg, mpmath.degrees, (0.0, 0.7)),
    "degrees": (np.degrees, mpmath.degrees, (0.0, 0.7)),
    "sinc": (np.sinc, mpmath.sincpi, (1e-9, 0.01, 0.3, 1.0, 7.3)),
    "i0": (np.i0, lambda x: mpmath.besseli(0, x), (0.0, 1e-9, 0.7, -9.0)),
    "absolute": (np.absolute, abs, (0.7, -2.0)),
    "fabs": (np.fabs, abs, (0.7, -2.0)),
    "float_power 3": (lambda x: np.float_power(x, 3), lambda x: x**3, (0.0, 0.7, -2.0)),
    "power 2.5": (lambda x: np.power(x, 2.5), lambda x: x ** mpmath.mpf("2.5"), (0.7, 3.0)),
    "2 to the x": (lambda x: 2.0**x, lambda x: mpmath.power(2, x), (-3.0, 0.7)),
    "x to the x": (lambda x: x**x, lambda x: x**x, (0.3, 2.0)),
    "hypot": (lambda x: np.hypot(x, 2.0), lambda x: mpmath.sqrt(x * x + 4), (0.0, 0.7, 30.0)),
    "arctan2": (lambda x: np.arctan2(x, 2.0), lambda x: mpmath.atan(x / 2), (0.0, 0.7, 1e3)),
    "logaddexp": (
        lambda x: np.logaddexp(x, 0.5),
        lambda x: mpmath.log(mpmath.exp(x) + mpmath.exp(0.5)),
        (-60.0, 0.5, 2.0),
    ),
    "logaddexp2": (
        lambda x: np.logaddexp2(0.5, x),
        lambda x: mpmath.log(mpmath.power(2, x) + mpmath.power(2, 0.5)) / mpmath.log(2),
        (-60.0, 0.5, 2.0),
    ),
    "remainder": (lambda x: np.remainder(x, 0.3), lambda x: x - 6 * mpmath.mpf(0.3), (2.0,)),
    "remainder of the divisor": (lambda y: np.fmod(2.0, y), lambda y: 2 - 6 * y, (0.3,)),
}


def unary_points():
    for name, (_, _, points) in UNARY.items():
        for point in points:
            yield pytest.param(name, point, id=f"{name} {point}")


def iterated(function, order, mixes):
    for mix in mixes:
        derivative = function
        for level in range(order):
            derivative = mix[level % len(mix)](derivative)
        yield derivative


MIXES = [(wg.grad,), (wg.jacfwd,), (wg.grad, wg.jacfwd), (wg.jacfwd, wg.grad)]


@pytest.fixture(autouse=True)
def quiet():
    """A derivative that is constant warns; points at poles make NumPy warn."""
    with np.errstate(all="ignore"):
        yield


@pytest.mark.filterwarnings("ignore::wengert.errors.UnusedInputWarning")
@pytest.mark.parametrize(("name", "point"), list(unary_points()))
def test_three_derivatives(name, point):
    function, formula, _ = UNARY[name]
    for order in (1, 2, 3):
        with mpmath.workdps(60):
            expected = mpmath.diff(formula, mpmath.mpf(point), order)
        size = max(abs(float(expected)), 1e-14)
        for derivative in iterated(function, order, MIXES):
            found = float(derivative(point))
            # One formula serves every order, so that what is lost grows slowly.
            assert abs(found - float(expected)) <= 20**order * 2.3e-16 * size, (order, found)


def test_fourth_derivative_of_sinc_and_i0_at_zero():
    for function, expected in [
        (np.sinc, (0.0, -(math.pi**2) / 3, 0.0, math.pi**4 / 5)),
        (np.i0, (0.0, 0.5, 0.0, 0.375)),
    ]:
        for order, value in enumerate(expected, start=1):
            for derivative in iterated(function, order, MIXES):
                assert math.isclose(float(derivative(0.0)), value, rel_tol=1e-14, abs_tol=1e-300)


@pytest.mark.parametrize("order", [3, 6, 10])
def test_high_derivatives_of_sinc_near_the_change_of_formula(order):
    from wengert.ops.trigonometric import sinc_derivative

    for x in (0.3, 0.32, 0.45 * order / math.pi, 0.55 * order / math.pi, -4.0):
        found = sinc_derivative.evaluate(x, order=order)
        with mpmath.workdps(60):
            expected = float(mpmath.diff(mpmath.sincpi, mpmath.mpf(x), order))
        assert abs(found - expected) <= 1e-12 * math.pi**order / order


def test_precision_of_the_dtype_is_kept():
    for dtype in (np.float16, np.float32, np.longdouble):
        x = np.array([0.25, 0.5], dtype)
        for function in (np.sinc, np.i0, np.exp2, np.logaddexp, np.hypot, np.arctan2, np.maximum):
            arguments = (x,) if getattr(function, "nin", 1) == 1 else (x, 2 * x)
            value, pullback = wg.vjp(function, *arguments)
            assert value.dtype == dtype
            assert all(part.dtype == dtype for part in pullback(np.ones(2, dtype)))


# ------------------------------------------------------------------ hard points


def test_no_overflow_or_underflow_on_the_way():
    for scale in (1e-300, 1e-160, 1e160, 1e300):
        slopes = wg.grad(np.hypot, argnums=(0, 1))(3 * scale, -4 * scale)
        np.testing.assert_allclose(slopes, (0.6, -0.8), rtol=1e-15)
        by_y, by_x = wg.grad(np.arctan2, argnums=(0, 1))(3 * scale, -4 * scale)
        np.testing.assert_allclose((by_y * scale, by_x * scale), (-0.16, -0.12), rtol=1e-15)
        modulus = wg.grad(np.abs)((3 - 4j) * scale)
        np.testing.assert_allclose(modulus, 0.6 + 0.8j, rtol=1e-15)
        np.testing.assert_allclose(wg.grad(np.angle)((3 - 4j) * scale) * scale, 0.16 - 0.12j)
    assert wg.grad(np.arcsinh)(1e200) == pytest.approx(1e-200, rel=1e-15, abs=0)
    assert wg.grad(np.arccosh)(1e200) == pytest.approx(1e-200, rel=1e-15, abs=0)
    assert wg.grad(lambda x: np.reciprocal(x) * 1e-300)(1e-200) == pytest.approx(-1e100, rel=1e-15)


def test_at_the_origin():
    for mode in (wg.grad, wg.jacfwd, wg.jacrev):
        assert mode(np.hypot, argnums=(0, 1))(0.0, 0.0) == (0.0, 0.0)
        assert mode(np.arctan2, argnums=(0, 1))(0.0, 0.0) == (0.0, 0.0)
        assert mode(np.sqrt)(0.0) == math.inf
        assert mode(np.copysign, argnums=(0, 1))(-3.0, 0.0) == (-1.0, 0.0)
        assert mode(lambda x: np.copysign(x, -2.0))(0.0) == -1.0  # the branch of the sign bit
        assert mode(lambda x: np.copysign(x, -2.0))(-0.0) == 1.0
        assert mode(lambda x: np.copysign(x, x))(-0.0) == 1.0
    hessian = wg.hessian(lambda x: np.hypot(x[0], x[1]))(np.zeros(2))
    assert np.isnan(hessian).all()  # no cone has a curvature at its tip
    assert wg.grad(np.abs)(0j) == 0
    assert wg.grad(np.angle)(0j) == 0


def test_sums_of_exponentials_far_apart():
    for function in (np.logaddexp, np.logaddexp2):
        slopes = wg.grad(function, argnums=(0, 1))
        assert slopes(1000.0, -1000.0) == (1.0, 0.0)
        assert slopes(-math.inf, -math.inf) == (0.5, 0.5)
        assert slopes(math.inf, 1.0) == (1.0, 0.0)
        for order in (2, 3, 4):
            for derivative in iterated(lambda x, f=function: f(x, 0.0), order, MIXES):
                assert abs(derivative(1000.0)) < 1e-290
                assert abs(derivative(-1000.0)) < 1e-290


def test_remainders_whose_quotient_rounds_up():
    # 1.0 / 0.1 rounds to 10, but 0.1 goes into 1.0 nine times.
    assert wg.grad(np.remainder, argnums=1)(1.0, 0.1) == -9.0
    assert wg.grad(np.fmod, argnums=1)(1.0, 0.1) == -9.0
    assert wg.grad(lambda y: divmod(1.0, y)[1])(0.1) == -9.0
    assert wg.grad(lambda x: x % math.inf)(1.5) == 1.0


def test_mixed_second_derivative_of_a_power_at_exponent_zero():
    # ∂²/∂x∂y x^y = x^(y-1) (1 + y log x)
    for inner in (wg.grad, wg.jacfwd):

        def by_x(y, mode=inner):
            return mode(lambda x: np.power(x, y))(3.0)

        def by_y(x, mode=inner):
            return mode(lambda y: np.power(x, y))(0.0)

        for outer in (wg.grad, wg.jacfwd):
            assert outer(by_x)(0.0) == pytest.approx(1 / 3)
            assert outer(by_y)(3.0) == pytest.approx(1 / 3)


# ------------------------------------------------------------------ selecting


def test_ties_and_nan():
    nan = math.nan
    for function in (np.maximum, np.minimum, np.fmax, np.fmin):
        slopes = wg.grad(function, argnums=(0, 1))
        assert slopes(2.0, 2.0) == (0.5, 0.5)
        assert slopes(nan, nan) == (0.5, 0.5)
    assert wg.grad(np.maximum, argnums=(0, 1))(nan, 1.0) == (1.0, 0.0)
    assert wg.grad(np.minimum, argnums=(0, 1))(1.0, nan) == (0.0, 1.0)
    assert wg.grad(np.fmax, argnums=(0, 1))(nan, 1.0) == (0.0, 1.0)
    assert wg.grad(np.fmin, argnums=(0, 1))(1.0, nan) == (1.0, 0.0)


def test_clip_and_its_bounds():
    x = np.array([-2.0, 0.0, 0.5, 1.0, 3.0])

    def clipped(x, low, high):
        return np.sum(np.clip(x, low, high))

    of_x, of_low, of_high = wg.grad(clipped, argnums=(0, 1, 2))(x, 0.0, 1.0)
    assert of_x.tolist() == [0.0, 0.5, 1.0, 0.5, 0.0]
    assert (of_low, of_high) == (1.5, 1.5)
    # Bounds the wrong way round: NumPy's value is the upper one.
    assert wg.grad(clipped, argnums=(1, 2))(x, 2.0, 1.0) == (0.0, 5.0)
    for spelling in (
        lambda x: x.clip(0.0),
        lambda x: np.clip(x, 0.0, None),
        lambda x: np.clip(x, min=0.0),
        lambda x: x.clip(min=0.0, max=None),
    ):
        assert wg.grad(lambda x, f=spelling: np.sum(f(x)))(x).tolist() == [0.0, 0.5, 1, 1, 1]
    with pytest.raises(TypeError, match="a_max"):
        wg.grad(lambda x: np.sum(np.clip(x, 0.0)))(x)

    def into(x):
        y = np.zeros(5)
        assert x.clip(0.0, 1.0, out=y) is y
        return np.sum(y * y)

    assert wg.grad(into)(x).tolist() == [0.0, 0.0, 1.0, 1.0, 0.0]


def test_where_of_untaken_infinities():
    def function(x):
        return np.sum(np.where(x > 0, np.log(x) * np.sqrt(x), 0))

    x = np.array([0.0, 1.0])
    for mode in (wg.grad, wg.jacfwd, wg.jacrev):
        assert mode(function)(x).tolist() == [0.0, 1.0]
        for outer in (wg.jacfwd, wg.jacrev):
            assert outer(mode(function))(x).tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_where_with_one_argument_and_with_a_traced_condition():
    x = np.array([0.0, 2.0, 0.0, 3.0])

    def function(x):
        (places,) = np.where(x)
        assert places.tolist() == [1, 3]
        return np.sum(np.where(x, x * x, 7.0)) + np.sum(x[places])

    assert wg.grad(function)(x).tolist() == [0.0, 5.0, 0.0, 7.0]
    with pytest.raises(ValueError, match="either both or neither"):
        wg.grad(lambda x: np.where(x > 0, x))(x)


def test_masks_pass_parts_and_reach_broadcast_arguments():
    z = np.array([0j, 1.0 + 1.0j])

    def real_of_logarithm(z):
        return np.sum(np.where(np.abs(z) > 0, np.log(z).real, 0.0))

    gradient = wg.grad(real_of_logarithm)(z)
    np.testing.assert_allclose(gradient, [0.0, 0.5 - 0.5j], rtol=1e-15)

    def scaled(scale):
        return np.sum(np.where([False, False], np.log(scale) * np.ones(2), 1.0)) + scale

    assert wg.grad(scaled)(0.0) == 1.0
    assert wg.grad(lambda a: np.sum(np.maximum(np.log(a), -1.0)))(np.zeros((2, 1))).tolist() == [
        [0.0],
        [0.0],
    ]


def test_nan_to_num():
    x = np.array([1.5, np.nan, np.inf, -np.inf])

    def function(x):
        return np.sum(np.nan_to_num(np.sqrt(x) * 2.0, nan=3.0, posinf=4.0) ** 2)

    assert wg.grad(function)(x).tolist() == [pytest.approx(4.0), 0.0, 0.0, 0.0]

    def replaced(x, nan):
        return np.sum(np.nan_to_num(x, nan=nan, posinf=0.0, neginf=0.0))

    of_x, of_nan = wg.grad(replaced, argnums=(0, 1))(x, 2.0)
    assert of_x.tolist() == [1.0, 0.0, 0.0, 0.0]
    assert of_nan == 1.0

    def in_place(x):
        y = x * 1.0
        assert np.nan_to_num(y, copy=False) is y
        return y[0] * y[1] + y[0]

    assert wg.grad(in_place)(x).tolist() == [1.0, 0.0, 0.0, 0.0]
    z = np.array([complex(1.0, np.nan), 2.0 - 1.0j])
    gradient = wg.grad(lambda z: np.sum(np.nan_to_num(z).real + np.nan_to_num(z).imag))(z)
    assert gradient.tolist() == [1.0, 1.0 - 1.0j]


def test_heaviside_by_its_value_at_zero():
    x, half = np.array([-1.0, 0.0, 2.0]), 0.5
    of_x, of_half = wg.grad(lambda x, h: np.sum(np.heaviside(x, h)), argnums=(0, 1))(x, half)
    assert of_x.tolist() == [0.0, 0.0, 0.0]
    assert of_half == 1.0


# ------------------------------------------------------------------ complex numbers


def test_conventions_for_complex_numbers():
    z, g = 0.6 - 0.8j, 2.0
    for function, expected in [
        (np.real, g),
        (np.imag, -1j * g),
        (np.abs, g * np.conj(z) / abs(z)),
        (np.absolute, g * np.conj(z) / abs(z)),
        (np.angle, -1j * g / z),
        (lambda z: np.angle(z, deg=True), -1j * g / z * 180 / np.pi),
    ]:
        _, pullback = wg.vjp(function, z)
        assert pullback(g)[0] == pytest.approx(expected, rel=1e-15)
    h = 0.3 + 0.7j
    for function, expected in [
        (np.conj, np.conj(h)),
        (np.conjugate, np.conj(h)),
        (np.exp, h * np.exp(z)),
        (np.arcsinh, h / np.sqrt(1 + z * z)),
        (np.sign, 1j * np.conj(z) * np.imag(h * z)),
    ]:
        value, pullback = wg.vjp(function, z)
        assert pullback(type(value)(h))[0] == pytest.approx(expected, rel=1e-14)


def test_parts_are_views_that_can_be_written():
    def function(x):
        z = np.zeros(3, complex)
        z.real = x
        z.imag[1:] = x[1:] ** 2
        part = z.imag
        part[0] = 3.0 * x[0]
        z.real[2] *= 2.0
        return np.sum((z * z.conj()).real)

    x = np.array([1.0, 2.0, 3.0])
    # Σ re² + im²: 1 + 9; 1 + x²; 4 + x² for the three entries, in units of x².
    expected = [2 * 10 * 1.0, 2 * 2.0 + 4 * 8.0, 8 * 3.0 + 4 * 27.0]
    assert wg.grad(function)(x).tolist() == expected
    assert wg.grad(lambda x: np.sum(x.real * x + x.imag + np.imag(x)))(x).tolist() == [2, 4, 6]
    with pytest.raises(TypeError, match="imaginary"):
        wg.grad(lambda x: setattr(x, "imag", 1.0))(x)


def test_real_if_close():
    x = np.array([1.0, 2.0])
    gradient = wg.grad(lambda x: np.sum(np.real_if_close(x + 1e-18j) ** 2))(x)
    assert gradient.tolist() == [2.0, 4.0]
    assert wg.grad(lambda x: np.sum(np.real_if_close(x * 1j).imag))(x).tolist() == [1.0, 1.0]


# ------------------------------------------------------------------ several results


def test_functions_with_two_results():
    x = np.array([2.75, -0.3])
    assert wg.grad(lambda x: np.sum(np.modf(x)[0] * x + np.modf(x)[1]))(x).tolist() == [
        0.75 + 2.75,
        -0.6,
    ]
    mantissa, exponent = np.frexp(x)
    gradient = wg.grad(lambda x: np.sum(np.frexp(x)[0] ** 2))(x)
    np.testing.assert_allclose(gradient, 2 * mantissa / 2.0**exponent)
    assert wg.grad(lambda x: np.sum(np.ldexp(*np.frexp(x)) ** 2))(x).tolist() == (2 * x).tolist()
    quotients, rests = wg.jacfwd(lambda x: np.stack(divmod(x, 0.5)))(x)
    assert quotients.tolist() == np.zeros((2, 2)).tolist()
    assert rests.tolist() == np.eye(2).tolist()
    assert wg.grad(lambda x: divmod(7.0, x)[1])(2.0) == -3.0
    assert wg.grad(lambda x: np.divmod(x, 2.0)[0] * x)(7.0) == 3.0


# ------------------------------------------------------------------ keywords and operators


def test_keywords_of_ufuncs():
    x = np.array([0.0, 1.0, 4.0])

    def into_out(x):
        y = np.empty(3)
        assert np.sin(x, out=y) is y
        assert np.multiply(y, x, y) is y
        return np.sum(y)

    np.testing.assert_allclose(wg.grad(into_out)(x), np.cos(x) * x + np.sin(x))

    def where_asked(x):
        y = np.full(3, 2.0)
        y *= x
        np.sqrt(x, out=y, where=x > 0)
        np.log(x, where=x > 0, out=y[...])
        return np.sum(y)

    with np.errstate(all="raise"):
        assert wg.grad(where_asked)(x).tolist() == [2.0, 1.0, 0.25]
    single = wg.jvp(lambda x: np.exp(x, dtype=np.float32), (x,), (np.ones(3),))
    assert [entry.dtype for entry in single] == [np.float32, np.float32]
    gradient = wg.grad(lambda x: np.sum(np.add(x, 1, signature="ff->f")))(x)
    assert gradient.dtype == np.float64
    value, _ = wg.vjp(lambda x: np.exp(x, dtype=np.longdouble), 0.5)
    assert value.dtype == np.longdouble
    assert value == np.exp(0.5, dtype=np.longdouble)
    for refused in (
        lambda x: np.exp(x, dtype=np.float32, casting="safe"),
        lambda x: np.less(x, 2.0, dtype=np.float32),
        lambda x: np.add(x, 1.0, out=np.zeros(3, np.float32), casting="safe"),
        lambda x: np.add(x, 1.0, where=np.array([1, 0, 1]), out=np.zeros(3)),
    ):
        with pytest.raises(TypeError):
            refused(x)
        with pytest.raises(TypeError):
            wg.grad(lambda x, f=refused: np.sum(f(x)))(x)

    def two_results(x):
        fraction, whole = np.zeros(3), np.zeros(3)
        np.modf(x, out=(fraction, whole))
        return np.sum(fraction * whole)

    assert wg.grad(two_results)(x + 0.5).tolist() == x.tolist()


def test_operators_on_numbers():
    def function(x):
        assert round(x) == 3
        assert type(round(x)) is int
        assert round(x, 1) == 2.8
        return abs(-x) * x + round(x) * x

    assert wg.grad(function)(2.75) == 2 * 2.75 + 3
    assert wg.grad(lambda x: np.round(x, 1) * x)(2.75) == np.round(2.75, 1)
    assert wg.grad(lambda x: np.sum(x.round(1) * np.fix(x) * x))(np.array([2.75])) == [5.6]
    with pytest.raises(TypeError, match="__round__"):
        wg.grad(lambda x: round(x))(np.array([2.75]))
    mask = np.array([True, False])
    assert wg.grad(lambda x: np.sum(x * (mask & (x > 0))))(np.ones(2)).tolist() == [1.0, 0.0]
    with pytest.raises(TypeError):
        wg.grad(lambda x: np.sum(mask & x))(np.ones(2))


def test_absolute_value_of_complex_scalars_is_numpys_to_the_last_bit():
    generator = np.random.default_rng(3)
    for number in generator.normal(size=(50, 2)) @ np.array([1.0, 1.0j]):
        for function in (np.abs, abs):
            assert wg.value_and_grad(function)(number)[0] == function(number)
            assert wg.value_and_grad(function)(complex(number))[0] == function(complex(number))
