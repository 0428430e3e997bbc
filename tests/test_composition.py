"""Every transformation on every other: pairs, and triples drawn at random, against differences.

A way to transform maps a function of a vector to another one. What the outermost way should give is
computed plainly, or by differences, from what the ways inside it gave; these are tested likewise.
"""

import itertools
import random

import numpy as np
import pytest

import wengert as wg
from wengert.tracing.core import depth
from wengert.tracing.creation import is_patched

X = np.array([0.4, -0.7, 0.9])
V = np.array([0.3, 0.5, -0.2])
SCALES = np.array([0.9, 0.7])


# ------------------------------------------------------------------ programs


def smooth(x):
    return np.sin(x) * x[::-1] + 0.3 * x**2


def writing(x):
    y = np.zeros(3)
    for i in range(3):
        y[i] = np.tanh(x[i]) + 0.5 * y[i - 1] * x[0]
    y[1:] *= x[:-1]
    return y


def algebra(x):
    a = np.outer(x, x) + 2.0 * np.eye(3)
    return np.linalg.solve(a, np.exp(0.3 * x)) + np.maximum(x, -x) * 0.2


def looping(x):
    total, kept = wg.scan(lambda c, s: (np.cos(c) * s + x * 0.1, np.sum(c)), x, SCALES)
    return total + np.sum(kept)


PROGRAMS = {f.__name__: f for f in (smooth, writing, algebra, looping)}

# ------------------------------------------------------------------ ways, and what they mean


def along(f, x, v):
    """Return the derivative of f along v by extrapolated differences."""
    steps = [0.02 / 2**k for k in range(5)]
    rows = [(f(x + h * v) - f(x - h * v)) / (2 * h) for h in steps]
    for k in range(1, len(rows)):
        rows = [(4**k * b - a) / (4**k - 1) for a, b in itertools.pairwise(rows)]
    return rows[0]


def transposed(f, x, c):
    return np.array([np.sum(c * along(f, x, unit)) for unit in np.eye(3)])


def custom_jvp(f):
    function = wg.custom_jvp(lambda x: f(x))
    function.defjvp(lambda primals, tangents: wg.jvp(f, primals, tangents))
    return function


def custom_vjp(f):
    function = wg.custom_vjp(lambda x: f(x))

    def forward(x):
        return f(x), x

    function.defvjp(forward, lambda x, g: wg.vjp(f, x)[1](g))
    return function


def counted(f):
    def body(state):
        n, c = state
        return n + 1, f(c) * 0.8

    return lambda x: wg.while_loop(lambda state: state[0] < 2, body, (0, x))[1]


def scanned(f):
    return lambda x: wg.scan(lambda c, s: (f(c) * s, np.sum(c)), x, SCALES)[0]


def branched(f):
    return lambda x: wg.cond(x[0] > 0.0, f, lambda y: y * 3.0, x)


def batched(f):
    return lambda x: np.sum(wg.vmap(f)(np.stack([x, x * 0.5, x + 0.1])), axis=0)


WAYS = {
    "jvp": (lambda f: lambda x: wg.jvp(f, (x,), (V,))[1], lambda f: lambda x: along(f, x, V)),
    "vjp": (
        lambda f: lambda x: wg.vjp(f, x)[1](V)[0],
        lambda f: lambda x: transposed(f, x, V),
    ),
    "grad": (
        lambda f: wg.grad(lambda x: np.sum(f(x) ** 2)),
        lambda f: lambda x: transposed(f, x, 2 * f(x)),
    ),
    "vmap": (batched, lambda f: lambda x: f(x) + f(x * 0.5) + f(x + 0.1)),
    "jit": (wg.jit, lambda f: f),
    "checkpoint": (wg.checkpoint, lambda f: f),
    "custom_jvp": (custom_jvp, lambda f: f),
    "custom_vjp": (custom_vjp, lambda f: f),
    "cond": (branched, lambda f: lambda x: f(x) if x[0] > 0.0 else x * 3.0),
    "scan": (scanned, lambda f: lambda x: f(f(x) * SCALES[0]) * SCALES[1]),
    "while": (counted, lambda f: lambda x: f(f(x) * 0.8) * 0.8),
}


def check(names, program):
    inner = program
    for name in reversed(names[1:]):
        inner = WAYS[name][0](inner)
    way, meaning = WAYS[names[0]]
    transformed = way(inner)
    expected = meaning(inner)(X)
    size = max(1.0, float(np.max(np.abs(expected))))
    for _ in range(3 if "jit" in names else 1):  # recorded, optimised, compiled
        np.testing.assert_allclose(transformed(X), expected, rtol=0, atol=2e-7 * size)
    assert depth() == 0
    assert not is_patched()


@pytest.mark.parametrize("names", list(itertools.product(WAYS, WAYS)), ids="-".join)
def test_pairs(names):
    for program in (smooth, writing):
        check(names, program)


def triples():
    drawn = random.Random(5)
    every = list(itertools.product(WAYS, WAYS, WAYS))
    return drawn.sample(every, 80)


@pytest.mark.parametrize("names", triples(), ids="-".join)
def test_triples(names):
    program = random.Random("-".join(names)).choice(list(PROGRAMS))
    check(names, PROGRAMS[program])
