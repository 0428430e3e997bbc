"""Differences along axes: ``np.gradient``, second order inside, and ``np.unwrap``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ..ops.shaping import as_array
from ..tracing.core import ndim_of, shape_of
from ..tracing.decisions import certain
from ..tracing.protocols import implements


def _spacings(given: tuple[Any, ...], shape: tuple[int, ...], axes: tuple[int, ...]) -> list[Any]:
    """Return a spacing an axis: a number, or the distances between neighbours."""
    if not given:
        return [1.0] * len(axes)
    if len(given) == 1 and not ndim_of(given[0]):
        return list(given) * len(axes)
    if len(given) != len(axes):
        raise TypeError("invalid number of arguments")
    found = []
    for axis, spacing in zip(axes, given, strict=True):
        points = as_array(spacing) if ndim_of(spacing) else spacing
        if not ndim_of(points):
            found.append(points)
            continue
        if ndim_of(points) != 1:
            raise ValueError("distances must be either scalars or 1d")
        if shape_of(points)[0] != shape[axis]:
            raise ValueError(
                "when 1d, distances must match the length of the corresponding dimension"
            )
        distances = np.diff(points if points.dtype.kind not in "biu" else points.astype(float))
        equal = certain(distances == distances[0]) and type(distances) is np.ndarray
        found.append(distances[0] if equal else distances)
    return found


def _along(values: Any, axis: int, ndim: int) -> Any:
    """Return a vector shaped to go along one axis."""
    return values.reshape([-1 if i == axis else 1 for i in range(ndim)])


def _difference(f: Any, h: Any, axis: int, edge_order: int) -> Any:
    """Return the derivative along one axis: central inside, one-sided at the two ends."""
    f = np.moveaxis(f, axis, 0)
    ndim = ndim_of(f)
    uniform = not ndim_of(h)
    if uniform:
        inner = (f[2:] - f[:-2]) / (2.0 * h)
    else:
        before, after = h[:-1], h[1:]
        a = -after / (before * (before + after))
        b = (after - before) / (before * after)
        c = before / (after * (before + after))
        inner = (
            _along(a, 0, ndim) * f[:-2] + _along(b, 0, ndim) * f[1:-1] + _along(c, 0, ndim) * f[2:]
        )
    if edge_order == 1:
        first = (f[1] - f[0]) / (h if uniform else h[0])
        last = (f[-1] - f[-2]) / (h if uniform else h[-1])
    else:
        if uniform:
            a, b, c = -1.5 / h, 2.0 / h, -0.5 / h
        else:
            near, far = h[0], h[1]
            a = -(2.0 * near + far) / (near * (near + far))
            b = (near + far) / (near * far)
            c = -near / (far * (near + far))
        first = a * f[0] + b * f[1] + c * f[2]
        if uniform:
            a, b, c = 0.5 / h, -2.0 / h, 1.5 / h
        else:
            far, near = h[-2], h[-1]
            a = near / (far * (far + near))
            b = -(near + far) / (far * near)
            c = (2.0 * near + far) / (near * (far + near))
        last = a * f[-3] + b * f[-2] + c * f[-1]
    joined = np.concatenate([first[None], inner, last[None]])
    return np.moveaxis(joined, 0, axis)


@implements(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    f = as_array(f)
    ndim = ndim_of(f)
    axes = tuple(range(ndim)) if axis is None else normalize_axis_tuple(axis, ndim)
    spacings = _spacings(varargs, shape_of(f), axes)
    if edge_order > 2:
        raise ValueError("'edge_order' greater than 2 not supported")
    if f.dtype.kind in "biu":
        f = f.astype(np.float64)
    for number in axes:
        if shape_of(f)[number] < edge_order + 1:
            raise ValueError(
                "Shape of array too small to calculate a numerical gradient, "
                "at least (edge_order + 1) elements are required."
            )
    found = tuple(
        _difference(f, spacing, number, edge_order).astype(f.dtype, copy=False)
        for number, spacing in zip(axes, spacings, strict=True)
    )
    return found[0] if len(found) == 1 else found


@implements(np.unwrap)
def unwrap(p: Any, discont: Any = None, axis: int = -1, *, period: Any = 2 * np.pi) -> Any:
    p = as_array(p)
    steps = np.diff(p, axis=axis)
    if discont is None:
        discont = period / 2
    dtype = np.result_type(steps, period)
    high = period / 2
    low = -high
    folded = np.mod(steps - low, period) + low
    folded = np.where((folded == low) & (steps > 0), high, folded)
    jumps = np.where(np.abs(steps) < discont, 0.0, folded - steps)
    following = [slice(None)] * ndim_of(p)
    following[axis] = slice(1, None)
    start = [slice(None)] * ndim_of(p)
    start[axis] = slice(None, 1)
    first = p[tuple(start)]
    rest = p[tuple(following)] + np.cumsum(jumps, axis=axis)
    return np.concatenate([first.astype(dtype), rest.astype(dtype)], axis=axis)
