"""What a native entry matches and makes: trees of values, as plain data.

Whoever compiles a function describes with these how its arguments and what it captures lead to the
inputs of a program, and how the program's outputs make its result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...ir.aval import Aval


@dataclass(frozen=True)
class Leaf:
    """A number or array: the next input of the program."""

    aval: Aval


@dataclass(frozen=True)
class Same:
    """The very object."""

    value: Any


@dataclass(frozen=True)
class Equal:
    """An object of the same type that is equal: an integer, a string."""

    value: Any


@dataclass(frozen=True)
class Entries:
    """The very array, with the entries that it has now."""

    value: Any


@dataclass(frozen=True)
class Items:
    """A plain tuple or list of trees."""

    kind: type
    children: Sequence[Any]


@dataclass(frozen=True)
class Fields:
    """A plain dictionary with exactly these keys."""

    keys: Sequence[Any]
    children: Sequence[Any]


@dataclass(frozen=True)
class Cell:
    """What a closure cell holds."""

    cell: Any
    child: Any


@dataclass(frozen=True)
class Item:
    """What a dictionary, such as a module's globals, holds under a key."""

    holder: dict[Any, Any]
    key: Any
    child: Any


@dataclass(frozen=True)
class Absent:
    """Nothing: a dictionary, such as a module's globals, has no such key."""

    holder: dict[Any, Any]
    key: Any


@dataclass(frozen=True)
class Attribute:
    """An attribute of an object; of the object that led here, where `holder` is None."""

    holder: Any
    name: str
    child: Any


@dataclass(frozen=True)
class Code:
    """A function that still has this code."""

    function: Any
    code: Any


@dataclass(frozen=True)
class Kind:
    """An object that is still of this type."""

    value: Any
    kind: type


@dataclass(frozen=True)
class Output:
    """Output number `position` of the program."""

    position: int


@dataclass(frozen=True)
class Input:
    """The object that came as input number `position`."""

    position: int


@dataclass(frozen=True)
class Call:
    """What a Python function makes of a tree."""

    function: Any
    child: Any
