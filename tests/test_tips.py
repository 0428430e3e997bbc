"""Second derivatives where a length is 0: nan of the length, right of its square, in every nesting.

Squares are compared with the polynomials that they are; lengths with one another across modes.
"""

import numpy as np
import pytest

import wengert as wg
from reference import close, same

# Each gives a length of x that is 0 at 0, and its square as a polynomial.
LENGTHS = {
    "norm": (np.linalg.norm, lambda x: x @ x),
    "norm of rows": (
        lambda x: np.sum(np.linalg.norm(x * np.ones((2, 1)), axis=1) * [0.5, 2.0]),
        None,
    ),
    "vector_norm": (np.linalg.vector_norm, lambda x: x @ x),
    "matrix_norm": (lambda x: np.linalg.matrix_norm(x[None] * 1.5), lambda x: 2.25 * (x @ x)),
    "hypot": (
        lambda x: np.hypot(x[0], x[1] - 2 * x[2]),
        lambda x: x[0] ** 2 + (x[1] - 2 * x[2]) ** 2,
    ),
    "modulus": (
        lambda x: np.abs(x[0] + 1j * x[1] + 2j * x[2]),
        lambda x: x[0] ** 2 + (x[1] + 2 * x[2]) ** 2,
    ),
    "modulus of a scalar": (
        lambda x: abs((1.0 + 2j) * x[0] + x[2]),
        lambda x: (x[0] + x[2]) ** 2 + (2 * x[0]) ** 2,
    ),
    "std": (np.std, lambda x: np.mean(x * x) - np.mean(x) ** 2),
    "std with one degree less": (
        lambda x: np.std(x, ddof=1),
        lambda x: (np.sum(x * x) - np.sum(x) ** 2 / 3) / 2,
    ),
    "nanstd": (lambda x: np.nanstd(np.stack([x[0], np.nan, x[1], x[2]])), None),
    "norm of order 3": (lambda x: np.linalg.norm(x, 3), None),
    "sum of moduli": (lambda x: np.linalg.norm(x * (1 + 1j), 1), None),
}
SQUARED = {name: pair for name, pair in LENGTHS.items() if pair[1] is not None}
SQUARED["absolute value"] = (
    lambda x: np.abs(x[0] + x[1] - x[2]),
    lambda x: (x[0] + x[1] - x[2]) ** 2,
)
SQUARED["fabs"] = (lambda x: np.fabs(x[1] * 2.0), lambda x: 4 * x[1] ** 2)
SQUARES = {
    "operator": lambda r: r**2,
    "operator with a float": lambda r: r**2.0,
    "square": lambda r: np.square(r),
    "power": lambda r: np.power(r, 2),
    "float_power": lambda r: np.float_power(r, 2),
    "product": lambda r: r * r,
    "multiply": lambda r: np.multiply(r, r),
}
HESSIANS = {
    "forward over reverse": lambda f: wg.jacfwd(wg.grad(f)),
    "reverse over reverse": lambda f: wg.jacrev(wg.grad(f)),
    "forward over forward": lambda f: wg.jacfwd(wg.jacfwd(f)),
    "reverse over forward": lambda f: wg.jacrev(wg.jacfwd(f)),
    "compiled": lambda f: wg.jit(wg.hessian(f)),
    "of a compiled function": lambda f: wg.hessian(wg.jit(f)),
    "batched": lambda f: lambda x: wg.vmap(wg.hessian(f))(np.stack([x, x]))[1],
    "of a batched function": lambda f: wg.hessian(lambda x: wg.vmap(f)(np.stack([x]))[0]),
}


@pytest.fixture(autouse=True)
def quiet():
    """Values may warn; nan is the point here."""
    with np.errstate(all="ignore"):
        yield


@pytest.mark.parametrize("nesting", HESSIANS)
@pytest.mark.parametrize("name", LENGTHS)
def test_a_length_has_slope_zero_and_no_curvature_at_its_tip(name, nesting):
    length = LENGTHS[name][0]
    assert wg.grad(length)(np.zeros(3)).tolist() == [0.0, 0.0, 0.0]
    found = HESSIANS[nesting](length)(np.zeros(3))
    moving = np.abs(found) > 0  # false of nan
    assert not moving.any()
    assert np.isnan(found).any()
    same(np.isnan(found), np.isnan(wg.hessian(length)(np.zeros(3))))


