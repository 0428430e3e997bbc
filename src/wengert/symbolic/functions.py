"""The elementary functions of SymPy and of mpmath, by the names of our primitives."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

_ARITHMETIC: dict[str, Callable[..., Any]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "negative": operator.neg,
    "power": operator.pow,
    "power_operator": operator.pow,
    "float_power": operator.pow,
    "square": lambda x: x * x,
    "reciprocal": lambda x: 1 / x,
}
_SHARED = ("exp", "log", "sqrt", "sin", "cos", "tan", "sinh", "cosh", "tanh")
_ARCS = ("sin", "cos", "tan", "sinh", "cosh", "tanh")


def _derived(number: Callable[[int], Any], system: Any) -> dict[str, Callable[..., Any]]:
    """Return what both systems have in common, in terms of their own elementary functions."""
    found = dict(_ARITHMETIC)
    for name in _SHARED:
        found[name] = getattr(system, name)
    for name in _ARCS:
        found[f"arc{name}"] = getattr(system, f"a{name}")
    exp, log = system.exp, system.log
    found |= {
        "arctan2": system.atan2,
        "exp2": lambda x: number(2) ** x,
        "log2": lambda x: log(x) / log(number(2)),
        "log10": lambda x: log(x) / log(number(10)),
        "hypot": lambda x, y: system.sqrt(x * x + y * y),
        "logaddexp": lambda x, y: log(exp(x) + exp(y)),
        "logistic": lambda x: 1 / (1 + exp(-x)),
        "deg2rad": lambda x: x * system.pi / 180,
        "radians": lambda x: x * system.pi / 180,
        "rad2deg": lambda x: x * 180 / system.pi,
        "degrees": lambda x: x * 180 / system.pi,
    }
    return found


def sympy_functions() -> dict[str, Callable[..., Any]]:
    """Return SymPy's elementary functions."""
    import sympy

    def where(condition: Any, x: Any, y: Any) -> Any:
        return sympy.Piecewise((x, condition), (y, True))

    found = _derived(sympy.Integer, sympy)
    return found | {
        "expm1": lambda x: sympy.exp(x) - 1,
        "log1p": lambda x: sympy.log(1 + x),
        "cbrt": lambda x: sympy.real_root(x, 3),
        "absolute": sympy.Abs,
        "absolute_operator": sympy.Abs,
        "fabs": sympy.Abs,
        "sign": sympy.sign,
        "floor": sympy.floor,
        "ceil": sympy.ceiling,
        "maximum": sympy.Max,
        "minimum": sympy.Min,
        "where": where,
        "less": operator.lt,
        "less_equal": operator.le,
        "greater": operator.gt,
        "greater_equal": operator.ge,
        "equal": sympy.Eq,
        # Conditions are compared with 0 to make them truth values; they are already.
        "not_equal": lambda x, y: x if _is_condition(x) else sympy.Ne(x, y),
        "logical_and": sympy.And,
        "logical_or": sympy.Or,
        "logical_not": sympy.Not,
        "bitwise_and": sympy.And,
        "bitwise_or": sympy.Or,
        "invert": sympy.Not,
    }


def _is_condition(x: Any) -> bool:
    import sympy
    from sympy.logic.boolalg import Boolean

    return isinstance(x, (bool, Boolean)) and not isinstance(x, sympy.Symbol)


def mpmath_functions() -> dict[str, Callable[..., Any]]:
    """Return mpmath's elementary functions, at its working precision."""
    import mpmath

    found = _derived(mpmath.mpf, mpmath)
    return found | {
        "expm1": mpmath.expm1,
        "log1p": mpmath.log1p,
        "cbrt": lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x)),
        "absolute": abs,
        "absolute_operator": abs,
        "fabs": abs,
        "sign": mpmath.sign,
        "floor": mpmath.floor,
        "ceil": mpmath.ceil,
        "maximum": lambda x, y: max(x, y),
        "minimum": lambda x, y: min(x, y),
        "where": lambda condition, x, y: x if condition else y,
        "less": operator.lt,
        "less_equal": operator.le,
        "greater": operator.gt,
        "greater_equal": operator.ge,
        "equal": operator.eq,
        "not_equal": operator.ne,
        "logical_and": lambda x, y: bool(x) and bool(y),
        "logical_or": lambda x, y: bool(x) or bool(y),
        "logical_not": lambda x: not x,
        "bitwise_and": operator.and_,
        "bitwise_or": operator.or_,
        "invert": lambda x: not x,
    }
