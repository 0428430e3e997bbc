"""Bodies that use traced values from outside, in every construct and under every transformation.

One function is written with each construct; each transformation of it is that of the plain loop.
"""

import random

import numpy as np
import pytest

import wengert as wg

X, W = np.array([0.3, -0.7, 1.1]), 0.8
V = np.array([0.5, 1.0, -0.3])
XS, WS = np.stack([X, 2 * X]), np.array([W, 0.2])
ROUNDS = 3


def plain(x, w):
    y = np.sin(x * w)
    for _ in range(ROUNDS):
        y = y * np.cos(x) + 0.1 * w
    return np.sum(y**2)


def repeated(step):
    """Return the function whose rounds are ``step(y, x, w)``; most use x and w from outside."""

    def function(x, w):
        y = np.sin(x * w)
        for _ in range(ROUNDS):
            y = step(y, x, w)
        return np.sum(y**2)

    return function


def scanned(checkpoint):
    def function(x, w):
        def step(y, _):
            return y * np.cos(x) + 0.1 * w, None

        y, _ = wg.scan(step, np.sin(x * w), None, ROUNDS, checkpoint=checkpoint)
        return np.sum(y**2)

    return function


def scanned_in_place(x, w):
    def step(y, _):
        y[:] = y * np.cos(x) + 0.1 * w
        return y, None

    return np.sum(wg.scan(step, np.sin(x * w), None, ROUNDS)[0] ** 2)


def looped(x, w):
    def body(state):
        return state[0] + 1, state[1] * np.cos(x) + 0.1 * w

    _, y = wg.while_loop(lambda state: state[0] < ROUNDS, body, (0, np.sin(x * w)))
    return np.sum(y**2)


def counted(x, w):
    def body(i, y):
        return y * np.cos(x) + 0.1 * w

    return np.sum(wg.fori_loop(0, ROUNDS, body, np.sin(x * w)) ** 2)


def filled(x, w):
    rows = np.zeros((ROUNDS + 1, 3), np.result_type(x, w))
    rows[0] = np.sin(x * w)

    def body(i, rows):
        rows[i + 1] = rows[i] * np.cos(x) + 0.1 * w
        return rows

    return np.sum(wg.fori_loop(0, ROUNDS, body, rows)[ROUNDS] ** 2)


def in_little_memory(x, w):
    def body(i, y):
        return y * np.cos(x) + 0.1 * w

    return np.sum(wg.checkpointed_loop(body, np.sin(x * w), ROUNDS) ** 2)


def combined(x, w):
    def combine(first, second):
        return first[0] * second[0], first[1] * second[0] + second[1]

    factors, terms = np.stack([np.cos(x)] * ROUNDS), np.stack([0.1 * w + 0 * x] * ROUNDS)
    factor, term = wg.associative_scan(combine, (factors, terms))
    return np.sum((factor[-1] * np.sin(x * w) + term[-1]) ** 2)


def by_cond(y, x, w):
    return wg.cond(
        np.sum(x.real) > -100.0, lambda y: y * np.cos(x) + 0.1 * w, lambda y: 0 * y * w, y
    )


def by_switch(y, x, w):
    return wg.switch(1, [lambda y: 0 * y * w, lambda y: y * np.cos(x) + 0.1 * w], y)


def by_checkpoint(y, x, w):
    return wg.checkpoint(lambda y: y * np.cos(x) + 0.1 * w)(y)


def by_map(y, x, w):
    return wg.map(lambda pair: pair[0] * np.cos(pair[1]) + 0.1 * w, (y, x))


def by_vmap(y, x, w):
    return wg.vmap(lambda y, x: y * np.cos(x) + 0.1 * w)(y, x)


def by_jit(y, x, w):
    return wg.jit(lambda y: y * np.cos(x) + 0.1 * w)(y)


def affine(y, x, w):
    return y * np.cos(x) + 0.1 * w


compiled = wg.jit(affine)
pushed = wg.custom_jvp(affine)
pulled = wg.custom_vjp(affine)


