"""Taylor mode: every primitive against nested forward mode, composites against mpmath."""

import math

import mpmath
import numpy as np
import pytest

import wengert as wg
from primitive_calls import call_of, direction, each, epsilon, samples_of
from wengert.errors import ArgumentError, NotDifferentiableError
from wengert.ir.aval import aval_of, zeros_of
from wengert.ir.primitive import registry
from wengert.tracing.core import raw_of

ORDER = 4
# Their derivatives of higher order are not those of values: a projection, and guards.
NOT_COMPARED = {"hermitian", "guard"}


@pytest.fixture(autouse=True)
def _quiet():
    with np.errstate(all="ignore"):
        yield


def compared():
    found = []
    for parameter in each(samples_of):
        name, index = parameter.values
        sample = samples_of(name)[index]
        if registry[name].zero_derivative or name in NOT_COMPARED or not sample.second:
            continue
        if call_of(name, index)[0].which:
            found.append(parameter)
    return found


def nested(function, point, directions, order):
    """Return the derivative of an order along a straight line, by forward mode in itself."""

    def along(t):
        return function(*(x + t * v for x, v in zip(point, directions, strict=True)))

    def once(inner):
        return lambda t: wg.jvp(inner, (t,), (1.0,))[1]

    for _ in range(order):
        along = once(along)
    return along(0.0)


@pytest.mark.filterwarnings("ignore::wengert.errors.DegenerateEigenvaluesWarning")
@pytest.mark.parametrize(("name", "index"), compared())
def test_a_primitive_against_nested_forward_mode(name, index):
    call, _ = call_of(name, index)
    point = tuple(call.point)
    directions = tuple(direction(point, 4))
    series = tuple([v, *[zeros_of(aval_of(v))] * (ORDER - 1)] for v in directions)
    value, found = wg.jet(lambda *x: call(*x), point, series)
    results = call(*point)
    eps = epsilon(point, results)
    for entry, other in zip(value, results, strict=True):
        np.testing.assert_array_equal(np.asarray(entry), np.asarray(other))
    for order in range(1, ORDER + 1):
        expected = nested(lambda *x: call(*x), point, directions, order)
        for entry, other in zip(found[order - 1], expected, strict=True):
            assert np.shape(entry) == np.shape(other)
            finite = np.where(np.isfinite(other), np.abs(other), 0.0)
            size = float(np.max(finite, initial=1.0))
            np.testing.assert_allclose(
                np.asarray(entry),
                np.asarray(other),
                rtol=0,
                atol=10.0 ** max(4, order + 1) * eps * size,
            )


# ------------------------------------------------------------------ against mpmath


def filled(x):
    y = np.zeros(3)
    y[0] = x
    y[1:] = y[0] * np.array([x, np.sin(x)])
    y[0] *= y[1]
    return y[0] + y[1] * y[2]


def system(x):
    return np.array([[x, 1.0], [2.0, x**2]])


