"""Solvers as lists: what native code runs in the place of Python's iterations.

A list gives the solution and says whether it is one; where it is not, Python solves again, and
raises what there is to raise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..compile import optimise
from ..ir.aval import Aval
from ..ir.wengert_list import WengertList
from ..tracing.core import raw_of
from ..tracing.staging import stage
from ..transforms.lists import evaluate_traced
from .iterations import conjugate_gradients, gmres, neumann_series
from .loops import map as map_over
from .loops import while_loop
from .spaces import Method, StagedSpace, is_dense, left_over, most_iterations

Function = Callable[[Any], Any]


def solve_staged(
    matvec: Function,
    b: Any,
    method: Method,
    tolerance: float,
    max_iterations: int | None,
    rounding: float,
) -> tuple[Any, Any]:
    """Return the solution of systems on vectors that are staged, and whether it is one.

    `rounding` is the relative one of `matvec`.
    """
    size = b.shape[-1]
    tolerance = max(tolerance, 4 * rounding)
    scale = np.max(np.abs(b), axis=-1, keepdims=True)
    finite = np.isfinite(scale)
    solved = finite & (scale > 0.0)
    limit = most_iterations(max_iterations, size)
    small: Any = True
    if is_dense(method, size):
        units = np.eye(size)
        columns = map_over(lambda unit: matvec(np.broadcast_to(unit, b.shape)), units)
        matrix = np.where(solved[..., None], np.moveaxis(columns, 0, -1), units)
        x = np.linalg.solve(matrix, b[..., None])[..., 0]
    elif method == "neumann":
        x, small = neumann_series(matvec, b, tolerance, limit, while_loop)
    else:
        krylov = conjugate_gradients if method == "cg" else gmres
        x = krylov(matvec, b, 0.1 * tolerance, limit, while_loop)
    x = np.where(solved, x, np.where(finite, 0.0, np.nan))
    residuals, allowed = left_over(matvec, x, b, tolerance, rounding)
    return x, np.all(~solved[..., 0] | ((residuals <= allowed) & small))


def attempt(
    avals: Sequence[Aval], run: Callable[[Sequence[Any]], tuple[Sequence[Any], Any]], what: str
) -> WengertList:
    """Return the list of a solver: its last output says whether the others are a solution."""

    def solver(*values: Any) -> list[Any]:
        found, is_solution = run([raw_of(value) for value in values])
        return [*found, is_solution]

    return optimise(stage(solver, avals, what))


def attempt_system(params: dict[str, Any]) -> WengertList | None:
    """Return the list that solves a system of equations, None where its method is the caller's."""
    program: WengertList = params["program"]
    space = StagedSpace([operand.aval for operand in program.outputs], params["batch_axes"])
    if callable(params["method"]) or not space.size or 0 in space.examples:
        return None
    count = len(program.inputs) - len(program.outputs)

    def run(values: Sequence[Any]) -> tuple[Sequence[Any], Any]:
        p, b = values[:count], values[count:]

        def matvec(vector: Any) -> Any:
            return space.pack(evaluate_traced(program, [*p, *space.unpack(vector)]))

        options = (params["method"], params["tolerance"], params["max_iterations"])
        x, is_solution = solve_staged(matvec, space.pack(b), *options, space.rounding)
        return space.unpack(x), is_solution

    return attempt([variable.aval for variable in program.inputs], run, "a linear system")
