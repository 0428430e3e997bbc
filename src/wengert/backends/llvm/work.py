"""How much a program computes, roughly: entries of results, over all iterations of its loops."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...ir.equation import Equation
from ...ir.wengert_list import WengertList

# A loop whose length depends on values, and a matrix product, count as long.
_UNKNOWN = 1_000_000
_PRODUCTS = frozenset({"core", "bilinear", "multilinear"})


def work_of(program: WengertList) -> int:
    """Return about how many entries a program computes."""
    return sum(_work(equation) for equation in program.equations)


def _work(equation: Equation) -> int:
    family = equation.primitive.family
    if family == "control":
        if equation.primitive.name.startswith("while"):
            return _UNKNOWN
        inside = sum(work_of(held) for held in _lists(equation.params.values()))
        length = equation.params.get("length", 1)
        return inside * (length if isinstance(length, int) else 1)
    sizes = [variable.aval.size for variable in equation.outputs]
    sizes += [operand.aval.size for operand in equation.operands]
    largest = max(sizes, default=0)
    if family in _PRODUCTS and largest > 1:
        return largest * 20
    return largest


def _lists(values: Any) -> Iterator[WengertList]:
    """Yield the lists among parameters, and in tuples of them."""
    for value in values:
        if isinstance(value, WengertList):
            yield value
        elif isinstance(value, (tuple, list)):
            yield from _lists(value)
