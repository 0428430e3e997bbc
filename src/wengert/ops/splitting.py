"""Splitting into views, and repeating, inserting and deleting by index maps.

An index map is computed by NumPy on the integers that number the entries; reading through it moves
the entries themselves.
"""

from __future__ import annotations

import operator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..ir.aval import Aval, aval_of
from ..ir.primitive import Primitive
from ..tracing.core import bind, innermost, is_unknown, ndim_of, raw_of, shape_of, to_user
from ..tracing.keys import Length, known_value
from ..tracing.operators import as_operand, install_method
from ..tracing.protocols import implements, plain_of
from .axes import operand_of
from .batch_rules import along_axis, padded
from .families import structural
from .handles import relaid
from .indexing import read
from .joining import concatenate_primitive
from .projection import cast
from .samples import Fail, Sample, array
from .shaping import array_raw, broadcast_to, moveaxis, reshaped, viewed


def flat_raw(a: Any) -> Any:
    raw = array_raw(a)
    return raw if ndim_of(raw) == 1 else raw_of(np.reshape(raw, (-1,)))


def raw_along(a: Any, axis: Any) -> tuple[Any, int]:
    """Return a raw value and one axis of it, from 0 on; flattened where the axis is None."""
    raw, axis = (flat_raw(a), 0) if axis is None else (array_raw(a), axis)
    return raw, normalize_axis_index(axis, ndim_of(raw))


# ------------------------------------------------------------------ split


@implements(np.array_split)
def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    length = shape_of(ary)[axis]
    axis = axis % ndim_of(ary)
    sections = plain_of(indices_or_sections, "where to split")
    if ndim_of(sections):
        edges = [0, *sections, length]
    else:
        count = operator.index(sections)
        if count <= 0:
            raise ValueError("number sections must be larger than 0.")
        each, longer = divmod(length, count)
        edges = [0]
        for i in range(count):
            edges.append(edges[-1] + each + (i < longer))
    before = (slice(None),) * axis
    return [
        viewed(ary, ("index", (*before, slice(_bound(start), _bound(stop)))))
        for start, stop in pairwise(edges)
    ]


def _bound(edge: Any) -> Any:
    return None if edge is None else operator.index(edge)


@implements(np.split)
def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    if not ndim_of(indices_or_sections):
        length = shape_of(ary)[axis]
        if length % operator.index(indices_or_sections):
            raise ValueError("array split does not result in an equal division")
    return array_split(ary, indices_or_sections, axis)


@implements(np.hsplit)
def hsplit(ary: Any, indices_or_sections: Any) -> Any:
    if ndim_of(ary) == 0:
        raise ValueError("hsplit only works on arrays of 1 or more dimensions")
    return split(ary, indices_or_sections, 1 if ndim_of(ary) > 1 else 0)


@implements(np.vsplit)
def vsplit(ary: Any, indices_or_sections: Any) -> Any:
    if ndim_of(ary) < 2:
        raise ValueError("vsplit only works on arrays of 2 or more dimensions")
    return split(ary, indices_or_sections, 0)


@implements(np.dsplit)
def dsplit(ary: Any, indices_or_sections: Any) -> Any:
    if ndim_of(ary) < 3:
        raise ValueError("dsplit only works on arrays of 3 or more dimensions")
    return split(ary, indices_or_sections, 2)


@implements(np.unstack)
def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    if not ndim_of(x):
        raise ValueError("Input array must be at least 1-d.")
    first = moveaxis(x, axis, 0)
    return tuple(first)


# ------------------------------------------------------------------ repeat and tile


def _infer_repeat(x: Aval, *, repeats: Any, axis: int) -> Aval:
    length = x.shape[axis] * repeats if isinstance(repeats, int) else sum(repeats)
    return Aval((*x.shape[:axis], length, *x.shape[axis + 1 :]), x.dtype, "array")


repeat_primitive = structural(
    "repeat",
    batching=along_axis,
    evaluate=lambda x, *, repeats, axis: np.repeat(x, repeats, axis),
    infer=_infer_repeat,
    transpose=lambda g, x_aval, repeats, axis: bind(
        sum_repeats, g, repeats=repeats, axis=axis, length=x_aval.shape[axis]
    ),
    moves_entries=True,
    samples=lambda: [
        Sample(array(3), repeats=2, axis=0),
        Sample(array(3, 4), repeats=3, axis=1),
        Sample(array(3, 4), repeats=(1, 0, 2), axis=0),
        Sample(array(3), repeats=(0, 0, 0), axis=0),
        Sample(array(3, 0), repeats=2, axis=1),
        Sample(array(4, dtype=np.float32)[::2], repeats=(2, 1), axis=0),
        Sample(array(2, 3, dtype=np.complex128), repeats=2, axis=0),
    ],
    fails=lambda: [Fail(ValueError, "", array(3), repeats=(1, 2), axis=0)],
)


