"""Sliding windows: NumPy's overlapping view of an array; its transpose adds the windows up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index
from numpy.lib.stride_tricks import sliding_window_view

from ..errors import MissingRuleError
from ..ir.aval import Aval
from ..ir.primitive import Primitive
from ..tracing.core import bind, ndim_of, shape_of, to_user
from ..tracing.protocols import implements
from .batch_rules import front
from .families import structural
from .indexing import indexed_add
from .samples import Fail, Sample, array
from .shaping import array_raw


def _evaluate(x: Any, *, window: tuple[int, ...], axis: tuple[int, ...]) -> Any:
    """Return NumPy's own view: in other strides, what sums over it would add in another order."""
    return sliding_window_view(x, window, axis)


def _infer(x: Aval, *, window: tuple[int, ...], axis: tuple[int, ...]) -> Aval:
    return Aval(_view(x.shape, window, axis).shape, x.dtype)


def _view(shape: tuple[int, ...], window: Any, axis: Any) -> Any:
    """Return the windows of an array without memory: NumPy checks what is asked for."""
    return sliding_window_view(np.broadcast_to(np.False_, shape), window, axis)


def _transpose(g: Any, x_aval: Aval, window: tuple[int, ...], axis: tuple[int, ...]) -> Any:
    """Add the entries of the windows up where they came from, the last axis of windows first."""
    shapes = [list(x_aval.shape)]
    for place, length in zip(axis, window, strict=True):
        shapes.append([*shapes[-1], length])
        shapes[-1][place] -= length - 1
    for shape, place, length in reversed(list(zip(shapes, axis, window, strict=False))):
        starts = np.arange(shape[place] - length + 1)
        key = (*(slice(None),) * place, starts[:, None] + np.arange(length))
        parts = np.moveaxis(g, -1, place + 1)
        zeros = np.zeros(shape, x_aval.dtype)
        g = bind(indexed_add, zeros, parts, path=(("index", key),), in_place=True)
    return g


def _batch(values: Sequence[Any], axes: Sequence[Any], params: dict[str, Any]) -> Any:
    axis = tuple(place + 1 for place in params["axis"])
    found = bind(windows_primitive, front(values[0], axes[0]), window=params["window"], axis=axis)
    return found, 0


windows_primitive: Primitive = structural(
    "sliding_windows",
    batch=_batch,
    evaluate=_evaluate,
    infer=_infer,
    transpose=_transpose,
    moves_entries=True,
    samples=lambda: [
        Sample(array(5), window=(3,), axis=(0,)),
        Sample(array(3, 4), window=(2, 3), axis=(1, 0)),
        Sample(array(5, 2), window=(2, 3), axis=(0, 0)),
        Sample(array(8, 2)[::-2], window=(2,), axis=(0,)),
        Sample(array(3, 4), window=(), axis=()),
        Sample(array(3, 0), window=(2,), axis=(0,)),
        Sample(array(4, 4, dtype=np.float32).T, window=(4, 1), axis=(0, 1)),
        Sample(array(3, 2, dtype=np.complex128), window=(2,), axis=(0,)),
    ],
    fails=lambda: [Fail(ValueError, "window shape", array(3), window=(4,), axis=(0,))],
)


@implements(sliding_window_view)
def windows(
    x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False
) -> Any:
    """Return the windows as a value of their own: writing into x later does not change them."""
    raw = array_raw(x)
    lengths = shape_of(raw)
    _view(lengths, window_shape, axis)
    if writeable:
        raise MissingRuleError(
            "sliding_window_view with writeable=True gives views of one memory, which have no "
            "derivative rule: write into x itself"
        )
    given = tuple(window_shape) if ndim_of(window_shape) else (window_shape,)
    axes = range(len(lengths)) if axis is None else axis if ndim_of(axis) else (axis,)
    places = tuple(normalize_axis_index(place, len(lengths)) for place in axes)
    return to_user(bind(windows_primitive, raw, window=tuple(int(n) for n in given), axis=places))
