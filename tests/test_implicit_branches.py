"""Solutions of equations whose functions ask for values: `if`, `while` and indices in them."""

import functools

import numpy as np
import pytest
import scipy.optimize

import wengert as wg
from wengert.errors import BatchingError, StagingError


def branch(x, a):
    """A contraction of two pieces, which meet at no solution below."""
    if x < 1.0:
        return a * np.cos(x) + 0.1 * x
    return 0.5 * a * np.sin(x) + 1.2


def halved(x, a):
    """Scaled down by as many halvings as x / a needs; the derivative is that of the last way."""
    y = x * a
    while abs(y) > 2.0:
        y = 0.5 * y
    return 0.3 * np.sin(y) + a


def glued(x, a):
    """Two pieces with one slope where they meet: from everywhere there is one solution."""
    if x < 0.0:
        return 0.5 * x + a
    return 0.5 * np.sin(x) + a


def indexed(x, a):
    """Chooses a coefficient by an index that depends on the value."""
    coefficients = np.array([0.2, 0.3, 0.4, 0.1])
    return a + coefficients[int(np.floor(abs(x))) % 4] * np.sin(x)


def counted(x, a):
    """Takes as many terms as `range` is told."""
    total = a
    for k in range(int(2 + abs(x))):
        total = total + 0.1 * np.cos((k + 1) * x) / (k + 1)
    return total


UPDATES = [branch, glued, halved, indexed, counted]
STARTS = [-0.5, 0.0, 2.5]
POINTS = [0.4, 0.9, 2.2]


def unrolled(update, a, start=0.3):
    x = start
    for _ in range(90):
        x = update(x, a)
    return x


def by_fixed_point(update, a, start=0.3):
    return wg.fixed_point(update, start, a)


def by_root(update, a, start=0.3):
    return wg.root(lambda x: update(x, a) - x, start)


def by_implicit(update, a, start=0.3):
    def solver(a):
        return float(scipy.optimize.fixed_point(lambda x: update(x, a), start, xtol=1e-14))

    return wg.implicit(solver, lambda x, a: update(x, a) - x, like=0.0)(a)


WAYS = [by_fixed_point, by_root, by_implicit]


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("update", UPDATES)
@pytest.mark.parametrize("way", WAYS)
def test_both_modes_and_orders_as_the_python_loop(way, update):
    found = functools.partial(way, update)
    expected = functools.partial(unrolled, update)
    for a in POINTS:
        close(found(a), expected(a))
        slope = wg.numerical.derivative(expected, method="richardson")(a)
        close(wg.grad(found)(a), slope)
        close(wg.jvp(found, (a,), (1.0,))[1], slope)
        second = wg.grad(wg.grad(expected))(a)
        close(wg.grad(wg.grad(found))(a), second)
        close(wg.jvp(wg.grad(found), (a,), (1.0,))[1], second)
        close(wg.grad(lambda a: wg.jvp(found, (a,), (1.0,))[1])(a), second)
        close(wg.hessian(found)(a), second)
        close(wg.derivative(found, 3)(a), wg.derivative(expected, 3)(a))


@pytest.mark.parametrize("way", [by_fixed_point, by_root])
def test_the_way_changes_while_the_iteration_runs(way):
    def slope(a):
        return 1.0 / (1.0 - 0.5 * np.cos(unrolled(glued, a)))

    for start in STARTS:
        for a in (-1.1, *POINTS):
            close(way(glued, a, start), unrolled(glued, a, start))
            close(wg.grad(functools.partial(way, glued))(a, start), 2.0 if a < 0 else slope(a))


def arrays(x, m):
    first = np.tanh(x[0]) if x[0] > 0.0 else x[0]
    turned = m @ np.array([first, x[1], x[2]])
    scale = 0.5
    while scale * np.sum(np.abs(turned[:2])) > 3.0:
        scale = 0.5 * scale
    if m[0, 0] > 0.5:
        return scale * np.sin(turned) + m[0]
    return scale * turned + np.cos(m[1])


M = np.array([[0.3, -0.1, 0.05], [0.2, 0.1, -0.2], [-0.1, 0.25, 0.15]])


@pytest.mark.parametrize("way", [by_fixed_point, by_root])
def test_arrays_with_jacobians_both_ways(way):
    def found(m):
        return way(arrays, m, np.zeros(3))

    def expected(m):
        return unrolled(arrays, m, np.zeros(3))

    for m in (M, 3.0 * M, -2.0 * M):
        close(found(m), expected(m))
        jacobian = wg.numerical.jacobian(expected)(m)
        np.testing.assert_allclose(wg.jacrev(found)(m), jacobian, rtol=1e-6, atol=1e-8)
        close(wg.jacfwd(found)(m), wg.jacrev(found)(m))
        _, pushed = wg.linearize(found, m)
        close(pushed(M), np.tensordot(jacobian, M, 2))
        second = wg.hessian(lambda m: np.sum(expected(m) ** 2))(m)
        close(wg.hessian(lambda m: np.sum(found(m) ** 2))(m), second)


