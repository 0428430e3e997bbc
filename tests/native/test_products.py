"""Compiled products of matrices: exact for whole numbers, whatever the shapes and threads."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.backends.llvm import engine
from wengert.backends.llvm.kernels import tiles
from wengert.backends.llvm.threads import PARALLEL, make_available

# Beside what one tile holds, what one packed strip holds, and what BLAS leaves to one thread.
SHAPES = (
    (4, 300, 300),
    (300, 4, 300),
    (65, 65, 65),
    (97, 130, 385),
    (301, 259, 7),
    (192, 96, 192),
    (700, 500, 10),
)


def whole(generator: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    return generator.integers(-9, 10, shape).astype(dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "spelling", ["ik,kj->ij", "ki,kj->ij", "ik,jk->ij", "ki,jk->ij", "ik,kj->ji"]
)
def test_whole_numbers_are_exact(spelling, dtype):
    generator = np.random.default_rng(1)
    first_term, second_term = spelling.partition("->")[0].split(",")
    product = wg.jit(lambda a, b: np.einsum(spelling, a, b))
    for rows, columns, depth in SHAPES:
        sizes = {"i": rows, "j": columns, "k": depth}
        first = whole(generator, tuple(sizes[c] for c in first_term), dtype)
        second = whole(generator, tuple(sizes[c] for c in second_term), dtype)
        expected = np.einsum(spelling, first.astype(np.int64), second.astype(np.int64))
        for _ in range(2):  # evaluated, then compiled
            found = product(first, second)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, expected)


def test_real_numbers_are_as_good_as_numpys():
    generator = np.random.default_rng(2)
    first, second = generator.standard_normal((130, 700)), generator.standard_normal((700, 90))
    product = wg.jit(np.matmul)
    product(first, second)
    exact = first.astype(np.longdouble) @ second.astype(np.longdouble)
    bound = 4 * np.finfo(float).eps * (abs(first) @ abs(second))
    assert np.all(abs(product(first, second) - exact) <= bound)


def test_the_result_does_not_depend_on_threads(monkeypatch):
    generator = np.random.default_rng(3)
    first, second = generator.standard_normal((300, 500)), generator.standard_normal((500, 300))
    stack = generator.standard_normal((200, 30, 40))
    function = wg.jit(lambda a, b, c: (a @ b, c @ np.swapaxes(c, 1, 2)))
    function(first, second, stack)
    found = []
    for threads in (1, 2, 3):
        monkeypatch.setattr(wg.config, "num_threads", threads)
        found.append(function(first, second, stack))
    for other in found[1:]:
        np.testing.assert_array_equal(found[0][0], other[0])
        np.testing.assert_array_equal(found[0][1], other[1])


def test_nan_and_infinity_stay_in_their_rows_and_columns():
    first, second = np.ones((101, 99)), np.ones((99, 103))
    first[5, 7], second[7, 100], first[100, 98] = np.nan, np.inf, -np.inf
    product = wg.jit(np.matmul)
    with np.errstate(invalid="ignore"):
        expected = first @ second
        product(first, second)
        np.testing.assert_array_equal(product(first, second), expected)


@pytest.mark.parametrize("batch", [(3,), (40,), (2, 21)])
def test_batches(batch):
    generator = np.random.default_rng(4)
    product = wg.jit(np.matmul)
    for rows, columns, depth in ((70, 80, 60), (24, 40, 31), (9, 1, 12), (1, 12, 9)):
        first = whole(generator, (*batch, rows, depth), float)
        for second_batch in (batch, (1,) * len(batch), ()):
            second = whole(generator, (*second_batch, depth, columns), float)
            for _ in range(2):
                found = product(first, second)
            np.testing.assert_array_equal(found, first @ second)


def test_other_strides_and_transposed_results():
    generator = np.random.default_rng(5)
    first = whole(generator, (140, 240), float)[::2, ::-1]
    second = whole(generator, (80, 240), float).T[:, ::-1]
    product = wg.jit(lambda a, b: (a @ b).T + 1)
    for _ in range(2):
        found = product(first, second)
    np.testing.assert_array_equal(found, (first @ second).T + 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_matrices_times_vectors(dtype):
    generator = np.random.default_rng(7)
    for rows, columns in ((700, 100), (30_001, 7), (3, 20_000), (90_000, 1), (100, 100)):
        matrix = whole(generator, (rows, columns), dtype)
        right, left = whole(generator, (columns,), dtype), whole(generator, (rows,), dtype)
        function = wg.jit(lambda m, x, y: (m @ x, y @ m, x @ m.T, m.T @ y))
        for _ in range(2):
            found = function(matrix, right, left)
        expected = matrix @ right, left @ matrix, right @ matrix.T, matrix.T @ left
        for own, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(own, other)


def test_outer_products_need_no_library():
    generator = np.random.default_rng(6)
    x, y = generator.standard_normal((30, 40)), generator.standard_normal((30, 50))
    outer = wg.jit(lambda x, y: np.tanh(np.einsum("bi,bj->bij", x, y)))
    outer(x, y)
    np.testing.assert_allclose(outer(x, y), np.tanh(x[:, :, None] * y[:, None, :]), rtol=1e-15)


@pytest.mark.parametrize("tile", [(6, 2, 4), (12, 2, 2), (6, 2, 2)])
def test_tiles_of_other_machines(tile, monkeypatch):
    make_available()
    monkeypatch.setattr(tiles, "tile_of", lambda letter: tiles.Tile(*tile))
    name = tiles.symbol("d")
    code = engine.link([engine.assemble(tiles.text_of("d"), 3)], [name], [PARALLEL])
    words = [ctypes.c_int64] * 14
    function = ctypes.CFUNCTYPE(None, *words, ctypes.c_bool)(code.addresses[name])
    generator = np.random.default_rng(8)
    for rows, columns, depth in ((1, 1, 1), (5, 9, 3), (50, 31, 200), (130, 70, 400)):
        first, second = (
            whole(generator, (rows, depth), float),
            whole(generator, (depth, columns), float),
        )
        found = np.full((rows, columns), np.nan)
        packed = np.empty(tiles.packed_bytes("d", columns, depth) // 8)
        high, wide, _ = tiles.blocks_of("d", rows, columns, depth)
        function(
            rows, columns, depth, first.ctypes.data, depth, 1, second.ctypes.data, columns, 1,
            found.ctypes.data, columns, packed.ctypes.data, high, wide, True,
        )  # fmt: skip
        np.testing.assert_array_equal(found, first @ second)


@pytest.mark.parametrize("letter", tiles.PRECISIONS)
def test_blocks_cover_the_result_and_fit_the_stack(letter):
    tile = tiles.tile_of(letter)
    for rows, columns, depth in ((4, 70000, 2), (70000, 4, 2), (128, 256, 784), (999, 998, 100)):
        high, wide, _ = tiles.blocks_of(letter, rows, columns, depth)
        assert high % tile.rows == 0
        assert wide % tile.columns == 0
        assert 0 < high <= 96
        assert wide > 0
