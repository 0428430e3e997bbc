"""Ways to transform a function of a vector, what each means, and the check of any chain of them.

A way maps a function of a vector to another one. What the outermost way should give is computed
plainly, or by differences, from what the ways inside it gave; these are checked likewise.
"""

import functools
import itertools
import random

import numpy as np

import wengert as wg
from corpus import PROGRAMS
from reference import of_kind
from wengert.tracing.core import depth
from wengert.tracing.creation import is_patched

X = np.array([0.4, -0.7, 0.9])
V = np.array([0.3, 0.5, -0.2])
SCALES = np.array([0.9, 0.7])

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
PAIRS = list(itertools.product(WAYS, WAYS))
TRIPLES = list(itertools.product(WAYS, WAYS, WAYS))


def check(names, program):
    """Assert that a chain of ways, the outermost first, gives what its outermost one means."""
    inner = program
    for name in reversed(names[1:]):
        inner = WAYS[name][0](inner)
    way, meaning = WAYS[names[0]]
    transformed = way(inner)
    with wg.config(max_paths=1000):  # the points of the differences may each take another path
        expected = meaning(inner)(X)
    size = max(1.0, float(np.max(np.abs(expected))))
    for _ in range(3 if "jit" in names else 1):  # recorded, optimised, compiled
        np.testing.assert_allclose(transformed(X), expected, rtol=0, atol=2e-7 * size)
    assert depth() == 0
    assert not is_patched()


# ------------------------------------------------------------------ programs of the corpus

# Programs that ask for a value (an `if`, a count): examples of a batch may answer differently, so
# under `vmap` they say what to write instead. These of them ask for positions that NumPy takes as
# arrays, and run.
BY_POSITION = {
    "natural_cubic_spline",
    "order_statistics",
    "particle_filter",
    "upwind_advection",
    "weighted_quantiles",
}
ASKING = {
    name
    for name, entry in PROGRAMS.items()
    if entry.flags & {"branches", "loops", "positions"} and name not in BY_POSITION
} | {"basis_splines_by_recursion"}


@functools.cache
def vector_program(name):
    """Return a program of the corpus as a smooth function from three numbers to three.

    The numbers move the program's point along fixed directions, no further than its differences
    step, so that branches stay the same; the results are weighted sums of its own, of size 1.
    """
    entry = PROGRAMS[name]
    directions = [_direction(entry.point, phase) for phase in (0.0, 1.3, 2.1)]
    reach = 0.4 * entry.steps[0]

    def at(x):
        point = entry.point
        for k, change in enumerate(directions):
            shift = np.sin(x[k]) * reach
            point = wg.tree.map(lambda leaf, d, s=shift: _moved(leaf, s * d), point, change)
        return entry.function(point)

    centre = np.asarray(at(X))
    weights = np.cos(0.5 + np.arange(3.0 * centre.size)).reshape(3, *centre.shape)
    axes = tuple(range(1, weights.ndim))
    spread = max(
        float(np.max(np.abs(np.sum(weights * np.real(at(x) - centre), axis=axes))))
        for x in (X + V, X - V, -X)
    )

    def function(x):
        change = np.real(at(x) - centre)
        return np.sum(weights * change, axis=axes) / spread + 0.3 * x[::-1]

    return function


def _direction(point, phase):
    """A tree like `point` of numbers of size 1, no two of which are related."""
    leaves, structure = wg.tree.flatten(point)
    made = []
    for leaf in leaves:
        phase += 0.7
        numbers = np.cos(phase + 2.0 * np.arange(np.size(leaf))).reshape(np.shape(leaf))
        made.append(of_kind(numbers, leaf))
    return wg.tree.unflatten(structure, made)


def _moved(leaf, change):
    return leaf + change


def fits(names, name):
    """Return whether a program runs under these ways."""
    return name not in ASKING or "vmap" not in names


def drawn(names, turn=0):
    """Return the program for a chain of ways: another one for each chain and each turn."""
    able = [name for name in PROGRAMS if fits(names, name)]
    random.Random("programs").shuffle(able)
    every = PAIRS if len(names) == 2 else TRIPLES
    return able[(every.index(tuple(names)) * 7 + turn) % len(able)]
