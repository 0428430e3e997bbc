"""Decompositions: operations without a kernel of their own, as operations that have one.

Each is the NumPy expression that the operation's values come from, staged once for each signature.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import StagingError
from ..ir.aval import Aval
from ..ir.equation import Equation, Literal, Operand, Variable
from ..ir.paths import IndexOperand
from ..ir.primitive import registry
from ..ir.wengert_list import WengertList
from ..tracing.core import bind, raw_of
from ..tracing.staging import stage
from .expand_linalg import OF_SYSTEMS, norm, systems
from .expand_searches import OF_INTEGERS, SEARCHES, NotExpanded

Expansion = Callable[..., Any]


def expand(program: WengertList) -> WengertList:
    """Return a list in which operations that have a decomposition are decomposed."""
    if not any(equation.primitive.name in EXPANSIONS for equation in program):
        return program
    made: dict[Any, WengertList | None] = {}
    equations: list[Equation] = []
    for equation in program.equations:
        key = (
            equation.primitive.name,
            tuple(operand.aval for operand in equation.operands),
            tuple((name, repr(value)) for name, value in equation.params.items()),
        )
        if equation.primitive.name in EXPANSIONS and key not in made:
            made[key] = _staged(equation)
        body = made.get(key)
        if body is None:
            equations.append(equation)
        else:
            equations += _spliced(body, equation)
    return WengertList(program.inputs, equations, program.outputs)


def _staged(equation: Equation) -> WengertList | None:
    """Return the list of an equation's decomposition, or None where there is none for it."""
    function = EXPANSIONS[equation.primitive.name]
    avals = [operand.aval for operand in equation.operands]
    if not _serves(equation, avals):
        return None

    def program(*values: Any) -> list[Any]:
        return [function(*values, **equation.params)]

    try:
        found = stage(program, avals, equation.primitive.name)
    except (StagingError, NotExpanded):
        return None
    (output,) = found.outputs
    if output.aval != equation.outputs[0].aval or not isinstance(output, Variable):
        return None
    return found


def _serves(equation: Equation, avals: Sequence[Aval]) -> bool:
    name, first = equation.primitive.name, avals[0]
    if name in OF_SYSTEMS:
        return all(aval.size and aval.dtype.kind in "iufc" for aval in avals)
    if not first.shape or first.size == 0:
        return False
    if first.dtype.kind in "iu":
        return name in OF_INTEGERS
    if first.dtype.kind == "b":
        return name == "count_nonzero"
    return first.dtype in (np.float64, np.float32)


def _spliced(body: WengertList, equation: Equation) -> list[Equation]:
    """Return the equations of a decomposition on the operands and results of an equation."""
    names: dict[Variable, Operand] = dict(zip(body.inputs, equation.operands, strict=True))
    (result,) = body.outputs
    assert isinstance(result, Variable)
    names[result] = equation.outputs[0]
    found = []
    for inner in body.equations:
        operands = [
            operand if isinstance(operand, Literal) else names.setdefault(operand, operand)
            for operand in inner.operands
        ]
        outputs: list[Variable] = []
        for variable in inner.outputs:
            name = names.get(variable)
            if name is None:
                name = names[variable] = Variable(variable.aval)
            assert isinstance(name, Variable)
            outputs.append(name)
        found.append(Equation(inner.primitive, operands, inner.params, outputs))
    return found


# ------------------------------------------------------------------ statistics


def _count(x: Any, axes: Any) -> int:
    shape = np.shape(x)
    chosen = range(len(shape)) if axes is None else axes
    return int(np.prod([shape[axis] for axis in chosen]))


def _var(x: Any, *, axes: Any, ddof: Any, dtype: Any, keepdims: bool, store: Any = None) -> Any:
    if store is not None or (dtype is not None and np.dtype(dtype) != x.dtype):
        raise NotExpanded
    centred = x - np.mean(x, axes, keepdims=True)
    total = np.sum(centred * centred, axes, keepdims=keepdims)
    return total / x.dtype.type(max(_count(x, axes) - ddof, 0))


def _std(x: Any, **params: Any) -> Any:
    return np.sqrt(_var(x, **params))


