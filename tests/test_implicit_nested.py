"""Solutions inside equations: solvers nested in one another, whose functions ask for values."""

import functools

import numpy as np
import pytest
import scipy.optimize

import wengert as wg
from wengert.errors import (
    ArgumentError,
    BatchingError,
    ConvergenceError,
    SingularSystemError,
    StagingError,
)


def close(found, expected, rtol=1e-8):
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=1e-9)


# ------------------------------------------------------------------ what is inside


def contraction(y, x, a):
    """In y, of two ways in x, and of as many halvings as y needs."""
    scale = 1.0
    while scale * abs(y) > 0.2:
        scale = 0.5 * scale
    if x > 0.4:
        return 0.1 * np.sin(y) * a * scale + 0.2 * x
    return 0.2 * np.cos(y) * scale + 0.3 * (x - 0.4)


def iterated(x, a):
    y = 0.1
    for _ in range(60):
        y = contraction(y, x, a)
    return y


def inner_fixed_point(x, a):
    return wg.fixed_point(contraction, 0.1, x, a)


def inner_root(x, a):
    return wg.root(lambda y: contraction(y, x, a) - y, 0.1)


def inner_implicit(x, a):
    def solver(x, a):
        return float(
            scipy.optimize.fixed_point(lambda y: contraction(y, x, a), 0.1, xtol=1e-14, maxiter=900)
        )

    return wg.implicit(solver, lambda y, x, a: contraction(y, x, a) - y)(x, a)


def inner_argmin(x, a):
    target = contraction(0.5 * a, x, a)
    return wg.argmin(lambda y: (y - target) ** 2 + (0.1 if y > 0.0 else 0.3) * y**2, 0.2)


def minimised(x, a):
    target = contraction(0.5 * a, x, a)
    return target / 1.1 if target > 0.0 else target / 1.3


def inner_linear(x, a):
    def matvec(u):
        if np.max(np.abs(u)) == 0.0:
            return u
        found = 2.0 * u + 0.1 * a * u[::-1]
        return found if x > 0.4 else 1.5 * found

    return np.sum(wg.linear_solve(matvec, np.array([1.0, x])))


def solved(x, a):
    return (1.0 + x) / ((2.0 + 0.1 * a) * (1.0 if x > 0.4 else 1.5))


INNER = {
    "fixed_point": (inner_fixed_point, iterated),
    "root": (inner_root, iterated),
    "implicit": (inner_implicit, iterated),
    "argmin": (inner_argmin, minimised),
    "linear_solve": (inner_linear, solved),
}

# ------------------------------------------------------------------ what is around


def update(inner, x, a):
    y = inner(x, a)
    if y > 0.1:
        return 0.3 * np.cos(x) + 0.1 * y * a
    return 0.3 * np.sin(x) + 0.2 * y + 0.3


def unrolled(inner, a):
    x = 0.2
    for _ in range(40):
        x = update(inner, x, a)
    return x


def outer_fixed_point(inner, a):
    return wg.fixed_point(lambda x, a: update(inner, x, a), 0.2, a)


def outer_root(inner, a):
    return wg.root(lambda x: update(inner, x, a) - x, 0.2)


def outer_implicit(inner, a):
    def solver(a):
        return float(scipy.optimize.fixed_point(lambda x: update(inner, x, a), 0.2, xtol=1e-14))

    return wg.implicit(solver, lambda x, a: update(inner, x, a) - x)(a)


def objective(inner, x, a):
    return 0.5 * (x - 0.3 * a) ** 2 + 0.02 * inner(x, a) ** 2


def outer_argmin(inner, a):
    return wg.argmin(lambda x: objective(inner, x, a), 0.2)


def newton(inner, a):
    """Newton's method on differences: the solution to about 1e-7."""
    x, h = 0.3 * a, 1e-4
    for _ in range(4):
        low, middle, high = (objective(inner, x + k * h, a) for k in (-1, 0, 1))
        x = x - 0.5 * h * (high - low) / (high - 2 * middle + low)
    return x


def outer_linear(inner, a):
    def matvec(u):
        if np.max(np.abs(u)) == 0.0:
            return 0.0 * u
        return (2.0 + inner(0.3 + 0.1 * a, a)) * u + 0.1 * u[::-1]

    return np.sum(wg.linear_solve(matvec, np.array([1.0, a])))


def eliminated(inner, a):
    return (1.0 + a) / (2.1 + inner(0.3 + 0.1 * a, a))


OUTER = {
    "fixed_point": (outer_fixed_point, unrolled),
    "root": (outer_root, unrolled),
    "implicit": (outer_implicit, unrolled),
    "argmin": (outer_argmin, newton),
    "linear_solve": (outer_linear, eliminated),
}


