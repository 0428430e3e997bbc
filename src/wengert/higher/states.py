"""What a running function can go on from: its names and what hangs on them, as plain data.

Where a loop comes back to the same instruction with the same state but for traced values, it goes
on as before: Python decides the same way on the same things.
"""

from __future__ import annotations

import dis
import functools
import inspect
import itertools
from collections.abc import Callable, Hashable
from types import (
    BuiltinFunctionType,
    CodeType,
    FrameType,
    FunctionType,
    GetSetDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any

import numpy as np

from ..ir.equation import Variable
from ..passes.keys import value_key
from ..tracing.callsite import is_user_code
from ..tracing.core import Array, Traced
from .reading import reads_of

_IMMUTABLE = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis), range, np.generic)
_BY_IDENTITY = (ModuleType, np.ufunc, np.dtype, GetSetDescriptorType)
_HELD_BY_CLASSES = (bool, int, float, complex, list, dict, np.ndarray, Array, Traced)
_LARGEST = 4096


class OpaqueError(Exception):
    """Something whose state cannot be told: an iterator, a large plain array, a foreign object."""


class State:
    """The state of a frame.

    Attributes
    ----------
    skeleton : hashable
        Everything but the traced values.
    variables : list of Variable
        The traced values, in the order in which the skeleton names them.
    """

    __slots__ = ("_numbers", "_stand_in", "skeleton", "variables")

    def __init__(self, stand_in: Callable[[Traced], Traced | None], frame: FrameType) -> None:
        self._stand_in = stand_in
        self._numbers: dict[int, int] = {}
        self.variables: list[Variable] = []
        names = sorted(frame.f_locals.items(), key=lambda item: item[0])
        parts: list[Hashable] = [(name, self._of(value)) for name, value in names]
        parts.append(self._globals(frame.f_code, frame.f_globals))
        self.skeleton: Hashable = tuple(parts)

    def _of(self, value: Any) -> Hashable:
        kind = type(value)
        if kind is Traced:
            return self._traced(value)
        if kind in _IMMUTABLE or isinstance(value, np.generic):
            return value_key(value)
        if isinstance(value, type):
            return self._class(value)
        if isinstance(value, _BY_IDENTITY):
            return ("object", id(value))
        known = self._numbers.get(id(value))
        if known is not None:
            return ("again", known)
        self._numbers[id(value)] = len(self._numbers)
        if kind is Array:
            return self._array(value)
        if kind is tuple or kind is list:
            return (kind, tuple(self._of(entry) for entry in value))
        if kind is dict:
            return (dict, tuple((self._of(k), self._of(entry)) for k, entry in value.items()))
        if kind is slice:
            return (slice, *(self._of(bound) for bound in (value.start, value.stop, value.step)))
        if kind is np.ndarray:
            if value.nbytes > _LARGEST or value.dtype.hasobject:
                raise OpaqueError
            return ("plain", id(value), value.tobytes())
        if isinstance(value, FunctionType):
            return self._function(value)
        if isinstance(value, MethodType):
            return ("method", self._of(value.__func__), self._of(value.__self__))
        if isinstance(value, BuiltinFunctionType):
            owner = value.__self__
            if owner is None or isinstance(owner, (ModuleType, type)):
                return ("object", id(value))
            return ("builtin", value.__name__, self._of(owner))
        if isinstance(value, functools.partial):
            return ("partial", self._of(value.func), self._of(value.args), self._of(value.keywords))
        attributes = getattr(value, "__dict__", None)
        if type(attributes) is dict and not hasattr(kind, "__slots__"):
            if isinstance(value, (list, dict, set)) or hasattr(value, "__next__"):
                raise OpaqueError
            return ("instance", self._class(kind), id(value), self._of(attributes))
        raise OpaqueError

    def _traced(self, value: Traced) -> Hashable:
        known = self._stand_in(value)
        if known is None:
            raise OpaqueError
        self.variables.append(known._payload.variable)
        return ("traced", known._payload.variable.aval)

    def _array(self, handle: Array) -> Hashable:
        if handle._root is not None:
            return ("view", self._of(handle._root), value_key(handle._path))
        if type(handle._below) is Traced:
            return ("array", self._traced(handle._below))
        return ("cell", self._of(handle._below))

    def _function(self, function: FunctionType) -> Hashable:
        parts: list[Hashable] = ["function", id(function.__code__)]
        for cell in function.__closure__ or ():
            try:
                parts.append(self._of(cell.cell_contents))
            except ValueError:  # not yet assigned
                parts.append(None)
        if is_user_code(function.__code__):
            parts.append(self._of(function.__defaults__))
            parts.append(self._globals(function.__code__, function.__globals__))
        return tuple(parts)

    def _globals(self, code: CodeType, namespace: dict[str, Any]) -> Hashable:
        found: list[Hashable] = []
        for kind, name, attributes in reads_of(code).chains:
            if kind != "global" or name not in namespace:
                continue
            value = namespace[name]
            if isinstance(value, ModuleType) and attributes:
                value = getattr(value, attributes[0], None)
            found.append((name, attributes[:1], self._of(value)))
        return tuple(found)

    def _class(self, kind: type) -> Hashable:
        """Return what a class of the user's holds besides its methods."""
        if kind.__module__ in ("builtins", "numpy"):
            return ("object", id(kind))
        held = [(n, v) for n, v in vars(kind).items() if type(v) in _HELD_BY_CLASSES]
        return ("class", id(kind), tuple((name, self._of(value)) for name, value in held))


# ------------------------------------------------------------------ what a frame holds unseen


_TAKES_TURNS = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR


@functools.lru_cache(maxsize=512)
def stack_depths(code: CodeType) -> dict[int, int]:
    """Return how many values the stack of a frame holds before each instruction.

    An iterator of a `for` loop is one of them: state that no name shows.
    """
    instructions = list(dis.get_instructions(code))
    after = {one.offset: two.offset for one, two in itertools.pairwise(instructions)}
    by_offset = {instruction.offset: instruction for instruction in instructions}
    depths = {0: 0}
    waiting = [0]
    while waiting:
        offset = waiting.pop()
        instruction = by_offset[offset]
        depth = depths[offset]
        jumps = instruction.opcode in dis.hasjrel or instruction.opcode in dis.hasjabs
        argument = instruction.arg if instruction.opcode >= dis.HAVE_ARGUMENT else None
        following: list[tuple[int, bool]] = []
        if jumps:
            following.append((instruction.argval, True))
        ends = instruction.opname.startswith(("RETURN", "RAISE", "RERAISE", "JUMP"))
        if not ends and offset in after:
            following.append((after[offset], False))
        for target, jump in following:
            if target not in depths:
                effect = dis.stack_effect(instruction.opcode, argument, jump=jump)
                depths[target] = depth + effect
                waiting.append(target)
    return depths


def shows_all(frame: FrameType) -> bool:
    """Return whether a frame that tests a value holds nothing but what its names show.

    The frames that wait for it stand still meanwhile; not so those that a generator takes turns
    with.
    """
    code = frame.f_code
    if code.co_flags & _TAKES_TURNS or not is_user_code(code):
        return False
    return stack_depths(code).get(frame.f_lasti) == 1
