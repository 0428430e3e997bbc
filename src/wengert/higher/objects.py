"""Objects that a function reads by attributes: which ones its code can reach, and through what.

Code names the attributes that it reads; what hangs on objects under other names is not looked at,
but for the special methods of their classes, which operators and statements call.
"""

from __future__ import annotations

import functools
import inspect
import operator
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from ..tracing.callsite import is_user_code

# More objects than this are not looked at.
_MOST = 2000
_FOREIGN = frozenset({"builtins", "numpy", "wengert"})
_OTHER = (type, ModuleType, FunctionType, MethodType, BuiltinFunctionType, functools.partial)


@functools.lru_cache(maxsize=4096)
def names_in(code: CodeType) -> frozenset[str]:
    """Return the names that code mentions, also as strings, and those of code nested in it."""
    found = {*code.co_names, *(value for value in code.co_consts if isinstance(value, str))}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found |= names_in(constant)
    return frozenset(found)


def names_spelled(value: Any) -> tuple[str, ...]:
    """Return the names that a value may be used as: a string, or one of `operator`'s getters."""
    if type(value) is str:
        return (value,)
    if isinstance(value, (operator.attrgetter, operator.methodcaller)):
        made = value.__reduce__()
        parts = () if isinstance(made, str) else made[1]
        return tuple(name for part in parts if type(part) is str for name in part.split("."))
    return ()


def is_object(value: Any) -> bool:
    """Return whether a value is an object of the user's, with attributes."""
    if isinstance(value, (*_OTHER, np.ndarray, np.generic)):
        return False
    return type(value).__module__.partition(".")[0] not in _FOREIGN


def attributes_read(roots: Iterable[Any], names: frozenset[str]) -> Iterator[tuple[Any, str, Any]]:
    """Yield objects that can be reached by some names, with a name and what is there.

    Entries of containers are reached without a name.
    """
    seen: dict[int, Any] = {}
    waiting = deque(roots)
    while waiting and len(seen) < _MOST:
        value = waiting.popleft()
        if id(value) in seen:
            continue
        seen[id(value)] = value
        contents = _contents(value)
        if contents is not None:
            waiting.extend(contents)
        if isinstance(value, weakref.ref):
            waiting.append(value())
            continue
        if isinstance(value, type):  # it may be called: its instances run its methods
            yield from _methods_of(value, names)
            for base, name, found in _data_of(value, names):
                waiting.append(found)
                yield base, name, found
            continue
        if not is_object(value):
            continue
        special = False
        for method in _methods_of(type(value), names):
            special = special or (_is_special(method[1]) and method[1] != "__init__")
            yield method
        if special:  # they are looked up on the type, which can be assigned
            yield value, "__class__", type(value)
        if hasattr(type(value), "__getattr__"):  # it answers for what is not there
            yield value, "__dict__", getattr(value, "__dict__", None)
        for name in names:
            found = _attribute(value, name)
            if found is not None:
                waiting.append(found)
                yield value, name, found


def _methods_of(kind: type, names: frozenset[str]) -> Iterator[tuple[type, str, Any]]:
    """Yield the user's functions that a class holds: special ones, and those of some names."""
    for base in kind.__mro__:
        for name, held in list(vars(base).items()):
            if not _is_special(name) and name not in names:
                continue
            function = called(held.__func__ if isinstance(held, staticmethod) else held)
            if isinstance(function, FunctionType) and is_user_code(function.__code__):
                yield base, name, getattr(base, name)
                if base is not kind:  # which may get one of its own
                    yield kind, name, getattr(kind, name)


def _data_of(kind: type, names: frozenset[str]) -> Iterator[tuple[type, str, Any]]:
    """Yield what else the user's classes hold under some names."""
    for base in kind.__mro__:
        if base.__module__.partition(".")[0] in _FOREIGN:
            continue
        for name in names & vars(base).keys():
            found = vars(base)[name]
            held = type(found)
            built_in = held.__module__ == "builtins" and hasattr(held, "__get__")
            if not built_in and held is not functools.cached_property:  # no method, no slot
                yield base, name, found
                if base is not kind:
                    yield kind, name, getattr(kind, name)


def attribute_names(
    roots: Iterable[Any],
) -> tuple[list[tuple[dict[str, Any], list[str]]], frozenset[str]]:
    """Return the dictionaries of objects in reach with their keys, and all names of attributes."""
    spaces: list[tuple[dict[str, Any], list[str]]] = []
    names: set[str] = set()
    seen: dict[int, Any] = {}
    waiting = deque(roots)
    while waiting and len(seen) < _MOST:
        value = waiting.popleft()
        if id(value) in seen:
            continue
        seen[id(value)] = value
        contents = _contents(value)
        if contents is not None:
            waiting.extend(contents)
        elif isinstance(value, type) or is_object(value):
            kind = value if isinstance(value, type) else type(value)
            for base in kind.__mro__:
                if base.__module__.partition(".")[0] not in _FOREIGN:
                    names.update(name for name in vars(base) if not _is_special(name))
            own = getattr(value, "__dict__", None)
            if type(own) is dict:
                spaces.append((own, list(own)))
                names.update(own)
                waiting.extend(own.values())
    return spaces, frozenset(names)


def _contents(value: Any) -> Iterable[Any] | None:
    """Return what is reached without a name: entries, the object of a method; None for others."""
    if isinstance(value, (list, tuple, set, frozenset, deque)):
        return value
    if isinstance(value, dict):
        return value.values()
    return (value.__self__,) if isinstance(value, MethodType) else None


def functions_within(container: Any, depth: int = 4) -> Iterator[Any]:
    """Yield the functions that stand in a container, however deep."""
    for entry in container.values() if isinstance(container, dict) else container:
        if isinstance(entry, (FunctionType, MethodType, functools.partial)):
            yield entry
        elif depth and isinstance(entry, (list, tuple, dict, set, deque)):
            yield from functions_within(entry, depth - 1)


def called(value: Any) -> Any:
    """Return the function that reading an attribute calls, or the value itself."""
    if isinstance(value, property):
        return value.fget
    return value.func if isinstance(value, functools.cached_property) else value


def _is_special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def functions_inside(value: Any) -> Iterator[Any]:
    """Yield what a callable of a library may call: what it wraps, holds and encloses."""
    wrapped = inspect.getattr_static(value, "__wrapped__", None)
    if callable(wrapped):
        yield wrapped
    if isinstance(value, FunctionType):
        for cell in value.__closure__ or ():
            try:
                held = cell.cell_contents
            except ValueError:  # not yet assigned
                continue
            yield from held.values() if isinstance(held, dict) else (held,)
    elif type(own := getattr(value, "__dict__", None)) is dict:
        yield from own.values()


def _attribute(value: Any, name: str) -> Any:
    """Return what an object, or its class, holds under a name; None where it holds nothing."""
    own = getattr(value, "__dict__", None)
    if type(own) is dict and name in own:
        return own[name]
    for base in type(value).__mro__:
        held = vars(base).get(name)
        if held is None:
            continue
        if isinstance(held, FunctionType):
            return MethodType(held, value)
        if isinstance(held, staticmethod):
            return held.__func__
        if isinstance(held, classmethod):
            return MethodType(held.__func__, type(value))
        if isinstance(held, (property, functools.cached_property)):
            function = called(held)
            return None if function is None else MethodType(function, value)
        if hasattr(type(held), "__get__"):  # a slot
            return getattr(value, name, None)
        return held
    return None
