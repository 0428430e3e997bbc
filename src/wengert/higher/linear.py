"""``linear_solve``: systems given by a function, with derivatives of every order.

The seam for solvers of linear systems: dense, Krylov methods, Neumann series, or any function of
the caller's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import tree
from ..errors import ArgumentError, ConvergenceError, GuardFailed, SingularSystemError
from ..ir.aval import Aval, aval_of, is_differentiable, zeros_of
from ..ir.primitive import Primitive
from ..ir.wengert_list import WengertList
from ..ops.batch_rules import batch_size, front, one_by_one, spread_over
from ..ops.projection import add
from ..ops.samples import Sample, array
from ..ops.taylor_rules import Series, minus
from ..tracing.core import bind, raw_of, to_user
from ..tracing.staging import stage
from ..transforms.arguments import check_callable, immediate
from ..transforms.lists import (
    batch_of_list,
    evaluate_traced,
    fitted,
    jvp_of_list,
    needed_equations,
    remembered,
    vjp_of_list,
)
from ..transforms.taylor_lists import last_coefficients
from .attempts import attempt_system
from .bodies import Body, converted, raw_leaves, stage_body
from .iterations import conjugate_gradients, gmres, neumann_series, plain_loop
from .situated import hold_guards, is_guarded, is_situated, plain_values, unguarded
from .spaces import METHODS, Method, Space, is_dense, left_over, most_iterations


@immediate
def linear_solve(
    matvec: Callable[..., Any],
    b: Any,
    *,
    method: Method = "auto",
    tolerance: float = 1e-10,
    max_iterations: int | None = None,
) -> Any:
    """Return the x with ``matvec(x) = b``.

    Differentiable in both modes and to any order, in `b` and in all that `matvec` takes from
    outside: with A x = b, dx = A⁻¹ (db - dA x).

    Parameters
    ----------
    matvec : callable
        Linear; takes and returns a tree like `b`. It may ask for values (`if`, `while`), those
        of its vector among them: what it does to one that is not special is taken for all.
    b : tree of real or complex numbers or arrays
    method : {"auto", "dense", "gmres", "cg", "neumann"} or callable
        ``"dense"`` writes the matrix out; ``"gmres"`` and ``"cg"`` (symmetric positive definite)
        are matrix-free; ``"neumann"`` sums Σ (1 - A)ᵏ b; ``"auto"`` is dense up to 256 numbers,
        then GMRES. A callable ``method(matvec, b)`` gets a function of real vectors and a real
        vector.
    tolerance : float
        The residual allowed, relative to `b`.
    max_iterations : int, optional
        Of an iterative method; by default 10 n, at least 100.

    Returns
    -------
    tree like `b`

    Raises
    ------
    SingularSystemError
        The matrix is singular, or so nearly that the residual is not small.
    ConvergenceError
        An iterative method did not reach the tolerance.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> d = np.array([1.0, 2.0, 4.0])
    >>> wg.linear_solve(lambda x: d * x, np.ones(3))
    array([1.  , 0.5 , 0.25])
    >>> wg.grad(lambda d: np.sum(wg.linear_solve(lambda x: d * x, np.ones(3))))(d)
    array([-1.    , -0.25  , -0.0625])
    """
    check_callable(matvec, "linear_solve(matvec, b)")
    check_method(method)
    leaves, structure = raw_leaves(b, "b")
    leaves = [raw_of(np.multiply(v, 1.0)) if _is_integer(v) else v for v in leaves]
    avals = [aval_of(leaf) for leaf in leaves]
    body = _operator(matvec, avals, structure, functools.cache(lambda: _generic(avals)))
    check_spaces("linear_solve: matvec", body.program, avals)
    program = converted(body.program, avals)
    found = bind(
        linear_solution,
        *body.captured,
        *leaves,
        program=unguarded(program),
        method=method,
        tolerance=float(tolerance),
        max_iterations=max_iterations,
        batch_axes=0,
    )
    if is_guarded(program):
        if is_situated(body.captured):
            hold_guards(program, [*body.captured, *_generic(avals)])
        known = plain_values([*body.captured, *found, *leaves])
        if known is not None:
            count = len(avals)
            again = functools.partial(_operator, matvec, avals, structure)
            _check_way(again, program, known[:-count], known[-count:], float(tolerance))
    return tree.unflatten(structure, [to_user(value) for value in found])


def _operator(
    matvec: Callable[..., Any],
    avals: Sequence[Aval],
    structure: tree.Structure,
    values: Callable[[], Sequence[Any]],
) -> Body:
    """Stage an operator, which may ask for the values of its vector."""
    body = stage_body(
        *(matvec, avals, lambda given: (tree.unflatten(structure, given),), values), moving=0
    )
    if body.structure != structure:
        raise ArgumentError(
            f"linear_solve: matvec takes a tree of structure {structure} and returns one of "
            f"structure {body.structure}; they must be the same"
        )
    return body


def _generic(avals: Sequence[Aval]) -> list[Any]:
    """Return leaves of no special value: what a linear operator does to them it does to all."""
    space = Space(avals)
    return list(space.unpack(np.random.default_rng(space.size).normal(size=space.size)))


def _check_way(
    operator: Callable[[Callable[[], Sequence[Any]]], Body],
    program: WengertList,
    values: Sequence[Any],
    b: Sequence[Any],
    tolerance: float,
) -> None:
    """Raise where an operator goes another way at the solution, and does not give `b` there."""
    x = values[len(values) - len(b) :]
    with np.errstate(all="ignore"):
        try:
            program.evaluate(*values)
            return
        except GuardFailed:
            body = operator(lambda: x)
        found = body.program.evaluate(*(plain_values(body.captured) or ()), *x)
    space = Space([operand.aval for operand in program.outputs])
    left = np.max(np.abs(space.pack(found) - space.pack(b)), initial=0.0)
    if (
        not left
        <= 1e3 * max(tolerance, space.rounding) * np.max(np.abs(space.pack(b)), initial=0.0) + 1e-30
    ):
        raise ArgumentError(
            f"linear_solve: matvec asks for values and goes another way at the solution, where it "
            f"gives something else than b (by {left:.1e}): it is not linear. Use wengert.root for "
            "an equation that is not."
        )


def _is_integer(raw: Any) -> bool:
    return not is_differentiable(aval_of(raw).dtype)


def check_method(method: Method) -> None:
    """Raise unless `method` names a way to solve linear systems, or is one."""
    if not callable(method) and method not in METHODS:
        raise ArgumentError(
            f"the method of a linear system is one of {', '.join(map(repr, METHODS))}, or a "
            f"function of (matvec, b); got {method!r}"
        )


def check_spaces(what: str, program: WengertList, avals: Sequence[Aval]) -> None:
    """Raise unless the outputs of a list have shapes and dtypes of their inputs."""
    for position, (operand, aval) in enumerate(zip(program.outputs, avals, strict=True)):
        found = operand.aval
        if found.shape != aval.shape or found.is_complex > aval.is_complex:
            raise ArgumentError(
                f"{what} takes {aval} and returns {found} (leaf {position}); they must be alike"
            )


# ------------------------------------------------------------------ plain solutions


def solve_plainly(
    matvec: Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]],
    b: np.ndarray[Any, Any],
    method: Method,
    tolerance: float,
    max_iterations: int | None,
    rounding: float,
) -> np.ndarray[Any, Any]:
    """Solve systems on real vectors, the last axis of `b`; errors where that fails.

    More than one system, of the examples of a batch, are for ``"dense"`` and ``"auto"``. `rounding`
    is the relative one of `matvec`.
    """
    if not b.size:
        return b
    size = b.shape[-1]
    tolerance = max(tolerance, 4 * rounding)
    scale = np.max(np.abs(b), axis=-1)
    solved = np.isfinite(scale) & (scale > 0.0)  # others are nan, as arithmetic would have it, or 0
    trivial = np.where(np.isfinite(scale)[..., None], 0.0, np.full_like(b, np.nan))
    if not np.any(solved):
        return trivial
    limit = most_iterations(max_iterations, size)
    if method == "auto":
        method = "dense" if is_dense(method, size) else "gmres"
    with np.errstate(all="ignore"):
        if callable(method):
            x = np.asarray(method(matvec, b), dtype=np.float64)
        elif method == "dense":
            x = _dense(matvec, b, solved)
        elif method == "neumann":
            x, small = neumann_series(matvec, b, tolerance, limit, plain_loop)
            if not small:
                raise ConvergenceError(
                    f"the Neumann series Σ (1 - A)ᵏ b did not converge in {limit} terms; it needs "
                    'a spectral radius of 1 - A below 1. Use method="gmres" or "dense".'
                )
        else:
            krylov = conjugate_gradients if method == "cg" else gmres
            x = krylov(matvec, b, 0.1 * tolerance, limit, plain_loop)
        x = np.where(solved[..., None], x, trivial)
        residuals, allowed = left_over(matvec, x, b, tolerance, rounding)
    wrong = solved & ~(residuals <= allowed)
    if not np.any(wrong):
        return x
    residual, largest = residuals[wrong].flat[0], scale[wrong].flat[0]
    if method == "dense":
        raise SingularSystemError(
            f"a linear system of {size} equations is singular or nearly so: what is left of "
            f"b - A x is {residual:.1e}, with b of size {largest:.1e}"
        )
    name = method if isinstance(method, str) else getattr(method, "__name__", "the method")
    raise ConvergenceError(
        f"{name} did not solve a linear system of {size} equations in {limit} iterations: what "
        f"is left of b - A x is {residual:.1e}, {tolerance * largest:.1e} is allowed. Raise "
        'max_iterations or tolerance, or use method="dense"; the system may be singular.'
    )


def _dense(matvec: Any, b: np.ndarray[Any, Any], solved: Any) -> np.ndarray[Any, Any]:
    units = np.eye(b.shape[-1])
    matrix = np.stack([matvec(np.broadcast_to(unit, b.shape)) for unit in units], axis=-1)
    matrix = np.where(solved[..., None, None], matrix, units)
    try:
        return np.linalg.solve(matrix, b[..., None])[..., 0]
    except np.linalg.LinAlgError:
        raise SingularSystemError(
            f"a linear system of {b.shape[-1]} equations is singular: its solution, or the "
            "derivative of the solution that it stands for, does not exist or is not unique"
        ) from None


# ------------------------------------------------------------------ the primitive
#
# x = linear_solve(*p, *b; program, method, tolerance, max_iterations, batch_axes): `program` is a
# list over (p, u), linear in u, whose outputs have the Avals of u and b; its outputs at (p, x) are
# b. The first `batch_axes` axes of u and b count systems that have nothing to do with each other.


def _apart(values: Sequence[Any], program: WengertList) -> tuple[Sequence[Any], Sequence[Any]]:
    count = len(values) - len(program.outputs)
    return values[:count], values[count:]


def _evaluate(
    *values: Any,
    program: WengertList,
    method: Method,
    tolerance: float,
    max_iterations: int | None,
    batch_axes: int,
) -> tuple[Any, ...]:
    p, b = _apart(values, program)
    space = Space([operand.aval for operand in program.outputs], batch_axes)

    def matvec(vector: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return space.pack(program.evaluate(*p, *space.unpack(vector)))

    return space.unpack(
        solve_plainly(matvec, space.pack(b), method, tolerance, max_iterations, space.rounding)
    )


def _infer(*avals: Aval, program: WengertList, **options: Any) -> tuple[Aval, ...]:
    for given, variable in zip(avals, program.inputs, strict=True):
        if not given.fits(variable.aval):
            raise ArgumentError(f"linear_solve: its function takes {variable.aval}, got {given}")
    return tuple(operand.aval for operand in program.outputs)


def _is_linear(which: tuple[int, ...], params: dict[str, Any]) -> bool:
    program: WengertList = params["program"]
    return min(which, default=0) >= len(program.inputs) - len(program.outputs)


def transposed(program: WengertList) -> WengertList:
    """Return the transpose in u of a list over (p, u) that is linear in u."""

    def make() -> WengertList:
        count = len(program.inputs) - len(program.outputs)
        wanted = [index >= count for index in range(len(program.inputs))]
        forward, backward = vjp_of_list(program, wanted)
        outputs = len(program.outputs)
        avals = [variable.aval for variable in program.inputs]

        def run(*values: Any) -> list[Any]:
            raw = [raw_of(value) for value in values]
            zeros = [zeros_of(aval) for aval in avals[count:]]
            kept = evaluate_traced(forward, [*raw[:count], *zeros])[outputs:]
            return list(evaluate_traced(backward, [*kept, *raw[count:]]))

        made = stage(run, avals, "a transposed linear function")
        return WengertList(
            made.inputs, needed_equations(made.equations, made.outputs), made.outputs
        )

    return remembered(program, "transposed", make)  # type: ignore[no-any-return]


def derivative_in_parameters(
    program: WengertList, values: Sequence[Any], tangents: Sequence[Any]
) -> list[Any]:
    """Return the tangents of the outputs of a list for tangents of its inputs, None where zero."""
    flags = [tangent is not None for tangent in tangents]
    pushing = jvp_of_list(program, flags)
    given = [
        fitted(tangent, aval_of(value))
        for value, tangent in zip(values, tangents, strict=True)
        if tangent is not None
    ]
    return list(evaluate_traced(pushing, [*values, *given])[len(program.outputs) :])


def pulled_to(
    program: WengertList, values: Sequence[Any], cotangents: Sequence[Any], wanted: Sequence[bool]
) -> list[Any]:
    """Return the cotangents of the wanted inputs of a list, None for the others."""
    forward, backward = vjp_of_list(program, wanted)
    kept = evaluate_traced(forward, values)[len(program.outputs) :]
    seeds = [
        fitted(cotangent, operand.aval)
        for cotangent, operand in zip(cotangents, program.outputs, strict=True)
    ]
    found = iter(evaluate_traced(backward, [*kept, *seeds]))
    return [next(found) if flag else None for flag in wanted]


def negative(value: Any) -> Any:
    """Return -value of a raw value, None being zero."""
    return None if value is None else raw_of(-to_user(value))


def _push(primals: Sequence[Any], tangents: Sequence[Any], params: dict[str, Any]) -> Any:
    program: WengertList = params["program"]
    p, b = _apart(primals, program)
    changes_p, changes_b = _apart(tangents, program)
    x = bind(linear_solution, *primals, **params)
    right = list(changes_b)
    if any(change is not None for change in changes_p):
        moved = derivative_in_parameters(program, [*p, *x], [*changes_p, *([None] * len(x))])
        right = [add(r, negative(m)) for r, m in zip(right, moved, strict=True)]
    avals = [aval_of(entry) for entry in b]
    right = [fitted(entry, aval) for entry, aval in zip(right, avals, strict=True)]
    return x, tuple(bind(linear_solution, *p, *right, **params))


def _taylor(series: list[Series], params: dict[str, Any]) -> list[Series]:
    """Each order is a system with the same matrix: A₀ xₖ = bₖ - Σ Aⱼ x₍ₖ₋ⱼ₎."""
    program: WengertList = params["program"]
    p, b = _apart(series, program)
    values = [entry[0] for entry in p]
    x = [[found] for found in bind(linear_solution, *(s[0] for s in series), **params)]
    for order in range(1, len(series[0])):
        moved = last_coefficients(program, [*p, *([*xs, None] for xs in x)], order)
        right = [minus(s[order], m) for s, m in zip(b, moved, strict=True)]
        solve_next(x, values, right, program, params)
    return x


def solve_next(
    x: list[Series],
    values: Sequence[Any],
    right: Sequence[Any],
    program: WengertList,
    options: dict[str, Any],
) -> None:
    """Append to the series of a solution the solution of one linear system."""
    found: Sequence[Any] = [None] * len(x)
    if any(entry is not None for entry in right):
        given = [fitted(entry, aval_of(xs[0])) for entry, xs in zip(right, x, strict=True)]
        found = bind(linear_solution, *values, *given, **(options | {"program": program}))
    for xs, entry in zip(x, found, strict=True):
        xs.append(entry)


def _record(which: tuple[int, ...], values: Sequence[Any], params: dict[str, Any]) -> Any:
    x = bind(linear_solution, *values, **params)
    return x, _pull, (which, values, x, params)


def _pull(cotangents: Sequence[Any], residuals: Any) -> Any:
    which, values, x, params = residuals
    program: WengertList = params["program"]
    p, b = _apart(values, program)
    given = [
        fitted(cotangent, aval_of(entry)) for cotangent, entry in zip(cotangents, b, strict=True)
    ]
    of_b = bind(linear_solution, *p, *given, **(params | {"program": transposed(program)}))
    wanted = [index in which and index < len(p) for index in range(len(values))]
    every: list[Any] = [None] * len(values)
    if any(wanted):
        every = [negative(entry) for entry in pulled_to(program, [*p, *x], of_b, wanted)]
    every[len(p) :] = of_b
    chosen = tuple(every[index] for index in which)
    return chosen[0] if len(chosen) == 1 else chosen


def _batch(values: Sequence[Any], axes: Sequence[int | None], params: dict[str, Any]) -> Any:
    program: WengertList = params["program"]
    count, batch_axes = len(program.outputs), params["batch_axes"]
    size = Space([operand.aval for operand in program.outputs], batch_axes).size
    if not is_dense(params["method"], size):
        return one_by_one(linear_solution)(values, axes, params)
    examples = batch_size(values, axes)
    p, b = _apart(list(zip(values, axes, strict=True)), program)
    places = [*(None if axis is None else 0 for _, axis in p), *(0,) * count]
    batched, _ = batch_of_list(program, places, examples, [True] * count)
    found = bind(
        linear_solution,
        *(front(value, axis) for value, axis in p),
        *(spread_over(value, axis, examples) for value, axis in b),
        **(params | {"program": batched, "batch_axes": batch_axes + 1}),
    )
    return found, (0,) * count


def _samples() -> list[Sample]:
    matrix, vector = Aval((3, 3), np.float64), Aval((3,), np.float64)
    number = Aval((), np.complex128, "scalar")
    program = stage(
        lambda a, z, u, v: (a @ u + 4.0 * u + np.real(v), v * z + np.sum(u)),
        [matrix, number, vector, number],
    )
    options: dict[str, Any] = {
        "method": "auto",
        "tolerance": 1e-10,
        "max_iterations": None,
        "batch_axes": 0,
    }
    a, z, b = array(3, 3), np.complex128(3.0 - 1.0j), array(3, seed=1)
    return [
        Sample(a, z, b, np.complex128(0.5 + 0.25j), program=program, **options),
        Sample(
            a, z, b, np.complex128(0.5 + 0.25j), program=program, **(options | {"method": "gmres"})
        ),
    ]


linear_solution = Primitive(
    "linear_solve",
    family="control",
    arguments=("first",),
    evaluate=_evaluate,
    infer=_infer,
    push=_push,
    taylor=_taylor,
    record=_record,
    batch=_batch,
    unfold=attempt_system,
    linear=_is_linear,
    multiple=True,
    samples=_samples,
    fails=tuple,
)
