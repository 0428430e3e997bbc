"""Counting: ``bincount`` and histograms in one, two or many dimensions, with weights.

Which bin an entry falls into has no derivative; weights, edges and densities have one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ops.creating import cell_of
from ..ops.shaping import as_array
from ..tracing.protocols import has_traced, implements, plain_of


def _plain(value: Any, what: str) -> Any:
    return np.asarray(plain_of(value, what))


# ------------------------------------------------------------------ bincount


@implements(np.bincount)
def bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    places = _plain(x, "the bins of bincount")
    if weights is None or not has_traced(weights):
        given = None if weights is None else plain_of(weights)
        return np.bincount(places, given, minlength)
    found = np.bincount(places, None, minlength)  # refuses what NumPy refuses
    weights = as_array(weights).astype(np.float64, casting="safe")
    if weights.shape != places.shape:
        raise ValueError("The weights and list don't have the same length.")
    return _added_up(places, weights, len(found))


def _added_up(places: Any, weights: Any, count: int) -> Any:
    total = cell_of(np.zeros(count, weights.dtype))
    np.add.at(total, places, weights)
    return total


# ------------------------------------------------------------------ edges


def _outer_edges(values: Any, given: Any) -> tuple[Any, Any]:
    """Return the first and the last edge: those given, or the extremes of the values."""
    if given is not None:
        first, last = given
        lowest, highest = plain_of(first), plain_of(last)
        if lowest > highest:
            raise ValueError("max must be larger than min in range parameter.")
        if not (np.isfinite(lowest) and np.isfinite(highest)):
            raise ValueError(f"supplied range of [{lowest}, {highest}] is not finite")
    elif not np.size(values):
        return 0, 1
    else:
        first, last = np.min(values), np.max(values)
        lowest, highest = plain_of(first), plain_of(last)
        if not (np.isfinite(lowest) and np.isfinite(highest)):
            raise ValueError(f"autodetected range of [{lowest}, {highest}] is not finite")
    if lowest == highest:
        first, last = first - 0.5, last + 0.5
    return first, last


def _edges(values: Any, bins: Any, given: Any, weights: Any) -> Any:
    if isinstance(bins, str):
        plain = np.histogram_bin_edges(plain_of(values), bins, plain_of(given), plain_of(weights))
        bins = len(plain) - 1
    bins = as_array(bins)
    if np.ndim(bins) == 1:
        if np.any(_plain(bins[:-1], "bin edges") > _plain(bins[1:], "bin edges")):
            raise ValueError("`bins` must increase monotonically, when an array")
        return bins
    if np.ndim(bins):
        raise ValueError("`bins` must be 1d, when an array")
    count = int(plain_of(bins, "the number of bins"))
    if count < 1:
        raise ValueError("`bins` must be positive, when an integer")
    first, last = _outer_edges(values, given)
    dtype = np.result_type(first, last, values)
    if np.issubdtype(dtype, np.integer):
        dtype = np.result_type(dtype, float)
    return np.linspace(first, last, count + 1, endpoint=True, dtype=dtype)


# ------------------------------------------------------------------ one dimension

_BLOCK = 65536  # entries that NumPy adds up at a time; the last digits depend on it


def _weighted_counts(values: Any, edges: Any, weights: Any, *, uniform: bool) -> Any:
    """Return the sum of weights in each bin, added up in NumPy's order."""
    count = len(edges) - 1
    total: Any = np.zeros(count, weights.dtype)
    for start in range(0, len(values), _BLOCK):
        part = values[start : start + _BLOCK]
        own = weights[start : start + _BLOCK]
        if uniform:
            inside = np.flatnonzero((part >= edges[0]) & (part <= edges[-1]))
            places = np.minimum(np.searchsorted(edges, part[inside], "right"), count) - 1
            total = total + _added_up(places, own[inside], count)
        else:
            order = np.argsort(part)
            running = np.concatenate([np.zeros(1, own.dtype), np.cumsum(own[order])])
            ordered = part[order]
            ends = np.concatenate(
                [
                    np.searchsorted(ordered, edges[:-1], "left"),
                    np.searchsorted(ordered, edges[-1:], "right"),
                ]
            )
            total = total + np.diff(running[ends])
    return total


