"""Cotangents that are more than a number: with a mask, or for a part of an array only."""

from __future__ import annotations

from typing import Any

from .aval import Aval
from .paths import Path


class Masked:
    """A cotangent with the entries that influence the result marked.

    Entries of ``value`` where ``mask`` is False are zero and stay zero whatever a partial says.
    ``owned`` tells that nobody else holds ``value`` and ``mask``, so that they may be written.
    """

    __slots__ = ("mask", "owned", "value")

    def __init__(self, value: Any, mask: Any, owned: bool = False) -> None:
        self.value = value
        self.mask = mask
        self.owned = owned


class Part:
    """A cotangent that is zero but for the part of an array that ``path`` leads to.

    ``indices`` are the values of the path's index operands.
    """

    __slots__ = ("aval", "indices", "mask", "path", "value")

    def __init__(
        self,
        value: Any,
        path: Path,
        aval: Aval,
        mask: Any = True,
        indices: tuple[Any, ...] = (),
    ) -> None:
        self.value = value
        self.path = path
        self.aval = aval
        self.mask = mask
        self.indices = indices


class Items:
    """The cotangents of the items of a tuple that one primitive returned, None where zero."""

    __slots__ = ("entries",)

    def __init__(self, entries: list[Any]) -> None:
        self.entries = entries