@pushed.defjvp
def push(primals, tangents):
    (y, x, w), (s, t, u) = primals, tangents
    return pushed(y, x, w), s * np.cos(x) - y * np.sin(x) * t + 0.1 * u


pulled.defvjp(
    lambda y, x, w: (pulled(y, x, w), (y, x)),
    lambda kept, g: (g * np.cos(kept[1]), -g * kept[0] * np.sin(kept[1]), 0.1 * np.sum(g)),
)


def by_gradient(y, x, w):
    """The gradient of a potential, which is holomorphic where x and w are complex."""
    holomorphic = np.iscomplexobj(y)

    def potential(z):
        return np.sum(0.5 * z * z * np.cos(x) + 0.1 * z * w)

    return wg.grad(potential, holomorphic=holomorphic)(y)


def by_pushforward(y, x, w):
    one = np.ones_like(y)
    return wg.jvp(lambda z: z * y * np.cos(x) + 0.1 * z * w, (one,), (one,))[1]


def by_linear_system(y, x, w):
    return wg.linear_solve(lambda z: z / np.cos(x), y) + 0.1 * w


def by_root(y, x, w):
    return wg.root(lambda z: z - y * np.cos(x) - 0.1 * w, np.zeros_like(y))


STEPS = [
    *(by_cond, by_switch, by_checkpoint, by_map, by_vmap, by_jit, compiled, pushed, pulled),
    *(by_gradient, by_pushforward, by_linear_system, by_root),
]
CONSTRUCTS = {
    **{
        f"{getattr(step, '__name__', 'custom')} {number}": repeated(step)
        for number, step in enumerate(STEPS)
    },
    "scan": scanned(None),
    "scan in little memory": scanned("sqrt"),
    **{
        f.__name__: f
        for f in (scanned_in_place, looped, counted, filled, in_little_memory, combined)
    },
}


def wrapped(f):
    """A custom function around all of it."""
    function = wg.custom_jvp(lambda x: f(x, W))
    function.defjvp(lambda primals, tangents: wg.jvp(lambda x: f(x, W), primals, tangents))
    return function


def in_scan(f):
    return lambda x: wg.scan(lambda c, w: (c + f(x, w), c), 0.0, WS)[0]


def in_while(f):
    def body(x, state):
        return state[0] + 1, state[1] + f(x, W * (state[0] + 1))

    return lambda x: wg.while_loop(lambda s: s[0] < 2, lambda s: body(x, s), (0, 0.0))[1]


def in_cond(f):
    return lambda x: wg.cond(x[0] > 0, lambda x: f(x, W), lambda x: f(x, 2 * W), x)


def in_checkpoint(f):
    return wg.checkpoint(f)


