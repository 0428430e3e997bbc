"""Results as long as the values say: compiled once while the length stays, refused under `vmap`.

Masks, ``nonzero`` and its kin, sets, repeats and counts: NumPy's values under `jit`, for values
that change, and derivatives through the entries that are chosen.
"""

import numpy as np
import pytest

import wengert as wg
from wengert.errors import BatchingError

TABLE = np.array([[3.0, -1.0, 2.0, 0.5], [0.0, 4.0, -2.0, 1.5], [1.0, -3.0, 2.5, -0.5]])
ROW = np.array([3.0, 1.0, 2.0, 1.0, 3.0, 0.0, 5.0, 0.0])
POINTS = np.array([1 + 1j, 0.0, 1 + 1j, 2 - 1j, 0.0])
PICK = np.array([2, 0])


def written(x):
    y = np.array(x)
    y[y > 1.0] = y[y > 1.0] ** 2
    y[y < 0.0] += np.cumsum(y[y < 0.0])
    y[y[:, 0] > 0.5, 1] *= -2.0
    y[1, y[1] > 1.0] = np.arange(7.0, 11.0)[: np.sum(y[1] > 1.0)]
    return y


FUNCTIONS = {
    "mask": (lambda x: x[x > 1.0] ** 2, TABLE),
    "mask of rows": (lambda x: x[x[:, 0] > 0.5], TABLE),
    "mask of columns": (lambda x: x[:, x[0] > 0.0], TABLE),
    "mask and column": (lambda x: x[x[:, 0] > 0.5, 1], TABLE),
    "mask and integers": (lambda x: x[x[:, 0] > 0.5, PICK], TABLE),
    "mask after a new axis": (lambda x: x[None, x[:, 1] < 0.0, ..., 1:], TABLE),
    "two masks": (lambda x: x[x[:, 0] > 0.5, x[0] > 1.0], TABLE),
    "masks by ix_": (lambda x: x[np.ix_(x[:, 0] > 0.5, [0, 2])], TABLE),
    "a mask of a view": (lambda x: x.T[1:][x.T[1:] > 0.0], TABLE),
    "writes": (written, TABLE),
    "iterated": (lambda x: sum(v**k for k, v in enumerate(x[x > 1.0])), TABLE),
    "length": (lambda x: len(x[x > 1.0]) * x, TABLE),
    "nonzero": (np.nonzero, ROW),
    "nonzero of a table": (lambda x: np.nonzero(x > 1.0), TABLE),
    "x.nonzero": (lambda x: x[x.nonzero()], ROW),
    "flatnonzero": (lambda x: np.flatnonzero(x > 1.0), TABLE),
    "argwhere": (lambda x: np.argwhere(x > 1.0), TABLE),
    "where": (lambda x: np.where(x > 1.0), TABLE),
    "compress": (lambda x: np.compress(x[:, 0] > 0.5, x, axis=0), TABLE),
    "x.compress": (lambda x: x.compress(x[0, :2] > 0.0, axis=1), TABLE),
    "extract": (lambda x: np.extract(x > 1.0, x), TABLE),
    "delete": (lambda x: np.delete(x, x[:, 1] < 0.0, axis=0), TABLE),
    "repeat": (lambda x: np.repeat(x, (x > 1.0).astype(int) * 2), ROW),
    "repeat along": (lambda x: np.repeat(x, (x[0] > 1.0).astype(int) + 1, axis=1), TABLE),
    "bincount": (lambda x: np.bincount(np.floor(x).astype(int)), ROW),
    "bincount with weights": (lambda x: np.bincount(np.floor(x).astype(int), x, 7), ROW),
    "trim_zeros": (np.trim_zeros, ROW),
    "unique": (np.unique, ROW),
    "unique, all of it": (lambda x: np.unique(x, True, True, True), ROW),
    "unique rows": (lambda x: np.unique(np.floor(x[:, :2]), axis=0), TABLE),
    "unique columns": (lambda x: np.unique(x[:, [0, 1, 0]], True, True, True, axis=1), TABLE),
    "unique along a vector": (lambda x: np.unique(x, return_inverse=True, axis=-1), ROW),
    "unique of complex": (np.unique, POINTS),
    "unique of complex, counted": (lambda x: np.unique(x, return_counts=True), POINTS),
    "unique, not sorted": (lambda x: np.unique(x, sorted=False), ROW),
    "unique_all": (np.unique_all, ROW),
    "unique_counts": (np.unique_counts, ROW),
    "unique_inverse": (np.unique_inverse, ROW),
    "unique_values": (np.unique_values, ROW),
    "union1d": (lambda x: np.union1d(x, 2.0 * x), ROW),
    "intersect1d": (lambda x: np.intersect1d(x, 2.0 * x, return_indices=True), ROW),
    "setdiff1d": (lambda x: np.setdiff1d(x, x[:2]), ROW),
    "setxor1d": (lambda x: np.setxor1d(x, x[:2]), ROW),
}
each_function = pytest.mark.parametrize(("function", "x"), FUNCTIONS.values(), ids=FUNCTIONS.keys())
# The largest value says how many bins there are.
BY_LARGEST = frozenset(["bincount"])


def assert_same(found, expected):
    assert wg.tree.structure(found) == wg.tree.structure(expected)
    for entry, plain in zip(wg.tree.leaves(found), wg.tree.leaves(expected), strict=True):
        assert type(entry) is type(plain)
        assert np.shape(entry) == np.shape(plain)
        np.testing.assert_allclose(entry, plain, rtol=1e-14)


