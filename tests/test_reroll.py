"""Loops that Python unrolled: found again in a list, with the same results to the last bit."""

import time

import numpy as np
import pytest

import wengert as wg
from wengert.compile import optimise
from wengert.ir.equation import Literal, Variable
from wengert.ir.verify import verify
from wengert.passes import reroll as reroll_module
from wengert.passes.dead_code import remove_dead_code
from wengert.passes.reroll import reroll


@pytest.fixture(autouse=True)
def everything_is_worth_a_loop(monkeypatch):
    monkeypatch.setattr(reroll_module, "_LEAST_WEIGHT", 1)


def recorded(fun, *args):
    """What `jit` makes of a function: its list, as it was recorded and optimised."""
    return wg.jit(fun).lower(*args)._executable


def loops_of(program):
    return [equation for equation in program if equation.primitive.name == "scan"]


def same_bits(first, second):
    return type(first) is type(second) and (
        np.asarray(first).dtype == np.asarray(second).dtype
        and np.asarray(first).tobytes() == np.asarray(second).tobytes()
    )


def check(fun, *args, loops=None, equations=None):
    """Roll the list of a function, hold it to the same results, and return it."""
    staged = recorded(fun, *args).staged
    rolled = reroll(remove_dead_code(staged))
    verify(rolled)
    with np.errstate(all="ignore"):
        expected = staged.evaluate(*args)
        found = rolled.evaluate(*args)
    assert all(same_bits(a, b) for a, b in zip(found, expected, strict=True))
    if loops is not None:
        assert len(loops_of(rolled)) == loops
    if equations is not None:
        assert len(rolled) <= equations
    with np.errstate(all="ignore"):
        plain = fun(*args)
        compiled = wg.jit(fun, compile="now")
        for _ in range(3):
            native = compiled(*args)
    for a, b in zip(wg.tree.leaves(native), wg.tree.leaves(plain), strict=True):
        assert type(a) is type(b)
        np.testing.assert_allclose(a, b, rtol=1e-12)
    return rolled


def logistic(x, steps=50):
    for _ in range(steps):
        x = 4 * x * (1 - x)
    return x


def test_a_loop_and_its_reverse_sweep_are_two_loops():
    rolled = check(wg.grad(logistic), 0.3, loops=2, equations=25)
    forward, backward = loops_of(rolled)
    assert (forward.params["reverse"], backward.params["reverse"]) == (False, True)
    assert len(forward.params["body"]) == 3


def test_a_light_loop_is_rolled_for_the_heavy_one_that_reads_it(monkeypatch):
    """A sweep forward of few operations, whose reverse sweep is worth a loop: both are."""
    monkeypatch.setattr(reroll_module, "_LEAST_WEIGHT", 80)
    forward = recorded(lambda x: logistic(x, 20), 0.25).staged
    assert reroll(remove_dead_code(forward)) is remove_dead_code(forward)  # 60 operations
    check(wg.grad(lambda x: logistic(x, 20)), 0.25, loops=2)


def stacked(program):
    return [len(e.outputs) - e.params["carry"] for e in loops_of(program)]


def test_what_is_cheap_is_not_stacked():
    def scanned(x, k):
        def body(state, t):
            a, b = state
            return (a + 0.1 * (b * (1 - a) - k * a), b - t * (a * (2 - b))), None

        return sum(wg.scan(body, (x, 2 * x), np.linspace(0.0, 1.0, 50))[0])

    for fun in (wg.grad(scanned, (0, 1)), wg.value_and_grad(scanned)):
        executable = recorded(fun, np.float64(0.3), np.float64(0.7))
        assert stacked(executable.staged)[0] > 2
        assert stacked(executable.program)[0] == 2  # a and b themselves
        verify(executable.program)
        point = np.float64(0.3), np.float64(0.7)
        native = wg.jit(fun, compile="now")
        for a, b, c in zip(
            executable.program.evaluate(*executable_values(executable, point)),
            executable.staged.evaluate(*executable_values(executable, point)),
            wg.tree.leaves([native(*point) for _ in range(2)][-1]),
            strict=True,
        ):
            assert same_bits(a, b)
            np.testing.assert_allclose(c, a, rtol=1e-14)


def executable_values(executable, point):
    return point[: len(executable.staged.inputs)]


def test_bodies_are_optimised():
    program = recorded(wg.grad(logistic), 0.3).program
    names = [e.primitive.name for e in loops_of(program)[1].params["body"]]
    assert "negative" not in names  # added to something, it became a subtraction


