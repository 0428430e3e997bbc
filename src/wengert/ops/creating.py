"""Creation functions with handles or traced values among their arguments.

The ``_like`` family makes constant cells of the shape and dtype of a handle; ranges and fills are
arithmetic on their traced end points.
"""

from __future__ import annotations

import operator
from itertools import islice
from typing import Any

import numpy as np

from ..ir.aval import Aval, aval_of, kind_of_result, result_dtype
from ..ir.emitter import CannotLower
from ..ir.primitive import Primitive
from ..tracing.core import (
    Array,
    bind,
    can_hold_traced,
    innermost,
    is_unknown,
    ndim_of,
    raw_of,
    shape_of,
    to_user,
)
from ..tracing.creation import carries_handles, implements_creation, originals
from ..tracing.decisions import observed
from ..tracing.keys import build_array
from ..tracing.operators import as_operand
from ..tracing.protocols import implements, plain_of
from .batch_rules import logical_ndim, padded
from .families import irregular
from .kinds import stop_gradient_of, with_kind
from .projection import expand
from .samples import Fail, Sample, array
from .shaping import array_raw

_FLOAT64 = np.dtype(np.float64)

# ------------------------------------------------------------------ the _like family


def _cell(made: np.ndarray[Any, Any]) -> Any:
    return Array(made) if can_hold_traced(made.dtype) else made


def cell_of(raw: Any) -> Any:
    """Return what the user gets for something created: a cell, also where nothing is traced."""
    return _cell(raw) if type(raw) is np.ndarray else to_user(raw)


def _layout_of(a: Any) -> Any:
    """Return the plain array whose layout a new one shall have."""
    plain = innermost(raw_of(a))
    if is_unknown(plain):
        return np.broadcast_to(np.zeros((), plain.dtype), plain.shape)
    return plain


def _laid_out_like(a: Any, made: Any, order: Any) -> Any:
    """Return a cell made in the layout of another array, which may not be known.

    Then whether a reshaped form of it is a view is not known either.
    """
    unknown = order in ("K", "A") and is_unknown(innermost(raw_of(a)))
    if unknown and type(made) is Array and sum(length != 1 for length in made.shape) > 1:
        made._relatives = []
    return made


def _implement_like(name: str) -> None:
    original = originals[name]

    @implements(original)
    def like(
        a: Any,
        dtype: Any = None,
        order: Any = "K",
        subok: bool = True,
        shape: Any = None,
        **kw: Any,
    ) -> Any:
        made = _cell(original(_layout_of(a), dtype, order, False, shape, **kw))
        return _laid_out_like(a, made, order)


for _name in ("zeros_like", "ones_like", "empty_like"):
    _implement_like(_name)


