"""Taking entries by position or condition, diagonals, and the functions that write in place."""

from __future__ import annotations

import functools
import math
import operator
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..ir.aval import Aval, aval_of, result_dtype
from ..ir.cotangent import Masked
from ..ir.primitive import Primitive
from ..tracing.core import (
    Array,
    Traced,
    bind,
    innermost,
    is_unknown,
    ndim_of,
    raw_of,
    shape_of,
    to_user,
    write_handle,
)
from ..tracing.creation import implements_creation, originals
from ..tracing.keys import build_array, split_key
from ..tracing.operators import as_operand, install_method
from ..tracing.protocols import has_traced, implements, plain_of, store_results
from ..tracing.refusals import write_refusal
from .axes import operand_of
from .batch_rules import batch_size, front, spread_over, unchanged
from .creating import cell_of
from .families import structural
from .handles import Flat, copied
from .indexing import read, write
from .places import places_of
from .projection import cast
from .samples import Fail, Sample, array
from .shaping import array_raw, diagonal_view
from .splitting import raw_along

# ------------------------------------------------------------------ take


def _positions(indices: Any, length: int, mode: str) -> Any:
    """Return indices along an axis, wrapped or clipped as `mode` says; plain where known."""
    found = indices_of(indices)
    if not found.size and found.dtype.kind == "f":
        found = found.astype(np.intp)
    if not np.can_cast(found.dtype, np.intp, "same_kind") or found.dtype.kind == "f":
        raise TypeError(
            f"Cannot cast array data from {found.dtype} to {np.dtype(np.intp)} "
            "according to the rule 'safe'"
        )
    found = found.astype(np.intp)
    if mode == "wrap":
        found = found % length if length else found
    elif mode == "clip":
        found = np.clip(found, 0, length - 1)
    elif mode != "raise":
        raise ValueError(f"clipmode must be one of 'clip', 'raise', or 'wrap' (got {mode!r})")
    return found


def indices_of(indices: Any) -> Any:
    """Return a plain array of indices, or a traced value where they are not known."""
    raw = operand_of(indices)
    return raw if is_unknown(innermost(raw)) else np.array(plain_of(raw, "an index"))


def taken(a: Any, indices: Any, axis: int | None, mode: str = "raise") -> Any:
    """Return entries along an axis (of the flattened array for None), in C order, at user level."""
    raw, axis = raw_along(a if ndim_of(a) else np.reshape(array_raw(a), (1,)), axis)
    positions = _positions(indices, shape_of(raw)[axis], mode)
    if type(positions) is not np.ndarray:
        key, operands = split_key((*(slice(None),) * axis, positions))
        return to_user(bind(read, raw, *operands, path=(("index", key),)))
    entry = positions if positions.ndim else int(positions)
    found = to_user(bind(read, raw, path=(("index", (*(slice(None),) * axis, entry)),)))
    return copied(found) if axis else found  # an index puts its own axes first in memory


def _delivered(result: Any, out: Any) -> Any:
    if out is None:
        return result
    found = aval_of(raw_of(result)).dtype
    if not np.can_cast(out.dtype, found, "safe"):  # NumPy reads what it is going to overwrite
        raise TypeError(
            f"Cannot cast array data from {out.dtype!r} to {found!r} according to the rule 'safe'"
        )
    return store_results((out,), (result,), "unsafe")


@implements(np.take)
def take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Any:
    return _delivered(taken(a, indices, axis, mode), out)


@implements(np.compress)
def compress(condition: Any, a: Any, axis: Any = None, out: Any = None) -> Any:
    chosen = operand_of(condition)
    if ndim_of(chosen) != 1:
        raise ValueError("condition must be a 1-d array")
    return _delivered(taken(a, places_of(to_user(chosen), "the condition of compress"), axis), out)


def compress_method(self: Any, condition: Any, axis: Any = None, out: Any = None) -> Any:
    return compress(condition, self, axis, out)


@implements(np.extract)
def extract(condition: Any, arr: Any) -> Any:
    chosen = to_user(operand_of(condition))
    return taken(arr, places_of(chosen, "the condition of extract"), None)


# ------------------------------------------------------------------ along an axis


def along_axis_key(shape: tuple[int, ...], indices: Any, axis: int) -> tuple[Any, ...]:
    """Return the index that picks `indices` along an axis and matches positions elsewhere."""
    if indices.dtype.kind not in "iu":
        raise IndexError("`indices` must be an integer array")
    if indices.ndim != len(shape):
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    key: list[Any] = []
    for i, length in enumerate(shape):
        if i == axis:
            key.append(indices)
        else:
            key.append(np.arange(length).reshape((-1,) + (1,) * (len(shape) - i - 1)))
    return tuple(key)


