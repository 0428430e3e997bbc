"""What a compiled function did, in words: recordings, paths, guards, causes, constants."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir.equation import Literal
from ..ir.wengert_list import WengertList
from ..tracing.core import describe
from .paths import Path, Specialisation

if TYPE_CHECKING:
    from .jit import Jitted


def explain(jitted: Jitted) -> str:
    """Return the text of ``Jitted.explain``."""
    lines = [describe(jitted.__wengert_function__).replace("the transformation of", "jit of", 1)]
    for known in jitted.known.values():
        lines += _specialisation(known)
    for captured in jitted.captures.values():
        if captured.implicit:
            names = ", ".join(slot.name for slot in captured.implicit)
            lines.append(f"read at each call: {names}")
        if captured.constant:
            names = ", ".join(dict.fromkeys(slot.name for slot, _ in captured.constant))
            lines.append(f"compared at each call: {names}")
    lines += [f"recorded again because of {cause}" for cause in jitted.causes]
    return "\n".join(lines)


def _specialisation(known: Specialisation) -> Iterable[str]:
    yield (
        f"{known.signature}: {_count(known.traces, 'recording')}, "
        f"{_count(len(known.paths), 'path')}"
    )
    if known.eager is not None:
        yield f"  runs uncompiled: {known.eager}"
    for failure in known.failures:
        yield f"  a call raised and was not recorded: {failure}"
    for path in known.paths:
        yield from _path(path)


def _path(path: Path) -> Iterable[str]:
    yield f"  path of {_count(len(path.staged), 'equation')}"
    for decision in path.decisions:
        yield f"    guard: {decision.purpose} at {decision.line} is {decision.value!r}"
    for shown in _assumed(path.staged):
        yield f"    assumed constant: {shown}"


def _assumed(program: WengertList) -> Iterable[str]:
    """Return the arrays that a program holds: they were read while it was recorded."""
    seen: set[int] = set()
    operands: list[Any] = [o for equation in program for o in equation.operands]
    for operand in (*operands, *program.outputs):
        if not isinstance(operand, Literal) or not isinstance(operand.value, np.ndarray):
            continue
        if id(operand.value) not in seen:
            seen.add(id(operand.value))
            yield f"an array {operand.aval}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
