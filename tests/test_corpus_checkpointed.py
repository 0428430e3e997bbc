"""Whole programs under checkpoint, custom rules and debug_nans: their derivatives stay."""

import numpy as np
import pytest

import wengert as wg
from corpus import PROGRAMS


def same(found, expected):
    assert wg.tree.structure(found) == wg.tree.structure(expected)
    for entry, other in zip(wg.tree.leaves(found), wg.tree.leaves(expected), strict=True):
        size = max(1.0, float(np.max(np.abs(other), initial=0.0)))
        np.testing.assert_allclose(entry, other, rtol=0, atol=1e-11 * size)


def custom(function):
    made = wg.custom_vjp(lambda p: function(p))
    # Some programs write their argument: what the rule keeps is another one.
    made.defvjp(
        lambda p: (function(wg.tree.map(np.copy, p)), p),
        lambda p, g: wg.vjp(function, p)[1](g),
    )
    return made


@pytest.mark.parametrize("name", PROGRAMS)
def test_gradients_stay(name):
    program = PROGRAMS[name]
    point = program.point

    def function(p):
        value = program.function(p)
        weights = np.cos(np.arange(np.size(value))).reshape(np.shape(value))
        return np.sum(np.real(value) * weights)

    expected = wg.grad(function)(point)
    same(wg.grad(wg.checkpoint(function))(point), expected)
    same(wg.grad(wg.checkpoint(function, policy="cheap dropped"))(point), expected)
    same(wg.grad(wg.checkpoint(function, memory=2000))(point), expected)
    same(wg.grad(custom(function))(point), expected)
    direction = wg.tree.map(lambda leaf: 0.5 * leaf, point)
    second = wg.jvp(wg.grad(function), (point,), (direction,))[1]
    same(wg.jvp(wg.grad(wg.checkpoint(function)), (point,), (direction,))[1], second)
    with np.errstate(all="ignore"), wg.config(debug_nans=True):
        same(wg.grad(function)(point), expected)
