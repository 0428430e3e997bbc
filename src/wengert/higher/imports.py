"""What code imports while it runs, and what gives it modules and frames that cannot be seen."""

from __future__ import annotations

import dis
import functools
import importlib
import inspect
import sys
from collections.abc import Iterator
from importlib.util import resolve_name
from types import CodeType, FunctionType, ModuleType
from typing import Any

from ..tracing.callsite import is_user_code
from .slots import MISSING

_OPAQUE: tuple[tuple[ModuleType, tuple[str, ...]], ...] = (
    (importlib, ("import_module", "reload", "__import__")),
    (sys, ("modules", "_getframe")),
    (inspect, ("currentframe", "stack")),
)


def is_user_module(module: Any) -> bool:
    """Return whether a value is a module of the user's own code."""
    if not isinstance(module, ModuleType):
        return False
    path = getattr(module, "__file__", None)
    if path is None:
        return module.__name__ == "__main__" or getattr(module, "__spec__", None) is None
    return is_user_code(compile("", path, "exec"))


def opaque(value: Any, names: tuple[str, ...] | frozenset[str] = ()) -> str | None:
    """Return the name of what may read any module or frame: a value, or some names of a module."""
    for module, listed in _OPAQUE:
        for name in listed:
            held = getattr(module, name)
            if value is held or (value is module and name in names):
                return f"{module.__name__}.{name}"
    return None


def imported_by(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """Yield the names of modules that a function imports while it runs, and those that are there.

    What is not imported yet, and may be no module, comes with MISSING.
    """
    package = function.__globals__.get("__package__") or ""
    for level, name, items in _imports(function.__code__):
        try:
            whole = resolve_name("." * level + name, package) if level else name
        except ImportError:  # relative, outside of a package
            continue
        parts = whole.split(".")
        names = [".".join(parts[: n + 1]) for n in range(len(parts))]
        module = sys.modules.get(whole)
        held = getattr(module, "__dict__", {})
        if module is None or "__path__" in held:
            names += [f"{whole}.{item}" for item in items if item not in held]
        for full in names:
            yield full, sys.modules.get(full, MISSING)


@functools.lru_cache(maxsize=4096)
def _imports(code: CodeType) -> tuple[tuple[int, str, tuple[str, ...]], ...]:
    """Return the level, name and items of each import statement in code and code nested in it."""
    found: list[tuple[int, str, tuple[str, ...]]] = []
    before: list[Any] = [0, None]
    for instruction in dis.get_instructions(code):
        if instruction.opname == "IMPORT_NAME":
            level, items = before[-2:]
            found.append((int(level or 0), str(instruction.argval), tuple(items or ())))
        before = [before[-1], instruction.argval]
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found += _imports(constant)
    return tuple(found)
