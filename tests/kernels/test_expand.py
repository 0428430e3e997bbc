"""Decompositions: each has the values of the operation it stands for, and runs in kernels."""

import numpy as np
import pytest

import wengert as wg
from wengert.backends.llvm import compile_program
from wengert.ir.verify import verify
from wengert.passes.expand import EXPANSIONS, expand

RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((40, 30))
PROGRAMS = {
    "var": lambda x: [np.var(x), np.var(x, 0), np.var(x, 1, ddof=1, keepdims=True)],
    "std": lambda x: [np.std(x), np.std(x, (0, 1)), np.std(x, 1)],
    "norm": lambda x: [
        np.linalg.norm(x),
        np.linalg.norm(x, axis=0),
        np.linalg.norm(x, 1, 1),
        np.linalg.norm(x, np.inf, 0, True),
        np.linalg.norm(x[0]),
    ],
    "trace": lambda x: [np.trace(x), np.trace(x, 2), np.trace(x, -3)],
    "mean": lambda x: [np.mean(x, where=x > 0), np.mean(x, 0, where=x > 0)],
    "var of some": lambda x: [
        np.var(x, where=x > 0),
        np.var(x, 0, where=x > -1, ddof=1),
        np.std(x, 1, where=x[0] > 0, keepdims=True),
    ],
    "places": lambda x: [
        *(np.argmax(x, axis) for axis in (None, 0, 1)),
        *(np.argmin(x, axis, keepdims=True) for axis in (None, 0, 1)),
        np.argmax(np.floor(4 * x), 1),
        np.argmin((8 * x).astype(int), 0),
        np.argmax(x[:, :7], 1),
    ],
    "places of nan": lambda x: [
        np.argmax(np.where(x > 1.5, np.nan, x), axis) for axis in (None, 0, 1)
    ],
    "count": lambda x: [
        np.count_nonzero(np.floor(x)),
        np.count_nonzero(np.floor(x), axis=1),
        np.count_nonzero(np.floor(x).astype(np.int32), axis=0, keepdims=True),
    ],
    "close": lambda x: [
        np.isclose(x, x[0], 0.3, 0.1),
        np.isclose(np.where(x > 1, np.inf, x), np.where(x > 1.2, np.inf, x)),
        np.isclose(np.where(x > 1, np.nan, x), np.where(x > 1.2, np.nan, x), equal_nan=True),
        np.allclose(x, x + 1e-12),
        np.allclose(x, x + 1e-3),
        np.array_equal(x, x + 0.0),
        np.array_equal(x, np.where(x > 1, np.nan, x)),
        np.isposinf(np.where(x > 1, np.inf, x)),
        np.isneginf(np.where(x > 1, -np.inf, x)),
    ],
    "take": lambda x: [np.take_along_axis(x, np.argsort(x, 1)[:, :3], 1)],
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_decompositions_are_numpys(name):
    program = wg.trace(PROGRAMS[name])(X)
    expanded = expand(program)
    verify(expanded)
    left = {equation.primitive.name for equation in expanded}
    assert not left & set(EXPANSIONS)
    native = compile_program(program)
    with np.errstate(invalid="ignore"):
        results = native(X), expanded.evaluate(X), PROGRAMS[name](X)
    for found, own, expected in zip(*results, strict=True):
        assert type(found) is type(expected)
        np.testing.assert_allclose(own, expected, rtol=1e-13)
        np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_gradients_of_decomposed_operations_run_without_numpy():
    def f(x):
        centred = (x - np.mean(x, 0)) / np.std(x, 0)
        return np.linalg.norm(centred @ np.ones(30)) + np.var(x)

    program = wg.trace(wg.grad(f))(X)
    native = compile_program(program)
    assert not native.called_back
    np.testing.assert_allclose(native(X)[0], wg.grad(f)(X), rtol=1e-9, atol=1e-12)
