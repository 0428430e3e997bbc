"""What a basic index selects, as numbers: along each axis a start, a count and a step.

Found once for each index and shape: compiling asks again for every entry that it places.
"""

from __future__ import annotations

import functools
from collections.abc import Hashable
from typing import Any, NamedTuple


class Window(NamedTuple):
    """What is selected along one axis of an array.

    ``position`` is the axis of the part that runs along it, -1 for a single place.
    """

    position: int
    start: int
    length: int
    step: int


class Selection(NamedTuple):
    """The shape of the part, and a window for each axis of the array."""

    shape: tuple[int, ...]
    windows: tuple[Window, ...]


def selection(key: Any, shape: tuple[int, ...]) -> Selection:
    """Return what an index of integers, slices, None and dots selects of an array."""
    entries = key if isinstance(key, tuple) else (key,)
    return _selection(tuple([_frozen(entry) for entry in entries]), shape)


def _frozen(entry: Any) -> Hashable:
    if type(entry) is slice:  # not hashable before Python 3.12
        return (entry.start, entry.stop, entry.step)
    return entry if entry is None or entry is Ellipsis else int(entry)


@functools.lru_cache(maxsize=4096)
def _selection(entries: tuple[Any, ...], shape: tuple[int, ...]) -> Selection:
    whole = (None, None, None)
    missing = len(shape) - sum(entry is not None and entry is not Ellipsis for entry in entries)
    full: list[Any] = []
    for entry in entries:
        full += [whole] * missing if entry is Ellipsis else [entry]
    if Ellipsis not in entries:
        full += [whole] * missing
    part: list[int] = []
    windows: list[Window] = []
    for entry in full:
        if entry is None:
            part.append(1)
            continue
        length = shape[len(windows)]
        if type(entry) is tuple:
            start, stop, step = slice(*entry).indices(length)
            count = len(range(start, stop, step))
            windows.append(Window(len(part), start, count, step))
            part.append(count)
        else:
            windows.append(Window(-1, entry % length if length else 0, 1, 1))
    return Selection(tuple(part), tuple(windows))