@pytest.mark.parametrize("order", [1, 2])
def test_values_of_earlier_iterations_are_carried(order):
    def fibonacci(x, y):
        terms = [x, y, x + y, x * y]
        for _ in range(40):
            terms.append(terms[-1] * 0.5 + terms[-2] * 0.25 - terms[-4] * x)
        return terms[-1]

    fun = fibonacci if order == 1 else wg.grad(fibonacci, (0, 1))
    check(fun, 0.3, 0.7, loops=order)


def test_constants_that_change_are_read_from_a_table():
    def polynomial(x):
        total = x * 0.0
        for k in range(30):
            total = total * x + 1.0 / (k + 1)
        return total

    rolled = check(polynomial, 0.9, loops=1)
    tables = [o for o in loops_of(rolled)[0].operands if isinstance(o, Literal)]
    assert [table.value.shape[0] for table in tables] == [loops_of(rolled)[0].params["length"]]
    check(wg.grad(polynomial), 0.9)


def test_a_body_that_is_a_repetition_itself():
    def chain(x):
        state = tuple(x * (1 + 0.01 * k) for k in range(8))
        for _ in range(20):
            state = tuple(
                state[i] + 0.1 * (state[i - 1] * (1 - state[i]) - 0.5 * state[i - 2] * state[i])
                for i in range(8)
            )
        return sum(state)

    assert len(loops_of(check(chain, 0.3))[0].params["body"]) >= 8
    rolled = check(wg.grad(chain), 0.3)
    lengths = [loop.params["length"] for loop in loops_of(rolled) if loop.params["length"] > 10]
    assert len(lengths) == 2
    assert min(lengths) >= 16


def test_integers_out_of_range_and_signed_zeros_stay():
    def large(n):
        for _ in range(6):
            n = n * 2**70 - n * 2**71
        return n

    staged = wg.trace(large)(1)
    assert len(loops_of(reroll(staged))) <= 1

    def zeros(x):
        for k in range(20):
            x = np.copysign(x, -0.0 if k % 2 else 0.0) * 1.5
        return x

    check(zeros, 0.3)


def test_exponents_are_not_read_from_a_table():
    def powers(x):
        total = x
        for k in range(12):
            total = total + x**k
        return total

    rolled = check(powers, 1.1)
    assert not any(
        isinstance(e.operands[1], Variable) for e in rolled if e.primitive.name.startswith("power")
    )


def test_loops_in_loops():
    def nested(x, y):
        for k in range(12):
            for j in range(6):
                y = y + np.sin(x) * j * 0.1
            x = x * 0.9 + y / (k + 2)
        return x

    rolled = check(nested, np.float64(0.3), np.float64(0.7))
    inner = reroll(loops_of(rolled)[-1].params["body"])
    assert len(loops_of(inner)) == 1
    check(wg.grad(nested, (0, 1)), 0.3, 0.7)


def test_arrays_are_carried_and_stacked():
    def smoothed(u, k):
        for _ in range(10):
            u = u + k * (np.roll(u, 1) - 2 * u + np.roll(u, -1))
        return np.sum(u**2)

    u = np.sin(np.arange(40.0))
    check(smoothed, u, 0.1, loops=1)
    check(wg.grad(smoothed, (0, 1)), u, 0.1)


def test_a_value_of_one_iteration_is_read_from_the_stack():
    def middle(x):
        seen, total = [], x
        for _ in range(40):
            x = np.sin(x) + 0.1
            seen.append(x * x)
            total = total + seen[-1]
        return total + seen[17], seen[-1], seen[-2], seen[3]

    rolled = check(middle, np.float64(0.3), loops=1)
    check(middle, 0.3)
    assert any(equation.primitive.name == "read" for equation in rolled)


def test_nothing_is_stacked_for_what_only_the_end_needs():
    def final(u):
        for _ in range(30):
            change = np.sin(u)
            u = u - 0.1 * change
        return u, change

    rolled = check(final, np.arange(50.0), loops=1)
    (loop,) = loops_of(rolled)
    assert len(loop.outputs) == loop.params["carry"]


def test_guards_are_checked_in_each_iteration():
    def clipped(x, limit):
        for _ in range(40):
            x = x * 1.01
            if x > limit:
                return -x
        return x

    rolled = check(clipped, 0.3, 5.0, loops=1)
    assert any(e.primitive.name == "guard" for e in loops_of(rolled)[0].params["body"])
    compiled = wg.jit(clipped, compile="now")
    for x, limit in ((0.3, 5.0), (0.3, 0.4), (0.3, 0.31), (0.3, 5.0), (4.9, 5.0), (0.3, 0.44)):
        for _ in range(2):
            assert compiled(x, limit) == clipped(x, limit)


