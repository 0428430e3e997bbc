"""Whole programs under ``vmap``: values and gradients are those of a loop over the examples."""

import functools

import numpy as np
import pytest

import wengert as wg
from corpus import PROGRAMS
from reference import irregular, of_kind
from wengert.errors import BatchingError

EXAMPLES = 3
WITHOUT_CONTROL = sorted(
    name for name, entry in PROGRAMS.items() if not entry.flags & {"branches", "loops", "positions"}
)
# Programs that no flag marks and that still ask for a value, with what they ask.
ASKING = {
    "basis_splines_by_recursion": "a truth value",
}


def near(point, k):
    """A point near another one: the same program runs there, on other numbers."""
    return wg.tree.map(
        lambda leaf: of_kind(
            np.asarray(leaf)
            * (1 + 0.003 * k * np.cos(np.arange(np.size(leaf))).reshape(np.shape(leaf))),
            leaf,
        ),
        point,
    )


def stacked(trees):
    return wg.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *trees)


def examples(name):
    return [near(PROGRAMS[name].point, k) for k in range(EXAMPLES)]


def close(found, expected, tolerance):
    pairs = zip(wg.tree.leaves(found), wg.tree.leaves(expected), strict=True)
    for entry, other in pairs:
        size = max(1.0, float(np.max(np.abs(other), initial=0.0)))
        np.testing.assert_allclose(entry, other, rtol=0, atol=tolerance * size)


def fresh(tree):
    return wg.tree.map(np.array, tree)


@pytest.mark.parametrize("name", WITHOUT_CONTROL)
def test_values_are_those_of_the_loop(name):
    function = PROGRAMS[name].function
    points = examples(name)
    batch = stacked(points)
    if name in ASKING:
        with pytest.raises(BatchingError, match=ASKING[name]):
            wg.vmap(function)(fresh(batch))
        return
    found = wg.vmap(function)(fresh(batch))
    close(found, np.stack([function(near(point, 0)) for point in points]), 1e-10)


@functools.cache
def objective(name):
    function = PROGRAMS[name].function

    def total(point):
        out = function(point)
        return np.sum(irregular(out) * (out + 0.5 * out * out))

    return total


@pytest.mark.parametrize("name", [name for name in WITHOUT_CONTROL if name not in ASKING])
def test_gradients_of_examples_are_those_of_the_loop(name):
    gradient = wg.grad(objective(name))
    points = examples(name)
    found = wg.vmap(gradient)(stacked(points))
    close(found, stacked([gradient(point) for point in points]), 1e-8)


@pytest.mark.parametrize("name", [name for name in WITHOUT_CONTROL if name not in ASKING])
def test_gradient_through_vmap(name):
    function = objective(name)
    points = examples(name)
    weights = np.array([1.0, -0.5, 2.0])
    found = wg.grad(lambda batch: np.sum(weights * wg.vmap(function)(batch)))(stacked(points))
    expected = [
        wg.tree.map(lambda entry, w=w: w * entry, wg.grad(function)(point))
        for w, point in zip(weights, points, strict=True)
    ]
    close(found, stacked(expected), 1e-8)
