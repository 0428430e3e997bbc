"""Distinct values and sets of them: ``unique`` and its kin; and zeros trimmed off.

Which entries are taken is found on plain values; of equal entries the first one is, and it has the
derivative.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops.shaping import as_array
from ..tracing.creation import implements_creation, originals
from ..tracing.protocols import implements, plain_of


def _values(value: Any) -> Any:
    return np.asarray(plain_of(value, "a function of sets"))


# ------------------------------------------------------------------ distinct values


def _first_places(plain: Any, values: Any, axis: int | None, equal_nan: bool) -> Any:
    """Return where each of the distinct `values` comes first; NumPy need not have sorted them."""
    ordered, places = np.unique(plain, return_index=True, axis=axis, equal_nan=equal_nan)
    if axis is not None or values.tobytes() == ordered.tobytes():
        return places
    return places[np.searchsorted(ordered, values)]


@implements(np.unique)
def unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    *,
    equal_nan: bool = True,
    **order: Any,
) -> Any:
    array = as_array(ar)
    plain = _values(array)
    asked = (return_index, return_inverse, return_counts, axis)
    distinct: Any = np.unique  # the type of its result depends on the flags
    found = distinct(plain, *asked, equal_nan=equal_nan, **order)
    values, *others = found if isinstance(found, tuple) else (found,)
    places = others[0] if return_index else _first_places(plain, values, axis, equal_nan)
    taken = np.take(array, places, axis=axis)
    return (taken, *others) if others else taken


def _unique_named(function: Any) -> Any:
    """Return the implementation of ``unique_all`` and its kin: NumPy's tuple, traced values."""

    def answer(x: Any, /) -> Any:
        array = as_array(x)
        plain = _values(array)
        found = function(plain)
        values = found if function is np.unique_values else found.values
        taken = np.take(array, _first_places(plain, values, None, False))
        return taken if function is np.unique_values else found._replace(values=taken)

    return answer


for _function in (np.unique_all, np.unique_counts, np.unique_inverse, np.unique_values):
    implements(_function)(_unique_named(_function))


# ------------------------------------------------------------------ sets


@implements(np.union1d)
def union1d(ar1: Any, ar2: Any) -> Any:
    return np.unique(np.concatenate([np.ravel(as_array(ar1)), np.ravel(as_array(ar2))]))


@implements(np.intersect1d)
def intersect1d(
    ar1: Any, ar2: Any, assume_unique: bool = False, return_indices: bool = False
) -> Any:
    first, second = (np.ravel(as_array(ar)) for ar in (ar1, ar2))
    _, *places = np.intersect1d(_values(first), _values(second), assume_unique, True)
    taken = np.take(first, places[0]).astype(np.result_type(first, second))
    return (taken, *places) if return_indices else taken


@implements(np.setdiff1d)
def setdiff1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    first = np.ravel(as_array(ar1)) if assume_unique else np.unique(as_array(ar1))
    return first[np.isin(_values(first), _values(ar2), assume_unique=True, invert=True)]


@implements(np.setxor1d)
def setxor1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    parts = [np.ravel(as_array(ar)) for ar in (ar1, ar2)]
    if not assume_unique:
        parts = [np.unique(part) for part in parts]
    joined = np.concatenate(parts)
    if not joined.size:
        return joined
    ordered = joined[np.argsort(_values(joined), kind="stable")]
    plain = _values(ordered)
    changes = np.concatenate([[True], plain[1:] != plain[:-1], [True]])
    return ordered[changes[1:] & changes[:-1]]


# ------------------------------------------------------------------ zeros at the ends


@implements_creation("trim_zeros")
@implements(originals["trim_zeros"])
def trim_zeros(filt: Any, trim: str = "fb", axis: Any = None) -> Any:
    array = as_array(filt)
    used = np.asarray(plain_of(array != 0, "which entries np.trim_zeros keeps"))
    # NumPy trims the numbers of the entries, from 1 on: 0 where an entry is 0.
    numbers = np.arange(1, used.size + 1).reshape(used.shape) * used
    kept = originals["trim_zeros"](numbers, trim, axis)
    where = _block(used.shape, kept)
    return filt[where[0]] if isinstance(filt, (list, tuple)) else array[where]


def _block(shape: tuple[int, ...], kept: Any) -> tuple[slice, ...]:
    """Return the index of the block whose entries, numbered in C order from 1, are `kept`."""
    starts = [0] * kept.ndim
    if kept.any():
        corner = np.unravel_index(int(np.argmax(kept != 0)), kept.shape)
        first = np.unravel_index(int(kept[corner]) - 1, shape)
        starts = [int(place) - int(inner) for place, inner in zip(first, corner, strict=True)]
    return tuple(
        slice(start, start + length) for start, length in zip(starts, kept.shape, strict=True)
    )