def test_a_loop_of_guards_alone_is_kept():
    def checked(x, y):
        for k in range(30):
            if x > k + 1.0:
                raise ValueError("too large")
        return y

    program = recorded(checked, 0.5, 2.0).program
    assert any("guard" in str(equation.params) for equation in loops_of(program))
    compiled = wg.jit(checked, compile="now")
    assert compiled(0.5, 2.0) == 2.0
    assert compiled(0.7, 3.0) == 3.0
    with pytest.raises(ValueError, match="too large"):
        compiled(1.5, 2.0)


def test_calls_back_keep_their_order_and_number():
    seen = []

    def shown(x):
        for _ in range(12):
            x = x * 0.5
            wg.debug.callback(lambda value: seen.append(float(value)), x)
        return x

    compiled = wg.jit(shown, compile="now")
    for _ in range(3):
        seen.clear()
        compiled(8.0)
        assert seen == [8.0 * 0.5**k for k in range(1, 13)]


def test_divisions_by_zero_in_a_loop_raise_as_python_does():
    def quotients(x, y):
        for _ in range(30):
            x = x / y
            y = y - 1.0
        return x

    compiled = wg.jit(quotients, compile="now")
    assert compiled(1.0, 60.5) == quotients(1.0, 60.5)
    assert compiled(1.0, 70.5) == quotients(1.0, 70.5)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            compiled(1.0, 10.0)
    assert compiled(1.0, 60.5) == quotients(1.0, 60.5)


def test_integers_that_leave_the_machine_are_python_s():
    def doubled(n):
        for _ in range(40):
            n = n * 3 + 1
        return n

    compiled = wg.jit(doubled, compile="now")
    assert compiled(0) == doubled(0)
    for _ in range(3):
        assert compiled(10**6) == doubled(10**6)


def test_compiling_takes_the_time_of_a_body(monkeypatch):
    monkeypatch.undo()

    def seconds(steps):
        staged = recorded(wg.grad(lambda x: logistic(x, steps)), 0.3).staged
        start = time.process_time()
        found = optimise(staged)
        elapsed = time.process_time() - start
        assert len(found) < 40
        return elapsed

    small, large = min(seconds(500) for _ in range(3)), seconds(5000)
    assert large < 25 * small


def program_of(seed):
    """A random recurrence: what it reads, carries and keeps is drawn."""
    random = np.random.default_rng(seed)
    steps, width, lines = random.integers(4, 30), random.integers(1, 4), random.integers(1, 6)
    plan = [
        (int(random.integers(6)), int(random.integers(99)), int(random.integers(99)), k)
        for k in random.random(lines)
    ]
    keeps = bool(random.integers(2))
    operations = (
        lambda a, b: a + b,
        lambda a, b: a * b,
        lambda a, b: a - b,
        lambda a, b: a / (1.5 + b * b),
        lambda a, b: np.where(a > b, a, b * 0.5),
        lambda a, b: abs(a) - b,
    )

    def fun(x, y):
        state = [x, *[y * 0.5] * int(width - 1)]
        kept = [x, y, x]
        total = x * 0.0
        for step in range(int(steps)):
            pool = [*state, x, y, *kept[-2:]]
            for which, i, j, weight in plan:
                value = operations[which](pool[i % len(pool)], pool[j % len(pool)])
                if weight < 0.2:
                    value = value * (step + 0.5)
                elif weight < 0.4:
                    value = value * 0.7
                pool.append(value)
            state = [*state, pool[-1]][-int(width) :]
            kept.append(pool[-1])
            total = total + pool[-1] * 0.01
        if keeps:
            for value in kept[::-1]:
                total = total * 0.5 + value
        return total

    return fun


@pytest.mark.parametrize("seed", range(40))
def test_random_recurrences(seed):
    fun = program_of(seed)
    args = [
        (0.3, 0.7),
        (np.float64(0.3), np.float32(0.7)),
        (np.linspace(0.1, 0.9, 33), np.linspace(-1, 1, 33)),
        (np.linspace(0.1, 0.9, 3), np.float64(0.2)),
    ][seed % 4]
    wanted = [
        fun,
        wg.grad(lambda x, y: np.sum(fun(x, y)), (0, 1)),
        lambda x, y: wg.jvp(fun, (x, y), (x * 0.5, y * 2.0)),
    ][seed % 3]
    program = wg.trace(wanted)(*args)
    rolled = optimise(program)
    with np.errstate(all="ignore"):
        for a, b in zip(rolled.evaluate(*args), program.evaluate(*args), strict=True):
            assert np.asarray(a).dtype == np.asarray(b).dtype
            np.testing.assert_array_equal(a, b)


