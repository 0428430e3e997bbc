"""Distinct values and sets of them: ``unique`` and its kin; and zeros trimmed off.

What is asked of the values is how many are distinct, never what they are: compiled code runs again
while the number stays. Of equal entries the first one is taken, and has the derivative.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..ops.distinct import distinct, distinct_count
from ..ops.places import places_of
from ..ops.shaping import as_array
from ..ops.taking import taken
from ..tracing.core import Array, bind, ndim_of, raw_of, shape_of, to_user
from ..tracing.creation import implements_creation, originals
from ..tracing.keys import Length, known_value
from ..tracing.protocols import has_traced, implements, plain_of

_LENGTH = Length(
    "the number of entries of a set (numpy.unique and its kin)",
    "Sort instead, so that all examples have as many entries: numpy.sort(x)",
)


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
        self.starts = places_of(self.is_start, _LENGTH)

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


def _as_numpy_finds(array: Any, asked: tuple[bool, ...], axis: int | None, **how: bool) -> Any:
    """Answer where only NumPy's own search tells: rows, complex nan, an order that is not sorted.

    The primitives run it when the program runs; how many values there are is asked for.
    """
    raw = raw_of(array)
    params = {"asked": asked, "axis": axis, **how}
    count = int(known_value(bind(distinct_count, raw, **params), _LENGTH))
    places, *others = map(to_user, bind(distinct, raw, count=count, **params))
    return (np.take(array, places, axis=axis), *others)


@implements(np.unique)
def unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    *,
    equal_nan: bool = True,
    sorted: bool = True,
) -> Any:
    array = as_array(ar)
    if axis is not None:
        axis = normalize_axis_index(axis, ndim_of(array))
        axis = None if ndim_of(array) == 1 else axis
    asked = (bool(return_index), bool(return_inverse), bool(return_counts))
    of_complex = array.dtype.kind == "c" and not any(asked)  # which nan: only the search knows
    found: tuple[Any, ...]
    if axis is not None or of_complex or not sorted:
        how = {"equal_nan": bool(equal_nan), "sorted": bool(sorted)}
        found = _as_numpy_finds(array, asked, axis, **how)
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


def _unique_named(function: Any, *asked: bool) -> None:
    """Answer ``unique_all`` or a relative: what was asked for, in NumPy's own tuple."""
    made = type(function(np.zeros(0)))

    def answer(x: Any, /) -> Any:
        return made(*unique(x, *asked, equal_nan=False))

    implements(function)(answer)


_unique_named(np.unique_all, True, True, True)
_unique_named(np.unique_counts, False, False, True)
_unique_named(np.unique_inverse, False, True, False)


@implements(np.unique_values)
def unique_values(x: Any, /) -> Any:
    return unique(x, equal_nan=False, sorted=False)


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
    places = places_of(ordered[1:] == ordered[:-1], _LENGTH)
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
    return taken(first, places_of(others, _LENGTH), 0)


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
    return taken(ordered, places_of(changes[1:] & changes[:-1], _LENGTH), 0)


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
    if isinstance(filt, (list, tuple)):
        return filt[where[0]]
    whole: Any = filt if type(filt) is Array else array
    return whole[where]  # a view


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
