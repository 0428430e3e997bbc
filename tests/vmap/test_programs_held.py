"""vmap of loops, branches, custom rules, checkpoints, solutions and call-backs: as a loop does."""

import numpy as np
import pytest

import wengert as wg
from wengert.errors import ConvergenceError, SingularSystemError

XS = np.array([[0.4, -0.7, 0.9], [1.2, 0.1, -0.3], [-0.5, 0.8, 0.2], [0.3, 0.3, -1.0]])


def while_program(x):
    def body(state):
        return {"n": state["n"] + 1, "x": np.sin(state["x"]) * x + 0.1, "s": state["s"] * 1.3}

    start = {"n": 0, "x": x, "s": np.sum(x * x) + 0.5}
    end = wg.while_loop(lambda state: state["s"] < 5.0, body, start)
    return np.sum(end["x"]) * end["s"] + end["n"]


def shared_limit(x):
    """The condition is the same for all examples, the body is not."""
    return np.sum(wg.while_loop(lambda s: s[0] < 3, lambda s: (s[0] + 1, s[1] * x), (0, x))[1])


def branch_program(x):
    y = wg.cond(np.sum(x) > 0, lambda v: np.sqrt(np.abs(v)) * x[0], lambda v: v * v, x)
    z = wg.cond(x[0] > 0, lambda v: np.log(np.where(v > 0, v, 1.0)) + v, lambda v: 2.0 * v, x[0])
    return np.sum(wg.switch(np.sum(x > 0), [np.sin, np.exp, lambda v: v * x[1]], y)) + z


def scan_program(x):
    def step(carry, entry):
        return np.tanh(carry * entry + x[0]), {"a": carry * entry, "b": 1.5}

    carry, ys = wg.scan(step, 0.5, x, reverse=True)
    return carry + np.sum(ys["a"] * ys["b"])


def checkpointed_program(x):
    part = wg.checkpoint(lambda h: np.sin(h) * x)
    end = wg.scan(lambda c, s: (part(c) * s, None), x, x, checkpoint=1)[0]
    return np.sum(wg.checkpoint(lambda h: h * h * x[1])(end)) + x[2]


scaled = wg.custom_vjp(lambda x, p: {"y": x * p["s"], "t": np.sum(x)})
scaled.defvjp(
    lambda x, p: ({"y": x * p["s"], "t": np.sum(x)}, (x, p["s"], p["n"])),
    lambda kept, g: (
        g["y"] * kept[1] + g["t"],
        {"s": np.sum(g["y"] * kept[0]), "n": None},
    ),
)
softened = wg.custom_jvp(lambda x: np.log1p(np.exp(x)))
softened.defjvp(lambda p, t: (softened(p[0]), t[0] / (1 + np.exp(-p[0]))))


def custom_program(x):
    out = scaled(x, {"s": 1.7, "n": 3})
    again = scaled(np.ones(3), {"s": x[0], "n": 3})
    return np.sum(softened(out["y"])) * out["t"] + np.sum(again["y"] * x)


def solution_program(x):
    y = wg.fixed_point(lambda y: 0.3 * np.tanh(y) + x, np.zeros(3))
    z = wg.linear_solve(lambda u: u * (2.0 + x**2) + 0.1 * np.sum(u), y)
    return np.sum(z * z)


PROGRAMS = [
    while_program,
    shared_limit,
    branch_program,
    scan_program,
    checkpointed_program,
    custom_program,
    solution_program,
]
TRANSFORMED = {
    "value": lambda f: f,
    "grad": wg.grad,
    "jvp": lambda f: lambda x: wg.jvp(f, (x,), (x * x,))[1],
    "grad of grad": lambda f: wg.grad(lambda x: np.sum(wg.grad(f)(x) ** 2)),
}