# ------------------------------------------------------------------ positions of entries


def filled(x):
    y = np.zeros(60)
    y[0] = x[0]
    for i in range(1, 60):
        y[i] = y[i - 1] * 0.9 + np.sin(x[i])
    return y


def filled_backwards(x):
    y = np.zeros((60, 2))
    for i in range(59, 0, -1):
        y[i - 1, 1] = y[i, 1] + x[2 * (i % 30)] * x[-i]
        y[i - 1, 0] = y[i - 1, 1] * 2
    return y


def rows(x):
    table = np.zeros((30, 40))
    for i in range(1, 30):
        table[i] = table[i - 1] * 0.5 + x[i] * x[:40]
    return table.sum(axis=0)


def columns(x):
    table = x.reshape(6, 10) * 1.0
    for i in range(1, 10):
        table[:, i] -= table[:, i - 1] * x[i]
    return table


def in_place(x):
    for i in range(1, len(x)):
        x[i] = x[i] - 0.5 * x[i - 1]
    return x * 1


def scattered(x):
    y = np.zeros(60)
    for i in range(60):
        y[(7 * i) % 60] += x[i] * x[(11 * i) % 60]
    return y


def halves(x):
    for width in (1, 2, 4):
        for i in range(0, 56, 2 * width):
            a, b = x[i], x[i + width]
            x[i], x[i + width] = a + b, (a - b) * 0.5
    return x * 1


POSITIONED = [filled, filled_backwards, rows, columns, in_place, scattered, halves]


@pytest.mark.parametrize("fun", POSITIONED, ids=lambda fun: fun.__name__)
def test_steps_that_differ_by_a_position_are_a_loop(fun):
    x = np.cos(np.arange(60.0))
    staged = recorded(fun, x.copy()).staged
    rolled = reroll(remove_dead_code(staged))
    verify(rolled)
    assert loops_of(rolled)
    assert len(rolled) < len(staged) / 2
    for found, expected in zip(rolled.evaluate(x.copy()), staged.evaluate(x.copy()), strict=True):
        assert same_bits(found, expected)
    compiled = wg.jit(fun, compile="now")
    for _ in range(3):
        mine, other = x.copy(), x.copy()
        np.testing.assert_allclose(compiled(mine), fun(other), rtol=1e-14, atol=1e-15)
        np.testing.assert_allclose(mine, other, rtol=1e-14, atol=1e-15)


@pytest.mark.parametrize("fun", POSITIONED, ids=lambda fun: fun.__name__)
def test_gradients_of_steps_that_differ_by_a_position(fun):
    x = np.cos(np.arange(60.0))

    def loss(x):
        return np.sum(fun(x) ** 2)

    expected = wg.grad(loss)(x)
    for gradient in (wg.jit(wg.grad(loss), compile="now"), wg.grad(wg.jit(loss, compile="now"))):
        for _ in range(2):
            np.testing.assert_allclose(gradient(x), expected, rtol=1e-12, atol=1e-13)


def test_positions_that_are_in_no_loop_stay_in_paths():
    def fun(x):
        total = x[3] * x[17]
        for i in range(40):
            total = total + x[i] * x[5]
        return total - x[-1]

    rolled = check(fun, np.cos(np.arange(60.0)), loops=1)
    (loop,) = loops_of(rolled)
    outside = [e for e in rolled if e.primitive.name == "read"]
    inside = [e for e in loop.params["body"] if e.primitive.name == "read"]
    assert all(len(equation.operands) == 1 for equation in outside)
    assert sorted(len(equation.operands) for equation in inside) == [1, 2]


def test_filling_an_array_compiles_in_the_time_of_a_step(monkeypatch):
    monkeypatch.undo()

    def fun(x):
        y = np.zeros(600)
        for i in range(1, 600):
            y[i] = y[i - 1] * 0.9 + np.sin(x[i])
        return np.sum(y * y)

    x = np.cos(np.arange(600.0))
    assert len(recorded(fun, x).program) < 10
    assert len(recorded(wg.grad(fun), x).program) < 40
