"""Objects whose numbers become arguments: which they are, and clones of them for a recording.

A recording runs on clones, in which attributes hold the values of the recording; what it assigns to
them is assigned to the objects afterwards. Objects that other code can reach stay as they are.
"""

from __future__ import annotations

import gc
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import is_not
from types import (
    CodeType,
    FunctionType,
    MethodType,
    ModuleType,
    SimpleNamespace,
)
from typing import Any

import numpy as np

from ..errors import StagingError
from ..tracing.callsite import is_user_code
from .objects import is_object

# More objects than this are not looked at.
_MOST = 2000
_ORDERED = (list, tuple)
# What leads to no object: functions are looked at on their own.
_ATOMS = (
    *(bool, int, float, complex, str, bytes, type(None), np.ndarray, np.generic, np.dtype),
    *(type, ModuleType, FunctionType, CodeType),
)


def can_be_cloned(value: Any) -> bool:
    """Return whether an object is all in its ``__dict__``, and its attributes are plain ones."""
    kind: Any = type(value)
    if kind is SimpleNamespace:
        return True
    if not is_object(value) or type(getattr(value, "__dict__", None)) is not dict:
        return False
    return (
        kind.__new__ is object.__new__
        and kind.__getattribute__ is object.__getattribute__
        and kind.__setattr__ is object.__setattr__
        and not hasattr(kind, "__getattr__")
        and not hasattr(kind, "__del__")
        and not hasattr(kind, "__array_ufunc__")
        and all(base is object or _is_users(base) for base in kind.__mro__)
    )


def _is_users(kind: type) -> bool:
    """Return whether a class is the user's: made without slots, by functions of the user's code."""
    if kind.__dict__.get("__slots__"):
        return False
    functions = [held for held in vars(kind).values() if hasattr(held, "__code__")]
    return all(is_user_code(f.__code__) or f.__code__.co_filename == "<string>" for f in functions)


def _parts(value: Any) -> Iterable[Any]:
    """Return what an object or container holds, where clones of it could hold something else."""
    if type(value) in _ORDERED:
        return value  # type: ignore[no-any-return]
    if type(value) is dict:
        return value.values()
    if isinstance(value, MethodType):
        return (value.__self__,)
    return vars(value).values() if can_be_cloned(value) else ()


def _reachable(roots: Iterable[Any], everything: bool = False) -> dict[int, Any]:
    """Return what can be reached from some values, by identity: through clones, or in any way."""
    seen: dict[int, Any] = {}
    waiting = deque(roots)
    while waiting and len(seen) < _MOST:
        value = waiting.popleft()
        if id(value) not in seen and not isinstance(value, _ATOMS):
            seen[id(value)] = value
            if isinstance(value, weakref.ref):
                waiting.append(value())
            waiting.extend(gc.get_referents(value) if everything else _parts(value))
    return seen


def liftable(
    roots: Iterable[Any], fixed: Iterable[Any], names: frozenset[str], wanted: Callable[[Any], bool]
) -> tuple[list[tuple[Any, str]], dict[int, Any]]:
    """Return the attributes that become arguments, and the objects and containers to be cloned.

    Parameters
    ----------
    roots : iterable
        What cloned functions hold: objects that can be replaced there.
    fixed : iterable
        What functions hold that are not cloned. Objects within reach of it stay as they are.
    names : set of str
        The attributes that some code names.
    wanted : callable
        Says of a value whether it shall be an argument.
    """
    found = _reachable(roots)
    kinds = {base for value in found.values() for base in type(value).__mro__}
    unseen = [*fixed, *(entry for kind in kinds for entry in vars(kind).values())]
    for value in found.values():
        if type(value) is dict:
            unseen += value
        elif isinstance(value, weakref.ref):
            unseen.append(value())
        elif not (type(value) in _ORDERED or isinstance(value, MethodType) or can_be_cloned(value)):
            unseen += gc.get_referents(value)
    others = _reachable(unseen, everything=True)
    if len(found) >= _MOST or len(others) >= _MOST:
        return [], {}
    places = [
        (value, name)
        for key, value in found.items()
        if key not in others and can_be_cloned(value)
        for name, entry in vars(value).items()
        if name in names and id(entry) not in others and wanted(entry)
    ]
    kept = {id(vars(value)[name]) for value, name in places}
    needed = {id(value): value for value, _ in places}
    while True:  # what holds those, on any way to them
        holding = {
            key: value
            for key, value in found.items()
            if key not in needed
            and key not in kept
            and not isinstance(value, MethodType)
            and any(id(part) in needed for part in _parts(value))
        }
        if not holding:
            break
        needed |= holding
    if any(key in others for key in needed):
        return [], {}
    return places, needed


class ObjectClones:
    """Clones of objects and of the containers that lead to them.

    Parameters
    ----------
    objects : dict
        The originals by identity.
    made : dict
        Takes the clones, by the identity of the originals.
    """

    def __init__(self, objects: dict[int, Any], made: dict[int, Any]) -> None:
        self._objects = objects
        self._made = made
        self._filled: dict[int, Any] = {}
        for key, value in objects.items():
            kind: Any = type(value)
            if kind not in (*_ORDERED, dict):
                made[key] = kind.__new__(kind)
        self._containers: dict[int, Any] = {}

    def fill(self, given: Mapping[tuple[int, str], Any]) -> None:
        """Give the clones what the originals hold, but the `given` values for some attributes."""
        for key, value in self._objects.items():
            if type(value) in (*_ORDERED, dict):
                self._container(value)
                continue
            clone = self._made[key]
            for name, entry in vars(value).items():
                clone.__dict__[name] = given.get((key, name), self._replaced(entry))
            self._filled[key] = dict(clone.__dict__)

    def _replaced(self, value: Any) -> Any:
        if id(value) in self._objects and type(value) in (*_ORDERED, dict):
            return self._container(value)
        if isinstance(value, MethodType) and id(value.__self__) in self._made:
            return MethodType(value.__func__, self._made[id(value.__self__)])
        return self._made.get(id(value), value)

    def _container(self, value: Any) -> Any:
        made = self._made.get(id(value))
        if made is None:
            if type(value) is dict:
                made = self._made[id(value)] = {}
                made.update((key, self._replaced(entry)) for key, entry in value.items())
            elif type(value) is list:
                made = self._made[id(value)] = []
                made.extend(map(self._replaced, value))
            else:
                made = self._made[id(value)] = tuple(map(self._replaced, value))
            self._containers[id(value)] = (made, list(_parts(made)))
        return made

    def assigned(self) -> Iterator[tuple[Any, str, Any]]:
        """Yield what was assigned to clones: the original, the attribute and the value.

        Raises
        ------
        StagingError
            If that cannot be done again by assignments.
        """
        for made, before in self._containers.values():
            now = list(_parts(made))
            if len(now) != len(before) or any(map(is_not, now, before)):
                raise StagingError("the function changes a list or dictionary of objects")
        for key, before in self._filled.items():
            now = vars(self._made[key])
            if not before.keys() <= now.keys():
                raise StagingError("the function deletes an attribute")
            for name, value in now.items():
                if name not in before or value is not before[name]:
                    yield self._objects[key], name, value

    def refuse(self, value: Any) -> None:
        """Raise where a value that leaves the function is one of the clones, or leads to one."""
        clones = {id(self._made[key]) for key in self._objects}
        if not clones.isdisjoint(_reachable([value])):
            raise StagingError("the function gives out an object that it computes with")