def _var_selected(
    x: Any,
    mean: Any,
    where: Any,
    *,
    axes: Any,
    ddof: Any,
    dtype: Any,
    keepdims: bool,
    given: tuple[str, ...],
) -> Any:
    if (dtype is not None and np.dtype(dtype) != x.dtype) or "where" not in given:
        raise NotExpanded
    chosen = np.broadcast_to(where, np.shape(x))
    zero = x.dtype.type(0)
    count = np.sum(chosen, axes, keepdims=True).astype(x.dtype)
    if "mean" not in given:
        mean = np.sum(np.where(chosen, x, zero), axes, keepdims=True) / count
    centred = x - mean
    total = np.sum(np.where(chosen, centred * centred, zero), axes, keepdims=keepdims)
    if not keepdims:
        count = np.reshape(count, np.shape(total))
    return total / np.maximum(count - x.dtype.type(ddof), zero)


def _std_selected(*operands: Any, **params: Any) -> Any:
    return np.sqrt(_var_selected(*operands, **params))


def _mean_selected(x: Any, where: Any, *, axes: Any, dtype: Any, keepdims: bool) -> Any:
    if dtype is not None and np.dtype(dtype) != x.dtype:
        raise NotExpanded
    chosen = np.broadcast_to(where, np.shape(x))
    total = np.sum(np.where(chosen, x, x.dtype.type(0)), axes, keepdims=keepdims)
    return total / np.sum(chosen, axes, keepdims=keepdims).astype(x.dtype)


def _logsumexp(a: Any, b: Any, *, axes: Any, keepdims: bool, signed: bool, weighted: bool) -> Any:
    """Take out the largest entries, which count exactly, as SciPy does."""
    if weighted or signed:
        raise NotExpanded
    one, zero = a.dtype.type(1), a.dtype.type(0)
    top = np.max(a, axes, keepdims=True)
    largest = np.equal(a, top)
    count = np.sum(np.where(largest, one, zero), axes, keepdims=True)
    shift = np.where(np.isfinite(top), top, zero)
    rest = np.sum(np.where(largest, zero, np.exp(a - shift)), axes, keepdims=True)
    peak = np.where(np.isfinite(top), one, np.exp(top - shift))
    found = np.log1p(rest / count) + np.log(count * peak) + shift
    if keepdims:
        return found
    return np.reshape(found, np.shape(np.sum(a, axes)))


# ------------------------------------------------------------------ diagonals


def _trace(x: Any, *, offset: int, axis1: int, axis2: int) -> Any:
    return np.sum(np.diagonal(x, offset, axis1, axis2), -1)


def _sum_repeats(x: Any, *, repeats: Any, axis: int, length: int) -> Any:
    if not isinstance(repeats, int):
        raise NotExpanded
    shape = np.shape(x)
    split = (*shape[:axis], length, repeats, *shape[axis + 1 :])
    return np.sum(np.reshape(x, split), axis + 1)


# ------------------------------------------------------------------ along an axis


def _add_along(x: Any, indices: Any, *, axis: int, shape: tuple[int, ...]) -> Any:
    full = np.shape(indices)
    if np.shape(x) != full or any(
        n != m for k, (n, m) in enumerate(zip(full, shape, strict=True)) if k != axis
    ):
        raise NotExpanded
    key: list[Any] = []
    for k, n in enumerate(full):
        if k == axis:
            key.append(IndexOperand(0, len(full)))
        else:
            key.append(np.arange(n).reshape([n if j == k else 1 for j in range(len(full))]))
    zeros = np.zeros(shape, x.dtype)
    path = (("index", tuple(key)),)
    return bind(registry["indexed_add"], zeros, raw_of(x), raw_of(indices), path=path)


def _put_along(x: Any, order: Any, *, axis: int) -> Any:
    shape = np.shape(x)
    key: list[Any] = [
        np.arange(n).reshape([n if j == k else 1 for j in range(len(shape))])
        for k, n in enumerate(shape)
    ]
    key[axis] = IndexOperand(0, len(shape))
    zeros = np.zeros(shape, x.dtype)
    return bind(registry["write"], zeros, raw_of(x), raw_of(order), path=(("index", tuple(key)),))


EXPANSIONS: dict[str, Expansion] = {
    "var": _var,
    "std": _std,
    "mean_selected": _mean_selected,
    "var_selected": _var_selected,
    "std_selected": _std_selected,
    "logsumexp": _logsumexp,
    "norm": norm,
    **systems,
    "trace": _trace,
    "sum_repeats": _sum_repeats,
    "add_along_axis": _add_along,
    "put_along_axis": _put_along,
    **SEARCHES,
}
