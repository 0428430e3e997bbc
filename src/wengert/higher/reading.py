"""What a function's code reads by name: globals, closure cells and chains of attributes on them."""

from __future__ import annotations

import dis
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
        for instruction in dis.get_instructions(code):
            name = instruction.opname
            if root is not None and name in _ATTRIBUTES:
                attributes += (str(instruction.argval),)
                continue
            if root is not None:
                found[(*root, attributes)] = None
                root, attributes = None, ()
            if name in _GLOBALS:
                root = ("global", str(instruction.argval))
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


_known: dict[int, Reads] = {}


def reads_of(code: CodeType) -> Reads:
    """Return what code reads, worked out once."""
    found = _known.get(id(code))
    if found is None or found.code is not code:
        if len(_known) > 10_000:  # functions made by exec without end
            _known.clear()
        found = _known[id(code)] = Reads(code)
    return found
