"""Inlining: a compiled function that another one calls becomes a part of it.

Its equations meet those around it then: common subexpressions, fusion and loops span both.
"""

from __future__ import annotations

from ..ir.equation import Equation, Literal, Operand, Variable
from ..ir.wengert_list import WengertList

# A program that many calls share is written once from this many equations in all on.
_MOST = 20_000


def inline_calls(program: WengertList) -> WengertList:
    """Return the list with the equations of called programs in place of the calls."""
    calls = [e for e in program if e.primitive.name == "call"]
    if not calls or sum(len(e.params["program"]) for e in calls) > _MOST:
        return program
    equations: list[Equation] = []
    replaced: dict[Variable, Operand] = {}
    for equation in program:
        operands = [_found(replaced, operand) for operand in equation.operands]
        if equation.primitive.name != "call":
            equations.append(
                Equation(equation.primitive, operands, equation.params, equation.outputs)
            )
            continue
        body = inline_calls(equation.params["program"])
        inner: dict[Variable, Operand] = dict(zip(body.inputs, operands, strict=True))
        for each in body:
            outputs = [Variable(variable.aval) for variable in each.outputs]
            given = [_found(inner, operand) for operand in each.operands]
            inner.update(zip(each.outputs, outputs, strict=True))
            equations.append(Equation(each.primitive, given, each.params, outputs))
        for variable, operand in zip(equation.outputs, body.outputs, strict=True):
            replaced[variable] = _found(inner, operand)
    results = [_found(replaced, operand) for operand in program.outputs]
    return WengertList(program.inputs, equations, results)


def _found(names: dict[Variable, Operand], operand: Operand) -> Operand:
    return operand if isinstance(operand, Literal) else names.get(operand, operand)
