"""How a call leads to a program's inputs, and its outputs to a result, for the native entry.

What the entry cannot check or make itself stays with the Python function behind it.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from types import FunctionType, MethodType
from typing import Any

import numpy as np

from .. import tree
from ..backends.llvm import signature
from ..ir.aval import aval_of
from .arguments import Call, is_staged
from .error_handling import special_errors
from .paths import Path
from .remembering import Contents, Entries
from .results import Results
from .slots import MISSING, Slot


class Description:
    """The arguments, sources and result of one program, as trees of `signature`."""

    __slots__ = ("arguments", "result", "sources")

    def __init__(self, arguments: list[Any], sources: list[Any], result: Any) -> None:
        self.arguments = arguments
        self.sources = sources
        self.result = result


# Longer lists are compared by the Python function behind the entry.
_MOST_ENTRIES = 100


class _CannotDescribeError(Exception):
    """A container or a place that the entry does not read."""


def describe_call(path: Path, call: Call) -> Description | None:
    """Return how the entry matches calls like this one, None where it cannot."""
    if call.kwargs or call.captures.spaces:  # which the entry does not compare
        return None
    if path.results.exclusive and sum(type(value) is np.ndarray for value in call.values) > 1:
        return None  # they may overlap, which is looked at before
    leaves: list[Any] = []
    try:
        arguments = [
            _constant(value) if number in call.static else _matched(value, leaves)
            for number, value in enumerate(call.args)
        ]
        sources = [_read(slot, _matched(slot.read(), leaves)) for slot in call.captures.implicit]
        # The number of defaults is compared with them.
        sources += [signature.Code(function, code) for function, code, _ in call.captures.ran]
        sources += [signature.Kind(*known) for known in call.captures.kinds.values()]
        for slot, value in call.captures.constant:
            sources += _compared(slot, value)
        if path.special:
            ignored = signature.Same(True)
            sources.append(signature.Attribute(special_errors, "are_ignored", ignored))
        sources = _once(sources)
        result = _made(path.results, len(call.values))
    except _CannotDescribeError:
        return None
    if len(leaves) != len(call.leaves) or any(
        mine is not other for mine, other in zip(leaves, call.leaves, strict=True)
    ):
        return None
    return Description(arguments, sources, result)


def _matched(value: Any, leaves: list[Any]) -> Any:
    """Return the tree that matches values like this one; its leaves are added to a list."""
    kind = type(value)
    if value is None:
        return signature.Same(None)
    if kind is tuple or kind is list:
        return signature.Items(kind, [_matched(child, leaves) for child in value])
    if kind is dict:
        keys = tree.structure(dict.fromkeys(value, 0)).entries()
        return signature.Fields(keys, [_matched(value[key], leaves) for key in keys])
    if tree.leaves(value) != [value] if not isinstance(value, np.ndarray) else False:
        raise _CannotDescribeError
    leaves.append(value)
    return signature.Leaf(aval_of(value)) if is_staged(value) else _constant(value)


def _constant(value: Any) -> Any:
    """Return what matches a constant."""
    if type(value) is Entries:
        return signature.Entries(value.array)
    if type(value) is Contents:
        raise _CannotDescribeError
    if type(value) in (int, str, bytes) or (type(value) is float and value):
        return signature.Equal(value)
    return signature.Same(value)


def _compared(slot: Slot, value: Any) -> list[Any]:
    """Return the sources that match what a slot held."""
    if value is MISSING:
        if slot.kind == "global" and not slot.attributes:
            return [signature.Absent(slot.holder, slot.key)]
        raise _CannotDescribeError
    if type(value) is Contents:
        return [_read(slot, signature.Same(value.holder)), _read(slot, _contents(value))]
    if type(value) is MethodType:  # made anew whenever it is read
        if _is_plain_method(slot, value):
            space = vars(slot.holder)
            return [
                signature.Kind(slot.holder, type(slot.holder)),
                signature.Attribute(slot.holder, "__dict__", signature.Same(space)),
                signature.Absent(space, slot.attributes[0]),
                signature.Attribute(
                    type(slot.holder), slot.attributes[0], signature.Same(value.__func__)
                ),
            ]
        parts = (("__func__", value.__func__), ("__self__", value.__self__))
        return [
            _read(slot, signature.Attribute(None, name, signature.Same(part)))
            for name, part in parts
        ]
    return [_read(slot, _constant(value))]


def _is_plain_method(slot: Slot, method: MethodType) -> bool:
    """Return whether a slot gives a function of the object's class as a method of the object."""
    holder = slot.holder
    kind: Any = type(holder)
    if slot.kind != "value" or len(slot.attributes) != 1 or method.__self__ is not holder:
        return False
    if isinstance(holder, type) or kind.__getattribute__ is not object.__getattribute__:
        return False
    name = slot.attributes[0]
    space = getattr(holder, "__dict__", None)
    return (
        type(space) is dict
        and name not in space
        and type(method.__func__) is FunctionType
        and inspect.getattr_static(kind, name, None) is method.__func__
    )


