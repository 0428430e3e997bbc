"""What a function's code reads by name: globals, closure cells and chains of attributes on them."""

from __future__ import annotations

import dis
import functools
import operator
import sys
from types import CodeType

_ATTRIBUTES = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
_CELLS = frozenset({"LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF"})
_GLOBALS = frozenset({"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"})

# ("global" | "cell" | "local", name, attributes that are loaded from it one after the other)
Read = tuple[str, str, tuple[str, ...]]


class Reads:
    """The names that code, and the code nested in it, reads and stores."""

    __slots__ = ("chains", "code", "stored_globals")

    def __init__(self, code: CodeType) -> None:
        self.code = code
        self.chains: list[Read] = []
        self.stored_globals: set[str] = set()
        found: dict[Read, None] = {}
        self._collect(code, found, outermost=True)
        self.chains = list(found)

    def _collect(self, code: CodeType, found: dict[Read, None], *, outermost: bool) -> None:
        root: tuple[str, str] | None = None
        attributes: tuple[str, ...] = ()
        asks = False  # whether getattr or hasattr was named, which take an attribute as a string
        for instruction in dis.get_instructions(code):
            name = instruction.opname
            constant = instruction.argval if name == "LOAD_CONST" else None
            if root is not None and asks and type(constant) is str:
                found[(*root, (*attributes, constant))] = None
                asks = False
            if root is not None and name in _ATTRIBUTES:
                attributes += (str(instruction.argval),)
                continue
            if root is not None:
                found[(*root, attributes)] = None
                root, attributes = None, ()
            if name in _GLOBALS:
                root = ("global", str(instruction.argval))
                asks = instruction.argval in ("getattr", "hasattr") or asks
            elif name in _CELLS:
                root = ("cell", str(instruction.argval))
            elif name.startswith("LOAD_FAST") and outermost:
                # Several locals in one instruction (3.13): the last one is on top of the stack.
                argument = instruction.argval
                local = argument[-1] if isinstance(argument, tuple) else argument
                root = ("local", str(local))
            elif name in ("STORE_GLOBAL", "DELETE_GLOBAL"):
                self.stored_globals.add(str(instruction.argval))
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                self._collect(constant, found, outermost=False)


# What takes attributes by names, and which argument the name is.
ASKING = (getattr, hasattr, vars, operator.attrgetter, operator.methodcaller)
_NAME_IS = {"getattr": 2, "hasattr": 2, "attrgetter": 1, "methodcaller": 1, "vars": None}


@functools.lru_cache(maxsize=4096)
def computes_names(code: CodeType) -> bool:
    """Return whether code reads attributes by names that are not written in the call itself."""
    if any(isinstance(part, CodeType) and computes_names(part) for part in code.co_consts):
        return True
    if _NAME_IS.keys().isdisjoint(code.co_names):
        return False
    instructions = list(dis.get_instructions(code))
    return any(
        (instruction.opname in _GLOBALS or instruction.opname in _ATTRIBUTES)
        and instruction.argval in _NAME_IS
        and not _is_written(instructions[number + 1 :], _NAME_IS[instruction.argval])
        for number, instruction in enumerate(instructions)
    )


def _is_written(following: list[dis.Instruction], place: int | None) -> bool:
    """Return whether an argument of a call is a string: the instructions are those that make it."""
    made_by: dict[int, dis.Instruction] = {}  # the values on the stack, from the function on
    depth, before = 0, ""
    for number, instruction in enumerate(following):
        name = instruction.opname
        calls = name == "PRECALL" or (name == "CALL" and before != "PRECALL")
        if calls and instruction.arg == depth:
            maker = made_by.get(place or 0)
            return maker is not None and maker.opname == "LOAD_CONST" and type(maker.argval) is str
        before = name
        if number or name != "PUSH_NULL" or sys.version_info < (3, 13):  # then it comes before
            depth += dis.stack_effect(instruction.opcode, instruction.arg, jump=False)
            made_by[depth] = instruction
        if depth < 0:
            return False
    return False


_LOADS = _ATTRIBUTES | _CELLS | _GLOBALS

# Methods that add to a container: who only calls these on it does not read it.
_ADDING = frozenset({"add", "append", "appendleft", "extend", "extendleft", "insert", "update"})


@functools.lru_cache(maxsize=4096)
def names_read(code: CodeType) -> frozenset[str]:
    """Return the names of variables and attributes that code does more with than add to them.

    Strings count as names, and code nested in it as a part of it.
    """
    found: set[str] = set()
    last: tuple[str, ...] = ()
    for instruction in dis.get_instructions(code):
        name = instruction.opname
        if name == "PUSH_NULL":
            continue
        if name not in _ATTRIBUTES or instruction.argval not in _ADDING:
            found.update(last)
        last = ()
        if (
            name in _ATTRIBUTES
            or name in _GLOBALS
            or name in _CELLS
            or name.startswith("LOAD_FAST")
        ):
            argument = instruction.argval
            last = tuple(map(str, argument)) if isinstance(argument, tuple) else (str(argument),)
            found.update(last[:-1])
    found.update(last)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found |= names_read(constant)
        elif isinstance(constant, str):
            found.add(constant)
    return frozenset(found)


_known: dict[int, Reads] = {}


def reads_of(code: CodeType) -> Reads:
    """Return what code reads, worked out once."""
    found = _known.get(id(code))
    if found is None or found.code is not code:
        if len(_known) > 10_000:  # functions made by exec without end
            _known.clear()
        found = _known[id(code)] = Reads(code)
    return found
