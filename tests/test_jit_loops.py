"""Loops on values under jit: few recordings, the same results, and no loop taken for another."""

import numpy as np
import pytest

import wengert as wg
from running import traces


@pytest.fixture(params=[False, True], ids=["evaluated", "native"], autouse=True)
def _executors(request):
    with wg.config(verify=True, native=request.param):
        yield


def loops(compiled):
    return [path.loops for known in compiled.known.values() for path in known.paths if path.loops]


POINTS = [*np.linspace(0.1, 20.0, 25).tolist(), 1e6, 1e-6, 1e12]


def newton(x):
    y = x
    while abs(y * y - x) > 1e-12 * x:
        y = 0.5 * (y + x / y)
    return y


def newton_with_step(x):
    step, y = 1.0, x
    while np.abs(step) > 1e-14 * y:
        step = (y * y - x) / (2 * y)
        y = y - step
    return y, step


def newton_with_break(x):
    y = x
    while True:
        following = 0.5 * (y + x / y)
        if abs(following - y) <= 1e-13 * y:
            break
        y = following
    return following * 2


def newton_on_arrays(x):
    y = np.array([x, x + 1.0, 2 * x])
    target = y.copy()
    while np.max(np.abs(y * y / target - 1.0)) > 1e-10:
        y[:] = 0.5 * (y + target / y)
    return y.sum(), y


def newton_in_a_helper(x):
    def improved(y):
        return 0.5 * (y + x / y)

    y = improved(x)
    while abs(y - improved(y)) > 1e-13 * y:
        y = improved(y)
    return y


def two_loops(x):
    y = x
    while y > 1.5:
        y = y / 1.5
    while y < 1.0:
        y = y * 1.25
    return y


def equal(found, expected):
    for mine, other in zip(wg.tree.leaves(found), wg.tree.leaves(expected), strict=True):
        assert type(mine) is type(other)
        np.testing.assert_allclose(mine, other, rtol=1e-14)


@pytest.mark.parametrize(
    "fun",
    [newton, newton_with_step, newton_with_break, newton_on_arrays, newton_in_a_helper, two_loops],
    ids=lambda fun: fun.__name__,
)
def test_a_loop_on_values_is_recorded_a_few_times(fun):
    compiled = wg.jit(fun)
    for x in POINTS:
        equal(compiled(x), fun(x))
    assert loops(compiled), compiled.explain()
    assert traces(compiled) <= 6
    assert all(known.eager is None for known in compiled.known.values())


def test_derivatives_of_a_rolled_loop():
    compiled = wg.jit(newton)
    for x in POINTS:
        compiled(x)
    for x in (0.5, 3.0, 100.0):
        for _ in range(2):
            assert wg.grad(compiled)(x) == pytest.approx(0.5 / np.sqrt(x), rel=1e-9)
            pushed = wg.jvp(compiled, (x,), (1.0,))[1]
            assert pushed == pytest.approx(0.5 / np.sqrt(x), rel=1e-9)


# ------------------------------------------------------------------ loops that show more


def counting(x):
    count = 0
    while x > 1.0:
        x = x / 2.0
        count += 1
    return x, count


def collecting(x):
    seen = []
    while x > 1.0:
        x = x / 2.0
        seen.append(x)
    return seen


def changing_at_the_fifth(x):
    steps = iter(range(100))
    while x > 1.0:
        x = x / 2.0 if next(steps) != 4 else x / 3.0
    return x


def limited(x):
    for _ in range(6):
        if x < 1.0:
            break
        x = x / 2.0
    else:
        x = -x
    return x


def generated(x):
    def halves(y):
        while y > 1.0:
            y = y / 2.0
            yield y

    total = 0.0
    for k, y in enumerate(halves(x)):
        total = total + k * y
    return total


def through_a_closure(x):
    count = 0

    def halved(y):
        nonlocal count
        count += 1
        return y / 2.0 if count != 4 else y / 5.0

    while x > 1.0:
        x = halved(x)
    return x


class Counter:
    total = 0

    def __init__(self):
        self.count = 0


def through_an_object(x):
    counter = Counter()
    while x > 1.0:
        counter.count += 1
        x = x / 2.0 if counter.count != 4 else x / 5.0
    return x


def through_a_class(x):
    Counter.total = 0
    while x > 1.0:
        Counter.total += 1
        x = x / 2.0 if Counter.total != 4 else x / 5.0
    return x


tally = [0]


def through_a_global(x):
    tally[0] = 0
    while x > 1.0:
        tally[0] += 1
        x = x / 2.0 if tally[0] != 4 else x / 5.0
    return x


def with_a_branch_inside(x):
    while x > 1.0:
        x = x / 2.0 if x > 5.0 else x - 0.75
    return x


@pytest.mark.parametrize(
    "fun",
    [
        counting,
        collecting,
        changing_at_the_fifth,
        limited,
        generated,
        through_a_closure,
        through_an_object,
        through_a_class,
        through_a_global,
        with_a_branch_inside,
    ],
    ids=lambda fun: fun.__name__,
)
def test_a_loop_whose_state_is_seen_otherwise_means_what_it_means(fun):
    compiled = wg.jit(fun)
    with wg.config(max_paths=64):
        for x in (300.0, 0.5, 3.0, 10.0, 40.0, 150.0, 700.0, 20.0, 5000.0, 1.5, 90.0):
            for _ in range(2):
                equal(compiled(x), fun(x))


@pytest.mark.parametrize("rounds", [2, 3, 5])
def test_loops_one_after_the_other_each_read_what_the_last_one_stacked(rounds):
    def f(x, w):
        for _ in range(rounds):
            x = wg.map(lambda t: t * w, x)
        return np.sum(x**2)

    x = np.array([0.3, -0.7, 1.1])
    for argument in (0, 1):
        expected = wg.grad(f, argument)(x, 0.8)
        np.testing.assert_allclose(wg.grad(wg.jit(f), argument)(x, 0.8), expected)
        np.testing.assert_allclose(wg.jit(wg.grad(f, argument))(x, 0.8), expected)
    np.testing.assert_allclose(wg.hessian(wg.jit(f), 1)(x, 0.8), wg.hessian(f, 1)(x, 0.8))
