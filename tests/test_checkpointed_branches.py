"""Checkpointed loops whose steps ask for values: as the Python loop in every mode and order."""

import numpy as np
import pytest

import wengert as wg
from running import peak
from wengert.errors import BatchingError, CarryError, StagingError


def step(state, x, a):
    """Reflects what goes below zero, and halves until it is small."""
    state = state + a * np.sin(3.0 * x + state)
    if state < 0.0:
        state = -0.8 * np.tanh(state)
    y = state * a
    while abs(y) > 0.6:
        y = 0.5 * y * np.cos(0.1 * state)
    return state, y


XS = np.linspace(0.0, 5.0, 23)


def by_loop(a, xs, start=0.2, reverse=False):
    state, ys = start, []
    for x in xs[::-1] if reverse else xs:
        state, y = step(state, x, a)
        ys.append(y)
    return state, np.array(ys[::-1] if reverse else ys)


def by_scan(a, xs, start=0.2, reverse=False, checkpoint="sqrt"):
    return wg.scan(lambda s, x: step(s, x, a), start, xs, reverse=reverse, checkpoint=checkpoint)


def loss_of(run, **options):
    def loss(a, xs, start):
        state, ys = run(a, xs, start, **options)
        return state**2 + np.sum(ys * np.arange(1.0, len(ys) + 1.0)) / 10.0

    return loss


def close(found, expected):
    for mine, other in zip(wg.tree.leaves(found), wg.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("checkpoint", ["sqrt", "log", 3])
def test_scan_in_both_modes_and_orders(checkpoint, reverse):
    found = loss_of(by_scan, checkpoint=checkpoint, reverse=reverse)
    expected = loss_of(by_loop, reverse=reverse)
    for a in (0.7, -1.3):
        point, every = (a, XS, 0.2), (0, 1, 2)
        close(by_scan(*point), by_loop(*point))
        close(found(*point), expected(*point))
        gradient = wg.grad(expected, every)(*point)
        close(wg.grad(found, every)(*point), gradient)
        directions = (0.3, np.cos(XS), -0.5)
        close(wg.jvp(found, point, directions)[1], wg.jvp(expected, point, directions)[1])
        close(wg.hessian(found, 1)(*point), wg.hessian(expected, 1)(*point))
        close(wg.grad(wg.grad(found, 2), 0)(*point), wg.grad(wg.grad(expected, 2), 0)(*point))
        pushed = wg.jvp(wg.grad(found, every), point, directions)[1]
        close(pushed, wg.jvp(wg.grad(expected, every), point, directions)[1])


def test_checkpointed_loop():
    def body(i, x):
        if i % 3 == 0:
            x = x[::-1] * 0.9
        if np.sum(x) > 1.0:
            return x - 0.1 * np.sin(x)
        return x + 0.2 * x * x

    def expected(x):
        for i in range(20):
            x = body(i, x)
        return np.sum(x**2)

    def found(x, **options):
        return np.sum(wg.checkpointed_loop(body, x, 20, **options) ** 2)

    x = np.array([0.4, 0.7, -0.2])
    for options in ({}, {"memory": 100}):
        close(found(x, **options), expected(x))
        close(wg.grad(lambda x, o=options: found(x, **o))(x), wg.grad(expected)(x))
    close(wg.hessian(found)(x), wg.hessian(expected)(x))


def test_a_number_becomes_what_a_later_step_makes_of_it():
    found, _ = wg.scan(
        lambda c, x: (c + 1.0 if c < 2.5 else c * x, None), 0.0, XS[1:], checkpoint="sqrt"
    )
    expected = 0.0
    for x in XS[1:]:
        expected = expected + 1.0 if expected < 2.5 else expected * x
    assert found == pytest.approx(expected)


def test_results_that_change_are_refused():
    with pytest.raises(CarryError, match="results y change"):
        wg.scan(lambda c, x: (c + x, c if c < 3 else (c, c)), 0.0, XS, checkpoint="sqrt")
    with pytest.raises(CarryError, match="same shape"):
        wg.scan(lambda c, x: (c + x, x if c < 3 else np.array([x, x])), 0.0, XS, checkpoint="sqrt")


def test_staged_and_batched_calls_are_refused_with_the_line():
    with pytest.raises(StagingError, match="truth value"):
        wg.trace(lambda a: by_scan(a, XS)[0])(0.5)
    with pytest.raises(BatchingError, match=r"truth value.*wengert\.cond"):
        wg.vmap(lambda a: by_scan(a, XS)[0])(np.array([0.5, 0.6]))


def test_jit_runs_the_loop_as_it_is():
    gradient = wg.jit(wg.grad(loss_of(by_scan)))
    for a in (0.7, -1.3, 0.7):
        close(gradient(a, XS, 0.2), wg.grad(loss_of(by_loop))(a, XS, 0.2))


def test_memory_stays_that_of_the_kept_states():
    def run(checkpoint, steps, x):
        def step(x, _):
            return (x * np.cos(0.01 * x) if np.sum(x) > 1.0 else np.sin(x) + 0.001), None

        return np.sum(wg.scan(step, x, None, steps, checkpoint=checkpoint)[0])

    x = np.full(5000, 0.5)
    all_kept, few_kept = (
        peak(wg.grad(lambda x, c=checkpoint: run(c, 400, x)), x) for checkpoint in (None, "sqrt")
    )
    assert few_kept < 0.25 * all_kept
