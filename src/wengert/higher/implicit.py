"""Solutions of equations, differentiated by the implicit function theorem.

Where F(x, z) = 0 determines x by z, dx = -(∂F/∂x)⁻¹ (∂F/∂z) dz: the derivative needs the solution
and one linear system, not the iterations that found it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import tree
from ..errors import ArgumentError, ConvergenceError, StagingError
from ..ir.aval import Aval, aval_of, is_differentiable
from ..ir.primitive import Primitive
from ..ir.wengert_list import WengertList
from ..ops.batch_rules import batch_size, front, one_by_one, spread_over
from ..ops.guards import is_same_value
from ..ops.samples import Sample, array
from ..ops.taylor_rules import Series
from ..tracing.core import Traced, bind, innermost, raw_of, to_user
from ..tracing.staging import stage
from ..transforms.arguments import check_callable, transformed
from ..transforms.lists import batch_of_list, fitted, jvp_of_list, needed_equations, remembered
from ..transforms.taylor_lists import last_coefficients
from .bodies import Body, converted, raw_leaves, stage_body
from .linear import (
    check_method,
    check_spaces,
    derivative_in_parameters,
    linear_solution,
    negative,
    pulled_to,
    solve_next,
    transposed,
)
from .situated import (
    Values,
    hold_guards,
    is_guarded,
    is_situated,
    known_below,
    plain_values,
    unguarded,
)
from .spaces import Method, Space, is_dense

# ------------------------------------------------------------------ what people call


def implicit(
    solver: Callable[..., Any] | None = None,
    optimality: Callable[..., Any] | None = None,
    *,
    like: Any = None,
    method: Method = "auto",
    tolerance: float | None = 1e-4,
) -> Any:
    """Make a solver differentiable by the condition that its solutions fulfil.

    Parameters
    ----------
    solver : callable
        ``solver(*args)`` returns the solution x, a tree of floating-point numbers or arrays. It
        gets plain values, whatever it does: SciPy's solvers, iterations in C. Without it the result
        is a decorator.
    optimality : callable
        ``optimality(x, *args)`` is zero at the solution, and is a tree like x: what the solver
        solves, the gradient of what it minimises. It may ask for values (`if`, `while`) where
        they are known: neither staged nor batched.
    like : tree, or callable ``like(*args)``, optional
        Numbers, arrays or Avals like the solution, needed only where a program is staged without
        values (`wengert.trace`).
    method : str or callable
        How the linear systems of the derivative are solved, see `linear_solve`.
    tolerance : float or None
        The largest entry of ``optimality`` that is taken for zero, relative to 1 and the solution.
        The derivative is as exact as the solution. None: any.

    Returns
    -------
    callable
        Takes what `solver` takes. Derivatives in both modes and to any order, in all arguments and
        in all that `optimality` takes from outside.

    Raises
    ------
    ConvergenceError
        What the solver returned does not fulfil the condition.
    SingularSystemError
        The derivative does not exist: the Jacobian of `optimality` is singular.

    Examples
    --------
    >>> import numpy as np
    >>> import scipy.optimize
    >>> import wengert as wg
    >>> @wg.implicit(optimality=lambda x, a: x**3 + x - a)
    ... def solve(a):
    ...     return scipy.optimize.brentq(lambda x: x**3 + x - a, -10.0, 10.0)
    >>> round(wg.grad(solve)(2.0), 6)
    0.25
    """
    if solver is None:
        return functools.partial(
            implicit, optimality=optimality, like=like, method=method, tolerance=tolerance
        )
    check_callable(solver, "implicit(solver, optimality): solver")
    check_callable(optimality, "implicit(solver, optimality): optimality")
    check_method(method)
    condition: Any = optimality

    def call(*args: Any, **kwargs: Any) -> Any:
        if kwargs:
            raise ArgumentError(
                f"a solver made by implicit takes its arguments by position, "
                f"{next(iter(kwargs))!r} came by keyword. Fix it beforehand: "
                "implicit(lambda *a: solver(*a, key=…), …)"
            )
        leaves, structure = raw_leaves(args, "args")
        found, of_solution = tree.flatten(_likeness(solver, like, args, leaves, structure))
        avals = [aval_of(raw_of(leaf)) for leaf in found]
        solve: Any = _Solver(solver, structure, of_solution)
        plain = [known_below(leaf) for leaf in leaves]
        unknown = next((value for value in plain if type(value) is Traced), None)
        solved: list[Any] = []

        def values() -> list[Any]:
            if unknown is not None:
                return [*[unknown] * len(avals), *plain]
            solved[:] = with_avals(solve, solve((), plain), avals)
            return [*solved, *plain]

        given = condition_body(
            *(condition, avals, of_solution, leaves, structure, "implicit"), values, moving=0
        )
        if is_guarded(given.program):
            solution = bind_piece(
                *([given.program], given.captured, leaves, avals, solve),
                solution=None if unknown is not None else solved,
                method=method,
                tolerance=tolerance,
            )
        else:
            solution = bind_solution(
                *(given.program, given.captured, leaves, avals, solve, method, tolerance)
            )
        return tree.unflatten(of_solution, solution)

    return transformed(solver, call)


def _likeness(
    solver: Callable[..., Any],
    like: Any,
    args: tuple[Any, ...],
    leaves: Sequence[Any],
    structure: tree.Structure,
) -> Any:
    """Return something like the solution: as was said, or of the values at hand."""
    if like is not None:
        return like(*args) if callable(like) else like
    plain = [_one_value(leaf) for leaf in leaves]
    if any(type(value) is Aval for value in plain):
        raise StagingError(
            f"the form of what {getattr(solver, '__name__', solver)!r} returns is not known while "
            "a program is staged without values; say implicit(…, like=x0)"
        )
    return solver(*tree.unflatten(structure, plain))


def _one_value(raw: Any) -> Any:
    """Return the plain value below all traces; that of the first example of a batch."""
    while type(raw) is Traced:
        known = getattr(raw._trace, "value_of", None)
        if raw._trace.batches:
            batched = raw._below
            raw = np.take(to_user(batched._below), 0, axis=batched.axis)
            raw = raw_of(raw)
        elif known is not None:
            raw = known(raw)
        else:
            raw = raw._below
    return innermost(raw)


class _Solver:
    """A solver of the caller's, on plain leaves."""

    def __init__(
        self, function: Callable[..., Any], structure: tree.Structure, solution: tree.Structure
    ) -> None:
        self.function = function
        self.structure = structure
        self.solution = solution

    def __repr__(self) -> str:
        return str(getattr(self.function, "__name__", self.function))

    def __call__(self, captured: Sequence[Any], leaves: Sequence[Any]) -> list[Any]:
        result = self.function(*tree.unflatten(self.structure, leaves))
        found, structure = tree.flatten(result)
        raw = [raw_of(leaf) for leaf in found]
        if any(type(value) is Traced for value in raw):
            raise ArgumentError(
                f"the solver {self!r} uses a value from outside that is traced; make it an argument"
            )
        if structure != self.solution:
            raise ArgumentError(
                f"the solver {self!r} returned a tree of structure {structure}, "
                f"expected {self.solution}"
            )
        return raw


