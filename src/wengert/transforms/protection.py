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

    __slots__ = ("_locks", "copies", "owners")

    def __init__(self, inputs: Sequence[Any], copies: bool) -> None:
        self.copies = copies
        self._locks: _Locks | None = None
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
        if self._locks is None:
            self._locks = _Locks()
        self._locks.add(array)

    def release(self) -> None:
        """Make the arrays that this tape locked writeable again."""
        if self._locks is not None:
            self._locks.release()


# Re-entrant: a finaliser may run anywhere.
_guard = threading.RLock()
# By the identities of arrays that are locked: who holds them so.
_holders: dict[int, set[int]] = {}


class _Locks:
    """Arrays that one tape holds read-only, until `release`, or until the tape is gone.

    An interrupt may come between any two steps: what it cuts short can be done again.
    """

    __slots__ = ("_arrays",)

    def __init__(self) -> None:
        self._arrays: list[np.ndarray[Any, Any]] = []

    def add(self, array: np.ndarray[Any, Any]) -> None:
        """Make an array read-only, if it is not read-only of itself."""
        with _guard:
            holders = _holders.get(id(array))
            if not array.flags.writeable if holders is None else id(self) in holders:
                return
            self._arrays.append(array)
            if holders is None:
                _holders[id(array)] = {id(self)}
            else:
                holders.add(id(self))
            array.flags.writeable = False

    def release(self) -> None:
        """Make the arrays writeable that nobody else holds."""
        while self._arrays:
            array = self._arrays[-1]
            with _guard:
                holders = _holders.get(id(array), set())
                holders.discard(id(self))
                if not holders:
                    array.flags.writeable = True
                    _holders.pop(id(array), None)
            self._arrays.pop()

    def __del__(self) -> None:
        self.release()
