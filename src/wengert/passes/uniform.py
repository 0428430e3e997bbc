"""Constant arrays of one number: kept as that number, spread over the shape."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.equation import Equation, Literal, Operand
from ..ir.wengert_list import WengertList

# Arrays of fewer entries stay as they are.
_SMALL = 64


def uniform_number(array: np.ndarray[Any, Any]) -> Any:
    """Return the number that all entries of an array are, to the bit, or None."""
    if array.size == 0:
        return array.dtype.type(0)
    first = array.flat[0]
    if array.size == 1 or not any(array.strides):
        return first
    if array.dtype.kind not in "fc":
        return first if bool((array == first).all()) else None
    words: Any = np.ascontiguousarray(array).reshape(-1).view(f"u{min(array.dtype.itemsize, 8)}")
    if array.dtype.itemsize > 8:
        words = words.reshape(array.size, -1)
    for start in range(0, len(words), _PIECE):
        if not bool((words[start : start + _PIECE] == words[0]).all()):
            return None
    return first


# So many entries are compared at a time: in the cache, and seldom in vain.
_PIECE = 4096


def spread_uniform(program: WengertList) -> WengertList:
    """Return a list whose constant arrays of one number are views of one entry.

    Each is looked at once; what asks again finds it by its strides, and the array itself can go.
    """
    known: dict[int, Literal] = {}

    def spread(operand: Operand) -> Operand:
        if not isinstance(operand, Literal):
            return operand
        value = operand.value
        if type(value) is not np.ndarray or value.size < _SMALL or not any(value.strides):
            return operand
        if value.dtype.kind not in "biufc":
            return operand
        found = known.get(id(value))
        if found is None:
            number = uniform_number(value)
            made = operand
            if number is not None:
                made = Literal(np.broadcast_to(np.asarray(number, value.dtype), value.shape))
            found = known[id(value)] = made
        return found

    equations = []
    changed = False
    for equation in program.equations:
        operands = [spread(operand) for operand in equation.operands]
        if all(new is old for new, old in zip(operands, equation.operands, strict=True)):
            equations.append(equation)
            continue
        changed = True
        equations.append(Equation(equation.primitive, operands, equation.params, equation.outputs))
    if not changed:
        return program
    return WengertList(program.inputs, equations, program.outputs)