# ------------------------------------------------------------------ for all solvers


class Found:
    """A solution that has been found at some values, beside the solver that finds it at others.

    `program` is the condition with its guards: at other values these decide whether it still holds
    before the solution is tested by it.
    """

    def __init__(
        self,
        solution: Sequence[Any],
        values: Sequence[Any],
        solver: Any,
        program: WengertList,
        avals: Sequence[Aval],
    ) -> None:
        self.solution = list(solution)
        self.values = list(values)
        self.solver = solver
        self.program = program
        self.avals = avals

    def __repr__(self) -> str:
        return repr(self.solver)

    def __call__(self, captured: Sequence[Any], leaves: Sequence[Any]) -> Sequence[Any]:
        """Return the solution, which its caller may write."""
        if all(map(is_same_value, (*captured, *leaves), self.values)):
            return [leaf.copy() if type(leaf) is np.ndarray else leaf for leaf in self.solution]
        found = with_avals(self.solver, self.solver(captured, leaves), self.avals)
        with np.errstate(all="ignore"):
            self.program.evaluate(*captured, *found, *leaves)
        return found


def with_avals(solver: Any, found: Sequence[Any], avals: Sequence[Aval]) -> list[Any]:
    """Return what a solver found with the dtypes and kinds of a solution."""
    x = []
    for entry, aval in zip(found, avals, strict=True):
        if np.shape(entry) != aval.shape:
            raise ArgumentError(f"the solver {solver!r} returned {aval_of(entry)}, expected {aval}")
        x.append(fitted(entry if aval.shape == () else np.asarray(entry, aval.dtype), aval))
    return x


