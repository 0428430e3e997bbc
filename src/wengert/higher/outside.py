"""What a function can change outside while it is recorded: objects in reach, as they were before.

Values of the recording must not stay in them; where they would, everything is put back and the
function runs as it is. What is in reach is found by looking: attributes, containers, closures.
"""

from __future__ import annotations

import functools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from types import CellType, CodeType, FunctionType, GeneratorType, MethodType
from typing import Any

from .. import tree
from ..errors import StagingError
from ..tracing.callsite import is_user_code
from ..tracing.core import Array, Traced
from .objects import is_object
from .reading import reads_of
from .remembering import Contents
from .slots import MISSING
from .storing import Storing, storing

# More objects than this are not looked at.
_MOST = 5000
# Results that nothing has to be asked about.
_PLAIN = tree.LEAF_TYPES | {Array, Traced}


class Outside:
    """The objects that can be reached from some values, and what they hold.

    Parameters
    ----------
    roots : iterable
        Values that the function is given or reads.
    functions : iterable of (function, instance)
        Those that run as they are: what they assign outside is theirs.
    codes : iterable
        All code that runs: what none of it can change is changed by other threads.
    """

    def __init__(
        self,
        roots: Iterable[Any],
        functions: Iterable[tuple[FunctionType, Any]] = (),
        codes: Iterable[CodeType] = (),
    ) -> None:
        self._codes = tuple(codes)
        self._before: list[tuple[Any, Any]] = []
        self._globals: list[tuple[dict[str, Any], str, Any]] = []
        seen: dict[int, Any] = {}
        self._seen = seen
        waiting = deque(value.holder if type(value) is Contents else value for value in roots)
        for function, instance in functions:
            waiting += (function, instance)
            for name in reads_of(function.__code__).stored_globals:
                space = function.__globals__
                self._globals.append((space, name, space.get(name, MISSING)))
        while waiting and len(seen) < _MOST:
            value = waiting.popleft()
            if id(value) in seen:
                continue
            seen[id(value)] = value
            held = _held(value)
            if held is not None:
                self._before.append((value, held))
            waiting.extend(_parts(value, held))

    def refuse_traced(self, owns: Callable[[Any], bool]) -> None:
        """Raise where something outside holds values of a recording now."""
        for value, before in self._before:
            now = _held(value)
            if _is_same(before, now):
                continue
            if any(_holds_traced(entry, owns) for entry in _entries(now)):
                raise StagingError(
                    f"the function stores what it computed in a {_name(value)} outside, which the "
                    "program that is recorded could not do again; return it instead"
                )
        for space, name, before in self._globals:
            now = space.get(name, MISSING)
            if now is not before and _holds_traced(now, owns):
                raise StagingError(f"a method assigns what it computed to the global {name}")

    def refuse_results(self, leaves: Iterable[Any], owns: Callable[[Any], bool]) -> None:
        """Raise where a result could not be given again: it holds values, or may be changed."""
        for leaf in leaves:
            if type(leaf) in _PLAIN:
                continue
            if _holds_traced(leaf, owns):
                raise StagingError(
                    f"its result is a {type(leaf).__name__} that holds what it computed"
                )
            if id(leaf) not in self._seen and _is_mutable(leaf):
                raise StagingError(f"its result is a {type(leaf).__name__} made anew by each call")

    def restore(self) -> None:
        """Put everything back to what it was, but what only other threads can have changed."""
        stored = None if threading.active_count() == 1 else storing(self._codes)
        for value, before in self._before:
            now = _held(value)
            if not _is_same(before, now):
                _put_back(value, before if stored is None else _undone(value, before, now, stored))
        for space, name, before in self._globals:
            if before is MISSING:
                space.pop(name, None)
            else:
                space[name] = before


def _name(value: Any) -> str:
    return value.__qualname__ if isinstance(value, (type, FunctionType)) else type(value).__name__


def _is_plain_class(value: Any) -> bool:
    return isinstance(value, type) and value.__module__.partition(".")[0] not in (
        "builtins",
        "numpy",
        "wengert",
    )


def _held(value: Any) -> Any:
    """Return a shallow copy of what a mutable object holds, None for one that is not looked at."""
    kind = type(value)
    if kind is CellType:
        try:
            return [value.cell_contents]
        except ValueError:
            return [MISSING]
    if isinstance(value, (list, deque)):
        return list(value)
    if isinstance(value, dict):
        return dict.copy(value)
    if isinstance(value, set):
        return set(value)
    if _is_plain_class(value):
        return dict(vars(value))
    if isinstance(value, (Array, Traced)) or kind.__module__.partition(".")[0] in (
        "builtins",
        "numpy",
        "wengert",
    ):
        return dict(value.__dict__) if kind is FunctionType else None
    found = {}
    for name in _slots(kind):
        found[name] = getattr(value, name, MISSING)
    own = getattr(value, "__dict__", None)
    if type(own) is dict:
        found |= own
    return found


