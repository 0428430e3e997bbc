"""Which equations belong into kernels, and in which part: what `wengert.passes.fuse` asks for."""

from __future__ import annotations

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
from .nest import WRITTEN_OUT
from .reductions import Reduction, can_reduce, is_reduction
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


def reduces(equation: Equation) -> bool:
    return is_reduction(equation)


def is_written_out(equation: Equation) -> bool:
    """Return whether a reduction goes over so few entries that it counts as elementwise."""
    return Reduction(equation).count <= WRITTEN_OUT


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
        return Role("reduction", 1)
    if name in RULES:
        return _structural_role(equation, name)
    if is_small_product(equation):
        return Role("elementwise", product_cost(equation))
    if not _is_elementwise(equation) or not can_lower(equation):
        return None
    if name in ("power", "power_operator"):
        exponent: Any = getattr(equation.operands[1], "value", None)
        squares = exponent is not None and np.ndim(exponent) == 0 and exponent == 2
        return Role("elementwise", 1 if squares else 2 * _FUNCTION_COST)
    return Role("elementwise", _COSTS.get(name, _FUNCTION_COST))


def _is_elementwise(equation: Equation) -> bool:
    return equation.primitive.family in ("elementwise", "piecewise_constant", "selecting")


def _combines(equation: Equation) -> bool:
    """Return whether the combining operation has code for the dtype."""
    reduction = Reduction(equation)
    emitter = TextEmitter(Module().function("trial", "void"))
    imag = "%y" if reduction.dtype.kind == "c" else None
    value = Value(reduction.dtype, "%x", imag)
    try:
        found: Any = reduction.combine(emitter, value, value)
    except CannotLower:
        return False
    return bool(found.dtype == reduction.dtype)


def _structural_role(equation: Equation, name: str) -> Role | None:
    params = equation.params
    if name in _FREE:
        return Role("view", 0)
    if name == "read":
        if len(equation.operands) > 1:
            return None
        return Role("view", 0) if is_view_path(params["path"]) else None
    if name in ("write", "indexed_add"):
        base = equation.operands[0]
        if len(equation.operands) > 2:
            return None
        windows = window_of(base.aval.shape, params["path"])
        if windows is None or base.aval.kind != "array":
            return None
        if any(abs(step) != 1 for _, _, step in windows):
            return None
        return Role("window", 1)
    if name in ("convert", "discretise"):
        return Role("elementwise", 1)
    return Role("view", 1)
