"""Solvers as native code: the evaluator's solutions and errors, without call-backs."""

import numpy as np
import pytest

import wengert as wg
from native.fences import same_on_fenced_memory
from native.programs import same
from wengert.backends.llvm import compile_program
from wengert.compile import optimise
from wengert.errors import ConvergenceError, SingularSystemError

MATRIX = np.random.default_rng(0).normal(size=(4, 4)) * 0.3 + 2 * np.eye(4)
SYMMETRIC = MATRIX @ MATRIX.T
RIGHT = np.arange(4.0) + 1


def compiled(function, *args):
    """Return a function as native code that does not call back, and as the evaluator runs it."""
    program = optimise(wg.trace(function)(*args))
    native = compile_program(program)
    assert native.called_back == ()
    return native, program


def check(function, *args, limit=1e-12, fenced=True):
    """Hold native results to the evaluator's and to eager ones."""
    native, program = compiled(function, *args)
    found = native(*args)
    expected = wg.tree.leaves(function(*args))
    for one, other, third in zip(found, program.evaluate(*args), expected, strict=True):
        assert np.asarray(one).dtype == np.asarray(other).dtype
        np.testing.assert_allclose(one, other, rtol=limit, atol=limit)
        np.testing.assert_allclose(one, third, rtol=10 * limit, atol=10 * limit)
    if fenced:
        same_on_fenced_memory(native, list(args))
    return native


METHODS = {
    "auto": MATRIX,
    "dense": MATRIX,
    "gmres": MATRIX,
    "cg": SYMMETRIC,
    "neumann": np.eye(4) + 0.02 * SYMMETRIC,
}


@pytest.mark.parametrize("method", METHODS)
def test_systems(method):
    def solve(matrix, b):
        return wg.linear_solve(lambda x: matrix @ x, b, method=method)

    def loss(matrix, b):
        return np.sum(solve(matrix, b) ** 2)

    limit = 1e-12 if method in ("auto", "dense") else 1e-9
    args = (METHODS[method], RIGHT)
    check(wg.grad(loss, (0, 1)), *args, limit=limit)
    if method == "dense":
        check(lambda *a: wg.jvp(wg.grad(loss, (0, 1)), a, a)[1], *args, limit=10 * limit)


def test_trees_of_numbers_complex_and_single_precision():
    def solve(a, z, u, v):
        def matvec(pair):
            u, v = pair
            return a @ u + 4.0 * u + np.real(v), v * z + np.sum(u)

        return wg.linear_solve(matvec, (u, v))

    a = MATRIX[:3, :3]
    check(solve, a, 3.0 - 1.0j, RIGHT[:3], 0.5 + 0.25j)
    check(
        lambda a, b: wg.linear_solve(lambda x: a @ x, b),
        a.astype(np.float32),
        RIGHT[:3].astype(np.float32),
        limit=1e-6,
    )
    check(lambda a, b: wg.linear_solve(lambda x: a * x, b), 4.0, 3.0)


def test_larger_systems_without_a_matrix():
    size = 300  # above what "auto" writes out

    def solve(d, b):
        def matvec(x):
            shifted = np.concatenate([x[1:], x[:1]])
            return d * x - 0.3 * shifted

        return wg.linear_solve(matvec, b, tolerance=1e-12)

    d, b = np.linspace(1.0, 3.0, size), np.cos(np.arange(size))
    check(wg.grad(lambda d, b: np.sum(solve(d, b) ** 2)), d, b, limit=1e-8)


def test_right_hand_sides_that_are_zero_or_not_finite():
    def solve(matrix, b):
        return wg.linear_solve(lambda x: matrix @ x, b)

    native, program = compiled(solve, MATRIX, RIGHT)
    for b in (np.zeros(4), np.array([1.0, np.nan, 0.0, 1.0]), np.array([np.inf, 0.0, 0.0, 0.0])):
        same(native(MATRIX, b)[0], program.evaluate(MATRIX, b)[0])
    # Of a singular matrix too: zero has a solution.
    same(native(np.zeros((4, 4)), np.zeros(4))[0], np.zeros(4))


