"""Padding in every mode of ``np.pad``.

Modes that repeat entries read through an index map; the others put blocks before and after, one
axis at a time, as NumPy does, so that values agree to the last bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.aval import Aval, aval_of
from ..ir.primitive import Primitive
from ..tracing.core import Array, Traced, bind, ndim_of, raw_of, shape_of, to_user
from ..tracing.operators import as_operand
from ..tracing.protocols import has_traced, implements, plain_of
from .batch_rules import front
from .families import structural
from .handles import relaid
from .indexing import read, write
from .joining import concatenate
from .projection import cast
from .samples import Sample, array
from .shaping import array_raw
from .splitting import flat_raw, gathered, numbered, order_of

_DEFAULTS: dict[str, dict[str, Any]] = {
    "constant": {"constant_values": 0},
    "edge": {},
    "linear_ramp": {"end_values": 0},
    "maximum": {"stat_length": None},
    "mean": {"stat_length": None},
    "median": {"stat_length": None},
    "minimum": {"stat_length": None},
    "reflect": {"reflect_type": "even"},
    "symmetric": {"reflect_type": "even"},
    "wrap": {},
    "empty": {},
}


# ------------------------------------------------------------------ odd reflection


def _infer_reflection(x: Aval, *, widths: Any, mode: str) -> Aval:
    shape = tuple(before + n + after for n, (before, after) in zip(x.shape, widths, strict=True))
    return Aval(shape, x.dtype, "array")


def _reflection_back(g: Any, x_aval: Aval, widths: Any, mode: str) -> Any:
    """Apply the transpose axis by axis: the map along one axis is NumPy's pad of a unit matrix."""
    for axis in reversed(range(len(widths))):
        if widths[axis] == (0, 0):
            continue
        unit = np.identity(x_aval.shape[axis])
        matrix = np.pad(unit, (widths[axis], (0, 0)), mode, reflect_type="odd")  # type: ignore[call-overload]
        moved = np.moveaxis(g, axis, -1)
        g = np.moveaxis(np.matmul(moved, matrix.astype(x_aval.dtype)), -1, axis)
    return g


def _batch_reflection(values: Any, axes: Any, params: dict[str, Any]) -> Any:
    widths = ((0, 0), *params["widths"])
    x = front(values[0], axes[0])
    return bind(odd_reflection, x, widths=widths, mode=params["mode"]), 0


odd_reflection: Primitive = structural(
    "odd_reflection",
    batch=_batch_reflection,
    evaluate=lambda x, *, widths, mode: np.pad(x, widths, mode, reflect_type="odd"),
    infer=_infer_reflection,
    transpose=_reflection_back,
    samples=lambda: [
        Sample(array(4), widths=((2, 3),), mode="reflect"),
        Sample(array(3), widths=((5, 4),), mode="symmetric"),
        Sample(array(3, 4), widths=((1, 0), (2, 6)), mode="reflect"),
        Sample(array(3, 4, dtype=np.float32).T, widths=((1, 1), (0, 2)), mode="symmetric"),
    ],
    fails=tuple,
)


# ------------------------------------------------------------------ one axis after the other


def _pairs(value: Any, ndim: int, *, integer: bool = False) -> list[tuple[Any, Any]]:
    """Return ``(before, after)`` for every axis, as NumPy broadcasts what was given."""
    if isinstance(value, dict):
        pairs = [(0, 0)] * ndim
        for axis, width in value.items():
            pairs[axis] = (width, width) if ndim_of(width) == 0 else tuple(width)
        return _pairs(pairs, ndim, integer=integer)
    if value is None:
        return [(None, None)] * ndim
    given = value if not isinstance(value, (list, tuple)) else as_operand(value)
    if integer:
        given = np.asarray(plain_of(given, "a width of np.pad"))
        if given.dtype.kind not in "iu":
            raise TypeError("`pad_width` must be of integral type.")
        if np.any(given < 0):
            raise ValueError("index can't contain negative values")
        given = given.astype(int)
    spread = np.broadcast_to(given, (ndim, 2))
    return [(spread[i, 0], spread[i, 1]) for i in range(ndim)]


def _part(raw: Any, axis: int, start: int, stop: int) -> Any:
    return bind(read, raw, path=(("index", (*(slice(None),) * axis, slice(start, stop))),))


def _block(shape: tuple[int, ...], axis: int, width: int, value: Any, dtype: Any) -> Any:
    target = (*shape[:axis], width, *shape[axis + 1 :])
    return np.broadcast_to(cast(raw_of(value), dtype), target)


def _statistic(raw: Any, axis: int, length: Any, mode: str, *, last: bool) -> Any:
    size = shape_of(raw)[axis]
    count = size if length is None else min(int(length), size)
    if not count and mode in ("maximum", "minimum"):
        raise ValueError("stat_length of 0 yields no value for padding")
    chunk = _part(raw, axis, size - count if last else 0, size if last else count)
    functions: dict[str, Any] = {
        "maximum": np.max,
        "minimum": np.min,
        "mean": np.mean,
        "median": np.median,
    }
    return functions[mode](chunk, axis=axis, keepdims=True)


