"""What a value was: arrays and containers are remembered by what they hold, the rest by identity.

Captures compare what a function reads with it at each call; how a call does so natively is told by
`entering`.
"""

from __future__ import annotations

from array import array
from collections import ChainMap, UserDict, UserList, deque
from collections.abc import Iterator
from operator import is_
from types import MappingProxyType, MethodType
from typing import Any

import numpy as np

from ..ops.guards import is_same_value

# Values that are compared by what they are, whichever object it is.
COMPARED = (bool, int, str, bytes, type(None), float, complex)
CONTAINERS = (list, tuple, dict, set, deque)
# Those that are compared by nothing.
_CHANGING = (bytearray, memoryview, array, MappingProxyType, ChainMap, UserDict, UserList)
_OBJECTS = frozenset("O->")
# Containers that hold more in all are not compared: a call would take milliseconds.
_MOST_ENTRIES = 100_000


class CannotCompareError(Exception):
    """A value can change and cannot be compared at each call; the message says why."""


class Memory:
    """Remembers values, up to a number of entries of containers."""

    def __init__(self) -> None:
        self._left = _MOST_ENTRIES
        self._open: set[int] = set()  # containers being remembered: one may contain itself

    def of(self, value: Any) -> Any:
        """Return what a value is to be compared with by `is_same`.

        Raises
        ------
        CannotCompareError
            If it can change unseen.
        """
        if isinstance(value, np.ndarray):
            if type(value) not in (np.ndarray, np.memmap) or value.dtype.hasobject:
                raise CannotCompareError("holds more than numbers")
            return Entries(value)
        if isinstance(value, Iterator):
            raise CannotCompareError("is an iterator, which each call may advance")
        if isinstance(value, _CHANGING):
            raise CannotCompareError(f"is a {type(value).__name__}, which may change unseen")
        if isinstance(value, np.ufunc) and all(set(kinds) <= _OBJECTS for kinds in value.types):
            raise CannotCompareError("is made of a function of Python that cannot be seen")
        if not isinstance(value, CONTAINERS) or id(value) in self._open:
            return value
        self._left -= len(value)
        if self._left < 0:
            raise CannotCompareError("is too large to be compared at each call")
        self._open.add(id(value))
        try:
            found = Contents(value, self)
        finally:
            self._open.discard(id(value))
        if isinstance(value, tuple) and not found.mutable:
            return value
        return found


class Entries:
    """An array and what its entries were, bit by bit."""

    __slots__ = ("array", "bits", "dtype", "shape")

    def __init__(self, array: np.ndarray[Any, Any]) -> None:
        self.array = array
        self.shape = array.shape
        self.dtype = array.dtype
        self.bits = _bits(array).copy()

    def holds(self) -> bool:
        """Return whether the array is still what it was."""
        array = self.array
        return (
            array.shape == self.shape
            and array.dtype == self.dtype
            and bool((_bits(array) == self.bits).all())
        )


def _bits(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the entries as integers, eight bytes each where they come to that."""
    flat = np.ascontiguousarray(array).reshape(-1)
    return flat.view(np.uint64 if flat.nbytes % 8 == 0 else np.uint8)


class Contents:
    """A container and what it held."""

    __slots__ = ("entries", "holder", "keys", "mutable")

    def __init__(self, holder: Any, memory: Memory) -> None:
        self.holder = holder
        self.keys = list(holder) if isinstance(holder, dict) else None
        self.entries = set(holder) if isinstance(holder, set) else list(_entries_of(holder))
        # The places of entries that can change themselves, and what they were.
        self.mutable: list[tuple[Any, Any]] = []
        if not isinstance(holder, set):
            for entry in self.entries:
                remembered = memory.of(entry)
                if remembered is not entry:
                    self.mutable.append((entry, remembered))

    def holds(self) -> bool:
        """Return whether it still holds that."""
        holder = self.holder
        if len(holder) != len(self.entries):
            return False
        if isinstance(holder, set):
            return bool(holder == self.entries)
        if self.keys is not None and list(holder) != self.keys:
            return False
        if not all(map(is_, _entries_of(holder), self.entries)) and not all(
            mine is other or is_same(mine, other)
            for mine, other in zip(_entries_of(holder), self.entries, strict=True)
        ):
            return False
        return all(is_same(entry, remembered) for entry, remembered in self.mutable)


def _entries_of(holder: Any) -> Iterator[Any]:
    return iter(holder.values() if isinstance(holder, dict) else holder)


def is_same(found: Any, expected: Any) -> bool:
    """Return whether a value is what was remembered."""
    if type(expected) is Entries:
        return found is expected.array and expected.holds()
    if type(expected) is Contents:
        return found is expected.holder and expected.holds()
    if type(found) is not type(expected):
        return False
    if isinstance(expected, (*COMPARED, np.generic)):
        return is_same_value(found, expected)
    if isinstance(expected, tuple):
        return len(found) == len(expected) and all(
            mine is other or is_same(mine, other)
            for mine, other in zip(found, expected, strict=True)
        )
    if isinstance(expected, MethodType):
        return found.__func__ is expected.__func__ and found.__self__ is expected.__self__
    return False
