"""Imports of modules that register things: what one registered goes again where its import fails.

Python lets go of a module that fails halfway; without this, the next import of it would find its
primitives taken.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, MutableMapping
from importlib import import_module
from threading import get_ident
from types import ModuleType
from typing import Any

from ..interrupts import uninterrupted

_Undo = tuple[str, Callable[[], Any]]

# By the threads that load now: the modules that registered something, and how it is taken back.
_journals: dict[int, list[_Undo]] = {}
_NOTHING = object()


def load(name: str) -> ModuleType:
    """Import a module; if that fails, take back what the modules registered that are gone with it.

    Modules that it imported and that did not fail stay, with what they registered.
    """
    thread = get_ident()
    if thread in _journals:  # the load around it takes back
        return import_module(name)
    journal: list[_Undo] = []
    try:
        _journals[thread] = journal
        return import_module(name)
    except BaseException:
        with uninterrupted:
            for module, undo in reversed(journal):
                if module not in sys.modules:
                    undo()
        raise
    finally:
        _journals.pop(thread, None)


def put(table: MutableMapping[Any, Any], key: Any, value: Any) -> None:
    """Set an entry of a table, which is as it was again if the module fails that is loaded now."""
    journal = _journals.get(get_ident()) if _journals else None
    if journal is not None:
        before = table.get(key, _NOTHING)

        def undo() -> None:
            if before is _NOTHING:
                table.pop(key, None)
            else:
                table[key] = before

        journal.append((_module_running(), undo))
    table[key] = value


def _module_running() -> str:
    """Return the name of the module whose own lines run, the innermost one."""
    frame = sys._getframe(2)
    while frame.f_code.co_name != "<module>" and frame.f_back is not None:
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", ""))