@pytest.mark.parametrize("inside", INNER)
@pytest.mark.parametrize("around", OUTER)
def test_solvers_in_solvers_as_loops(around, inside):
    outer, by_loops = OUTER[around]
    inner, inner_by_loops = INNER[inside]
    found = functools.partial(outer, inner)
    expected = functools.partial(by_loops, inner_by_loops)
    rough = 1e-4 if around == "argmin" else 1e-7
    a = 0.6 if len(around) % 2 else 1.7
    close(found(a), expected(a), rough)
    slope = wg.grad(found)(a)
    close(slope, wg.numerical.derivative(expected, method="central")(a), 20 * rough)
    close(wg.jvp(found, (a,), (1.0,))[1], slope)
    second = wg.hessian(found)(a)
    close(second, wg.numerical.derivative(wg.grad(found), method="central")(a), 1e-5)
    close(wg.jit(wg.grad(found))(a), slope)


def test_three_deep():
    def found(a):
        def outer(x):
            def middle(y):
                inside = wg.fixed_point(contraction, 0.1, 0.5 * y + 0.2 * x, a)
                return 0.3 * inside + 0.2 * np.sin(x) + 0.2 if y > -0.1 else 0.2 - x * y

            y = wg.fixed_point(middle, 0.2)
            return x - 0.5 * np.cos(x) - y * a if y > -9.0 else x

        return wg.root(outer, 0.4)

    def expected(a):
        def outer(x):
            y = 0.2
            for _ in range(40):
                inside = iterated(0.5 * y + 0.2 * x, a)
                y = 0.3 * inside + 0.2 * np.sin(x) + 0.2 if y > -0.1 else 0.2 - x * y
            return x - 0.5 * np.cos(x) - y * a

        return scipy.optimize.brentq(outer, -1.0, 3.0, xtol=1e-14)

    close(found(0.7), expected(0.7))
    close(wg.grad(found)(0.7), wg.numerical.derivative(expected)(0.7), 1e-6)
    close(wg.hessian(found)(0.7), wg.numerical.derivative(wg.grad(found))(0.7), 1e-5)


# ------------------------------------------------------------------ loops, inside and around


def folded(x, a, count=9):
    """Folds x as tent maps do, smoothed: the ways of its steps change with x and a."""
    for _ in range(count):
        x = fold(x, a)
    return x


def fold(x, a):
    if x > 0.5:
        return 0.8 * np.sin(1.1 - x) * a
    while x < 0.1:
        x = x + 0.15
    return 0.7 * x * a + 0.1


def folded_in_little_memory(x, a):
    return wg.checkpointed_loop(lambda i, x: fold(x, a), x, 9, memory=24)


@pytest.mark.parametrize("solver", ["fixed_point", "root"])
def test_checkpointed_loops_inside_solvers(solver):
    def found(a, loop):
        def step(x):
            return 0.4 * np.cos(x) + 0.02 * loop(x, a)

        if solver == "root":
            return wg.root(lambda x: step(x) - x, 0.9)
        return wg.fixed_point(step, 0.9)

    def expected(a):
        x = 0.9
        for _ in range(60):
            x = 0.4 * np.cos(x) + 0.02 * folded(x, a)
        return x

    for loop in (folded, folded_in_little_memory):
        for a in (0.5, 0.9):
            close(found(a, loop), expected(a))
            slope = wg.numerical.derivative(expected)(a)
            close(wg.grad(found)(a, loop), slope, 1e-6)
            close(wg.jvp(lambda a: found(a, loop), (a,), (1.0,))[1], slope, 1e-6)  # noqa: B023


@pytest.mark.parametrize("checkpoint", ["sqrt", None])
def test_solvers_inside_loops_that_ask(checkpoint):
    def step(x, a):
        y = wg.fixed_point(contraction, 0.1, x, a)
        return 0.9 * x + y if x < 0.8 else 0.5 * np.sin(x) + 0.3 * y

    def found(a):
        return wg.scan(lambda x, _: (step(x, a), None), 0.3, None, 12, checkpoint=checkpoint)[0]

    def expected(a):
        x = 0.3
        for _ in range(12):
            y = iterated(x, a)
            x = 0.9 * x + y if x < 0.8 else 0.5 * np.sin(x) + 0.3 * y
        return x

    close(found(0.7), expected(0.7))
    slope = wg.numerical.derivative(expected)(0.7)
    close(wg.grad(found)(0.7), slope, 1e-6)
    close(wg.jvp(found, (0.7,), (1.0,))[1], slope, 1e-6)
    close(wg.hessian(found)(0.7), wg.numerical.derivative(wg.grad(found))(0.7), 1e-5)


