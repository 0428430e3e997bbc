"""Functions that select: ``where``, ``maximum`` and its kin, ``clip``, ``nan_to_num`` and more.

Ties share: each of two equal operands has half of the derivative.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.aval import Aval, aval_of, kind_of_result, result_dtype
from ..tracing.core import Array, bind, raw_of, to_user, write_handle
from ..tracing.decisions import possible
from ..tracing.operators import as_operand, install_method
from ..tracing.protocols import (
    has_traced,
    implement_ufunc,
    implements,
    primitive_call,
    store_results,
)
from . import lowering
from .arithmetic import binary_samples
from .elementwise_family import infer_elementwise
from .exponential import bad_shapes
from .projection import as_numpy_scalar
from .samples import Fail, Sample, array, unary_samples
from .selecting_family import Choice, selecting

# ------------------------------------------------------------------ where


def _infer_where(condition: Aval, x: Aval, y: Aval) -> Aval:
    shape = np.broadcast_shapes(condition.shape, x.shape, y.shape)
    return Aval(shape, result_dtype(x, y), "array")


def _where_samples() -> list[Sample]:
    x, y = array(3, 4, seed=2), array(3, 4, seed=3)
    row = array(4) > 0
    return [
        Sample(x > 0, x, y),
        Sample(row, x, y),
        Sample((x > 0)[:, :1], array(4, seed=4), array(2, 1, 1, seed=5)),
        Sample(True, x, array(4, seed=4)),
        Sample(np.False_, x, array(4, seed=4)),
        Sample(row, 1.5, y[0]),
        Sample(row, np.float64(1.5), np.float32(0.5)),
        Sample(True, 1.5, 2.5),
        Sample(row, array(4, dtype=np.float32), 0.0),
        Sample(row, array(4, dtype=np.complex128), array(4)),
        Sample(x[:, ::2] > 0, x[::-1, ::2], y[:, 1::2]),
        Sample(np.zeros((0, 3), bool), array(3), 2),
        Sample(np.arange(4), y, x),
    ]


where_primitive = selecting(
    "where",
    arguments=("condition", "x", "y"),
    evaluate=np.where,
    infer=_infer_where,
    choose=lambda condition, x, y: (
        None,
        (np.not_equal(condition, 0), None),
        (np.equal(condition, 0), None),
    ),
    linear=lambda which, params: 0 not in which,
    lower=lowering.where,
    samples=_where_samples,
    fails=lambda: [Fail(ValueError, "broadcast", np.array([True, False]), array(3), 0.0)],
)


@implements(np.where)
def where(condition: Any, x: Any = np._NoValue, y: Any = np._NoValue, /) -> Any:
    """Answer ``np.where``; with one argument the indices of what is not zero."""
    condition = as_operand(condition)
    if x is np._NoValue and y is np._NoValue:
        return np.nonzero(condition)
    if x is np._NoValue or y is np._NoValue:
        raise ValueError("either both or neither of x and y should be given")
    if has_traced(condition):  # what is asked of it is whether it is zero
        condition = np.not_equal(condition, 0)
    return to_user(bind(where_primitive, condition, as_operand(x), as_operand(y)))


# ------------------------------------------------------------------ maximum and minimum


def _shares(first: Any, second: Any, x: Any, y: Any) -> tuple[Choice, Choice]:
    """Return the choices of two operands from whether each precedes; ties where both or neither."""
    tie = np.equal(first, second)
    if not possible(tie):
        return (first, None), (second, None)
    like = result_dtype(aval_of(x), aval_of(y))
    share = np.where(tie, like.type(0.5), like.type(1))
    return (np.logical_or(first, tie), share), (np.logical_or(second, tie), share)


def _larger(x: Any, y: Any) -> tuple[Choice, Choice]:
    """Choose the larger, or the one that is nan."""
    first, second = np.greater(x, y) | np.isnan(x), np.less(x, y) | np.isnan(y)
    return _shares(first, second, x, y)


def _smaller(x: Any, y: Any) -> tuple[Choice, Choice]:
    first, second = np.less(x, y) | np.isnan(x), np.greater(x, y) | np.isnan(y)
    return _shares(first, second, x, y)


def _larger_number(x: Any, y: Any) -> tuple[Choice, Choice]:
    """Choose the larger, or the one that is not nan."""
    first, second = np.greater(x, y) | np.isnan(y), np.less(x, y) | np.isnan(x)
    return _shares(first, second, x, y)


def _smaller_number(x: Any, y: Any) -> tuple[Choice, Choice]:
    first, second = np.less(x, y) | np.isnan(y), np.greater(x, y) | np.isnan(x)
    return _shares(first, second, x, y)


def _extremum_samples() -> list[Sample]:
    return [
        *binary_samples(),
        Sample(array(3, dtype=np.complex128, seed=4), array(2, 3, dtype=np.complex128)),
        Sample(np.array([1e300, -1e-300]), np.array([2.0, 3.0]), second=False),
        Sample(np.array([np.inf, 1.0]), np.array([2.0, -np.inf]), differentiable=False),
        Sample(np.array([1.0, 2.0]), np.array([1.0, 2.0]), differentiable=False),
        Sample(np.array([np.nan, 2.0]), np.array([1.0, np.nan]), differentiable=False),
        Sample(1.0, 1.0, differentiable=False),
    ]


extrema = {
    ufunc.__name__: selecting(
        ufunc.__name__,
        arguments=("x", "y"),
        evaluate=ufunc,
        infer=infer_elementwise(ufunc, operator=False),
        choose=choose,
        lower=lowering.extremum(relation, skips_nan=skips_nan),
        samples=_extremum_samples,
        fails=bad_shapes,
        numpy=ufunc,
    )
    for ufunc, choose, relation, skips_nan in (
        (np.maximum, _larger, "gt", False),
        (np.minimum, _smaller, "lt", False),
        (np.fmax, _larger_number, "gt", True),
        (np.fmin, _smaller_number, "lt", True),
    )
}

for _primitive in extrema.values():
    implement_ufunc(_primitive.numpy, primitive_call(_primitive, as_numpy_scalar))


# ------------------------------------------------------------------ clip


def _infer_clip(x: Aval, low: Aval, high: Aval) -> Aval:
    shape = np.broadcast_shapes(x.shape, low.shape, high.shape)
    return Aval(shape, result_dtype(x, low, high), kind_of_result(shape))


def _both(first: Choice, second: Choice) -> Choice:
    """Return the choice of what passes two selections."""
    mask = np.logical_and(first[0], second[0])
    if first[1] is None or second[1] is None:
        return mask, second[1] if first[1] is None else first[1]
    return mask, first[1] * second[1]


def _within(x: Any, low: Any, high: Any) -> tuple[Choice, Choice, Choice]:
    """Choose as ``minimum(maximum(x, low), high)`` does."""
    of_x, of_low = _larger(x, low)
    passed, of_high = _smaller(np.maximum(x, low), high)
    return _both(of_x, passed), _both(of_low, passed), of_high


def _clip_samples() -> list[Sample]:
    x = array(3, 4)
    return [
        Sample(x, -0.5, 0.75),
        Sample(x, array(4, low=-1.0, high=0.0), array(3, 1, low=0.1, high=1.0)),
        Sample(x[:, ::2], array(1, 2, low=-1.0, high=0.0), np.float64(0.5)),
        Sample(0.3, array(3), array(2, 1, low=0.1, high=1.0)),
        Sample(array(3, dtype=np.float32), -0.5, 0.75),
        Sample(array(3, dtype=np.float32), array(3, seed=9), 3),
        Sample(2.5, 0, 1),
        Sample(np.float64(0.5), 0.0, 1.0),
        Sample(np.array(0.5), 0.0, 1.0),
        Sample(array(0, 3), -1.0, 1.0),
        Sample(x, 1.0, -1.0),
        Sample(np.array([0.0, 1.0, 0.5]), 0.0, 1.0, differentiable=False),
        Sample(np.array([np.nan, 1.0]), 0.0, np.array([1.0, np.nan]), differentiable=False),
    ]


clip_primitive = selecting(
    "clip",
    arguments=("x", "low", "high"),
    evaluate=np.clip,
    infer=_infer_clip,
    choose=_within,
    lower=lowering.clip,
    samples=_clip_samples,
    fails=lambda: [Fail(ValueError, "broadcast", array(3), array(2), 1.0)],
)


@implements(np.clip)
def clip(
    a: Any,
    a_min: Any = np._NoValue,
    a_max: Any = np._NoValue,
    out: Any = None,
    *,
    min: Any = np._NoValue,
    max: Any = np._NoValue,
    **kwargs: Any,
) -> Any:
    """Answer ``np.clip``, whose bounds may be None."""
    no_value = np._NoValue
    if a_min is no_value and a_max is no_value:
        a_min = None if min is no_value else min
        a_max = None if max is no_value else max
    elif a_min is no_value or a_max is no_value:
        name = "a_min" if a_min is no_value else "a_max"
        raise TypeError(f"clip() missing 1 required positional argument: {name!r}")
    elif min is not no_value or max is not no_value:
        raise ValueError(
            "Passing `min` or `max` keyword argument when `a_min` and `a_max` are provided is "
            "forbidden."
        )
    return _clipped(a, a_min, a_max, out, kwargs)


def _clipped(a: Any, low: Any, high: Any, out: Any, kwargs: dict[str, Any]) -> Any:
    if out is not None:
        kwargs["out"] = out
    if low is None:
        return np.positive(a, **kwargs) if high is None else np.minimum(a, high, **kwargs)
    if high is None:
        return np.maximum(a, low, **kwargs)
    if kwargs.keys() - {"out"}:  # where=, dtype=, casting=: NumPy's ufuncs know what they mean
        return np.minimum(np.maximum(a, low, **kwargs), high, **kwargs)
    operands = [as_operand(value) for value in (a, low, high)]
    if aval_of(raw_of(operands[0])).kind == "python":
        operands[0] = as_numpy_scalar(raw_of(operands[0]))
    result = to_user(bind(clip_primitive, *operands))
    return result if out is None else store_results((out,), (result,))


def clip_method(
    self: Any,
    min: Any = None,
    max: Any = None,
    out: Any = None,
    **kwargs: Any,
) -> Any:
    """Answer ``x.clip(min, max)``."""
    return _clipped(self, min, max, out, kwargs)


install_method("clip", clip_method)


# ------------------------------------------------------------------ steps


heaviside = selecting(
    "heaviside",
    arguments=("x", "y"),
    evaluate=np.heaviside,
    infer=infer_elementwise(np.heaviside, operator=False),
    # At 0 the value is the second operand.
    choose=lambda x, y: (None, (np.equal(x, 0), None)),
    lower=lowering.heaviside,
    samples=lambda: [
        *binary_samples(),
        Sample(np.array([-1.0, 0.0, 2.0]), np.array([0.5, 0.25, 1.0]), wrt=(1,)),
        Sample(0.0, 0.5, wrt=(1,)),
    ],
    fails=bad_shapes,
    numpy=np.heaviside,
)
implement_ufunc(np.heaviside, primitive_call(heaviside, as_numpy_scalar))


# ------------------------------------------------------------------ nan_to_num


def _finite(x: Any, **params: Any) -> tuple[Choice]:
    return ((np.isfinite(x), None),)


nan_to_num_primitive = selecting(
    "nan_to_num",
    arguments=("x",),
    evaluate=lambda x, *, nan, posinf, neginf: np.nan_to_num(
        x, nan=nan, posinf=posinf, neginf=neginf
    ),
    infer=lambda x, *, nan, posinf, neginf: Aval(x.shape, x.dtype, kind_of_result(x.shape)),
    choose=_finite,
    lower=lowering.nan_to_num,
    samples=lambda: [
        *(
            Sample(*sample.args, nan=0.0, posinf=None, neginf=-5.0)
            for sample in unary_samples(complex_too=False)
        ),
        Sample(
            np.array([1.0, np.nan, np.inf, -np.inf, 1e300]),
            nan=0.5,
            posinf=9.0,
            neginf=None,
            second=False,
        ),
    ],
)


@implements(np.nan_to_num)
def nan_to_num(
    x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> Any:
    """Answer ``np.nan_to_num``; the replacements may be traced, too."""
    operand = as_operand(x)
    aval = aval_of(raw_of(operand))
    if aval.is_complex:
        parts = [
            nan_to_num(part, True, nan, posinf, neginf)
            for part in (np.real(operand), np.imag(operand))
        ]
        result = parts[0] + 1j * parts[1]
    elif any(np.ndim(value) or has_traced(value) for value in (nan, posinf, neginf)):
        limits = np.finfo(aval.dtype)
        result = np.where(np.isnan(operand), nan, operand)
        result = np.where(np.isposinf(operand), limits.max if posinf is None else posinf, result)
        result = np.where(np.isneginf(operand), limits.min if neginf is None else neginf, result)
        result = result.astype(aval.dtype)
        result = result if aval.shape else result[()]
    else:
        if aval.kind == "python":
            operand = as_numpy_scalar(raw_of(operand))
        result = to_user(bind(nan_to_num_primitive, operand, nan=nan, posinf=posinf, neginf=neginf))
    if not copy and type(x) is Array:
        write_handle(x, (("index", Ellipsis),), result)
        return x
    return result
