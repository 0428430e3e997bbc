"""Dead code: equations whose outputs nobody reads."""

from __future__ import annotations

from ..ir.equation import Variable
from ..ir.wengert_list import WengertList


def remove_dead_code(program: WengertList) -> WengertList:
    """Return the list without equations that no output depends on; guards and effects stay."""
    needed = {operand for operand in program.outputs if isinstance(operand, Variable)}
    kept = []
    for equation in reversed(program.equations):
        if equation.outputs and needed.isdisjoint(equation.outputs):
            continue
        kept.append(equation)
        needed.update(o for o in equation.operands if isinstance(o, Variable))
    if len(kept) == len(program.equations):
        return program
    return WengertList(program.inputs, kept[::-1], program.outputs)
