"""Indexed reading and writing: the primitives ``read``, ``write`` and ``indexed_add``.

All that views and in-place writes need. Each is linear; each one's transpose is made of the others.
Where an index is not known when the operation is recorded (staging, batching), its value is an
operand: ``read(base, *indices; path)``, ``write(base, value, *indices; path)``, likewise
``indexed_add``; in the path `IndexOperand` ``(k, ndim)`` marks the place of the k-th of them.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir.aval import Aval, aval_of
from ..ir.cotangent import Masked, Part
from ..ir.paths import (
    IndexOperand,
    Path,
    apply_step,
    follow,
    is_advanced,
    is_basic_index,
    resolved,
    resolved_shape,
    store,
    through_imaginary,
    winners,
)
from ..ir.primitive import Primitive
from ..tracing.core import (
    bind,
    detached,
    install_path_primitives,
    raw_of,
    to_user,
)
from ..tracing.decisions import certain
from ..tracing.operators import install_reading
from .batch_paths import infer_part, lift, read_rule, write_rule
from .batch_rules import BatchRule, batch_size
from .constant_family import constant
from .projection import cast, project, project_masked
from .samples import Fail, Sample, array

# ------------------------------------------------------------------ read


def _infer_read(base: Aval, *indices: Aval, path: Path) -> Aval:
    return infer_part(base, indices, path)


def _tangent_read(ans: Any, primals: Any, tangents: Any, params: dict[str, Any]) -> Any:
    return bind(read, tangents[0], *primals[1:], **params)


def _reverse_read(which: Any, values: Any, ans: Any, params: dict[str, Any]) -> Any:
    path = params["path"]
    if len(values) == 1:
        if len(path) == 1 and path[0][0] == "index":
            return _pull_read, (path, aval_of(values[0]))
    else:
        indices = tuple(values[1:])
        if any(step[0] not in _ENTRIES for step in path):
            return _pull_read_of_views, (path, aval_of(values[0]), indices)
        return _pull_read_at, (path, aval_of(values[0]), indices)
    if any(step[0] == "view" for step in path):
        return _pull_read_of_views, (path, aval_of(values[0]), ())
    if through_imaginary(path):
        pull = _pull_read_of_parts
    elif path[-1][0] != "index" and all(step[0] in _WHOLE for step in path):
        pull = _pull_rearranged
    elif any(step[0] == "broadcast" for step in path):
        pull = _pull_broadcast
    else:
        pull = _pull_read
    return pull, (path, aval_of(values[0]))


def _pull_read(cotangent: Any, residuals: Any) -> Part:
    path, aval = residuals
    return Part(cotangent, path, aval)


def _pull_read_masked(cotangent: Masked, residuals: Any) -> Part:
    path, aval = residuals
    return Part(cotangent.value, path, aval, cotangent.mask)


_pull_read.masked = _pull_read_masked  # type: ignore[attr-defined]


def _pull_read_at(cotangent: Any, residuals: Any) -> Part:
    path, aval, indices = residuals
    return Part(cotangent, path, aval, True, indices)


def _pull_read_at_masked(cotangent: Masked, residuals: Any) -> Part:
    path, aval, indices = residuals
    return Part(cotangent.value, path, aval, cotangent.mask, indices)


_pull_read_at.masked = _pull_read_at_masked  # type: ignore[attr-defined]

# Steps that lead to entries as they are, each to one place.
_ENTRIES = frozenset({"index", "transpose", "reshape", "diagonal"})

# Steps after which every entry is still there once: undone without a buffer of zeros.
_WHOLE = frozenset({"transpose", "reshape"})


def _pull_rearranged(cotangent: Any, residuals: Any) -> Any:
    path, aval = residuals
    return _rearranged_back(cotangent, path, aval.shape)


def _pull_rearranged_masked(cotangent: Masked, residuals: Any) -> Masked:
    path, aval = residuals
    return Masked(
        _rearranged_back(cotangent.value, path, aval.shape),
        _rearranged_back(cotangent.mask, path, aval.shape),
    )


_pull_rearranged.masked = _pull_rearranged_masked  # type: ignore[attr-defined]


def _rearranged_back(value: Any, path: Path, shape: tuple[int, ...]) -> Any:
    shapes = []
    for step in path:
        shapes.append(shape)
        if step[0] == "transpose":
            axes = step[1]
            shape = shape[::-1] if axes is None else tuple(shape[axis] for axis in axes)
        else:
            shape = resolved_shape(shape, step[1])
    for step, before in zip(reversed(path), reversed(shapes), strict=True):
        if step[0] == "reshape":
            value = np.reshape(value, before, order=step[2])
        elif step[1] is None:
            value = np.transpose(value)
        else:
            axes = [axis % len(before) for axis in step[1]]
            value = np.transpose(value, sorted(range(len(before)), key=axes.__getitem__))
    return value


def _pull_broadcast(cotangent: Any, residuals: Any) -> Any:
    """Pull back through a broadcasting step: dense over what was broadcast, then summed."""
    path, aval = residuals
    where = next(i for i, step in enumerate(path) if step[0] == "broadcast")
    before, after = path[:where], path[where + 1 :]
    if after:
        spread = Aval(path[where][1], aval.dtype)
        found: Any = Part(cotangent, after, spread)
        if any(step[0] == "broadcast" for step in after):
            found = _pull_broadcast(cotangent, (after, spread))
        cotangent = dense_part(found) if type(found) is Part else found
    if not before:
        return project(cotangent, aval)
    return Part(project(cotangent, _infer_read(aval, path=before)), before, aval)


def dense_part(part: Part) -> Any:
    """Return the dense array that a part stands for."""
    zeros = np.zeros(part.aval.shape, part.aval.dtype)
    return bind(indexed_add, zeros, part.value, *part.indices, path=part.path, in_place=True)


def own_mask(mask: Any) -> Any:
    """Return a mask that may be written in place."""
    raw = raw_of(mask)
    return raw.copy() if type(raw) is np.ndarray else raw


def marked(mask: Any, part: Any, path: Path, indices: tuple[Any, ...] = ()) -> Any:
    """Return a mask, which nobody else holds, with the entries of a part added; True is all."""
    if part is True:
        return bind(write, mask, True, *indices, path=path, in_place=True)
    return bind(indexed_add, mask, part, *indices, path=path, in_place=True)


def _pull_read_of_views(cotangent: Any, residuals: Any) -> Any:
    """Pull back through a change of dtype between complex numbers and pairs of real ones."""
    path, aval, indices = residuals
    zeros = np.zeros(aval.shape, aval.dtype)
    conjugate = np.conj(cotangent)
    return np.conj(bind(indexed_add, zeros, conjugate, *indices, path=path, in_place=True))


def _pull_read_of_parts(cotangent: Any, residuals: Any) -> Any:
    return _pull_read_of_masked_parts(Masked(cotangent, None), residuals)


def _pull_read_of_masked_parts(cotangent: Masked, residuals: Any) -> Any:
    """Pull back through real or imaginary parts: <g, t> = Re(g t) makes the transpose of Im -i."""
    path, aval = residuals
    where = next(i for i, step in enumerate(path) if step[0] in ("real", "imag"))
    before, after = path[:where], path[where + 1 :]
    whole = _infer_read(aval, path=before) if before else aval
    part = _infer_read(whole, path=path[where : where + 1])
    value, mask = _pulled(cotangent.value, cotangent.mask, after, part)
    value = cast(-1j * value if path[where][0] == "imag" else value, aval.dtype)
    if not before:
        return value if mask is None else Masked(value, mask)
    pull, kept = _reverse_read((0,), (aval,), None, {"path": before})
    masked = getattr(pull, "masked", None)
    if mask is None or masked is None:
        return pull(value, kept)
    return masked(Masked(value, mask), kept)


_pull_read_of_parts.masked = _pull_read_of_masked_parts  # type: ignore[attr-defined]


def _pulled(value: Any, mask: Any, path: Path, aval: Aval) -> tuple[Any, Any]:
    """Return the dense cotangent of what `path` was followed from, and its mask or None."""
    if not path:
        return value, mask
    pull, kept = _reverse_read((0,), (aval,), None, {"path": path})
    masked = getattr(pull, "masked", None)
    if mask is None or masked is None:
        found = pull(value, kept)
    else:
        found = masked(Masked(value, mask), kept)
    if type(found) is Part:
        return dense_part(found), marked(np.zeros(aval.shape, bool), found.mask, found.path)
    return (found.value, found.mask) if type(found) is Masked else (found, None)


def _samples_read() -> list[Sample]:
    x = array(3, 4)
    return [
        Sample(x, path=(("index", 1),)),
        Sample(x, path=(("index", (2, 3)),)),
        Sample(x, path=(("index", (slice(None, None, -2), None)),)),
        Sample(x, path=(("index", np.array([2, 0, 2])),)),
        Sample(x, path=(("index", x > 0),)),
        Sample(x, path=(("transpose", (1, 0)), ("index", slice(1, 3)))),
        Sample(x, path=(("reshape", (2, 6), "C"), ("index", (Ellipsis, 1)))),
        Sample(array(3, 4, dtype=np.float32), path=(("index", (slice(0, 0),)),)),
        Sample(array(3, dtype=np.complex128), path=(("index", slice(1, 3)),)),
        Sample(array(3, dtype=np.complex128), path=(("real",),)),
        Sample(
            array(2, 3, dtype=np.complex64), path=(("index", 1), ("imag",), ("index", [2, 0, 2]))
        ),
        Sample(array(3, dtype=np.complex128), path=(("broadcast", (2, 3)), ("imag",))),
        Sample(array(2, 3, 4), path=(("transpose", (1, -1, 0)), ("reshape", (4, -1), "F"))),
        Sample(x, path=(("diagonal", 1, 0, 1),)),
        Sample(array(2, 3, dtype=np.complex128), path=(("view", np.dtype(float)),)),
        Sample(array(2, 6), path=(("index", 1), ("view", np.dtype(complex)))),
        Sample(x, path=(("index", 1), ("broadcast", (2, 4)))),
        Sample(x, path=(("broadcast", (2, 3, 4)), ("index", (1, slice(None), 0)))),
        Sample(x, 1, path=(("index", _scalar(0)),)),
        Sample(x, -1, np.intp(2), path=(("index", (_scalar(0), _scalar(1))),)),
        Sample(x, 1, path=(("index", (slice(None, None, 2), _scalar(0))),)),
        Sample(x, 2, path=(("transpose", (1, 0)), ("index", _scalar(0)), ("index", slice(1, 3)))),
        Sample(x, np.array([2, 0, -1]), path=(("index", _array(0)),)),
        Sample(x, np.array([[2, 0], [1, 1]]), path=(("index", (slice(1, 3), IndexOperand(0, 2))),)),
        Sample(x, np.array([2, 0]), 1, path=(("index", (_array(0), _scalar(1))),)),
        Sample(array(3, dtype=np.complex128), 2, path=(("imag",), ("index", _scalar(0)))),
    ]


def _scalar(number: int) -> IndexOperand:
    return IndexOperand(number, 0)


def _array(number: int) -> IndexOperand:
    return IndexOperand(number, 1)


def _fails_read() -> list[Fail]:
    return [Fail(IndexError, "out of bounds", array(3), path=(("index", 3),))]


def _evaluate_read(base: Any, *indices: Any, path: Path) -> Any:
    if type(base) is np.ndarray and not indices:
        for step in path:
            base = base[step[1]] if step[0] == "index" else apply_step(base, step)
        return base
    if type(base) is float or type(base) is complex:  # the tangent of a NumPy scalar may be one
        base = np.asarray(base)[()]
    return follow(base, resolved(path, indices) if indices else path)


read = Primitive(
    "read",
    batching=read_rule,
    family="path",
    arguments=("base",),
    evaluate=_evaluate_read,
    infer=_infer_read,
    tangent=_tangent_read,
    reverse=_reverse_read,
    linear=lambda which, params: True,
    samples=_samples_read,
    fails=_fails_read,
)


# ------------------------------------------------------------------ write


def _evaluate_write(
    base: Any, value: Any, *indices: Any, path: Path, in_place: bool = False, add: bool = False
) -> Any:
    if indices:
        path = resolved(path, indices)
    # Sums of 0-d cotangents are scalars; what is the same for all examples of vmap is read-only.
    if not in_place or not isinstance(base, np.ndarray) or not base.flags.writeable:
        base = np.array(base, order="K")
    store(base, value, path, add=add)
    return base


def _infer_write(
    base: Aval, value: Aval, *indices: Aval, path: Path, in_place: bool = False
) -> Aval:
    part = _infer_read(base, *indices, path=path)
    extra = max(0, value.ndim - part.ndim)
    fits = all(length == 1 for length in value.shape[:extra])  # NumPy drops axes of one entry
    if not fits or np.broadcast_shapes(part.shape, value.shape[extra:]) != part.shape:
        raise ValueError(
            f"could not broadcast input array from shape {value.shape} into shape {part.shape}"
        )
    return base


def _tangent_write(ans: Any, primals: Any, tangents: Any, params: dict[str, Any]) -> Any:
    base, value, *_ = tangents
    path, indices = params["path"], primals[2:]
    if base is None:
        aval = aval_of(ans)
        zeros = np.zeros(aval.shape, aval.dtype)
        return bind(write, zeros, value, *indices, path=path, in_place=True)
    if value is None:
        value = 0.0
    return bind(write, base, value, *indices, **params)


def _reverse_write(which: Any, values: Any, ans: Any, params: dict[str, Any]) -> Any:
    indices = tuple(values[2:])
    return _pull_write, (which, params["path"], aval_of(ans), aval_of(values[1]), indices)


def _pull_write(cotangent: Any, residuals: Any) -> Any:
    return _pull_write_masked(Masked(cotangent, None), residuals)


def _pull_write_masked(cotangent: Masked, residuals: Any) -> Any:
    which, path, aval, value_aval, indices = residuals
    if (
        len(path) == 1
        and not indices
        and which == (0, 1)
        and type(cotangent.value) is np.ndarray
        and (cotangent.mask is None or type(cotangent.mask) is np.ndarray)
    ):
        step = path[0]
        if step[0] == "index" and is_basic_index(step[1]):
            return _pull_plain_write(cotangent, step[1], value_aval)
    found: list[Any] = []
    if 0 in which:
        found.append(None)
    if 1 in which:
        found.append(_cotangent_of_value(cotangent, path, aval, value_aval, indices))
    if 0 in which:
        found[0] = _cotangent_of_base(cotangent, path, aval, indices)
    return found[0] if len(found) == 1 else tuple(found)


_pull_write.masked = _pull_write_masked  # type: ignore[attr-defined]
_pull_write.writes = True  # type: ignore[attr-defined]  # wants an owned accumulator as it is


def _pull_plain_write(cotangent: Masked, key: Any, value_aval: Aval) -> tuple[Masked, Any]:
    """Pull back through ``base[key] = value`` at the cost of the part that was written."""
    whole, mask = cotangent.value, cotangent.mask
    if not cotangent.owned:
        whole = np.array(whole, order="K")
        mask = None if mask is None else mask.copy()
    if mask is None:
        mask = np.ones(whole.shape, bool)
        selected: Any = True
    else:
        selected = mask[key]
    part = whole[key]
    if type(part) is np.ndarray:
        part = part.copy()
        selected = selected if selected is True else selected.copy()
    whole[key] = 0
    mask[key] = False
    base = Masked(whole, mask, owned=True)
    if selected is True or (type(part) is not np.ndarray and selected):
        return base, project(part, value_aval)
    return base, project_masked(Masked(part, selected), value_aval)


def _cotangent_of_value(
    cotangent: Masked, path: Path, aval: Aval, value_aval: Aval, indices: tuple[Any, ...]
) -> Any:
    mask = cotangent.mask
    if through_imaginary(path):
        mask = None  # a mask has no parts; the value is zero outside it
        part = np.conj(bind(read, np.conj(cotangent.value), *indices, path=path))
    else:
        part = bind(read, cotangent.value, *indices, path=path)
    if mask is not None:
        mask = detached(raw_of(bind(read, mask, *indices, path=path)))
    part = detached(raw_of(part))
    if is_advanced(path):
        if indices:
            kept = bind(winners_primitive, *indices, shape=aval.shape, dtype=aval.dtype, path=path)
        else:
            kept = winners(aval.shape, aval.dtype, path)
        if not certain(kept):
            mask = kept if mask is None else mask & kept
            part = np.where(mask, part, aval.dtype.type(0))
    if mask is None:
        return project(part, value_aval)
    return project_masked(Masked(part, mask), value_aval)


def _cotangent_of_base(
    cotangent: Masked, path: Path, aval: Aval, indices: tuple[Any, ...]
) -> Masked:
    """Return the cotangent with the overwritten part taken out, in place where it is owned."""
    mask = cotangent.mask
    if mask is None:
        mask = np.ones(aval.shape, bool)
    elif not cotangent.owned:
        mask = own_mask(mask)
    if not through_imaginary(path):
        mask = bind(write, mask, False, *indices, path=path, in_place=True)
    value = bind(write, cotangent.value, 0.0, *indices, path=path, in_place=cotangent.owned)
    return Masked(value, mask, owned=True)


def _winning(primitive: Primitive) -> BatchRule:
    """Return the batch rule of `winners`: of a write of all examples into one array."""

    def batch(values: Sequence[Any], axes: Sequence[Any], params: dict[str, Any]) -> Any:
        size, aval = batch_size(values, axes), Aval(params["shape"], params["dtype"])
        lifted = lift(params["path"], aval, values, axes, size=size, batched=True)
        changed = params | {"shape": (size, *aval.shape), "path": lifted.path}
        found = bind(primitive, *lifted.indices, **changed)
        if lifted.order is not None:
            found = raw_of(np.transpose(to_user(found), lifted.order))
        return found, 0

    return batch


winners_primitive = constant(
    "winners",
    batching=_winning,
    arguments=("index",),
    evaluate=lambda *indices, shape, dtype, path: winners(shape, dtype, resolved(path, indices)),
    infer=lambda *indices, shape, dtype, path: Aval(
        _infer_read(Aval(shape, dtype), *indices, path=path).shape, np.bool_
    ),
    samples=lambda: [
        Sample(
            np.array([2, 0, 2]), shape=(3, 4), dtype=np.dtype(float), path=(("index", _array(0)),)
        ),
        Sample(
            np.array([2, 0, 2]),
            1,
            shape=(3, 4),
            dtype=np.dtype(complex),
            path=(("imag",), ("index", (_array(0), _scalar(1)))),
        ),
    ],
)


def _samples_write() -> list[Sample]:
    x = array(3, 4)
    return [
        Sample(x, array(4), path=(("index", 1),)),
        Sample(x, 2.5, path=(("index", (2, 3)),)),
        Sample(x, array(2, 1), path=(("index", slice(None, None, -2)),)),
        Sample(x, array(3, 4), path=(("index", np.array([2, 0, 2])),)),
        Sample(x, 0.5, path=(("index", x > 0),)),
        Sample(x, array(3), path=(("transpose", (1, 0)), ("index", 2))),
        Sample(x, array(2), path=(("reshape", (2, 6), "C"), ("index", (Ellipsis, 1)))),
        Sample(array(3, dtype=np.complex128), array(3), path=(("imag",),)),
        Sample(array(3, dtype=np.complex128), array(6), path=(("view", np.dtype(float)),)),
        Sample(array(6), array(3, dtype=np.complex128), path=(("view", np.dtype(complex)),)),
        Sample(array(3, dtype=np.float32), array(3, dtype=np.float32), path=(("index", ...),)),
        Sample(x, array(4), 1, path=(("index", _scalar(0)),)),
        Sample(x, 2.5, -1, 2, path=(("index", (_scalar(0), _scalar(1))),)),
        Sample(x, array(3, 4), np.array([2, 0, 2]), path=(("index", _array(0)),)),
        Sample(x, array(3), 2, path=(("transpose", (1, 0)), ("index", _scalar(0)))),
        Sample(array(3, dtype=np.complex128), 0.5, 1, path=(("imag",), ("index", _scalar(0)))),
    ]


def _fails_write() -> list[Fail]:
    return [
        Fail(ValueError, "broadcast", array(3), array(2), path=(("index", ...),)),
        Fail(IndexError, "out of bounds", array(3), 1.0, path=(("index", 3),)),
    ]


write = Primitive(
    "write",
    batching=write_rule,
    family="path",
    arguments=("base", "value"),
    evaluate=_evaluate_write,
    infer=_infer_write,
    tangent=_tangent_write,
    reverse=_reverse_write,
    linear=lambda which, params: True,
    samples=_samples_write,
    fails=_fails_write,
)


# ------------------------------------------------------------------ indexed_add


def _tangent_indexed_add(ans: Any, primals: Any, tangents: Any, params: dict[str, Any]) -> Any:
    base, value, *_ = tangents
    if value is None:
        return base
    path, indices = params["path"], primals[2:]
    if base is None:
        aval = aval_of(ans)
        zeros = np.zeros(aval.shape, aval.dtype)
        return bind(indexed_add, zeros, value, *indices, path=path, in_place=True)
    return bind(indexed_add, base, value, *indices, path=path)


def _reverse_indexed_add(which: Any, values: Any, ans: Any, params: dict[str, Any]) -> Any:
    return _pull_indexed_add, (which, params["path"], aval_of(values[1]), tuple(values[2:]))


def _pull_indexed_add(cotangent: Any, residuals: Any) -> Any:
    which, path, value_aval, indices = residuals
    if which == (0,):
        return cotangent
    if through_imaginary(path):
        part = np.conj(bind(read, np.conj(cotangent), *indices, path=path))
    else:
        part = bind(read, cotangent, *indices, path=path)
    part = project(detached(raw_of(part)), value_aval)
    return part if which == (1,) else (cotangent, part)


def _samples_indexed_add() -> list[Sample]:
    x = array(3, 4)
    return [
        Sample(x, array(4), path=(("index", 1),)),
        Sample(x, array(3, 4), path=(("index", np.array([2, 0, 2])),)),
        Sample(x, 0.5, path=(("index", x > 0),)),
        Sample(x, array(3), path=(("transpose", (1, 0)), ("index", 2))),
        Sample(array(4, 3).T, array(12), path=(("reshape", (12,), "C"),)),
        Sample(x, array(3, 4), np.array([2, 0, 2]), path=(("index", _array(0)),)),
        Sample(x, array(3), 2, path=(("transpose", (1, 0)), ("index", _scalar(0)))),
    ]


indexed_add = Primitive(
    "indexed_add",
    batching=write_rule,
    family="path",
    arguments=("base", "value"),
    evaluate=functools.partial(_evaluate_write, add=True),
    infer=_infer_write,
    tangent=_tangent_indexed_add,
    reverse=_reverse_indexed_add,
    linear=lambda which, params: True,
    samples=_samples_indexed_add,
    fails=_fails_write,
)

install_path_primitives(read, write)
install_reading(read)
