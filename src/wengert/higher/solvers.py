"""Solvers with derivatives by the implicit function theorem: ``fixed_point``, ``root``, ``argmin``.

Each stages its function, solves on plain values, and leaves the derivative to `implicit`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import tree
from ..errors import (
    ArgumentError,
    ConvergenceError,
    GuardFailed,
    SingularSystemError,
    WengertError,
)
from ..ir.aval import Aval, aval_of, is_differentiable
from ..ir.wengert_list import WengertList
from ..ops.kinds import with_kind
from ..tracing.core import Traced, raw_of
from ..transforms.arguments import check_callable, immediate
from ..transforms.derivatives import grad
from .attempts import solve_staged
from .bodies import Body, merged_captures, raw_leaves, settled, stage_body
from .implicit import bind_piece, bind_solution, condition_body, in_solution
from .iterations import contract, descend, newton, plain_loop
from .iterations_of_batch import descend_of_batch, newton_of_batch
from .linear import check_method, solve_plainly
from .loops import while_loop
from .situated import is_guarded, known_below, plain_values, unguarded
from .solving import attempt_solution
from .spaces import Method, Space

# Down to which slopes one goes before Newton's method is tried.
_STEEPER = 2.0**7
SLOPES = (2.0**-7, 2.0**-14, 2.0**-21)

_EPS = float(np.finfo(np.float64).eps)

# So many ways through a condition are kept while it is iterated.
_MOST_PIECES = 8


class _Start:
    """The start of an iteration: its leaves as floats, and the arguments behind it."""

    def __init__(self, x0: Any, args: tuple[Any, ...], what: str) -> None:
        self.what = what
        self.leaves, self.structure = raw_leaves(x0, "x0")
        if not self.leaves:
            raise ArgumentError(f"{what}: x0 has no leaves")
        self.leaves = [_as_float(leaf) for leaf in self.leaves]
        self.paths = tree.names(x0, "x0")
        self.avals = [aval_of(leaf) for leaf in self.leaves]
        self.arguments, self.of_arguments = raw_leaves(args, "args")

    def settle(self, function: Callable[..., Any]) -> None:
        """Let Python numbers of the start become what one application of `function` makes."""
        count = len(self.avals)
        others = [aval_of(leaf) for leaf in self.arguments]

        def arguments(given: Sequence[Any]) -> tuple[Any, ...]:
            args = tree.unflatten(self.of_arguments, given[count:])
            return (tree.unflatten(self.structure, given[:count]), *args)

        plain = [known_below(leaf) for leaf in (*self.leaves, *self.arguments)]

        def stage_step(avals: Sequence[Aval]) -> Body:
            values = [*map(_started, plain[:count], avals), *plain[count:]]
            return stage_body(function, [*avals, *others], arguments, lambda: values, moving=count)

        _, self.avals = settled(stage_step, self.avals, self.paths, self.what)
        self.leaves = [
            with_kind(leaf, aval) for leaf, aval in zip(self.leaves, self.avals, strict=True)
        ]

    def solve(
        self,
        condition: Callable[..., Any],
        make: Callable[[WengertList, Space], _Iteration],
        method: Method,
        tolerance: float,
    ) -> Any:
        """Return the solution of ``condition(x, *args) = 0``, found by what `make` gives.

        A condition that asks for values is staged again wherever they lead another way; what holds
        at the solution stands for it from then on.
        """
        given = [*self.leaves, *self.arguments]

        def on_both(x: Any, start: Any, args: Any) -> Any:
            return condition(x, *args)

        both = tree.structure(
            (
                tree.unflatten(self.structure, [0.0] * len(self.leaves)),
                tree.unflatten(self.of_arguments, [0.0] * len(self.arguments)),
            )
        )
        count = len(self.leaves)
        plain = [known_below(leaf) for leaf in given]
        unknown = next((value for value in plain if type(value) is Traced), None)

        def stage_condition(x: Sequence[Any]) -> Body:
            at = x if unknown is None else [unknown] * count
            return condition_body(
                *(on_both, self.avals, self.structure, given, both, self.what),
                values=lambda: [*at, *plain],
                moving=count,
            )

        body = stage_condition(plain[:count])
        space = Space(self.avals)
        tolerance = max(tolerance, 1e3 * space.rounding)
        iteration = make(body.program, space)
        known = unknown is None and plain_values(body.captured) is not None
        solution, bodies = None, [body]
        if known and is_guarded(body.program):
            pieces = _Pieces([body], space, plain, stage_condition)
            solution = iteration.find(pieces, plain)
            bodies = pieces.met_at(solution)
        programs, captured = merged_captures(bodies)
        if is_guarded(programs[0]) or len(programs) > 1:
            found = bind_piece(
                *(programs, captured, given, self.avals, _Ways(programs, iteration)),
                solution=solution,
                method=method,
                tolerance=tolerance,
            )
        else:
            found = bind_solution(
                *(programs[0], captured, given, self.avals, iteration, method, tolerance)
            )
        return tree.unflatten(self.structure, found)


def _started(value: Any, aval: Aval) -> Any:
    return value if type(value) is Traced else with_kind(value, aval)


def _as_float(leaf: Any) -> Any:
    if is_differentiable(aval_of(leaf).dtype):
        return leaf
    return float(leaf) if type(leaf) is int else raw_of(np.multiply(leaf, 1.0))


class _Condition:
    """A condition with its derivative in x, on vectors: a list with plain captured and leaves."""

    def __init__(
        self, program: WengertList, space: Space, captured: Sequence[Any], leaves: Sequence[Any]
    ) -> None:
        self.program = program
        self.space = space
        self.captured = captured
        self.leaves = leaves

    def __call__(self, vector: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        x = self.space.unpack(vector)
        return self.space.pack(self.program.evaluate(*self.captured, *x, *self.leaves))

    def along(self, vector: np.ndarray[Any, Any]) -> Callable[[Any], np.ndarray[Any, Any]]:
        """Return the derivative at a point, a function of directions."""
        x = self.space.unpack(vector)
        pushing = in_solution(self.program, len(self.captured), len(x))

        def matvec(direction: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
            u = self.space.unpack(direction)
            return self.space.pack(pushing.evaluate(*self.captured, *x, *self.leaves, *u))

        return matvec


class _Pieces(_Condition):
    """A condition that asks for values: a body for each way through it that was met.

    Where none of them holds it is staged again; where that cannot be, `GuardFailed` is raised.
    """

    def __init__(
        self,
        bodies: Sequence[Body],
        space: Space,
        leaves: Sequence[Any],
        stage_condition: Callable[[Sequence[Any]], Body] | None,
    ) -> None:
        super().__init__(bodies[0].program, space, (), leaves)
        self.stage_condition = stage_condition
        self.bodies = list(bodies)

    def __call__(self, vector: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return self._at(self.space.unpack(vector))[1]

    def along(self, vector: np.ndarray[Any, Any]) -> Callable[[Any], np.ndarray[Any, Any]]:
        """Return the derivative at a point, a function of directions."""
        body = self._at(self.space.unpack(vector))[0]
        captured = plain_values(body.captured) or ()
        return _Condition(unguarded(body.program), self.space, captured, self.leaves).along(vector)

    def met_at(self, x: Sequence[Any]) -> list[Body]:
        """Return all bodies, first the one that holds at a point."""
        body = self._at(x)[0]
        return [body, *(other for other in self.bodies if other is not body)]

    def _at(self, x: Sequence[Any]) -> tuple[Body, np.ndarray[Any, Any]]:
        """Return the body for a point, and the condition there."""
        for body in self.bodies:
            try:
                found = self._value(body, x)
            except GuardFailed:
                continue
            self._put_first(body)
            return body, found
        if self.stage_condition is None:
            raise GuardFailed(0)
        body = self.stage_condition(x)
        self._put_first(body)
        return body, self._value(body, x)

    def _put_first(self, body: Body) -> None:
        others = [other for other in self.bodies if other is not body]
        self.bodies = [body, *others[: _MOST_PIECES - 1]]

    def _value(self, body: Body, x: Sequence[Any]) -> np.ndarray[Any, Any]:
        captured = plain_values(body.captured) or ()
        return self.space.pack(body.program.evaluate(*captured, *x, *self.leaves))


class _Ways:
    """An iteration of a condition whose ways are known, inside a list that is staged at values.

    Where it comes by another way it raises `GuardFailed`: then the list is staged again.
    """

    def __init__(self, programs: Sequence[WengertList], iteration: _Iteration) -> None:
        self.programs = list(programs)
        self.iteration = iteration

    def __repr__(self) -> str:
        return repr(self.iteration)

    def __call__(self, captured: Sequence[Any], leaves: Sequence[Any]) -> Sequence[Any]:
        structure = tree.structure(())
        bodies = [Body(program, tuple(captured), structure) for program in self.programs]
        pieces = _Pieces(bodies, self.iteration.space, leaves, None)
        return self.iteration.find(pieces, leaves)


class _Iteration:
    """An iteration on vectors of real numbers, from plain values of captured and leaves."""

    name = "iteration"
    method: Method = "auto"
    roundings = 16.0  # the least that can be asked for

    def __init__(
        self, program: WengertList, space: Space, tolerance: float, max_iterations: int
    ) -> None:
        self.program = program
        self.space = space
        # Below double precision a tolerance meant for it cannot be met: rounding decides.
        least = self.roundings * space.rounding if space.rounding > _EPS else 0.0
        self.tolerance = max(tolerance, least)
        self.max_iterations = max_iterations

    def __repr__(self) -> str:
        return self.name

    def __call__(self, captured: Sequence[Any], leaves: Sequence[Any]) -> Sequence[Any]:
        return self.find(_Condition(self.program, self.space, captured, leaves), leaves)

    def find(self, condition: _Condition, leaves: Sequence[Any]) -> tuple[Any, ...]:
        """Return the leaves of the solution; the first of `leaves` are the start."""
        start = self.space.pack(leaves[: len(self.space.avals)])
        with np.errstate(all="ignore"):
            return self.space.unpack(self.run(condition, start))

    def run(self, condition: _Condition, x: Any) -> np.ndarray[Any, Any]:
        """Return the solution as a vector."""
        raise NotImplementedError

    def attempt(self, params: dict[str, Any]) -> WengertList | None:
        """Return the iteration as a list, for the equation of its solution."""
        return None if callable(self.method) else attempt_solution(params, self.staged)

    def staged(self, condition: Any, along: Any, x: Any) -> tuple[Any, Any]:
        """Return the solution as a vector that is staged, and whether it is one."""
        raise NotImplementedError

    def failed(self, size: float, last: float) -> ConvergenceError:
        """Return the error of an iteration that did not end."""
        return ConvergenceError(
            f"{self.name} did not converge in {self.max_iterations} iterations: the last one "
            f"{'made numbers that are not finite' if not np.isfinite(last) else f'left {last:.1e}'}"
            f", {self.tolerance * max(1.0, size):.1e} is asked for. Raise max_iterations or "
            "tolerance, or start nearer to the solution."
        )


# ------------------------------------------------------------------ fixed points


@immediate
def fixed_point(
    f: Callable[..., Any],
    x0: Any,
    *args: Any,
    tolerance: float = 1e-12,
    max_iterations: int = 10_000,
    method: Method = "auto",
) -> Any:
    """Return the x with ``x = f(x, *args)``, found by iterating `f` from `x0`.

    Differentiable in both modes and to any order, in `args` and in all that `f` takes from outside:
    dx = (1 - ∂f/∂x)⁻¹ (∂f/∂z) dz. No iteration is kept.

    Parameters
    ----------
    f : callable
        ``f(x, *args)`` returns a tree like `x`. It may ask for values (`if`, `while`)
        where they are known: neither staged nor batched.
    x0 : tree of numbers or arrays
        The start; the solution does not depend on it.
    *args : trees of numbers or arrays
    tolerance : float
        The last change allowed, relative to 1 and the largest entry of x.
    max_iterations : int
    method : str or callable
        How the linear system of the derivative is solved, see `linear_solve`; ``"neumann"`` sums
        the series that unrolling the iteration would.

    Returns
    -------
    tree like `x0`

    Raises
    ------
    ConvergenceError
        The iteration did not converge.
    SingularSystemError
        When differentiated: 1 is an eigenvalue of ∂f/∂x.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> kepler = lambda e, m: wg.fixed_point(lambda x: m + e * np.sin(x), m)
    >>> kepler(0.5, 1.0)
    np.float64(1.49870113351...)
    >>> wg.grad(kepler)(0.5, 1.0)  # sin x / (1 - e cos x)
    1.034667232...
    """
    check_callable(f, "fixed_point")
    check_method(method)
    start = _Start(x0, args, "fixed_point")
    start.settle(f)

    def condition(x: Any, *args: Any) -> Any:
        return tree.map(np.subtract, x, f(x, *args))

    def make(program: WengertList, space: Space) -> _Iteration:
        return _FixedPoint(program, space, tolerance, max_iterations)

    return start.solve(condition, make, method, max(1e3 * tolerance, 1e-6))


class _FixedPoint(_Iteration):
    name = "fixed_point"
    roundings = 2.0

    def of_batch(self, program: WengertList, space: Space) -> _FixedPoint:
        """Return the iteration of all examples at once; each stays where it has converged."""
        return _FixedPoint(program, space, self.tolerance, self.max_iterations)

    def run(self, condition: _Condition, x: Any) -> np.ndarray[Any, Any]:
        x, last, size, going = contract(
            condition, x, self.tolerance, self.max_iterations, plain_loop
        )
        if not np.any(going):
            return np.asarray(x)
        worst = np.argmax(np.where(np.isfinite(last), last * going, np.inf))
        raise self.failed(float(size.flat[worst]), float(last.flat[worst]))

    def staged(self, condition: Any, along: Any, x: Any) -> tuple[Any, Any]:
        x, _, _, going = contract(condition, x, self.tolerance, self.max_iterations, while_loop)
        return x, ~np.any(going)


# ------------------------------------------------------------------ roots


@immediate
def root(
    f: Callable[..., Any],
    x0: Any,
    *args: Any,
    tolerance: float = 1e-12,
    max_iterations: int = 100,
    method: Method = "auto",
) -> Any:
    """Return an x with ``f(x, *args) = 0``, found by Newton's method from `x0`, damped.

    Differentiable in both modes and to any order, see `implicit`.

    Parameters
    ----------
    f : callable
        ``f(x, *args)`` returns a tree like `x`. It may ask for values (`if`, `while`)
        where they are known: neither staged nor batched.
    x0, *args : trees of numbers or arrays
    tolerance : float
        The largest entry of f allowed, relative to its start and to 1.
    max_iterations : int
    method : str or callable
        How linear systems are solved, those of Newton's method too; see `linear_solve`.

    Returns
    -------
    tree like `x0`

    Raises
    ------
    ConvergenceError
        No root was found from there.
    SingularSystemError
        The Jacobian of `f` is singular on the way, or at the root when it is differentiated.

    Examples
    --------
    >>> import wengert as wg
    >>> cube_root = lambda a: wg.root(lambda x: x**3 - a, 1.0)
    >>> cube_root(8.0), wg.grad(cube_root)(8.0)
    (2.0, 0.0833333333333333...)
    """
    check_callable(f, "root")
    check_method(method)
    start = _Start(x0, args, "root")
    start.settle(f)

    def make(program: WengertList, space: Space) -> _Iteration:
        return _Newton(program, space, tolerance, max_iterations, method)

    return start.solve(f, make, method, max(1e3 * tolerance, 1e-6))


class _Newton(_Iteration):
    name = "root"

    def __init__(
        self,
        program: WengertList,
        space: Space,
        tolerance: float,
        max_iterations: int,
        method: Method,
    ) -> None:
        super().__init__(program, space, tolerance, max_iterations)
        self.method = method

    def of_batch(self, program: WengertList, space: Space) -> _Newton:
        """Return the iteration of all examples at once; each stays where it has converged."""
        return type(self)(program, space, self.tolerance, self.max_iterations, self.method)

    def run(self, condition: _Condition, x: Any) -> np.ndarray[Any, Any]:
        rounding = self.space.rounding

        def solve(x: Any, value: Any, left: Any) -> tuple[Any, bool]:
            try:
                step = solve_plainly(condition.along(x), -value, self.method, 1e-10, None, rounding)
                return step, True
            except SingularSystemError as error:
                raise SingularSystemError(
                    "root: the Jacobian of the function is singular where Newton's method has come "
                    f"to, with {left:.1e} left. Start elsewhere; perhaps there is no root "
                    f"({error})"
                ) from None

        limits = self.tolerance, self.max_iterations
        if self.space.examples:
            x, left, is_root = newton_of_batch(condition, solve, x, *limits, rounding)
        else:
            x, left, is_root = newton(condition, solve, x, *limits, plain_loop, rounding)
        if np.all(is_root):
            return np.asarray(x)
        raise self.failed(1.0, float(np.max(np.where(is_root, 0.0, left))))

    def attempt(self, params: dict[str, Any]) -> WengertList | None:
        """Return the iteration as a list; examples of a batch halve their steps apart."""
        return None if self.space.examples else super().attempt(params)

    def staged(self, condition: Any, along: Any, x: Any) -> tuple[Any, Any]:
        rounding = self.space.rounding

        def solve(x: Any, value: Any, left: Any) -> tuple[Any, Any]:
            return solve_staged(along(x), -value, self.method, 1e-10, None, rounding)

        x, _, is_root = newton(
            condition, solve, x, self.tolerance, self.max_iterations, while_loop, rounding
        )
        return x, is_root


# ------------------------------------------------------------------ minima


@immediate
def argmin(
    f: Callable[..., Any],
    x0: Any,
    *args: Any,
    tolerance: float = 1e-10,
    max_iterations: int = 1000,
    method: Method = "auto",
) -> Any:
    """Return the x that minimises ``f(x, *args)``, found from `x0`.

    Steps down the gradient lead into the valley, Newton's method to its ground. Differentiable in
    both modes and to any order by the condition ∂f/∂x = 0, see `implicit`.

    Parameters
    ----------
    f : callable
        Returns one real number, smooth in x. It may ask for values (`if`, `while`)
        where they are known: neither staged nor batched.
    x0 : tree of real numbers or arrays
    *args : trees of numbers or arrays
    tolerance : float
        The largest entry of the gradient allowed, relative to 1.
    max_iterations : int
    method : str or callable
        How linear systems with the Hessian are solved, see `linear_solve`; ``"cg"`` fits.

    Returns
    -------
    tree like `x0`

    Raises
    ------
    ConvergenceError
        No minimum was found from there.
    SingularSystemError
        The Hessian is singular at the minimum.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> ridge = lambda c: wg.argmin(lambda w, c: np.sum((w - 1.0) ** 2) + c * w @ w, np.zeros(2), c)
    >>> np.round(ridge(1.0), 10)
    array([0.5, 0.5])
    >>> np.round(wg.jacobian(ridge)(1.0), 10)  # -1 / (1 + c)²
    array([-0.25, -0.25])
    """
    check_callable(f, "argmin")
    check_method(method)
    start = _Start(x0, args, "argmin")
    if any(aval.is_complex for aval in start.avals):
        raise ArgumentError("argmin takes real variables: pass real and imaginary parts as a pair")
    gradient = grad(f)
    start.settle(gradient)

    def make(program: WengertList, space: Space) -> _Iteration:
        return _Minimum(program, space, tolerance, max_iterations, method)

    return start.solve(gradient, make, method, max(1e3 * tolerance, 1e-5))


class _Minimum(_Newton):
    name = "argmin"

    def run(self, condition: _Condition, x: Any) -> np.ndarray[Any, Any]:
        for until in SLOPES:
            if self.space.examples:
                x = descend_of_batch(condition, x, until, self.max_iterations)
            else:
                x = descend(condition, x, until, self.max_iterations, plain_loop)
            try:
                return super().run(condition, x)
            except (ConvergenceError, SingularSystemError) as error:
                last: WengertError = error
        raise last

    def staged(self, condition: Any, along: Any, x: Any) -> tuple[Any, Any]:
        def step(state: Any) -> Any:
            until, x, _ = state
            x = descend(condition, x, until, self.max_iterations, while_loop)
            x, is_root = super(_Minimum, self).staged(condition, along, x)
            return until / _STEEPER, x, is_root

        state = (np.float64(SLOPES[0]), x, np.bool_(False))
        _, x, is_root = while_loop(lambda s: ~s[2] & (s[0] >= SLOPES[-1]), step, state)
        return x, is_root