# ------------------------------------------------------------------ operators that ask


def test_an_operator_may_skip_what_is_zero():
    matrix = np.array([[4.0, 1.0, 0.0], [1.0, 3.0, 1.0], [0.0, 1.0, 2.0]])

    def found(matrix, b):
        def matvec(u):
            total = np.zeros(3)
            for column in range(3):
                if u[column] != 0.0:
                    total = total + matrix[:, column] * u[column]
            return total

        return wg.linear_solve(matvec, b)

    for b in (np.array([1.0, 0.0, 0.0]), np.zeros(3), np.array([1.0, -2.0, 0.5])):
        close(found(matrix, b), np.linalg.solve(matrix, b))
        for argument in (0, 1):
            close(
                wg.jacobian(found, argument)(matrix, b),
                wg.jacobian(np.linalg.solve, argument)(matrix, b),
            )
        close(
            wg.hessian(lambda m: np.sum(found(m, b) ** 2))(matrix),  # noqa: B023
            wg.hessian(lambda m: np.sum(np.linalg.solve(m, b) ** 2))(matrix),  # noqa: B023
        )
    # Its vector is known where nothing else is.
    b = np.array([1.0, 0.0, 0.0])
    matrices = np.stack([matrix, 2.0 * matrix])
    close(wg.vmap(found, (0, None))(matrices, b), np.linalg.solve(matrices, b))
    close(wg.jit(found)(matrix, b), np.linalg.solve(matrix, b))
    close(wg.trace(found)(matrix, b).evaluate(matrix, b)[0], np.linalg.solve(matrix, b))


def test_an_operator_that_is_not_linear_is_found_out():
    with pytest.raises(ArgumentError, match="not linear"):
        wg.linear_solve(lambda u: 2.0 * u if u[0] > 100.0 else 3.0 * u, np.array([1e3, 1.0]))
    with pytest.raises(ArgumentError, match="not linear"):
        wg.grad(lambda b: np.sum(wg.linear_solve(lambda u: u if u[0] > 1e4 else 3.0 * u, b) ** 2))(
            np.array([1e6, 1.0])
        )


def test_operators_cannot_ask_for_what_differs_between_examples():
    def solve(a):
        return wg.linear_solve(lambda u: a * u if a > 1.0 else 2.0 * u, np.ones(2))

    close(wg.grad(lambda a: np.sum(solve(a)))(2.0), -0.5)
    with pytest.raises(BatchingError, match=r"wengert\.cond"):
        wg.vmap(solve)(np.array([1.0, 2.0]))
    with pytest.raises(StagingError, match=r"wengert\.cond"):
        wg.trace(solve)(2.0)


# ------------------------------------------------------------------ what fails, fails clearly


def never(x, a):
    """Has no fixed point: it goes on by steps of a."""
    return x + a if x > 0.0 else x + 2.0 * a


def straight(x, a):
    return x + a


WHERE_IT_FAILS = {
    "eager": lambda f: f(1.0),
    "grad": lambda f: wg.grad(f)(1.0),
    "hessian": lambda f: wg.hessian(f)(1.0),
    "jit": lambda f: wg.jit(f)(1.0),
    "jit of grad": lambda f: wg.jit(wg.grad(f))(1.0),
    "nested": lambda f: wg.fixed_point(lambda x: 0.5 * x + f(1.0 + x) if x > -9.0 else x, 0.0),
}


@pytest.mark.parametrize("where", WHERE_IT_FAILS)
@pytest.mark.parametrize("step", [never, straight])
def test_iterations_without_end_are_errors_everywhere(where, step):
    def f(a):
        return wg.fixed_point(step, 0.0, a, max_iterations=50)

    with pytest.raises(ConvergenceError, match="did not converge in 50 iterations"):
        WHERE_IT_FAILS[where](f)
    if step is straight:
        with pytest.raises(ConvergenceError, match="did not converge in 50 iterations"):
            wg.vmap(f)(np.ones(2))


@pytest.mark.parametrize("where", WHERE_IT_FAILS)
def test_singular_systems_are_errors_everywhere(where):
    def f(a):
        return np.sum(wg.linear_solve(lambda u: np.sum(u) * a * np.ones(2), np.array([1.0, 2.0])))

    with pytest.raises(SingularSystemError, match="singular"):
        WHERE_IT_FAILS[where](f)
    with pytest.raises(SingularSystemError, match="singular"):
        wg.vmap(f)(np.ones(2))