def test_errors_are_the_evaluators():
    def solve(matrix, b):
        return wg.linear_solve(lambda x: matrix @ x, b)

    native, _ = compiled(solve, MATRIX, RIGHT)
    for singular in (np.ones((4, 4)), np.diag([1.0, 1.0, 1.0, 0.0])):
        with pytest.raises(SingularSystemError, match="4 equations is singular"):
            native(singular, RIGHT)
    np.testing.assert_allclose(native(MATRIX, RIGHT)[0], np.linalg.solve(MATRIX, RIGHT))

    native, _ = compiled(
        lambda m, b: wg.linear_solve(lambda x: m @ x, b, method="neumann"), MATRIX, RIGHT
    )
    with pytest.raises(ConvergenceError, match="Neumann"):
        native(5 * MATRIX, RIGHT)

    native, _ = compiled(lambda x: wg.fixed_point(lambda y: y * y * x, 2.0), 0.1)
    with pytest.raises(ConvergenceError, match="not finite"):
        native(2.0)
    native, _ = compiled(lambda a: wg.root(lambda x: x * x + a, 1.0), -2.0)
    np.testing.assert_allclose(native(-2.0)[0], np.sqrt(2.0))
    with pytest.raises((ConvergenceError, SingularSystemError)):
        native(2.0)


def kepler(e, m):
    return wg.fixed_point(lambda x: m + e * np.sin(x), m)


def cube_root(a):
    return wg.root(lambda x: x**3 - a, 1.0)


def ridge(c):
    return wg.argmin(lambda w, c: np.sum((w - 1.0) ** 2) + c * w @ w, np.zeros(2), c)


def hard_minimum(a):
    """Rosenbrock's valley, whose ground is not where it was gone down to first."""
    return wg.argmin(
        lambda w: (a - w[0]) ** 2 + 30.0 * (w[1] - w[0] ** 2) ** 2, np.array([-1.2, 1.0])
    )


def equilibrium(matrix, x):
    return wg.fixed_point(lambda y: np.tanh(0.3 * matrix @ y + x), x, method="gmres")


def pair(a):
    """A root that is a tree."""
    return wg.root(
        lambda s, a: {"u": s["u"] * s["v"][0] - a, "v": s["v"] - np.stack([s["u"], a])},
        {"u": 1.0, "v": np.ones(2)},
        a,
    )


SOLVERS = [
    (kepler, (0.5, 1.0)),
    (cube_root, (8.0,)),
    (ridge, (1.0,)),
    (hard_minimum, (1.1,)),
    (equilibrium, (MATRIX, RIGHT * 0.1)),
    (pair, (2.0,)),
]


@pytest.mark.parametrize(("solver", "args"), SOLVERS)
def test_solutions_and_their_derivatives(solver, args):
    def loss(*args):
        return sum(np.sum(leaf**2) for leaf in wg.tree.leaves(solver(*args)))

    every = tuple(range(len(args)))
    check(wg.grad(loss, every), *args, limit=1e-8)
    if solver in (kepler, ridge):
        check(lambda *a: wg.jvp(wg.grad(loss, every), a, a)[1], *args, limit=1e-7)


def test_batches_of_solutions():
    check(
        lambda e: wg.vmap(wg.grad(kepler, (0, 1)), (0, 0))(e, e + 0.5),
        np.linspace(0.1, 0.8, 7),
        limit=1e-9,
    )
    check(
        lambda b: wg.vmap(lambda b: wg.linear_solve(lambda x: MATRIX @ x + b * x, b))(b),
        np.stack([RIGHT, 2 - RIGHT, 0 * RIGHT]),
    )


def test_compiled_solvers_are_what_eager_ones_are():
    """Under `jit`, several calls, other points: no call-back and the same solutions."""
    gradient = wg.jit(wg.grad(kepler, (0, 1)))
    for e in (0.1, 0.4, 0.7, 0.2):
        np.testing.assert_allclose(gradient(e, 1.0), wg.grad(kepler, (0, 1))(e, 1.0), rtol=1e-11)
    step = wg.jit(lambda c: np.sum(ridge(c)))
    for c in (0.5, 1.0, 2.0, 3.0):
        np.testing.assert_allclose(step(c), 2 / (1 + c), rtol=1e-9)


def test_the_callers_own_solvers_are_called():
    own = wg.implicit(lambda a: a ** (1 / 3), lambda x, a: x**3 - a, like=1.0)
    program = optimise(wg.trace(wg.grad(own))(8.0))
    native = compile_program(program)
    assert native.called_back == ("solution",)
    np.testing.assert_allclose(native(8.0)[0], 1 / 12)
