"""Values of loops: what a loop is given twice it reads once, what it stacks twice it stores once.

A derivative's loop reads the residuals of each operation, and operations share their operands.
"""

from __future__ import annotations

from ..ir.equation import Equation, Operand, Variable
from ..ir.primitive import registry
from ..ir.wengert_list import WengertList
from .rewriting import Rewriting, rewrite


def share_in_loops(program: WengertList) -> WengertList:
    """Return the list with loops that read each value, and stack each value, once."""
    return rewrite(program, _step)


def _step(rewriting: Rewriting, equation: Equation) -> None:
    if equation.primitive.name == "scan":
        equation = _reading_once(_stacking_once(rewriting, equation))
    rewriting.append(equation)


def _stacking_once(rewriting: Rewriting, equation: Equation) -> Equation:
    params = equation.params
    count: int = params["carry"]
    body: WengertList = params["body"]
    known: dict[Operand, Variable] = {}
    kept: list[int] = []
    for number, (operand, stack) in enumerate(
        zip(body.outputs[count:], equation.outputs[count:], strict=True)
    ):
        first = known.setdefault(operand, stack)
        if first is stack or first.aval != stack.aval:
            kept.append(count + number)
        else:
            rewriting.replace(stack, first)
    if count + len(kept) == len(body.outputs):
        return equation
    outputs = [*body.outputs[:count], *(body.outputs[number] for number in kept)]
    return Equation(
        equation.primitive,
        equation.operands,
        params | {"body": WengertList(body.inputs, body.equations, outputs)},
        [*equation.outputs[:count], *(equation.outputs[number] for number in kept)],
    )


def _reading_once(equation: Equation) -> Equation:
    params = equation.params
    body: WengertList = params["body"]
    constants: int = params["constants"]
    carried = range(constants, constants + params["carry"])
    known: dict[tuple[Operand, bool], Variable] = {}
    kept: list[int] = []
    replaced: dict[Operand, Operand] = {}
    converted: list[Equation] = []
    for number, (operand, given) in enumerate(zip(equation.operands, body.inputs, strict=True)):
        first = given
        if number not in carried and isinstance(operand, Variable):
            first = known.setdefault((operand, number < constants), given)
        if first is given:
            kept.append(number)
        elif first.aval == given.aval:
            replaced[given] = first
        else:
            replaced[given] = same = Variable(given.aval)
            converted.append(Equation(registry["convert"], [first], {"aval": given.aval}, [same]))
    if not replaced:
        return equation

    def renamed(operand: Operand) -> Operand:
        return replaced.get(operand, operand)

    equations = [
        Equation(e.primitive, [renamed(o) for o in e.operands], e.params, e.outputs) for e in body
    ]
    inner = WengertList(
        [body.inputs[number] for number in kept],
        [*converted, *equations],
        [renamed(operand) for operand in body.outputs],
    )
    dropped = constants - sum(number < constants for number in kept)
    return Equation(
        equation.primitive,
        [equation.operands[number] for number in kept],
        params | {"body": inner, "constants": constants - dropped},
        equation.outputs,
    )
