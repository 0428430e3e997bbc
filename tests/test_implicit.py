"""Solutions of equations: values, derivatives of every order and mode, memory, and what fails."""

import numpy as np
import pytest
import scipy.optimize

import wengert as wg
from running import peak, staged
from wengert.errors import ArgumentError, ConvergenceError, SingularSystemError, StagingError

M = np.array([[0.3, -0.1, 0.05], [0.2, 0.1, -0.2], [-0.1, 0.25, 0.15]])
B = np.array([0.5, -1.0, 0.3])


# ------------------------------------------------------------------ one solution, several solvers


def update(x, m, b):
    return np.tanh(m @ x) + b


def by_fixed_point(m, b):
    return wg.fixed_point(update, np.zeros(3), m, b)


def by_root(m, b):
    return wg.root(lambda x: update(x, m, b) - x, np.zeros(3))


def by_scipy(m, b):
    solver = wg.implicit(
        lambda m, b: scipy.optimize.root(lambda x: update(x, m, b) - x, np.zeros(3), tol=1e-13).x,
        lambda x, m, b: update(x, m, b) - x,
        like=B,
    )
    return solver(m, b)


def unrolled(m, b):
    x = np.zeros(3)
    for _ in range(60):
        x = update(x, m, b)
    return x


WAYS = {"fixed_point": by_fixed_point, "root": by_root, "scipy": by_scipy}


def loss_of(solve):
    return lambda m, b: np.sum(solve(m, b) ** 2 * np.arange(1.0, 4.0))


