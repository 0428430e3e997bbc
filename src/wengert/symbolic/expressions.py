"""Between functions, Wengert lists and SymPy's expressions: there and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError, MissingRuleError
from ..ir.aval import Aval
from ..ir.equation import Equation, Literal, Operand, Variable
from ..ir.primitive import registry
from ..ir.wengert_list import WengertList
from ..transforms.arguments import argument_names, positional_names
from ..transforms.staged import trace
from .foreign import run
from .functions import sympy_functions


def load_sympy() -> Any:
    """Return SymPy, or say how to get it."""
    try:
        import sympy
    except ModuleNotFoundError as error:
        raise ArgumentError(
            "symbolic derivatives need SymPy: pip install 'wengert[symbolic]'"
        ) from error
    return sympy


def symbols_for(fun: Callable[..., Any], args: Sequence[Any]) -> list[Any]:
    """Return a symbol for each number among the arguments, in their arrangement.

    Without `args`, every positional parameter without default stands for one number.
    """
    sympy = load_sympy()
    args = args or [1.0] * len(positional_names(fun, required=True))
    if not args:
        raise ArgumentError(
            "the parameters of this function are not known; give arguments like those it takes"
        )
    names = argument_names(fun, len(args))
    made = []
    for name, value in zip(names, args, strict=True):
        if isinstance(value, np.ndarray) and value.ndim:
            entries = [
                sympy.Symbol(f"{name}_{'_'.join(map(str, index))}", real=True)
                for index in np.ndindex(value.shape)
            ]
            filled = np.empty(value.shape, dtype=object)
            for index, entry in zip(np.ndindex(value.shape), entries, strict=True):
                filled[index] = entry
            made.append(filled)
        elif isinstance(value, (int, float, np.number)):
            made.append(sympy.Symbol(name, real=True))
        else:
            raise ArgumentError(
                f"the argument {name} is a {type(value).__name__}; symbols stand for numbers and "
                "arrays of numbers. Bind other arguments first: lambda x: fun(x, other)"
            )
    return made


def expression(fun: Callable[..., Any], *args: Any) -> Any:
    """Return a function as a SymPy expression: what it computes, written out.

    The function is staged, and its Wengert list runs on symbols.

    Parameters
    ----------
    fun : callable
        Takes numbers and arrays. Its result must be one number or array.
    *args : numbers and arrays, optional
        Like those it takes; only their shapes matter. Without any, each parameter without default
        is one number.

    Returns
    -------
    sympy.Expr, or numpy.ndarray of them
        Symbols are named after the parameters, entries ``x_0``, ``x_1``, ….

    Raises
    ------
    StagingError
        The function asks for a value, in ``if`` or ``while``: there is no one expression for it.
    MissingRuleError
        It holds an operation that SymPy does not have.

    Examples
    --------
    >>> import numpy as np
    >>> from wengert import symbolic
    >>> symbolic.expression(lambda x: np.log(1 + x**2) / x)
    log(x**2 + 1)/x
    >>> symbolic.expression(lambda v: np.sum(v**2), np.ones(3))
    v_0**2 + v_1**2 + v_2**2
    """
    return written(fun, symbols_for(fun, args))


def written(fun: Callable[..., Any], symbols: Sequence[Any]) -> Any:
    """Return what `fun` makes of symbols and arrays of symbols."""
    likes = [np.ones(s.shape) if isinstance(s, np.ndarray) else 1.0 for s in symbols]
    program = trace(fun)(*likes)
    if len(program.outputs) != 1:
        raise ArgumentError(
            f"the function returns {len(program.outputs)} numbers or arrays; choose one: "
            "lambda x: fun(x)[0]"
        )
    (found,) = run(program, symbols, sympy_functions(), "SymPy")
    if isinstance(found, np.ndarray):
        return np.frompyfunc(exact, 1, 1)(found)
    return exact(found)


def exact(value: Any) -> Any:
    """Return an expression with floats that are whole numbers as integers."""
    sympy = load_sympy()
    made = sympy.sympify(value)
    whole = {
        number: sympy.Integer(int(number))
        for number in made.atoms(sympy.Float)
        if number == int(number)
    }
    return made.xreplace(whole) if whole else made


# ------------------------------------------------------------------ back

_FROM_SYMPY = {
    "exp": "exp", "log": "log", "sin": "sin", "cos": "cos", "tan": "tan", "asin": "arcsin",
    "acos": "arccos", "atan": "arctan", "sinh": "sinh", "cosh": "cosh", "tanh": "tanh",
    "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh", "Abs": "absolute",
    "sign": "sign", "floor": "floor", "ceiling": "ceil", "atan2": "arctan2", "Max": "maximum",
    "Min": "minimum",
}  # fmt: skip

_NUMBER = Aval((), np.float64, "scalar")


def to_wengert_list(formula: Any, symbols: Sequence[Any]) -> WengertList:
    """Return a SymPy expression as a Wengert list; equal parts are computed once.

    Parameters
    ----------
    formula : sympy.Expr
    symbols : sequence of sympy.Symbol
        The inputs of the list, in order; they must be all that occur.

    Returns
    -------
    WengertList
        Of float64 scalars; ``evaluate(*numbers)`` gives the value.

    Raises
    ------
    ArgumentError
        A symbol of the expression is not among `symbols`.
    MissingRuleError
        A function of the expression has no primitive.

    Examples
    --------
    >>> import sympy
    >>> from wengert import symbolic
    >>> x = sympy.Symbol("x")
    >>> program = symbolic.to_wengert_list(sympy.sin(x) ** 2 + sympy.sin(x), [x])
    >>> print(program)
    inputs  x1: float64
    v1: float64 = sin(x1)
    v2: float64 = power(v1, 2.0)
    v3: float64 = add(v2, v1)
    outputs v3
    """
    sympy = load_sympy()
    formula = sympy.sympify(formula)
    inputs = [Variable(_NUMBER) for _ in symbols]
    known: dict[Any, Operand] = dict(zip(symbols, inputs, strict=True))
    unknown = sorted(map(str, formula.free_symbols - set(symbols)))
    if unknown:
        raise ArgumentError(f"the expression holds {', '.join(unknown)}, not among the symbols")
    equations: list[Equation] = []

    def apply(name: str, *operands: Operand) -> Operand:
        result = Variable(_NUMBER)
        equations.append(Equation(registry[name], operands, {}, [result]))
        return result

    def fold(name: str, parts: Sequence[Any]) -> Operand:
        total = known[parts[0]]
        for part in parts[1:]:
            total = apply(name, total, known[part])
        return total

    def make(part: Any) -> Operand:
        if part.is_number and not part.args:
            return Literal(float(part))
        if part.is_Add:
            return fold("add", part.args)
        if part.is_Mul:
            return fold("multiply", part.args)
        if part.is_Pow:
            base, exponent = part.args
            if exponent == -1:
                return apply("reciprocal", known[base])
            if exponent == sympy.Rational(1, 2):
                return apply("sqrt", known[base])
            return apply("power", known[base], known[exponent])
        name = _FROM_SYMPY.get(part.func.__name__)
        if name is None:
            raise MissingRuleError(
                f"SymPy's {part.func.__name__} has no counterpart among the primitives"
            )
        if len(part.args) > 2:
            return fold(name, part.args)
        return apply(name, *(known[argument] for argument in part.args))

    for part in sympy.postorder_traversal(formula):
        if part not in known:
            known[part] = make(part)
    return WengertList(inputs, equations, [known[formula]])
