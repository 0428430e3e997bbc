"""The ways to a derivative that `compare_methods` sets side by side, one record each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import numerical
from ..errors import ArgumentError, StagingError
from ..higher.jit import jit
from ..ir.wengert_list import WengertList
from ..symbolic.derivatives import derivative as symbolic_derivative
from ..symbolic.expressions import load_sympy
from ..symbolic.foreign import run
from ..symbolic.functions import mpmath_functions
from ..transforms.derivatives import grad
from ..transforms.jacobians import jacfwd
from ..transforms.staged import trace

Function = Callable[[Any], Any]


class Prepared(NamedTuple):
    """A way to the derivative, ready to be called.

    ``derivative(x)`` gives it; ``operations`` counts the elementary operations of one call and
    ``size`` those of the expression that is held; None where nobody can tell.
    """

    derivative: Function
    operations: int | None
    size: int | None


class Method(NamedTuple):
    """A way to the derivative: its name, and how it is prepared for a function at a point."""

    name: str
    prepare: Callable[[Function, Any], Prepared]


def operation_count(program: WengertList) -> int:
    """Count the elementary operations of a list: an array counts by its entries."""
    return sum(max(output.aval.size for output in equation.outputs) for equation in program)


def _list_of(function: Function, x: Any) -> int | None:
    """Return the operations of a function, None where it cannot be staged."""
    try:
        return operation_count(trace(function)(x))
    except StagingError:
        return None


def _numerical(method: str, evaluations: Callable[[int], int]) -> Callable[..., Prepared]:
    def prepare(function: Function, x: Any) -> Prepared:
        once = _list_of(function, x)
        operations = None if once is None else once * evaluations(np.size(x))
        found = numerical.gradient if np.ndim(x) else numerical.derivative
        return Prepared(found(function, method=method), operations, None)

    return prepare


def _symbolic(function: Function, x: Any) -> Prepared:
    sympy = load_sympy()
    if np.size(x) > 200:
        raise ArgumentError("more than 200 variables: each entry differentiates the whole formula")
    found = symbolic_derivative(function, x)
    symbols = list(found.symbols)
    if isinstance(found.expression, np.ndarray):
        compiled = sympy.lambdify(symbols, list(found.expression.flat), "numpy")
        return Prepared(
            lambda x: np.array(compiled(*np.ravel(x)), dtype=float).reshape(np.shape(x)),
            found.operations,
            found.operations,
        )
    compiled = sympy.lambdify(symbols, found.expression, "numpy")
    return Prepared(compiled, found.operations, found.operations)


def _automatic(transform: Callable[[Function], Function]) -> Callable[..., Prepared]:
    def prepare(function: Function, x: Any) -> Prepared:
        made = transform(function)
        operations = _list_of(made, x)
        return Prepared(made, operations, None)

    return prepare


def _compiled(function: Function, x: Any) -> Prepared:
    """Compile the gradient; the first calls record and compile, so they are made here."""
    compiled = jit(grad(function))
    for _ in range(3):
        compiled(x)
    return Prepared(compiled, _list_of(grad(function), x), None)


METHODS = [
    Method("forward difference", _numerical("forward", lambda n: n + 1)),
    Method("central difference", _numerical("central", lambda n: 2 * n)),
    Method("complex step", _numerical("complex-step", lambda n: n)),
    Method("Richardson", _numerical("richardson", lambda n: 8 * n)),
    Method("symbolic", _symbolic),
    Method("forward mode", _automatic(jacfwd)),
    Method("reverse mode", _automatic(grad)),
    Method("compiled", _compiled),
]


# ------------------------------------------------------------------ the reference

_DIGITS = 50


def precise_derivative(function: Function, x: Any, entry: tuple[int, ...]) -> float:
    """Return one entry of the derivative in high precision, rounded at the end.

    A central difference in arithmetic of 50 digits with a step of 1e-15 times the size of the
    entry: truncation is of order 1e-30, rounding of order 1e-35.
    """
    try:
        import mpmath
    except ModuleNotFoundError as error:
        raise ArgumentError("mpmath is not installed: pip install 'wengert[symbolic]'") from error
    program = trace(function)(x)
    functions = mpmath_functions()

    def at(point: Any) -> Any:
        (value,) = run(program, [point], functions, "mpmath")
        return value

    with mpmath.workdps(_DIGITS):
        exact = np.frompyfunc(mpmath.mpf, 1, 1)(np.asarray(x, dtype=float))
        step = mpmath.mpf(10) ** -15 * max(1, abs(float(np.asarray(x)[entry])))
        if np.ndim(x) == 0:
            return float((at(exact + step) - at(exact - step)) / (2 * step))
        up, down = exact.copy(), exact.copy()
        up[entry] += step
        down[entry] -= step
        return float((at(up) - at(down)) / (2 * step))