TRANSFORMATIONS = {
    "grad": lambda f: wg.grad(f, (0, 1))(X, W),
    "jvp": lambda f: wg.jvp(f, (X, W), (V, 0.3))[1],
    "hessian": lambda f: wg.hessian(f, (0, 1))(X, W),
    "jacfwd of jacfwd": lambda f: wg.jacfwd(wg.jacfwd(f))(X, W),
    "grad of jvp": lambda f: wg.grad(lambda x, w: wg.jvp(f, (x, w), (V, 0.3))[1])(X, W),
    "hvp": lambda f: wg.hvp(lambda x: f(x, W), X, V),
    "fourth": lambda f: wg.derivative(lambda w: f(X, w), 4)(W),
    "jet": lambda f: wg.jet(f, (X, W), ([V, 0.1 * V], [0.3, 0.2]))[1],
    "linearize": lambda f: wg.linearize(f, X, W)[1](V, 0.3),
    "aux": lambda f: wg.grad(lambda x, w: (f(x, w), {"x": 2 * x, "n": 3}), has_aux=True)(X, W),
    "vmap": lambda f: wg.vmap(f)(XS, WS),
    "vmap of one": lambda f: wg.vmap(f, (1, None))(XS.T, W),
    "vmap of vmap": lambda f: wg.vmap(wg.vmap(f, (None, 0)), (0, None))(XS, np.append(WS, 0.5)),
    "vmap of vmap of grad": lambda f: wg.vmap(
        wg.vmap(wg.grad(f), (None, 0), out_axes=1), (0, None), out_axes=-1
    )(XS, np.append(WS, 0.5)),
    "grad of vmap": lambda f: wg.grad(lambda x, w: np.sum(wg.vmap(f, (0, None))(x, w)), (0, 1))(
        XS, W
    ),
    "vmap of hessian": lambda f: wg.vmap(wg.hessian(f))(XS, WS),
    "hessian of vmap": lambda f: wg.hessian(lambda w: np.sum(wg.vmap(f, (0, None))(XS, w)))(W),
    "jit of grad": lambda f: wg.jit(wg.grad(f, (0, 1)))(X, W),
    "grad of jit": lambda f: wg.grad(wg.jit(f), (0, 1))(X, W),
    "jit of hessian": lambda f: wg.jit(wg.hessian(f))(X, W),
    "hessian of jit": lambda f: wg.hessian(wg.jit(f))(X, W),
    "jit of vmap of grad": lambda f: wg.jit(wg.vmap(wg.grad(f)))(XS, WS),
    "vmap of jit of grad": lambda f: wg.vmap(wg.jit(wg.grad(f)))(XS, WS),
    "grad of checkpoint": lambda f: wg.grad(in_checkpoint(f), (0, 1))(X, W),
    "jit of hessian of checkpoint": lambda f: wg.jit(wg.hessian(in_checkpoint(f)))(X, W),
    "checkpoint of vmap": lambda f: wg.grad(
        lambda x: np.sum(wg.checkpoint(wg.vmap(f, (0, None)))(x, W))
    )(XS),
    "float32": lambda f: wg.grad(f)(X.astype(np.float32), np.float32(W)),
    "float32 under jit": lambda f: wg.jit(wg.grad(f))(X.astype(np.float32), np.float32(W)),
    "holomorphic": lambda f: wg.grad(f, holomorphic=True)(X + 0.2j, W + 0.1j),
    "holomorphic under jit": lambda f: wg.jit(wg.grad(f, holomorphic=True))(X + 0.2j, W + 0.1j),
    "holomorphic under vmap": lambda f: wg.vmap(wg.grad(f, holomorphic=True))(XS + 0.2j, WS + 0j),
    "complex jvp": lambda f: wg.jvp(f, (X + 0.2j, W + 0.1j), (V + 0.5j, 1j))[1],
    "in a scan": lambda f: wg.grad(in_scan(f))(X),
    "in a while loop": lambda f: wg.grad(in_while(f))(X),
    "in a branch": lambda f: wg.grad(in_cond(f))(X),
    "jit in a scan": lambda f: wg.jit(wg.grad(in_scan(f)))(X),
    "jit in a while loop": lambda f: wg.jit(wg.grad(in_while(f)))(X),
    "vmap in a branch": lambda f: wg.vmap(wg.grad(in_cond(f)))(np.stack([X, -X])),
    "in a custom function": lambda f: wg.hessian(wrapped(f))(X),
    "jit in a custom function": lambda f: wg.jit(wg.grad(wrapped(f)))(X),
    "vmap in a custom function": lambda f: wg.vmap(wg.grad(wrapped(f)))(XS),
}

PAIRS = [(construct, name) for construct in CONSTRUCTS for name in TRANSFORMATIONS]


@pytest.mark.parametrize(("construct", "name"), random.Random(11).sample(PAIRS, 120))
def test_a_construct_under_a_transformation(construct, name):
    transform = TRANSFORMATIONS[name]
    found = wg.tree.leaves(transform(CONSTRUCTS[construct]))
    expected = wg.tree.leaves(transform(plain))
    tolerance = 2e-5 if "float32" in name else 1e-8
    for mine, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, other, rtol=tolerance, atol=0.1 * tolerance)