def test_minima_of_functions_with_branches():
    def huber(r):
        total = 0.0
        for entry in r:
            if abs(entry) < 1.0:
                total = total + 0.5 * entry**2
            elif entry > 0:
                total = total + (entry - 0.5)
            else:
                total = total - (entry + 0.5)
        return total

    def location(data):
        return wg.argmin(lambda c: huber(data - c) + 0.05 * c**2, 0.0)

    data = np.array([0.1, 0.4, -0.3, 7.0])
    # Three residuals inside, one outside: Σ (c - d) - 1 + 0.1 c = 0.
    close(location(data), (np.sum(data[:3]) + 1.0) / 3.1)
    close(wg.grad(location)(data), np.array([1, 1, 1, 0]) / 3.1)
    close(wg.jvp(location, (data,), (np.ones(4),))[1], 3 / 3.1)
    close(wg.hessian(location)(data), np.zeros((4, 4)))


def test_values_from_outside_and_trees():
    def solve(a, b):
        def update(state):
            x, y = state["x"], state["y"]
            x = 0.5 * np.sin(y) + a if x > y else 0.4 * np.cos(x) * b
            return {"x": x, "y": 0.3 * x + b}

        return update

    def found(a, b):
        state = wg.fixed_point(solve(a, b), {"x": 0, "y": 0.0})
        return state["x"] * state["y"]

    def expected(a, b):
        state = {"x": 0.0, "y": 0.0}
        for _ in range(90):
            state = solve(a, b)(state)
        return state["x"] * state["y"]

    for point in ((0.9, 0.2), (0.1, 0.8)):
        close(found(*point), expected(*point))
        close(wg.grad(found, (0, 1))(*point), wg.grad(expected, (0, 1))(*point))
        close(wg.hessian(found, (0, 1))(*point), wg.hessian(expected, (0, 1))(*point))


def test_iterations_are_not_kept():
    """The tape of a gradient is as long for a hundred iterations as for two."""
    sizes = []

    def loss(a, tolerance):
        runs = []

        def update(x):
            runs.append(None)
            return 0.9 * x + a * 0.1 if x > 0.2 else 0.5 * x + a

        x = wg.fixed_point(update, 0.0, tolerance=tolerance)
        sizes.append((len(runs), len(a._trace.rows)))
        return x

    wg.grad(loss)(1.0, 1.0)
    assert wg.grad(loss)(1.0, 1e-12) == pytest.approx(1.0)
    assert sizes[0][1] == sizes[1][1]
    assert all(runs < 8 for runs, _ in sizes)  # the function runs once a way, not once an iteration


def test_jit_runs_the_function_as_it_is():
    found = wg.jit(wg.grad(functools.partial(by_fixed_point, branch)))
    for a in (*POINTS, *POINTS):
        close(found(a), wg.grad(functools.partial(unrolled, branch))(a))


def test_results_may_be_written():
    def f(m):
        x = wg.fixed_point(arrays, np.zeros(3), m)
        y = x * x
        x[0] = 0.0
        return np.sum(x) + np.sum(y)

    close(wg.grad(f)(M), wg.numerical.gradient(f)(M))


@pytest.mark.parametrize("way", WAYS)
def test_staged_and_batched_calls_are_refused_with_the_line(way):
    with pytest.raises(StagingError, match=r"truth value.*branches\.py.*wengert\.cond"):
        wg.trace(functools.partial(way, branch))(0.5)
    with pytest.raises(BatchingError, match=r"truth value.*branches\.py.*wengert\.cond"):
        wg.vmap(functools.partial(way, branch))(np.array(POINTS))
    with pytest.raises(BatchingError, match=r"truth value.*wengert\.while_loop"):
        wg.vmap(lambda a: wg.root(lambda x, c: branch(x, c) - x + a, 0.1, 0.5))(np.zeros(2))


@pytest.mark.parametrize("way", WAYS)
def test_values_that_all_examples_share_may_be_asked_for(way):
    def update(x, a):
        return a[0] * np.cos(x) if a[1] > 0.0 else a[0] * np.sin(x) + 1.0

    def solve(a, sign):
        return way(update, (a, sign))

    points = np.array([0.3, 0.5, 0.7])
    for sign in (1.0, -1.0):
        found = wg.vmap(wg.value_and_grad(solve), (0, None))(points, sign)
        expected = [wg.value_and_grad(lambda a: unrolled(update, (a, sign)))(a) for a in points]  # noqa: B023
        close(found, np.transpose(expected))


def test_a_plain_number_would_lose_the_derivative():
    import math

    with pytest.raises(StagingError, match="float"):
        wg.fixed_point(lambda x, a: 0.5 * math.sin(x) + a, 0.0, 0.3)
