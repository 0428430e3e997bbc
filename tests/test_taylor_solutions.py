"""Taylor mode of solutions, linear systems, decompositions and custom rules: order 10, one cost."""

import mpmath
import numpy as np
import pytest
import scipy.optimize

import wengert as wg

ORDERS = range(1, 11)
POINT = 0.25


def close(found, expected, rtol=1e-9):
    for mine, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, float(other), rtol=rtol, atol=1e-10)


def exact(function, point=POINT):
    """Return the derivatives of the orders 1 to 10 of a function of mpmath's numbers."""
    with mpmath.workdps(80):
        return list(mpmath.diffs(function, mpmath.mpf(point), 10))[1:]


def derivatives(function, point=POINT):
    return [wg.derivative(function, order)(point) for order in ORDERS]


# ------------------------------------------------------------------ solutions of equations


def by_fixed_point(t):
    return wg.fixed_point(lambda x, t: t + 0.5 * np.sin(x), 0.3, t)


def by_root(t):
    return wg.root(lambda x: x - 0.5 * np.sin(x) - t, 0.3)


def by_argmin(t):
    return wg.argmin(lambda x: 0.5 * x**2 + 0.5 * np.cos(x) - t * x, 0.3)


def by_scipy(t):
    solver = wg.implicit(
        lambda t: scipy.optimize.brentq(lambda x: x - 0.5 * np.sin(x) - t, -9, 9, xtol=1e-15),
        lambda x, t: x - 0.5 * np.sin(x) - t,
    )
    return solver(t)


def by_mpmath(t):
    return mpmath.findroot(lambda x: x - mpmath.sin(x) / 2 - t, mpmath.mpf("0.5"))


@pytest.mark.parametrize("solve", [by_fixed_point, by_root, by_argmin, by_scipy])
def test_solutions_to_the_tenth_order(solve):
    close(derivatives(solve), exact(by_mpmath), 1e-8)


def test_curves_through_trees_that_move_in_every_argument():
    def solve(z, w):
        def update(state):
            x, y = state["x"], state["y"]
            return {"x": 0.3 * np.cos(y) + z, "y": 0.2 * x * y + w * np.array([1.0, 0.5])}

        return wg.fixed_point(update, {"x": np.zeros(2), "y": np.zeros(2)})

    series = ([0.7, -0.2, 0.4], [1.1, 0.3, 0.0])
    value, found = wg.jet(solve, (0.3, 0.2), series)

    def along(s):
        z = 0.3 + 0.7 * s - 0.1 * s**2 + 0.4 / 6 * s**3
        return solve(z, 0.2 + 1.1 * s + 0.15 * s**2)

    def pushed(function):
        return lambda s: wg.jvp(function, (s,), (1.0,))[1]

    nested = along
    for order in range(3):
        nested = pushed(nested)
        expected = nested(0.0)
        for name in ("x", "y"):
            np.testing.assert_allclose(found[order][name], expected[name], rtol=1e-10)
    np.testing.assert_allclose(value["x"], along(0.0)["x"])


MATRIX = np.array([[3.0, 1.0], [-0.5, 2.0]])
SLOPE = np.array([[0.5, -1.0], [0.25, 1.5]])
RIGHT = np.array([1.0, -2.0])


def linear(t, method="auto"):
    matrix = MATRIX + t * SLOPE + np.array([[0.0, 1.0], [0.0, 0.0]]) * np.sin(t)
    return wg.linear_solve(lambda u: matrix @ u, RIGHT * np.exp(t), method=method)[0]


def by_cramer(t):
    a, b = 3 + t / 2, 1 - t + mpmath.sin(t)
    c, d = -mpmath.mpf(1) / 2 + t / 4, 2 + 3 * t / 2
    return mpmath.exp(t) * (d + 2 * b) / (a * d - b * c)


@pytest.mark.parametrize("method", ["auto", "gmres"])
def test_linear_systems_to_the_tenth_order(method):
    close(derivatives(lambda t: linear(t, method)), exact(by_cramer), 1e-7)


