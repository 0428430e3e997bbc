"""The check of one call: NumPy's value in every mode, derivatives of two orders by differences.

The plain program says what is expected. Along one direction of all points together, differences
give the first and the second derivative of every entry; all modes have to agree with them.
"""

import warnings

import numpy as np
import pytest

import wengert as wg
from reference import bits, extrapolated, irregular
from wengert.tracing.core import innermost, raw_of

STEPS = (0.012, 0.006, 0.003, 0.0015)
FIRST, SECOND = 1e-9, 2e-6


def check(call, *, zero=False):
    """Assert that a call has NumPy's value, and right derivatives, inside transformations."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        for category in (
            np.exceptions.ComplexWarning,
            PendingDeprecationWarning,  # of np.matrix
            wg.errors.UnusedInputWarning,
        ):
            warnings.simplefilter("ignore", category)
        expected = leaves(call.run(*call.points))
        program = Program(call)
        if call.refusal:
            with pytest.raises(TypeError, match=call.refusal):
                wg.vjp(program, *call.points)
            return
        points = call.points or [1.0]  # a call of constants alone runs inside all the same
        for transform in (in_reverse, in_forward, in_both):
            transform(program, points)
            compare_values(program.seen, expected, rounding=call.rounding)
        if call.orders and call.variables:
            check_derivatives(call, program, zero=zero)


class Program:
    """A call as a function of its points that gives its floating-point leaves, and keeps all."""

    def __init__(self, call):
        self.call = call
        self.seen = []

    def __call__(self, *points):
        points = points[: len(self.call.variables)]
        self.seen = leaves(self.call.run(*points))
        found = [leaf for leaf in self.seen if is_floating(leaf)]
        return found or [0.0]


def in_reverse(program, points):
    wg.vjp(program, *points)


def in_forward(program, points):
    wg.jvp(program, tuple(points), tuple(map(direction, points)))


def in_both(program, points):
    wg.jvp(lambda *inner: wg.vjp(program, *inner)[0], tuple(points), tuple(map(direction, points)))


def leaves(result):
    """The entries of a result, nested lists, tuples and dictionaries taken apart."""
    if isinstance(result, (list, tuple)):
        return [entry for part in result for entry in leaves(part)]
    return [result]


def is_floating(leaf):
    if isinstance(leaf, (np.ndarray, np.generic)):
        return leaf.dtype.kind in "fc"
    return isinstance(leaf, (float, complex))


def direction(point):
    """A direction of the kind of a point, no entry 0 and no two alike."""
    along = irregular(point)
    if np.iscomplexobj(point):
        along = along + 1j * irregular(point)[::-1]
    if isinstance(point, np.ndarray):
        return np.asarray(along, point.dtype)
    return type(point)(along)


def compare_values(found, expected, *, rounding):
    """Assert the same number of leaves, kinds, dtypes, shapes, and bits (or numbers)."""
    assert len(found) == len(expected)
    for leaf, plain in zip(found, expected, strict=True):
        value = innermost(raw_of(leaf))
        if not isinstance(plain, (np.ndarray, np.generic, float, complex)):
            assert type(value) is type(plain)
            assert value == plain
            continue
        assert type(value) is type(plain), (type(value), type(plain))
        if isinstance(plain, (np.ndarray, np.generic)):
            assert value.dtype == plain.dtype
            assert value.shape == plain.shape
        if rounding:
            np.testing.assert_allclose(value, plain, rtol=1e-12, atol=1e-13)
        else:
            assert bits(value) == bits(plain), (value, plain)


def weights(values):
    """Weights of outputs, complex for complex ones."""
    return [irregular(value) * (1.0 - 0.5j if np.iscomplexobj(value) else 1.0) for value in values]


def paired(left, right):
    """Re Σ over pairs of leaves."""
    return sum(np.sum(np.real(x * y)) for x, y in zip(left, right, strict=True))


def differences(call, points, along):
    """First and second derivative of each floating leaf along a direction, by extrapolation."""

    def curve(distance):
        moved = [
            moved_along(point, change, distance)
            for point, change in zip(points, along, strict=True)
        ]
        return [np.asarray(leaf) for leaf in leaves(call.run(*moved)) if is_floating(leaf)]

    centre = curve(0.0)
    sides = [(curve(step), curve(-step)) for step in STEPS]
    first, second = [], []
    for index, middle in enumerate(centre):
        pairs = [(ahead[index], behind[index]) for ahead, behind in sides]
        columns = [
            [(ahead - behind) / (2 * h) for h, (ahead, behind) in zip(STEPS, pairs, strict=True)],
            [
                (ahead - 2 * middle + behind) / (h * h)
                for h, (ahead, behind) in zip(STEPS, pairs, strict=True)
            ],
        ]
        first.append(extrapolated(columns[0]))
        second.append(extrapolated(columns[1]))
    return first, second


def moved_along(point, change, distance):
    """A point further along a direction; in float64 where it is coarser."""
    if isinstance(point, np.ndarray):
        finer = np.promote_types(point.dtype, np.float64)
        return point.astype(finer) + distance * change.astype(finer)
    return type(point)(point + distance * change)


def near(found, expected, tolerance, what):
    """Assert leaves within a tolerance of the larger of 1 and the scale; nan meets nan."""
    assert len(found) == len(expected), what
    for actual, wanted in zip(found, expected, strict=True):
        actual, wanted = np.asarray(actual), np.asarray(wanted)
        assert actual.shape == wanted.shape, (what, actual.shape, wanted.shape)
        known = np.isfinite(wanted)
        scale = max(1.0, float(np.max(np.abs(wanted[known]), initial=0.0)))
        off = float(np.max(np.abs(actual - wanted)[known], initial=0.0))
        assert off <= tolerance * scale, f"{what}: off by {off:.2g}: {actual!r} for {wanted!r}"


def check_derivatives(call, program, *, zero):
    points = tuple(call.points)
    along = tuple(map(direction, points))
    which = tuple(range(len(points)))
    values, tangents = wg.jvp(program, points, along)
    if not any(is_floating(leaf) for leaf in program.seen):
        return
    first, second = differences(call, points, along)
    if zero:
        first = [np.zeros_like(entry) for entry in first]
        second = first
    coarse = any(np.asarray(point).dtype == np.float32 for point in points)
    tolerance = 1e-5 if coarse else FIRST
    near(tangents, first, tolerance, "forward")
    factors = weights(values)
    finite = [np.isfinite(value) for value in values]
    factors = [np.where(known, factor, 0) for known, factor in zip(finite, factors, strict=True)]
    first = [np.where(known, entry, 0) for known, entry in zip(finite, first, strict=True)]
    second = [np.where(known, entry, 0) for known, entry in zip(finite, second, strict=True)]

    def objective(*inner):
        total = 0.0
        for leaf, factor, known in zip(program(*inner), factors, finite, strict=True):
            chosen = leaf if known.all() else np.where(known, leaf, 0.0)
            total = total + np.sum(np.real(chosen * factor))
        return total

    gradient = wg.grad(objective, which)

    def slope(*inner):
        return paired(gradient(*inner), along)

    for value, point in zip(gradient(*points), points, strict=True):
        assert type(value) is type(point)
        assert np.shape(value) == np.shape(point)
    near([slope(*points)], [paired(first, factors)], tolerance, "reverse")
    if call.orders < 2 or coarse:
        return
    pushed = wg.jvp(lambda *inner: wg.jvp(program, inner, along)[1], points, along)[1]
    near(pushed, second, SECOND, "forward over forward")
    product = wg.jvp(gradient, points, along)[1]
    near([paired(product, along)], [paired(second, factors)], SECOND, "forward over reverse")
    near(wg.grad(slope, which)(*points), product, 1e-9, "reverse over reverse")
