"""What a tape keeps must not change behind its back: copies, and locks on large constants."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

# A constant kept as a residual is copied up to this size; a larger one is locked against writes.
COPIED_BYTES = 32 * 1024


class Protection:
    """The arrays of the user that one tape keeps.

    Parameters
    ----------
    copies : bool
        Copy arrays of any size; for tapes that outlive the call that made them.
    """

    __slots__ = ("copies", "locked")

    def __init__(self, copies: bool) -> None:
        self.copies = copies
        self.locked: list[np.ndarray[Any, Any]] = []

    def safe(self, residual: Any, foreign: Sequence[Any]) -> Any:
        """Return residuals that later writes cannot change silently.

        Arrays in `foreign` may be the user's own: they are copied or locked. A part of a larger
        buffer is copied, so that the buffer can still be written in place.
        """
        kind = type(residual)
        if kind is np.ndarray:
            for value in foreign:
                if residual is value:
                    return self.protected(residual)
            return own_part(residual)
        if kind is tuple:
            for entry in residual:
                if type(entry) is np.ndarray or type(entry) is tuple:
                    return tuple(self.safe(entry, foreign) for entry in residual)
        return residual

    def protected(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return an array of the user that is kept: a copy, or itself, locked."""
        if self.copies or array.nbytes <= COPIED_BYTES:
            return array.copy()
        owner: Any = array
        while isinstance(owner, np.ndarray):
            if _lock(owner):
                self.locked.append(owner)
            owner = owner.base
        return array

    def release(self) -> None:
        """Make the arrays that this tape locked writeable again."""
        for array in reversed(self.locked):
            _unlock(array)
        self.locked = []


def own_part(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return an array that does not keep a larger buffer alive (and from being written)."""
    base = array.base
    if base is not None and getattr(base, "size", array.size) != array.size:
        return array.copy()
    return array


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
