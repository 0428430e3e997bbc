"""Adding up cotangents: dense, masked, or for a part of an array, in place where nobody looks."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.cotangent import Items, Masked, Part
from ..ir.paths import is_basic_index
from ..tracing.core import Array, Traced, bind, ndim_of, raw_of
from ..tracing.decisions import certain
from .indexing import indexed_add, marked, own_mask

_PLAIN = frozenset({np.ndarray, np.float64, float})
zeros = np.zeros  # NumPy's own, also while a transformation runs
_WRITABLE_MASKS = frozenset({np.ndarray, type(None)})


def combine(previous: Any, new: Any) -> Any:
    """Return the sum of two cotangents of one value; None is zero."""
    kind = type(new)
    if kind is Array:
        new = raw_of(new)
    if kind is Part:
        return add_part(previous, new)
    if new is None or previous is None:
        return previous if new is None else new
    if kind is Items:
        pairs = zip(previous.entries, new.entries, strict=True)
        return Items([combine(first, second) for first, second in pairs])
    if type(previous) is Masked or kind is Masked:
        return _add_masked(previous, new)
    total = previous + new
    if type(total) is float or type(total) is np.float64:
        return total
    total = raw_of(total)
    # Fresh memory that nobody else has seen: later contributions are added in place.
    return Masked(total, None, owned=True) if ndim_of(total) else total


def dense(cotangent: Any) -> Any:
    """Return the plain sum that a cotangent stands for."""
    if type(cotangent) is Part:
        cotangent = add_part(None, cotangent)
    return cotangent.value if type(cotangent) is Masked else cotangent


def dense_items(cotangent: Items) -> tuple[Any, ...]:
    """Return the plain cotangents of all items, None where zero."""
    return tuple(dense(entry) for entry in cotangent.entries)


def simplify(cotangent: Masked) -> Masked:
    """Drop a mask that is known to select everything."""
    if cotangent.mask is not None and certain(cotangent.mask):
        cotangent.mask = None
    return cotangent


def add_part(previous: Any, part: Part, masked: bool = True) -> Masked:
    """Return the sum of a cotangent, None being zero, and a part of one.

    Without `masked` the entries that influence the result need not be known.
    """
    value = part.value
    path = part.path
    if type(value) in _PLAIN and part.mask is True and len(path) == 1 and not part.indices:
        name, key = path[0][0], path[0][-1]
        if name == "index" and (type(key) is slice or type(key) is int or is_basic_index(key)):
            if previous is None:
                aval = part.aval
                whole = zeros(aval.shape, aval.dtype)
                whole[key] = value
                mask = None
                if masked:
                    mask = zeros(aval.shape, bool)
                    mask[key] = True
                return Masked(whole, mask, owned=True)
            if (
                type(previous) is Masked
                and previous.owned
                and type(previous.value) is np.ndarray
                and type(previous.mask) in _WRITABLE_MASKS
            ):
                previous.value[key] += value
                if previous.mask is not None:
                    previous.mask[key] = True
                return previous
    target = _owned(previous, part)
    target.value = bind(indexed_add, target.value, value, *part.indices, path=path, in_place=True)
    if not masked:
        target.mask = None
    elif target.mask is not None:
        target.mask = marked(target.mask, part.mask, path, part.indices)
    return target


def _owned(previous: Any, part: Part) -> Masked:
    """Return an accumulator for `previous` whose buffers may be written."""
    if previous is None:
        aval = part.aval
        return Masked(np.zeros(aval.shape, aval.dtype), np.zeros(aval.shape, bool), owned=True)
    if type(previous) is not Masked:
        return Masked(_copy(previous), None, owned=True)
    if previous.owned:
        return previous
    mask = previous.mask
    return Masked(_copy(previous.value), None if mask is None else own_mask(mask), owned=True)


def _copy(value: Any) -> Any:
    """Return a value whose buffers nobody else holds, at every level."""
    value = raw_of(value)
    if type(value) is Traced:
        return raw_of(value.__add__(0.0))
    return np.array(value, order="K")


def _add_masked(previous: Any, new: Any) -> Masked:
    if type(previous) is not Masked:
        previous, new = new, previous
    mask = previous.mask
    if type(new) is not Masked:
        value, new_mask = new, None
    else:
        value, new_mask = new.value, new.mask
    mask = None if mask is None or new_mask is None else raw_of(mask | new_mask)
    accumulator = previous.value
    if (
        previous.owned
        and type(accumulator) is np.ndarray
        and type(value) is np.ndarray
        and value.dtype == accumulator.dtype
        and value.shape == accumulator.shape
    ):
        np.add(accumulator, value, out=accumulator)
        return Masked(accumulator, mask, owned=True)
    return Masked(raw_of(accumulator + value), mask, owned=True)
