"""The methods of ufuncs on traced values: reduce, accumulate, outer, reduceat and at.

Those of add, multiply, maximum, minimum, fmax, fmin and logaddexp have primitives of their own;
every other binary ufunc that has a rule is applied step by step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import MissingRuleError, TracedWriteError
from ..ir.aval import Aval, aval_of
from ..ir.cotangent import Masked
from ..ir.primitive import Primitive, registry
from ..tracing.core import Array, bind, raw_of, to_user, write_handle
from ..tracing.keys import plain_key, split_key
from ..tracing.protocols import (
    has_traced,
    plain_of,
    store_results,
    ufunc_methods,
    ufuncs,
)
from .axes import along, kept_shape, normalised_axes, operand_of, single_axis, taken
from .batch_paths import infer_part
from .batch_rules import BatchRule, front, one_by_one
from .cumulative import ACCUMULATORS, accumulate_by
from .indexing import indexed_add
from .projection import as_numpy_scalar, cast
from .quantiles import rows_of
from .reductions import NOT_GIVEN, REDUCERS, reduce_by
from .samples import Fail, Sample, array


def _is_constant(ufunc: np.ufunc) -> bool:
    """Return whether the results of a ufunc carry no derivative."""
    if ufunc not in _constant_ufuncs:
        _constant_ufuncs[ufunc] = any(
            primitive.numpy is ufunc and primitive.zero_derivative for primitive in registry
        )
    return _constant_ufuncs[ufunc]


_constant_ufuncs: dict[np.ufunc, bool] = {}


def _require_rule(ufunc: np.ufunc, method: str) -> None:
    if ufunc in ufuncs and ufunc.nin == 2 and ufunc.nout == 1:
        return
    raise MissingRuleError(
        f"numpy.{ufunc.__name__}.{method} was called on traced values, and numpy.{ufunc.__name__} "
        "is not a ufunc of two arguments that has a derivative rule. Write it with functions that "
        "have one, or say wengert.stop_gradient(x) for its arguments if they are constants here."
    )


def _stored(out: Any, result: Any) -> Any:
    if out is None:
        return result
    return store_results(out if isinstance(out, tuple) else (out,), (result,), "unsafe")


# ------------------------------------------------------------------ reduce


def reduce(
    ufunc: np.ufunc,
    array: Any,
    axis: Any = 0,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = NOT_GIVEN,
    where: Any = True,
) -> Any:
    """Answer ``ufunc.reduce``."""
    made = REDUCERS.get(ufunc)
    if made is not None:
        return reduce_by(made, array, axis, dtype, out, keepdims, initial, where)
    given = {} if initial is NOT_GIVEN else {"initial": initial}
    given |= {"axis": axis, "dtype": dtype, "keepdims": keepdims, "where": where}
    if _is_constant(ufunc):
        found = ufunc.reduce(plain_of(array), **plain_of(given))
        return _stored(out, found)
    _require_rule(ufunc, "reduce")
    x = operand_of(array)
    if out is not None and dtype is None:
        dtype = (out[0] if isinstance(out, tuple) else out).dtype
    shape = np.shape(x)
    axes = normalised_axes(axis, len(shape))
    if len(axes) > 1 or 0 in shape or where is not True:
        # NumPy knows what it refuses: several axes in no order, no entries and no identity.
        found = ufunc.reduce(plain_of(x), **plain_of(given))
        if 0 in shape and not has_traced(initial):
            return _stored(out, found)
    if dtype is not None and aval_of(x).dtype != np.dtype(dtype):
        x = raw_of(to_user(x).astype(dtype)) if np.ndim(x) else np.dtype(dtype).type(x)
    rows = rows_of(x, axes)
    masks = None
    if where is not True:
        masks = plain_of(rows_of(np.broadcast_to(where, shape), axes))
    start = ufunc.identity if initial is NOT_GIVEN or initial is None else initial
    found = _reduced_rows(ufunc, rows, masks, start)
    if keepdims and len(shape):
        found = np.reshape(found, kept_shape(shape, axes))
    return _stored(out, found)


def _reduced_rows(ufunc: np.ufunc, rows: Any, masks: Any, start: Any) -> Any:
    """Apply a ufunc from the first entry of the last axis to the last."""
    length = np.shape(rows)[-1]
    first = 0
    if start is None:
        running, first = rows[..., 0], 1
    else:
        known = aval_of(operand_of(rows))
        running = start
        if np.shape(start) != known.shape[:-1]:
            running = np.broadcast_to(np.asarray(start, known.dtype), known.shape[:-1])
            if has_traced(start):
                running = np.broadcast_to(start, known.shape[:-1])
        elif type(start) in (int, float):
            running = known.dtype.type(start)
    for i in range(first, length):
        step = ufunc(running, rows[..., i])
        running = step if masks is None else np.where(masks[..., i], step, running)
    return running[()] if np.shape(rows)[:-1] == () and type(running) is not float else running


# ------------------------------------------------------------------ accumulate


def accumulate(
    ufunc: np.ufunc, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None
) -> Any:
    """Answer ``ufunc.accumulate``."""
    primitive = ACCUMULATORS.get(ufunc)
    if primitive is not None:
        return accumulate_by(primitive, array, axis, dtype, out)
    if _is_constant(ufunc):
        return _stored(out, ufunc.accumulate(plain_of(array), axis, dtype))
    _require_rule(ufunc, "accumulate")
    x = operand_of(array)
    if not np.ndim(x):
        raise TypeError("cannot accumulate on a scalar")
    if out is not None and dtype is None:
        dtype = (out[0] if isinstance(out, tuple) else out).dtype
    axis = single_axis(axis, np.ndim(x))
    length = np.shape(x)[axis]
    if not length:
        return _stored(out, ufunc.accumulate(plain_of(x), axis, dtype))
    if dtype is not None:
        x = raw_of(to_user(x).astype(dtype))
    running = to_user(taken(x, axis, slice(0, 1)))
    found = [running]
    for i in range(1, length):
        running = ufunc(running, to_user(taken(x, axis, slice(i, i + 1))))
        found.append(running)
    return _stored(out, np.concatenate(found, axis=axis))


# ------------------------------------------------------------------ outer


def outer(ufunc: np.ufunc, first: Any, second: Any, **keywords: Any) -> Any:
    """Answer ``ufunc.outer``: every entry of the first operand with every one of the second."""
    x, y = operand_of(first), operand_of(second)
    if np.ndim(x) and np.ndim(y):
        x = operand_of(np.reshape(x, (*np.shape(x), *(1,) * np.ndim(y))))
    return ufunc(to_user(x), to_user(y), **keywords)


# ------------------------------------------------------------------ reduceat


def _segments(indices: np.ndarray[Any, Any], length: int) -> tuple[Any, Any]:
    """Return which entry goes to which result: positions, and numbers of segments."""
    stops = np.append(indices[1:], length)
    counts = np.maximum(stops - indices, 1)  # where the next start is not larger: one entry
    number = np.repeat(np.arange(len(indices)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    return indices[number] + within, number


def _reverse_add_reduceat(
    which: tuple[int, ...], values: Sequence[Any], ans: Any, params: dict[str, Any]
) -> Any:
    return _pull_add_reduceat, (aval_of(values[0]), values[1], params["axis"])


def _pull_add_reduceat(cotangent: Any, residuals: Any) -> Masked:
    mask = np.ones(np.shape(cotangent), bool)
    return _pull_add_reduceat_masked(Masked(cotangent, mask), residuals)


def _pull_add_reduceat_masked(cotangent: Masked, residuals: Any) -> Masked:
    aval, indices, axis = residuals
    where = {"axis": axis, "length": aval.shape[axis]}
    value = cast(cotangent.value, aval.dtype)
    # A sum of truth values holds where any of them does.
    mask = bind(handed_out, cotangent.mask, indices, **where)
    return Masked(bind(handed_out, raw_of(value), indices, **where), mask)


_pull_add_reduceat.masked = _pull_add_reduceat_masked  # type: ignore[attr-defined]


def _evaluate_handed_out(x: Any, indices: Any, *, axis: int, length: int) -> Any:
    """Return at each entry the sum of the results of ``reduceat`` that it went into."""
    positions, number = _segments(indices, length)
    shape = (*x.shape[:axis], length, *x.shape[axis + 1 :])
    made = np.zeros(shape, x.dtype)
    np.add.at(made, along(axis, positions), x[along(axis, number)])
    return made


def _batching_reduceat(primitive: Primitive) -> BatchRule:
    loop = one_by_one(primitive)

    def batch(values: Any, axes: Any, params: dict[str, Any]) -> Any:
        if axes[1] is not None:
            return loop(values, axes, params)
        x = front(values[0], axes[0])
        return bind(primitive, x, values[1], **{**params, "axis": params["axis"] + 1}), 0

    return batch


handed_out: Primitive = Primitive(
    "reduceat_transposed",
    family="irregular",
    batching=_batching_reduceat,
    arguments=("x", "indices"),
    evaluate=_evaluate_handed_out,
    infer=lambda x, indices, *, axis, length: Aval(
        (*x.shape[:axis], length, *x.shape[axis + 1 :]), x.dtype
    ),
    tangent=lambda ans, primals, tangents, params: bind(
        handed_out, tangents[0], primals[1], **params
    ),
    reverse=lambda which, values, ans, params: (
        lambda g, residuals: bind(add_reduceat, g, residuals[0], axis=residuals[1], dtype=None),
        (values[1], params["axis"]),
    ),
    linear=lambda which, params: which == (0,),
    samples=lambda: [
        Sample(array(4), np.array([0, 4, 1, 5]), axis=0, length=6),
        Sample(array(3, 2), np.array([1, 3]), axis=1, length=5),
        Sample(array(2, dtype=np.complex128), np.array([1, 0]), axis=0, length=4),
    ],
    fails=tuple,
)


def _infer_add_reduceat(x: Aval, indices: Aval, *, axis: int, dtype: Any) -> Aval:
    found = np.add.reduceat(np.ones(1, x.dtype), [0], 0, dtype).dtype
    return Aval((*x.shape[:axis], indices.size, *x.shape[axis + 1 :]), found)


add_reduceat: Primitive = Primitive(
    "add_reduceat",
    batching=_batching_reduceat,
    family="irregular",
    arguments=("x", "indices"),
    evaluate=lambda x, indices, *, axis, dtype: np.add.reduceat(x, indices, axis, dtype),
    infer=_infer_add_reduceat,
    tangent=lambda ans, primals, tangents, params: bind(
        add_reduceat, tangents[0], primals[1], **params
    ),
    reverse=_reverse_add_reduceat,
    linear=lambda which, params: which == (0,),
    samples=lambda: [
        Sample(array(6), np.array([0, 4, 1, 5]), axis=0, dtype=None),
        Sample(array(6), np.array([2, 2, 3]), axis=0, dtype=None),
        Sample(array(3, 5), np.array([1, 3]), axis=1, dtype=None),
        Sample(array(5, 3).T, np.array([0, 2]), axis=1, dtype=None),
        Sample(array(4, dtype=np.float32), np.array([0, 2]), axis=0, dtype=np.dtype(float)),
        Sample(array(4, dtype=np.complex128), np.array([1, 0]), axis=0, dtype=None),
    ],
    fails=lambda: [Fail(IndexError, "out-of-bounds", array(3), np.array([3]), axis=0, dtype=None)],
)


def reduceat(
    ufunc: np.ufunc, array: Any, indices: Any, axis: Any = 0, dtype: Any = None, out: Any = None
) -> Any:
    """Answer ``ufunc.reduceat``."""
    starts = np.asarray(plain_of(indices, "an index"), dtype=np.intp)
    if _is_constant(ufunc):
        return _stored(out, ufunc.reduceat(plain_of(array), starts, axis, dtype))
    x = operand_of(array)
    if not np.ndim(x):
        raise TypeError("cannot reduceat on a scalar")
    if out is not None and dtype is None:
        dtype = (out[0] if isinstance(out, tuple) else out).dtype
    axis = single_axis(axis, np.ndim(x))
    if dtype is not None and np.dtype(dtype).kind not in "fc":
        return _stored(out, ufunc.reduceat(plain_of(x), starts, axis, dtype))
    if ufunc is np.add:
        chosen = None if dtype is None else np.dtype(dtype)
        return _stored(out, to_user(bind(add_reduceat, x, starts, axis=axis, dtype=chosen)))
    if ufunc not in REDUCERS:
        _require_rule(ufunc, "reduceat")
    length = np.shape(x)[axis]
    ufunc.reduceat(np.ones(length), starts)  # refuses what NumPy refuses
    parts = []
    for start, following in zip(starts, [*starts[1:], length], strict=True):
        part = to_user(taken(x, axis, slice(int(start), int(max(following, start + 1)))))
        parts.append(reduce(ufunc, part, axis, dtype, None, True))
    return _stored(out, np.concatenate(parts, axis=axis))


# ------------------------------------------------------------------ at


def at(ufunc: np.ufunc, target: Any, indices: Any, *operands: Any) -> None:
    """Answer ``ufunc.at``: unbuffered, so that an entry named twice is changed twice."""
    key, dynamic = split_key(list(indices) if isinstance(indices, list) else indices)
    if type(target) is not Array:
        if has_traced(operands) or dynamic:
            raise TracedWriteError(
                f"numpy.{ufunc.__name__}.at was asked to write a traced value into a plain array "
                f"of shape {np.shape(target)}, which cannot hold it. Make it one that can, inside "
                "the function: A = np.array(A)."
            )
        ufunc.at(target, key, *plain_of(operands))
        return
    # NumPy makes arrays of all operands: a Python number is not weak here.
    values = tuple(to_user(as_numpy_scalar(raw_of(operand_of(value)))) for value in operands)
    _check_castable(ufunc, target, values)
    avals = tuple(aval_of(raw_of(value)) for value in dynamic)
    ndim = infer_part(aval_of(target), avals, (("index", key),)).ndim
    values = tuple(_without_leading_axes(value, ndim) for value in values)
    if ufunc in (np.add, np.subtract) and aval_of(raw_of(values[0])).dtype == target.dtype:
        value = values[0] if ufunc is np.add else -values[0]
        found = bind(indexed_add, raw_of(target), raw_of(value), *dynamic, path=(("index", key),))
        write_handle(target, (("index", Ellipsis),), found)
        return
    if dynamic:  # which entry is named how often decides in what order it is changed
        key = plain_key(indices)
    shape = np.shape(target)
    places = np.arange(np.size(target)).reshape(shape)[key]
    turns = _turns(np.ravel(places)).reshape(np.shape(places))
    last = int(turns.max(initial=0))
    if not last:
        _apply_at(ufunc, target, key, values)
        return
    values = tuple(np.broadcast_to(value, places.shape) for value in values)
    for turn in range(last + 1):
        now = turns == turn
        where = np.unravel_index(places[now], shape)
        _apply_at(ufunc, target, where, tuple(value[now] for value in values))


def _without_leading_axes(value: Any, ndim: int) -> Any:
    """Return a value without the axes of one entry by which it has more than `ndim`."""
    shape = np.shape(value)
    extra = len(shape) - ndim
    if extra > 0 and all(length == 1 for length in shape[:extra]):
        return np.reshape(value, shape[extra:])
    return value


def _apply_at(ufunc: np.ufunc, target: Any, key: Any, values: tuple[Any, ...]) -> None:
    target[key] = ufunc(target[key], *values)


def _turns(places: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return how often each place has been named before."""
    order = np.argsort(places, kind="stable")
    ordered = places[order]
    is_new = np.ones(len(places), bool)
    is_new[1:] = ordered[1:] != ordered[:-1]
    numbers = np.arange(len(places))
    start = np.maximum.accumulate(np.where(is_new, numbers, 0)) if len(places) else numbers
    turns = np.empty(len(places), int)
    turns[order] = numbers - start
    return turns


def _check_castable(ufunc: np.ufunc, target: Any, operands: tuple[Any, ...]) -> None:
    """Raise as NumPy does where the result does not fit the dtype of the target."""
    stand_ins = tuple(np.ones(1, aval_of(raw_of(value)).dtype) for value in operands)
    ufunc.at(np.ones(1, target.dtype), [0], *stand_ins)


ufunc_methods.update(
    {"reduce": reduce, "accumulate": accumulate, "outer": outer, "reduceat": reduceat, "at": at}
)
