"""Operations of arrays on single numbers: a sum over no axis, an index without entries, a view.

They are operations of numbers then, which need no loop and no memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.aval import Aval
from ..ir.equation import Equation, Literal, Operand, Variable
from ..ir.primitive import registry
from ..ir.wengert_list import WengertList

_MOVES = ("reshape", "transpose", "broadcast_to", "max", "min", "prod")


def of_numbers(program: WengertList) -> WengertList:
    """Return the list with operations of numbers in the place of operations of 0-d arrays."""
    if not any(_is_of_numbers(equation) for equation in program):
        return program
    equations: list[Equation] = []
    for equation in program:
        equations += _replaced(equation) if _is_of_numbers(equation) else [equation]
    return WengertList(program.inputs, equations, program.outputs)


def _is_of_numbers(equation: Equation) -> bool:
    if equation.primitive.name not in _RULES or len(equation.outputs) != 1:
        return False
    operands: list[Operand] = [*equation.operands, *equation.outputs]
    return all(not o.aval.shape and o.aval.dtype.kind in "biufc" for o in operands)


def _replaced(equation: Equation) -> list[Equation]:
    found: list[Equation] | None = _RULES[equation.primitive.name](equation)
    return [equation] if found is None else found


def _moved(equation: Equation) -> list[Equation] | None:
    """Give the number itself, with the dtype and kind of the result."""
    name, (result,) = equation.primitive.name, equation.outputs
    last = equation.operands[-1]
    if name == "prod" and result.aval.dtype.kind == "c":
        return None
    if name == "read" and len(equation.operands) != 1:
        return None
    if name == "write" and len(equation.operands) != 2:
        return None
    if name in ("read", "write") and any(
        kind not in ("index", "transpose", "reshape", "broadcast")
        for kind, *_ in equation.params["path"]
    ):
        return None
    return [_converted(last, result)]


def _converted(operand: Operand, result: Variable) -> Equation:
    return Equation(registry["convert"], [operand], {"aval": result.aval}, [result])


def _sum(equation: Equation) -> list[Equation] | None:
    """Add the number to zero: NumPy starts from zero, and so the sum of -0.0 is 0.0."""
    (result,) = equation.outputs
    dtype = result.aval.dtype
    if equation.primitive.name == "mean" and dtype.kind == "c":
        return None
    term = Variable(Aval((), dtype, "scalar"))
    total = Variable(term.aval)
    zero = Literal(dtype.type(0))
    adding = registry["logical_or"] if dtype.kind == "b" else registry["add"]
    return [
        _converted(equation.operands[0], term),
        Equation(adding, [zero, term], {}, [total]),
        _converted(total, result),
    ]


def _truth(equation: Equation) -> list[Equation]:
    """Say whether the number is not zero."""
    (result,) = equation.outputs
    found = Variable(Aval((), np.bool_, "scalar"))
    params = {"dtype": np.dtype(np.bool_)}
    return [
        Equation(registry["discretise"], equation.operands, params, [found]),
        _converted(found, result),
    ]


def _first(equation: Equation) -> list[Equation]:
    (result,) = equation.outputs
    return [_converted(Literal(result.aval.dtype.type(0)), result)]


def _product(equation: Equation) -> list[Equation]:
    (result,) = equation.outputs
    term = Variable(Aval((), result.aval.dtype, "scalar"))
    return [
        Equation(registry["multiply"], equation.operands, {}, [term]),
        _converted(term, result),
    ]


_RULES: dict[str, Callable[[Equation], Any]] = {
    **dict.fromkeys((*_MOVES, "read", "write"), _moved),
    "sum": _sum,
    "mean": _sum,
    "all": _truth,
    "any": _truth,
    "count_nonzero": _truth,
    "argmax": _first,
    "argmin": _first,
    "dot": _product,
}