@pytest.mark.parametrize("name", WAYS)
def test_every_mode_and_order_as_unrolled(name):
    directions = (M[::-1], B[::-1])
    for transformed in (
        lambda f: f,
        lambda f: wg.grad(f),
        lambda f: wg.grad(f, argnums=1),
        lambda f: lambda *a: wg.jvp(f, a, directions)[1],
        lambda f: lambda *a: wg.jvp(wg.grad(f), a, directions)[1],
        lambda f: wg.grad(lambda *a: np.sum(wg.grad(f)(*a) * directions[0]), argnums=1),
        lambda f: wg.grad(lambda *a: wg.jvp(f, a, directions)[1]),
        lambda f: wg.grad(lambda *a: wg.jvp(wg.grad(f, 1), a, directions)[1] @ B),
    ):
        expected = transformed(loss_of(unrolled))(M, B)
        found = transformed(loss_of(WAYS[name]))
        np.testing.assert_allclose(found(M, B), expected, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(staged(found)(M, B), expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("method", ["auto", "dense", "gmres", "neumann"])
def test_solvers_of_the_linear_system(method):
    def loss(m, b):
        return np.sum(wg.fixed_point(update, np.zeros(3), m, b, method=method) ** 2)

    expected = wg.grad(lambda m, b: np.sum(unrolled(m, b) ** 2))(M, B)
    np.testing.assert_allclose(wg.grad(loss)(M, B), expected, rtol=1e-8)


def test_jit_compiles_solutions():
    gradient = wg.jit(wg.grad(loss_of(by_fixed_point)))
    for b in (B, B * 2, B * 3, B):
        expected = wg.grad(loss_of(unrolled))(M, b)
        np.testing.assert_allclose(gradient(M, b), expected, rtol=1e-8)


def test_values_taken_from_outside():
    def loss(scale):
        inner = wg.fixed_point(lambda x: 0.5 * np.cos(scale * x), 0.0)
        outer = wg.root(lambda y: y**3 + y * scale - inner, 1.0)
        return outer * scale

    def plain(scale):
        inner = 0.0
        for _ in range(200):
            inner = 0.5 * np.cos(scale * inner)
        outer = 1.0
        for _ in range(50):
            outer = outer - (outer**3 + outer * scale - inner) / (3 * outer**2 + scale)
        return outer * scale

    assert loss(0.8) == pytest.approx(plain(0.8), rel=1e-12)
    expected = wg.numerical.derivative(plain, method="richardson")(0.8)
    for gradient in (wg.grad(loss), staged(wg.grad(loss))):
        assert gradient(0.8) == pytest.approx(expected, rel=1e-9)
    second = wg.numerical.derivative(wg.grad(plain), method="richardson")(0.8)
    assert wg.grad(wg.grad(loss))(0.8) == pytest.approx(second, rel=1e-8)


# ------------------------------------------------------------------ worked example 14


def test_fixed_point_of_a_gradient_step():
    """θ*(φ) of one step of gradient descent: dθ*/dφ = [I - ∂f/∂θ]⁻¹ ∂f/∂φ, as unrolled."""
    generator = np.random.default_rng(0)
    features = generator.standard_normal((20, 4))
    target = generator.standard_normal(20)

    def objective(theta, phi):
        return np.mean((features @ theta - target) ** 2) + np.exp(phi) * np.sum(theta**2)

    def step(theta, phi):
        return theta - 0.1 * wg.grad(objective)(theta, phi)

    def solution(phi):
        return wg.fixed_point(step, np.zeros(4), phi)

    def descended(phi):
        theta = np.zeros(4)
        for _ in range(600):
            theta = step(theta, phi)
        return theta

    phi = -1.0
    theta = solution(phi)
    np.testing.assert_allclose(theta, descended(phi), rtol=1e-8)
    in_theta = wg.jacobian(step)(theta, phi)
    in_phi = wg.jacobian(step, argnums=1)(theta, phi)
    expected = np.linalg.solve(np.eye(4) - in_theta, in_phi)
    for mode in ("forward", "reverse"):
        np.testing.assert_allclose(wg.jacobian(solution, mode=mode)(phi), expected, rtol=1e-9)
    np.testing.assert_allclose(wg.jacobian(descended)(phi), expected, rtol=1e-8)
    hyper = wg.grad(lambda phi: np.sum((features @ solution(phi) - 1.0) ** 2))(phi)
    assert hyper == pytest.approx(2 * (features @ theta - 1.0) @ features @ expected, rel=1e-9)


def test_memory_does_not_grow_with_the_iterations():
    b = np.linspace(0.0, 1.0, 20_000)

    def gradient(rate):
        def loss(b):
            return np.sum(wg.fixed_point(lambda x: x - rate * (x - np.sin(b)), b * 0.0))

        # GMRES: a matrix of 20 000² would not fit.
        np.testing.assert_allclose(wg.grad(loss)(b), np.cos(b), atol=1e-6)

    few, many = peak(gradient, 0.9), peak(gradient, 0.05)  # 13 and 540 iterations
    assert many < 1.2 * few


# ------------------------------------------------------------------ trees, kinds, complex numbers


def test_trees_and_kinds():
    def f(state, p):
        return {"u": 0.5 * np.sin(state["v"]) + p["a"], "v": 0.1 * np.sum(state["u"]) + p["b"][0]}

    p = {"a": np.array([0.3, 0.1]), "b": (0.2,)}
    start = {"u": np.zeros(2), "v": 0}
    found = wg.fixed_point(f, start, p)
    np.testing.assert_allclose(found["u"], f(found, p)["u"], atol=1e-11)
    assert type(found["v"]) is np.float64
    gradient = wg.grad(lambda p: wg.fixed_point(f, start, p)["v"])(p)
    expected = wg.numerical.gradient(lambda p: wg.fixed_point(f, start, p)["v"])(p)
    np.testing.assert_allclose(gradient["a"], expected["a"], rtol=1e-6)
    assert gradient["b"][0] == pytest.approx(expected["b"][0], rel=1e-6)
    assert type(wg.fixed_point(lambda x: 0.5 * x + 1.0, 0)) is float


def test_complex_solutions():
    def solve(c):
        return wg.root(lambda z: z**3 + z - c, 0.5 + 0.5j)

    c = 1.0 + 2.0j
    z = solve(c)
    assert abs(z**3 + z - c) < 1e-12
    assert wg.grad(solve, holomorphic=True)(c) == pytest.approx(1 / (3 * z**2 + 1), rel=1e-9)
    # Not holomorphic: the conjugate makes it linear over the reals only.
    mixed = lambda c: wg.fixed_point(lambda z: 0.3 * np.conj(z) + c, 0j)  # noqa: E731
    expected = wg.numerical.gradient(lambda c: np.abs(mixed(c)) ** 2)(c)
    assert wg.grad(lambda c: np.abs(mixed(c)) ** 2)(c) == pytest.approx(expected, rel=1e-7)


def test_argmin():
    data = np.random.default_rng(1).standard_normal((30, 3))
    target = np.sign(data @ np.array([1.0, -2.0, 0.5]))

    def objective(w, c):
        return np.sum(np.logaddexp(0.0, -target * (data @ w))) + c * np.sum(w**2)

    def solve(c):
        return wg.argmin(objective, np.zeros(3), c)

    w = solve(0.5)
    reference = scipy.optimize.minimize(objective, np.zeros(3), args=(0.5,), tol=1e-10).x
    np.testing.assert_allclose(w, reference, atol=1e-5)
    np.testing.assert_allclose(wg.grad(objective)(w, 0.5), 0.0, atol=1e-9)
    expected = (solve(0.5 + 1e-5) - solve(0.5 - 1e-5)) / 2e-5
    for mode in ("forward", "reverse"):
        np.testing.assert_allclose(wg.jacobian(solve, mode=mode)(0.5), expected, rtol=1e-6)
    rosenbrock = wg.argmin(
        lambda x, a: (a - x[0]) ** 2 + 100.0 * (x[1] - x[0] ** 2) ** 2, np.array([-1.2, 1.0]), 1.5
    )
    np.testing.assert_allclose(rosenbrock, [1.5, 2.25], rtol=1e-8)


def test_scipy_solvers_without_a_likeness():
    @wg.implicit(optimality=lambda x, a, b: np.exp(a * x) - b)
    def solve(a, b):
        return scipy.optimize.brentq(lambda x: np.exp(a * x) - b, -5.0, 5.0, xtol=1e-14)

    def exact(a, b):
        return np.log(b) / a

    for transformed in (wg.grad, lambda f: wg.grad(f, 1), lambda f: wg.grad(wg.grad(f), 1)):
        assert transformed(solve)(2.0, 3.0) == pytest.approx(transformed(exact)(2.0, 3.0), rel=1e-8)
    compiled = wg.jit(wg.grad(solve))
    for b in (3.0, 2.0, 1.5, 4.0):
        assert compiled(2.0, b) == pytest.approx(wg.grad(exact)(2.0, b), rel=1e-8)
    with pytest.raises(StagingError, match="like=x0"):
        wg.trace(solve)(2.0, 3.0)
    assert solve.__name__ == "solve"


# ------------------------------------------------------------------ linear systems


def test_linear_solve_on_trees_and_large_systems():
    def loss(d, b):
        def matvec(x):
            return {"u": d * x["u"] + 0.1 * x["v"], "v": 2.0 * x["v"] + np.sum(x["u"])}

        x = wg.linear_solve(matvec, {"u": b, "v": 1.0})
        return np.sum(x["u"] ** 2) * x["v"]

    def dense(d, b):
        n = len(b)
        top = np.concatenate([np.diag(d), 0.1 * np.ones((n, 1))], axis=1)
        bottom = np.concatenate([np.ones((1, n)), 2.0 * np.ones((1, 1))], axis=1)
        x = np.linalg.solve(np.concatenate([top, bottom]), np.concatenate([b, np.ones(1)]))
        return np.sum(x[:-1] ** 2) * x[-1]

    d, b = np.array([2.0, 3.0, -1.5]), np.array([0.3, -0.2, 1.0])
    for transformed in (
        lambda f: f,
        wg.grad,
        lambda f: wg.grad(f, 1),
        lambda f: wg.grad(lambda *a: np.sum(wg.grad(f)(*a) ** 2)),
        lambda f: lambda *a: wg.jvp(wg.grad(f), a, a)[1],
    ):
        expected = transformed(dense)(d, b)
        np.testing.assert_allclose(transformed(loss)(d, b), expected, rtol=1e-9)
        np.testing.assert_allclose(staged(transformed(loss))(d, b), expected, rtol=1e-9)
    n = 2_000
    d = np.linspace(1.0, 3.0, n)
    for method in ("auto", "gmres", "cg"):
        x = wg.linear_solve(lambda x: d * x + 0.01 * np.sum(x) / n, np.ones(n), method=method)
        np.testing.assert_allclose(d * x + 0.01 * np.sum(x) / n, 1.0, rtol=1e-8)


def test_a_solver_of_the_callers():
    calls = []

    def jacobi(matvec, b):
        calls.append(b.size)
        x = b
        for _ in range(200):
            x = x - 0.3 * (matvec(x) - b)
        return x

    a = np.array([[2.0, 0.5], [0.3, 3.0]])
    found = wg.jacobian(lambda b: wg.linear_solve(lambda x: a @ x, b, method=jacobi))(np.ones(2))
    np.testing.assert_allclose(found, np.linalg.inv(a), rtol=1e-8)
    assert set(calls) == {2}


# ------------------------------------------------------------------ what fails


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: wg.fixed_point(lambda x: 2 * x + 1, 1.0), ConvergenceError, "not finite"),
        (
            lambda: wg.fixed_point(lambda x: np.cos(x), 1.0, max_iterations=3),
            ConvergenceError,
            r"fixed_point did not converge in 3 iterations.*max_iterations",
        ),
        (lambda: wg.root(lambda x: x * x + 1.0, 0.5), ConvergenceError, "root did not converge"),
        (lambda: wg.root(lambda x: x * 0.0 + 1.0, 0.5), SingularSystemError, "singular"),
        (
            lambda: wg.implicit(lambda a: 3.0, lambda x, a: x - a)(2.0),
            ConvergenceError,
            "did not solve its equation",
        ),
        (
            lambda: wg.linear_solve(lambda x: np.sum(x) * np.ones(2), np.array([1.0, 2.0])),
            SingularSystemError,
            "2 equations is singular",
        ),
        (
            lambda: wg.linear_solve(lambda x: 3.0 * x, np.ones(2), method="neumann"),
            ConvergenceError,
            "spectral radius",
        ),
        (
            lambda: wg.linear_solve(
                lambda x: np.arange(1.0, 301.0) ** 4 * x, np.ones(300), max_iterations=2
            ),
            ConvergenceError,
            "max_iterations",
        ),
        (
            lambda: wg.grad(lambda a: wg.root(lambda x: (x - a) ** 3, 1.0, tolerance=1e-30))(1.0),
            SingularSystemError,
            "singular",
        ),
        (lambda: wg.linear_solve(lambda x: x[:1], np.ones(2)), ArgumentError, "must be alike"),
        (lambda: wg.linear_solve(lambda x: (x, x), np.ones(2)), ArgumentError, "same"),
        (lambda: wg.linear_solve(lambda x: x, 1.0, method="lu"), ArgumentError, "one of 'auto'"),
        (lambda: wg.argmin(lambda z: np.abs(z) ** 2, 1j), ArgumentError, "real variables"),
        (
            lambda: wg.implicit(lambda n: 3, lambda x, n: x - n)(3),
            ArgumentError,
            "floating-point numbers",
        ),
    ],
)
def test_failures(call, error, message):
    with pytest.raises(error, match=message):
        call()
    assert wg.grad(lambda x: x * x)(3.0) == 6.0