def test_one_system_an_order():
    for order in (2, 5, 10):
        solved = []

        def solve(matvec, b, solved=solved):
            solved.append(None)
            return np.linalg.solve(np.stack([matvec(u) for u in np.eye(len(b))], axis=-1), b)

        wg.derivative(lambda t: linear(t, solve), order)(POINT)
        assert len(solved) == order + 1


@pytest.mark.parametrize("function", [by_fixed_point, by_root, linear])
def test_staged_batched_and_inside_other_transformations(function):
    third = wg.derivative(function, 3)
    expected = third(POINT)
    np.testing.assert_allclose(wg.jit(third)(POINT), expected, rtol=1e-10)
    np.testing.assert_allclose(wg.vmap(third)(np.array([POINT, 0.4])), [expected, third(0.4)])
    fourth = wg.derivative(function, 4)(POINT)
    np.testing.assert_allclose(wg.grad(third)(POINT), fourth, rtol=1e-9)
    np.testing.assert_allclose(wg.jvp(third, (POINT,), (1.0,))[1], fourth, rtol=1e-9)
    np.testing.assert_allclose(wg.derivative(wg.grad(function), 3)(POINT), fourth, rtol=1e-9)


# ------------------------------------------------------------------ custom rules


def custom(kind, calls):
    """Return exp with a rule that calls the function itself, and notes it."""
    if kind == "jvp":
        function = wg.custom_jvp(np.exp)

        @function.defjvp
        def rule(primals, tangents):
            calls.append(None)
            (x,), (t,) = primals, tangents
            return function(x), function(x) * t

    else:
        function = wg.custom_vjp(np.exp)

        def forward(x):
            calls.append(None)
            y = function(x)
            return y, y

        function.defvjp(forward, lambda y, g: (y * g,))
    return function


@pytest.mark.parametrize("kind", ["jvp", "vjp"])
def test_custom_rules_to_the_tenth_order(kind):
    calls = []
    function = custom(kind, calls)
    expected = exact(lambda t: mpmath.exp(mpmath.sin(t)))
    close(derivatives(lambda t: function(np.sin(t))), expected)
    calls.clear()
    wg.derivative(lambda t: function(np.sin(t)), 10)(POINT)
    assert len(calls) == 10
    np.testing.assert_allclose(
        wg.jit(wg.derivative(lambda t: function(np.sin(t)), 6))(POINT), float(expected[5])
    )
    np.testing.assert_allclose(
        wg.vmap(wg.derivative(lambda t: function(np.sin(t)), 6))(np.array([POINT])),
        [float(expected[5])],
    )
    np.testing.assert_allclose(
        wg.grad(wg.derivative(lambda t: function(np.sin(t)), 5))(POINT), float(expected[5])
    )


def test_rules_of_several_arguments_that_call_their_function_elsewhere():
    @wg.custom_jvp
    def f(n, pair):
        return {"sum": pair[0] ** n + pair[1], "product": pair[0] * np.sin(pair[1])}

    @f.defjvp
    def rule(primals, tangents):
        n, (x, y) = primals
        _, (s, t) = tangents
        lower = f(n - 1, (x, y))["sum"] - y
        turned = f(n, (x, y + np.pi / 2))["product"]
        return f(n, (x, y)), {
            "sum": n * lower * s + t,
            "product": np.sin(y) * s + turned * t,
        }

    def composed(function):
        def run(t):
            found = function(3.0, (np.exp(t), t * t))
            return found["sum"] * found["product"]

        return run

    found = [wg.derivative(composed(f), order)(POINT) for order in (1, 2, 3, 4)]
    expected = [wg.derivative(composed(f.fun), order)(POINT) for order in (1, 2, 3, 4)]
    close(found, expected)


# ------------------------------------------------------------------ decompositions

N = 3
BASE = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, -0.3], [0.5, -0.3, 2.0]])
TURN = np.array([[0.5, 0.2, -0.4], [0.2, -0.3, 0.6], [-0.4, 0.6, 0.8]])
TALL = np.array([[1.0, 0.5], [-0.3, 2.0], [0.8, -1.0]])
TALL_SLOPE = np.array([[0.3, -0.2], [0.7, 0.4], [-0.5, 0.1]])


def symmetric(t):
    return BASE + t * TURN


def tall(t):
    return TALL + t * TALL_SLOPE