FUNCTIONS = {
    "composite": (lambda x: np.sin(np.exp(x) * x), lambda x: mpmath.sin(mpmath.exp(x) * x)),
    "worked example": (lambda x: np.log(1 + x**2) / x, lambda x: mpmath.log(1 + x**2) / x),
    "roots and powers": (
        lambda x: np.tanh(x) * np.sqrt(x) + x**2.5 + x**-2,
        lambda x: mpmath.tanh(x) * mpmath.sqrt(x) + x ** mpmath.mpf("2.5") + x**-2,
    ),
    "inverse functions": (
        lambda x: np.arctan(x) * np.arcsin(x / 3) + np.arccosh(x + 1),
        lambda x: mpmath.atan(x) * mpmath.asin(x / 3) + mpmath.acosh(x + 1),
    ),
    "a varying exponent": (lambda x: x**x, lambda x: x**x),
    "hyperbolic": (
        lambda x: 1 / np.cosh(x) + np.expm1(x) + np.log1p(x) + np.sinh(x) + np.tan(x),
        lambda x: (
            mpmath.sech(x) + mpmath.expm1(x) + mpmath.log1p(x) + mpmath.sinh(x) + mpmath.tan(x)
        ),
    ),
    "hypot and angle": (
        lambda x: np.hypot(x, 2 * x**2) + np.arctan2(x, 1 + x),
        lambda x: mpmath.sqrt(x**2 + 4 * x**4) + mpmath.atan2(x, 1 + x),
    ),
    "sinc": (np.sinc, lambda x: mpmath.sin(mpmath.pi * x) / (mpmath.pi * x)),
    "logaddexp": (
        lambda x: np.logaddexp(x, x**2),
        lambda x: mpmath.log(mpmath.exp(x) + mpmath.exp(x**2)),
    ),
    "products": (
        lambda x: np.dot(np.array([x, 1.0]), np.array([x**3, x])) + np.outer(x, x)[0, 0],
        lambda x: x**4 + x + x**2,
    ),
    "writes": (filled, lambda x: x**3 + x**3 * mpmath.sin(x)),
    "selection": (
        lambda x: np.maximum(x**3, 0.1) + np.max(np.array([x, x**2])) + np.where(x > 0, x**2, 0),
        lambda x: x**3 + x + x**2,
    ),
    "running": (
        lambda x: np.cumsum(np.array([x, x**2, x**3]))[2] * np.prod(np.array([x, x + 1.0])),
        lambda x: (x + x**2 + x**3) * x * (x + 1),
    ),
    "a linear system": (
        lambda x: np.sum(np.linalg.solve(system(x), np.array([1.0, x]))),
        lambda x: (2 * x * x - x - 2) / (x**3 - 2),
    ),
    "inverse and determinant": (
        lambda x: np.linalg.inv(system(x))[0, 1] + np.linalg.det(system(x)),
        lambda x: -1 / (x**3 - 2) + x**3 - 2,
    ),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_to_the_tenth(name):
    function, reference = FUNCTIONS[name]
    with mpmath.workdps(60):
        for order in (1, 2, 5, 10):
            expected = mpmath.diff(reference, mpmath.mpf("0.75"), order)
            found = wg.derivative(function, order)(0.75)
            error = abs((mpmath.mpf(float(found)) - expected) / max(1, abs(expected)))
            assert error < 1e-9, (order, float(error))


def test_whole_powers_at_zero():
    assert wg.derivative(lambda x: x**5 + 3 * x**2, 5)(0.0) == 120.0
    assert wg.derivative(lambda x: x**5 + 3 * x**2, 2)(0.0) == 6.0
    assert wg.derivative(lambda x: (x + 1.0) ** 10, 10)(0.0) == math.factorial(10)


@pytest.mark.parametrize("kind", [int, float, np.float32, np.float64, np.int64, np.array, complex])
@pytest.mark.parametrize("raised", [np.power, np.float_power, lambda x, n: x**n])
def test_whole_exponents_of_every_kind(raised, kind):
    """Exact at 0 and beside it, whoever holds the exponent; dtypes are those of the value."""
    for start in (0.0, np.float64(0.0), np.float32(0.5), np.array([0.0, -2.0]), 0j):
        if kind is complex and np.asarray(start).dtype.kind != "c":
            continue
        ones = start * 0 + type(start)(1) if np.ndim(start) == 0 else np.ones(2)
        zeros = ones * 0
        value, series = wg.jet(lambda x: raised(x, kind(3)), (start,), ([ones, zeros, zeros],))
        expected = 3 * start**2, 6 * start, 6 * ones
        for found, wanted in zip(series, expected, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-6)
            assert np.asarray(found).dtype == np.asarray(value).dtype


# ------------------------------------------------------------------ curves, trees, nesting


def test_a_curve_of_its_own():
    """The chain rule of second and third order (Faà di Bruno), and a tree of arguments."""
    x, first, second, third = 0.3, 0.7, -1.2, 0.4
    value, series = wg.jet(
        lambda d: {"y": np.sin(d["x"])}, ({"x": x},), ([{"x": first}, {"x": second}, {"x": third}],)
    )
    assert value["y"] == np.sin(x)
    s, c = np.sin(x), np.cos(x)
    expected = [
        c * first,
        c * second - s * first**2,
        c * third - 3 * s * first * second - c * first**3,
    ]
    np.testing.assert_allclose([entry["y"] for entry in series], expected, rtol=1e-14)


def test_constants_have_zero_series():
    value, series = wg.jet(lambda x: (2.0 * x, np.ones(2)), (1.5,), ([1.0, 0.0],))
    assert series[0][0] == 2.0
    assert series[1][0] == 0.0
    np.testing.assert_array_equal(series[1][1], np.zeros(2))
    np.testing.assert_array_equal(value[1], np.ones(2))


def test_nesting():
    def function(x):
        return np.sin(x) * np.exp(x)

    third = wg.derivative(function, 3)
    x = np.array([0.2, -0.4, 1.1])
    np.testing.assert_allclose(third(x), wg.vmap(third)(x), rtol=1e-14)
    np.testing.assert_allclose(
        wg.elementwise_grad(third)(x), wg.derivative(function, 4)(x), rtol=1e-12
    )
    np.testing.assert_allclose(
        wg.derivative(lambda x: wg.grad(function)(x), 2)(0.3), third(0.3), rtol=1e-13
    )
    np.testing.assert_allclose(
        wg.derivative(wg.derivative(function, 2), 2)(0.3),
        wg.derivative(function, 4)(0.3),
        rtol=1e-13,
    )
    np.testing.assert_allclose(wg.jit(third)(0.3), third(0.3), rtol=1e-14)
    program = wg.trace(third)(x)
    np.testing.assert_allclose(program.evaluate(x)[0], third(x), rtol=1e-14)


def test_cost_is_polynomial():
    """The list of the derivative of order n grows like n², that of nested modes like 2ⁿ."""

    def function(x):
        return np.sin(np.exp(x) * np.tanh(x)) / x

    lengths = [len(wg.trace(wg.derivative(function, order))(0.5)) for order in (5, 10, 20)]
    assert lengths[1] < 5 * lengths[0]
    assert lengths[2] < 5 * lengths[1]


def staged_loop(x):
    total, _ = wg.scan(lambda c, s: (np.sin(c) * s + x, c), x, np.array([0.5, 2.0, 0.3]))
    return total * wg.fori_loop(0, 3, lambda i, c: c * x + i, 1.0)


def staged_while(x):
    return wg.while_loop(lambda s: s[0] < 4, lambda s: (s[0] + 1, np.tanh(s[1]) * x), (0, x))[1]


def staged_branch(x):
    return wg.cond(x > 0.5, lambda v: np.exp(v) * x, np.sin, x) + wg.switch(1, [np.sin, np.cos], x)


def staged_parts(x):
    part = wg.checkpoint(lambda v: np.sin(v) * x)
    ends = wg.scan(lambda c, s: (part(c) * s, None), x, np.array([0.5, 2.0]), checkpoint=1)
    return wg.jit(lambda v: v * v)(part(ends[0]))


def products(x):
    factors = np.array([x, x + 1.0, np.sin(x), 2.0, x * x])
    return np.prod(factors) + np.sum(np.cumprod(factors)) + np.prod(np.outer(factors, factors)[:2])


@pytest.mark.parametrize(
    "function", [staged_loop, staged_while, staged_branch, staged_parts, products]
)
def test_programs_held_and_products(function):
    """Staged they are one equation; eager (loops, branches) Python's own. Both cost little."""
    for order in (1, 2, 3, 6):
        expected = wg.derivative(function, order)(0.75)
        program = wg.trace(wg.derivative(function, order))(0.75)
        np.testing.assert_allclose(program.evaluate(0.75)[0], expected, rtol=1e-10)
        if order < 4:
            tower = nested(lambda x: (function(x),), (0.75,), (1.0,), order)[0]
            np.testing.assert_allclose(expected, tower, rtol=1e-10)

    def work(program):
        held = [p for e in program for p in e.params.values() if hasattr(p, "equations")]
        held += [b for e in program for b in e.params.get("branches", ())]
        return len(program) + sum(map(work, held))

    sizes = [work(wg.trace(wg.derivative(function, order))(0.75)) for order in (5, 10, 20)]
    assert sizes[1] < 8 * sizes[0]  # at most cubic: a chain of products is
    assert sizes[2] < 8 * sizes[1]
    batched = wg.vmap(wg.derivative(function, 3))(np.array([0.75, 0.9]))
    np.testing.assert_allclose(batched[0], wg.derivative(function, 3)(0.75), rtol=1e-10)


# ------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("run", "error", "message"),
    [
        (lambda: wg.derivative(np.sin, -1), ArgumentError, "got -1"),
        (lambda: wg.derivative(np.sin, 1.5), ArgumentError, "got 1.5"),
        (lambda: wg.derivative(3.0), ArgumentError, "takes a function"),
        (lambda: wg.derivative(np.sin)(1j), NotDifferentiableError, "one real variable"),
        (lambda: wg.jet(np.sin, (1.0,), ([1.0], [2.0])), ArgumentError, "lengths .1, 1."),
        (lambda: wg.jet(np.add, (1.0, 2.0), ([1.0], [])), ArgumentError, "lengths .1, 0."),
        (lambda: wg.jet(np.sin, (1.0,), ([np.ones(2)],)), wg.errors.TangentError, "shape"),
    ],
)
def test_wrong_arguments(run, error, message):
    with pytest.raises(error, match=message):
        run()
    assert raw_of(wg.derivative(np.sin)(0.0)) == 1.0