def _infer_take(x: Aval, indices: Aval, *, axis: int) -> Aval:
    if x.ndim != indices.ndim:
        raise ValueError("`indices` and `arr` must have the same number of dimensions")
    others = np.broadcast_shapes(x.shape[:axis] + (1,) + x.shape[axis + 1 :], indices.shape)
    return Aval(others, x.dtype)


def _evaluate_add_along(x: Any, indices: Any, *, axis: int, shape: tuple[int, ...]) -> Any:
    made = np.zeros(shape, x.dtype)
    np.add.at(made, along_axis_key(shape, indices, axis), x)
    return made


def _pull_take(cotangent: Any, residuals: Any) -> Masked:
    return _pull_take_masked(Masked(cotangent, np.ones(np.shape(cotangent), bool)), residuals)


def _pull_take_masked(cotangent: Masked, residuals: Any) -> Masked:
    indices, aval, axis = residuals
    # A sum of truth values holds where any of them does.
    mask = bind(add_along, cotangent.mask, indices, axis=axis, shape=aval.shape)
    value = bind(add_along, cotangent.value, indices, axis=axis, shape=aval.shape)
    return Masked(value, mask)


_pull_take.masked = _pull_take_masked  # type: ignore[attr-defined]


def _pull_add(cotangent: Any, residuals: Any) -> Any:
    indices, axis = residuals
    return bind(take_along, cotangent, indices, axis=axis)


def _batch_take_along(values: Any, axes: Any, params: dict[str, Any]) -> Any:
    size = batch_size(values, axes)
    x, indices = (spread_over(v, axis, size) for v, axis in zip(values, axes, strict=True))
    return bind(take_along, x, indices, axis=params["axis"] + 1), 0


def _batch_add_along(values: Any, axes: Any, params: dict[str, Any]) -> Any:
    size = batch_size(values, axes)
    x, indices = (spread_over(v, axis, size) for v, axis in zip(values, axes, strict=True))
    shape = (size, *params["shape"])
    return bind(add_along, x, indices, axis=params["axis"] + 1, shape=shape), 0


def _along_samples() -> list[Sample]:
    return [
        Sample(array(5), np.array([4, 0, 0, -1]), axis=0),
        Sample(array(3, 4), np.array([[2, 0, 1, 1]]), axis=0),
        Sample(array(3, 4), np.array([[3, 0], [1, 1], [2, 3]]), axis=1),
        Sample(array(4, 3, dtype=np.float32).T, np.array([[1], [2], [0]]), axis=1),
        Sample(array(1, 3, dtype=np.complex128), np.array([[1], [2]]), axis=1),
    ]


take_along: Primitive = Primitive(
    "take_along_axis",
    family="irregular",
    batch=_batch_take_along,
    arguments=("x", "indices"),
    evaluate=lambda x, indices, *, axis: np.take_along_axis(x, indices, axis),
    infer=_infer_take,
    tangent=lambda ans, primals, tangents, params: bind(
        take_along, tangents[0], primals[1], **params
    ),
    reverse=lambda which, values, ans, params: (
        _pull_take,
        (values[1], aval_of(values[0]), params["axis"]),
    ),
    linear=lambda which, params: which == (0,),
    samples=_along_samples,
    fails=lambda: [Fail(IndexError, "out of bounds", array(3), np.array([3]), axis=0)],
)

add_along: Primitive = Primitive(
    "add_along_axis",
    family="irregular",
    batch=_batch_add_along,
    arguments=("x", "indices"),
    evaluate=_evaluate_add_along,
    infer=lambda x, indices, *, axis, shape: Aval(shape, x.dtype),
    tangent=lambda ans, primals, tangents, params: bind(
        add_along, tangents[0], primals[1], **params
    ),
    reverse=lambda which, values, ans, params: (_pull_add, (values[1], params["axis"])),
    linear=lambda which, params: which == (0,),
    samples=lambda: [
        Sample(array(4), np.array([4, 0, 0, -1]), axis=0, shape=(5,)),
        Sample(array(3, 2), np.array([[3, 0], [1, 1], [2, 3]]), axis=1, shape=(3, 4)),
        Sample(array(2, 1, dtype=np.float32), np.array([[1], [2]]), axis=1, shape=(2, 3)),
    ],
    fails=lambda: [Fail(IndexError, "out of bounds", array(1), np.array([3]), axis=0, shape=(3,))],
)


