"""Common subexpressions: what was computed once is not computed again."""

from __future__ import annotations

from collections.abc import Hashable

from ..ir.equation import Equation
from ..ir.wengert_list import WengertList
from .dead_code import acts
from .keys import equation_key
from .rewriting import Rewriting, rewrite


def share_common(program: WengertList) -> WengertList:
    """Return the list with one equation for all that compute the same.

    A second guard of a value goes too; other equations that act stay.
    """
    known: dict[Hashable, Equation] = {}

    def step(rewriting: Rewriting, equation: Equation) -> None:
        if equation.primitive.name != "guard" and acts(equation):
            rewriting.append(equation)
            return
        key = equation_key(equation)
        first = known.get(key)
        if first is None:
            known[key] = equation
            rewriting.append(equation)
            return
        for variable, other in zip(equation.outputs, first.outputs, strict=True):
            rewriting.replace(variable, other)

    return rewrite(program, step)
