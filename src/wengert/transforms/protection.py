"""What a tape keeps must not change behind its back: copies, and locks on large constants."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

# A constant kept as a residual is copied up to this size; a larger one is locked against writes.
COPIED_BYTES = 32 * 1024

_HOLDING = frozenset({np.ndarray, tuple})


class Protection:
    """The arrays of the user that one tape keeps.

    Parameters
    ----------
    inputs : sequence
        The values that the transformation was given; arrays among them, and views of their
        buffers, are the user's own.
    copies : bool
        Copy arrays of any size; for tapes that outlive the call that made them.
    """

    __slots__ = ("copies", "locked", "owners")

    def __init__(self, inputs: Sequence[Any], copies: bool) -> None:
        self.copies = copies
        self.locked: list[np.ndarray[Any, Any]] = []
        self.owners = {
            id(value if value.base is None else value.base)
            for value in inputs
            if type(value) is np.ndarray
        }

    def kept(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return what a tape keeps of an array that was computed, perhaps as a view.

        A part of a much larger buffer is copied, so that the buffer can be written in place. A
        view of most of it is kept: the next write copies the buffer, at the same cost.
        """
        base = array.base
        if id(array if base is None else base) in self.owners:
            # An argument, or a view of one: only the function itself could write it now.
            if self.copies or array.nbytes <= COPIED_BYTES:
                return array.copy()
            self._lock(array)
            if type(base) is np.ndarray:
                self._lock(base)
            return array
        if base is None:
            return array
        return array.copy() if getattr(base, "size", array.size) > 2 * array.size else array

    def safe(self, residual: Any, foreign: Sequence[Any]) -> Any:
        """Return residuals that later writes cannot change silently.

        Arrays in `foreign` are constants of the user: they are copied or locked.
        """
        kind = type(residual)
        if kind is np.ndarray:
            for value in foreign:
                if residual is value:
                    return self.protected(residual)
            return self.kept(residual)
        if kind is tuple:
            for entry in residual:
                if type(entry) in _HOLDING:
                    return tuple(
                        [
                            self.safe(entry, foreign) if type(entry) in _HOLDING else entry
                            for entry in residual
                        ]
                    )
        return residual

    def protected(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return a constant of the user that is kept: a copy, or itself, locked."""
        if self.copies or array.nbytes <= COPIED_BYTES or array.base is not None:
            # A view cannot be locked: other views of its buffer stay writeable.
            return array.copy()
        self._lock(array)
        return array

    def _lock(self, array: np.ndarray[Any, Any]) -> None:
        if _lock(array):
            self.locked.append(array)

    def release(self) -> None:
        """Make the arrays that this tape locked writeable again."""
        for array in reversed(self.locked):
            _unlock(array)
        self.locked = []


_guard = threading.Lock()
_counts: dict[int, int] = {}


def _lock(array: np.ndarray[Any, Any]) -> bool:
    """Make an array read-only until as many `_unlock`; False where it was read-only before."""
    with _guard:
        key = id(array)
        if key in _counts:
            _counts[key] += 1
            return True
        if not array.flags.writeable:
            return False
        array.flags.writeable = False
        _counts[key] = 1
        return True


def _unlock(array: np.ndarray[Any, Any]) -> None:
    with _guard:
        key = id(array)
        _counts[key] -= 1
        if not _counts[key]:
            del _counts[key]
            array.flags.writeable = True