def condition_body(
    condition: Callable[..., Any],
    avals: Sequence[Aval],
    of_solution: tree.Structure,
    leaves: Sequence[Any],
    structure: tree.Structure,
    what: str,
    values: Values,
    moving: int,
) -> Body:
    """Stage ``condition(x, *args)`` on the leaves of x and the arguments.

    `values` gives those leaves, as far as they are known: the condition may ask for values, see
    `stage_at`.
    """
    for aval in avals:
        if not is_differentiable(aval.dtype):
            raise ArgumentError(
                f"{what}: a solution is made of floating-point numbers, got {aval}; start with "
                "floats"
            )
    count = len(avals)

    def arguments(given: Sequence[Any]) -> tuple[Any, ...]:
        args = tree.unflatten(structure, given[count:])
        return (tree.unflatten(of_solution, given[:count]), *args)

    body = stage_body(condition, [*avals, *map(aval_of, leaves)], arguments, values, moving)
    if body.structure != of_solution:
        raise ArgumentError(
            f"{what}: the condition returns a tree of structure {body.structure} for a solution of "
            f"structure {of_solution}; they must be the same"
        )
    check_spaces(f"{what}: the condition", body.program, avals)
    return body._replace(program=converted(body.program, avals))


def bind_solution(
    program: WengertList,
    captured: Sequence[Any],
    leaves: Sequence[Any],
    avals: Sequence[Aval],
    solve: Callable[[Sequence[Any], Sequence[Any]], Sequence[Any]],
    method: Method,
    tolerance: float | None,
) -> list[Any]:
    """Return the user-level leaves of the solution of a staged condition."""
    found = bind(
        solution_primitive,
        *captured,
        *leaves,
        program=program,
        captured=len(captured),
        solve=solve,
        avals=tuple(avals),
        method=method,
        tolerance=tolerance,
        batch_axes=0,
    )
    return [to_user(value) for value in found]


def bind_piece(
    programs: Sequence[WengertList],
    captured: Sequence[Any],
    leaves: Sequence[Any],
    avals: Sequence[Aval],
    solve: Any,
    *,
    solution: Sequence[Any] | None,
    method: Method,
    tolerance: float | None,
) -> list[Any]:
    """Return what `bind_solution` does for a condition that asked for values.

    `programs` are the ways through it that were met, on the same captured values; the first one
    holds at the solution, and stands for the condition from there on. A list that is being staged
    at values holds where that way does.
    """
    values = [*captured, *leaves]
    known = plain_values(values)
    if known is not None and solution is not None:
        solve = Found(solution, known, solve, programs[0], avals)
    found = bind_solution(
        *(unguarded(programs[0]), captured, leaves, avals, solve, method, tolerance)
    )
    if is_situated(values):
        hold_guards(programs[0], [*captured, *map(raw_of, found), *leaves])
    return found


