"""Symbolic derivatives and what they cost: operations, and how expressions swell."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..transforms.arguments import check_callable
from .expressions import exact, load_sympy, symbols_for, written


@dataclass(frozen=True)
class SymbolicDerivative:
    """A derivative as an expression, and its cost.

    Attributes
    ----------
    function : sympy.Expr
        The function itself.
    expression : sympy.Expr, or numpy.ndarray of them
        The derivative: one expression by a number, an array of them by an array.
    symbols : tuple of sympy.Symbol
        All symbols, in the order of the arguments.
    """

    function: Any
    expression: Any
    symbols: tuple[Any, ...]

    def __str__(self) -> str:
        return str(self.expression)

    def _parts(self) -> list[Any]:
        whole = isinstance(self.expression, np.ndarray)
        return list(self.expression.flat) if whole else [self.expression]

    @property
    def operations(self) -> int:
        """Operations of the derivative as differentiation leaves it."""
        return int(sum(part.count_ops() for part in self._parts()))

    @property
    def operations_simplified(self) -> int:
        """Operations after ``sympy.simplify`` (slow for large expressions)."""
        sympy = load_sympy()
        return int(sum(sympy.simplify(part).count_ops() for part in self._parts()))

    @property
    def operations_shared(self) -> int:
        """Operations when equal parts, over all entries, are computed once."""
        sympy = load_sympy()
        shared, rest = sympy.cse(self._parts())
        return int(sum(e.count_ops() for _, e in shared) + sum(e.count_ops() for e in rest))

    def evaluate(self, *args: Any) -> Any:
        """Return the value of the derivative at numbers and arrays like the function's arguments.

        The values are inserted exactly, and rounded once at the end.
        """
        numbers = [float(number) for argument in args for number in np.ravel(argument)]
        if len(numbers) != len(self.symbols):
            raise ArgumentError(
                f"{len(self.symbols)} numbers are needed ({', '.join(map(str, self.symbols))}), "
                f"{len(numbers)} were given"
            )
        sympy = load_sympy()
        places = dict(zip(self.symbols, map(sympy.Rational, numbers), strict=True))
        values = [float(part.subs(places).evalf(30)) for part in self._parts()]
        if isinstance(self.expression, np.ndarray):
            return np.array(values).reshape(self.expression.shape)
        return values[0]


def derivative(
    fun: Callable[..., Any], *args: Any, argnum: int = 0, order: int = 1
) -> SymbolicDerivative:
    """Differentiate a function as a formula, by SymPy.

    Parameters
    ----------
    fun : callable
        Returns one number.
    *args : numbers and arrays, optional
        Like those it takes; only their shapes matter. Without any, each parameter without default
        is one number.
    argnum : int
        The argument to differentiate by.
    order : int
        How often.

    Returns
    -------
    SymbolicDerivative
        ``expression``, ``evaluate(*args)`` and the operation counts: ``operations``,
        ``operations_simplified``, ``operations_shared``.

    Raises
    ------
    ArgumentError
        SymPy is not installed, or the result is not one number.
    StagingError
        The function asks for a value, in ``if`` or ``while``: there is no one formula for it.
    MissingRuleError
        It holds an operation that SymPy does not have.

    Examples
    --------
    >>> import numpy as np
    >>> from wengert import symbolic
    >>> found = symbolic.derivative(lambda x: np.sin(x**2) + np.exp(x))
    >>> found.expression
    2*x*cos(x**2) + exp(x)
    >>> found.operations
    6
    """
    check_callable(fun, "symbolic.derivative")
    if order < 1:
        raise ArgumentError(f"order is at least 1, got {order}")
    arranged = symbols_for(fun, args)
    function = written(fun, arranged)
    if isinstance(function, np.ndarray):
        raise ArgumentError(
            f"the function returned an array of shape {function.shape}; choose an entry: "
            "lambda x: fun(x)[0]"
        )
    if not -len(arranged) <= argnum < len(arranged):
        raise ArgumentError(f"argnum is {argnum}, but there are {len(arranged)} arguments")
    chosen = arranged[argnum]
    if isinstance(chosen, np.ndarray):
        found = np.empty(chosen.shape, dtype=object)
        for index in np.ndindex(chosen.shape):
            found[index] = exact(function.diff(chosen[index], order))
    else:
        found = exact(function.diff(chosen, order))
    symbols = tuple(symbol for part in arranged for symbol in np.ravel(np.asarray(part, object)))
    return SymbolicDerivative(function, found, symbols)


def swell(
    family: Callable[[int], Callable[..., Any]], depths: Iterable[int], *, expanded: bool = False
) -> list[tuple[int, int, int]]:
    """Count how expressions grow with the depth of a program.

    Parameters
    ----------
    family : callable
        ``family(n)`` is the function of depth n, of one number.
    depths : iterable of int
    expanded : bool
        Count the derivative multiplied out, as ``sympy.expand`` leaves it.

    Returns
    -------
    list of tuple
        For each depth: ``(depth, operations of the function, operations of its derivative)``.

    Examples
    --------
    >>> from wengert import symbolic
    >>> symbolic.swell(lambda n: lambda x: (x + 1) ** n, (2, 10), expanded=True)
    [(2, 2, 2), (10, 2, 26)]
    """
    sympy = load_sympy()
    rows = []
    for depth in depths:
        found = derivative(family(depth), 1.0)
        expression = sympy.expand(found.expression) if expanded else found.expression
        rows.append((depth, int(found.function.count_ops()), int(expression.count_ops())))
    return rows