def m(array):
    return mpmath.matrix(array.tolist())


def m_symmetric(t):
    return m(BASE) + t * m(TURN)


def m_tall(t):
    return m(TALL) + t * m(TALL_SLOPE)


def m_largest(matrix):
    """The largest root of the characteristic polynomial of a matrix of order 2 or 3."""
    size = matrix.rows
    trace = sum(matrix[i, i] for i in range(size))
    if size == 2:
        return (trace + mpmath.sqrt(trace**2 - 4 * mpmath.det(matrix))) / 2
    square = matrix * matrix
    second = (trace**2 - sum(square[i, i] for i in range(size))) / 2
    determinant = mpmath.det(matrix)
    return mpmath.findroot(
        lambda x: x**3 - trace * x**2 + second * x - determinant, mpmath.mpf("4.9")
    )


def m_projector(matrix):
    """The projector on the eigenvector of the largest eigenvalue."""
    largest = m_largest(matrix)
    shifted = matrix - largest * mpmath.eye(matrix.rows)
    minors = [shifted[i, i] * shifted[j, j] - shifted[i, j] ** 2 for i, j in ((1, 2), (0, 2))]
    third = shifted[0, 0] * shifted[1, 1] - shifted[0, 1] ** 2
    return minors[0] / (sum(minors) + third)


DECOMPOSITIONS = {
    "eigvalsh": (
        lambda t: np.linalg.eigvalsh(symmetric(t))[-1],
        lambda t: m_largest(m_symmetric(t)),
    ),
    "eigh": (
        lambda t: np.linalg.eigh(symmetric(t))[1][0, -1] ** 2,
        lambda t: m_projector(m_symmetric(t)),
    ),
    "eigvals": (
        lambda t: np.max(np.linalg.eigvals(symmetric(t)).real),
        lambda t: m_largest(m_symmetric(t)),
    ),
    "svd": (
        lambda t: np.linalg.svd(tall(t), full_matrices=False)[1][0],
        lambda t: mpmath.sqrt(m_largest(m_tall(t).T * m_tall(t))),
    ),
    "svdvals": (
        lambda t: np.linalg.svd(tall(t), compute_uv=False)[0],
        lambda t: mpmath.sqrt(m_largest(m_tall(t).T * m_tall(t))),
    ),
    "qr": (
        lambda t: np.linalg.qr(tall(t))[1][0, 0] ** 2,
        lambda t: (m_tall(t).T * m_tall(t))[0, 0],
    ),
    "cholesky": (
        lambda t: np.linalg.cholesky(symmetric(t))[1, 1],
        lambda t: mpmath.sqrt(
            m_symmetric(t)[1, 1] - m_symmetric(t)[0, 1] ** 2 / m_symmetric(t)[0, 0]
        ),
    ),
    "inv": (
        lambda t: np.linalg.inv(symmetric(t))[0, 1],
        lambda t: mpmath.inverse(m_symmetric(t))[0, 1],
    ),
    "solve": (
        lambda t: np.linalg.solve(symmetric(t), np.array([1.0, 2.0, -1.0]))[2],
        lambda t: mpmath.lu_solve(m_symmetric(t), mpmath.matrix([1, 2, -1]))[2],
    ),
    "det": (lambda t: np.linalg.det(symmetric(t) ** 2), None),
    "slogdet": (
        lambda t: np.linalg.slogdet(symmetric(t))[1],
        lambda t: mpmath.log(mpmath.det(m_symmetric(t))),
    ),
    "lstsq": (
        lambda t: np.linalg.lstsq(tall(t), np.array([1.0, 2.0, 3.0]))[0][0],
        lambda t: mpmath.lu_solve(m_tall(t).T * m_tall(t), m_tall(t).T * mpmath.matrix([1, 2, 3]))[
            0
        ],
    ),
}


@pytest.mark.parametrize("name", DECOMPOSITIONS)
def test_decompositions_to_the_tenth_order(name):
    function, reference = DECOMPOSITIONS[name]
    if reference is None:

        def reference(t):
            entries = m_symmetric(t)
            return mpmath.det(entries.apply(lambda entry: entry**2))

    close(derivatives(function), exact(reference), 1e-6)
