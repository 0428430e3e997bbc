"""Reductions larger than what they are made of: computed where they are needed, never stored."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.backends.llvm import compile_program
from wengert.backends.llvm.kernels.rules import role_of
from wengert.compile import optimise
from wengert.passes.fuse import fuse


def points(count: int, width: int, dtype: Any = np.float64) -> Any:
    return np.random.default_rng(count).normal(size=(count, width)).astype(dtype)


def apart(x: Any, y: Any) -> Any:
    return x[:, None, :] - y[None]


def distances(x: Any, y: Any) -> Any:
    return np.sum(np.sqrt(np.sum(apart(x, y) ** 2, axis=-1)))


def closest(x: Any, y: Any) -> Any:
    return np.sum(np.min(np.max(abs(apart(x, y)), axis=2, keepdims=True), axis=1))


def means(x: Any, y: Any) -> Any:
    return np.sum(np.tanh(np.mean(np.cos(apart(x, y)), axis=-1)), axis=0)


def products(x: Any, y: Any) -> Any:
    return np.max(np.prod(1 + apart(x, y) / 8, axis=-1, initial=0.5), axis=0)


def affinities(x: Any, y: Any) -> Any:
    """Rows of a kernel matrix that sum to one: a reduction inside of another, twice."""
    scores = -np.sum(apart(x, y) ** 2, axis=-1)
    scores = scores - np.max(scores, axis=1, keepdims=True)
    return np.sum(np.log(np.sum(np.exp(scores), axis=1)))


def flags(x: Any, y: Any) -> Any:
    return np.sum(np.any(apart(x, y) > 2.5, axis=-1))


def selected(x: Any, y: Any) -> Any:
    return np.sum(np.sum(apart(x, y), axis=-1, where=y > 0) ** 2, axis=0)


FUNCTIONS = (distances, closest, means, products, affinities, flags, selected)


@pytest.mark.parametrize("width", [17, 33, 129])
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_values_are_numpys(function, width):
    x, y = points(70, width), points(81, width)
    native = compile_program(optimise(wg.trace(function)(x, y)))
    assert not native.called_back
    np.testing.assert_allclose(native(x, y)[0], function(x, y), rtol=2e-13, atol=2e-13)


@pytest.mark.parametrize("width", [17, 64])
@pytest.mark.parametrize("function", [distances, affinities, closest], ids=lambda f: f.__name__)
def test_gradients_are_those_of_eager_calls(function, width):
    x, y = points(41, width), points(50, width)
    gradient = wg.grad(function, (0, 1))
    found = compile_program(optimise(wg.trace(gradient)(x, y)))(x, y)
    for own, expected in zip(found, gradient(x, y), strict=True):
        np.testing.assert_allclose(own, expected, rtol=1e-11, atol=1e-11)


def workspace(function: Any, *args: Any) -> int:
    return compile_program(optimise(wg.trace(function)(*args))).workspace


@pytest.mark.parametrize("function", [distances, means, products, flags], ids=lambda f: f.__name__)
def test_memory_of_values_is_that_of_the_points(function):
    x, y = points(1000, 40), points(1100, 40)
    assert workspace(function, x, y) < 4 * (x.nbytes + y.nbytes)


def test_memory_of_gradients_is_that_of_the_points():
    x, y = points(1000, 40), points(1100, 40)
    for argument in (0, 1, (0, 1)):
        assert workspace(wg.grad(distances, argument), x, y) < 4 * (x.nbytes + y.nbytes)


def test_what_is_stored_after_all_is_computed_once():
    x, y = points(100, 40), points(110, 40)

    def table_and_sum(x: Any, y: Any) -> Any:
        table = np.sum(apart(x, y) ** 2, axis=-1)
        return table, np.sum(np.sqrt(table))

    def centred(x: Any, y: Any) -> Any:
        table = np.sum(apart(x, y) ** 2, axis=-1)
        return np.sum(np.exp(table - np.max(table, axis=1, keepdims=True)))

    for function in (table_and_sum, centred):
        schedule = fuse(optimise(wg.trace(function)(x, y)), role_of)
        names = [e.primitive.name for kernel in schedule.kernels for e in kernel]
        assert names.count("subtract") == (1 if function is table_and_sum else 2)
    assert workspace(table_and_sum, x, y) < 20_000


def test_a_density_is_estimated_without_a_table():
    """Three passes over all pairs read what they need of them, which is cheap, again."""
    x, y = points(600, 3), points(650, 3)

    def density(x: Any, y: Any) -> Any:
        scores = -0.5 * np.sum(apart(x, y) ** 2, axis=-1)
        largest = np.max(scores, axis=1, keepdims=True)
        return np.sum(np.log(np.sum(np.exp(scores - largest), axis=1)) + largest[:, 0])

    assert workspace(density, x, y) < 4 * (x.nbytes + y.nbytes)
    for function in (density, wg.grad(density, (0, 1))):
        found = compile_program(optimise(wg.trace(function)(x, y)))(x, y)
        expected = function(x, y)
        for own, other in zip(found, expected if len(found) == 2 else [expected], strict=True):
            np.testing.assert_allclose(own, other, rtol=1e-11, atol=1e-13)


def test_single_precision_is_as_good_as_pairwise_sums():
    x, y = points(20, 3000, np.float32), points(21, 3000, np.float32)

    def squares(x: Any, y: Any) -> Any:
        return np.max(np.sum(apart(x, y) ** 2, axis=-1), axis=0)

    wide = squares(x.astype(float), y.astype(float))
    native = compile_program(optimise(wg.trace(squares)(x, y)))
    error = np.max(abs(native(x, y)[0] - wide) / wide)
    assert error < 8 * np.finfo(np.float32).eps


def test_several_reduced_axes_and_one_entry():
    x, y = points(60, 6 * 7).reshape(60, 6, 7), points(50, 6 * 7).reshape(50, 6, 7)

    def both(x: Any, y: Any) -> Any:
        table = np.sum((x[:, None] - y) ** 2, axis=(2, 3))
        return np.sum(np.sqrt(table), axis=1), table[3, 4], np.exp(-table[0, 0]) + table[:2, :2]

    native = compile_program(optimise(wg.trace(both)(x, y)))
    for own, expected in zip(native(x, y), both(x, y), strict=True):
        np.testing.assert_allclose(own, expected, rtol=1e-13)


def test_bits_do_not_depend_on_threads():
    x, y = points(900, 50), points(800, 50)
    native = compile_program(optimise(wg.trace(wg.value_and_grad(distances))(x, y)))
    found = []
    for count in (1, 2, 5):
        with wg.config(num_threads=count):
            found.append([np.asarray(result).tobytes() for result in native(x, y)])
    assert found[0] == found[1] == found[2]


def test_empty_sets():
    for first, second, width in ((0, 5, 20), (5, 0, 20), (5, 6, 0)):
        x, y = np.ones((first, width)), np.ones((second, width))
        native = compile_program(optimise(wg.trace(distances)(x, y)))
        np.testing.assert_array_equal(native(x, y)[0], distances(x, y))
