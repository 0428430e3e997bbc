"""Gradients of sorted values in native code: equal entries share, nothing leaks to neighbours."""

import numpy as np
import pytest

import wengert as wg
from wengert.backends.llvm import compile_program
from wengert.backends.llvm.build import build


def by_hand(x, weights):
    """Return the gradient of a sum of sorted entries times weights, over the runs by counting."""
    gradient = np.empty_like(x)
    order = np.argsort(x, kind="stable")
    ordered = x[order]
    for value in np.unique(ordered, equal_nan=True):
        run = np.isnan(ordered) if np.isnan(value) else ordered == value
        gradient[order[run]] = weights[run].sum() / np.count_nonzero(run)
    return gradient


def gradients(x, weights):
    """Return the gradient, eagerly and as native code."""
    gradient = wg.grad(lambda x: np.sum(np.sort(x) * weights))
    program = wg.trace(gradient)(x)
    assert "run_mean" not in build(program).called_back
    return gradient(x), compile_program(program)(x)[0]


@pytest.mark.parametrize("different", [2, 5, 40, 10_000])
def test_equal_entries_share(different):
    generator = np.random.default_rng(different)
    x = generator.integers(0, different, 1000).astype(float)
    weights = generator.normal(size=1000)
    for found in gradients(x, weights):
        np.testing.assert_allclose(found, by_hand(x, weights), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_few_entries(size):
    weights = np.arange(1.0, size + 1)
    for x in (np.zeros(size), np.arange(size, 0.0, -1.0), np.full(size, np.nan)):
        for found in gradients(x, weights):
            np.testing.assert_array_equal(found, by_hand(x, weights))


def test_infinite_changes_stay_with_their_entry():
    x = np.array([3.0, 1.0, 2.0, 2.0, 5.0, np.nan, np.nan, -0.0, 0.0])
    for place, number in ((0, np.inf), (4, -np.inf), (6, np.nan), (8, np.inf)):
        weights = np.arange(1.0, 10.0)
        weights[place] = number
        with np.errstate(invalid="ignore"):
            expected = by_hand(x, weights)
            found = gradients(x, weights)
        for gradient in found:
            np.testing.assert_array_equal(gradient, expected)


def test_both_modes_along_each_axis():
    x = np.round(np.random.default_rng(3).normal(size=(6, 5, 4)), 1)
    change = np.random.default_rng(4).normal(size=x.shape)
    for axis in range(3):

        def f(x, axis=axis):
            return np.sort(x, axis=axis) * np.arange(4)

        _, forward = wg.jit(lambda x, f=f: wg.jvp(f, (x,), (change,)))(x)
        weights = np.random.default_rng(5).normal(size=x.shape)
        back = wg.jit(wg.grad(lambda x, f=f, w=weights: np.sum(f(x) * w)))(x)
        np.testing.assert_allclose(np.sum(forward * weights), np.sum(change * back), rtol=1e-12)