def _ramp(raw: Any, axis: int, width: int, value: Any, *, last: bool) -> Any:
    size = shape_of(raw)[axis]
    edge = _part(raw, axis, size - 1 if last else 0, size if last else 1)
    ramp = np.linspace(
        value,
        np.squeeze(edge, axis),
        num=width,
        endpoint=False,
        dtype=aval_of(raw).dtype,
        axis=axis,
    )
    return np.flip(ramp, axis) if last else ramp


def _padded_axis(raw: Any, axis: int, width: Any, mode: str, option: Any) -> Any:
    """Return `raw` with a block before and after it along one axis."""
    shape, dtype = shape_of(raw), aval_of(raw).dtype
    blocks = [raw]
    for last in (False, True):
        count = int(width[last])
        if not count:
            continue
        if mode == "linear_ramp":
            made = _ramp(raw, axis, count, option[last], last=last)
        elif mode in ("constant", "empty"):
            made = _block(shape, axis, count, option[last], dtype)
        else:
            statistic = _statistic(raw, axis, option[last], mode, last=last)
            made = _block(shape, axis, count, statistic, dtype)
        blocks.insert(len(blocks) if last else 0, made)
    return raw_of(concatenate(blocks, axis)) if len(blocks) > 1 else raw


def _padded_by_function(raw: Any, widths: Any, function: Any, options: dict[str, Any]) -> Any:
    """Return the result of a user's function, which fills each lane of a larger array in place."""
    shape = shape_of(raw)
    outer = [before + length + after for length, (before, after) in zip(shape, widths, strict=True)]
    made: Any = Array(np.zeros(outer, aval_of(raw).dtype))
    inside = tuple(
        slice(before, before + length) for length, (before, _) in zip(shape, widths, strict=True)
    )
    made[inside] = to_user(raw)
    for axis, width in enumerate(widths):
        lanes = np.moveaxis(made, axis, -1)
        for index in np.ndindex(lanes.shape[:-1]):
            function(lanes[index], width, axis, options)
    return made


@implements(np.pad)
def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    if not has_traced((array, kwargs)):
        return np.pad(plain_of(array), plain_of(pad_width), mode, **plain_of(kwargs))
    raw = array_raw(array)
    shape = shape_of(raw)
    widths = _pairs(pad_width, len(shape), integer=True)
    widths = [(int(before), int(after)) for before, after in widths]
    if callable(mode):
        return _padded_by_function(raw, widths, mode, kwargs)
    if mode not in _DEFAULTS:
        raise ValueError(f"mode {mode!r} is not supported")
    unknown = set(kwargs) - set(_DEFAULTS[mode])
    if unknown:
        raise ValueError(f"unsupported keyword arguments for mode {mode!r}: {unknown}")
    options = {**_DEFAULTS[mode], **kwargs}
    if mode in ("edge", "wrap", "reflect", "symmetric"):
        if options.get("reflect_type") == "odd":
            return to_user(bind(odd_reflection, raw, widths=tuple(widths), mode=mode))
        positions = np.pad(numbered(shape), widths, mode)
        return to_user(relaid(raw_of(gathered(flat_raw(raw), positions)), order_of(raw)))
    if mode not in ("constant", "empty"):
        _refuse_empty_axes(shape, widths)
    option = next(iter(options.values()), 0)
    pairs = _pairs(option, len(shape))
    if mode in ("maximum", "minimum", "mean", "median") and option is not None:
        pairs = [(plain_of(first), plain_of(last)) for first, last in pairs]
    if mode == "constant" and not has_traced(option) and type(raw) is Traced:
        return to_user(relaid(_padded_constant(raw, widths, pairs), order_of(raw)))
    result = raw
    for axis in range(len(shape)):
        result = _padded_axis(result, axis, widths[axis], mode, pairs[axis])
    if result is raw:
        result = raw_of(to_user(raw).copy())
    return to_user(relaid(raw_of(result), order_of(raw)))


def _refuse_empty_axes(shape: tuple[int, ...], widths: list[tuple[int, int]]) -> None:
    for axis, (length, width) in enumerate(zip(shape, widths, strict=True)):
        if not length and any(width):
            raise ValueError(
                f"can't extend empty axis {axis} using modes other than 'constant' or 'empty'"
            )


def _padded_constant(raw: Any, widths: list[tuple[int, int]], pairs: list[tuple[Any, Any]]) -> Any:
    """Write `raw` into an array that holds the constants already."""
    shape = shape_of(raw)
    dtype = aval_of(raw).dtype
    frame = np.zeros(shape, dtype)
    constants = [(plain_of(first), plain_of(last)) for first, last in pairs]
    frame = np.pad(frame, widths, "constant", constant_values=constants)
    key = tuple(slice(before, before + n) for n, (before, _) in zip(shape, widths, strict=True))
    return bind(write, frame, raw, path=(("index", key),), in_place=True)
