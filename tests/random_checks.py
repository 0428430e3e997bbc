"""What must hold of any program: value, both modes, every nesting, differences, inputs untouched.

A check either passes, or raises. Where a kink is too close for differences to settle on a number,
or where single precision leaves none to compare with, modes are compared with one another only.
"""

import math
import warnings
from collections import Counter

import numpy as np

import wengert as wg
from reference import irregular, of_kind, same
from wengert.tracing.creation import is_patched

# Relative to the largest number in sight. Modes agree to rounding; what differences say of
# themselves, by how much the last extrapolation moved, is multiplied before it is believed.
MODES, MODES_SINGLE, DIFFERENCES, TRUST = 1e-8, 3e-3, 1e-6, 30.0
STEPS = (0.008, 0.004, 0.002, 0.001)


class Disagreement(AssertionError):
    """Two numbers that must be equal are not."""


def extrapolated(curve, steps=STEPS):
    """Return a derivative at 0 by extrapolated differences, and how far it can be believed."""
    column = [(np.asarray(curve(h)) - np.asarray(curve(-h))) / (2 * h) for h in steps]
    previous = column
    for order in range(1, len(steps)):
        previous = column
        column = [
            (4**order * column[i + 1] - column[i]) / (4**order - 1) for i in range(len(column) - 1)
        ]
    doubt = np.max(np.abs(column[0] - previous[-1]), initial=0.0)
    return column[0], float(doubt)


def fresh(point):
    return tuple(x.copy() if isinstance(x, np.ndarray) else x for x in point)


def directions(point, phase):
    return tuple(of_kind(np.cos(phase + 0.7 * k + irregular(x)), x) for k, x in enumerate(point))


def moved(point, distance, along):
    return tuple(of_kind(x + distance * d, x) for x, d in zip(point, along, strict=True))


def paired(first, second):
    return sum(np.sum(np.asarray(a) * b) for a, b in zip(first, second, strict=True))


def expect(name, found, wanted, tolerance):
    found, wanted = np.asarray(found), np.asarray(wanted)
    if found.shape != wanted.shape:
        raise Disagreement(f"{name}: shape {found.shape}, expected {wanted.shape}")
    finite = np.isfinite(wanted)
    if not np.array_equal(found[~finite], wanted[~finite], equal_nan=True):
        raise Disagreement(f"{name}: {found!r}, expected {wanted!r}")
    found, wanted = found[finite], wanted[finite]
    scale = max(1.0, float(np.max(np.abs(wanted), initial=0.0)))
    error = float(np.max(np.abs(found - wanted), initial=0.0))
    if not error <= tolerance * scale:
        raise Disagreement(f"{name}: {found!r}, expected {wanted!r}")


def check_program(function, point, *, counts=None):
    """Raise where a transformation of ``function`` at ``point`` is wrong."""
    counts = Counter() if counts is None else counts
    counts["programs"] += 1
    program = lambda arguments: function(*arguments)  # noqa: E731
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", wg.errors.UnusedInputWarning)
        expected = program(fresh(point))
        single = any(np.asarray(x).dtype == np.float32 for x in (*point, expected))
        tolerance = MODES_SINGLE if single else MODES
        try:
            check_modes(program, point, expected, tolerance, counts, single)
        except wg.errors.TracedWriteError:  # a buffer made of constants, which must be refused
            counts["refused writes"] += 1
    if is_patched():
        raise Disagreement("NumPy's own functions were not put back")


def check_compiled(function, point, calls=3):
    """Raise where the compiled ``function`` gives another value, or writes other arguments."""
    compiled = wg.jit(function)
    single = any(np.asarray(x).dtype == np.float32 for x in point)
    tolerance = MODES_SINGLE if single else MODES
    with np.errstate(all="ignore"):
        plain = fresh(point)
        expected = function(*plain)
        for _ in range(calls):
            given = fresh(point)
            found = compiled(*given)
            if type(found) is not type(expected):
                raise Disagreement(f"{type(found)}, expected {type(expected)}")
            expect("compiled and plain", found, expected, tolerance)
            for argument, wanted in zip(given, plain, strict=True):
                expect("arguments written", argument, wanted, tolerance)


REFUSALS = wg.errors.BatchingError, wg.errors.AliasingError, wg.errors.TracedWriteError


def check_batched(function, point):
    """Raise where vmap of ``function`` is neither a loop nor a refusal; return which it was."""
    points = [tuple(np.asarray(x) + shift for x in point) for shift in (0.0, 0.013, -0.007)]
    if any(np.asarray(x).dtype != float or is_array_without_axes(x) for x in point):
        return False  # an example of a batch is never an array without axes
    with np.errstate(all="ignore"):
        try:
            looped = np.stack([function(*of_arrays(arguments)) for arguments in points])
        except (ValueError, IndexError, TypeError):  # another count of selected entries, or branch
            return False
        stacked = [np.stack(column) for column in zip(*points, strict=True)]
        try:
            found = wg.vmap(function)(*stacked)
        except REFUSALS:
            return False
        expect("vmap and a loop", found, looped, MODES)
    return True


def is_array_without_axes(x):
    return isinstance(x, np.ndarray) and not x.ndim