@pytest.mark.parametrize("name", TRANSFORMED)
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_vmap_is_the_loop(program, name):
    fun = TRANSFORMED[name](program)
    expected = np.stack([fun(x) for x in XS])
    batched = wg.vmap(fun)
    np.testing.assert_allclose(batched(XS), expected, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(wg.vmap(fun, in_axes=1)(XS.T), expected, rtol=1e-9, atol=1e-11)
    with np.errstate(all="ignore"):  # of branches that an example does not take
        staged = wg.trace(batched)(XS).evaluate(XS)[0]
    np.testing.assert_allclose(staged, expected, rtol=1e-9, atol=1e-11)
    nested = wg.vmap(wg.vmap(fun))(XS.reshape(2, 2, 3))
    np.testing.assert_allclose(nested.reshape(expected.shape), expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_derivatives_through_vmap(program):
    expected = np.stack([wg.grad(program)(x) for x in XS])

    def total(xs):
        return np.sum(wg.vmap(program)(xs) * np.arange(1.0, 5.0))

    weights = np.arange(1.0, 5.0)[:, None]
    np.testing.assert_allclose(wg.grad(total)(XS), expected * weights, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(
        wg.trace(wg.grad(total))(XS).evaluate(XS)[0], expected * weights, rtol=1e-9, atol=1e-11
    )
    found = wg.jvp(total, (XS,), (XS[::-1],))[1]
    assert found == pytest.approx(np.sum(expected * weights * XS[::-1]), rel=1e-9)


def test_shared_arguments_add_up():
    """The cotangent of an argument that is the same for all examples is their sum."""

    def loss(s):
        return np.sum(wg.vmap(lambda x: np.sum(scaled(x, {"s": s, "n": 1})["y"] * x))(XS))

    assert wg.grad(loss)(2.0) == pytest.approx(np.sum(XS * XS))


def test_examples_are_stepped_until_the_last_has_ended():
    runs = []

    def body(x):
        wg.debug.callback(lambda: runs.append(1))
        return x * 2.0

    found = wg.vmap(lambda x: wg.while_loop(lambda v: v < 10.0, body, x))(
        np.array([1.0, 4.0, 20.0])
    )
    np.testing.assert_array_equal(found, [16.0, 16.0, 20.0])
    assert len(runs) == 4


def test_callbacks_see_each_example():
    seen = []

    def fun(x):
        wg.debug.callback(seen.append, x)
        return wg.pure_callback(lambda v: v * 2.0, 0.0, x)

    np.testing.assert_array_equal(wg.vmap(fun)(np.array([1.0, 2.0])), [2.0, 4.0])
    assert seen == [1.0, 2.0]


# ------------------------------------------------------------------ systems of equations


def kepler(e, m):
    return wg.fixed_point(lambda x: m + e * np.sin(x), m)


def test_fixed_points_iterate_together():
    """Each example stays where it has converged; the slowest decides how long all take."""
    e, m = np.array([0.1, 0.9, 0.0]), np.array([1.0, 0.3, 2.0])
    steps = []

    def counted(x, e, m):
        wg.debug.callback(lambda: steps.append(1))
        return m + e * np.sin(x)

    found = wg.vmap(lambda e, m: wg.fixed_point(counted, m, e, m, max_iterations=500))(e, m)
    np.testing.assert_allclose(found, [kepler(*row) for row in zip(e, m, strict=True)], rtol=1e-13)
    alone = []
    for row in zip(e, m, strict=True):
        before = len(steps)
        wg.fixed_point(counted, row[1], *row, max_iterations=500)
        alone.append(len(steps) - before)
    assert len(steps) - sum(alone) <= max(alone) + 3
    gradient = wg.vmap(wg.grad(kepler))(e, m)
    np.testing.assert_allclose(gradient, [wg.grad(kepler)(*row) for row in zip(e, m, strict=True)])
    with pytest.raises(wg.errors.ConvergenceError, match="10 iterations"):
        wg.vmap(lambda e, m: wg.fixed_point(counted, m, e, m, max_iterations=10))(e, m)


def test_systems_are_solved_at_once():
    """The function runs once for each column of a matrix, whatever the number of examples."""
    runs = []
    matrices = np.arange(45.0).reshape(5, 3, 3) % 7 + 8.0 * np.eye(3)
    right = np.arange(15.0).reshape(5, 3)
    right[2] = 0.0
    right[3, 1] = np.nan

    def solve(a, b):
        def matvec(x):
            wg.debug.callback(lambda: runs.append(1))
            return a @ x

        return wg.linear_solve(matvec, b)

    found = wg.vmap(solve)(matrices, right)
    assert len(runs) == 4
    expected = np.linalg.solve(matrices, right[..., None])[..., 0]
    expected[3] = np.nan
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)
    twice = wg.vmap(wg.vmap(solve, (None, 0)), (0, None))(matrices[:2], right[:2])
    for i in range(2):
        for j in range(2):
            np.testing.assert_allclose(twice[i, j], np.linalg.solve(matrices[i], right[j]))
    with pytest.raises(wg.errors.SingularSystemError):
        wg.vmap(solve)(np.stack([np.eye(3), np.zeros((3, 3))]), np.ones((2, 3)))
    iterated = wg.vmap(lambda a, b: wg.linear_solve(lambda x: a @ x, b, method="gmres"))
    np.testing.assert_allclose(iterated(matrices[:2], right[:2]), expected[:2], rtol=1e-8)


def test_truth_values_of_all_entries():
    a = np.array([[1.0, 2.0], [1.0, np.nan], [3.0, 2.0]])
    b = np.array([1.0, np.nan])
    for function in (
        lambda x: np.array_equal(x, b, equal_nan=True),
        lambda x: np.array_equal(x, b),
        lambda x: np.array_equal(x, np.ones(3)),
        lambda x: np.allclose(x, b, equal_nan=True, rtol=0.1),
        lambda x: np.array_equiv(x, np.ones((2, 1))),
        lambda x: np.array_equiv(x, np.ones(3)),
    ):
        found = wg.vmap(function)(a)
        np.testing.assert_array_equal(found, [function(row) for row in a])


def by_root(a, b):
    return wg.root(lambda x: x**3 + x * np.sum(a) - b, np.ones(3))


def by_argmin(a, b):
    def objective(x):
        return np.sum((x - b) ** 4) + np.sum(a * x**2) + 0.1 * np.sum(np.cosh(x))

    return wg.argmin(objective, np.zeros(3))


def by_branches(a, b):
    return wg.root(
        lambda x: wg.cond(x[0] > 0.0, lambda x: x**3, lambda x: 2.0 * x, x) + x - b * a, np.ones(3)
    )


@pytest.mark.parametrize("solve", [by_root, by_argmin, by_branches])
def test_newtons_method_for_all_examples_at_once(solve):
    """Examples take steps of their own: near and far starts, by halved steps and whole ones."""
    generator = np.random.default_rng(5)
    a = generator.uniform(0.5, 2.0, size=(6, 3))
    b = generator.normal(size=(6, 3)) * np.array([0.01, 0.1, 1.0, 3.0, 10.0, 30.0])[:, None]

    def gradient(a, b):
        return wg.grad(lambda a, b: np.sum(solve(a, b) ** 2), (0, 1))(a, b)

    def close(found, expected):
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9)

    close(wg.vmap(solve)(a, b), [solve(*pair) for pair in zip(a, b, strict=True)])
    close(wg.vmap(solve, (None, 0))(a[0], b), [solve(a[0], entry) for entry in b])
    close(wg.jit(wg.vmap(solve))(a, b), wg.vmap(solve)(a, b))
    nested = wg.vmap(wg.vmap(solve, (None, 0)), (0, None))(a[:2], b[:3])
    close(nested, [[solve(first, second) for second in b[:3]] for first in a[:2]])
    expected = [np.stack(g) for g in zip(*map(gradient, a, b), strict=True)]
    close(wg.vmap(gradient)(a, b), expected)
    close(wg.grad(lambda a, b: np.sum(wg.vmap(solve)(a, b) ** 2), (0, 1))(a, b), expected)


def test_newtons_method_runs_to_the_last_example():
    runs = []

    @wg.custom_jvp
    def noted(x):
        runs.append(np.shape(x))
        return x**3

    noted.defjvp(lambda primals, tangents: (noted(*primals), 3 * primals[0] ** 2 * tangents[0]))
    for count in (2, 40):
        runs.clear()
        b = np.linspace(0.5, 900.0, count)
        found = wg.vmap(lambda b: wg.root(lambda x: noted(x) + x - b, 1.0))(b)
        np.testing.assert_allclose(found**3 + found, b, rtol=1e-9)
        assert len(runs) < 60
    with pytest.raises(ConvergenceError, match="did not converge in 3 iterations"):
        wg.vmap(lambda b: wg.root(lambda x: x**3 + x - b, 1.0, max_iterations=3))(b)
    with pytest.raises(SingularSystemError, match="singular"):
        wg.vmap(lambda b: wg.root(lambda x: 0.0 * x + b, 1.0))(b)
