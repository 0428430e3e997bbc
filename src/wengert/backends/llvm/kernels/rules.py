"""Which equations belong into kernels, and in which part: what `wengert.passes.fuse` asks for."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ....ir.emitter import CannotLower
from ....ir.equation import Equation
from ....passes.schedule import Role
from ..emitter import TextEmitter
from ..recipes import can_lower
from ..values import Value, is_supported
from ..writer import Module
from .contraction import is_small_product, product_cost
from .indexing import index_operands
from .reductions import BLOCK, WRITTEN_OUT, Reduction, can_reduce, combining, is_reduction
from .sequential import RUNNING
from .structural import RULES, is_view_path, window_of

_FREE = frozenset({"reshape", "transpose", "broadcast_to", "stop_gradient", "hermitian"})
# Roughly what an operation costs, in additions; what is not named costs as much as a function.
_COSTS = {
    **dict.fromkeys(("add", "subtract", "multiply", "negative", "positive", "square"), 1),
    **dict.fromkeys(("absolute", "fabs", "conjugate", "real", "imag", "copysign", "sign"), 1),
    **dict.fromkeys(("where", "maximum", "minimum", "clip", "convert", "discretise"), 1),
    **dict.fromkeys(("equal", "not_equal", "less", "less_equal", "greater"), 1),
    **dict.fromkeys(("greater_equal", "logical_and", "logical_or", "logical_not", "isnan"), 1),
    **dict.fromkeys(("bitwise_and", "bitwise_or", "bitwise_xor", "invert", "isinf"), 1),
    **dict.fromkeys(("floor", "ceil", "rint", "trunc", "isfinite", "signbit", "heaviside"), 1),
    **dict.fromkeys(("divide", "reciprocal", "sqrt"), 6),
}
_FUNCTION_COST = 20
# A written part smaller than the array by this factor is written in place.
_WINDOW = 4


def role_of(equation: Equation) -> Role | None:
    """Return how an equation takes part in kernels, or None where it does not."""
    avals = [operand.aval for operand in equation.operands]
    avals += [variable.aval for variable in equation.outputs]
    if not all(is_supported(aval.dtype) for aval in avals):
        return None
    name = equation.primitive.name
    if is_reduction(equation):
        if not can_reduce(equation) or not _combines(equation):
            return None
        reduction = Reduction(equation)
        if reduction.count <= WRITTEN_OUT:
            return Role("elementwise", max(reduction.count, 1))
        return Role("reduction", 1, reduction.count if reduction.count <= BLOCK else 0)
    if name in RUNNING:
        return Role("last", 1) if _can_run(equation) else None
    if name in RULES:
        return _structural_role(equation, name)
    if is_small_product(equation):
        return Role("elementwise", product_cost(equation))
    if not _is_elementwise(equation) or not can_lower(equation):
        return None
    if name in ("power", "power_operator"):
        exponent: Any = getattr(equation.operands[1], "value", None)
        known = exponent is not None and np.ndim(exponent) == 0 and math.isfinite(abs(exponent))
        return Role("elementwise", _power_cost(exponent) if known else 2 * _FUNCTION_COST)
    return Role("elementwise", _COSTS.get(name, _FUNCTION_COST))


def _power_cost(exponent: Any) -> int:
    """Return the cost of a constant power, which products or a root may serve."""
    if exponent == 2:
        return 1
    if np.iscomplexobj(exponent):
        return 2 * _FUNCTION_COST
    if exponent == 0.5 or (abs(exponent) <= 64 and exponent % 1 == 0):
        return 6
    return 2 * _FUNCTION_COST


def _is_elementwise(equation: Equation) -> bool:
    return equation.primitive.family in ("elementwise", "piecewise_constant", "selecting")


def is_scattered(equation: Equation) -> bool:
    """Return whether an equation writes in place a part of an array that others made.

    A window that is a good part of the array is computed with the rest of it instead.
    """
    if equation.primitive.name not in ("write", "indexed_add"):
        return False
    base = equation.operands[0].aval
    if index_operands(equation):
        return True
    windows = window_of(base.shape, equation.params["path"])
    if windows is None or any(abs(step) != 1 for _, _, step in windows):
        return True
    return math.prod(count for _, count, _ in windows) * _WINDOW < base.size


def _can_run(equation: Equation) -> bool:
    """Return whether a running result has code for its dtype."""
    name = RUNNING[equation.primitive.name]
    dtype = equation.outputs[0].aval.dtype
    if not equation.outputs[0].aval.shape or dtype.kind == "b":
        return False
    return not name or _has_code(name, dtype)


def _combines(equation: Equation) -> bool:
    """Return whether the combining operation has code for the dtype."""
    reduction = Reduction(equation)
    return _has_code(reduction.name, reduction.dtype)


def _has_code(name: str, dtype: np.dtype[Any]) -> bool:
    emitter = TextEmitter(Module().function("trial", "void"))
    value = Value(dtype, "%x", "%y" if dtype.kind == "c" else None)
    try:
        found: Any = combining(name)(emitter, value, value)
    except CannotLower:
        return False
    return bool(found.dtype == dtype)


def _structural_role(equation: Equation, name: str) -> Role | None:
    params = equation.params
    if name in _FREE:
        return Role("view", 0)
    if name in ("read", "write", "indexed_add"):
        base = equation.operands[0].aval
        written = name != "read"
        indices = index_operands(equation)
        if not is_view_path(params["path"], base.shape, indices, written=written):
            return None
        if indices and not base.size:
            return None  # NumPy raises
        if not written:
            return Role("view", len(indices))
        if base.kind != "array":
            return None
        return Role("scatter" if is_scattered(equation) else "window", 1)
    if name == "take_along_axis":
        return Role("view", 1) if equation.operands[0].aval.size else None
    if name in ("convert", "discretise"):
        return Role("elementwise", 1)
    return Role("view", 1)
