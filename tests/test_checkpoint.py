"""Checkpoints: derivatives stay, memory falls, and what runs again is counted."""

import math

import numpy as np
import pytest

import wengert as wg
from running import peak, staged
from wengert.errors import ArgumentError, CheckpointError
from wengert.higher.scan_checkpoint import first_snapshot, number_of_snapshots, repetitions
from wengert.ir.verify import verify

X = np.array([0.3, -0.7, 1.1])


# ------------------------------------------------------------------ checkpoint

W = np.random.default_rng(0).uniform(-1, 1, (3, 3))


def layer(w, h):
    return {"h": np.tanh(w @ h["h"]) * np.sin(h["h"]), "n": h["n"] + 1}


def chain(wrap):
    part = wrap(layer)

    def loss(w):
        state = {"h": X, "n": 0}
        for _ in range(4):
            state = part(w, state)
        return np.sum(state["h"] ** 2) * state["n"]

    return loss


def captured(wrap):
    def loss(w):
        part = wrap(lambda h: np.tanh(w @ h) + w[0] * h)
        return np.sum(part(part(X)) ** 3)

    return loss


def nested(wrap):
    def loss(w):
        inner = wrap(lambda h: np.sin(w @ h))
        outer = wrap(lambda h: inner(inner(h)) * h)
        return np.sum(outer(outer(X)))

    return loss


def writing(wrap):
    def fill(w, h):
        h = h * 1.0
        buffer = np.zeros((3, 3))
        for i in range(3):
            buffer[i] = w[i] * h[i] + buffer[i - 1]
        h[0] = 2.0 * h[1]
        return np.exp(-buffer).sum(axis=0) * h

    part = wrap(fill)
    return lambda w: np.sum(part(w, part(w, X)) ** 2)


