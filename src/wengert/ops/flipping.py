"""Flips and quarter turns: views with axes reversed and exchanged."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from ..tracing.core import bind, ndim_of, to_user
from ..tracing.protocols import implements
from .indexing import read
from .shaping import array_raw, swapaxes, viewed


@implements(np.flip)
def flip(m: Any, axis: Any = None) -> Any:
    ndim = ndim_of(m)
    places = range(ndim) if axis is None else normalize_axis_tuple(axis, ndim)
    key = tuple(slice(None, None, -1) if i in places else slice(None) for i in range(ndim))
    if not ndim:
        return to_user(bind(read, array_raw(m), path=(("index", ()),)))
    return viewed(m, ("index", key))


@implements(np.fliplr)
def fliplr(m: Any) -> Any:
    if ndim_of(m) < 2:
        raise ValueError("Input must be >= 2-d.")
    return flip(m, 1)


@implements(np.flipud)
def flipud(m: Any) -> Any:
    if ndim_of(m) < 1:
        raise ValueError("Input must be >= 1-d.")
    return flip(m, 0)


@implements(np.rot90)
def rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    ndim = ndim_of(m)
    if len(axes) != 2:
        raise ValueError("len(axes) must be 2.")
    first, second = axes
    if first == second or abs(first - second) == ndim:
        raise ValueError("Axes must be different.")
    if not (-ndim <= first < ndim and -ndim <= second < ndim):
        raise ValueError(f"Axes={tuple(axes)} out of range for array of ndim={ndim}.")
    k %= 4
    if k == 0:
        return viewed(m, ("index", slice(None)))
    if k == 2:
        return flip(m, (first, second))
    if k == 1:
        return swapaxes(flip(m, second), first, second)
    return flip(swapaxes(m, first, second), second)
