"""Batch rules of whole families: where the batch axis of operands goes, and of the result comes.

A rule is ``batch(values, axes, params) -> (ans, axis)``. Values are one level down; ``axes[i]`` is
where an operand has its batch axis, None where it has none. "Logical" is what one example sees.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..ir.aval import Aval, aval_of, zeros_of
from ..ir.primitive import Primitive
from ..tracing.core import bind, ndim_of, raw_of, shape_of

Axis = int | None
BatchRule = Callable[[Sequence[Any], Sequence[Axis], dict[str, Any]], tuple[Any, Any]]

# ------------------------------------------------------------------ moving axes


def moved(value: Any, source: int, target: int) -> Any:
    """Return a raw value with one axis (non-negative) at another place."""
    if source == target:
        return value
    order = [axis for axis in range(ndim_of(value)) if axis != source]
    order.insert(target, source)
    if type(value) is np.ndarray:
        return value.transpose(order)
    return raw_of(np.transpose(value, order))


def in_shape(value: Any, shape: tuple[int, ...]) -> Any:
    """Return a raw value in another shape."""
    return value.reshape(shape) if type(value) is np.ndarray else raw_of(np.reshape(value, shape))


def front(value: Any, axis: Axis) -> Any:
    """Return a value with its batch axis first; as it is where it has none."""
    return value if not axis else moved(value, axis, 0)


def batch_size(values: Sequence[Any], axes: Sequence[Axis]) -> int:
    """Return the number of examples."""
    for value, axis in zip(values, axes, strict=True):
        if axis is not None:
            return int(shape_of(value)[axis])
    raise AssertionError("a batch rule needs a batched operand")


def logical_ndim(value: Any, axis: Axis) -> int:
    """Return the number of axes that one example has."""
    return ndim_of(value) - (axis is not None)


def logical_shape(value: Any, axis: Axis) -> tuple[int, ...]:
    """Return the shape that one example has."""
    shape = shape_of(value)
    return shape if axis is None else shape[:axis] + shape[axis + 1 :]


def logical_aval(value: Any, axis: Axis) -> Aval:
    """Return what is known of one example."""
    aval = aval_of(value)
    if axis is None:
        return aval
    shape = logical_shape(value, axis)
    return Aval(shape, aval.dtype, "array" if shape else "scalar")


def padded(value: Any, axis: Axis, ndim: int) -> Any:
    """Return a value, batch axis first, that broadcasts against examples of `ndim` axes."""
    value = front(value, axis)
    missing = ndim - logical_ndim(value, axis)
    if axis is None or missing <= 0:
        return value
    shape = shape_of(value)
    return in_shape(value, (shape[0], *(1,) * missing, *shape[1:]))


def spread_over(value: Any, axis: Axis, size: int) -> Any:
    """Return a value with its batch axis first, repeated along a new one where it has none."""
    if axis is not None:
        return front(value, axis)
    return raw_of(np.broadcast_to(value, (size, *shape_of(value))))


# ------------------------------------------------------------------ entry by entry


def entrywise(primitive: Primitive) -> BatchRule:
    """Return the rule of a primitive that acts on each entry of operands that broadcast."""

    def batch(values: Sequence[Any], axes: Sequence[Axis], params: dict[str, Any]) -> Any:
        place = _common_axis(values, axes)
        if place is None:
            place = 0
            ndim = max(map(logical_ndim, values, axes))
            values = [padded(value, axis, ndim) for value, axis in zip(values, axes, strict=True)]
        ans = bind(primitive, *values, **params)
        return ans, (place,) * len(ans) if primitive.multiple else place

    return batch


def _common_axis(values: Sequence[Any], axes: Sequence[Axis]) -> Axis:
    """Return the batch axis of operands that match as they are: of one shape, or numbers."""
    place: Axis = None
    ndim = 0
    for value, axis in zip(values, axes, strict=True):
        found = ndim_of(value)
        if axis is None:
            if found:
                return None
        elif place is None:
            place, ndim = axis, found
        elif axis != place or found != ndim:
            return None
    return place


# ------------------------------------------------------------------ along axes


def shifted(axes: Sequence[int], place: int) -> tuple[int, ...]:
    """Return logical axes (non-negative) as those of a value with its batch axis at `place`."""
    return tuple(axis + (axis >= place) for axis in axes)


def reducing(primitive: Primitive, name: str = "axes") -> BatchRule:
    """Return the rule of a reduction of one operand: parameters ``axes`` and ``keepdims``."""

    def batch(values: Sequence[Any], axes: Sequence[Axis], params: dict[str, Any]) -> Any:
        (x,), (place,) = values, axes
        assert place is not None
        chosen = params[name]
        logical = range(ndim_of(x) - 1) if chosen is None else chosen
        chosen = shifted(logical, place)
        ans = bind(primitive, x, **{**params, name: chosen})
        if not params["keepdims"]:
            place -= sum(axis < place for axis in chosen)
        return ans, place

    return batch


def reducing_masked(primitive: Primitive, single: str) -> BatchRule:
    """Return the rule of a reduction ``(x, single, …, where)`` with keywords given by name.

    The operand named `single` can be one number only, for NumPy: where it differs between
    examples, they are reduced one by one.
    """
    loop = one_by_one(primitive)

    def batch(values: Sequence[Any], axes: Sequence[Axis], params: dict[str, Any]) -> Any:
        x_ndim = logical_ndim(values[0], axes[0])
        if single and axes[1] is not None and single in params.get("given", ()):
            return loop(values, axes, params)
        size = batch_size(values, axes)
        operands = [spread_over(values[0], axes[0], size)]
        for value, axis in zip(values[1:], axes[1:], strict=True):
            operands.append(padded(value, axis, x_ndim))
        chosen = params["axes"]
        chosen = shifted(range(x_ndim) if chosen is None else chosen, 0)
        return bind(primitive, *operands, **{**params, "axes": chosen}), 0

    return batch


def along_axis(primitive: Primitive, *, flattens: bool = False) -> BatchRule:
    """Return the rule of a primitive along ``axis`` whose operands have one shape, or broadcast.

    With `flattens`, None means all entries in one row.
    """

    def batch(values: Sequence[Any], axes: Sequence[Axis], params: dict[str, Any]) -> Any:
        ndim = max(map(logical_ndim, values, axes))
        size = batch_size(values, axes)
        operands = [spread_over(v, axis, size) for v, axis in zip(values, axes, strict=True)]
        axis = params["axis"]
        if axis is None and flattens:
            operands = [in_shape(value, (size, -1)) for value in operands]
            axis = 0
            if params.get("keepdims"):
                ans = bind(primitive, *operands, **{**params, "axis": 1})
                return in_shape(ans, (size, *(1,) * ndim)), 0
        return bind(primitive, *operands, **{**params, "axis": axis % max(ndim, 1) + 1}), 0

    return batch


def unchanged(primitive: Primitive) -> BatchRule:
    """Return the rule of a primitive of the last axes of one operand, any others in front."""

    def batch(values: Sequence[Any], axes: Sequence[Axis], params: dict[str, Any]) -> Any:
        return bind(primitive, front(values[0], axes[0]), **params), 0

    return batch


def sought(primitive: Primitive, place: int) -> BatchRule:
    """Return the rule of a search for each entry of one operand in the others, the same for all.

    Where the others differ between examples, these are searched one by one.
    """
    loop = one_by_one(primitive)

    def batch(values: Sequence[Any], axes: Sequence[Axis], params: dict[str, Any]) -> Any:
        if any(axis is not None for i, axis in enumerate(axes) if i != place):
            return loop(values, axes, params)
        return bind(primitive, *values, **params), axes[place]

    return batch


# ------------------------------------------------------------------ core signatures


def by_signature(
    primitive: Primitive,
    inputs: Sequence[Sequence[str]],
    outputs: Sequence[Sequence[str]],
    optional: set[str],
) -> BatchRule:
    """Return the rule of a primitive of core axes: the batch axis joins those in front.

    A vector where the signature allows a matrix (``m?``) becomes one with an axis of length 1,
    which is taken out of the result.
    """

    def batch(values: Sequence[Any], axes: Sequence[Axis], params: dict[str, Any]) -> Any:
        ndims = list(map(logical_ndim, values, axes))
        absent = _absent(inputs, ndims, optional)
        ndim = max(
            n - sum(name not in absent for name in names)
            for n, names in zip(ndims, inputs, strict=True)
        )
        operands = []
        for value, axis, names, n in zip(values, axes, inputs, ndims, strict=True):
            present = sum(name not in absent for name in names)
            value = (
                padded(value, axis, ndim + present) if n > present or axis is not None else value
            )
            if any(name in absent for name in names):
                shape = list(shape_of(value))
                start = len(shape) - present
                for position, name in enumerate(names):
                    if name in absent:
                        shape.insert(start + position, 1)
                value = in_shape(value, tuple(shape))
            operands.append(value)
        ans = bind(primitive, *operands, **params)
        if not absent:
            return (ans, (0,) * len(ans)) if primitive.multiple else (ans, 0)
        found = shape_of(ans)
        split = len(found) - len(outputs[0])
        kept = tuple(
            length
            for length, name in zip(found[split:], outputs[0], strict=True)
            if name not in absent
        )
        return in_shape(ans, (*found[:split], *kept)), 0

    return batch


def _absent(
    inputs: Sequence[Sequence[str]], ndims: Sequence[int], optional: set[str]
) -> frozenset[str]:
    """Return the core dimensions that an operand is too short for; they are absent everywhere."""
    found: set[str] = set()
    for names, ndim in zip(inputs, ndims, strict=True):
        missing = len(names) - ndim
        possible = [name for name in names if name in optional]
        found.update(possible[: max(missing, 0)])
    return frozenset(found)


# ------------------------------------------------------------------ one by one


def one_by_one(primitive: Primitive) -> BatchRule:
    """Return the rule that runs the examples one after the other and stacks their results."""

    def batch(values: Sequence[Any], axes: Sequence[Axis], params: dict[str, Any]) -> Any:
        params = {key: value for key, value in params.items() if key != "in_place"}
        size = batch_size(values, axes)
        if not size:
            return _none_of(primitive, values, axes, params)
        rows = []
        for i in range(size):
            examples = [
                value if axis is None else example_of(value, axis, i)
                for value, axis in zip(values, axes, strict=True)
            ]
            rows.append(bind(primitive, *examples, **params))
        if primitive.multiple:
            columns = tuple(_stacked(column) for column in zip(*rows, strict=True))
            return columns, (0,) * len(columns)
        return _stacked(rows), 0

    batch.one_by_one = True  # type: ignore[attr-defined]
    return batch


def _stacked(rows: Sequence[Any]) -> Any:
    return raw_of(np.stack(rows))


def example_of(value: Any, axis: int, i: int) -> Any:
    """Return one example of a batched raw value."""
    key: Any = (*(slice(None),) * axis, i)
    return value[key] if type(value) is np.ndarray else raw_of(np.moveaxis(value, axis, 0)[i])


def _none_of(
    primitive: Primitive, values: Sequence[Any], axes: Sequence[Axis], params: dict[str, Any]
) -> Any:
    """Return the result of no example: empty, of the shape that one would have."""
    avals = [logical_aval(value, axis) for value, axis in zip(values, axes, strict=True)]
    inferred = primitive.infer(*avals, **params)
    if primitive.multiple:
        empty = tuple(zeros_of(Aval((0, *aval.shape), aval.dtype)) for aval in inferred)
        return empty, (0,) * len(empty)
    return zeros_of(Aval((0, *inferred.shape), inferred.dtype)), 0
