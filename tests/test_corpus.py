"""Whole programs differentiate: first and second order, each mode, and inside another one.

Values are compared bit by bit with plain NumPy, derivatives with extrapolated differences of the
plain program along fixed directions that no two entries of a derivative can cancel on.
"""

import functools

import numpy as np
import pytest

import wengert as wg
from corpus import PROGRAMS
from reference import central, close, irregular, of_kind, same

# The differences themselves are good to about 1e-12 (first order) and 1e-9 (second order).
FIRST, SECOND, MODES = 1e-9, 1e-6, 1e-9


def copied(point):
    return wg.tree.map(lambda leaf: of_kind(np.asarray(leaf), leaf), point)


def direction(point, phase):
    """A tree like ``point`` of numbers of size 1, no two of which are related."""
    leaves, structure = wg.tree.flatten(point)
    made = []
    for leaf in leaves:
        phase += 0.7
        made.append(
            of_kind(np.cos(phase + 2.0 * np.arange(np.size(leaf))).reshape(np.shape(leaf)), leaf)
        )
    return wg.tree.unflatten(structure, made)


def moved(point, *moves):
    """``point`` plus distances along directions."""
    for distance, along in moves:
        point = wg.tree.map(lambda x, d, h=distance: of_kind(x + h * d, x), point, along)
    return point


def paired(tree, other):
    """The inner product of two trees."""
    rows = zip(wg.tree.leaves(tree), wg.tree.leaves(other), strict=True)
    return sum(np.sum(x * y) for x, y in rows)


def scalarised(function):
    """A number of the program's output, whose curvature weighs every entry."""

    def objective(point):
        out = function(point)
        return np.sum(irregular(out) * (out + 0.5 * out * out))

    return objective


@functools.cache
def differences(entry):
    """Along v and u at the point: f'v, s'v, u s'' v, for the program f and its scalar s."""
    scalar = scalarised(entry.function)
    v, u = direction(entry.point, 0.0), direction(entry.point, 1.3)
    first = central(lambda h: entry.function(moved(entry.point, (h, v))), entry.steps)
    slope = central(lambda h: scalar(moved(entry.point, (h, v))), entry.steps)
    curvature = central(
        lambda g: central(lambda h: scalar(moved(entry.point, (g, u), (h, v))), entry.steps),
        entry.steps,
    )
    return v, u, first, slope, curvature


each_program = pytest.mark.parametrize("entry", PROGRAMS.values(), ids=PROGRAMS.keys())


def test_there_are_enough():
    assert len(PROGRAMS) >= 60


@each_program
def test_value_and_first_derivatives(entry):
    v, _, first, slope, _ = differences(entry)
    expected = entry.function(copied(entry.point))
    given = copied(entry.point)
    value, tangent = wg.jvp(entry.function, (given,), (v,))
    same(value, expected)
    close(tangent, first, FIRST)
    value, pullback = wg.vjp(entry.function, given)
    same(value, expected)
    cotangent = of_kind(irregular(value), value)
    close(paired(pullback(cotangent)[0], v), np.sum(cotangent * first), FIRST)
    scalar = scalarised(entry.function)
    value, gradient = wg.value_and_grad(scalar)(given)
    same(value, scalar(copied(entry.point)))
    close(paired(gradient, v), slope, FIRST)
    wg.tree.map(same, given, entry.point)


@each_program
def test_second_derivatives(entry):
    v, u, _, _, curvature = differences(entry)
    scalar = scalarised(entry.function)
    given = copied(entry.point)
    over_reverse = paired(wg.hvp(scalar, given, v), u)
    close(over_reverse, curvature, SECOND)
    slope = lambda point: wg.jvp(scalar, (point,), (v,))[1]  # noqa: E731
    gradient = wg.grad(scalar)
    others = {
        "grad of grad": paired(wg.grad(lambda point: paired(gradient(point), v))(given), u),
        "jvp of grad": paired(wg.jvp(gradient, (given,), (u,))[1], v),
        "jvp of jvp": wg.jvp(slope, (given,), (u,))[1],
        "vjp of jvp": paired(wg.vjp(slope, given)[1](1.0)[0], u),
    }
    for name, found in others.items():
        assert abs(found - over_reverse) <= MODES * max(1.0, abs(over_reverse)), name
    wg.tree.map(same, given, entry.point)


batched = [entry for entry in PROGRAMS.values() if not entry.flags]


@pytest.mark.parametrize("entry", batched, ids=[entry.name for entry in batched])
def test_vmap_is_a_loop(entry):
    """Of programs that ask for no value; the others say what to write instead."""
    points = [copied(entry.point), moved(entry.point, (0.01, direction(entry.point, 0.5)))]
    stacked = wg.tree.map(lambda *leaves: np.stack(leaves), *points)
    expected = np.stack([entry.function(copied(point)) for point in points])
    close(wg.vmap(entry.function)(stacked), expected, 1e-11)


@each_program
def test_jacobians_inside_a_pullback(entry):
    """Of the vector of all parameters: ``jacfwd`` pulled back, and ``jacrev`` pushed forward."""
    v, u, _, _, curvature = differences(entry)
    vector, unravel = wg.tree.ravel(entry.point)
    along_v, along_u = wg.tree.ravel(v)[0], wg.tree.ravel(u)[0]
    scalar = scalarised(entry.function)
    flat = lambda x: scalar(unravel(x))  # noqa: E731
    _, pullback = wg.vjp(wg.jacfwd(flat), vector)
    close(pullback(along_v)[0] @ along_u, curvature, SECOND)
    _, tangent = wg.jvp(wg.jacrev(flat), (vector,), (along_u,))
    close(tangent @ along_v, curvature, SECOND)
