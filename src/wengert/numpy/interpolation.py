"""Piecewise linear interpolation: ``np.interp`` with respect to all of its arguments."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops.shaping import as_array
from ..ops.taking import taken
from ..tracing.core import is_array_kind, ndim_of, raw_of, shape_of
from ..tracing.decisions import observed
from ..tracing.operators import as_operand
from ..tracing.protocols import implements


def _periodic(x: Any, xp: Any, fp: Any, period: Any) -> tuple[Any, Any, Any]:
    """Return points folded into one period, and the data continued beyond both of its ends."""
    x, xp = x % period, xp % period
    order = np.argsort(xp)
    xp, fp = taken(xp, order, 0), taken(fp, order, 0)
    xp = np.concatenate([xp[-1:] - period, xp, xp[:1] + period])
    return x, xp, np.concatenate([fp[-1:], fp, fp[:1]])


def _inside(x: Any, xp: Any, fp: Any) -> Any:
    """Return the line through the two data points around x, counted from a nearest one."""
    count = shape_of(xp)[0]
    if count == 1:
        return fp[0] + np.zeros(shape_of(x))
    left = np.clip(np.searchsorted(xp, x, "right") - 1, 0, count - 2)
    start, end = taken(xp, left, 0), taken(xp, left + 1, 0)
    below, above = taken(fp, left, 0), taken(fp, left + 1, 0)
    slope = (above - below) / (end - start)
    past = x >= end  # at the last point: exactly its value
    origin, base = np.where(past, end, start), np.where(past, above, below)
    found = slope * (x - origin) + base
    # Infinite data: count from the other point, then take the value where both are equal.
    lost = np.isnan(found)
    found = np.where(lost, slope * (x - end) + above, found)
    found = np.where(np.isnan(found) & (above == below), below, found)
    return np.where(lost & (x == origin), base, found)


@implements(np.interp)
def interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Any:
    raw = raw_of(as_operand(x))
    scalar = not ndim_of(raw)
    casting = "safe" if period is None else "unsafe"
    x, xp = (as_array(value).astype(np.float64, casting=casting) for value in (raw, xp))
    fp = as_array(fp)
    fp = fp.astype(np.complex128 if fp.dtype.kind == "c" else np.float64, casting=casting)
    if ndim_of(xp) != 1 or ndim_of(fp) != 1:
        raise ValueError("Data points must be 1-D sequences")
    if not shape_of(xp)[0]:
        raise ValueError("array of sample points is empty")
    if shape_of(xp) != shape_of(fp):
        raise ValueError("fp and xp are not of the same length.")
    if period is not None:
        if observed(np.equal(period, 0)):
            raise ValueError("period must be a non-zero value")
        period = np.abs(period)
        x, xp, fp = _periodic(x, xp, fp, period)
        x, xp = (value.astype(np.float64, casting="safe", copy=False) for value in (x, xp))
        left = right = None
    found = _inside(x, xp, fp)
    found = np.where(x < xp[0], fp[0] if left is None else left, found)
    found = np.where(x > xp[-1], fp[-1] if right is None else right, found)
    if shape_of(xp)[0] > 1:
        found = np.where(np.isnan(x), x, found)
    return found[()] if scalar and is_array_kind(raw_of(found)) else found
