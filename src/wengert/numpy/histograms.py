"""Counting: ``bincount`` and histograms in one, two or many dimensions, with weights.

Which bin an entry falls into has no derivative; weights, edges and densities have one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ops.creating import cell_of
from ..ops.shaping import as_array
from ..ops.taking import taken
from ..tracing.core import innermost, is_unknown, ndim_of, raw_of, shape_of
from ..tracing.decisions import observed, possible
from ..tracing.keys import Length, known_value
from ..tracing.protocols import has_traced, implements, plain_of

# ------------------------------------------------------------------ bincount


@implements(np.bincount)
def bincount(x: Any, /, weights: Any = None, minlength: int = 0) -> Any:
    if is_unknown(innermost(raw_of(x))):
        return _count_of_unknown(as_array(x), weights, minlength)
    places = np.asarray(plain_of(x, "the bins of bincount"))
    if weights is None or not has_traced(weights):
        given = None if weights is None else plain_of(weights)
        return np.bincount(places, given, minlength)
    found = np.bincount(places, None, minlength)  # refuses what NumPy refuses
    weights = as_array(weights).astype(np.float64, casting="safe")
    if weights.shape != places.shape:
        raise ValueError("The weights and list don't have the same length.")
    if not places.size:  # NumPy counts then
        return found
    return _added_up(places, weights, len(found))


_BINS = Length(
    "the number of bins of numpy.bincount",
    "Count into as many bins as you know there are: counts = numpy.zeros(n), then "
    "numpy.add.at(counts, places, 1.0)",
)


def _count_of_unknown(places: Any, weights: Any, minlength: int) -> Any:
    """Answer ``np.bincount`` of places that are not known, of which the largest is asked for."""
    plain = None if weights is None else np.zeros(shape_of(weights), as_array(weights).dtype)
    np.bincount(np.zeros(places.shape, places.dtype), plain, minlength)  # refuses as NumPy does
    if not places.size:
        return np.zeros(minlength, np.intp)
    largest = int(known_value(np.max(places), _BINS))
    if np.any(places < 0):
        raise ValueError("'list' argument must have no negative elements")
    count = max(largest + 1, minlength)
    if weights is None:
        return _counted(places, count)
    return _added_up(places, as_array(weights).astype(np.float64), count)


def _added_up(places: Any, weights: Any, count: int) -> Any:
    """Return the sums of the weights that belong to each place, added up in their order."""
    total = cell_of(np.zeros(count, weights.dtype))
    np.add.at(total, places, weights)
    return total


def _counted(places: Any, count: int) -> Any:
    """Return how often each place occurs."""
    if not has_traced(places):
        return np.bincount(places, minlength=count)
    return _added_up(places, np.ones(shape_of(places)), count).astype(np.intp)


# ------------------------------------------------------------------ edges


def _outer_edges(values: Any, given: Any) -> tuple[Any, Any]:
    """Return the first and the last edge: those given, or the extremes of the values."""
    if given is not None:
        what = "supplied"
        first, last = given
        if observed(np.greater(first, last)):
            raise ValueError("max must be larger than min in range parameter.")
    elif not np.size(values):
        return 0, 1
    else:
        what = "autodetected"
        first, last = np.min(values), np.max(values)
    if observed(~np.isfinite(first) | ~np.isfinite(last)):
        raise ValueError(f"{what} range of [{first}, {last}] is not finite")
    equal = np.equal(first, last)
    if possible(equal):
        first = np.where(equal, first - 0.5, first)[()]
        last = np.where(equal, last + 0.5, last)[()]
    return first, last


def _edges(values: Any, bins: Any, given: Any, weights: Any) -> Any:
    if isinstance(bins, str):
        plain = np.histogram_bin_edges(plain_of(values), bins, plain_of(given), plain_of(weights))
        bins = len(plain) - 1
    bins = as_array(bins)
    if ndim_of(bins) == 1:
        if observed(bins[:-1] > bins[1:]):
            raise ValueError("`bins` must increase monotonically, when an array")
        return bins
    if ndim_of(bins):
        raise ValueError("`bins` must be 1d, when an array")
    count = int(plain_of(bins, "the number of bins"))
    if count < 1:
        raise ValueError("`bins` must be positive, when an integer")
    first, last = _outer_edges(values, given)
    dtype = np.result_type(first, last, values)
    if np.issubdtype(dtype, np.integer):
        dtype = np.result_type(dtype, float)
    return np.linspace(first, last, count + 1, endpoint=True, dtype=dtype)


def _places(values: Any, edges: Any) -> tuple[Any, Any]:
    """Return the bin of each value, and which values lie in one. The last bin is closed."""
    count = shape_of(edges)[0] - 1
    inside = (values >= edges[0]) & (values <= edges[-1])
    return np.minimum(np.searchsorted(edges, values, "right"), count) - 1, inside


# ------------------------------------------------------------------ one dimension

_BLOCK = 65536  # entries that NumPy adds up at a time; the last digits depend on it


def _weighted_counts(values: Any, edges: Any, weights: Any, *, uniform: bool) -> Any:
    """Return the sum of weights in each bin, added up in NumPy's order."""
    count = shape_of(edges)[0] - 1
    total: Any = np.zeros(count, weights.dtype)
    for start in range(0, shape_of(values)[0], _BLOCK):
        part, own = values[start : start + _BLOCK], weights[start : start + _BLOCK]
        if uniform:
            places, inside = _places(part, edges)
            # What lies outside goes to one bin more, which is left out.
            total = total + _added_up(np.where(inside, places, count), own, count + 1)[:count]
        else:
            order = np.argsort(part)
            ordered = taken(part, order, 0)
            running = np.concatenate([np.zeros(1, own.dtype), np.cumsum(taken(own, order, 0))])
            ends = np.concatenate(
                [
                    np.searchsorted(ordered, edges[:-1], "left"),
                    np.searchsorted(ordered, edges[-1:], "right"),
                ]
            )
            total = total + np.diff(taken(running, ends, 0))
    return total


@implements(np.histogram)
def histogram(
    a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> Any:
    values = np.ravel(as_array(a))
    if weights is not None:
        weights = as_array(weights)
        if shape_of(weights) != shape_of(a):
            raise ValueError("weights should have the same shape as a.")
        weights = np.ravel(weights)
    edges = _edges(values, bins, range, weights)
    count = shape_of(edges)[0] - 1
    counts: Any
    if weights is None:
        places, inside = _places(values, edges)
        counts = _counted(np.where(inside, places, count), count + 1)[:count]
    else:
        uniform = isinstance(bins, str) or not ndim_of(bins)
        counts = _weighted_counts(values, edges, weights, uniform=uniform)
    if density:
        return counts / np.diff(edges).astype(float) / np.sum(counts), edges
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
    shape = tuple(shape_of(edges)[0] - 1 for edges in all_edges)
    size = int(np.prod(shape))
    flat: Any = 0
    inside: Any = True
    for values, edges, length in zip(coordinates, all_edges, shape, strict=True):
        places, within = _places(values, edges)
        flat, inside = flat * length + places, within & inside
    flat = np.where(inside, flat, size)  # what lies outside goes to one bin more
    if weights is None:
        counts = _counted(flat, size + 1)
    else:
        counts = _added_up(flat, as_array(weights).astype(np.float64, casting="safe"), size + 1)
    counts = np.reshape(counts[:size], shape).astype(float)
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
