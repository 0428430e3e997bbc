"""Transformations composed with ``vmap`` in either order agree with a loop over the examples."""

import numpy as np
import pytest

import wengert as wg

POINTS = np.array([1.5, 1.2, 0.7])
ROWS = np.arange(12.0).reshape(3, 4) / 5 + 0.3


@wg.custom_jvp
def quartic(x):
    return x**4


quartic.defjvp(lambda primals, tangents: (primals[0] ** 4, 4 * primals[0] ** 3 * tangents[0]))

SCALAR = {
    "plain": lambda x: np.sin(x) * np.exp(x),
    "scan": lambda x: wg.scan(lambda c, _: (c * x, c), 1.0, None, length=3)[0],
    "while_loop": lambda x: wg.while_loop(lambda v: v < 5.0, lambda v: v * x + 2.0, x),
    "cond": lambda x: wg.cond(x > 1, lambda x: x**4, np.sin, x),
    "checkpoint": lambda x: wg.checkpoint(lambda x: x**5)(x),
    "custom rule": quartic,
    "jit": wg.jit(lambda x: np.tanh(x) * x),
}
ORDERS = {
    "vmap(grad)": lambda f: wg.vmap(wg.grad(f)),
    "vmap(jit(grad))": lambda f: wg.vmap(wg.jit(wg.grad(f))),
    "jit(vmap(grad))": lambda f: wg.jit(wg.vmap(wg.grad(f))),
    "grad(vmap)": lambda f: wg.grad(lambda x: np.sum(wg.vmap(f)(x))),
    "jit(grad(vmap))": lambda f: wg.jit(wg.grad(lambda x: np.sum(wg.vmap(f)(x)))),
    "vmap(jvp)": lambda f: wg.vmap(lambda x: wg.jvp(f, (x,), (1.0,))[1]),
    "jvp(vmap)": lambda f: lambda x: wg.jvp(wg.vmap(f), (x,), (np.ones(3),))[1],
    "vmap(derivative)": lambda f: wg.vmap(wg.derivative(f)),
}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", SCALAR)
def test_first_order(name, order):
    function = SCALAR[name]
    expected = [wg.grad(function)(float(x)) for x in POINTS]
    np.testing.assert_allclose(ORDERS[order](function)(POINTS), expected, rtol=1e-12)


@pytest.mark.parametrize("name", SCALAR)
def test_third_order(name):
    function = SCALAR[name]
    nested = wg.grad(wg.grad(wg.grad(function)))
    expected = [nested(float(x)) for x in POINTS]
    third = wg.derivative(function, 3)
    np.testing.assert_allclose(wg.vmap(third)(POINTS), expected, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(wg.vmap(nested)(POINTS), expected, rtol=1e-10, atol=1e-10)
    found = [wg.jit(third)(float(x)) for x in POINTS]
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


def program(x):
    """Buffers, views, a search, a sort and a reduction with a mask."""
    y = np.zeros(4)
    for i in range(3):
        y[i + 1] = y[i] + x[i] ** 2
    y[::2] *= x[1]
    y[np.argmax(x)] = x[0]
    y[y > 4.0] = x[3]
    return np.sum(np.sort(y) * x) + np.sum(x, where=x > 1.0) + np.max(y)


@pytest.mark.parametrize(
    "order", ["vmap(grad)", "jit(vmap(grad))", "vmap(jit(grad))", "grad(vmap)"]
)
def test_a_program(order):
    expected = np.stack([wg.grad(program)(row) for row in ROWS])
    np.testing.assert_allclose(ORDERS[order](program)(ROWS), expected, rtol=1e-12)


def test_hessians_of_examples():
    expected = np.stack([wg.hessian(program)(row) for row in ROWS])
    np.testing.assert_allclose(wg.vmap(wg.hessian(program))(ROWS), expected, atol=1e-12)
    np.testing.assert_allclose(wg.jit(wg.hessian(program))(ROWS[0]), expected[0], atol=1e-12)
    nested = wg.jacfwd(wg.jacrev(lambda rows: wg.vmap(program)(rows)))(ROWS)
    np.testing.assert_allclose(nested[1, 1, :, 1], expected[1], atol=1e-12)


def test_jacobian_of_many_directions_is_that_of_few():
    """More directions than a loop takes, and a chunk of them that does not divide their number."""
    weights = np.random.default_rng(3).normal(size=(9, 7))

    def function(x):
        return np.tanh(weights @ x) * np.sin(np.sum(x))

    x = np.linspace(-1.0, 1.0, 7)
    slope = 1 - np.tanh(weights @ x) ** 2
    expected = slope[:, None] * weights * np.sin(np.sum(x))
    expected = expected + np.tanh(weights @ x)[:, None] * np.cos(np.sum(x))
    for mode in (wg.jacfwd, wg.jacrev):
        np.testing.assert_allclose(mode(function)(x), expected, rtol=1e-12, atol=1e-13)
        tree = mode(lambda d: {"y": function(d["x"]), "z": d["x"][0]})({"x": x})
        np.testing.assert_allclose(tree["y"]["x"], expected, rtol=1e-12, atol=1e-13)
        np.testing.assert_array_equal(tree["z"]["x"], np.eye(7)[0])
