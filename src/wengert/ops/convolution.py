"""Discrete convolution of two sequences: ``np.convolve``, and ``np.correlate`` made of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir.aval import Aval, aval_of, result_dtype
from ..tracing.core import bind, ndim_of, raw_of, shape_of, to_user
from ..tracing.protocols import implements
from .core_family import conjugated
from .families import bilinear
from .samples import Fail, Sample, array
from .shaping import array_raw

_MODES = ("valid", "same", "full")


def _part(first: int, second: int, mode: str) -> tuple[int, int]:
    """Return where a mode's result starts in the full convolution, and how long it is."""
    longer, shorter = max(first, second), min(first, second)
    if mode == "full":
        return 0, longer + shorter - 1
    if mode == "same":
        return (shorter - 1) // 2, longer
    return shorter - 1, longer - shorter + 1


def _infer_convolve(x: Aval, y: Aval, *, mode: str) -> Aval:
    if x.ndim != 1 or y.ndim != 1:
        raise ValueError(f"convolve takes sequences; these have shapes {x.shape} and {y.shape}")
    for name, aval in (("a", x), ("v", y)):
        if not aval.shape[0]:
            raise ValueError(f"{name} cannot be empty")
    length = _part(x.shape[0], y.shape[0], mode)[1]
    return Aval((length,), result_dtype(x.with_kind("array"), y.with_kind("array")))


def _pull(g: Any, other: Any, own: int, mode: str) -> Any:
    """Return the cotangent of the argument of length `own`: g correlated with the other one."""
    length = shape_of(other)[0]
    start, count = _part(own, length, mode)
    full = np.pad(g, (start, own + length - 1 - start - count))
    return np.convolve(full, other[::-1], "valid")


def _batch(values: Sequence[Any], axes: Sequence[Any], params: dict[str, Any]) -> Any:
    """Convolve along the last axis: windows of the longer sequence times the shorter one."""
    x, y = (
        value if axis is None else np.moveaxis(value, axis, -2)
        for value, axis in zip(values, axes, strict=True)
    )
    if shape_of(y)[-1] > shape_of(x)[-1]:
        x, y = y, x
    longer, shorter = shape_of(x)[-1], shape_of(y)[-1]
    start, count = _part(longer, shorter, params["mode"])
    padding = [(0, 0)] * (ndim_of(x) - 1) + [(shorter - 1, shorter - 1)]
    windows = (start + np.arange(count))[:, None] + np.arange(shorter)
    return np.matvec(np.pad(x, padding)[..., windows], y[..., ::-1]), 0


convolution = bilinear(
    "convolve",
    evaluate=lambda x, y, *, mode: np.convolve(x, y, mode),
    infer=_infer_convolve,
    transposes=(
        lambda g, y, x_aval, mode: _pull(g, y, x_aval.shape[0], mode),
        lambda g, x, y_aval, mode: _pull(g, x, y_aval.shape[0], mode),
    ),
    batch=_batch,
    samples=lambda: [
        Sample(array(5), array(3), mode="full"),
        Sample(array(3), array(5), mode="full"),
        Sample(array(5), array(4), mode="same"),
        Sample(array(2), array(5), mode="same"),
        Sample(array(6), array(3), mode="valid"),
        Sample(array(2), array(3), mode="valid"),
        Sample(array(1), array(4), mode="same"),
        Sample(array(6)[::2], array(2), mode="full"),
        Sample(array(4, dtype=np.complex128), array(3), mode="full"),
        Sample(array(3, dtype=np.float32), array(2, dtype=np.float32), mode="same"),
    ],
    fails=lambda: [Fail(ValueError, "cannot be empty", array(0), array(3), mode="full")],
)


def _sequence(value: Any) -> Any:
    raw = array_raw(value)
    return raw_of(np.reshape(raw, (1,))) if not ndim_of(raw) else raw


def _checked(mode: Any) -> str:
    if mode in _MODES:
        return str(mode)
    if isinstance(mode, int) and 0 <= mode < len(_MODES):
        return _MODES[mode]
    raise ValueError(f"mode must be one of 'valid', 'same', or 'full' (got {mode!r})")


@implements(np.convolve)
def convolve(a: Any, v: Any, mode: Any = "full") -> Any:
    first, second = _sequence(a), _sequence(v)
    _infer_convolve(aval_of(first), aval_of(second), mode="full")
    return to_user(bind(convolution, first, second, mode=_checked(mode)))


@implements(np.correlate)
def correlate(a: Any, v: Any, mode: Any = "valid") -> Any:
    first, second = _sequence(a), conjugated(to_user(_sequence(v)))
    # NumPy exchanges the two where the second is longer, and turns the result round.
    if shape_of(second)[0] <= shape_of(first)[0]:
        return convolve(first, second[::-1], mode)
    return convolve(second, to_user(first)[::-1], mode)[::-1]
