"""Objects that a function reads by attributes: which ones its code can reach, and through what.

Code names the attributes that it reads; what hangs on objects under other names is not looked at.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Iterable, Iterator
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

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
        if isinstance(value, (list, tuple, set, frozenset, deque)):
            waiting.extend(value)
            continue
        if isinstance(value, dict):
            waiting.extend(value.values())
            continue
        if isinstance(value, MethodType):
            waiting.append(value.__self__)
        if not is_object(value):
            continue
        for name in names:
            found = _attribute(value, name)
            if found is not None:
                waiting.append(found)
                yield value, name, found


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
        if isinstance(held, (staticmethod, classmethod)):
            return held.__func__
        if isinstance(held, property):
            return None if held.fget is None else MethodType(held.fget, value)
        if isinstance(held, functools.cached_property):
            return MethodType(held.func, value)
        if hasattr(type(held), "__get__"):  # a slot
            return getattr(value, name, None)
        return held
    return None
