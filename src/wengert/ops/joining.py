"""Joining: the primitives with any number of arguments, and what ``np.array`` makes of a list.

``concatenate``, ``stack`` and ``array`` are the primitives; other functions are made of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..ir.aval import Aval, aval_of
from ..ir.cotangent import Masked
from ..ir.primitive import Primitive
from ..tracing.core import (
    PLAIN_SCALARS,
    Array,
    Traced,
    bind,
    innermost,
    is_array_kind,
    ndim_of,
    raw_of,
    shape_of,
    to_user,
)
from ..tracing.creation import originals
from ..tracing.keys import install_builder
from ..tracing.protocols import implements, store_results
from .batch_rules import batch_size, in_shape, spread_over
from .handles import relaid
from .indexing import read
from .projection import cast, selected
from .samples import Fail, Sample, array
from .shaping import array_raw, atleast_1d, atleast_2d, atleast_3d

# ------------------------------------------------------------------ primitives


def _joining(name: str, evaluate: Any, infer: Any, pick: Any, samples: Any, fails: Any) -> Any:
    """Make a primitive that puts its arguments side by side.

    ``pick(shapes, params)`` gives one index an argument: where the argument is in the result.
    """

    def tangent(ans: Any, primals: Any, tangents: Any, params: dict[str, Any]) -> Any:
        filled = []
        for primal, change in zip(primals, tangents, strict=True):
            if change is None:
                aval = aval_of(primal)
                change = np.zeros(aval.shape, aval.dtype)
            filled.append(change)
        return bind(primitive, *filled, **params)

    def parts(value: Any, residuals: Any, dtypes: bool) -> list[Any]:
        which, avals, params = residuals
        keys = pick([aval.shape for aval in avals], params)
        found = []
        for i in which:
            if type(value) is np.ndarray:
                part = value[keys[i]]
            else:
                part = bind(read, value, path=(("index", keys[i]),))
            found.append(cast(part, avals[i].dtype) if dtypes else part)
        return found

    def pull(cotangent: Any, residuals: Any) -> Any:
        found = parts(raw_of(cotangent), residuals, True)
        return found[0] if len(found) == 1 else tuple(found)

    def pull_masked(cotangent: Masked, residuals: Any) -> Any:
        values = parts(cotangent.value, residuals, True)
        masks = parts(cotangent.mask, residuals, False)
        found = tuple(selected(value, mask) for value, mask in zip(values, masks, strict=True))
        return found[0] if len(found) == 1 else found

    pull.masked = pull_masked  # type: ignore[attr-defined]

    def reverse(which: Any, values: Any, ans: Any, params: dict[str, Any]) -> Any:
        return pull, (which, tuple([aval_of(value) for value in values]), params)

    def batch(values: Any, axes: Any, params: dict[str, Any]) -> Any:
        size = batch_size(values, axes)
        rows = [spread_over(value, axis, size) for value, axis in zip(values, axes, strict=True)]
        return bind(primitive, *rows, **{**params, "axis": params["axis"] + 1}), 0

    primitive = Primitive(
        name,
        batch=batch,
        family="joining",
        arguments=("arrays",),
        evaluate=evaluate,
        infer=infer,
        tangent=tangent,
        reverse=reverse,
        linear=lambda which, params: True,
        samples=samples,
        fails=fails,
    )
    primitive.value_free = True
    return primitive


def _result_dtype(avals: Sequence[Aval]) -> np.dtype[Any]:
    """Return the dtype of joined arrays: Python numbers count as what ``np.array`` makes."""
    return np.result_type(*(aval.dtype for aval in avals))


def _evaluate_concatenate(*arrays: Any, axis: int, dtype: Any = None) -> Any:
    return np.concatenate(arrays, axis=axis, dtype=dtype, casting="unsafe")


def _infer_concatenate(*avals: Aval, axis: int, dtype: Any = None) -> Aval:
    shapes = [aval.shape for aval in avals]
    first = shapes[0]
    if not all(
        len(shape) == len(first)
        and shape[:axis] == first[:axis]
        and shape[axis + 1 :] == first[axis + 1 :]
        for shape in shapes
    ):
        raise ValueError(
            "all the input array dimensions except for the concatenation axis must match "
            f"exactly, but the shapes are {shapes}"
        )
    length = sum(shape[axis] for shape in shapes)
    shape = (*first[:axis], length, *first[axis + 1 :])
    return Aval(shape, dtype or _result_dtype(avals), "array")


def _pick_along(shapes: list[tuple[int, ...]], params: dict[str, Any]) -> list[Any]:
    axis = params["axis"]
    before = (slice(None),) * axis
    keys = []
    start = 0
    for shape in shapes:
        stop = start + shape[axis]
        keys.append((*before, slice(start, stop)))
        start = stop
    return keys


concatenate_primitive = _joining(
    "concatenate",
    _evaluate_concatenate,
    _infer_concatenate,
    _pick_along,
    lambda: [
        Sample(array(3, 4), array(2, 4), array(1, 4), axis=0),
        Sample(array(3, 4), array(3, 0), array(3, 2), axis=1),
        Sample(array(3), axis=0),
        Sample(array(3), array(2, dtype=np.float32), axis=0),
        Sample(array(3, dtype=np.float32), array(2, dtype=np.complex128), axis=0),
        Sample(array(2, 3, 4).T, array(4, 3, 5), axis=2),
        Sample(array(3), array(2), axis=0, dtype=np.dtype(np.float32), differentiable=False),
    ],
    lambda: [Fail(ValueError, "must match exactly", array(3, 4), array(3, 5), axis=0)],
)


_plain_array = originals["array"]  # np.array itself looks at its call site while tracing


def _evaluate_stack(*arrays: Any, axis: int) -> Any:
    # Along the first axis np.array does the same without the Python code of np.stack, except that
    # it lays out in C order what np.stack leaves in the order of the arrays.
    if axis or not all(np.asarray(array).flags.c_contiguous for array in arrays):
        return np.stack(arrays, axis=axis)
    return _plain_array(arrays)


def _infer_stack(*avals: Aval, axis: int) -> Aval:
    shape = avals[0].shape
    if any(aval.shape != shape for aval in avals):
        raise ValueError("all input arrays must have the same shape")
    return Aval((*shape[:axis], len(avals), *shape[axis:]), _result_dtype(avals), "array")


def _pick_across(shapes: list[tuple[int, ...]], params: dict[str, Any]) -> list[Any]:
    before = (slice(None),) * params["axis"]
    return [(*before, i) for i in range(len(shapes))]


stack_primitive = _joining(
    "stack",
    _evaluate_stack,
    _infer_stack,
    _pick_across,
    lambda: [
        Sample(array(3, 4), array(3, 4, seed=2), axis=0),
        Sample(array(3, 4), array(3, 4, seed=2), array(3, 4, seed=3), axis=1),
        Sample(array(3, 4), array(3, 4, seed=2), axis=2),
        Sample(array(), array(seed=2), axis=0),
        Sample(array(0, 2), array(0, 2), axis=1),
        Sample(array(3, dtype=np.float32), array(3), axis=0),
        Sample(array(3, dtype=np.complex128), array(3), axis=1),
        Sample(array(4, 3).T, array(3, 4), axis=0),
    ],
    lambda: [Fail(ValueError, "shape", array(3), array(4), axis=0)],
)


# ------------------------------------------------------------------ an array of scalars


def _evaluate_array(*entries: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    made = _plain_array(entries, dtype)
    return made if len(shape) == 1 else made.reshape(shape)


def _infer_array(*avals: Aval, shape: tuple[int, ...], dtype: Any) -> Aval:
    if any(aval.shape for aval in avals):
        raise ValueError("setting an array element with a sequence")
    return Aval(shape, dtype, "array")


def _tangent_array(ans: Any, primals: Any, tangents: Any, params: dict[str, Any]) -> Any:
    filled = [0.0 if change is None else change for change in tangents]
    return bind(array_primitive, *filled, **params)


def _reverse_array(which: Any, values: Any, ans: Any, params: dict[str, Any]) -> Any:
    dtype = params["dtype"]
    same = True
    for i in which:
        value = values[i]
        if type(value) is not float and type(value) is not np.float64:
            same = same and aval_of(value).dtype == dtype
        else:
            same = same and dtype == np.float64
    dtypes = None if same else tuple(aval_of(values[i]).dtype for i in which)
    pull = _pull_array_all if same and len(which) == len(values) else _pull_array
    return pull, (which, dtypes)


def _scalars(cotangent: Any) -> Any:
    """Return the entries of a cotangent in C order, as scalars."""
    raw = raw_of(cotangent)
    if type(raw) is np.ndarray:
        flat = raw.reshape(-1)
        if flat.dtype == np.float64 or flat.dtype == np.complex128:
            return flat.tolist()
        return list(flat)
    if ndim_of(raw) != 1:
        raw = raw_of(np.reshape(raw, (-1,)))
    return _Entries(raw)


class _Entries:
    """The entries of a traced vector, read one at a time."""

    def __init__(self, raw: Any) -> None:
        self.raw = raw

    def __len__(self) -> int:
        return int(shape_of(self.raw)[0])

    def __getitem__(self, i: int) -> Any:
        if i >= len(self):
            raise IndexError(i)
        return bind(read, self.raw, path=(("index", i),))


def _pull_array_all(cotangent: Any, residuals: Any) -> Any:
    entries = _scalars(cotangent)
    return entries[0] if len(entries) == 1 else tuple(entries)


def _pull_array(cotangent: Any, residuals: Any) -> Any:
    which, dtypes = residuals
    entries = _scalars(cotangent)
    found = [entries[i] for i in which]
    if dtypes is not None:
        found = [cast(entry, dtype) for entry, dtype in zip(found, dtypes, strict=True)]
    return found[0] if len(found) == 1 else tuple(found)


def _pull_array_masked(cotangent: Masked, residuals: Any) -> Any:
    found = _pull_array(cotangent.value, residuals)
    which = residuals[0]
    mask = cotangent.mask.reshape(-1)
    if len(which) == 1:
        return selected(found, mask[which[0]])
    return tuple(selected(entry, mask[i]) for i, entry in zip(which, found, strict=True))


_pull_array.masked = _pull_array_masked  # type: ignore[attr-defined]
_pull_array_all.masked = _pull_array_masked  # type: ignore[attr-defined]

_FLOAT64 = np.dtype(np.float64)


def _batch_array(values: Any, axes: Any, params: dict[str, Any]) -> Any:
    size = batch_size(values, axes)
    rows = [spread_over(value, axis, size) for value, axis in zip(values, axes, strict=True)]
    made = raw_of(np.stack(rows, axis=1).astype(params["dtype"]))
    return in_shape(made, (size, *params["shape"])), 0


array_primitive = Primitive(
    "array",
    batch=_batch_array,
    family="joining",
    arguments=("entries",),
    evaluate=_evaluate_array,
    infer=_infer_array,
    tangent=_tangent_array,
    reverse=_reverse_array,
    linear=lambda which, params: True,
    samples=lambda: [
        Sample(1.5, 2.0, np.float64(-0.5), shape=(3,), dtype=_FLOAT64),
        Sample(1.5, 2.0, 3.5, -1.0, -2.0, 0.5, shape=(2, 3), dtype=_FLOAT64),
        Sample(1.5, array(), shape=(2,), dtype=_FLOAT64),
        Sample(1.5, shape=(1, 1), dtype=_FLOAT64),
        Sample(np.float32(1.5), np.float32(2.5), shape=(2,), dtype=np.dtype(np.float32)),
        Sample(np.float32(1.5), 2.5, shape=(2,), dtype=_FLOAT64),
        Sample(1.5 - 2j, 2.5, shape=(2,), dtype=np.dtype(np.complex128)),
    ],
    fails=lambda: [Fail(ValueError, "sequence", 1.0, array(2), shape=(2,), dtype=_FLOAT64)],
)


array_primitive.value_free = True


def _inhomogeneous(shape: tuple[int, ...]) -> ValueError:
    return ValueError(
        "setting an array element with a sequence. The requested array has an inhomogeneous "
        f"shape after {len(shape)} dimensions. The detected shape was {shape} + inhomogeneous part."
    )


def _is_scalar(entry: Any) -> bool:
    kind = type(entry)
    if kind in PLAIN_SCALARS:
        return True
    if kind is Traced:
        return not is_array_kind(entry) or not shape_of(innermost(entry))
    if kind is Array:
        return not shape_of(entry)
    if kind is list or kind is tuple:
        return False
    return isinstance(entry, (int, float, complex, np.generic)) or ndim_of(entry) == 0


def _flat_leaves(nested: Any, leaves: list[Any]) -> tuple[int, ...] | None:
    """Append the scalars of a nested list to `leaves`; its shape, or None if it holds arrays."""
    shape: Any = ()
    first = True
    for entry in nested:
        kind = type(entry)
        if kind in PLAIN_SCALARS:
            found: Any = ()
            leaves.append(entry)
        elif kind is list or kind is tuple:
            found = _flat_leaves(entry, leaves)
            if found is None:
                return None
        elif _is_scalar(entry):
            found = ()
            leaves.append(entry)
        else:
            return None
        if first:
            shape, first = found, False
        elif found != shape:
            raise _inhomogeneous((len(nested),))
    return (len(nested), *shape)


def _leaf_dtype(leaves: list[Any]) -> np.dtype[Any]:
    plain = [value if type(value) is not Traced else innermost(value) for value in leaves]
    kinds = set(map(type, plain))
    if kinds <= {float, np.float64, int} and len(kinds) > (int in kinds):
        return _FLOAT64
    dtype = _result_dtype([aval_of(raw_of(value)) for value in leaves])
    if dtype.kind not in "fciub":
        raise TypeError(
            f"a list of traced values and others cannot become an array of dtype {dtype}; "
            "take the entries that are no numbers out"
        )
    return dtype


def build(nested: Any) -> Any:
    """Return what ``np.array`` makes of a nested list with handles or traced values in it."""
    if type(nested) is Array:
        return nested
    if not isinstance(nested, (list, tuple)):
        return to_user(array_raw(nested))
    for entry in nested:  # a vector of real scalars is the common case
        plain = innermost(entry) if type(entry) is Traced else entry
        if type(plain) is not float and type(plain) is not np.float64:
            break
    else:
        if nested:
            return to_user(bind(array_primitive, *nested, shape=(len(nested),), dtype=_FLOAT64))
    leaves: list[Any] = []
    shape = _flat_leaves(nested, leaves)
    if not leaves and shape is not None:
        return to_user(np.zeros(shape))
    if shape is not None:
        dtype = _leaf_dtype(leaves)
        if dtype.kind not in "fc" and not any(type(raw_of(leaf)) is Traced for leaf in leaves):
            return np.array([raw_of(leaf) for leaf in leaves], dtype).reshape(shape)
        return to_user(bind(array_primitive, *leaves, shape=shape, dtype=dtype))
    rows = [raw_of(build(entry)) for entry in nested]
    shapes = [shape_of(row) for row in rows]
    if any(found != shapes[0] for found in shapes):
        raise _inhomogeneous((len(nested),))
    return to_user(relaid(bind(stack_primitive, *rows, axis=0), "C"))


install_builder(build)


# ------------------------------------------------------------------ concatenate and its kin


def _operands(arrays: Any) -> list[Any]:
    """Return the arrays of a sequence (or the rows of one array) as raw values of kind array."""
    return [array_raw(a) for a in arrays]


def _delivered(result: Any, out: Any, casting: str) -> Any:
    return result if out is None else store_results((out,), (result,), casting)


def _checked_dtype(raws: list[Any], dtype: Any, casting: Any) -> Any:
    """Return the dtype asked for, having checked that every operand may be cast to it."""
    if dtype is None:
        return None
    dtype = np.dtype(dtype)
    for raw in raws:
        found = aval_of(raw).dtype
        if not np.can_cast(found, dtype, casting):
            raise TypeError(
                f"Cannot cast array data from {found} to {dtype} according to the rule {casting!r}"
            )
    return dtype


def join(raws: list[Any], axis: int, dtype: Any = None) -> Any:
    """Return raw arrays put one after the other, at user level."""
    if dtype is None:
        return to_user(bind(concatenate_primitive, *raws, axis=axis))
    if np.dtype(dtype).kind in "fc":
        raws = [np.real(raw) if _drops_imaginary(raw, dtype) else raw for raw in raws]
    return to_user(bind(concatenate_primitive, *raws, axis=axis, dtype=dtype))


def _drops_imaginary(raw: Any, dtype: Any) -> bool:
    return aval_of(raw).is_complex and np.dtype(dtype).kind == "f"


@implements(np.concatenate)
def concatenate(
    arrays: Any, /, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: Any = "same_kind"
) -> Any:
    raws = _operands(arrays)
    if not raws:
        raise ValueError("need at least one array to concatenate")
    if axis is None:
        raws = [raw_of(np.reshape(raw, (-1,))) for raw in raws]
        axis = 0
    ndim = ndim_of(raws[0])
    if not ndim:
        raise ValueError("zero-dimensional arrays cannot be concatenated")
    for i, raw in enumerate(raws):
        if ndim_of(raw) != ndim:
            raise ValueError(
                "all the input arrays must have same number of dimensions, but the array at index "
                f"0 has {ndim} dimension(s) and the array at index {i} has "
                f"{ndim_of(raw)} dimension(s)"
            )
    axis = normalize_axis_index(axis, ndim)
    dtype = _checked_dtype(raws, dtype, casting)
    return _delivered(join(raws, axis, dtype), out, casting)


@implements(np.stack)
def stack(
    arrays: Any, axis: int = 0, out: Any = None, *, dtype: Any = None, casting: Any = "same_kind"
) -> Any:
    raws = _operands(arrays)
    if not raws:
        raise ValueError("need at least one array to stack")
    shape = shape_of(raws[0])
    if any(shape_of(raw) != shape for raw in raws):
        raise ValueError("all input arrays must have the same shape")
    axis = normalize_axis_index(axis, len(shape) + 1)
    dtype = _checked_dtype(raws, dtype, casting)
    if dtype is None:
        return _delivered(to_user(bind(stack_primitive, *raws, axis=axis)), out, casting)
    unit = (*shape[:axis], 1, *shape[axis:])
    return _delivered(join([np.reshape(raw, unit) for raw in raws], axis, dtype), out, casting)


def _as_list(results: Any) -> list[Any]:
    return list(results) if isinstance(results, tuple) else [results]


@implements(np.vstack)
def vstack(tup: Any, *, dtype: Any = None, casting: Any = "same_kind") -> Any:
    return concatenate(_as_list(atleast_2d(*tup)), 0, dtype=dtype, casting=casting)


@implements(np.hstack)
def hstack(tup: Any, *, dtype: Any = None, casting: Any = "same_kind") -> Any:
    arrays = _as_list(atleast_1d(*tup))
    axis = 0 if arrays and ndim_of(arrays[0]) == 1 else 1
    return concatenate(arrays, axis, dtype=dtype, casting=casting)


@implements(np.dstack)
def dstack(tup: Any) -> Any:
    return concatenate(_as_list(atleast_3d(*tup)), 2)


@implements(np.column_stack)
def column_stack(tup: Any) -> Any:
    columns = []
    for entry in tup:
        raw = array_raw(entry)
        columns.append(raw if ndim_of(raw) >= 2 else np.reshape(raw, (-1, 1)))
    return concatenate(columns, 1)


@implements(np.append)
def append(arr: Any, values: Any, axis: Any = None) -> Any:
    if axis is None:
        return concatenate([np.reshape(array_raw(a), (-1,)) for a in (arr, values)], 0)
    return concatenate([arr, values], axis)


@implements(np.block)
def block(arrays: Any) -> Any:
    depth = _depth_of_blocks(arrays)
    ndim = max(depth, _ndim_of_blocks(arrays))
    result = _joined_blocks(arrays, 0, depth, ndim)
    return result.copy() if depth == 0 else result


def _depth_of_blocks(arrays: Any) -> int:
    if isinstance(arrays, tuple):
        raise TypeError(
            "arrays is a tuple. Only lists can be used to arrange blocks, and np.block does not "
            "allow implicit conversion from tuple to ndarray."
        )
    if not isinstance(arrays, list):
        return 0
    if not arrays:
        raise ValueError("List at arrays cannot be empty")
    depths = {_depth_of_blocks(entry) for entry in arrays}
    if len(depths) > 1:
        raise ValueError("List depths are mismatched")
    return 1 + depths.pop()


def _ndim_of_blocks(arrays: Any) -> int:
    if isinstance(arrays, list):
        return max(_ndim_of_blocks(entry) for entry in arrays)
    return ndim_of(arrays)


def _joined_blocks(arrays: Any, level: int, depth: int, ndim: int) -> Any:
    if level < depth:
        rows = [_joined_blocks(entry, level + 1, depth, ndim) for entry in arrays]
        return concatenate(rows, ndim - depth + level)
    raw = array_raw(arrays)
    shape = shape_of(raw)
    return to_user(raw_of(np.reshape(raw, (1,) * (ndim - len(shape)) + shape)))
