"""Composites: primitives whose lowering is written with the library's operations.

Native code runs these operations, and fuses them with those around.
"""

from __future__ import annotations

from typing import Any

from ..errors import RegistryError, StagingError
from ..ir.aval import aval_of
from ..ir.emitter import CannotLower, Composite
from ..ir.equation import Equation, Literal, Operand, Variable
from ..ir.primitive import registry
from ..ir.wengert_list import WengertList
from ..ops.kinds import with_kind
from ..tracing.core import raw_of
from ..tracing.staging import stage


def expand_composites(program: WengertList) -> WengertList:
    """Return a list with the operations of composites in the place of their equations.

    One that asks for values stays, and is evaluated.
    """
    if not any(type(equation.primitive.lower) is Composite for equation in program):
        return program
    equations: list[Equation] = []
    for equation in program.equations:
        body = _staged(equation) if type(equation.primitive.lower) is Composite else None
        equations += [equation] if body is None else _spliced(body, equation)
    return WengertList(program.inputs, equations, program.outputs)


def _staged(equation: Equation) -> WengertList | None:
    primitive = equation.primitive
    composite: Composite = primitive.lower
    promised = [variable.aval for variable in equation.outputs]

    def run(*values: Any) -> list[Any]:
        found = composite.function(*values, **equation.params)
        results = tuple(found) if primitive.multiple else (found,)
        raw = [raw_of(result) for result in results]
        avals = [aval_of(value) for value in raw]
        if [(a.shape, a.dtype) for a in avals] != [(a.shape, a.dtype) for a in promised]:
            raise RegistryError(
                f"the lowering of {primitive.name!r} gives {avals}, its infer says {promised}; "
                "they must be the same"
            )
        return [with_kind(value, aval) for value, aval in zip(raw, promised, strict=True)]

    try:
        return stage(run, [operand.aval for operand in equation.operands], primitive.name)
    except (StagingError, CannotLower):
        return None


def _spliced(body: WengertList, equation: Equation) -> list[Equation]:
    """Return the equations of a list on the operands and results of an equation."""
    body = expand_composites(body)
    names: dict[Variable, Operand] = dict(zip(body.inputs, equation.operands, strict=True))
    made = {variable for inner in body.equations for variable in inner.outputs}
    delivered = []
    for operand, result in zip(body.outputs, equation.outputs, strict=True):
        if isinstance(operand, Variable) and operand in made and operand not in names:
            names[operand] = result
        else:  # an operand, a constant, or a result once more
            delivered.append((operand, result))
    found = []
    for inner in body.equations:
        operands = [o if isinstance(o, Literal) else names[o] for o in inner.operands]
        outputs = [names.setdefault(v, Variable(v.aval)) for v in inner.outputs]
        found.append(Equation(inner.primitive, operands, inner.params, outputs))  # type: ignore[arg-type]
    for operand, result in delivered:
        source = operand if isinstance(operand, Literal) else names[operand]
        params = {"aval": result.aval}
        found.append(Equation(registry["convert"], [source], params, [result]))
    return found
