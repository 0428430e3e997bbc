"""jit reads what a function takes from outside at every call: globals, closures, attributes."""

import types

import numpy as np
import pytest

import wengert as wg
from running import traces


@pytest.fixture(params=[False, True], ids=["evaluated", "native"], autouse=True)
def _executors(request):
    with wg.config(verify=True, native=request.param):
        yield


w = np.zeros(3)
rate = 0.1
DATA = np.arange(12.0).reshape(4, 3) / 10
TARGET = np.ones(4)
counter = 0
settings = {"l2": 0.5, "power": 2}
namespace = types.SimpleNamespace(l2=0.25)


def loss(weights):
    return np.sum((DATA @ weights - TARGET) ** 2) + settings["l2"] * np.sum(
        weights ** settings["power"]
    )


def test_gradient_descent_with_globals_records_once():
    global w, rate
    w = np.zeros(3)

    def step():
        return w - rate * wg.grad(loss)(w)

    compiled = wg.jit(step)
    for k in range(20):
        rate = 0.1 / (k + 1)
        expected = step()
        w = compiled()
        np.testing.assert_array_equal(w, expected)
    assert traces(compiled) == 1


def test_captured_values_are_read_at_each_call():
    global rate
    compiled = wg.jit(lambda x: np.sum(DATA * rate) * x + namespace.l2)
    found = []
    for rate in (1.0, 2.0):
        DATA[0, 0] = rate
        for namespace.l2 in (0.0, 1.0):
            found.append(compiled(2.0) - (np.sum(DATA * rate) * 2.0 + namespace.l2))
    assert found == [0.0] * 4
    settings["l2"] = 0.5


def test_closures_defaults_and_inner_functions():
    scale, offset = 2.0, np.array([1.0, 2.0])

    def inner(x, factor=offset):
        return x * factor + scale

    def fun(x, *, shift=offset):
        return inner(x) - shift

    compiled = wg.jit(fun)
    x = np.array([3.0, 4.0])
    np.testing.assert_array_equal(compiled(x), fun(x))
    scale = 5.0
    offset[0] = 7.0
    np.testing.assert_array_equal(compiled(x), fun(x))
    assert traces(compiled) == 1
    offset = np.ones(2)
    np.testing.assert_array_equal(compiled(x), fun(x))


def test_functions_that_are_replaced_are_noticed():
    helper = np.sin

    def fun(x):
        return helper(x)

    compiled = wg.jit(fun)
    assert compiled(1.0) == np.sin(1.0)
    helper = np.cos
    assert compiled(1.0) == np.cos(1.0)


def test_functions_as_arguments_with_their_captures():
    scale = 2.0

    def apply(function, x):
        return function(x)

    def scaled(x):
        return x * scale

    compiled = wg.jit(apply)
    assert compiled(scaled, 3.0) == 6.0
    scale = 4.0
    assert compiled(scaled, 3.0) == 12.0
    assert compiled(np.sqrt, 4.0) == 2.0
    assert traces(compiled) == 2


def test_methods_and_attributes():
    class Model:
        def __init__(self):
            self.weights = np.array([1.0, 2.0])
            self.power = 2

        def loss(self, x):
            return np.sum((self.weights * x) ** self.power)

    model = Model()
    compiled = wg.jit(model.loss)
    for _ in range(2):
        assert compiled(2.0) == model.loss(2.0)
        model.power = 3
        assert compiled(2.0) == model.loss(2.0)
        model.weights[0] = 5.0
        assert compiled(2.0) == model.loss(2.0)
        model.weights = np.array([3.0, 4.0])


def test_names_outside_that_are_assigned():
    total = 0.0
    history = np.zeros(3)

    def fun(x):
        global counter
        nonlocal total
        total = total + x * x
        counter += 1.0
        history[1:] = history[:-1].copy()
        history[0] = x
        return total

    compiled = wg.jit(fun)
    global counter
    counter = 0.0
    for x in (1.0, 2.0, 3.0):
        compiled(x)
    assert (total, counter) == (14.0, 3.0)
    np.testing.assert_array_equal(history, [3.0, 2.0, 1.0])
    assert traces(compiled) == 1


def test_lists_that_are_changed_run_uncompiled():
    def fun(stack, x):
        stack.append(x * 2)
        return stack[-1]

    compiled = wg.jit(fun)
    stack = [1.0]
    assert compiled(stack, 3.0) == 6.0
    assert stack == [1.0, 6.0]
    assert compiled([1.0], 4.0) == 8.0
    assert "list" in compiled.explain()
