"""Dead code: equations whose outputs nobody reads."""

from __future__ import annotations

from ..ir.equation import Equation, Variable
from ..ir.wengert_list import WengertList

# The families of equations that may do more than give outputs.
ACTING = frozenset({"effect", "control", "custom"})


def acts(equation: Equation) -> bool:
    """Return whether an equation does more than give outputs: a guard, a call-back, or one inside.

    Loops, branches and rules hold lists.
    """
    if not equation.outputs or equation.primitive.family == "effect":
        return True
    if equation.primitive.family not in ACTING:
        return False
    for value in equation.params.values():
        lists = value if type(value) is tuple else (value,)
        if any(type(each) is WengertList and any(map(acts, each)) for each in lists):
            return True
    return False


def remove_dead_code(program: WengertList) -> WengertList:
    """Return the list without equations that no output depends on; guards and effects stay."""
    needed = {operand for operand in program.outputs if type(operand) is Variable}
    kept = []
    for equation in reversed(program.equations):
        if needed.isdisjoint(equation.outputs) and not acts(equation):
            continue
        kept.append(equation)
        for operand in equation.operands:
            if type(operand) is Variable:
                needed.add(operand)
    if len(kept) == len(program.equations):
        return program
    return WengertList(program.inputs, kept[::-1], program.outputs)
