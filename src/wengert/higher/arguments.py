"""The arguments of one call of a compiled function: what is staged, what is constant, its key."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from .. import tree
from ..errors import ArgumentError, StagingError
from ..ir.aval import aval_of
from ..tracing.core import Array, Traced, innermost, raw_of
from ..transforms.arguments import positional_names
from .captures import Captures, Clones, is_callable_of_user
from .objects import is_object
from .outside import Outside
from .remembering import CONTAINERS
from .slots import Slot

Capturing = Callable[[Sequence[Any]], Captures]

_PYTHON_NUMBERS = frozenset({float, int, bool, complex})


class Static:
    """The arguments that are constants of the program, by position and by name."""

    __slots__ = ("names", "numbers", "positions")

    def __init__(
        self, fun: Callable[..., Any], numbers: int | Iterable[int], names: str | Iterable[str]
    ) -> None:
        self.positions = positional_names(fun)
        given = (names,) if isinstance(names, str) else tuple(names)
        for name in given:
            if not isinstance(name, str):
                raise ArgumentError(f"static_argnames takes argument names, got {name!r}")
        chosen = integers(numbers, "static_argnums")
        count = len(self.positions)
        self.numbers = {number + count if number < 0 else number for number in chosen}
        self.numbers.update(self.positions.index(name) for name in given if name in self.positions)
        self.names = {*given, *(self.positions[n] for n in self.numbers if n < count)}

    def __bool__(self) -> bool:
        return bool(self.numbers or self.names)


def integers(given: int | Iterable[int], name: str) -> tuple[int, ...]:
    """Return one integer, or several, as a tuple."""
    found = (given,) if isinstance(given, (int, np.integer)) else tuple(given)
    for number in found:
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)):
            raise ArgumentError(f"{name} takes integers, got {number!r}")
    return tuple(int(number) for number in found)


class Constant:
    """A leaf that is no number, as part of a key: by equality, or by identity if unhashable."""

    __slots__ = ("_hash", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        try:
            self._hash = hash(value)
        except TypeError:
            self._hash = id(value)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Constant):
            return False
        if self.value is other.value:
            return True
        if type(self.value) is not type(other.value) or self._hash != other._hash:
            return False
        return bool(self.value == other.value)


def leaf_key(leaf: Any) -> Any:
    """Return what tells programs apart of a staged leaf: its Aval in a form that hashes fast."""
    kind = type(leaf)
    if kind is np.ndarray:
        return (leaf.dtype, leaf.shape)
    if kind in _PYTHON_NUMBERS:
        return kind
    if isinstance(leaf, np.generic):
        return leaf.dtype.type
    return aval_of(innermost(raw_of(leaf)))


def is_staged(leaf: Any) -> bool:
    """Return whether a leaf is an argument of the program; others are its constants."""
    kind = type(leaf)
    if kind in _PYTHON_NUMBERS or kind is Traced or kind is Array:
        return True
    if kind is np.ndarray or isinstance(leaf, np.generic):
        return leaf.dtype.kind in "biufc"
    return False


def refuses(leaf: Any) -> bool:
    """Return whether a leaf keeps a function from being compiled: arrays that are not plain."""
    if isinstance(leaf, np.ndarray):
        return type(leaf) is not np.ndarray or leaf.dtype.kind not in "biufc"
    return hasattr(leaf, "__array_ufunc__") and not isinstance(leaf, (np.generic, type))


_FLAT = tree.LEAF_TYPES | {Array, Traced}


@functools.cache
def _structure_of(count: int) -> tree.Structure:
    """Return the structure of a call with so many numbers or arrays and no captured values."""
    return tree.structure(((0.0,) * count, {}, []))


def _can_change(leaf: Any) -> bool:
    """Return whether a constant can become another while it stays the same object.

    Objects with attributes do, unless they are told apart by their values: those are part of a key.
    """
    kind: Any = type(leaf)
    if isinstance(leaf, (np.ndarray, *CONTAINERS)) or is_object(leaf):
        return kind.__eq__ is object.__eq__ or not _is_hashable(leaf)
    return False


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


class Call:
    """One call: its staged values, its constants, and the key of the programs that may answer it.

    Attributes
    ----------
    values : list
        The raw values that are arguments of the program: numbers and arrays among the leaves of
        the arguments, then among what the function captures.
    key : hashable
    users : list
        What the caller, or the place outside, holds for each of them.
    handles : sequence
        What stands for them while the function is recorded.
    inside : bool
        Some values belong to a transformation around the call.
    refused : str or None
        Why the call cannot be compiled.
    """

    __slots__ = (
        "_clones",
        "_given",
        "_structure",
        "_which",
        "args",
        "captures",
        "handles",
        "inside",
        "key",
        "kwargs",
        "leaves",
        "refused",
        "static",
        "users",
        "values",
    )

    def __init__(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], static: Static, captured: Capturing
    ) -> None:
        self.args = args
        self.kwargs = kwargs
        self.static: dict[int | str, Any] = {}
        if static:
            self.static = {n: value for n, value in enumerate(args) if n in static.numbers}
            self.static |= {key: value for key, value in kwargs.items() if key in static.names}
            args = tuple(None if n in self.static else value for n, value in enumerate(args))
            kwargs = {key: value for key, value in kwargs.items() if key not in self.static}
        functions = [
            value for value in self.static.values() if callable(value) or _can_change(value)
        ]
        flat = not kwargs and _FLAT.issuperset(map(type, args))
        if not flat:
            functions += [
                leaf
                for leaf in tree.leaves((args, kwargs))
                if not is_staged(leaf) and (is_callable_of_user(leaf) or _can_change(leaf))
            ]
        self.captures = captured(functions)
        if flat and not self.captures.implicit:  # the common call: numbers and arrays
            self.leaves = list(args)
            self._structure = _structure_of(len(args))
        else:
            self.leaves, self._structure = tree.flatten((args, kwargs, self.captures.values()))
        self._which: list[int] = []
        self.values: list[Any] = []
        self.users: list[Any] = []
        self.handles: Sequence[Any] = ()
        self.inside = False
        self.refused = self.captures.refused
        parts: list[Any] = [self.captures, self._structure]
        parts += [(name, Constant(value)) for name, value in self.static.items()]
        for position, leaf in enumerate(self.leaves):
            if not is_staged(leaf):
                if refuses(leaf):
                    self.refused = f"an argument is a {type(leaf).__name__}"
                parts.append(Constant(leaf))
                continue
            raw = raw_of(leaf)
            self.inside = self.inside or type(raw) is Traced
            self._which.append(position)
            self.users.append(leaf)
            self.values.append(raw)
            parts.append(leaf_key(raw))
        self.key = tuple(parts)
        self._clones: Clones | None = None
        self._given: Any = None

    def describe(self) -> str:
        """Return the signature in words."""
        shown = [str(aval_of(leaf)) if is_staged(leaf) else repr(leaf)[:40] for leaf in self.leaves]
        shown += [f"{name}={value!r}"[:40] for name, value in self.static.items()]
        return f"({', '.join(shown)})"

    def values_of(self, arguments: Iterable[int]) -> frozenset[int]:
        """Return the numbers of the values that stand in some of the positional arguments."""
        chosen = {number % len(self.args) for number in arguments if number < len(self.args)}
        wanted: set[int] = set()
        start = 0
        for number, argument in enumerate(self.args):
            count = len(tree.leaves(None if number in self.static else argument))
            if number in chosen:
                wanted.update(range(start, start + count))
            start += count
        return frozenset(n for n, position in enumerate(self._which) if position in wanted)

    def outside(self, fun: Callable[..., Any]) -> Outside:
        """Return what the function can change outside, as it is now."""
        captures = self.captures
        opaque = [leaf for leaf in self.leaves if not is_staged(leaf)]
        read = [value for _, value in captures.constant]
        return Outside([fun, *captures.roots, *opaque, *read], captures.uncloned, captures.codes)

    def replaced(
        self, fun: Callable[..., Any], handles: Sequence[Any]
    ) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
        """Return the clone of the function, and its arguments with `handles` as staged values."""
        self.handles = handles
        clones = self._clones = Clones(self.captures)
        leaves = [clones.of(leaf) for leaf in self.leaves]
        for position, handle in zip(self._which, handles, strict=True):
            leaves[position] = handle
        args, kwargs, captured = tree.unflatten(self._structure, leaves)
        self._given = (leaves, (args, kwargs, captured))
        clones.fill(captured)
        if self.static:
            static = {key: clones.of(value) for key, value in self.static.items()}
            args = tuple(static.get(n, value) for n, value in enumerate(args))
            kwargs = {**kwargs, **{k: v for k, v in static.items() if isinstance(k, str)}}
        return clones.of(fun), args, kwargs

    def refuse_mutation(self) -> None:
        """Raise where the function changed a list, dictionary or record that it was given.

        Or an attribute of a function.
        """
        if self._clones is not None and self._clones.has_new_attributes():
            raise StagingError("the function assigns an attribute of a function; use a global name")
        leaves, given = self._given
        found, structure = tree.flatten(given)
        if structure != self._structure or any(
            mine is not other for mine, other in zip(found, leaves, strict=True)
        ):
            raise StagingError(
                "the function changes a list, dictionary or record that it was given, or that it "
                "captures; return the new one instead"
            )

    def stores(self) -> list[tuple[Slot, Any]]:
        """Return the names outside that the function assigned, and the values."""
        return [] if self._clones is None else self._clones.stores()

    def refuse_clones(self, value: Any, stores: Sequence[tuple[Slot, Any]]) -> None:
        """Raise where the function gives out one of the objects that stand for the user's."""
        if self._clones is not None and self.captures.lifted:
            self._clones.refuse((value, [stored for _, stored in stores]))

    def overlap(self, written: Sequence[int]) -> bool:
        """Return whether an argument that is written shares memory with another one."""
        for number in written:
            array = self.values[number]
            for other, value in enumerate(self.values):
                if other == number or type(value) is not np.ndarray:
                    continue
                if np.may_share_memory(array, value):
                    return True
        return False
