"""What a compiled function did, in words: recordings, paths, guards, causes, constants."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..ir.aval import Aval
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
    for captured, *_ in jitted.captures.values():
        if captured.implicit:
            names = ", ".join(slot.name for slot in captured.implicit)
            lines.append(f"read at each call: {names}")
        if captured.constant:
            names = ", ".join(dict.fromkeys(slot.name for slot, _ in captured.constant))
            lines.append(f"compared at each call: {names}")
        if captured.refused is not None:
            lines.append(f"runs uncompiled: {captured.refused}")
    if jitted.restless is not None:
        lines.append(f"runs uncompiled: {jitted.restless}")
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
    yield f"  path of {_count(len(path.executable.staged), 'equation')}"
    for decision in path.decisions:
        yield f"    guard: {decision.purpose} at {decision.line} is {decision.value!r}"
    if path.special:
        yield "    runs uncompiled while scipy.special.errstate asks for warnings or errors"
    held = constant_arrays(path.executable.staged)
    if held:
        yield f"    holds {_count(len(held), 'constant array')}: {', '.join(map(str, held))}"
    if path.executable.native is not None and path.executable.native.called_back:
        yield f"    through NumPy: {', '.join(sorted(set(path.executable.native.called_back)))}"


def constant_arrays(program: WengertList) -> list[Aval]:
    """Return the Avals of the arrays that a program holds: they were there when it was recorded."""
    found: dict[int, Aval] = {}
    operands: list[Any] = [o for equation in program for o in equation.operands]
    for operand in (*operands, *program.outputs):
        if isinstance(operand, Literal) and isinstance(operand.value, np.ndarray):
            found.setdefault(id(operand.value), operand.aval)
    return list(found.values())


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