def test_a_solver_that_uses_a_traced_value():
    def loss(a):
        return wg.implicit(lambda b: b * a, lambda x, b: x - b * a)(2.0)

    with pytest.raises(ArgumentError, match="make it an argument"):
        wg.grad(loss)(3.0)


# ------------------------------------------------------------------ other precisions


def cubic(a):
    return wg.root(lambda x: x**3 + x - 5 * a, np.ones_like(a))


def quartic(a):
    return wg.argmin(lambda x: np.sum((x - a) ** 2) + np.sum(x**4), np.zeros_like(a))


def contracted(a):
    return wg.fixed_point(lambda x: a * np.cos(x).astype(a.dtype), np.zeros_like(a))


def rolled(a, method="auto", size=40):
    right = np.linspace(1, 2, size).astype(a.dtype)
    return wg.linear_solve(lambda u: 3 * u * np.sum(a) - np.roll(u, 1), right, method=method)


@pytest.mark.parametrize(
    "solve",
    [
        cubic,
        quartic,
        contracted,
        rolled,
        lambda a: rolled(a, "gmres"),
        lambda a: rolled(a, "auto", 300),
    ],
)
def test_single_precision_converges_to_its_rounding(solve):
    a = np.array([0.3, 0.5, 0.9])
    single = a.astype(np.float32)

    def loss(a):
        return np.sum(solve(a) ** 2)

    for transform in (
        lambda f: f,
        wg.grad,
        wg.jit,
        lambda f: wg.jit(wg.grad(f)),
        lambda f: lambda a: wg.vmap(wg.grad(f))(a[None] * np.ones((2, 1), a.dtype)),
    ):
        found = transform(loss)(single)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, transform(loss)(a), rtol=2e-5)
    assert solve(single).dtype == np.float32


def test_complex_single_precision():
    m, b = (M + 2j * np.eye(3)).astype(np.complex64), B.astype(np.complex64)
    found = wg.linear_solve(lambda u: m @ u, b)
    assert found.dtype == np.complex64
    np.testing.assert_allclose(found, np.linalg.solve(m, b), rtol=1e-5)
