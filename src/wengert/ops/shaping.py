"""Changes of shape: views where NumPy gives a view of the same strides, copies where it copies.

A handle gets a view by a path; a raw value inside a rule gets one of the primitives ``reshape``,
``transpose`` and ``broadcast_to``, whose transposes need no buffer of zeros.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from ..errors import StagingError
from ..ir.aval import Aval, aval_of
from ..ir.cotangent import Masked
from ..ir.paths import Step, is_view_of, resolved_shape
from ..ir.primitive import Primitive
from ..tracing.aliases import note_unknown_alias
from ..tracing.core import (
    Array,
    Traced,
    bind,
    innermost,
    is_array_kind,
    is_unknown,
    make_view,
    ndim_of,
    raw_of,
    read_handle,
    shape_of,
    to_user,
)
from ..tracing.creation import carries_handles
from ..tracing.operators import as_operand, install_attribute, install_method
from ..tracing.protocols import implements
from . import projection
from .batch_shapes import broadcast_rule, reshape_rule, roll_rule, transpose_rule
from .families import structural
from .indexing import read
from .kinds import with_kind
from .samples import Fail, Sample, array

# ------------------------------------------------------------------ primitives


def evaluate_broadcast(x: Any, *, shape: tuple[int, ...]) -> Any:
    """Return a read-only array without memory of its size; the common scalar without NumPy's cost.

    (``np.broadcast_to`` of a scalar took 3.9 µs where this takes 0.65.)
    """
    if type(x) is np.float64:
        return np.ndarray(shape, x.dtype, x, 0, (0,) * len(shape))
    return np.broadcast_to(x, shape)


broadcast_primitive = structural(
    "broadcast_to",
    batching=broadcast_rule,
    evaluate=evaluate_broadcast,
    infer=lambda x, *, shape: _infer_broadcast(x, shape),
    transpose=lambda g, x_aval: projection.project(g, x_aval),
    moves_entries=True,
    samples=lambda: [
        Sample(array(3, 1), shape=(2, 3, 4)),
        Sample(1.5, shape=(3,)),
        Sample(np.float64(1.5), shape=()),
        Sample(array(), shape=(2,)),
        Sample(array(1, 3, dtype=np.float32), shape=(2, 3)),
        Sample(array(3, 1, dtype=np.complex128)[::2], shape=(2, 4)),
        Sample(array(1, 0), shape=(2, 0)),
    ],
    fails=lambda: [Fail(ValueError, "broadcast", array(3), shape=(2,))],
)


def _infer_broadcast(x: Aval, shape: tuple[int, ...]) -> Aval:
    if np.broadcast_shapes(x.shape, shape) != shape:
        raise ValueError(f"could not broadcast an array of shape {x.shape} to shape {shape}")
    return Aval(shape, x.dtype, "array")


def _evaluate_reshape(x: Any, *, shape: Any, order: Any) -> Any:
    if isinstance(x, np.ndarray):
        return x.reshape(shape, order=order)
    return np.asarray(x).reshape(shape)


def _permuting(name: str, *, evaluate: Any, infer: Any, back: Any, **slots: Any) -> Primitive:
    """Make a primitive that moves every entry once: ``back(g, x_aval, params)`` undoes it."""

    def tangent(ans: Any, primals: Any, tangents: Any, params: dict[str, Any]) -> Any:
        return bind(primitive, tangents[0], **params)

    def pull(cotangent: Any, residuals: Any) -> Any:
        return back(cotangent, *residuals)

    def pull_masked(cotangent: Masked, residuals: Any) -> Masked:
        return Masked(back(cotangent.value, *residuals), back(cotangent.mask, *residuals))

    pull.masked = pull_masked  # type: ignore[attr-defined]

    def reverse(which: Any, values: Any, ans: Any, params: dict[str, Any]) -> Any:
        return pull, (aval_of(values[0]), params)

    primitive = Primitive(
        name,
        family="structural",
        arguments=("x",),
        evaluate=evaluate,
        infer=infer,
        tangent=tangent,
        reverse=reverse,
        linear=lambda which, params: True,
        **slots,
    )
    return primitive


reshape_primitive = _permuting(
    "reshape",
    batching=reshape_rule,
    evaluate=_evaluate_reshape,
    infer=lambda x, *, shape, order: Aval(resolved_shape(x.shape, shape), x.dtype, "array"),
    back=lambda g, x_aval, params: np.reshape(g, x_aval.shape, order=params["order"]),
    samples=lambda: [
        Sample(array(3, 4), shape=(2, 6), order="C"),
        Sample(array(3, 4), shape=(2, -1), order="F"),
        Sample(array(4, 3).T, shape=-1, order="C"),
        Sample(1.5, shape=(1, 1), order="C"),
        Sample(array(), shape=(1,), order="C"),
        Sample(array(0, 3), shape=(3, 0), order="C"),
        Sample(array(2, 3, dtype=np.float32), shape=(6,), order="C"),
        Sample(array(2, 3, dtype=np.complex128)[:, ::2], shape=(4,), order="F"),
    ],
    fails=lambda: [Fail(ValueError, "cannot reshape", array(3), shape=(2,), order="C")],
)


def _inverse(axes: Sequence[int]) -> list[int]:
    found = [0] * len(axes)
    for i, axis in enumerate(axes):
        found[axis] = i
    return found


def _infer_transpose(x: Aval, *, axes: tuple[int, ...]) -> Aval:
    if sorted(axes) != list(range(x.ndim)):
        raise ValueError(f"axes {axes} don't match an array of shape {x.shape}")
    return Aval(tuple(x.shape[axis] for axis in axes), x.dtype, "array")


transpose_primitive = _permuting(
    "transpose",
    batching=transpose_rule,
    evaluate=lambda x, *, axes: np.asarray(x).transpose(axes),
    infer=_infer_transpose,
    back=lambda g, x_aval, params: np.transpose(g, _inverse(params["axes"])),
    samples=lambda: [
        Sample(array(3, 4), axes=(1, 0)),
        Sample(array(2, 3, 4), axes=(2, 0, 1)),
        Sample(array(), axes=()),
        Sample(array(0, 3), axes=(1, 0)),
        Sample(array(4, 3, dtype=np.float32)[::2], axes=(1, 0)),
        Sample(array(2, 3, dtype=np.complex128), axes=(1, 0)),
    ],
    fails=lambda: [Fail(ValueError, "axes", array(3, 4), axes=(0,))],
)

roll_primitive = _permuting(
    "roll",
    batching=roll_rule,
    evaluate=lambda x, *, shift, axis: np.roll(x, shift, axis),
    infer=lambda x, *, shift, axis: x.with_kind("array"),
    back=lambda g, x_aval, params: np.roll(
        g,
        tuple(-s for s in params["shift"])
        if isinstance(params["shift"], tuple)
        else -params["shift"],
        params["axis"],
    ),
    samples=lambda: [
        Sample(array(5), shift=2, axis=None),
        Sample(array(3, 4), shift=-5, axis=None),
        Sample(array(3, 4), shift=(1, 2), axis=(0, 1)),
        Sample(array(3, 4), shift=(1, 2), axis=(1, 1)),
        Sample(array(3, 4), shift=1, axis=-1),
        Sample(array(), shift=1, axis=None),
        Sample(array(0, 2), shift=1, axis=0),
        Sample(array(3, 4, dtype=np.float32)[:, ::2], shift=1, axis=1),
        Sample(array(3, dtype=np.complex128), shift=1, axis=0),
    ],
    fails=tuple,
)


# ------------------------------------------------------------------ how a view is made


def array_raw(a: Any) -> Any:
    """Return the raw value of anything, as one of kind array (a scalar becomes 0-d)."""
    raw = raw_of(as_operand(a))
    if raw is NotImplemented:
        return np.asarray(a)
    if type(raw) is Traced:
        return raw if is_array_kind(raw) else with_kind(raw, aval_of(raw).with_kind("array"))
    return np.asarray(raw)


def as_array(a: Any) -> Any:
    """Return what ``np.asarray`` would make of an argument, at user level; of texts as well."""
    if isinstance(a, (list, tuple)) and not carries_handles(a):
        return np.asarray(a)
    return to_user(array_raw(a))


def _is_numpy_scalar(a: Any) -> bool:
    return aval_of(raw_of(a)).kind == "scalar"


def viewed(a: Any, step: Step) -> Any:
    """Return the part of `a` that a step leads to: a view of a handle, else a value."""
    if type(a) is Array:
        return make_view(a, step)
    return to_user(bind(read, array_raw(a), path=(step,)))


def transposed(a: Any, axes: tuple[int, ...]) -> Any:
    """Return `a` with its axes in the given order (all of them, non-negative)."""
    if type(a) is Array:
        return make_view(a, ("transpose", axes))
    if not axes and _is_numpy_scalar(a):
        return a
    return to_user(bind(transpose_primitive, array_raw(a), axes=axes))


def with_unit_axes(a: Any, shape: tuple[int, ...]) -> Any:
    """Return `a` with axes of length one added or removed: always a view."""
    if type(a) is Array:
        return make_view(a, ("reshape", shape, "C"))
    if not shape and _is_numpy_scalar(a):
        return a
    return to_user(bind(reshape_primitive, array_raw(a), shape=shape, order="C"))


def reshaped(a: Any, shape: Any, order: str = "C") -> Any:
    """Return `a` in another shape: a view if the strides of the innermost array allow it."""
    if type(a) is not Array:
        raw = raw_of(as_operand(a))
        if shape == () and _is_numpy_scalar(raw):
            return a
        if order == "A":
            order = "C"
        return to_user(bind(reshape_primitive, raw, shape=shape, order=order))
    raw = read_handle(a)
    plain = innermost(raw)
    if type(raw) is np.ndarray and _is_laid_out_somehow(a):
        order = _known_order(order, raw.shape)
        return _unrelated(a, raw.reshape(shape, order=order))  # type: ignore[call-overload]
    if type(plain) is np.ndarray:
        if order == "A":
            order = "F" if plain.flags.fnc else "C"
        made: Any = plain.reshape(shape, order=order)  # type: ignore[call-overload]
        if is_view_of(made, plain):
            return make_view(a, ("reshape", shape, order))
        return to_user(bind(reshape_primitive, raw, shape=shape, order=order))
    if is_unknown(plain):
        order = _known_order(order, shape_of(raw))
    order = "C" if order == "A" else order
    result = to_user(bind(reshape_primitive, raw, shape=shape, order=order))
    if is_unknown(plain):
        note_unknown_alias(a, result, "reshape", (shape, order))
    return result


def _is_laid_out_somehow(a: Array) -> bool:
    """Return whether an array was made in the layout of another one, which is not known."""
    root = a if a._root is None else a._root
    return root._relatives is not None


def _unrelated(a: Array, made: np.ndarray[Any, Any]) -> Array:
    """Return another form of an array: a view or a copy, so that neither may be written."""
    result = Array(made.copy())
    note_unknown_alias(a, result)
    return result


def _memory_order(plain: np.ndarray[Any, Any]) -> tuple[int, ...]:
    """Return the axes from the longest stride to the shortest, as ``order="K"`` visits them."""
    return tuple(sorted(range(plain.ndim), key=lambda axis: -abs(plain.strides[axis])))


def _known_order(order: str, shape: tuple[int, ...]) -> str:
    """Return an order for an array of unknown layout; an error where that decides."""
    if order not in ("A", "K"):
        return order
    if sum(length != 1 for length in shape) > 1 and 0 not in shape:
        raise StagingError(
            f"order={order!r} asks for the order of the entries in memory, which is not known "
            "while the program is staged or batched. Say order='C', the order of the indices."
        )
    return "C"


def _flattened(a: Any, order: str, *, copy: bool) -> Any:
    raw = array_raw(a)
    plain = innermost(raw)
    if is_unknown(plain):
        order = _known_order(order, shape_of(raw))
        result = to_user(bind(reshape_primitive, raw, shape=(-1,), order=order))
        if type(a) is Array and not copy:
            note_unknown_alias(a, result, "ravel", (order,))
        return result
    if type(a) is Array and not copy and type(raw) is np.ndarray and _is_laid_out_somehow(a):
        return _unrelated(a, plain.ravel(_known_order(order, plain.shape)))
    if order == "A":
        order = "F" if plain.flags.fnc else "C"
    axes = None
    if order == "K":
        order = "F" if plain.flags.fnc else "C"
        if not plain.flags.forc:
            axes = _memory_order(plain)
    if type(a) is Array and not copy:
        made = plain.ravel("K" if axes is not None else order)
        if is_view_of(made, plain):
            source = a if axes is None else make_view(a, ("transpose", axes))
            return make_view(source, ("reshape", (-1,), order))
    if axes is not None:
        raw = bind(transpose_primitive, raw, axes=axes)
    flat = bind(reshape_primitive, raw, shape=(-1,), order=order)
    if type(a) is Array and is_view_of(innermost(flat), plain):
        return to_user(raw_of(to_user(flat).copy()))
    return to_user(flat)


# ------------------------------------------------------------------ reshape, ravel, transpose


def _as_shape(shape: Any) -> tuple[int, ...]:
    if type(shape) is int:
        return (shape,)
    if isinstance(shape, (tuple, list)):
        return tuple([n if type(n) is int else operator.index(n) for n in shape])
    if ndim_of(shape):
        return tuple(operator.index(n) for n in shape)
    return (operator.index(shape),)


@implements(np.reshape)
def reshape(a: Any, /, shape: Any, order: Any = "C", *, copy: Any = None) -> Any:
    result = reshaped(a, _as_shape(shape), order or "C")
    if copy is None or type(a) is not Array:
        return result
    shares = type(result) is Array and result._root is not None
    if copy and shares:
        return result.copy()
    if copy is False and not shares:
        raise ValueError("Unable to avoid creating a copy while creating an array as requested.")
    return result


def reshape_method(self: Any, *shape: Any, order: Any = "C", copy: Any = None) -> Any:
    wanted = shape[0] if len(shape) == 1 and shape[0] is not None else shape
    return reshape(self, wanted, order, copy=copy)


@implements(np.ravel)
def ravel(a: Any, order: Any = "C") -> Any:
    return _flattened(a, order or "C", copy=False)


def flatten(self: Any, order: Any = "C") -> Any:
    return _flattened(self, order or "C", copy=True)


@implements(np.transpose)
def transpose(a: Any, axes: Any = None) -> Any:
    ndim = ndim_of(a)
    if axes is None:
        return transposed(a, tuple(range(ndim - 1, -1, -1)))
    order = (axes,) if isinstance(axes, int) else tuple(axes)
    if len(order) != ndim:
        raise ValueError(f"axes {order} don't match an array of shape {shape_of(a)}")
    order = tuple(normalize_axis_index(operator.index(axis), ndim) for axis in order)
    if len(set(order)) != ndim:
        raise ValueError("repeated axis in transpose")
    return transposed(a, order)


def transpose_method(self: Any, *axes: Any) -> Any:
    if len(axes) == 1 and (axes[0] is None or not isinstance(axes[0], (int, np.integer))):
        return transpose(self, axes[0])
    return transpose(self, axes or None)


def _transposed_attribute(self: Any) -> Any:
    if type(self) is Array:
        return make_view(self, ("transpose", None))
    return transpose(self)


@implements(np.matrix_transpose, np.linalg.matrix_transpose)
def matrix_transpose(x: Any, /) -> Any:
    ndim = ndim_of(x)
    if ndim < 2:
        raise ValueError(f"Input array must be at least 2-dimensional, but it is {ndim}")
    return transposed(x, (*range(ndim - 2), ndim - 1, ndim - 2))


@implements(np.swapaxes)
def swapaxes(a: Any, axis1: Any, axis2: Any) -> Any:
    ndim = ndim_of(a)
    first = normalize_axis_index(operator.index(axis1), ndim, "axis1")
    second = normalize_axis_index(operator.index(axis2), ndim, "axis2")
    order = list(range(ndim))
    order[first], order[second] = second, first
    return transposed(a, tuple(order))


@implements(np.moveaxis)
def moveaxis(a: Any, source: Any, destination: Any) -> Any:
    ndim = ndim_of(a)
    sources = normalize_axis_tuple(source, ndim, "source")
    destinations = normalize_axis_tuple(destination, ndim, "destination")
    if len(sources) != len(destinations):
        raise ValueError(
            "`source` and `destination` arguments must have the same number of elements"
        )
    order = [axis for axis in range(ndim) if axis not in sources]
    for to, axis in sorted(zip(destinations, sources, strict=True)):
        order.insert(to, axis)
    return transposed(a, tuple(order))


@implements(np.rollaxis)
def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    ndim = ndim_of(a)
    axis = normalize_axis_index(axis, ndim)
    if not -ndim <= start <= ndim:
        raise np.exceptions.AxisError(
            f"'start' arg requires {-ndim} <= start < {ndim + 1}, but {start} was passed in"
        )
    if start < 0:
        start += ndim
    if axis < start:  # it has been removed
        start -= 1
    order = [i for i in range(ndim) if i != axis]
    order.insert(start, axis)
    return transposed(a, tuple(order))


# ------------------------------------------------------------------ axes of length one


@implements(np.expand_dims)
def expand_dims(a: Any, axis: Any) -> Any:
    old = shape_of(a)
    if type(axis) is int and 0 <= axis <= len(old):
        return with_unit_axes(a, (*old[:axis], 1, *old[axis:]))
    entries = axis if isinstance(axis, (tuple, list)) else (axis,)
    ndim = len(old) + len(entries)
    places = normalize_axis_tuple(entries, ndim)
    lengths = iter(old)
    return with_unit_axes(a, tuple(1 if i in places else next(lengths) for i in range(ndim)))


@implements(np.squeeze)
def squeeze(a: Any, axis: Any = None) -> Any:
    old = shape_of(a)
    if axis is None:
        return with_unit_axes(a, tuple(n for n in old if n != 1))
    entries = axis if isinstance(axis, (tuple, list)) else (axis,)
    places = normalize_axis_tuple(entries, len(old))
    if any(old[i] != 1 for i in places):
        raise ValueError("cannot select an axis to squeeze out which has size not equal to one")
    return with_unit_axes(a, tuple(n for i, n in enumerate(old) if i not in places))


def _one_or_all(results: list[Any]) -> Any:
    return results[0] if len(results) == 1 else tuple(results)


def _at_least(a: Any, ndim: int) -> Any:
    a = as_operand(a)
    shape = shape_of(a)
    if len(shape) >= ndim:
        return a
    if ndim == 1:
        return with_unit_axes(a, (1,))
    if ndim == 2:
        return with_unit_axes(a, (1, *shape) if shape else (1, 1))
    return with_unit_axes(a, {0: (1, 1, 1), 1: (1, *shape, 1), 2: (*shape, 1)}[len(shape)])


@implements(np.atleast_1d)
def atleast_1d(*arys: Any) -> Any:
    return _one_or_all([_at_least(a, 1) for a in arys])


@implements(np.atleast_2d)
def atleast_2d(*arys: Any) -> Any:
    return _one_or_all([_at_least(a, 2) for a in arys])


@implements(np.atleast_3d)
def atleast_3d(*arys: Any) -> Any:
    return _one_or_all([_at_least(a, 3) for a in arys])


# ------------------------------------------------------------------ broadcasting


@implements(np.broadcast_to)
def broadcast_to(array: Any, shape: Any, subok: bool = False) -> Any:
    shape = _as_shape(shape)
    if type(array) is not Array:
        return to_user(bind(broadcast_primitive, raw_of(as_operand(array)), shape=shape))
    return make_view(array, ("broadcast", shape))


@implements(np.broadcast_arrays)
def broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Any, ...]:
    operands = [as_operand(a) for a in args]
    shape = np.broadcast_shapes(*(shape_of(a) for a in operands))
    return tuple(
        a if shape_of(a) == shape and aval_of(raw_of(a)).kind == "array" else broadcast_to(a, shape)
        for a in operands
    )


# ------------------------------------------------------------------ rolls


@implements(np.roll)
def roll(a: Any, shift: Any, axis: Any = None) -> Any:
    shifts = tuple(map(operator.index, shift)) if ndim_of(shift) else operator.index(shift)
    if isinstance(axis, list):
        axis = tuple(axis)
    return to_user(bind(roll_primitive, array_raw(a), shift=shifts, axis=axis))


# ------------------------------------------------------------------ diagonals


def diagonal_view(a: Any, offset: int, axis1: int, axis2: int) -> Any:
    ndim = ndim_of(a)
    if ndim < 2:
        raise ValueError("diag requires an array of at least two dimensions")
    first = normalize_axis_index(axis1, ndim, "axis1")
    second = normalize_axis_index(axis2, ndim, "axis2")
    if first == second:
        raise ValueError("axis1 and axis2 cannot be the same")
    return viewed(a, ("diagonal", operator.index(offset), first, second))


@implements(np.diagonal)
def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return diagonal_view(a, offset, axis1, axis2)


@implements(np.linalg.diagonal)
def linalg_diagonal(x: Any, /, *, offset: int = 0) -> Any:
    return diagonal_view(x, offset, -2, -1)


_methods: dict[str, Any] = {
    "reshape": reshape_method,
    "ravel": ravel,
    "flatten": flatten,
    "transpose": transpose_method,
    "swapaxes": swapaxes,
    "squeeze": squeeze,
    "diagonal": diagonal,
}
for _name, _method in _methods.items():
    install_method(_name, _method)

install_attribute("T", _transposed_attribute)
install_attribute("mT", matrix_transpose)
