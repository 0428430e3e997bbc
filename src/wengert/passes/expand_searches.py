"""Decompositions of searches and comparisons: where an extreme entry stands, what is close."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.aval import Aval, aval_of
from ..ir.primitive import registry
from ..tracing.core import bind, raw_of, to_user

# Among more entries that lie side by side NumPy finds the place of an extreme at once, faster than
# two passes do.
_MOST_ENTRIES = 1 << 17


class NotExpanded(Exception):
    """A signature has no decomposition."""


def _count_up(like: Any, length: int) -> Any:
    """Return 0, 1, 2, … as a value that no memory holds, staged beside another."""
    trace = raw_of(like)._trace
    return to_user(
        trace.process(registry["arange"], [0, 1], {"count": length, "dtype": np.dtype(np.int64)})
    )


# ------------------------------------------------------------------ places of extremes


def _placing(name: str) -> Callable[..., Any]:
    reduce: Any = getattr(np, name.removeprefix("nan").removeprefix("arg"))

    def place(x: Any, *, axis: int | None, keepdims: bool) -> Any:
        """Return the first place at which the extreme, or else a nan, stands."""
        shape = np.shape(x)
        if x.size > _MOST_ENTRIES and (axis is None or axis % len(shape) == len(shape) - 1):
            raise NotExpanded
        along, entries = axis, x
        if along is None:
            entries, along = np.reshape(x, (-1,)), 0
        along %= entries.ndim
        length = entries.shape[along]
        extreme = reduce(entries, along, keepdims=True)
        here = np.equal(entries, extreme)
        if x.dtype.kind == "f":
            here = np.logical_or(here, np.isnan(entries))
        places = np.reshape(
            _count_up(x, length), [length if k == along else 1 for k in range(entries.ndim)]
        )
        found = np.min(np.where(here, places, np.int64(length)), along, keepdims=keepdims)
        return np.reshape(found, (1,) * len(shape)) if axis is None and keepdims else found

    return place


# ------------------------------------------------------------------ truth values


def _count_nonzero(x: Any, *, axes: Any, keepdims: bool) -> Any:
    if np.ndim(x) == 0:
        raise NotExpanded
    counted = x if x.dtype.kind == "b" else np.not_equal(x, x.dtype.type(0))
    return np.sum(counted, axes, dtype=np.intp, keepdims=keepdims)


def _is_infinite(sign: int) -> Callable[[Any], Any]:
    return lambda x: np.equal(x, x.dtype.type(sign * np.inf))


def _isclose(x: Any, y: Any, *, rtol: Any, atol: Any, equal_nan: bool) -> Any:
    if np.ndim(y) == 0 or x.dtype != y.dtype:
        raise NotExpanded
    close = np.less_equal(np.abs(x - y), atol + rtol * np.abs(y))
    found = np.logical_or(np.logical_and(close, np.isfinite(y)), np.equal(x, y))
    if equal_nan:
        found = np.logical_or(found, np.logical_and(np.isnan(x), np.isnan(y)))
    return found


def _allclose(x: Any, y: Any, **params: Any) -> Any:
    return _truth(np.all(_isclose(x, y, **params)))


def _array_equal(x: Any, y: Any, *, equal_nan: bool) -> Any:
    if np.shape(x) != np.shape(y) or x.dtype != y.dtype:
        raise NotExpanded
    same = np.equal(x, y)
    if equal_nan:
        same = np.logical_or(same, np.logical_and(np.isnan(x), np.isnan(y)))
    return _truth(np.all(same))


def _truth(found: Any) -> Any:
    """Return a truth value of NumPy's as one of Python's."""
    raw = raw_of(found)
    assert aval_of(raw).kind == "scalar"
    return to_user(bind(registry["convert"], raw, aval=Aval((), np.bool_, "python")))


SEARCHES: dict[str, Callable[..., Any]] = {
    "argmax": _placing("argmax"),
    "argmin": _placing("argmin"),
    "count_nonzero": _count_nonzero,
    "isneginf": _is_infinite(-1),
    "isposinf": _is_infinite(1),
    "isclose": _isclose,
    "allclose": _allclose,
    "array_equal": _array_equal,
}
# What takes integers too.
OF_INTEGERS = frozenset({"argmax", "argmin", "count_nonzero"})
