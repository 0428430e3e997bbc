"""Positions of entries as operands: steps of a loop that differ by an index become the same.

`reroll` opens a list before it looks for loops, and closes what is in none of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ir.equation import Equation, Literal, Operand
from ..ir.paths import IndexOperand, Path
from ..ir.wengert_list import WengertList

# Operations with a path, and how many operands come before the indices.
_BEFORE = {"read": 1, "write": 2, "indexed_add": 2}
# Arrays of so few entries are taken apart later, which needs their indices.
_TINY = 16


def _is_position(entry: Any) -> bool:
    return type(entry) is int


def opened(program: WengertList) -> WengertList:
    """Return the list with the positions of entries of larger arrays as operands."""
    equations = [_opened(equation) for equation in program.equations]
    if all(one is other for one, other in zip(equations, program.equations, strict=True)):
        return program
    return WengertList(program.inputs, equations, program.outputs)


def _opened(equation: Equation) -> Equation:
    before = _BEFORE.get(equation.primitive.name)
    if before is None or len(equation.operands) != before:
        return equation
    path = equation.params["path"]
    if equation.operands[0].aval.size <= _TINY or any(step[0] != "index" for step in path):
        return equation
    positions: list[Operand] = []
    steps = []
    for _, key in path:
        entries = key if isinstance(key, tuple) else (key,)
        if not all(_is_position(e) or isinstance(e, slice) or e is Ellipsis for e in entries):
            return equation
        made: list[Any] = []
        for entry in entries:
            if _is_position(entry):
                made.append(IndexOperand(len(positions), 0))
                positions.append(Literal(entry))
            else:
                made.append(entry)
        steps.append(("index", tuple(made) if isinstance(key, tuple) else made[0]))
    if not positions:
        return equation
    return Equation(
        equation.primitive,
        [*equation.operands, *positions],
        {**equation.params, "path": tuple(steps)},
        equation.outputs,
    )


def closed(equations: Sequence[Equation]) -> list[Equation]:
    """Return equations whose positions are part of their paths, where they are known."""
    return [_closed(equation) for equation in equations]


def _closed(equation: Equation) -> Equation:
    before = _BEFORE.get(equation.primitive.name)
    if before is None or len(equation.operands) == before:
        return equation
    positions = equation.operands[before:]
    if not all(isinstance(o, Literal) and _is_position(o.value) for o in positions):
        return equation
    values = [operand.value for operand in positions if isinstance(operand, Literal)]
    path: Path = tuple(
        ("index", _placed(step[1], values)) if step[0] == "index" else step
        for step in equation.params["path"]
    )
    return Equation(
        equation.primitive,
        equation.operands[:before],
        {**equation.params, "path": path},
        equation.outputs,
    )


def _placed(key: Any, values: Sequence[int]) -> Any:
    if isinstance(key, tuple):
        return tuple(_placed(entry, values) for entry in key)
    return values[key.number] if type(key) is IndexOperand and not key.ndim else key