PROGRAMS = {"chain": chain, "captured": captured, "nested": nested, "writing": writing}
WAYS = {
    "nothing": wg.checkpoint,
    "cheap dropped": lambda f: wg.checkpoint(f, policy="cheap dropped"),
    "small": lambda f: wg.checkpoint(f, memory=300),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_derivatives_are_those_of_the_function(name, way):
    loss = PROGRAMS[name](WAYS[way])
    plain = PROGRAMS[name](lambda f: f)
    v = np.random.default_rng(1).uniform(-1, 1, (3, 3))
    for transformed in (
        lambda f: f,
        wg.grad,
        lambda f: lambda w: wg.jvp(f, (w,), (v,))[1],
        lambda f: lambda w: wg.jvp(wg.grad(f), (w,), (v,))[1],
        lambda f: wg.grad(lambda w: np.sum(wg.grad(f)(w) * v)),
        lambda f: wg.grad(lambda w: wg.jvp(f, (w,), (v,))[1]),
        lambda f: wg.grad(lambda w: np.sum(wg.grad(lambda u: np.sum(wg.grad(f)(u) * v))(w) * v)),
    ):
        expected = transformed(plain)(W)
        np.testing.assert_allclose(transformed(loss)(W), expected, rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(staged(transformed(loss))(W), expected, rtol=1e-11, atol=1e-12)


def test_a_pullback_may_be_used_many_times():
    part = wg.checkpoint(lambda x: np.exp(np.sin(x) * x))
    _, pullback = wg.vjp(lambda x: part(part(x)), X)
    first = pullback(np.ones(3))[0]
    np.testing.assert_array_equal(pullback(np.ones(3))[0], first)
    np.testing.assert_allclose(pullback(2 * np.ones(3))[0], 2 * first)
    # Inside another transformation too.
    hessian = wg.jacfwd(lambda c: pullback(c)[0])(np.ones(3))
    np.testing.assert_allclose(hessian, np.diag(first))


def test_each_part_runs_twice():
    runs = []

    def part(x):
        runs.append(1)
        return np.sin(x) * x

    checked = wg.checkpoint(part)
    gradient = wg.grad(lambda x: np.sum(checked(checked(checked(x)))))
    x = np.ones(100)
    gradient(x)
    assert len(runs) == 6
    runs.clear()
    checked(x)
    wg.jvp(checked, (x,), (x,))
    assert len(runs) == 2


def test_what_a_policy_keeps_is_not_computed_again():
    products = []
    counted = wg.custom_jvp(lambda w, h: (products.append(1), w @ h)[1])
    counted.defjvp(lambda p, t: (p[0] @ p[1], t[0] @ p[1] + p[0] @ t[1]))

    def count(policy):
        equations = []

        def part(w, h):
            product = wg.checkpoint_name(w @ np.exp(h), "product")
            return np.tanh(product)

        program = wg.trace(wg.grad(lambda w: np.sum(wg.checkpoint(part, policy=policy)(w, X))))(W)
        for equation in program:
            inner = equation.params.get("program", ())
            equations += [e.primitive.name for e in inner]
        return equations.count("matmul")

    # Forward, again in the pullback, and its transpose there.
    assert count(None) - count(["product"]) == 1
    assert count(None) - count("cheap dropped") == 1
    assert count("other") == count(None)


def test_eager_policies_keep_results():
    w = np.eye(200) * 0.5

    def part(w, h):
        h = wg.checkpoint_name(w @ h, "product")
        return wg.checkpoint_name(np.sin(h), "sine") * h

    def loss(policy):
        checked = wg.checkpoint(part, policy=policy)
        return lambda w: np.sum(checked(w, checked(w, np.ones((200, 200)))))

    expected = wg.grad(loss(None))(w)
    for policy in (["product"], ["sine", "product"], "cheap dropped"):
        np.testing.assert_array_equal(wg.grad(loss(policy))(w), expected)


def deep(wrap, parts=16, steps=16):
    def part(x):
        for _ in range(steps):
            x = np.sin(x) * 1.01
        return x

    checked = wrap(part)

    def loss(x):
        for _ in range(parts):
            x = checked(x)
        return np.sum(x)

    return wg.grad(loss)


def test_memory_falls_to_the_arguments_and_one_part():
    x = np.ones(20_000)
    plain = peak(deep(lambda f: f), x)
    kept = peak(deep(wg.checkpoint), x)
    # 512 kept arrays against 16 arguments and the 32 of one part.
    assert plain > 256 * x.nbytes
    assert kept < 70 * x.nbytes
    np.testing.assert_array_equal(deep(wg.checkpoint)(x), deep(lambda f: f)(x))


def test_a_byte_budget_parts_one_run():
    x = np.ones(20_000)
    whole = deep(wg.checkpoint, parts=1, steps=128)
    parted = deep(lambda f: wg.checkpoint(f, memory=20 * x.nbytes), parts=1, steps=128)
    np.testing.assert_array_equal(whole(x), parted(x))
    assert peak(whole, x) > 128 * x.nbytes
    assert peak(parted, x) < 40 * x.nbytes


def workspace(fun, *args):
    """Return the bytes that native code takes besides its arguments and results."""
    return wg.jit(fun).lower(*args).cost()["workspace"]


def test_memory_of_staged_and_native_programs():
    """48 sums and sines: all kept; in 8 parts; one run in parts of 6 arrays."""
    x = np.ones(2_000)

    def deep(wrap, parts, steps):
        def part(x):
            for _ in range(steps):
                x = np.sin(np.cumsum(x) * 1e-3)
            return x

        checked = wrap(part)

        def loss(x):
            for _ in range(parts):
                x = checked(x)
            return np.sum(x)

        return wg.grad(loss)

    plain = deep(lambda f: f, 1, 48)
    checked = deep(wg.checkpoint, 8, 6)
    parted = deep(lambda f: wg.checkpoint(f, memory=6 * x.nbytes), 1, 48)
    expected = plain(x)
    for gradient in (checked, parted):
        program = wg.trace(gradient)(x)
        verify(program)
        np.testing.assert_allclose(program.evaluate(x)[0], expected, rtol=1e-12)
        assert peak(program.evaluate, x) < 24 * x.nbytes
        assert workspace(gradient, x) < 16 * x.nbytes
    assert peak(wg.trace(plain)(x).evaluate, x) >= 48 * x.nbytes
    assert workspace(plain, x) >= 48 * x.nbytes


def test_parts_of_any_program():
    """Each equation a part of its own, and a few: shared values, constants, integers, captures."""

    def function(x, n):
        y = np.sin(x) * n
        z = y[::-1] + np.cumsum(y) * y[0]
        k = np.argsort(z)
        w = np.exp(0.1 * z[k]) * W[0] + np.where(z > 0, z, 0.1 * y)
        return np.sum(w) * y, np.array([1.0, 2.0]), k

    def loss(wrap):
        return lambda x: np.sum(wrap(function)(x, 3)[0] ** 2) + np.sum(wrap(function)(x, 2)[0])

    def parted(memory):
        return loss(lambda f: wg.checkpoint(f, memory=memory))

    plain = loss(lambda f: f)
    v = np.array([0.4, -0.2, 0.9])
    for transformed in (
        wg.grad,
        lambda f: lambda x: wg.jvp(wg.grad(f), (x,), (v,))[1],
        lambda f: wg.grad(lambda x: np.sum(wg.grad(f)(x) * v)),
        lambda f: lambda x: wg.vmap(wg.grad(f))(np.stack([x, v])),
    ):
        expected = transformed(plain)(X)
        for memory in (0, 30, 100, 10_000):
            found = staged(transformed(parted(memory)))(X)
            np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12)
        compiled = wg.jit(transformed(parted(100)))
        for _ in range(2):
            np.testing.assert_allclose(compiled(X), expected, rtol=1e-11, atol=1e-12)


def test_a_run_that_differs_is_an_error():
    generator = np.random.default_rng(0)
    noisy = wg.checkpoint(lambda x: x * x * generator.uniform())
    with pytest.raises(CheckpointError, match="random numbers"):
        wg.grad(lambda x: np.sum(noisy(x) ** 2))(np.ones(100))

    lengths = iter([2, 3])
    longer = wg.checkpoint(lambda x: sum(np.sin(x) for _ in range(next(lengths))))
    with pytest.raises(CheckpointError, match="did something else"):
        wg.grad(lambda x: np.sum(longer(x) ** 2))(np.ones(100))
    assert wg.grad(lambda x: x * x)(3.0) == 6.0


def test_an_exception_in_the_second_run():
    runs = []

    def fragile(x):
        runs.append(1)
        if len(runs) > 1:
            raise RuntimeError("second run")
        return np.sin(x) ** 2

    with pytest.raises(RuntimeError, match="second run"):
        wg.grad(lambda x: np.sum(wg.checkpoint(fragile)(x)))(np.ones(100))
    assert wg.grad(lambda x: x * x)(3.0) == 6.0


def test_arguments_that_are_written_afterwards():
    data = np.ones(100)
    part = wg.checkpoint(lambda x, data: np.sin(x * data) ** 2)

    def loss(x):
        y = part(x, data)
        data[:] = 5.0
        return np.sum(y)

    np.testing.assert_allclose(wg.grad(loss)(np.ones(100)), np.sin(2.0))


def test_bad_policies():
    with pytest.raises(ArgumentError, match="checkpoint_name"):
        wg.checkpoint(np.sin, policy=[3])
    with pytest.raises(ArgumentError, match="number of bytes"):
        wg.checkpoint(np.sin, memory=-1)
    assert wg.checkpoint(policy=None)(np.sin)(0.0) == 0.0


# ------------------------------------------------------------------ loops


@pytest.mark.parametrize("length", [1, 2, 3, 7, 35, 36, 120])
@pytest.mark.parametrize("snapshots", [1, 2, 3, 8])
def test_placement_repeats_as_little_as_possible(length, snapshots):
    """Steps are advanced as often as the formula says, and no more states are held."""
    executed = [0] * length
    most = [0]

    def pull(start, end, free, held):
        most[0] = max(most[0], held)
        while end - start > 1 and free:
            middle = start + first_snapshot(end - start, free)
            assert start < middle < end
            for step in range(start, middle):
                executed[step] += 1
            pull(middle, end, free - 1, held + 1)
            end = middle
        for last in range(end - 1, start - 1, -1):
            for step in range(start, last):
                executed[step] += 1

    pull(0, length, snapshots, 0)
    r = repetitions(length, snapshots)
    assert max(executed) <= r
    assert most[0] <= snapshots
    if r:
        assert math.comb(snapshots + r - 1, snapshots) < length <= math.comb(snapshots + r, r)


def test_numbers_of_states():
    for length in (1, 10, 1000, 100_000):
        root = number_of_snapshots("sqrt", length, 8, "scan")
        assert root <= math.sqrt(2 * length) + 1
        assert repetitions(length, root) <= 2
        few = number_of_snapshots("log", length, 8, "scan")
        assert few <= math.log(length, 4) + 3
        assert repetitions(length, few) <= few
    assert number_of_snapshots(("bytes", 1000), 10_000, 24, "scan") == 41
    with pytest.raises(ArgumentError, match="no carried state of 24 bytes"):
        number_of_snapshots(("bytes", 8), 100, 24, "scan")
    for bad in (0, "best", 2.5, True):
        with pytest.raises(ArgumentError, match="number of states"):
            wg.scan(lambda c, x: (c, x), 0.0, X, checkpoint=bad)


def pendulum(checkpoint):
    def loss(x, us):
        def step(carry, u):
            angle, speed = carry
            speed = speed - 0.1 * np.sin(angle) * x + u
            return (angle + 0.1 * speed, speed), angle * u

        (angle, _), ys = wg.scan(step, (x, x * 0.0), us, reverse=True, checkpoint=checkpoint)
        return np.sum(angle * angle) + np.sum(np.sin(ys))

    return loss


@pytest.mark.parametrize("checkpoint", [1, 3, "sqrt", "log"])
def test_checkpointed_scans_in_every_mode(checkpoint):
    us = np.random.default_rng(3).uniform(-0.1, 0.1, (20, 3))
    for transformed in (
        lambda f: f,
        lambda f: wg.grad(f, (0, 1)),
        lambda f: lambda *a: wg.jvp(f, a, a)[1],
        lambda f: lambda *a: wg.jvp(wg.grad(f), a, a)[1],
        lambda f: wg.grad(lambda *a: np.sum(wg.grad(f)(*a) ** 2), (0, 1)),
        lambda f: wg.grad(lambda *a: wg.jvp(f, a, a)[1], (0, 1)),
    ):
        expected = transformed(pendulum(None))(X, us)
        found = transformed(pendulum(checkpoint))(X, us)
        again = wg.trace(transformed(pendulum(checkpoint)))(X, us).evaluate(X, us)
        for entry, other, third in zip(
            np.atleast_2d(found[0] if isinstance(found, tuple) else found),
            np.atleast_2d(expected[0] if isinstance(expected, tuple) else expected),
            np.atleast_2d(again[0]),
            strict=True,
        ):
            np.testing.assert_allclose(entry, other, rtol=1e-10)
            np.testing.assert_allclose(third, other, rtol=1e-10)
        if isinstance(found, tuple):
            np.testing.assert_allclose(found[1], expected[1], rtol=1e-10, atol=1e-14)
            np.testing.assert_allclose(again[1], expected[1], rtol=1e-10, atol=1e-14)


def long_loop(checkpoint, n):
    def loss(x):
        return np.sum(
            wg.scan(lambda y, _: (y - 0.001 * np.sin(y), None), x, length=n, checkpoint=checkpoint)[
                0
            ]
        )

    return wg.grad(loss)


def test_memory_of_loops():
    """Plain O(T), then √(2 T) and log₄ T states: the peak of each, in states."""
    x = np.ones(2_000)
    n = 400
    states = {kind: peak(long_loop(kind, n), x) / x.nbytes for kind in (None, "sqrt", "log", 2)}
    assert states[None] > n
    assert states["sqrt"] < math.sqrt(2 * n) + 20
    assert states["log"] < math.log(n, 4) + 20
    assert states[2] < 20
    expected = long_loop(None, n)(x)
    for kind in ("sqrt", "log", 2):
        np.testing.assert_allclose(long_loop(kind, n)(x), expected, rtol=1e-12)
        np.testing.assert_allclose(staged(long_loop(kind, n))(x), expected, rtol=1e-12)
        assert peak(staged(long_loop(kind, n)), x) < states[kind] * x.nbytes * 1.5 + 40 * x.nbytes


def test_checkpointed_loop():
    def loss(x, memory):
        state = {"y": x, "s": 0.0}

        def body(i, state):
            return {"y": state["y"] - 0.01 * np.sin(state["y"]) * i, "s": state["s"] + i * x[0]}

        end = wg.checkpointed_loop(body, state, 50, memory=memory)
        return np.sum(end["y"] ** 2) + end["s"]

    def plain(x):
        y, s = x, 0.0
        for i in range(50):
            y, s = y - 0.01 * np.sin(y) * i, s + i * x[0]
        return np.sum(y**2) + s

    expected = wg.numerical.gradient(plain, method="richardson")(X)
    for memory in (None, 1000, 40):
        np.testing.assert_allclose(wg.grad(loss)(X, memory), expected, rtol=1e-9, atol=1e-9)
    with pytest.raises(ArgumentError, match="one state is the least"):
        wg.grad(loss)(X, 30)
    with pytest.raises(ArgumentError, match="checkpointed_loop: n must be one integer"):
        wg.checkpointed_loop(lambda i, x: x, X, 2.5)
    assert wg.checkpointed_loop(lambda i, x: x * 2.0, 3.0, 0) == 3.0


def test_steps_are_counted():
    """With √(2 n) states a step runs at most three times in all, and once more to be pulled."""
    runs = []

    def step(y, _):
        wg.debug.callback(lambda: runs.append(1))
        return np.sin(y), None

    n = 50
    wg.grad(lambda x: wg.scan(step, x, length=n, checkpoint="sqrt")[0])(np.float64(1.0))
    assert 2 * n <= len(runs) <= 4 * n
