"""Distinct values and sets of them: ``unique`` and its kin; and zeros trimmed off.

What is asked of the values is how many are distinct, never what they are: compiled code runs again
while the number stays. Of equal entries the first one is taken, and has the derivative.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops.shaping import as_array
from ..ops.taking import taken
from ..tracing.core import shape_of
from ..tracing.creation import implements_creation, originals
from ..tracing.protocols import has_traced, implements, plain_of


def _places_of(flags: Any) -> Any:
    """Return ``np.flatnonzero(flags)``; of traced truth values only the number is asked for."""
    if not has_traced(flags):
        return np.flatnonzero(flags)
    count = int(np.count_nonzero(flags))
    return np.argsort(np.logical_not(flags), kind="stable")[:count]


# ------------------------------------------------------------------ distinct values


class _Runs:
    """The entries of a flat array in order, and where runs of equal ones start.

    Attributes
    ----------
    order : integer array
        Where each of the ordered entries comes from; equal ones in the order of the array.
    ordered : array
    starts : integer array
        Where in `ordered` a new value starts.
    """

    def __init__(self, array: Any, equal_nan: bool) -> None:
        self.order = np.argsort(array, kind="stable")
        self.ordered = taken(array, self.order, 0)
        before, after = self.ordered[:-1], self.ordered[1:]
        changes = after != before
        if equal_nan and array.dtype.kind in "fc":
            changes = changes & ~(np.isnan(after) & np.isnan(before))
        first = np.ones(min(shape_of(array)[0], 1), bool)
        self.is_start = np.concatenate([first, changes])
        self.starts = _places_of(self.is_start)

    @property
    def values(self) -> Any:
        return taken(self.ordered, self.starts, 0)

    @property
    def places(self) -> Any:
        """Where in the array each value comes first."""
        return taken(self.order, self.starts, 0)

    @property
    def inverse(self) -> Any:
        """Which value each entry of the array has."""
        return taken(np.cumsum(self.is_start) - 1, np.argsort(self.order), 0)

    @property
    def counts(self) -> Any:
        return np.diff(self.starts, append=shape_of(self.is_start)[0])


def _of_rows(array: Any, asked: tuple[Any, ...], equal_nan: bool, order: Any) -> Any:
    """Answer what only NumPy's own search tells: rows, complex nan, an order that is not sorted."""
    plain = np.asarray(plain_of(array, "the rows of np.unique"))
    *flags, axis = asked
    distinct: Any = np.unique  # the type of its result depends on the flags
    found = distinct(plain, *asked, equal_nan=equal_nan, **order)
    values, *others = found if isinstance(found, tuple) else (found,)
    places = others[0] if flags[0] else _first_places(plain, values, axis, equal_nan)
    return (np.take(array, places, axis=axis), *others)


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
    found: tuple[Any, ...]
    if axis is not None or array.dtype.kind == "c" or not order.get("sorted", True):
        asked = (return_index, return_inverse, return_counts, axis)
        found = _of_rows(array, asked, equal_nan, order)
    else:
        runs = _Runs(np.ravel(array), equal_nan)
        found = (runs.values,)
        if return_index:
            found += (runs.places,)
        if return_inverse:
            found += (np.reshape(runs.inverse, shape_of(array)),)
        if return_counts:
            found += (runs.counts,)
    return found if len(found) > 1 else found[0]


def _unique_named(function: Any) -> Any:
    """Return the implementation of ``unique_all`` and its kin: NumPy's tuple, traced values."""

    def answer(x: Any, /) -> Any:
        array = as_array(x)
        plain = np.asarray(plain_of(array, f"np.{function.__name__}"))
        found = function(plain)
        values = found if function is np.unique_values else found.values
        chosen = np.take(array, _first_places(plain, values, None, False))
        return chosen if function is np.unique_values else found._replace(values=chosen)

    return answer


for _function in (np.unique_all, np.unique_counts, np.unique_inverse, np.unique_values):
    implements(_function)(_unique_named(_function))


# ------------------------------------------------------------------ sets


def _raveled(*arrays: Any) -> list[Any]:
    return [np.ravel(as_array(array)) for array in arrays]


@implements(np.union1d)
def union1d(ar1: Any, ar2: Any) -> Any:
    return np.unique(np.concatenate(_raveled(ar1, ar2)))


@implements(np.intersect1d)
def intersect1d(
    ar1: Any, ar2: Any, assume_unique: bool = False, return_indices: bool = False
) -> Any:
    first, second = _raveled(ar1, ar2)
    origins: list[Any] = [None, None]
    if not assume_unique:
        first, origins[0] = np.unique(first, return_index=True)
        second, origins[1] = np.unique(second, return_index=True)
    joined = np.concatenate([first, second])
    order = np.argsort(joined, kind="stable")
    ordered = taken(joined, order, 0)
    places = _places_of(ordered[1:] == ordered[:-1])
    found = taken(ordered, places, 0)
    if not return_indices:
        return found
    indices = [taken(order, places, 0), taken(order, places + 1, 0) - shape_of(first)[0]]
    return found, *(
        index if origin is None else taken(origin, index, 0)
        for index, origin in zip(indices, origins, strict=True)
    )


@implements(np.setdiff1d)
def setdiff1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    first = _raveled(ar1)[0] if assume_unique else np.unique(as_array(ar1))
    others = np.isin(first, as_array(ar2), assume_unique=True, invert=True)
    return taken(first, _places_of(others), 0)


@implements(np.setxor1d)
def setxor1d(ar1: Any, ar2: Any, assume_unique: bool = False) -> Any:
    parts = _raveled(ar1, ar2)
    if not assume_unique:
        parts = [np.unique(part) for part in parts]
    joined = np.concatenate(parts)
    if not shape_of(joined)[0]:
        return joined
    ordered = taken(joined, np.argsort(joined, kind="stable"), 0)
    edge = np.ones(1, bool)
    changes = np.concatenate([edge, ordered[1:] != ordered[:-1], edge])
    return taken(ordered, _places_of(changes[1:] & changes[:-1]), 0)


# ------------------------------------------------------------------ zeros at the ends


@implements_creation("trim_zeros")
@implements(originals["trim_zeros"])
def trim_zeros(filt: Any, trim: str = "fb", axis: Any = None) -> Any:
    array = as_array(filt)
    used = _extent(array != 0)
    # NumPy trims the numbers of the entries, from 1 on: 0 where an entry is 0.
    numbers = np.arange(1, used.size + 1).reshape(used.shape) * used
    kept = originals["trim_zeros"](numbers, trim, axis)
    where = _block(used.shape, kept)
    return filt[where[0]] if isinstance(filt, (list, tuple)) else array[where]


def _extent(flags: Any) -> Any:
    """Return plain truth values that reach as far as the given ones: of traced ones, two corners.

    What is asked for is the first and the last place along each axis.
    """
    if not has_traced(flags):
        return np.asarray(plain_of(flags))
    shape = shape_of(flags)
    box = np.zeros(shape, bool)
    if np.any(flags):
        corners = []
        for axis in range(len(shape)):
            along = np.any(flags, axis=tuple(i for i in range(len(shape)) if i != axis))
            corners.append((int(np.argmax(along)), -1 - int(np.argmax(along[::-1]))))
        for corner in zip(*corners, strict=True):
            box[corner] = True
    return box


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