@each_function
def test_compiled_once_while_the_length_stays(function, x, request):
    runs = []

    def counted(x):
        runs.append(None)
        return function(x)

    compiled = wg.jit(counted)
    for _ in range(3):
        assert_same(compiled(x), function(x))
    assert len(runs) == 1
    if request.node.callspec.id not in BY_LARGEST:
        # other entries are chosen, as many of them
        for other in (x[::-1].copy(), np.roll(x, 1, axis=0), x[::-1] * 1.0):
            found = compiled(other)
            assert_same(found, function(other))


def test_a_mask_that_moves_is_compiled_once():
    runs = []

    def largest_three(x):
        runs.append(None)
        return np.sum(x[x > np.sort(x)[-4]] ** 3)

    compiled = wg.jit(wg.value_and_grad(largest_three))
    for seed in range(30):
        x = np.random.default_rng(seed).normal(size=20)
        top = np.sort(x)[-3:]
        value, gradient = compiled(x)
        np.testing.assert_allclose(value, np.sum(top**3), rtol=1e-13)
        np.testing.assert_allclose(gradient, np.where(x >= top[0], 3 * x**2, 0), rtol=1e-13)
    assert len(runs) == 1


@each_function
def test_gradient_compiled(function, x):
    first = wg.tree.leaves(function(x))[0]
    if np.asarray(first).dtype.kind not in "fc":
        return

    def objective(x):
        return np.sum(np.real(np.sin(wg.tree.leaves(function(x))[0])))

    expected = wg.grad(objective)(x)
    compiled = wg.jit(wg.grad(objective))
    for _ in range(2):
        np.testing.assert_allclose(compiled(x), expected, rtol=1e-13)
    np.testing.assert_allclose(wg.grad(wg.jit(objective))(x), expected, rtol=1e-13)


@each_function
def test_examples_that_may_differ_are_refused(function, x, request):
    if request.node.callspec.id == "writes":
        return
    with pytest.raises(BatchingError, match=r"or loop over the examples|Choose with"):
        wg.vmap(function)(np.stack([x, x]))


@pytest.mark.parametrize(
    ("function", "remedy"),
    [
        (lambda x: x[x > 1.0], r"numpy.where\(mask, value, x\)"),
        (lambda x: np.unique(x, axis=0), r"numpy.sort\(x\)"),
        (lambda x: np.bincount(x[0].astype(int) % 3), r"numpy.add.at\(counts, places, 1.0\)"),
        (lambda x: np.repeat(x[0], (x[0] > 0).astype(int)), "weight the entries"),
    ],
)
def test_the_refusal_names_what_to_type(function, remedy):
    with pytest.raises(BatchingError, match=remedy):
        wg.vmap(function)(np.stack([TABLE, TABLE]))


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x: x[x[0] > 0.0],
        lambda x: x[x[:2] > 0.0],
        lambda x: x[:, x[:, 0] > 0.0],
        lambda x: np.delete(x, x[0] > 0.0, axis=0),
        lambda x: np.nonzero(np.sum(x)),
        lambda x: np.compress(x > 0.0, x),
        lambda x: np.repeat(x, x[0].astype(int), axis=0),
        lambda x: np.repeat(x, -np.ones_like(x[:, 0]).astype(int), axis=0),
        lambda x: np.bincount(x[0].astype(int) - 9),
        lambda x: np.bincount(x.astype(int)),
        lambda x: np.unique(x, axis=2),
    ],
)
def test_errors_are_those_of_numpy(wrong):
    with pytest.raises((ValueError, IndexError, TypeError)) as expected:
        wrong(TABLE)
    with pytest.raises(expected.type):
        wg.jit(wrong)(TABLE)


def test_nan_of_unique():
    nan = np.nan
    real = np.array([nan, 1.0, nan, 0.0, 1.0])
    points = np.array([complex(2, nan), complex(nan, 1), complex(1, nan), 3.0])
    for x in (real, points, points[::-1].copy()):
        for keywords in ({}, {"equal_nan": False}, {"return_index": True, "return_counts": True}):

            def find(x, keywords=keywords):
                return np.unique(x, **keywords)

            assert_same(wg.jit(find)(x), find(x))
            assert_same(wg.jvp(find, (x,), (np.ones_like(x),))[0], find(x))


def test_lengths_that_differ_are_other_paths():
    runs = []

    def program(x):
        runs.append(None)
        return np.sum(x[x > 0.0] ** 2)

    compiled = wg.jit(program)
    points = [np.array([1.0, 2.0, -3.0]), np.array([-1.0, -2.0, 3.0])]
    expected = [5.0, 9.0]
    for _ in range(3):
        assert [compiled(x) for x in points] == expected
    known = len(runs)
    for _ in range(2):
        assert [compiled(-x) for x in points] == expected[::-1]
    assert len(runs) == known


def test_empty():
    x = np.zeros((0, 3))
    for function in (np.nonzero, np.argwhere, np.flatnonzero, np.unique):
        assert_same(wg.jit(function)(x), function(x))
    assert wg.jit(lambda x: x[x > 0.0])(x).shape == (0,)
    assert_same(
        wg.jit(lambda x: np.bincount(x.astype(int)[:, 0], minlength=2))(x), np.zeros(2, int)
    )
