"""Paths under a batch axis: the same views of every example, as one path on all of them.

Each step of a path is translated to one that leaves the batch axis, in front, alone. An index whose
integers differ between examples becomes an advanced index that names the example too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..ir.aval import Aval
from ..ir.paths import IndexOperand, Path, Step, apply_step, part_shape, resolved, resolved_shape
from ..ir.primitive import Primitive
from ..tracing.core import bind, ndim_of, raw_of, shape_of, to_user
from .batch_rules import (
    Axis,
    BatchRule,
    batch_size,
    front,
    in_shape,
    logical_aval,
    logical_shape,
    padded,
    spread_over,
)


class Lifted(NamedTuple):
    """A path on batched values.

    ``order`` says how to transpose what the path leads to so that the batch axis comes first and
    the others follow as in one example; None where they stand so.
    """

    path: Path
    indices: tuple[Any, ...]
    order: tuple[int, ...] | None


def infer_part(base: Aval, indices: Sequence[Aval], path: Path) -> Aval:
    """Return the Aval of the part that a path leads to; any positions have the shape of all."""
    if indices:
        path = resolved(path, [np.broadcast_to(np.intp(0), index.shape) for index in indices])
    stand_in, is_scalar = part_shape(base.shape, base.dtype, path)
    return Aval(stand_in.shape, stand_in.dtype, "scalar" if is_scalar else "array")


def lift(
    path: Path,
    aval: Aval,
    indices: Sequence[Any],
    axes: Sequence[Axis],
    *,
    size: int,
    batched: bool,
) -> Lifted:
    """Translate the path of one example to one of all.

    Parameters
    ----------
    path : Path
    aval : Aval
        Of one example's array.
    indices, axes : sequences
        The path's index operands and their batch axes.
    size : int
        The number of examples.
    batched : bool
        Whether the array has a batch axis, which is the first; without one a step by a batched
        index brings it.
    """
    operands = [
        index if axis is None else front(index, axis)
        for index, axis in zip(indices, axes, strict=True)
    ]
    steps: list[Step] = []
    order: tuple[int, ...] | None = None
    stand_in = np.broadcast_to(np.zeros((), aval.dtype), aval.shape)
    some_index = [
        np.broadcast_to(np.intp(0), logical_shape(index, axis))
        for index, axis in zip(indices, axes, strict=True)
    ]
    for step in path:
        if order is not None:  # only the last step's layout is left to the caller
            steps.append(("transpose", order))
            order = None
        (plain,) = resolved((step,), some_index)
        if step[0] == "index":
            key = step[1] if isinstance(step[1], tuple) else (step[1],)
            if any(type(e) is IndexOperand and axes[e.number] is not None for e in key):
                made, order = _by_example(key, stand_in.shape, operands, axes, size, batched)
                steps.append(("index", made))
                batched = True
            elif batched:
                made, order = _beside(key, stand_in.shape)
                steps.append(("index", made))
            else:
                steps.append(step)
        elif batched:
            steps += _translated(step, stand_in.shape, size)
        else:
            steps.append(step)
        if step[0] == "reshape":
            shape = resolved_shape(stand_in.shape, step[1])
            stand_in = np.broadcast_to(np.zeros((), stand_in.dtype), shape)
        else:
            stand_in = apply_step(stand_in, plain)
    return Lifted(tuple(steps), tuple(operands), order)


def _translated(step: Step, shape: tuple[int, ...], size: int) -> list[Step]:
    """Translate a step that is no index; the batch axis comes first."""
    name = step[0]
    ndim = len(shape)
    if name == "transpose":
        axes = range(ndim)[::-1] if step[1] is None else [axis % ndim for axis in step[1]]
        return [("transpose", (0, *(axis + 1 for axis in axes)))]
    if name == "reshape":
        new = resolved_shape(shape, step[1])
        if step[2] != "F":
            return [("reshape", (size, *new), step[2])]
        # In Fortran's order: the axes turned round, in_shape in C's order, and turned back.
        return [
            ("transpose", (0, *range(ndim, 0, -1))),
            ("reshape", (size, *new[::-1]), "C"),
            ("transpose", (0, *range(len(new), 0, -1))),
        ]
    if name == "diagonal":
        return [("diagonal", step[1], step[2] % ndim + 1, step[3] % ndim + 1)]
    if name == "broadcast":
        lengths = (size, *(1,) * (len(step[1]) - ndim), *shape)
        return [("reshape", lengths, "C"), ("broadcast", (size, *step[1]))]
    return [step]  # real, imag, view: of each entry, or of the last axis


# ------------------------------------------------------------------ indices


def _expanded(key: tuple[Any, ...], ndim: int) -> list[Any]:
    """Return an index with one entry an axis: no ellipsis, no truth values."""
    entries: list[Any] = []
    for entry in key:
        if isinstance(entry, (bool, np.bool_)):
            entry = np.asarray(entry)
        if isinstance(entry, np.ndarray) and entry.dtype == np.bool_:
            if entry.ndim:
                entries += list(np.nonzero(entry))
            else:  # an axis of length 1, or 0
                entries += [None, np.nonzero(np.atleast_1d(entry))[0]]
        else:
            entries.append(np.asarray(entry) if isinstance(entry, list) else entry)
    used = sum(entry is not None and entry is not Ellipsis for entry in entries)
    rest = [slice(None)] * (ndim - used)
    for position, entry in enumerate(entries):
        if entry is Ellipsis:
            return entries[:position] + rest + entries[position + 1 :]
    return entries + rest


def _is_array(entry: Any) -> bool:
    return isinstance(entry, np.ndarray) or (type(entry) is IndexOperand and entry.ndim > 0)


def _is_kept(entry: Any) -> bool:
    """Return whether an entry leaves an axis of its own in the result, or makes one."""
    return entry is None or isinstance(entry, slice)


def _block(entries: Sequence[Any], advanced: Sequence[bool]) -> int:
    """Return before how many kept axes the axes of an advanced index come: 0 where it is parted."""
    places = [i for i, flag in enumerate(advanced) if flag]
    if places[-1] - places[0] + 1 != len(places):
        return 0
    return sum(map(_is_kept, entries[: places[0]]))


def _beside(key: tuple[Any, ...], shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Translate an index that is the same for all examples."""
    if not any(isinstance(entry, (np.ndarray, list)) or _is_array(entry) for entry in key):
        return (slice(None), *key), None
    entries = _expanded(key, len(shape))
    arrays = [entry for entry in entries if _is_array(entry)]
    advanced = [not _is_kept(entry) for entry in entries]
    places = [i for i, flag in enumerate(advanced) if flag]
    if places[-1] - places[0] + 1 == len(places):
        return (slice(None), *entries), None
    # Parted by slices: NumPy puts their axes before all others, the batch axis too.
    ndim = max(entry.ndim for entry in arrays)
    rest = sum(map(_is_kept, entries))
    order = (ndim, *range(ndim), *range(ndim + 1, ndim + 1 + rest))
    return (slice(None), *entries), order