def _evaluate_sum_repeats(x: Any, *, repeats: Any, axis: int, length: int) -> Any:
    """Return the sums of the runs that `repeat` makes of each entry."""
    if isinstance(repeats, int):
        shape = (*x.shape[:axis], length, repeats, *x.shape[axis + 1 :])
        return np.add.reduce(x.reshape(shape), axis=axis + 1)
    counts = np.asarray(repeats)
    made = np.zeros((*x.shape[:axis], length, *x.shape[axis + 1 :]), x.dtype)
    kept = np.flatnonzero(counts)
    if kept.size:
        starts = (np.cumsum(counts) - counts)[kept]
        key: Any = (*(slice(None),) * axis, kept)
        made[key] = np.add.reduceat(x, starts, axis=axis)
    return made


def _infer_sum_repeats(x: Aval, *, repeats: Any, axis: int, length: int) -> Aval:
    return Aval((*x.shape[:axis], length, *x.shape[axis + 1 :]), x.dtype, "array")


sum_repeats: Primitive = structural(
    "sum_repeats",
    batching=along_axis,
    evaluate=_evaluate_sum_repeats,
    infer=_infer_sum_repeats,
    transpose=lambda g, repeats, axis: bind(repeat_primitive, g, repeats=repeats, axis=axis),
    samples=lambda: [
        Sample(array(6), repeats=2, axis=0, length=3),
        Sample(array(3, 8), repeats=2, axis=1, length=4),
        Sample(array(3, 4), repeats=(1, 0, 2), axis=0, length=3),
        Sample(array(0, 4), repeats=(0, 0), axis=0, length=2),
    ],
    fails=tuple,
)


@implements(np.repeat)
def repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    raw, axis = raw_along(a, axis)
    unknown = operand_of(repeats)
    if is_unknown(innermost(unknown)) and np.size(to_user(unknown)) != 1:
        return _repeat_by_unknown(raw, to_user(unknown), axis)
    counts = np.asarray(plain_of(repeats, "the number of repeats"))
    _check_counts(counts)
    if counts.size == 1:
        given: Any = int(counts.reshape(()))
        negative = given < 0
    else:
        _check_one_each(counts, shape_of(raw)[axis])
        given = tuple(counts.tolist())
        negative = any(count < 0 for count in given)
    if negative:
        raise ValueError("repeats may not contain negative values.")
    return to_user(bind(repeat_primitive, raw, repeats=given, axis=axis))


def _check_counts(counts: Any) -> None:
    if not np.can_cast(counts.dtype, np.intp, "same_kind") or counts.dtype.kind == "f":
        raise TypeError(
            f"Cannot cast array data from {counts.dtype} to {np.dtype(np.intp)} "
            "according to the rule 'safe'"
        )


def _check_one_each(counts: Any, length: int) -> None:
    if counts.shape != (length,):
        raise ValueError(
            f"operands could not be broadcast together with shape ({length},) {counts.shape}"
        )


_REPEATS = Length(
    "the number of entries of numpy.repeat",
    "Repeat every entry equally often, and weight the entries",
)


def _repeat_by_unknown(raw: Any, counts: Any, axis: int) -> Any:
    """Repeat as often as unknown integers say, of which only the sum is asked for."""
    _check_counts(counts)
    _check_one_each(counts, shape_of(raw)[axis])
    total = int(known_value(np.sum(counts), _REPEATS))
    if np.any(counts < 0):
        raise ValueError("repeats may not contain negative values.")
    ends = np.cumsum(counts)
    origins = np.searchsorted(ends, np.arange(total), side="right")
    return np.take(to_user(raw), origins, axis=axis)