def _slots(kind: type) -> Iterator[str]:
    for base in kind.__mro__:
        names = vars(base).get("__slots__", ())
        for name in (names,) if isinstance(names, str) else names:
            if name not in ("__dict__", "__weakref__") and not name.startswith("__"):
                yield name


def _parts(value: Any, held: Any) -> Iterator[Any]:
    """Yield what hangs on an object."""
    if held is not None:
        yield from _entries(held)
    if isinstance(value, (tuple, frozenset)):
        yield from value
    elif isinstance(value, MethodType):
        yield value.__self__
        yield value.__func__
    elif isinstance(value, functools.partial):
        yield from (value.func, *value.args, *value.keywords.values())
    elif isinstance(value, FunctionType) and is_user_code(value.__code__):
        yield from value.__closure__ or ()
        yield from value.__defaults__ or ()
    if not isinstance(value, type):
        yield type(value)


def _entries(held: Any) -> Iterable[Any]:
    return held.values() if isinstance(held, dict) else held


def _is_same(before: Any, now: Any) -> bool:
    if len(before) != len(now):
        return False
    if isinstance(before, dict):
        return before.keys() == now.keys() and all(now[key] is before[key] for key in before)
    if isinstance(before, set):
        return {id(entry) for entry in before} == {id(entry) for entry in now}
    return all(mine is other for mine, other in zip(before, now, strict=True))


def _holds_traced(value: Any, owns: Callable[[Any], bool], depth: int = 4) -> bool:
    if type(value) is Array:
        root = value if value._root is None else value._root
        return type(root._below) is Traced and owns(root._below)
    if type(value) is Traced:
        return owns(value)
    if not depth or isinstance(value, type):
        return False
    return any(_holds_traced(entry, owns, depth - 1) for entry in _contents(value))


def _contents(value: Any) -> Iterable[Any]:
    """Return what a value holds, for one that is run later what it will find."""
    if isinstance(value, (tuple, frozenset)):
        return value
    if isinstance(value, FunctionType):
        cells = [entry for cell in value.__closure__ or () for entry in _held(cell)]
        return [*cells, *(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()]
    if isinstance(value, MethodType):
        return (value.__self__, value.__func__)
    if isinstance(value, functools.partial):
        return (value.func, *value.args, *value.keywords.values())
    if isinstance(value, GeneratorType):
        return [] if value.gi_frame is None else value.gi_frame.f_locals.values()
    held = _held(value)
    return () if held is None else _entries(held)


def _is_mutable(value: Any) -> bool:
    """Return whether a value is one that the caller may change, or use up."""
    if isinstance(value, (set, deque, bytearray, Iterator)):
        return True
    return is_object(value) and not isinstance(value, Enum) and bool(_held(value))


def _undone(value: Any, before: Any, now: Any, stored: Storing) -> Any:
    """Return what something holds without the changes that some code can have made."""
    if stored.anything:
        return before
    if type(value) is CellType:
        return before if stored.cells else now
    if isinstance(value, (list, deque, set, dict)):
        return before if stored.items else now
    return {
        name: (before if name in stored.attributes else now).get(name, MISSING)
        for name in before.keys() | now.keys()
        if name in (before if name in stored.attributes else now)
    }


def _put_back(value: Any, before: Any) -> None:
    kind = type(value)
    if kind is CellType:
        if before[0] is not MISSING:
            value.cell_contents = before[0]
    elif isinstance(value, list):
        list.__setitem__(value, slice(None), before)
    elif isinstance(value, deque):
        deque.clear(value)
        deque.extend(value, before)
    elif isinstance(value, dict):
        dict.clear(value)
        dict.update(value, before)
    elif isinstance(value, set):
        set.clear(value)
        set.update(value, before)
    elif isinstance(value, type):
        for name in vars(value).keys() - before.keys():
            type.__delattr__(value, name)
        for name, entry in before.items():
            if vars(value).get(name, MISSING) is not entry:
                type.__setattr__(value, name, entry)
    else:
        names = set(_slots(kind))
        for name in names:
            if before[name] is MISSING:
                if getattr(value, name, MISSING) is not MISSING:
                    object.__delattr__(value, name)
            else:
                object.__setattr__(value, name, before[name])
        own = getattr(value, "__dict__", None)
        if type(own) is dict:
            kept = {name: entry for name, entry in before.items() if name not in names}
            own.clear()
            own.update(kept)
