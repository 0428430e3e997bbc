"""Keys: equations, literals and parameters as hashable values, equal where their results are."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from ..ir.equation import Equation, Literal, Operand
from ..ir.wengert_list import WengertList
from .complex_products import is_fused

_COMMUTATIVE = frozenset({"add", "multiply"})

# An array with more bytes is the same as another only if it is that very object.
_COMPARED_BYTES = 4096


def operand_key(operand: Operand) -> Hashable:
    """Return a key of an operand: the variable itself, or what a literal holds."""
    return value_key(operand.value) if isinstance(operand, Literal) else operand


def equation_key(equation: Equation) -> Hashable:
    """Return a key of what an equation computes."""
    operands = tuple(operand_key(operand) for operand in equation.operands)
    params = equation.params
    if equation.primitive.name in _COMMUTATIVE and not _has_order(equation):
        operands = tuple(sorted(operands, key=hash))
    if equation.primitive.name == "guard":
        params = {"expected": params["expected"]}
    return (equation.primitive.name, operands, value_key(params))


def list_key(
    program: WengertList, inner: Callable[[WengertList], Hashable] | None = None
) -> Hashable:
    """Return a key of what a list computes of its inputs, equal for lists in other variables.

    Lists within it are compared by `inner`; without it they are the same only if they are one.
    """
    numbers = {variable: number for number, variable in enumerate(program.inputs)}
    key: list[Hashable] = [tuple(variable.aval for variable in program.inputs)]

    def of(operand: Operand) -> Hashable:
        if isinstance(operand, Literal):
            return (operand.aval, value_key(operand.value))
        return numbers[operand]

    for equation in program.equations:
        key.append(equation.primitive)
        key.append(tuple(map(of, equation.operands)))
        key.append(value_key(equation.params, inner))
        for variable in equation.outputs:
            numbers[variable] = len(numbers)
            key.append(variable.aval)
    return (*key, tuple(map(of, program.outputs)))


def _has_order(equation: Equation) -> bool:
    """Return whether x y and y x round otherwise: fused products of complex numbers."""
    avals = [operand.aval for operand in equation.operands]
    return is_fused(equation.primitive, avals, equation.outputs[0].aval)


def value_key(value: Any, inner: Callable[[WengertList], Hashable] | None = None) -> Hashable:
    """Return a key of a plain value; values that are told apart somehow have different keys."""
    kind = type(value)
    if kind is float or kind is complex:
        return (kind, np.asarray(value).tobytes())  # 0.0 and -0.0 differ, and so do nans
    if kind is tuple or kind is list:
        return (kind, tuple(value_key(entry, inner) for entry in value))
    if kind is dict:
        return (dict, tuple((key, value_key(entry, inner)) for key, entry in value.items()))
    if kind is WengertList and inner is not None:
        return (kind, inner(value))
    if kind is slice:  # not hashable before Python 3.12
        return (slice, value_key(value.start), value_key(value.stop), value_key(value.step))
    if isinstance(value, np.generic):
        return (kind, value.tobytes())
    if isinstance(value, np.ndarray):
        if value.dtype.hasobject or value.nbytes > _COMPARED_BYTES:
            return ("array", id(value))
        return ("array", value.dtype.str, value.shape, value.tobytes())
    try:
        hash(value)
    except TypeError:
        return (kind, "object", id(value))
    return (kind, value)


class ListNumbers:
    """Numbers of lists, the same for those that compute the same, whatever lists are in them.

    What was compared is kept, since large arrays are compared by identity.
    """

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}
        self._known: dict[int, tuple[WengertList, int]] = {}
        self._kept: list[Any] = []

    def of(self, program: WengertList) -> int:
        """Return the number of a list."""
        known = self._known.get(id(program))
        if known is None:
            number = self._numbers.setdefault(list_key(program, self.of), len(self._numbers))
            known = self._known[id(program)] = program, number
        return known[1]

    def key(self, params: dict[str, Any]) -> Hashable:
        """Return a key of parameters, by the numbers of the lists among them."""
        self._kept.append(params)
        return value_key(params, self.of)