def _by_example(
    key: tuple[Any, ...],
    shape: tuple[int, ...],
    operands: list[Any],
    axes: Sequence[Axis],
    size: int,
    batched: bool,
) -> tuple[Any, Any]:
    """Translate an index of which some integers differ between examples.

    Shapes the batched operands so that they broadcast: the batch axis, then the axes of the
    advanced index.
    """
    entries = _expanded(key, len(shape))
    logical = [entry for entry in entries if _is_array(entry)]
    ndim = max((entry.ndim for entry in logical), default=0)
    before = _block(entries, [not _is_kept(entry) for entry in entries]) if logical else 0
    made: list[Any] = []
    for entry in entries:
        if type(entry) is IndexOperand and axes[entry.number] is not None:
            value = operands[entry.number]
            lengths = shape_of(value)
            missing = ndim + 1 - len(lengths)
            if missing:
                value = in_shape(value, (lengths[0], *(1,) * missing, *lengths[1:]))
                operands[entry.number] = value
            entry = IndexOperand(entry.number, ndim + 1)
        made.append(entry)
    if batched:
        made.insert(0, np.arange(size).reshape((size, *(1,) * ndim)))
    place = _block(made, [not _is_kept(entry) for entry in made])
    rest = sum(map(_is_kept, made))
    # What the index gives: `place` kept axes, the batch axis, `ndim` axes, the other kept axes.
    kept = [*range(place), *range(place + 1 + ndim, 1 + ndim + rest)]
    block = range(place + 1, place + 1 + ndim)
    order = (place, *kept[:before], *block, *kept[before:])
    return tuple(made), None if order == tuple(range(len(order))) else order


# ------------------------------------------------------------------ reading and writing


def read_rule(primitive: Primitive) -> BatchRule:
    """Return the batch rule of ``read``."""

    def batch(values: Sequence[Any], axes: Sequence[Axis], params: dict[str, Any]) -> Any:
        base, *indices = values
        lifted = lift(
            params["path"],
            logical_aval(base, axes[0]),
            indices,
            axes[1:],
            size=batch_size(values, axes),
            batched=axes[0] is not None,
        )
        found = bind(primitive, front(base, axes[0]), *lifted.indices, path=lifted.path)
        if lifted.order is not None:
            found = raw_of(np.transpose(to_user(found), lifted.order))
        return found, 0

    return batch


def _without_extra_axes(value: Any, axis: Axis, ndim: int, size: int) -> tuple[Any, Axis]:
    """Return a value and its batch axis without axes, of one entry, that the part has not."""
    given = logical_aval(value, axis)
    extra = given.ndim - ndim
    if extra <= 0:
        return value, axis
    shape = given.shape[extra:]
    if axis is None:
        return in_shape(value, shape), None
    return in_shape(front(value, axis), (size, *shape)), 0


def write_rule(primitive: Primitive) -> BatchRule:
    """Return the batch rule of ``write`` and ``indexed_add``: one array holds all examples'."""

    def batch(values: Sequence[Any], axes: Sequence[Axis], params: dict[str, Any]) -> Any:
        base, value, *indices = values
        in_place, size = params.get("in_place", False), batch_size(values, axes)
        aval = logical_aval(base, axes[0])
        logical = [logical_aval(v, axis) for v, axis in zip(indices, axes[2:], strict=True)]
        part = infer_part(aval, logical, params["path"])
        if axes[0] is None:
            in_place = type(base) is np.ndarray
            if in_place:  # laid out as one example after the other
                base, shared = np.empty((size, *aval.shape), aval.dtype), base
                base[...] = shared
            else:
                base = spread_over(base, None, size)
        lifted = lift(params["path"], aval, indices, axes[2:], size=size, batched=True)
        value = padded(*_without_extra_axes(value, axes[1], part.ndim, size), part.ndim)
        if lifted.order is not None:
            missing = part.ndim + 1 - ndim_of(value)
            if missing:  # the same for all examples
                value = in_shape(value, (*(1,) * missing, *shape_of(value)))
            back = sorted(range(part.ndim + 1), key=lifted.order.__getitem__)
            value = raw_of(np.transpose(to_user(value), back))
        base = front(base, axes[0])
        keywords = {"path": lifted.path, "in_place": in_place}
        return bind(primitive, base, value, *lifted.indices, **keywords), 0

    return batch