@implements(np.histogram)
def histogram(
    a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> Any:
    values = np.ravel(as_array(a))
    if weights is not None:
        weights = as_array(weights)
        if weights.shape != np.shape(a):
            raise ValueError("weights should have the same shape as a.")
        weights = np.ravel(weights)
    edges = _edges(values, bins, range, weights)
    plain_values, plain_edges = _plain(values, "a histogram"), _plain(edges, "bin edges")
    counts: Any
    if weights is None or not has_traced(weights):
        counts = np.histogram(plain_values, plain_edges, weights=plain_of(weights))[0]
        if not isinstance(bins, str) and not np.ndim(bins) and weights is not None:
            counts = _weighted_counts(plain_values, plain_edges, plain_of(weights), uniform=True)
    else:
        uniform = isinstance(bins, str) or not np.ndim(bins)
        counts = _weighted_counts(plain_values, plain_edges, weights, uniform=uniform)
    if density:
        widths = np.diff(edges).astype(float)
        return counts / widths / np.sum(counts), edges
    return counts, edges


# ------------------------------------------------------------------ many dimensions


def _coordinates(sample: Any) -> list[Any]:
    """Return one array of coordinates a dimension."""
    if isinstance(sample, (list, tuple)):
        return [np.ravel(as_array(part)) for part in sample]
    points = as_array(sample)
    if points.ndim == 1:
        points = points[:, None]
    if points.ndim != 2:
        raise ValueError("sample must be an array of points, one a row, or a list of coordinates")
    return [points[:, i] for i in np.arange(points.shape[1])]


@implements(np.histogramdd)
def histogramdd(
    sample: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> Any:
    coordinates = _coordinates(sample)
    dimensions = len(coordinates)
    each: Sequence[Any]
    try:
        if len(bins) != dimensions:
            raise ValueError(
                "The dimension of bins must be equal to the dimension of the sample x."
            )
        each = bins
    except TypeError:
        each = dimensions * [bins]
    if range is None:
        range = (None,) * dimensions
    elif len(range) != dimensions:
        raise ValueError("range argument must have one entry per dimension")
    all_edges = []
    for i, (values, own, limits) in enumerate(zip(coordinates, each, range, strict=True)):
        if np.ndim(own) == 0 and plain_of(own) < 1:
            raise ValueError(f"`bins[{i}]` must be positive, when an integer")
        if np.ndim(own) == 0:
            first, last = _outer_edges(values, limits)
            all_edges.append(np.linspace(first, last, int(plain_of(own)) + 1))
        else:
            all_edges.append(_edges(values, own, None, None))
    places, inside = [], np.ones(len(coordinates[0]), bool)
    for values, edges in zip(coordinates, all_edges, strict=True):
        plain, limits = _plain(values, "a histogram"), _plain(edges, "bin edges")
        count = len(limits) - 1
        inside &= (plain >= limits[0]) & (plain <= limits[-1])
        places.append(np.minimum(np.searchsorted(limits, plain, "right"), count) - 1)
    shape = tuple(len(edges) - 1 for edges in all_edges)
    kept = np.flatnonzero(inside)
    flat = np.ravel_multi_index(tuple(place[kept] for place in places), shape)
    given = None if weights is None else as_array(weights)[kept]
    counts = np.reshape(np.bincount(flat, given, int(np.prod(shape))), shape).astype(float)
    if density:
        total = np.sum(counts)
        for i, edges in enumerate(all_edges):
            counts = counts / np.reshape(
                np.diff(edges), [-1 if i == j else 1 for j in np.arange(dimensions)]
            )
        counts = counts / total
    return counts, all_edges


@implements(np.histogram2d)
def histogram2d(
    x: Any,
    y: Any,
    bins: Any = 10,
    range: Any = None,
    density: Any = None,
    weights: Any = None,
) -> Any:
    if len(x) != len(y):
        raise ValueError("x and y must have the same length.")
    count = len(bins) if np.ndim(bins) or isinstance(bins, (list, tuple)) else 1
    if count not in (1, 2):
        edges = as_array(bins)
        bins = [edges, edges]
    counts, all_edges = np.histogramdd([x, y], bins, range, density, weights)
    return counts, all_edges[0], all_edges[1]
