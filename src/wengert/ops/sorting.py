"""Sorting and partitioning; searches, which carry no derivative, are in `searching`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..ir.aval import Aval, aval_of
from ..ir.cotangent import Masked
from ..ir.primitive import Primitive
from ..tracing.core import Array, bind, shape_of, to_user, write_handle
from ..tracing.decisions import possible
from ..tracing.protocols import implements, plain_of
from .axes import kept_shape, operand_of, single_axis, taken
from .batch_rules import along_axis
from .samples import Fail, Sample, array
from .taking import take_along
from .ties import put_along, run_mean

# ------------------------------------------------------------------ rearranging


def _rearranging(
    name: str,
    *,
    evaluate: Callable[..., Any],
    is_sorted: bool,
    samples: Callable[[], Iterable[Sample]],
    fails: Callable[[], Iterable[Fail]],
) -> Primitive:
    """Make a primitive that permutes the entries along ``axis`` by their values; ties share.

    A change is carried to sorted order, averaged over equal entries, and, where the result is not
    sorted, on to the places of the result. The pullback does the same backwards.
    """

    def orders(x: Any, ans: Any, axis: int) -> tuple[Any, Any]:
        """Return which entry comes where in sorted order, of the argument and of the result.

        In which order equal entries come does not matter: they share.
        """
        return np.argsort(x, axis=axis), None if is_sorted else np.argsort(ans, axis=axis)

    def tangent(ans: Any, primals: Any, tangents: Any, params: dict[str, Any]) -> Any:
        axis = params["axis"]
        of_x, of_ans = orders(primals[0], ans, axis)
        change = _gather(tangents[0], of_x, axis)
        change = _averaged(change, ans if of_ans is None else _gather(ans, of_ans, axis), axis)
        return change if of_ans is None else bind(put_along, change, of_ans, axis=axis)

    def reverse(which: Any, values: Any, ans: Any, params: dict[str, Any]) -> Any:
        axis = params["axis"]
        return pull, (*orders(values[0], ans, axis), ans, axis)

    def pull(cotangent: Any, residuals: Any) -> Any:
        of_x, of_ans, ans, axis = residuals
        if of_ans is not None:
            ans, cotangent = _gather(ans, of_ans, axis), _gather(cotangent, of_ans, axis)
        return bind(put_along, _averaged(cotangent, ans, axis), of_x, axis=axis)

    def pull_masked(cotangent: Masked, residuals: Any) -> Masked:
        moved = pull(cotangent.mask.astype(np.float64), residuals)
        return Masked(pull(cotangent.value, residuals), np.not_equal(moved, 0))

    pull.masked = pull_masked  # type: ignore[attr-defined]

    return Primitive(
        name,
        family="irregular",
        batching=along_axis,
        arguments=("x",),
        evaluate=evaluate,
        infer=_infer_rearranged,
        tangent=tangent,
        reverse=reverse,
        samples=samples,
        fails=fails,
    )


def _infer_rearranged(x: Aval, *, axis: int, **params: Any) -> Aval:
    return Aval(x.shape, x.dtype)


def _gather(x: Any, order: Any, axis: int) -> Any:
    return bind(take_along, x, order, axis=axis)


def _averaged(change: Any, ordered: Any, axis: int) -> Any:
    """Return a change with its mean over each run of equal entries of a sorted value."""
    if shape_of(ordered)[axis] < 2:
        return change
    later, earlier = taken(ordered, axis, slice(1, None)), taken(ordered, axis, slice(None, -1))
    ties = np.equal(later, earlier) | (np.isnan(later) & np.isnan(earlier))
    if not possible(ties):
        return change
    first = np.zeros(kept_shape(shape_of(ordered), (axis,)), bool)
    return bind(run_mean, change, operand_of(np.concatenate([first, ties], axis=axis)), axis=axis)


def _ties() -> list[Any]:
    return [
        np.array([2.0, 1.0, 2.0, 0.5, 1.0, 2.0]),
        np.array([[1.0, np.nan, 1.0, np.inf], [np.nan, 2.0, np.nan, 2.0]]),
    ]


sort_primitive = _rearranging(
    "sort",
    evaluate=lambda x, *, axis, kind: np.sort(x, axis=axis, kind=kind),
    is_sorted=True,
    samples=lambda: [
        Sample(array(5), axis=0, kind=None),
        Sample(array(3, 4), axis=0, kind="stable"),
        Sample(array(2, 3, 4)[::-1, :, ::-2], axis=2, kind="heapsort"),
        Sample(array(3, 4, dtype=np.float32), axis=1, kind=None),
        Sample(array(2, 3, dtype=np.complex128), axis=1, kind=None),
        Sample(array(0, 3), axis=0, kind=None),
        Sample(array(3, 0), axis=1, kind=None),
        *(Sample(x, axis=x.ndim - 1, kind=None, differentiable=False) for x in _ties()),
    ],
    fails=lambda: [Fail(ValueError, "out of bounds", array(3), axis=1, kind=None)],
)

partition_primitive = _rearranging(
    "partition",
    evaluate=lambda x, *, axis, kth: np.partition(x, kth, axis=axis),
    is_sorted=False,
    samples=lambda: [
        Sample(array(7), axis=0, kth=3),
        Sample(array(5, 4), axis=0, kth=(1, 3)),
        Sample(array(6, 3).T, axis=1, kth=-2),
        Sample(array(5, dtype=np.float32), axis=0, kth=2),
        *(Sample(x, axis=x.ndim - 1, kth=1, differentiable=False) for x in _ties()),
    ],
    fails=lambda: [Fail(ValueError, "out of bounds", array(3), axis=0, kth=3)],
)


@implements(np.sort)
def sort(a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None) -> Any:
    if order is not None:
        raise ValueError("Cannot specify order when the array has no fields.")
    if stable is not None:
        if kind is not None:
            raise ValueError("`kind` and `stable` parameters can't be provided at the same time.")
        kind = "stable" if stable else None
    x = operand_of(a)
    if axis is None:
        x, axis = operand_of(np.reshape(x, (-1,))), 0
    return to_user(bind(sort_primitive, x, axis=single_axis(axis, np.ndim(x)), kind=kind))


@implements(np.partition)
def partition(
    a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None
) -> Any:
    if order is not None:
        raise ValueError("Cannot specify order when the array has no fields.")
    x = operand_of(a)
    if axis is None:
        x, axis = operand_of(np.reshape(x, (-1,))), 0
    places = np.asarray(plain_of(kth, "kth"))
    kth = int(places) if not places.ndim else tuple(int(k) for k in places)
    return to_user(bind(partition_primitive, x, axis=single_axis(axis, np.ndim(x)), kth=kth))


@implements(np.sort_complex)
def sort_complex(a: Any) -> Any:
    found = sort(a)
    dtype = aval_of(operand_of(found)).dtype
    if dtype.kind == "c":
        return found
    return found.astype(np.clongdouble if dtype.char == "g" else np.complex128)


def _sort_in_place(
    self: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None
) -> None:
    write_handle(self, (("index", Ellipsis),), sort(self, axis, kind, order, stable=stable))


def _partition_in_place(
    self: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None
) -> None:
    write_handle(self, (("index", Ellipsis),), partition(self, kth, axis, kind, order))


Array.sort = _sort_in_place  # type: ignore[attr-defined]
Array.partition = _partition_in_place  # type: ignore[attr-defined]
