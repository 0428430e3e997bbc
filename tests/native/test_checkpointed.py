"""Checkpointed loops as native code: the evaluator's bits, the states that were asked for."""

import signal

import numpy as np
import pytest

import wengert as wg
from native.fences import same_on_fenced_memory
from native.programs import same
from wengert.backends.llvm import compile_program
from wengert.compile import optimise

RATE, START = np.array([0.1, 0.2, -0.3]), np.array([0.3, -0.7, 1.1])


def rational(checkpoint, reverse=False):
    """A scan with constants, a counter, a number, an array and results, in exact arithmetic."""

    def loss(a, y, us):
        def step(carry, u):
            k, s, v = carry
            v = v - 0.1 * v * v * a + u * s
            s = s * 0.5 + v[0] * v[-1] + k * 0.01
            return (k + 1, s, v / (1.0 + s * s)), (v * u, s)

        (k, s, v), (ys, zs) = wg.scan(step, (0, 0.5, y), us, reverse=reverse, checkpoint=checkpoint)
        return np.sum(v * v) + np.sum(ys * ys) + s * k + np.sum(zs)

    return loss


def of_squares(gradient):
    return lambda *args: sum(np.sum(part * part) for part in gradient(*args))


def batched(function):
    def run(a, y, us):
        return wg.vmap(function, (0, 0, None))(np.stack([a, 2 * a]), np.stack([y, 0.3 * y]), us)

    return run


DERIVATIVES = {
    "grad": lambda f: wg.grad(f, (0, 1, 2)),
    "one": lambda f: wg.grad(f, 1),
    "hvp": lambda f: lambda *args: wg.jvp(wg.grad(f, (0, 1, 2)), args, args)[1],
    "twice": lambda f: wg.grad(of_squares(wg.grad(f, (0, 1, 2))), (0, 1, 2)),
    "vmap": lambda f: batched(wg.grad(f, (0, 1, 2))),
}


STEPS_AND_STATES = [(0, 1), (1, "sqrt"), (2, 1), (7, "log"), (20, 4), (20, 19)]


@pytest.mark.parametrize("name", DERIVATIVES)
def test_values_are_the_evaluators(name):
    """Eager, staged and native; every derivative at several numbers of steps and states."""
    some = STEPS_AND_STATES if name == "grad" else [STEPS_AND_STATES[3], STEPS_AND_STATES[4]]
    for number, (length, checkpoint) in enumerate(some):
        reverse = number % 2 == 1
        us = np.random.default_rng(length).uniform(-0.1, 0.1, (length, 3))
        function = DERIVATIVES[name](rational(checkpoint, reverse))
        program = optimise(wg.trace(function)(RATE, START, us))
        native = compile_program(program)
        assert native.called_back == ()
        evaluated = program.evaluate(RATE, START, us)
        for one, other in zip(native(RATE, START, us), evaluated, strict=True):
            same(one, other)
        plain = DERIVATIVES[name](rational(None, reverse))(RATE, START, us)
        eager = function(RATE, START, us)
        for one, other, third in zip(
            *(wg.tree.leaves(values) for values in (evaluated, eager, plain)), strict=True
        ):
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-13)
            np.testing.assert_allclose(one, third, rtol=1e-11, atol=1e-12)
        same_on_fenced_memory(native, [RATE, START, us])


def test_strided_complex_and_single_precision():
    def loss(y, us):
        (end, _), ys = wg.scan(
            lambda c, u: ((c[0] * u + c[1], c[1] * u), c[0] * u),
            (y, y * 2),
            us,
            checkpoint=2,
        )
        return np.sum(np.abs(end * end)) + np.sum(np.abs(ys))

    for dtype in (np.float32, np.complex128, np.complex64):
        y = (START * (1 if dtype == np.float32 else 1 - 2j)).astype(dtype)
        us = np.linspace(0.2, 1.1, 54).reshape(9, 6).astype(dtype)[::-1, ::2]
        compiled = wg.jit(wg.grad(loss, (0, 1)))
        expected = wg.grad(loss, (0, 1))(y, us)
        for _ in range(3):
            found = compiled(y, us)
        for one, other in zip(found, expected, strict=True):
            assert one.dtype == dtype
            limit = 1e-4 if np.finfo(dtype).precision < 10 else 1e-12
            np.testing.assert_allclose(one, other, rtol=limit, atol=limit)


def damped(checkpoint, length):
    def loss(x):
        def step(y, _):
            return y - 0.001 * y * y, None

        return np.sum(wg.scan(step, x, length=length, checkpoint=checkpoint)[0])

    return wg.grad(loss)


def test_memory_is_that_of_the_states_that_are_kept():
    """In states: what is kept, and the one that is computed again."""
    x = np.ones(2_000)
    length = 400

    def states(function):
        return wg.jit(function).lower(x).cost()["workspace"] / x.nbytes

    assert states(damped(None, length)) > length
    assert states(damped("sqrt", length)) < 29 + 3
    assert states(damped("log", length)) < 6 + 3
    for kept in (1, 2, 5):
        assert states(damped(kept, length)) < kept + 3
    expected = damped(None, length)(x)
    for checkpoint in ("sqrt", "log", 2):
        same(wg.jit(damped(checkpoint, length))(x), expected)


def test_a_loop_in_a_budget_of_bytes():
    def loss(x, memory):
        def body(i, state):
            y, s = state
            return y - 0.0005 * y * y * i, s + i * x[0]

        y, s = wg.checkpointed_loop(body, (x, 0.0), 60, memory=memory)
        return np.sum(y * y) + s

    for memory in (None, 40, 100, 500):
        derivative = wg.grad(lambda x, memory=memory: loss(x, memory))
        program = optimise(wg.trace(derivative)(START))
        native = compile_program(program)
        assert native.called_back == ()
        same(native(START)[0], program.evaluate(START)[0])
        np.testing.assert_allclose(native(START)[0], derivative(START), rtol=1e-12)


def test_checkpointed_steps_that_loop_branch_and_solve():
    def loss(a, x):
        def step(y, _):
            y = wg.fori_loop(0, 3, lambda i, z: z * 0.9 + a[i % 2] * 0.1, y)
            y = wg.cond(np.sum(y) > 0.5, lambda y: y * 0.5, lambda y: y + 0.3 * y * y, y)
            return np.linalg.solve(np.eye(3) * 2 + np.outer(y, y), y + a), None

        return np.sum(wg.scan(step, x, length=11, checkpoint=3)[0] ** 2)

    derivative = wg.grad(loss, (0, 1))
    program = optimise(wg.trace(derivative)(RATE, START))
    native = compile_program(program)
    assert native.called_back == ()
    expected = derivative(RATE, START)
    for one, other in zip(native(RATE, START), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_errors_and_interrupts_leave_it_sound():
    def inverses(x):
        def step(y, _):
            return np.linalg.inv(y) - np.eye(4), None

        return np.sum(wg.scan(step, x, length=3, checkpoint=1)[0])

    good, bad = 3.0 * np.eye(4), np.eye(4)  # the second inverse is that of zero
    native = compile_program(optimise(wg.trace(wg.grad(inverses))(good)))
    with pytest.raises(np.linalg.LinAlgError):
        native(bad)
    np.testing.assert_allclose(native(good)[0], wg.grad(inverses)(good), rtol=1e-12)

    native = compile_program(optimise(wg.trace(damped(1, 200_000))(START)))

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(KeyboardInterrupt):
            native(START)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