def _once(sources: list[Any]) -> list[Any]:
    """Return sources without those that compare the same place with the same thing again."""
    found: dict[Any, Any] = {}
    for source in sources:
        key: Any = id(source)
        if type(source) is signature.Kind:
            key = (id(source.value), id(source.kind))
        elif type(source) is signature.Attribute and type(source.child) is signature.Same:
            key = (id(source.holder), source.name, id(source.child.value))
        found.setdefault(key, source)
    return list(found.values())


def _contents(value: Any) -> Any:
    """Return what matches a list or tuple, or a dictionary of one key, as it is now.

    The entry does not see the order of keys.
    """
    if type(value) is not Contents:
        return _constant(value)
    kind = type(value.holder)
    if kind not in (list, tuple, dict) or len(value.entries) > _MOST_ENTRIES:
        raise _CannotDescribeError
    remembered = {id(entry): what for entry, what in value.mutable}
    children = [_contents(remembered.get(id(entry), entry)) for entry in value.entries]
    if kind is not dict:
        return signature.Items(kind, children)
    if len(children) > 1 or value.keys is None:
        raise _CannotDescribeError
    return signature.Fields(value.keys, children)


def _read(slot: Slot, child: Any) -> Any:
    """Return the source that reads a slot."""
    for name in reversed(slot.attributes[1:] if slot.kind == "value" else slot.attributes):
        child = signature.Attribute(None, name, child)
    if slot.kind == "global":
        return signature.Item(slot.holder, slot.key, child)
    if slot.kind == "cell":
        return signature.Cell(slot.holder, child)
    if slot.kind == "value" and slot.attributes:
        return signature.Attribute(slot.holder, slot.attributes[0], child)
    if slot.kind == "default":
        # The others must be the same: another slot may read them, this one does not.
        others = enumerate(slot.holder.__defaults__)
        children = [child if n == slot.key else signature.Same(value) for n, value in others]
        return signature.Attribute(slot.holder, "__defaults__", signature.Items(tuple, children))
    raise _CannotDescribeError


class _Marked:
    """A recipe as a leaf of the tree of results."""

    def __init__(self, recipe: Any) -> None:
        self.recipe = recipe


def _made(results: Results, count: int) -> Any:
    """Return the tree that makes the result."""
    if not results.writes and not results.slots:
        marked = [_Marked(recipe) for recipe in results.recipes]
        try:
            return _tree_of(tree.unflatten(results.structure, marked))
        except _CannotDescribeError:
            pass

    def finish(parts: tuple[Sequence[Any], Sequence[Any]]) -> Any:
        args, outputs = parts
        return results.finish(args, outputs, frozenset())

    inputs = signature.Items(tuple, [signature.Input(number) for number in range(count)])
    outputs = [signature.Output(number) for number in range(len(results.operands))]
    return signature.Call(finish, signature.Items(tuple, [inputs, signature.Items(tuple, outputs)]))


def _tree_of(made: Any) -> Any:
    kind = type(made)
    if kind is _Marked:
        how = made.recipe[0]
        if how == "output":
            return signature.Output(made.recipe[1])
        if how == "constant":
            return signature.Same(made.recipe[1])
        if how == "input" and not made.recipe[2][0]:
            return signature.Input(made.recipe[1])
        raise _CannotDescribeError
    if made is None:
        return signature.Same(None)
    if kind is tuple or kind is list:
        return signature.Items(kind, [_tree_of(child) for child in made])
    if kind is dict:
        return signature.Fields(list(made), [_tree_of(child) for child in made.values()])
    raise _CannotDescribeError
