"""Iterations to the solution of an equation as lists, which native code runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..ir.wengert_list import WengertList
from ..transforms.lists import evaluate_traced
from .attempts import attempt
from .implicit import in_solution
from .spaces import StagedSpace

Function = Callable[[Any], Any]


def attempt_solution(
    params: dict[str, Any],
    iterate: Callable[[Function, Callable[[Any], Function], Any], tuple[Any, Any]],
) -> WengertList | None:
    """Return the list over (captured, leaves) that iterates to the solution of a condition.

    Parameters
    ----------
    params : dict
        Of the equation ``solution``.
    iterate : callable
        ``iterate(condition, along, start)`` returns the solution, and whether it is one. It works
        on vectors: ``along(x)(u)`` is the derivative of the condition at x along u.
    """
    program: WengertList = params["program"]
    captured, avals = params["captured"], params["avals"]
    count, tolerance = len(avals), params["tolerance"]
    space = StagedSpace(avals, params["batch_axes"])
    if not space.size or 0 in space.examples:
        return None
    pushing = in_solution(program, captured, count)

    def run(values: Sequence[Any]) -> tuple[Sequence[Any], Any]:
        before, after = values[:captured], values[captured:]

        def condition(vector: Any) -> Any:
            x = space.unpack(vector)
            return space.pack(evaluate_traced(program, [*before, *x, *after]))

        def along(vector: Any) -> Function:
            x = space.unpack(vector)

            def matvec(direction: Any) -> Any:
                u = space.unpack(direction)
                return space.pack(evaluate_traced(pushing, [*before, *x, *after, *u]))

            return matvec

        found, is_solution = iterate(condition, along, space.pack(after[:count]))
        x = space.unpack(found)
        if tolerance is not None:
            found = space.pack(x)
            left = np.max(np.abs(condition(found)), axis=-1)
            allowed = tolerance * np.maximum(1.0, np.max(np.abs(found), axis=-1))
            is_solution = is_solution & np.all(left <= allowed)
        return x, is_solution

    inputs = program.inputs
    operands = [*inputs[:captured], *inputs[captured + count :]]
    return attempt([variable.aval for variable in operands], run, "a solution")