# ------------------------------------------------------------------ the primitive
#
# x = solution(*captured, *leaves; program, captured, solve, avals, method, tolerance, batch_axes):
# `program` is the condition, a list over (captured, x, leaves) whose outputs have the Avals of x;
# `captured` counts. `solve(captured, leaves)` finds x from plain values. The first `batch_axes`
# axes of x count systems that have nothing to do with each other.


def _apart(values: Sequence[Any], params: dict[str, Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    return values[: params["captured"]], values[params["captured"] :]


def _evaluate(*values: Any, **params: Any) -> tuple[Any, ...]:
    captured, leaves = _apart(values, params)
    program: WengertList = params["program"]
    x = with_avals(params["solve"], params["solve"](captured, leaves), params["avals"])
    tolerance = params["tolerance"]
    if tolerance is not None:
        with np.errstate(all="ignore"):
            left = program.evaluate(*captured, *x, *leaves)
        space = Space(params["avals"], params["batch_axes"])
        worst = np.max(np.abs(space.pack(left)), axis=-1, initial=0.0)
        allowed = tolerance * np.max(np.abs(space.pack(x)), axis=-1, initial=1.0)
        wrong = ~(worst <= allowed)
        if np.any(wrong):
            raise ConvergenceError(
                f"{params['solve']!r} did not solve its equation: the condition is "
                f"{worst[wrong].flat[0]:.1e} at what it returned, {allowed[wrong].flat[0]:.1e} is "
                "allowed. Give it more iterations or a better start, or allow more with tolerance="
            )
    return tuple(x)


def _infer(*avals: Aval, **params: Any) -> tuple[Aval, ...]:
    return tuple(params["avals"])


def in_solution(program: WengertList, captured: int, count: int) -> WengertList:
    """Return the list over (captured, x, leaves, u) of the derivative of a condition along u."""

    def make() -> WengertList:
        flags = [captured <= i < captured + count for i in range(len(program.inputs))]
        pushing = jvp_of_list(program, flags)
        outputs = pushing.outputs[len(program.outputs) :]
        return WengertList(pushing.inputs, needed_equations(pushing.equations, outputs), outputs)

    return remembered(program, ("in the solution", captured, count), make)  # type: ignore[no-any-return]


def _system(
    x: Sequence[Any], values: Sequence[Any], params: dict[str, Any]
) -> tuple[WengertList, list[Any]]:
    """Return the derivative of the condition in the solution, and the point it is taken at."""
    captured, leaves = _apart(values, params)
    program = in_solution(params["program"], len(captured), len(x))
    return program, [*captured, *x, *leaves]


def _options(params: dict[str, Any]) -> dict[str, Any]:
    kept = {key: params[key] for key in ("method", "batch_axes")}
    return kept | {"tolerance": 1e-10, "max_iterations": None}


def _push(primals: Sequence[Any], tangents: Sequence[Any], params: dict[str, Any]) -> Any:
    x = bind(solution_primitive, *primals, **params)
    captured, leaves = _apart(tangents, params)
    system, point = _system(x, primals, params)
    changes = derivative_in_parameters(
        params["program"], point, [*captured, *([None] * len(x)), *leaves]
    )
    right = [
        fitted(negative(change), aval)
        for change, aval in zip(changes, params["avals"], strict=True)
    ]
    return x, tuple(bind(linear_solution, *point, *right, program=system, **_options(params)))


def _taylor(series: list[Series], params: dict[str, Any]) -> list[Series]:
    """Each order is a system with the same matrix: ∂F/∂x xₖ = -F₍ₖ₎, of the lower orders."""
    values = [entry[0] for entry in series]
    captured, leaves = _apart(series, params)
    x = [[found] for found in bind(solution_primitive, *values, **params)]
    system, point = _system([entry[0] for entry in x], values, params)
    for order in range(1, len(series[0])):
        given = [*captured, *([*xs, None] for xs in x), *leaves]
        moved = last_coefficients(params["program"], given, order)
        solve_next(x, point, [negative(entry) for entry in moved], system, _options(params))
    return x


def _record(which: tuple[int, ...], values: Sequence[Any], params: dict[str, Any]) -> Any:
    x = bind(solution_primitive, *values, **params)
    return x, _pull, (which, values, x, params)


def _pull(cotangents: Sequence[Any], residuals: Any) -> Any:
    which, values, x, params = residuals
    system, point = _system(x, values, params)
    given = [
        fitted(cotangent, aval) for cotangent, aval in zip(cotangents, params["avals"], strict=True)
    ]
    turned = bind(linear_solution, *point, *given, program=transposed(system), **_options(params))
    start = params["captured"]
    places = [i if i < start else i + len(x) for i in which]
    wanted = [i in places for i in range(len(point))]
    pulled = pulled_to(params["program"], point, turned, wanted)
    chosen = tuple(negative(pulled[place]) for place in places)
    return chosen[0] if len(chosen) == 1 else chosen


def _batch(values: Sequence[Any], axes: Sequence[int | None], params: dict[str, Any]) -> Any:
    """Let the solver iterate for all examples where it can; else they are solved one by one."""
    solve, count = params["solve"], len(params["avals"])
    size = Space(params["avals"], params["batch_axes"]).size
    if not (hasattr(solve, "of_batch") and is_dense(params["method"], size)):
        return one_by_one(solution_primitive)(values, axes, params)
    examples = batch_size(values, axes)
    captured, leaves = _apart([None if axis is None else 0 for axis in axes], params)
    # Each example has a start of its own: where its iteration stands.
    places = [*captured, *(0,) * (2 * count), *leaves[count:]]
    batched, _ = batch_of_list(params["program"], places, examples, [True] * count)
    avals = tuple(Aval((examples, *aval.shape), aval.dtype) for aval in params["avals"])
    start = params["captured"]
    operands = [
        spread_over(value, axis, examples) if start <= i < start + count else front(value, axis)
        for i, (value, axis) in enumerate(zip(values, axes, strict=True))
    ]
    batch_axes = params["batch_axes"] + 1
    changed = {
        "program": batched,
        "solve": solve.of_batch(batched, Space(avals, batch_axes)),
        "avals": avals,
        "batch_axes": batch_axes,
    }
    return bind(solution_primitive, *operands, **(params | changed)), (0,) * count


def _unfold(params: dict[str, Any]) -> WengertList | None:
    """Return the list that native code finds the solution with; the caller's solvers have none."""
    attempt = getattr(params["solve"], "attempt", None)
    return None if attempt is None else attempt(params)


class _SampleSolver:
    """Newton's method for the sample, far beyond rounding."""

    def __call__(self, captured: Sequence[Any], leaves: Sequence[Any]) -> list[Any]:
        (a,) = captured
        b, c = leaves
        x = np.zeros(3, np.result_type(a, b))
        for _ in range(60):
            x = x - (x + 0.1 * a * np.sin(x) + 0.05 * np.sum(x) - b * c) / (
                1.15 + 0.1 * a * np.cos(x)
            )
        return [x]


def _samples() -> list[Sample]:
    vector, number = Aval((3,), np.float64), Aval((), np.float64, "scalar")
    program = stage(
        lambda a, x, b, c: [x + 0.1 * a * np.sin(x) + 0.05 * np.sum(x) - b * c],
        [vector, vector, vector, number],
    )
    params: dict[str, Any] = {
        "program": program,
        "captured": 1,
        "solve": _SampleSolver(),
        "avals": (vector,),
        "method": "auto",
        "tolerance": 1e-6,
        "batch_axes": 0,
    }
    return [Sample(array(3), array(3, seed=1), np.float64(0.8), **params)]


solution_primitive = Primitive(
    "solution",
    family="control",
    arguments=("first",),
    evaluate=_evaluate,
    infer=_infer,
    push=_push,
    taylor=_taylor,
    record=_record,
    batch=_batch,
    unfold=_unfold,
    multiple=True,
    samples=_samples,
    fails=tuple,
)