def _split_tiles(shape: tuple[int, ...], reps: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(n for pair in zip(reps, shape, strict=True) for n in pair)


def _infer_tile(x: Aval, *, reps: tuple[int, ...]) -> Aval:
    return Aval(tuple(n * r for n, r in zip(x.shape, reps, strict=True)), x.dtype, "array")


def _batch_tile(values: Any, axes: Any, params: dict[str, Any]) -> Any:
    reps = params["reps"]
    x = padded(values[0], axes[0], len(reps))
    reps = (1, *(1,) * (ndim_of(x) - 1 - len(reps)), *reps)
    return bind(tile_primitive, x, reps=reps), 0


tile_primitive: Primitive = structural(
    "tile",
    batch=_batch_tile,
    evaluate=lambda x, *, reps: np.tile(x, reps),
    infer=_infer_tile,
    transpose=lambda g, x_aval, reps: np.sum(
        np.reshape(g, _split_tiles(x_aval.shape, reps)),
        axis=tuple(range(0, 2 * len(reps), 2)),
    ),
    moves_entries=True,
    samples=lambda: [
        Sample(array(3), reps=(2,)),
        Sample(array(3, 4), reps=(2, 3)),
        Sample(array(2, 3), reps=(1, 0)),
        Sample(array(0, 3), reps=(2, 1)),
        Sample(array(4, 3, dtype=np.float32).T, reps=(1, 2)),
        Sample(array(3, dtype=np.complex128), reps=(2,)),
    ],
    fails=tuple,
)


@implements(np.tile)
def tile(A: Any, reps: Any) -> Any:
    raw = array_raw(A)
    given = plain_of(reps, "the number of tiles")
    counts = tuple(map(operator.index, given)) if ndim_of(given) else (operator.index(given),)
    ndim = ndim_of(raw)
    counts = (1,) * (ndim - len(counts)) + counts
    if len(counts) > ndim:
        raw = raw_of(np.reshape(raw, (1,) * (len(counts) - ndim) + shape_of(raw)))
    return to_user(bind(tile_primitive, raw, reps=counts))


# ------------------------------------------------------------------ index maps


def gathered(raw: Any, positions: Any) -> Any:
    """Return the entries of a flat raw array at the given positions, in their shape."""
    if not ndim_of(positions):
        positions = np.asarray(positions)[None]
        return to_user(raw_of(np.reshape(bind(read, raw, path=(("index", positions),)), ())))
    return to_user(bind(read, raw, path=(("index", positions),)))


def numbered(shape: tuple[int, ...], start: int = 0) -> Any:
    """Return the numbers of the entries of an array of a shape, in C order."""
    size = 1
    for n in shape:
        size *= n
    return np.arange(start, start + size).reshape(shape)


@implements(np.resize)
def resize(a: Any, new_shape: Any) -> Any:
    raw = flat_raw(a)
    given = shape_of(raw)[0]
    shape = tuple(new_shape) if ndim_of(new_shape) else (operator.index(new_shape),)
    if any(n < 0 for n in shape):
        raise ValueError("all elements of `new_shape` must be non-negative")
    positions = numbered(shape)
    if not given or not positions.size:
        return np.zeros_like(a, shape=shape)
    return gathered(raw, positions % given)


@implements(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> Any:
    raw, axis = raw_along(arr, axis)
    given = array_raw(values)
    dtype = aval_of(raw).dtype
    shape, size = shape_of(raw), int(np.size(raw))
    positions = np.insert(
        numbered(shape), plain_of(obj, "an index"), numbered(shape_of(given), size), axis
    )
    pair = [flat_raw(raw), flat_raw(cast(given, dtype))]
    found = gathered(bind(concatenate_primitive, *pair, axis=0), positions)
    return to_user(relaid(raw_of(found), order_of(raw)))


def order_of(raw: Any) -> str:
    """Return the order of memory of what np.insert, np.delete and np.pad make of `raw`."""
    plain = innermost(raw)
    return "F" if type(plain) is np.ndarray and plain.flags.fnc else "C"


@implements(np.delete)
def delete(arr: Any, obj: Any, axis: Any = None) -> Any:
    raw, axis = raw_along(arr, axis)
    numbers = np.arange(shape_of(raw)[axis])
    flags = operand_of(obj)
    if is_unknown(innermost(flags)) and aval_of(flags).dtype.kind == "b":
        if shape_of(flags) != numbers.shape:
            raise ValueError(
                "boolean array argument obj to delete must be one dimensional and match the axis "
                f"length of {numbers.size}"
            )
        return np.compress(np.logical_not(to_user(flags)), to_user(raw), axis)
    kept = np.delete(numbers, plain_of(obj, "an index"))
    found = bind(read, raw, path=(("index", (*(slice(None),) * axis, kept)),))
    if np.ndim(obj) == 0:  # np.delete copies slices then, in the order of the array
        found = relaid(found, order_of(raw))
    return to_user(found)


# ------------------------------------------------------------------ grids


# NumPy's container: a list before 2.5, a tuple since.
_UNCOPIED_GRIDS: Any = type(np.meshgrid(0.0, sparse=True, copy=False))


@implements(np.meshgrid)
def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> Any:
    if indexing not in ("xy", "ij"):
        raise ValueError("Valid values for `indexing` are 'xy' and 'ij'.")
    count = len(xi)
    order = list(range(count))
    if indexing == "xy" and count > 1:
        order[:2] = [1, 0]
    operands = [as_operand(x) for x in xi]
    grids = [
        reshaped(x, tuple(-1 if j == order[i] else 1 for j in range(count)))
        for i, x in enumerate(operands)
    ]
    if not sparse:
        shape = np.broadcast_shapes(*(shape_of(grid) for grid in grids))
        grids = [grid if shape_of(grid) == shape else broadcast_to(grid, shape) for grid in grids]
    if copy:
        grids = [grid.copy() for grid in grids]
    return _UNCOPIED_GRIDS(grids) if sparse and not copy else tuple(grids)


@implements(np.ix_)
def ix_(*args: Any) -> tuple[Any, ...]:
    made = []
    for i, sequence in enumerate(args):
        one = as_operand(sequence)
        if ndim_of(one) != 1:
            raise ValueError("Cross index must be 1 dimensional")
        if aval_of(raw_of(one)).dtype.kind == "b":
            one = np.flatnonzero(one)
        elif not np.size(one):
            one = np.zeros(0, np.intp)
        made.append(reshaped(one, tuple(-1 if j == i else 1 for j in range(len(args)))))
    return tuple(made)


install_method("repeat", repeat)
