"""Reductions and statistics that skip nan, composed as NumPy composes them."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..ir.aval import aval_of
from ..tracing.decisions import observed, possible
from ..tracing.protocols import implements, store_results
from .axes import loop_dtype, normalised_axes, operand_of
from .cumulative import without_nan
from .reducer_family import Reducer
from .reductions import NOT_GIVEN, prod, reduce_by, reduce_fmax, reduce_fmin
from .reductions import sum as sum_of
from .statistics import mean, var


@implements(np.nansum)
def nansum(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = NOT_GIVEN,
    where: Any = True,
) -> Any:
    return sum_of(without_nan(a, 0)[0], axis, dtype, out, keepdims, initial, _or_true(where))


@implements(np.nanprod)
def nanprod(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = NOT_GIVEN,
    where: Any = True,
) -> Any:
    return prod(without_nan(a, 1)[0], axis, dtype, out, keepdims, initial, _or_true(where))


def _or_true(where: Any) -> Any:
    return True if where is NOT_GIVEN else where


def _divided(total: Any, count: Any) -> Any:
    """Return a quotient by counts in the dtype of the total, nan where the count is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        quotient = total / count
    dtype = aval_of(operand_of(total)).dtype
    return quotient if aval_of(operand_of(quotient)).dtype == dtype else quotient.astype(dtype)


def _sum_in(out: Any, x: Any, axis: Any, dtype: Any, keepdims: Any, where: Any) -> Any:
    """Return a sum as NumPy computes it for an ``out=``: in the wider precision, then rounded."""
    if out is None:
        return sum_of(x, axis, dtype, None, keepdims, NOT_GIVEN, where)
    chosen = loop_dtype(dtype, operand_of(x), out)
    total = sum_of(x, axis, chosen, None, keepdims, NOT_GIVEN, where)
    found = aval_of(operand_of(total)).dtype
    return total if found == out.dtype or out.dtype.kind != "f" else total.astype(out.dtype)


def _check_inexact(dtype: Any, out: Any) -> None:
    if dtype is not None and np.dtype(dtype).kind not in "fc":
        raise TypeError("If a is inexact, then dtype must be inexact")
    if out is not None and out.dtype.kind not in "fc":
        raise TypeError("If a is inexact, then out must be inexact")


@implements(np.nanmean)
def nanmean(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    *,
    where: Any = True,
) -> Any:
    x, mask = without_nan(a, 0)
    where = _or_true(where)
    if mask is None:
        return mean(x, axis, dtype, out, keepdims, where=where)
    _check_inexact(dtype, out)
    count = np.sum(~mask, axis=axis, dtype=np.intp, keepdims=keepdims, where=where)
    found = _divided(_sum_in(out, x, axis, dtype, keepdims, where), count)
    if observed(count == 0):
        warnings.warn("Mean of empty slice", RuntimeWarning, stacklevel=2)
    return found if out is None else store_results((out,), (found,), "unsafe")


@implements(np.nanvar)
def nanvar(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    where: Any = True,
    mean: Any = NOT_GIVEN,
    correction: Any = NOT_GIVEN,
) -> Any:
    found = _nanvar(a, axis, dtype, out, ddof, keepdims, where, mean, correction)
    return found if out is None else store_results((out,), (found,), "unsafe")


def _nanvar(
    a: Any,
    axis: Any,
    dtype: Any,
    out: Any,
    ddof: Any,
    keepdims: Any,
    where: Any,
    mean: Any,
    correction: Any,
) -> Any:
    """Return the variance as NumPy computes it for an ``out=``, which is left as it is."""
    x, mask = without_nan(a, 0)
    where = _or_true(where)
    if mask is None:
        return var(
            x, axis, dtype, None, ddof, keepdims, where=where, mean=mean, correction=correction
        )
    _check_inexact(dtype, out)
    if correction is not NOT_GIVEN:
        if ddof != 0:
            raise ValueError("ddof and correction can't be provided simultaneously.")
        ddof = correction
    count = np.sum(~mask, axis=axis, dtype=np.intp, keepdims=True, where=where)
    if mean is NOT_GIVEN:
        mean = _divided(sum_of(x, axis, dtype, None, True, NOT_GIVEN, where), count)
    known = aval_of(operand_of(x))
    deviation = np.subtract(x, mean)
    if aval_of(operand_of(deviation)).dtype != known.dtype:
        deviation = deviation.astype(known.dtype)
    deviation = np.where(mask, known.dtype.type(0), deviation)
    squares = deviation * deviation
    if known.is_complex:
        squares = np.real(np.multiply(deviation, np.conj(deviation)))
    total = _sum_in(out, squares, axis, dtype, keepdims, where)
    freedom = np.reshape(count, np.shape(total))[()] - ddof
    found = _divided(total, freedom)
    bad = freedom <= 0
    if observed(bad):
        warnings.warn("Degrees of freedom <= 0 for slice.", RuntimeWarning, stacklevel=2)
    if possible(bad):
        found = np.where(bad, aval_of(operand_of(found)).dtype.type(np.nan), found)[()]
    return found


def _length(x: Any, axis: Any) -> Any:
    """Return the Euclidean length of the entries along any number of axes."""
    axes = normalised_axes(axis, np.ndim(x))
    rest = tuple(i for i in range(np.ndim(x)) if i not in axes)
    moved = np.transpose(x, (*rest, *axes))
    return np.linalg.norm(np.reshape(moved, (*(np.shape(x)[i] for i in rest), -1)), axis=-1)


@implements(np.nanstd)
def nanstd(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    *,
    where: Any = True,
    mean: Any = NOT_GIVEN,
    correction: Any = NOT_GIVEN,
) -> Any:
    square = _nanvar(a, axis, dtype, out, ddof, keepdims, where, mean, correction)
    zero = np.equal(square, 0)
    if possible(zero):  # equal entries: the tip of a cone, as the length of the deviations has it
        one = aval_of(operand_of(square)).dtype.type(1)
        x, mask = without_nan(a, 0)
        chosen = np.logical_and(_or_true(where), True if mask is None else ~mask)
        if mean is NOT_GIVEN:
            count = np.maximum(np.sum(chosen | np.zeros(np.shape(x), bool), axis, keepdims=True), 1)
            mean = sum_of(x, axis, dtype, None, True, NOT_GIVEN, chosen) / count
        length = _length(np.where(chosen, x - mean, 0.0), axis) * one
        length = np.reshape(length, np.shape(square))
        found = np.where(zero, length, np.sqrt(np.where(zero, one, square)))[()]
    else:
        found = np.sqrt(square)
    return found if out is None else store_results((out,), (found,), "unsafe")


def _nan_extreme(
    made: Reducer, a: Any, axis: Any, out: Any, keepdims: Any, initial: Any, where: Any
) -> Any:
    found = reduce_by(made, a, axis, None, out, keepdims, initial, _or_true(where))
    if observed(np.isnan(found)):
        warnings.warn("All-NaN slice encountered", RuntimeWarning, stacklevel=3)
    return found


@implements(np.nanmax)
def nanmax(
    a: Any,
    axis: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = NOT_GIVEN,
    where: Any = True,
) -> Any:
    return _nan_extreme(reduce_fmax, a, axis, out, keepdims, initial, where)


@implements(np.nanmin)
def nanmin(
    a: Any,
    axis: Any = None,
    out: Any = None,
    keepdims: Any = False,
    initial: Any = NOT_GIVEN,
    where: Any = True,
) -> Any:
    return _nan_extreme(reduce_fmin, a, axis, out, keepdims, initial, where)
