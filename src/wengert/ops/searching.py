"""Searches: where the largest entry stands, in which order entries stand, where values belong.

Their results are integers, without derivative; as primitives they stage and batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.aval import Aval, kind_of_result
from ..tracing.core import Traced, bind, ndim_of, to_user
from ..tracing.operators import install_method
from ..tracing.protocols import has_traced, implements, plain_of, store_results
from .axes import kept_shape, operand_of, reduced_shape, single_axis
from .batch_rules import along_axis, sought
from .constant_family import constant
from .samples import Fail, Sample, array

NOT_GIVEN: Any = np._NoValue

# ------------------------------------------------------------------ the place of an extreme entry


def _infer_place(x: Aval, *, axis: int | None, keepdims: bool) -> Aval:
    axes = tuple(range(x.ndim)) if axis is None else (single_axis(axis, x.ndim),)
    if any(x.shape[i] == 0 for i in axes):
        raise ValueError("attempt to get the place of an extreme entry of an empty sequence")
    shape = kept_shape(x.shape, axes) if keepdims else reduced_shape(x.shape, axes)
    return Aval(shape, np.intp, kind_of_result(shape))


def _place_samples() -> list[Sample]:
    return [
        Sample(array(5), axis=None, keepdims=False),
        Sample(array(3, 4), axis=None, keepdims=False),
        Sample(array(3, 4), axis=None, keepdims=True),
        Sample(array(2, 3, 4)[::-1, :, ::2], axis=1, keepdims=False),
        Sample(array(3, 4), axis=-1, keepdims=True),
        Sample(np.array([2.0, 3.0, 3.0, 1.0]), axis=0, keepdims=False),
        Sample(np.array([[2, 3, 1], [7, 7, 9]]), axis=1, keepdims=False),
        Sample(array(0, 3), axis=1, keepdims=False),
        Sample(array(3, dtype=np.float32), axis=0, keepdims=False),
        Sample(1.5, axis=None, keepdims=False),
    ]


def _placing(name: str, numpy: Callable[..., Any]) -> None:
    """Make the primitive of ``argmax`` or a relative, and what answers the NumPy function."""
    primitive = constant(
        name,
        batching=lambda primitive: along_axis(primitive, flattens=True),
        evaluate=lambda x, *, axis, keepdims: numpy(x, axis=axis, keepdims=keepdims),
        infer=_infer_place,
        samples=_place_samples,
        fails=lambda: [Fail(ValueError, "empty sequence", array(0), axis=None, keepdims=False)],
        numpy=numpy,
    )

    def place(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = NOT_GIVEN) -> Any:
        x = operand_of(a)
        axis = None if axis is None else single_axis(axis, ndim_of(x))
        keepdims = keepdims is not NOT_GIVEN and bool(keepdims)
        found = to_user(bind(primitive, x, axis=axis, keepdims=keepdims))
        return found if out is None else store_results((out,), (found,), "unsafe")

    implements(numpy)(place)
    if not name.startswith("nan"):
        install_method(name, place)


for _name in ("argmax", "argmin", "nanargmax", "nanargmin"):
    _placing(_name, getattr(np, _name))


# ------------------------------------------------------------------ the order of entries


def _infer_order(x: Aval, *, axis: int, **params: Any) -> Aval:
    single_axis(axis, x.ndim)
    return Aval(x.shape, np.intp)


argsort_primitive = constant(
    "argsort",
    batching=along_axis,
    evaluate=lambda x, *, axis, kind: np.argsort(x, axis=axis, kind=kind),
    infer=_infer_order,
    samples=lambda: [
        Sample(array(5), axis=0, kind=None),
        Sample(array(3, 4), axis=0, kind="stable"),
        Sample(array(2, 3, 4)[::-1, :, ::-2], axis=2, kind="stable"),
        Sample(np.array([[3, 1, 2], [2, 2, 1]]), axis=1, kind="stable"),
        Sample(array(0, 3), axis=0, kind=None),
    ],
    fails=lambda: [Fail(ValueError, "out of bounds", array(3), axis=1, kind=None)],
    numpy=np.argsort,
)

argpartition_primitive = constant(
    "argpartition",
    batching=along_axis,
    evaluate=lambda x, *, axis, kth, kind: np.argpartition(x, kth, axis=axis, kind=kind),
    infer=_infer_order,
    samples=lambda: [
        Sample(array(7), axis=0, kth=3, kind="introselect"),
        Sample(array(5, 4), axis=0, kth=(1, 3), kind="introselect"),
    ],
    fails=lambda: [
        Fail(ValueError, "out of bounds", array(3), axis=0, kth=3, kind="introselect"),
    ],
    numpy=np.argpartition,
)


def _flat_or_along(a: Any, axis: Any) -> tuple[Any, int]:
    """Return an operand and one of its axes; all entries in one row for None."""
    x = operand_of(a)
    if axis is None:
        return operand_of(np.reshape(x, (-1,))), 0
    return x, single_axis(axis, ndim_of(x))


@implements(np.argsort)
def argsort(
    a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None
) -> Any:
    if order is not None:
        raise ValueError("Cannot specify order when the array has no fields.")
    if stable is not None:
        if kind is not None:
            raise ValueError("`kind` and `stable` parameters can't be provided at the same time.")
        kind = "stable" if stable else None
    x, axis = _flat_or_along(a, axis)
    return to_user(bind(argsort_primitive, x, axis=axis, kind=kind))


@implements(np.argpartition)
def argpartition(
    a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None
) -> Any:
    if order is not None:
        raise ValueError("Cannot specify order when the array has no fields.")
    x, axis = _flat_or_along(a, axis)
    places = np.asarray(plain_of(kth, "kth"))
    kth = int(places) if not places.ndim else tuple(int(k) for k in places)
    return to_user(bind(argpartition_primitive, x, axis=axis, kth=kth, kind=kind))


def _evaluate_lexsort(*keys: Any, axis: int) -> Any:
    return np.lexsort(keys, axis)


def _infer_lexsort(*keys: Aval, axis: int) -> Aval:
    shapes = {key.shape for key in keys}
    if len(shapes) != 1:
        raise ValueError("all keys need to be the same shape")
    single_axis(axis, keys[0].ndim)
    return Aval(keys[0].shape, np.intp)


lexsort_primitive = constant(
    "lexsort",
    batching=along_axis,
    arguments=("keys",),
    evaluate=_evaluate_lexsort,
    infer=_infer_lexsort,
    samples=lambda: [
        Sample(np.array([1.0, 2.0, 1.0, 0.5]), np.array([2, 1, 1, 3]), axis=0),
        Sample(array(3, 4), np.round(array(3, 4, seed=1)), axis=1),
    ],
    fails=lambda: [Fail(ValueError, "same shape", array(3), array(2), axis=0)],
    numpy=np.lexsort,
)


@implements(np.lexsort)
def lexsort(keys: Any, axis: Any = -1) -> Any:
    operands = [operand_of(key) for key in keys]
    found = single_axis(axis, ndim_of(operands[0])) if operands else axis
    return to_user(bind(lexsort_primitive, *operands, axis=found))


# ------------------------------------------------------------------ where values belong


def _evaluate_searchsorted(a: Any, v: Any, *sorter: Any, side: str) -> Any:
    return np.searchsorted(a, v, side, *sorter)  # type: ignore[call-overload]


def _infer_searchsorted(a: Aval, v: Aval, *sorter: Aval, side: str) -> Aval:
    if a.ndim != 1:
        raise ValueError("object too deep for desired array")
    return Aval(v.shape, np.intp, "array" if v.kind == "array" else "scalar")


searchsorted_primitive = constant(
    "searchsorted",
    batching=lambda primitive: sought(primitive, 1),
    arguments=("a", "v"),
    evaluate=_evaluate_searchsorted,
    infer=_infer_searchsorted,
    samples=lambda: [
        Sample(np.sort(array(5)), array(3, 4), side="left"),
        Sample(np.sort(array(5)), 0.25, side="right"),
        Sample(np.sort(array(5)), np.float64(0.25), side="right"),
        Sample(np.array([1, 2, 2, 5]), np.array([2, 0, 9]), side="right"),
        Sample(array(5), array(2), np.argsort(array(5)), side="left"),
    ],
    fails=lambda: [Fail(ValueError, "too deep", array(3, 4), array(2), side="left")],
    numpy=np.searchsorted,
)


@implements(np.searchsorted)
def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    others = () if sorter is None else (operand_of(sorter),)
    return to_user(bind(searchsorted_primitive, operand_of(a), operand_of(v), *others, side=side))


def _infer_digitize(x: Aval, bins: Aval, *, right: bool) -> Aval:
    if bins.ndim != 1:
        raise ValueError("object too deep for desired array")
    return Aval(x.shape, np.intp, "array" if x.kind == "array" else "scalar")


digitize_primitive = constant(
    "digitize",
    batching=lambda primitive: sought(primitive, 0),
    arguments=("x", "bins"),
    evaluate=lambda x, bins, *, right: np.digitize(x, bins, right),
    infer=_infer_digitize,
    samples=lambda: [
        Sample(array(3, 4), np.sort(array(5)), right=False),
        Sample(array(4), np.sort(array(5))[::-1].copy(), right=True),
        Sample(0.25, np.sort(array(5)), right=False),
    ],
    fails=lambda: [Fail(ValueError, "", array(3), array(2, 2), right=False)],
    numpy=np.digitize,
)


@implements(np.digitize)
def digitize(x: Any, bins: Any, right: bool = False) -> Any:
    return to_user(bind(digitize_primitive, operand_of(x), operand_of(bins), right=bool(right)))


# ------------------------------------------------------------------ positions as numbers


@implements(np.unravel_index)
def unravel_index(indices: Any, shape: Any, order: str = "C") -> Any:
    """Answer ``np.unravel_index``; by arithmetic where the indices are not known."""
    x = operand_of(indices)
    if type(x) is not Traced:
        return np.unravel_index(x, shape, order)  # type: ignore[call-overload]
    lengths = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    found = []
    rest = to_user(x)
    for length in lengths if order == "F" else lengths[::-1]:
        found.append(rest % length)
        rest = rest // length
    return tuple(found if order == "F" else found[::-1])


@implements(np.ravel_multi_index)
def ravel_multi_index(multi_index: Any, dims: Any, mode: Any = "raise", order: str = "C") -> Any:
    """Answer ``np.ravel_multi_index``; by arithmetic where the indices are not known."""
    if not has_traced(multi_index):
        plain: Any = plain_of(multi_index)
        return np.ravel_multi_index(plain, dims, mode, order)  # type: ignore[call-overload]
    modes = (mode,) * len(dims) if isinstance(mode, str) else tuple(mode)
    total: Any = 0
    pairs = list(zip(multi_index, dims, modes, strict=True))
    for index, length, chosen in pairs if order == "C" else pairs[::-1]:
        if chosen == "wrap":
            index = np.mod(index, length)
        elif chosen == "clip":
            index = np.clip(index, 0, length - 1)
        total = total * length + index
    return total


for _name, _function in {
    "argsort": argsort,
    "argpartition": argpartition,
    "searchsorted": searchsorted,
}.items():
    install_method(_name, _function)