@implements_creation("full_like")
@implements(originals["full_like"])
def full_like(
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    order: Any = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Any:
    made = _cell(originals["empty_like"](_layout_of(a), dtype, order, False, shape))
    made = _laid_out_like(a, made, order)
    if type(made) is not Array:
        fill_value = plain_of(fill_value, "a fill value of an array that is not floating-point")
        made[...] = fill_value
        return made
    made[...] = as_operand(fill_value)
    return made


@implements_creation("full")
def full(
    shape: Any,
    fill_value: Any,
    dtype: Any = None,
    order: Any = "C",
    *,
    device: Any = None,
    like: Any = None,
) -> Any:
    value = as_operand(fill_value)
    if dtype is None:
        dtype = aval_of(raw_of(value)).dtype
    made = _cell(originals["empty"](shape, dtype, order))
    if type(made) is not Array:
        value = plain_of(value, "a fill value of an array that is not floating-point")
    made[...] = value
    return made


if hasattr(np, "astype"):  # NumPy 2.1

    @implements(np.astype)
    def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
        return x.astype(dtype, copy=copy)


# ------------------------------------------------------------------ ranges


def _weights(count: int, endpoint: bool, shape: tuple[int, ...], axis: int) -> Any:
    """Return how far each point is from start (0) to stop (1), shaped to go along `axis`."""
    divisions = count - 1 if endpoint else count
    weights = np.arange(count) / divisions if divisions > 0 else np.zeros(count)
    return weights.reshape([count if i == axis else 1 for i in range(len(shape))])


def _evaluate_linspace(
    start: Any, stop: Any, *, count: int, endpoint: bool, axis: int, dtype: Any
) -> Any:
    return originals["linspace"](start, stop, count, endpoint, False, dtype, axis)


def _infer_linspace(
    start: Aval, stop: Aval, *, count: int, endpoint: bool, axis: int, dtype: Any
) -> Aval:
    shape = list(np.broadcast_shapes(start.shape, stop.shape))
    shape.insert(axis, count)
    return Aval(tuple(shape), dtype, "array")


def _tangent_linspace(ans: Any, primals: Any, tangents: Any, params: dict[str, Any]) -> Any:
    shape = aval_of(ans).shape
    weights = _weights(params["count"], params["endpoint"], shape, params["axis"])
    start, stop = tangents
    total = None
    for change, factor in ((start, 1.0 - weights), (stop, weights)):
        if change is not None:
            if ndim_of(change):
                axis = params["axis"]
                spread = np.broadcast_to(change, (*shape[:axis], *shape[axis + 1 :]))
                change = np.expand_dims(spread, axis)
            term = change * factor
            total = term if total is None else total + term
    return expand(total, aval_of(ans))


def _batch_linspace(values: Any, axes: Any, params: dict[str, Any]) -> Any:
    ndim = max(map(logical_ndim, values, axes))
    start, stop = (padded(value, axis, ndim) for value, axis in zip(values, axes, strict=True))
    axis = params["axis"] % (ndim + 1) + 1
    return bind(linspace_primitive, start, stop, **{**params, "axis": axis}), 0


def _points(start: Any, stop: Any, *, count: int, endpoint: bool, axis: int, dtype: Any) -> Any:
    """Return the points as NumPy computes them, step by step, for native code."""
    avals = [aval_of(raw_of(value)) for value in (start, stop)]
    zeros = [aval.dtype.type(0) for aval in avals]
    weak = [
        zero.item() if aval.kind == "python" else zero
        for zero, aval in zip(zeros, avals, strict=True)
    ]
    if np.result_type(*weak, 0.0) != dtype:
        raise CannotLower("points that are rounded, or computed in another precision")
    start, stop = start.astype(dtype), stop.astype(dtype)
    change = np.subtract(stop, start)
    divisions = count - 1 if endpoint else count
    along = (-1, *(1,) * change.ndim)
    places = np.arange(count, dtype=dtype).reshape(along)
    if divisions > 0:
        step = change / dtype.type(divisions)
        at_once = places / dtype.type(divisions) * change
        found = np.where(np.any(step == 0), at_once, places * step)
    else:
        found = places * change
    found = found + start
    if endpoint and count > 1:
        found = np.where((np.arange(count) == count - 1).reshape(along), stop, found)
    return np.moveaxis(found, 0, axis)


linspace_primitive: Primitive = irregular(
    "linspace",
    lower=_points,
    batch=_batch_linspace,
    arguments=("start", "stop"),
    evaluate=_evaluate_linspace,
    infer=_infer_linspace,
    tangent=_tangent_linspace,
    vjp=(
        lambda g, ans_aval, count, endpoint, axis: np.sum(
            g * (1.0 - _weights(count, endpoint, ans_aval.shape, axis)), axis=axis
        ),
        lambda g, ans_aval, count, endpoint, axis: np.sum(
            g * _weights(count, endpoint, ans_aval.shape, axis), axis=axis
        ),
    ),
    linear=lambda which, params: which == (0, 1),
    samples=lambda: [
        Sample(0.5, 2.5, count=5, endpoint=True, axis=0, dtype=_FLOAT64),
        Sample(np.float64(-0.5), 2.5, count=4, endpoint=False, axis=0, dtype=_FLOAT64),
        Sample(array(3), array(2, 1), count=4, endpoint=True, axis=1, dtype=_FLOAT64),
        Sample(array(3), 2.0, count=5, endpoint=True, axis=1, dtype=_FLOAT64),
        Sample(0.5, 2.5, count=1, endpoint=True, axis=0, dtype=_FLOAT64),
        Sample(0.5, 2.5, count=0, endpoint=True, axis=0, dtype=_FLOAT64),
        Sample(0.5 + 1j, 2.5, count=3, endpoint=True, axis=0, dtype=np.dtype(np.complex128)),
    ],
    fails=lambda: [Fail(ValueError, "", 0.5, 1.5, count=-1, endpoint=True, axis=0, dtype=_FLOAT64)],
)


@implements(originals["linspace"])
def linspace(
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: Any = True,
    retstep: Any = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: Any = None,
) -> Any:
    count = operator.index(num)
    if count < 0:
        raise ValueError(f"Number of samples, {count}, must be non-negative.")
    first, last = raw_of(as_operand(start)), raw_of(as_operand(stop))
    found = np.result_type(result_dtype(aval_of(first), aval_of(last)), float(count))
    wanted = found if dtype is None else np.dtype(dtype)
    axis = axis % (max(ndim_of(first), ndim_of(last)) + 1)
    divisions = count - 1 if endpoint else count
    step: Any = (last - first) / divisions if divisions > 0 else np.nan
    if wanted.kind not in "fc":
        points = originals["linspace"](
            plain_of(first), plain_of(last), count, endpoint, False, wanted, axis
        )
    else:
        points = to_user(
            bind(
                linspace_primitive,
                first,
                last,
                count=count,
                endpoint=bool(endpoint),
                axis=axis,
                dtype=wanted,
            )
        )
    return (points, to_user(raw_of(step))) if retstep else points


@implements(originals["logspace"])
def logspace(
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: Any = True,
    base: Any = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    operands = [as_operand(value) for value in (start, stop, base)]
    ndim = max(ndim_of(value) for value in operands)
    if ndim_of(operands[2]):  # a base of its own along every axis but the new one
        shape = np.broadcast_shapes(*(shape_of(value) for value in operands))
        operands = [np.broadcast_to(value, shape) for value in operands]
        operands[2] = np.expand_dims(operands[2], axis % (ndim + 1))
    exponents = np.linspace(operands[0], operands[1], num, endpoint, axis=axis)
    points = np.power(operands[2], exponents)
    return points if dtype is None else points.astype(dtype)


@implements(originals["geomspace"])
def geomspace(
    start: Any, stop: Any, num: Any = 50, endpoint: Any = True, dtype: Any = None, axis: int = 0
) -> Any:
    first, last = (to_user(array_raw(value)) for value in (start, stop))
    for value in (first, last):
        if observed(value == 0):
            raise ValueError("Geometric sequence cannot include zero")
    count = operator.index(num)
    common = np.result_type(first.dtype, last.dtype, float(count), np.zeros((), dtype))
    first, last = first.astype(common), last.astype(common)
    shape = np.broadcast_shapes(shape_of(first), shape_of(last))
    first, last = np.broadcast_to(first, shape), np.broadcast_to(last, shape)
    # Turned to where start is positive: negative and complex points have logarithms there. The
    # points do not depend on the turn, so it is a constant.
    turn = np.sign(stop_gradient_of(first))
    first, last = first / turn, last / turn
    points = np.logspace(np.log10(first), np.log10(last), count, endpoint).astype(common)
    if count:
        points[0] = first
        if count > 1 and endpoint:
            points[-1] = last
    points = points * turn
    if axis != 0:
        points = np.moveaxis(points, 0, axis)
    return points if dtype is None else points.astype(dtype)


def _evaluate_arange(start: Any, step: Any, *, count: int, dtype: Any) -> Any:
    first = dtype.type(start)
    following = dtype.type(start + step)  # in the operands' own precision, as NumPy adds them
    made = first + np.arange(count, dtype=dtype) * (following - first)  # as NumPy fills ranges
    made[:2] = (first, following)[:count]
    return made


def _batch_arange(values: Any, axes: Any, params: dict[str, Any]) -> Any:
    """Fill the ranges of all examples, which are of one length, as `_evaluate_arange` does one."""
    count, dtype = params["count"], params["dtype"]
    start, step = map(to_user, map(padded, values, axes, (1, 1)))
    first, following = (
        to_user(with_kind(raw_of(v), Aval(shape_of(v), dtype, kind_of_result(shape_of(v)))))
        for v in (start, start + step)
    )
    made = first + np.arange(count, dtype=dtype) * (following - first)
    exact = [np.broadcast_to(value, made[:, :1].shape) for value in (first, following)]
    return raw_of(np.concatenate([*exact[:count], made[:, 2:]], axis=1)), 0


arange_primitive = irregular(
    "arange",
    batching=lambda primitive: _batch_arange,
    arguments=("start", "step"),
    evaluate=_evaluate_arange,
    infer=lambda start, step, *, count, dtype: Aval((count,), dtype, "array"),
    tangent=lambda ans, primals, tangents, params: _tangent_arange(tangents, params),
    vjp=(
        lambda g: np.sum(g),
        lambda g, count: np.sum(g * np.arange(float(count))),
    ),
    linear=lambda which, params: which == (0, 1),
    samples=lambda: [
        Sample(0.5, 0.25, count=5, dtype=_FLOAT64),
        Sample(2, 0.25, count=3, dtype=_FLOAT64),
        Sample(np.float64(0.5), 1, count=4, dtype=_FLOAT64),
        Sample(0.5, 0.25, count=0, dtype=_FLOAT64),
        Sample(np.float32(0.5), np.float32(0.25), count=5, dtype=np.dtype(np.float32)),
    ],
    fails=tuple,
)


def _tangent_arange(tangents: Any, params: dict[str, Any]) -> Any:
    start, step = tangents
    dtype = params["dtype"]
    total: Any = np.zeros(params["count"], dtype)
    if start is not None:
        total = total + start
    if step is not None:
        total = total + np.arange(params["count"], dtype=dtype) * step
    return total


@implements_creation("arange")
def arange(
    *args: Any, start: Any = None, stop: Any = None, step: Any = None, dtype: Any = None, **kw: Any
) -> Any:
    given = list(args)
    if len(given) == 1 and stop is None:
        start, stop = (0, given[0]) if start is None else (start, given[0])
    else:
        named = [start, stop, step]
        named[: len(given)] = given
        start, stop, step = named
        if stop is None:
            start, stop = 0, start
    first, increment = 0 if start is None else start, 1 if step is None else step
    plain = [plain_of(value, "the length of np.arange") for value in (first, stop, increment)]
    made = originals["arange"](*plain, dtype=dtype, **kw)
    if made.dtype.kind not in "fc":
        return made
    return cell_of(bind(arange_primitive, first, increment, count=len(made), dtype=made.dtype))


@implements_creation("fromiter")
def fromiter(iter: Any, dtype: Any, count: int = -1, *, like: Any = None) -> Any:
    entries = list(iter if count < 0 else islice(iter, count))
    if not carries_handles(entries):
        return _cell(originals["fromiter"](entries, dtype, count))
    if count > len(entries):
        raise ValueError(
            f"iterator too short: Expected {count} but iterator had only {len(entries)} items."
        )
    return build_array(entries).astype(dtype)


@implements(originals["vander"])
def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    x = to_user(array_raw(x))
    if ndim_of(x) != 1:
        raise ValueError("x must be a one-dimensional array or sequence.")
    count = len(x) if N is None else operator.index(N)
    dtype = np.promote_types(x.dtype, int)
    column: Any = np.ones(len(x), dtype)
    columns = []
    for power in range(count):
        if power == 1:
            column = x.astype(dtype)
        elif power:
            column = column * x
        columns.append(column)
    if not columns:
        return _cell(np.empty((len(x), 0), dtype))
    return np.stack(columns if increasing else columns[::-1], axis=1)