@pytest.mark.parametrize("nesting", HESSIANS)
@pytest.mark.parametrize("name", LENGTHS)
def test_what_does_not_move_the_entries_of_a_length_leaves_no_nan(name, nesting):
    length = LENGTHS[name][0]
    fixed = np.zeros((2, 3))

    def with_a_constant(x):
        rows = np.array(fixed)
        rows[1] = x
        return length(rows[0]) * x[0] + length(rows[1]) * x[1]

    x = np.array([0.3, -0.7, 1.1])
    found = HESSIANS[nesting](with_a_constant)(x)
    expected = wg.hessian(lambda x: length(x) * x[1])(x)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("nesting", HESSIANS)
@pytest.mark.parametrize("square", SQUARES)
@pytest.mark.parametrize("name", SQUARED)
def test_the_square_of_a_length_is_smooth(name, square, nesting):
    length, polynomial = SQUARED[name]
    hessian = HESSIANS[nesting](lambda x: SQUARES[square](length(x)))
    for x in (np.zeros(3), np.array([0.3, -0.7, 1.1])):
        np.testing.assert_allclose(hessian(x), wg.hessian(polynomial)(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", SQUARED)
def test_higher_even_powers_are_smooth(name):
    length, polynomial = SQUARED[name]
    fourth = wg.jacfwd(wg.jacrev(wg.jacfwd(wg.grad(lambda x: length(x) ** 4))))(np.zeros(3))
    expected = wg.jacfwd(wg.jacrev(wg.jacfwd(wg.grad(lambda x: polynomial(x) ** 2))))(np.zeros(3))
    np.testing.assert_allclose(fourth, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("square", SQUARES)
@pytest.mark.parametrize("name", SQUARED)
def test_the_value_of_a_square_stays_that_of_numpy(name, square):
    program = lambda x: SQUARES[square](SQUARED[name][0](x))  # noqa: E731
    for seed in range(20):
        x = np.random.default_rng(seed).normal(size=3)
        once = lambda x: wg.jvp(program, (x,), (x,))[0]  # noqa: E731
        same(wg.jvp(once, (x,), (x,))[0], program(x))
        same(wg.vjp(once, x)[0], program(x))


def test_a_square_is_that_of_the_entries_at_the_time():
    def overwritten(x):
        y = x * 1.0
        size = np.abs(y)
        y[0] = 5.0
        square = size**2
        size[0] = 3.0
        return np.sum(square) + np.sum(size**2) + np.sum(y)

    def beside_a_constant(x):
        other = np.array([0.0, 4.0])
        size = np.hypot(x, other)
        other[:] = 9.0
        return np.sum(size**4)

    x = np.array([0.0, 2.0])
    assert wg.hessian(overwritten)(x).tolist() == [[2.0, 0.0], [0.0, 4.0]]
    expected = wg.hessian(lambda x: np.sum((x * x + np.array([0.0, 16.0])) ** 2))(x)
    np.testing.assert_allclose(wg.hessian(beside_a_constant)(x), expected, rtol=1e-14)


def test_odd_and_other_powers_are_those_of_the_length():
    for exponent, slope in ((1, 1.0), (3, 3.0), (1.5, 1.5), (-2, -2.0)):
        found = wg.jvp(wg.grad(lambda x: np.abs(x) ** exponent), (1.0,), (1.0,))  # noqa: B023
        assert np.allclose(found, (slope, slope * (exponent - 1)))
    cube = lambda x: np.sum(np.abs(x) ** 3)  # noqa: E731
    assert wg.hessian(cube)(np.zeros(2)).tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_tiny_entries_whose_length_underflows_keep_the_slope_of_the_value():
    tiny = np.full(3, 1e-200)
    assert np.linalg.norm(tiny) == 0.0
    for derivative in (wg.grad, wg.jacfwd):
        assert derivative(np.linalg.norm)(tiny).tolist() == [0.0, 0.0, 0.0]
        assert wg.jit(derivative(np.linalg.norm))(tiny).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_moduli_of_denormal_numbers_have_the_slope_of_others(dtype):
    tiny = np.finfo(dtype).smallest_subnormal
    z = np.array([3 + 4j, -4 + 3j, 0.0, 1e3j]).astype(dtype) * tiny
    for derivative in (
        wg.grad(lambda z: np.sum(np.abs(z))),
        lambda z: wg.vjp(np.abs, z)[1](np.ones(4, z.real.dtype))[0],
    ):
        for compiled in (derivative, wg.jit(derivative)):
            close(compiled(z), np.array([0.6 - 0.8j, -0.8 - 0.6j, 0.0, -1j], dtype), 1e-6)


ANGLES = {
    "arctan2": lambda x: np.arctan2(x[0], x[1] - x[2]),
    "angle": lambda x: np.angle(x[0] + 1j * x[1] - 2j * x[2]),
}


@pytest.mark.parametrize("name", ANGLES)
@pytest.mark.parametrize("compiled", [False, True])
def test_angles_at_the_origin_have_derivative_0(name, compiled):
    angle = ANGLES[name]
    origin, direction = np.zeros(3), np.array([1.0, -2.0, 0.5])
    derivatives = {
        "forward": lambda x: wg.jvp(angle, (x,), (direction,))[1],
        "reverse": wg.grad(angle),
        **{nesting: hessian(angle) for nesting, hessian in HESSIANS.items()},
        "third": wg.jacfwd(wg.jacrev(wg.jacfwd(angle))),
    }
    for way, derivative in derivatives.items():
        run = wg.jit(derivative, compile="now") if compiled else derivative
        found = [run(origin), run(origin)][-1]
        assert np.shape(found) in {(), (3,), (3, 3), (3, 3, 3)}, way
        assert np.all(np.asarray(found) == 0), way
    beside = wg.grad(angle)(np.array([1e-3, 0.0, 0.0]))
    assert np.max(np.abs(beside)) > 100


@pytest.mark.parametrize(
    "derivative",
    [
        wg.hessian,
        lambda f: wg.jacfwd(wg.jacfwd(f)),
        lambda f: wg.jacrev(wg.jacfwd(f)),
        lambda f: wg.jacrev(wg.jacrev(f)),
    ],
)
def test_no_entry_of_a_deviation_is_special(derivative):
    assert np.isnan(derivative(np.std)(np.ones(3))).all()
    np.testing.assert_array_equal(wg.jvp(wg.grad(np.std), (np.ones(3),), (np.ones(3),))[1], 0.0)


def along(function):
    direction = np.array([1.0, -0.5, 2.0])
    return lambda t: function(t * direction)


@pytest.mark.parametrize("name", LENGTHS)
def test_beyond_the_slope_no_derivative_of_a_length_exists(name):
    curve = along(LENGTHS[name][0])
    forward = backward = curve
    for order in (1, 2, 3):
        forward = jvp_of(forward)
        backward = wg.grad(backward)
        with np.errstate(all="ignore"):
            every = [
                run(0.0)
                for run in (forward, backward, wg.derivative(curve, order), wg.jit(backward))
            ]
        assert [bool(np.isnan(value)) for value in every] == [order > 1] * 4, order


def jvp_of(function):
    return lambda t: wg.jvp(function, (t,), (1.0,))[1]


@pytest.mark.parametrize("square", SQUARES)
@pytest.mark.parametrize("name", SQUARED)
def test_the_square_of_a_length_is_smooth_in_taylor_mode(name, square):
    length, polynomial = SQUARED[name]
    for point in (0.0, 0.5):
        for order in (1, 2, 3):
            found = wg.derivative(along(lambda x: SQUARES[square](length(x))), order)
            expected = wg.derivative(along(polynomial), order)(point)
            with np.errstate(all="ignore"):
                np.testing.assert_allclose(found(point), expected, rtol=1e-9, atol=1e-9)
                compiled = wg.jit(found)(point)
            np.testing.assert_allclose(compiled, expected, rtol=1e-9, atol=1e-9)
