"""Totals of cotangents over the steps of a loop, added up in place where a step adds to few."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ..ir.equation import Equation, Operand, Variable
from ..ir.wengert_list import WengertList
from ..ops.arithmetic import add
from ..transforms.lists import is_zero


def adding_to_totals(program: WengertList, count: int) -> WengertList:
    """Return the list that adds its first `count` outputs to totals.

    The totals are further inputs, behind the others, and have the Avals of the outputs. An output
    that is made by additions to a part of an array of zeros is made by additions to the total: a
    step costs what it adds, not what there is in all.
    """
    totals = [Variable(operand.aval) for operand in program.outputs[:count]]
    makers = {v: i for i, e in enumerate(program.equations) for v in e.outputs}
    uses = Counter(o for e in program.equations for o in e.operands if isinstance(o, Variable))
    uses.update(o for o in program.outputs if isinstance(o, Variable))
    equations = list(program.equations)
    outputs: list[Operand] = list(program.outputs)
    for number, total in enumerate(totals):
        found = outputs[number]
        if is_zero(found):
            outputs[number] = total
            continue
        start = _start(found, equations, makers, uses)
        if start is None:
            made = Variable(total.aval)
            equations.append(Equation(add, [total, found], {}, [made]))
            outputs[number] = made
            continue
        old = equations[start]
        equations[start] = Equation(
            old.primitive, [total, *old.operands[1:]], old.params, old.outputs
        )
    return WengertList([*program.inputs, *totals], equations, outputs)


def _start(
    operand: Operand,
    equations: Sequence[Equation],
    makers: dict[Variable, int],
    uses: Counter[Variable],
) -> int | None:
    """Return the equation that begins a sum of parts by adding one to zeros, None if none does."""
    while isinstance(operand, Variable) and uses[operand] == 1 and operand in makers:
        number = makers[operand]
        equation = equations[number]
        if equation.primitive.name != "indexed_add":
            return None
        base = equation.operands[0]
        if is_zero(base):
            return number
        operand = base
    return None
