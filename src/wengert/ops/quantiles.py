"""Medians, quantiles and percentiles, through the sorted entries; those that skip nan too.

Differentiable in the entries and, where the method interpolates, in the quantile. R. J. Hyndman and
Y. Fan, The American Statistician 50 (1996) 361-365, number the methods.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.aval import aval_of
from ..tracing.core import bind, to_user
from ..tracing.decisions import observed, possible
from ..tracing.protocols import has_traced, implements, plain_of, store_results
from .axes import all_axes, operand_of, reduced_shape
from .kinds import stop_gradient_of
from .statistics import mean, strict_axes, weights_of
from .taking import take_along


def rows_of(x: Any, axes: tuple[int, ...]) -> Any:
    """Return a value with the given axes joined to one, the last."""
    shape = np.shape(x)
    rest = tuple(i for i in range(len(shape)) if i not in axes)
    moved = np.transpose(x, rest + axes)
    size = math.prod(shape[i] for i in axes)
    return to_user(operand_of(np.reshape(moved, (*(shape[i] for i in rest), size))))


def _axes_of(x: Any, axis: Any) -> tuple[int, ...]:
    ndim = np.ndim(x)
    return all_axes(None if axis is None else strict_axes(axis, ndim), ndim)


def _finish(found: Any, x: Any, axes: tuple[int, ...], keepdims: Any, out: Any) -> Any:
    """Return a result, whose last axes are those not reduced, as the keywords ask."""
    if keepdims is not np._NoValue and keepdims:
        front = np.ndim(found) - (np.ndim(x) - len(axes))
        found = np.reshape(
            found, (*np.shape(found)[:front], *reduced_shape(np.shape(x), axes, True))
        )
    return found if out is None else store_results((out,), (found,), "same_kind")


@implements(np.median)
def median(
    a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = False
) -> Any:
    x = operand_of(a)
    axes = _axes_of(x, axis)
    ordered = np.sort(rows_of(x, axes), axis=-1)
    length = np.shape(ordered)[-1]
    half = length // 2
    middle = ordered[..., half : half + 1] if length % 2 else ordered[..., half - 1 : half + 1]
    found = mean(middle, -1)
    if length and aval_of(operand_of(ordered)).dtype.kind in "fc":
        found = _with_nan(found, ordered[..., -1])
    return _finish(found, x, axes, keepdims, out)


def _with_nan(found: Any, last: Any) -> Any:
    """Return a result with the last of the sorted entries where that is nan."""
    undefined = np.isnan(last)
    return np.where(undefined, last, found)[()] if possible(undefined) else found


# ------------------------------------------------------------------ the methods


def _interpolated(alpha: float, beta: float) -> Callable[[Any, Any], Any]:
    return lambda n, q: n * q + (alpha + q * (1 - alpha - beta)) - 1


def _rounded(place: Any, stays: Any) -> Any:
    """Return the place below where `stays` holds, else the one above; none below 0."""
    below = np.floor(place)
    return np.maximum(np.where(stays(place - below, below), below, below + 1), 0)


# The place in the sorted entries, counted from 0, of the quantile q of n.
_CONTINUOUS: dict[str, Callable[[Any, Any], Any]] = {
    "averaged_inverted_cdf": lambda n, q: n * q - 1,
    "interpolated_inverted_cdf": _interpolated(0, 1),
    "hazen": _interpolated(0.5, 0.5),
    "weibull": _interpolated(0, 0),
    "linear": lambda n, q: (n - 1) * q,
    "median_unbiased": _interpolated(1 / 3.0, 1 / 3.0),
    "normal_unbiased": _interpolated(3 / 8.0, 3 / 8.0),
    "midpoint": lambda n, q: 0.5 * (np.floor((n - 1) * q) + np.ceil((n - 1) * q)),
}
_DISCRETE: dict[str, Callable[[Any, Any], Any]] = {
    "inverted_cdf": lambda n, q: _rounded(n * q - 1, lambda part, below: part == 0),
    "closest_observation": lambda n, q: _rounded(
        n * q - 1 - 0.5, lambda part, below: (part == 0) & (below % 2 == 1)
    ),
    "lower": lambda n, q: np.floor((n - 1) * q),
    "higher": lambda n, q: np.ceil((n - 1) * q),
    "nearest": lambda n, q: np.around((n - 1) * q),
}


def _at_quantiles(ordered: Any, count: Any, q: Any, method: str, weak: bool) -> Any:
    """Return quantiles of sorted rows, of which the first `count` entries are looked at.

    `q` is one-dimensional; the result has its axis last.
    """
    rows = np.shape(ordered)[:-1]
    last = np.maximum(count - 1, 0)
    discrete = _DISCRETE.get(method)
    if discrete is not None:
        return _picked(ordered, np.minimum(discrete(count, q), last), rows)
    place = _CONTINUOUS[method](count, q)
    below = np.floor(place)
    part = place - below
    if method == "averaged_inverted_cdf":
        part = np.where(place == below, 0.5, 1.0)
    elif method == "midpoint":
        part = np.where(place == below, 0.0, 0.5)
    start = _picked(ordered, np.clip(below, 0, last), rows)
    stop = _picked(ordered, np.where(place < 0, 0, np.clip(below + 1, 0, last)), rows)
    upper = part >= 0.5
    rest = 1 - part
    if weak:  # only now, as NumPy does
        dtype = aval_of(operand_of(ordered)).dtype
        part, rest = part.astype(dtype), rest.astype(dtype)
    gap = stop - start
    # From the nearer end, as NumPy does: the ends are exact and the result is monotonic.
    return np.where(upper, stop - gap * rest, start + gap * part)


def _picked(ordered: Any, places: Any, rows: tuple[int, ...]) -> Any:
    indices = np.broadcast_to(places.astype(np.intp), (*rows, places.shape[-1]))
    return to_user(bind(take_along, operand_of(ordered), indices, axis=len(rows)))


def _quantiles(
    a: Any,
    q: Any,
    axis: Any,
    out: Any,
    method: str,
    keepdims: Any,
    weights: Any,
    skip: bool,
    scale: Any,
) -> Any:
    x = operand_of(a)
    known = aval_of(x)
    if known.is_complex:
        raise TypeError("a must be an array of real numbers")
    wanted = operand_of(q)
    weak = aval_of(wanted).kind == "python"
    q_shape = np.shape(wanted)
    if len(q_shape) > 2:
        raise ValueError("q must be a scalar or 1d")
    if scale != 1:
        wanted = operand_of(np.true_divide(wanted, scale))
    if observed(np.logical_not((wanted >= 0) & (wanted <= 1))):
        name, top = ("Quantiles", 1) if scale == 1 else ("Percentiles", 100)
        raise ValueError(f"{name} must be in the range [0, {top}]")
    if method not in _CONTINUOUS and method not in _DISCRETE:
        known_methods = ", ".join(sorted([*_CONTINUOUS, *_DISCRETE]))
        raise ValueError(f"{method!r} is not a valid method. Use one of: {known_methods}")
    axes = _axes_of(x, axis)
    flat_q = np.reshape(to_user(wanted), (-1,))
    rows = rows_of(x, axes)
    if weights is not None:
        if method != "inverted_cdf":
            raise ValueError(f"Only method 'inverted_cdf' supports weights. Got: {method}.")
        found = _weighted(rows, rows_of(_full_weights(weights, x, axis), axes), flat_q, skip)
    else:
        ordered = np.sort(rows, axis=-1)
        count: Any = np.shape(ordered)[-1]
        if skip:
            count = np.sum(~np.isnan(ordered), axis=-1, keepdims=True)
            if observed(count == 0):
                warnings.warn("All-NaN slice encountered", RuntimeWarning, stacklevel=4)
        found = _at_quantiles(ordered, count, flat_q, method, weak)
        if not skip and known.dtype.kind == "f" and count:
            found = _with_nan(found, ordered[..., -1:])
    found = np.reshape(np.moveaxis(found, -1, 0), (*q_shape, *np.shape(rows)[:-1]))
    if weights is None:  # with weights, NumPy leaves an array of no dimensions
        found = found[()]
    return _finish(found, x, axes, keepdims, out)


def _full_weights(weights: Any, x: Any, axis: Any) -> Any:
    shape = np.shape(x)
    axes = None if axis is None else np.lib.array_utils.normalize_axis_tuple(axis, len(shape))
    given = stop_gradient_of(operand_of(weights))
    if observed(np.less(given, 0)):
        raise ValueError("Weights must be non-negative.")
    return np.broadcast_to(weights_of(given, shape, axes), shape)


def _weighted(rows: Any, weights: Any, q: Any, skip: bool) -> Any:
    """Return the first entries at which the share of the weights reaches the quantiles."""
    undefined = np.isnan(rows)
    if skip:
        weights = np.where(undefined, 0.0, weights)
    order = np.argsort(rows, axis=-1)
    shares = np.cumsum(np.take_along_axis(weights, order, axis=-1), axis=-1, dtype=float)
    shares = shares / shares[..., -1:]
    if observed(np.isnan(shares[..., -1])):
        raise ValueError("Weights included NaN, inf or were all zero.")
    shares = np.where(shares == 0, -1.0, shares)
    # How many shares are smaller: where a search from the left would put the quantile.
    places = np.sum(shares[..., None, :] < np.reshape(q, (-1, 1)), axis=-1)
    last = np.shape(rows)[-1] - 1
    picked = np.take_along_axis(order, np.minimum(places, last), axis=-1)
    found = np.take_along_axis(rows, picked, axis=-1)
    undefined = np.any(undefined, axis=-1, keepdims=True)
    return found if skip or not possible(undefined) else np.where(undefined, np.nan, found)


# ------------------------------------------------------------------ what NumPy calls them


def _implement(numpy_function: Any, *, skip: bool, scale: int) -> None:
    @implements(numpy_function)
    def quantile(
        a: Any,
        q: Any,
        axis: Any = None,
        out: Any = None,
        overwrite_input: bool = False,
        method: str = "linear",
        keepdims: Any = False,
        *,
        weights: Any = None,
    ) -> Any:
        return _quantiles(a, q, axis, out, method, keepdims, weights, skip, scale)


_implement(np.quantile, skip=False, scale=1)
_implement(np.percentile, skip=False, scale=100)
_implement(np.nanquantile, skip=True, scale=1)
_implement(np.nanpercentile, skip=True, scale=100)


@implements(np.nanmedian)
def nanmedian(
    a: Any, axis: Any = None, out: Any = None, overwrite_input: bool = False, keepdims: Any = False
) -> Any:
    x = operand_of(a)
    if aval_of(x).dtype.kind not in "fc" or not has_traced(to_user(x)):
        return np.nanmedian(plain_of(x), axis, out, overwrite_input, keepdims)
    axes = _axes_of(x, axis)
    ordered = np.sort(rows_of(x, axes), axis=-1)
    count = np.sum(~np.isnan(ordered), axis=-1, keepdims=True)
    if observed(count == 0):
        warnings.warn("All-NaN slice encountered", RuntimeWarning, stacklevel=2)
    rows = np.shape(ordered)[:-1]
    low = _picked(ordered, np.maximum((count - 1) // 2, 0), rows)
    high = _picked(ordered, count // 2, rows)
    found = mean(np.concatenate([low, high], axis=-1), -1)
    return _finish(found, x, axes, keepdims, out)