def of_arrays(arguments):
    return [x.copy() if x.ndim else x[()] for x in arguments]


def scalar_of(program):
    def objective(arguments):
        out = program(arguments)
        return np.sum(irregular(out) * (out + 0.5 * out * out))

    return objective


def check_modes(program, point, expected, tolerance, counts, single):
    given = fresh(point)
    u, v = directions(point, 0.3), directions(point, 1.9)
    value, tangent = wg.jvp(program, (given,), (v,))
    same(value, expected)
    unchanged(given, point)
    value, pullback = wg.vjp(program, given)
    same(value, expected)
    cotangent = of_kind(irregular(value), value)
    pulled = pullback(cotangent)[0]
    unchanged(given, point)
    for gradient, argument in zip(pulled, point, strict=True):
        if np.shape(gradient) != np.shape(argument) or type(gradient) is not type(argument):
            raise Disagreement(f"gradient {gradient!r} of argument {argument!r}")
    value, pushforward = wg.linearize(program, given)
    same(value, expected)
    expect("linearize and jvp", pushforward(v), tangent, tolerance)
    if not np.isfinite(np.asarray(tangent)).all():
        counts["not finite"] += 1
        return
    expect(
        "vjp and jvp", paired(pulled, v), np.sum(tangent * cotangent), tolerance * scale(tangent)
    )
    scalar = scalar_of(program)
    value, gradient = wg.value_and_grad(scalar)(given)
    same(value, scalar(fresh(point)))
    slope = paired(gradient, v)
    pushed = wg.jvp(scalar, (given,), (v,))[1]
    expect("grad and jvp", slope, pushed, tolerance * scale(gradient))
    curvature = check_second_order(scalar, given, u, v, tolerance * scale(gradient))
    unchanged(given, point)
    if single:
        counts["single precision"] += 1
        return
    compare(counts, "first", lambda h: program(moved(point, h, v)), tangent)
    if curvature is not None:
        gradient_at = lambda at: lambda h: paired(wg.grad(scalar)(moved(at, h, u)), v)  # noqa: E731
        try:
            compare(counts, "second", gradient_at(point), curvature)
        except Disagreement:
            # Where arguments tie exactly, first derivatives share, and second ones are made of
            # the shares: by policy. Ties come apart nearby, where nothing is an excuse.
            near = moved(point, 1e-4, directions(point, 4.7))
            here = paired(wg.hvp(scalar, near, v), u)
            compare(Counter(), "second", gradient_at(near), here)
            counts["second order at a tie"] += 1


def check_second_order(scalar, given, u, v, tolerance):
    """Return u·H·v, computed in every nesting of two modes; None where it is not finite."""
    gradient = wg.grad(scalar)
    along = lambda arguments: wg.jvp(scalar, (arguments,), (v,))[1]  # noqa: E731
    product = wg.hvp(scalar, given, v)
    reference = paired(product, u)
    if not math.isfinite(reference):
        return None
    size = scale(product)
    nestings = {
        "forward over reverse": lambda: paired(wg.jvp(gradient, (given,), (u,))[1], v),
        "reverse over reverse": lambda: paired(
            wg.grad(lambda arguments: paired(gradient(arguments), v))(given), u
        ),
        "forward over forward": lambda: wg.jvp(along, (given,), (u,))[1],
        "reverse over forward": lambda: paired(wg.vjp(along, given)[1](along(given) * 0 + 1)[0], u),
    }
    for name, nesting in nestings.items():
        expect(name, nesting(), reference, tolerance * size)
    return reference


def scale(tree):
    """The largest number in sight: terms of its size may cancel in what is compared."""
    leaves = tree if isinstance(tree, tuple) else (tree,)
    return max(1.0, *(float(np.max(np.abs(leaf), initial=0.0)) for leaf in leaves))


def compare(counts, order, curve, found):
    """Compare with differences where these are sure of themselves."""
    try:
        estimate, doubt = extrapolated(curve)
    except (ValueError, IndexError, TypeError, Warning):  # another branch, which fails or warns
        counts[f"{order} order undecided"] += 1
        return
    if not np.isfinite(estimate).all() or not doubt <= DIFFERENCES * scale(estimate):
        counts[f"{order} order undecided"] += 1
        return
    counts[f"{order} order by differences"] += 1
    allowed = DIFFERENCES + TRUST * doubt
    try:
        expect(f"{order} order and differences", found, estimate, allowed * scale(estimate))
    except Disagreement:
        closer, _ = extrapolated(curve, [step / 50 for step in STEPS])  # a kink may be in between
        if not has_kink(curve, scale(estimate)):
            expect(f"{order} order and differences", found, closer, 1e-4 * scale(estimate))
        counts[f"{order} order at a kink"] += 1


def has_kink(curve, size, step=1e-5):
    """Whether the slopes to both sides differ: central differences are then no judge."""
    before, here, after = (np.asarray(curve(h)) for h in (-step, 0.0, step))
    return bool(np.max(np.abs((after - here) - (here - before))) > 1e-3 * step * size)


def unchanged(given, point):
    for argument, before in zip(given, point, strict=True):
        same(argument, before)
