"""A matrix multiplied twice with a map between: read once, by blocks of rows, in any thread."""

import numpy as np
import pytest

import wengert as wg
from wengert.backends.llvm import compile_program
from wengert.backends.llvm.arrange import arrange
from wengert.backends.llvm.kernels import rows
from wengert.backends.llvm.kernels.sweep import SweepStep
from wengert.backends.llvm.kernels.tiles import Tile
from wengert.compile import optimise


def loss(w, x, y):
    return np.mean(np.log1p(np.exp(-y * (x @ w))))


def inputs(rows, columns, dtype):
    generator = np.random.default_rng(rows)
    x = generator.normal(size=(rows, columns)).astype(dtype)
    y = np.where(generator.normal(size=rows) > 0, 1, -1).astype(dtype)
    return (0.1 * generator.normal(size=columns)).astype(dtype), x, y


def by_hand(w, x, y):
    w, x, y = (np.asarray(a, np.longdouble) for a in (w, x, y))
    return x.T @ (-y / (1 + np.exp(y * (x @ w)))) / len(y)


def compiled(function, *args):
    """Return machine code that has one sweep in it."""
    program = optimise(wg.trace(function)(*args))
    assert sum(isinstance(step, SweepStep) for step in arrange(program)) == 1
    return compile_program(program)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    ("rows", "columns"),
    [(1000, 100), (30_001, 100), (700, 1125), (65_600, 3), (65_537, 1), (9, 9000)],
)
def test_gradients_of_logistic_regression(rows, columns, dtype):
    args = inputs(rows, columns, dtype)
    size = rows * columns * np.dtype(dtype).itemsize
    if size < 2**19 or columns > 1125 or columns == 1:  # one column: no product, a map
        native = compile_program(wg.trace(wg.grad(loss))(*args))
    else:
        native = compiled(wg.grad(loss), *args)
    found = []
    for count in (1, 2, 3):
        with wg.config(num_threads=count):
            found.append(native(*args)[0])
    assert found[0].tobytes() == found[1].tobytes() == found[2].tobytes()
    expected = by_hand(*args)
    error = np.max(np.abs(found[0] - expected)) / np.max(np.abs(expected))
    assert error < (2e-5 if dtype == np.float32 else 1e-13)


@pytest.mark.parametrize("width", [None, 2, 4])
@pytest.mark.parametrize("columns", [2, 7, 8, 9, 16, 33])
def test_rows_of_any_length_and_vectors_of_any_width(columns, width, monkeypatch):
    if width:
        monkeypatch.setattr(rows, "tile_of", lambda letter: Tile(6, 2, width))
    args = inputs(2**19 // (8 * columns) + 5, columns, np.float64)
    found = compiled(wg.grad(loss), *args)(*args)[0]
    np.testing.assert_allclose(found, by_hand(*args).astype(float), rtol=1e-11, atol=1e-16)


def test_what_lies_between_is_kept_where_it_is_wanted():
    args = inputs(20_000, 40, np.float64)

    def both(w, x, y):
        margin = x @ w
        share = np.tanh(margin) * y
        return margin, share, share @ x

    native = compiled(both, *args)
    for found, expected in zip(native(*args), both(*args), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11)