@implements(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> Any:
    positions = indices_of(indices)
    if axis is None and ndim_of(positions) != 1:
        raise ValueError("when axis=None, `indices` must have a single dimension.")
    raw, axis = raw_along(arr, axis)
    return to_user(bind(take_along, raw, positions, axis=axis))


# ------------------------------------------------------------------ choosing


@implements(np.choose)
def choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    operands = [as_operand(choice) for choice in choices]
    dtype = result_dtype(*(aval_of(raw_of(operand)) for operand in operands))
    rows = [_as_dtype(operand, dtype) for operand in operands]
    which = _positions(a, len(rows), mode)
    shape = np.broadcast_shapes(shape_of(which), *(shape_of(row) for row in rows))
    table = np.stack([np.broadcast_to(row, shape) for row in rows])
    if type(which) is not np.ndarray:
        places = np.broadcast_to(which, (1, *shape))
        return _delivered(np.take_along_axis(table, places, axis=0)[0], out)
    if mode == "raise" and which.size and (which.min() < 0 or which.max() >= len(rows)):
        raise ValueError("invalid entry in choice array")
    key: Any = (np.broadcast_to(which, shape), *np.indices(shape, sparse=True))
    if not shape:
        key = (int(which),)
    return _delivered(to_user(bind(read, table, path=(("index", key),))), out)


def choose_method(self: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    return choose(self, choices, out, mode)


@implements_creation("select")
@implements(np.select)
def select(condlist: Any, choicelist: Any, default: Any = 0) -> Any:
    if len(condlist) != len(choicelist):
        raise ValueError("list of cases must be same length as list of conditions")
    if not len(condlist):
        raise ValueError("select with an empty condition list is not possible")
    conditions = [indices_of(cond) for cond in condlist]
    for i, condition in enumerate(conditions):
        if condition.dtype.type is not np.bool_:
            raise TypeError(f"invalid entry {i} in condlist: should be boolean ndarray")
    choices = [as_operand(choice) for choice in choicelist]
    operands = [*choices, as_operand(default)]
    dtype = result_dtype(*(aval_of(raw_of(value)) for value in operands))
    shape = np.broadcast_shapes(*(shape_of(value) for value in (*conditions, *choices)))
    result = np.broadcast_to(_as_dtype(operands[-1], dtype), shape)
    for condition, choice in zip(reversed(conditions), reversed(choices), strict=True):
        result = np.where(condition, _as_dtype(choice, dtype), result)
    return to_user(array_raw(result))


def _as_dtype(value: Any, dtype: Any) -> Any:
    return to_user(raw_of(cast(array_raw(value), dtype)))


@implements_creation("piecewise")
@implements(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> Any:
    is_handle = type(x) is Array or type(x) is Traced
    x = to_user(array_raw(x))
    if _is_unknown(condlist):
        return _piecewise_everywhere(x, condlist, funclist, args, kw)
    conditions = plain_of(condlist, "the condition of piecewise")
    if np.isscalar(conditions) or (
        not isinstance(conditions[0], (list, np.ndarray)) and ndim_of(x) != 0
    ):
        conditions = [conditions]
    conditions = np.asarray(conditions, dtype=bool)
    count = len(conditions)
    if len(funclist) == count + 1:
        conditions = np.concatenate([conditions, ~np.any(conditions, axis=0, keepdims=True)])
    elif len(funclist) != count:
        raise ValueError(
            f"with {count} condition(s), either {count} or {count + 1} functions are expected"
        )
    result = cell_of(originals["zeros_like"](innermost(raw_of(x))))
    for condition, function in zip(conditions, funclist, strict=True):
        if not callable(function):
            result[condition] = function
            continue
        values = x[condition]
        if np.size(values):
            result[condition] = function(values, *args, **kw)
    if is_handle or has_traced(result):
        return result
    return plain_of(result)


def _is_unknown(conditions: Any) -> bool:
    entries = conditions if isinstance(conditions, (list, tuple)) else [conditions]
    return any(is_unknown(innermost(raw_of(entry))) for entry in entries)


def _piecewise_everywhere(
    x: Any, condlist: Any, funclist: Any, args: tuple[Any, ...], kw: dict[str, Any]
) -> Any:
    """Apply every function to all entries and choose: which entries are whose is not known."""
    if not isinstance(condlist, (list, tuple)):
        condlist = [condlist] if ndim_of(condlist) <= ndim_of(x) else list(condlist)
    conditions = list(condlist)
    if len(funclist) == len(conditions) + 1:
        conditions.append(np.logical_not(functools.reduce(np.logical_or, conditions)))
    elif len(funclist) != len(conditions):
        raise ValueError(
            f"with {len(conditions)} condition(s), either {len(conditions)} or "
            f"{len(conditions) + 1} functions are expected"
        )
    result = np.zeros_like(x)
    for condition, function in zip(conditions, funclist, strict=True):
        value = function(x, *args, **kw) if callable(function) else function
        result = np.where(condition, value, result)
    return result.astype(x.dtype)


# ------------------------------------------------------------------ diagonals as matrices


def _infer_diag(x: Aval, *, k: int) -> Aval:
    if x.ndim != 1:
        raise ValueError(f"a diagonal has one dimension; this has shape {x.shape}")
    side = x.shape[0] + abs(k)
    return Aval((side, side), x.dtype, "array")


def _batch_diagonal(values: Any, axes: Any, params: dict[str, Any]) -> Any:
    x, k = front(values[0], axes[0]), params["k"]
    size, length = shape_of(x)
    side = length + abs(k)
    rows = np.arange(length) - min(k, 0)
    path = (("index", (slice(None), rows, rows + k)),)
    zeros = np.zeros((size, side, side), aval_of(x).dtype)
    return bind(write, zeros, x, path=path, in_place=True), 0


diagonal_matrix = structural(
    "diagonal_matrix",
    batch=_batch_diagonal,
    evaluate=lambda x, *, k: np.diagflat(x, k),
    infer=_infer_diag,
    transpose=lambda g, k: np.diagonal(g, k),
    moves_entries=True,
    samples=lambda: [
        Sample(array(3), k=0),
        Sample(array(3), k=1),
        Sample(array(3), k=-2),
        Sample(array(0), k=1),
        Sample(array(6, dtype=np.float32)[::2], k=0),
        Sample(array(3, dtype=np.complex128), k=0),
    ],
    fails=tuple,
)


@implements(np.diag)
def diag(v: Any, k: int = 0) -> Any:
    ndim = ndim_of(v)
    if ndim == 1:
        return to_user(bind(diagonal_matrix, array_raw(v), k=operator.index(k)))
    if ndim == 2:
        return diagonal_view(v, k, 0, 1)
    raise ValueError("Input must be 1- or 2-d.")


@implements(np.diagflat)
def diagflat(v: Any, k: int = 0) -> Any:
    return diag(np.reshape(array_raw(v), (-1,)), k)


# ------------------------------------------------------------------ triangles


def _triangle(name: str, function: Any) -> Primitive:
    """Make ``tril`` or ``triu``: what is outside the triangle was not selected."""
    return structural(
        name,
        batching=unchanged,
        evaluate=lambda x, *, k: function(x, k),
        infer=lambda x, *, k: x.with_kind("array"),
        transpose=lambda g, k: function(g, k),
        drops_entries=True,
        samples=lambda: [
            Sample(array(3, 4), k=0),
            Sample(array(4, 3), k=1),
            Sample(array(2, 3, 4), k=-1),
            Sample(array(0, 3), k=0),
            Sample(array(4, 6, dtype=np.float32)[:, ::2], k=0),
            Sample(array(3, 3, dtype=np.complex128), k=0),
        ],
        fails=tuple,
    )


lower_triangle = _triangle("tril", np.tril)
upper_triangle = _triangle("triu", np.triu)


def _triangle_of(primitive: Primitive, m: Any, k: int) -> Any:
    raw = array_raw(m)
    if ndim_of(raw) == 1:  # NumPy repeats a vector into a square
        raw = raw_of(np.broadcast_to(raw, (shape_of(raw)[0],) * 2))
    elif not ndim_of(raw):
        raise TypeError(f"{primitive.name} needs an array of at least one dimension")
    return to_user(bind(primitive, raw, k=operator.index(k)))


@implements(np.tril)
def tril(m: Any, k: int = 0) -> Any:
    return _triangle_of(lower_triangle, m, k)


@implements(np.triu)
def triu(m: Any, k: int = 0) -> Any:
    return _triangle_of(upper_triangle, m, k)


# ------------------------------------------------------------------ functions that write in place


def _written(name: str, target: Any, *sources: Any) -> bool:
    """Return whether `target` is a handle; an error if it cannot hold what is written."""
    if type(target) is Array:
        return True
    if has_traced(sources):
        raise write_refusal(*sources)
    return False


@implements(np.put)
def put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    if not _written("put", a, v, ind):
        np.put(a, plain_of(ind), plain_of(v), mode)  # type: ignore[arg-type]
        return
    positions = to_user(raw_of(_positions(ind, np.size(a), mode).reshape(-1)))
    value = to_user(raw_of(np.reshape(array_raw(v), (-1,))))
    if positions.size and np.size(value):
        if type(positions) is Array:
            a[np.unravel_index(positions, shape_of(a))] = value
        else:
            Flat(a)[positions] = value


def put_method(self: Any, indices: Any, values: Any, mode: str = "raise") -> None:
    put(self, indices, values, mode)


@implements(np.put_along_axis)
def put_along_axis(arr: Any, indices: Any, values: Any, axis: Any) -> None:
    positions = indices_of(indices)
    if not _written("put_along_axis", arr, values, positions):
        np.put_along_axis(arr, positions, plain_of(values), axis)
        return
    if axis is None:
        if ndim_of(positions) != 1:
            raise ValueError("when axis=None, `indices` must have a single dimension.")
        arr[np.unravel_index(positions % max(np.size(arr), 1), shape_of(arr))] = values
        return
    axis = normalize_axis_index(axis, ndim_of(arr))
    arr[along_axis_key(shape_of(arr), positions, axis)] = values


@implements(np.place)
def place(arr: Any, mask: Any, vals: Any) -> None:
    if not _written("place", arr, vals, mask):
        np.place(arr, plain_of(mask), plain_of(vals))
        return
    values = np.reshape(array_raw(vals), (-1,))
    mask = indices_of(mask)
    if np.size(mask) != np.size(arr):
        raise ValueError("place: mask and data must be the same size")
    if type(mask) is not np.ndarray and np.size(values) == 1:  # the same for every entry
        arr[...] = np.where(mask, values[0], arr)
        return
    chosen = places_of(to_user(mask), "the mask of place")
    count = np.size(chosen)
    if not count:
        return
    if not np.size(values):
        raise ValueError("Cannot insert from an empty array!")
    if type(mask) is np.ndarray:
        Flat(arr)[chosen] = values
    else:
        shape = shape_of(arr)
        arr[np.unravel_index(chosen, shape)] = values[np.arange(count) % np.size(values)]


@implements(np.putmask)
def putmask(a: Any, mask: Any, values: Any) -> None:
    if not _written("putmask", a, values, mask):
        np.putmask(a, plain_of(mask), plain_of(values))
        return
    given = to_user(raw_of(np.reshape(array_raw(values), (-1,))))
    mask = indices_of(mask)
    if type(mask) is not np.ndarray:
        shape = shape_of(a)
        repeated = given[np.arange(math.prod(shape)) % max(np.size(given), 1)]
        a[...] = np.where(mask, np.reshape(repeated, shape), a)
        return
    chosen = np.flatnonzero(mask)
    if chosen.size and np.size(given):
        Flat(a)[chosen] = given[chosen % np.size(given)]


@implements(np.fill_diagonal)
def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    if not _written("fill_diagonal", a, val):
        np.fill_diagonal(a, plain_of(val), wrap)
        return
    shape = shape_of(a)
    if len(shape) < 2:
        raise ValueError("array must be at least 2-d")
    end: int | None = None
    if len(shape) == 2:
        step = shape[1] + 1
        if not wrap:
            end = shape[1] * shape[1]
    else:
        if len(set(shape)) != 1:
            raise ValueError("All dimensions of input must be of equal length")
        step = 1 + sum(math.prod(shape[:i]) for i in range(1, len(shape)))
    Flat(a)[np.arange(math.prod(shape))[:end:step]] = val


@implements(np.copyto)
def copyto(dst: Any, src: Any, casting: Any = "same_kind", where: Any = True) -> None:
    if not _written("copyto", dst, src, where):
        np.copyto(dst, plain_of(src), casting, plain_of(where))
        return
    value = build_array(src) if isinstance(src, (list, tuple)) else as_operand(src)
    source = aval_of(raw_of(value))
    if source.kind != "python" and not np.can_cast(source.dtype, dst.dtype, casting):
        raise TypeError(
            f"Cannot cast array data from {source.dtype} to {dst.dtype} "
            f"according to the rule {casting!r}"
        )
    if where is True:
        write_handle(dst, (("index", Ellipsis),), value)
        return
    where = indices_of(where)
    if type(where) is not np.ndarray:
        write_handle(dst, (("index", Ellipsis),), np.where(where, value, dst))
        return
    mask = np.broadcast_to(where, shape_of(dst))
    dst[mask] = np.broadcast_to(value, shape_of(dst))[mask] if ndim_of(value) else value


_methods: dict[str, Any] = {
    "take": take,
    "compress": compress_method,
    "choose": choose_method,
    "put": put_method,
}
for _name, _method in _methods.items():
    install_method(_name, _method)
