"""Folding: equations of literals are evaluated now."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.aval import aval_of
from ..ir.equation import Equation, Literal
from ..ir.wengert_list import WengertList
from .rewriting import Rewriting, rewrite

# A larger result is computed at run time: the list shall not hold what it can make.
_LARGEST = 64 * 1024


def fold_constants(program: WengertList) -> WengertList:
    """Return the list with the outputs of equations of literals as literals.

    What raises stays: the program raises when it comes there.
    """

    def step(rewriting: Rewriting, equation: Equation) -> None:
        found = _folded(equation)
        if found is None:
            rewriting.append(equation)
            return
        for variable, value in zip(equation.outputs, found, strict=True):
            rewriting.replace(variable, Literal(value))

    return rewrite(program, step)


def _folded(equation: Equation) -> tuple[Any, ...] | None:
    if not equation.outputs or not all(isinstance(o, Literal) for o in equation.operands):
        return None
    if sum(v.aval.size * v.aval.dtype.itemsize for v in equation.outputs) > _LARGEST:
        return None
    primitive = equation.primitive
    values = [operand.value for operand in equation.operands if isinstance(operand, Literal)]
    try:
        with np.errstate(all="ignore"):
            found = primitive.evaluate(*values, **equation.params)
    except (ArithmeticError, ValueError, TypeError, IndexError, np.linalg.LinAlgError):
        return None
    results = tuple(found) if primitive.multiple else (found,)
    if any(aval_of(r) != v.aval for r, v in zip(results, equation.outputs, strict=True)):
        return None
    return results