@pytest.mark.parametrize("offset", [0.0, 0.5, 1.0, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("kind", [float, np.float64, lambda x: np.array([x, 0.5])])
def test_powers_of_zero_with_varying_exponents_are_those_of_nested_modes(offset, kind):
    def power(x):
        return x ** (x * 2.0 + offset)

    def along(fun):
        return lambda x: wg.jvp(fun, (x,), (x * 0.0 + 1.0,))[1]

    nested, start = power, kind(0.0)
    with np.errstate(all="ignore"):
        for order in range(1, 5):
            nested = along(nested)
            found = wg.derivative(power, order)(start)
            np.testing.assert_allclose(found, nested(start), rtol=1e-13)
            compiled = wg.jit(wg.derivative(power, order))
            np.testing.assert_allclose([compiled(start) for _ in range(3)], [found] * 3, rtol=1e-13)


def test_powers_of_zero():
    """Limits where there are any, infinite curvatures among them, as the other modes have them."""
    with np.errstate(all="ignore"):
        assert wg.derivative(lambda x: x**0.5)(0.0) == np.inf
        assert wg.derivative(lambda x: x**1.5)(0.0) == 0.0
        assert wg.derivative(lambda x: 0.0**x, 2)(2.0) == 0.0
        assert wg.derivative(lambda x: x**2.5, 2)(0.0) == 0.0
        assert wg.derivative(lambda x: x ** np.array([4.0, 3.5]), 3)(0.0).tolist() == [0.0, 0.0]
        first = wg.derivative(lambda x: np.power(x, 1.5))(np.array([0.0, 4.0]))
        second = wg.derivative(lambda x: np.power(x, 1.5), 2)(np.array([0.0, 4.0]))
    np.testing.assert_allclose(first, [0.0, 3.0], rtol=1e-14)
    np.testing.assert_allclose(second, [np.inf, 0.375], rtol=1e-14)


def jvp_of(function):
    return lambda x: wg.jvp(function, (x,), (np.float64(1.0),))[1]


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x**1.5,
        lambda x: x**2.5,
        lambda x: x**0.5,
        lambda x: np.power(x, -1.5),
        lambda x: np.float_power(x, 1.5),
        lambda x: np.sum(np.power(np.array([x, 1.0 + x]), 1.5)),
        lambda x: np.sum(np.power(np.array([x, 2.0]), np.array([3.0, 1.5]))),
        np.sqrt,
        np.log,
        np.cbrt,
        lambda x: np.sqrt(np.sin(x)),
        lambda x: (x * x) ** 1.5,
    ],
)
def test_infinite_curvatures_as_nested_forward_mode(function):
    """The limits at 0, infinite or not, are those of forward mode in forward mode."""
    nested = function
    for order in (1, 2, 3, 4):
        nested = jvp_of(nested)
        with np.errstate(all="ignore"):
            expected = nested(np.float64(0.0))
            for run in (
                lambda f: f,
                wg.jit,
                lambda f: lambda x: wg.vmap(f)(np.array([x, 1.0]))[0],
            ):
                found = run(wg.derivative(function, order))(np.float64(0.0))
                np.testing.assert_array_equal(found, expected, err_msg=f"order {order}")


def test_curves_through_zero_that_are_not_straight():
    """(t + t²)^2.5 has 0, 0, ∞ at 0, and in (t²)^1.5 the first derivative is 0 times ∞."""
    _, found = wg.jet(lambda x: x**2.5, (np.float64(0.0),), ([1.0, 2.0, 0.0],))
    np.testing.assert_array_equal(found, [0.0, 0.0, np.inf])
    _, found = wg.jet(lambda x: x**3.5, (np.zeros(2),), ([np.ones(2), np.array([2.0, 0.0])],))
    np.testing.assert_array_equal(found, np.zeros((2, 2)))
