"""What code can change outside: attributes that it assigns, cells, entries of containers."""

from __future__ import annotations

import dis
import functools
from collections.abc import Iterable
from types import CodeType
from typing import NamedTuple

_ASSIGNING = frozenset({"STORE_ATTR", "DELETE_ATTR"})
_ITEMS = frozenset({"STORE_SUBSCR", "DELETE_SUBSCR", "STORE_SLICE"})
_CELLS = frozenset({"STORE_DEREF", "DELETE_DEREF"})
# Methods and functions through which containers change.
_CHANGING = frozenset(
    [
        *("add", "append", "appendleft", "clear", "difference_update", "discard", "extend"),
        *("extendleft", "insert", "intersection_update", "pop", "popitem", "popleft", "remove"),
        *("reverse", "rotate", "setdefault", "sort", "symmetric_difference_update", "update"),
        *("__setitem__", "__delitem__", "heappush", "heappop", "insort", "shuffle"),
    ]
)
# Names by which anything may be assigned.
_ANYTHING = frozenset({"setattr", "delattr", "__dict__", "vars", "__setattr__", "exec", "eval"})


class Storing(NamedTuple):
    """What code can change: attributes by name, closure cells, entries of containers, all of it."""

    attributes: frozenset[str]
    cells: bool
    items: bool
    anything: bool


@functools.lru_cache(maxsize=4096)
def _storing(code: CodeType) -> Storing:
    attributes: set[str] = set()
    cells = items = False
    for instruction in dis.get_instructions(code):
        name = instruction.opname
        if name in _ASSIGNING:
            attributes.add(str(instruction.argval))
        cells = cells or name in _CELLS
        # An operator may work in place: lists and sets have those.
        in_place = name == "BINARY_OP" and instruction.argrepr.endswith("=")
        items = items or name in _ITEMS or in_place
    names = set(code.co_names)
    items = items or not names.isdisjoint(_CHANGING)
    found = Storing(
        frozenset(attributes),
        cells,
        items or not names.isdisjoint(_CHANGING),
        bool(names & _ANYTHING),
    )
    inner = [_storing(constant) for constant in code.co_consts if isinstance(constant, CodeType)]
    return _together([found, *inner])


def _together(parts: Iterable[Storing]) -> Storing:
    parts = list(parts)
    return Storing(
        frozenset().union(*(part.attributes for part in parts)),
        any(part.cells for part in parts),
        any(part.items for part in parts),
        any(part.anything for part in parts),
    )


def storing(codes: Iterable[CodeType]) -> Storing:
    """Return what pieces of code can change outside."""
    return _together(map(_storing, codes))
