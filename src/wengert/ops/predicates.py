"""Predicates: whether any or all entries hold, which are close, which belong to a set.

Their results are truth values or counts, without derivative; as primitives they stage and batch.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..ir.aval import Aval, kind_of_result
from ..ir.primitive import Primitive
from ..tracing.core import bind, bind_one, ndim_of, raw_of, to_user
from ..tracing.operators import install_method
from ..tracing.protocols import implements, store_results
from .axes import Axes, all_axes, normalised_axes, operand_of, reduced_shape
from .batch_rules import BatchRule, entrywise, logical_shape, padded, reducing, sought
from .constant_family import constant
from .samples import Fail, Sample, array

NOT_GIVEN: Any = np._NoValue

# ------------------------------------------------------------------ any, all, how many


def _infer_reduced(dtype: Any) -> Callable[..., Any]:
    def infer(x: Aval, *, axes: Axes, keepdims: bool) -> Aval:
        chosen = all_axes(axes, x.ndim)
        if any(axis >= x.ndim for axis in chosen):
            raise np.exceptions.AxisError(chosen[-1], x.ndim)
        shape = reduced_shape(x.shape, chosen, keepdims)
        return Aval(shape, dtype, kind_of_result(shape))

    return infer


def _counting_samples() -> list[Sample]:
    x = array(3, 4)
    return [
        Sample(x > 0, axes=None, keepdims=False),
        Sample(x > 0, axes=(0,), keepdims=False),
        Sample(array(2, 3, 4) > 1.5, axes=(0, 2), keepdims=True),
        Sample(np.round(x), axes=(1,), keepdims=False),
        Sample(np.array([0, 2, 0]), axes=(0,), keepdims=False),
        Sample(array(0, 3), axes=(0,), keepdims=False),
        Sample(array(3, dtype=np.complex128), axes=None, keepdims=True),
        Sample(np.True_, axes=None, keepdims=False),
        Sample(1.5, axes=None, keepdims=False),
    ]


def _counting(name: str, evaluate: Callable[..., Any], dtype: Any) -> Primitive:
    return constant(
        name,
        batching=reducing,
        evaluate=evaluate,
        infer=_infer_reduced(dtype),
        samples=_counting_samples,
        fails=lambda: [Fail(ValueError, "out of bounds", array(3), axes=(1,), keepdims=False)],
    )


# ``np.any`` of numbers gives truth values, ``np.logical_or.reduce`` of objects does not.
any_primitive = _counting(
    "any", lambda x, *, axes, keepdims: np.any(x, axis=axes, keepdims=keepdims), np.bool_
)
all_primitive = _counting(
    "all", lambda x, *, axes, keepdims: np.all(x, axis=axes, keepdims=keepdims), np.bool_
)
count_primitive = _counting(
    "count_nonzero",
    lambda x, *, axes, keepdims: np.asarray(
        np.count_nonzero(x, axis=axes, keepdims=keepdims), dtype=np.intp
    )[()],
    np.intp,
)


def _reduced(primitive: Primitive, a: Any, axis: Any, out: Any, keepdims: Any) -> Any:
    x = operand_of(a)
    axes = None if axis is None else normalised_axes(axis, ndim_of(x))
    keepdims = keepdims is not NOT_GIVEN and bool(keepdims)
    found = to_user(bind_one(primitive, x, {"axes": axes, "keepdims": keepdims}))
    return found if out is None else store_results((out,), (found,), "unsafe")


@implements(np.any)
def any_of(
    a: Any, axis: Any = None, out: Any = None, keepdims: Any = NOT_GIVEN, *, where: Any = True
) -> Any:
    if where is not True and where is not NOT_GIVEN:
        a = np.logical_and(operand_of(a), where)
    return _reduced(any_primitive, a, axis, out, keepdims)


@implements(np.all)
def all_of(
    a: Any, axis: Any = None, out: Any = None, keepdims: Any = NOT_GIVEN, *, where: Any = True
) -> Any:
    if where is not True and where is not NOT_GIVEN:
        a = np.logical_or(operand_of(a), np.logical_not(where))
    return _reduced(all_primitive, a, axis, out, keepdims)


@implements(np.count_nonzero)
def count_nonzero(a: Any, axis: Any = None, *, keepdims: Any = False) -> Any:
    return _reduced(count_primitive, a, axis, None, keepdims)


install_method("any", any_of)
install_method("all", all_of)


# ------------------------------------------------------------------ entry by entry


def _infer_truths(*avals: Aval, **params: Any) -> Aval:
    shape = np.broadcast_shapes(*(aval.shape for aval in avals))
    return Aval(shape, np.bool_, kind_of_result(shape))


isclose_primitive = constant(
    "isclose",
    batching=entrywise,
    arguments=("x", "y"),
    evaluate=lambda x, y, *, rtol, atol, equal_nan: np.isclose(
        x, y, rtol=rtol, atol=atol, equal_nan=equal_nan
    ),
    infer=_infer_truths,
    samples=lambda: [
        Sample(array(3, 4), array(4), rtol=0.5, atol=0.5, equal_nan=False),
        Sample(1.0, np.array([1.0, np.nan]), rtol=1e-5, atol=1e-8, equal_nan=True),
        Sample(np.array([np.nan, 1.0]), np.nan, rtol=1e-5, atol=1e-8, equal_nan=True),
        Sample(1.0, 1.0 + 1e-9, rtol=1e-5, atol=1e-8, equal_nan=False),
    ],
    fails=lambda: [
        Fail(ValueError, "broadcast", array(3), array(2), rtol=0.0, atol=0.0, equal_nan=False)
    ],
    numpy=np.isclose,
)


@implements(np.isclose)
def isclose(a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    x, y = operand_of(a), operand_of(b)
    return to_user(bind(isclose_primitive, x, y, rtol=rtol, atol=atol, equal_nan=equal_nan))


def _infer_truth(*avals: Aval, **params: Any) -> Aval:
    return Aval((), np.bool_, "python")


def _for_all_entries(same: Callable[..., Any], fit: Callable[..., bool]) -> Callable[..., Any]:
    """Return the batching of one truth value for all entries of two operands.

    ``same(x, y, **params)`` tells it of each entry; where the shapes do not `fit` it is false.
    """

    def batching(primitive: Primitive) -> BatchRule:
        def batch(values: Sequence[Any], axes: Sequence[Any], params: dict[str, Any]) -> Any:
            shapes = list(map(logical_shape, values, axes))
            if not fit(*shapes):
                return False, None
            ndim = max(map(len, shapes))
            x, y = (padded(value, axis, ndim) for value, axis in zip(values, axes, strict=True))
            found = same(to_user(x), to_user(y), **params)
            return raw_of(np.all(found, axis=tuple(range(1, ndim + 1)))), 0

        return batch

    return batching


def _same_entries(x: Any, y: Any, equal_nan: bool = False) -> Any:
    found = np.equal(x, y)
    return np.logical_or(found, np.logical_and(x != x, y != y)) if equal_nan else found


def _broadcast(*shapes: tuple[int, ...]) -> bool:
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        return False
    return True


allclose_primitive = constant(
    "allclose",
    batching=_for_all_entries(np.isclose, lambda *shapes: True),
    arguments=("x", "y"),
    evaluate=lambda x, y, *, rtol, atol, equal_nan: np.allclose(
        x, y, rtol=rtol, atol=atol, equal_nan=equal_nan
    ),
    infer=lambda x, y, **params: _infer_truth(_infer_truths(x, y)),
    samples=lambda: [
        Sample(array(3, 4), array(4), rtol=0.5, atol=0.5, equal_nan=False),
        Sample(array(3), array(3) + 1e-9, rtol=1e-5, atol=1e-8, equal_nan=False),
    ],
    fails=lambda: [
        Fail(ValueError, "broadcast", array(3), array(2), rtol=0.0, atol=0.0, equal_nan=False)
    ],
    numpy=np.allclose,
)


@implements(np.allclose)
def allclose(
    a: Any, b: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> Any:
    x, y = operand_of(a), operand_of(b)
    return to_user(bind(allclose_primitive, x, y, rtol=rtol, atol=atol, equal_nan=equal_nan))


array_equal_primitive = constant(
    "array_equal",
    batching=_for_all_entries(_same_entries, operator.eq),
    arguments=("x", "y"),
    evaluate=lambda x, y, *, equal_nan: bool(np.array_equal(x, y, equal_nan)),
    infer=_infer_truth,
    samples=lambda: [
        Sample(array(3), array(3), equal_nan=False),
        Sample(array(3), array(2), equal_nan=False),
        Sample(np.array([1.0, np.nan]), np.array([1.0, np.nan]), equal_nan=True),
    ],
    numpy=np.array_equal,
)


@implements(np.array_equal)
def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Any:
    x, y = operand_of(a1), operand_of(a2)
    return to_user(bind(array_equal_primitive, x, y, equal_nan=bool(equal_nan)))


array_equiv_primitive = constant(
    "array_equiv",
    batching=_for_all_entries(_same_entries, _broadcast),
    arguments=("x", "y"),
    evaluate=lambda x, y: bool(np.array_equiv(x, y)),
    infer=_infer_truth,
    samples=lambda: [Sample(array(3), array(2, 3)), Sample(np.ones(3), 1.0)],
    numpy=np.array_equiv,
)


@implements(np.array_equiv)
def array_equiv(a1: Any, a2: Any) -> Any:
    return to_user(bind(array_equiv_primitive, operand_of(a1), operand_of(a2)))


def _infer_real(x: Aval) -> Aval:
    return Aval((), np.bool_, "python") if x.kind == "python" else _infer_truths(x)


def _unary(name: str, complex_too: bool, infer: Callable[..., Any] = _infer_truths) -> None:
    """Make the primitive of a predicate of each entry, and what answers the NumPy function."""
    numpy = getattr(np, name)
    points = np.array([1.5, -0.0, np.inf, -np.inf, np.nan])

    def samples() -> list[Sample]:
        found = [Sample(array(3, 4)), Sample(points), Sample(1.5), Sample(np.float64(-np.inf))]
        return [*found, Sample(array(3, dtype=np.complex128))] if complex_too else found

    primitive = constant(
        name,
        batching=entrywise,
        evaluate=lambda x: numpy(x),
        infer=infer,
        samples=samples,
        numpy=numpy,
    )

    def holds(x: Any, out: Any = None) -> Any:
        found = to_user(bind_one(primitive, operand_of(x), {}))
        return found if out is None else store_results((out,), (found,), "unsafe")

    implements(numpy)(holds)


_unary("isneginf", False)
_unary("isposinf", False)
_unary("iscomplex", True)
_unary("isreal", True, _infer_real)


def _infer_member(element: Aval, test: Aval, **params: Any) -> Aval:
    return Aval(element.shape, np.bool_, "array")


isin_primitive = constant(
    "isin",
    batching=lambda primitive: sought(primitive, 0),
    arguments=("element", "test"),
    evaluate=lambda element, test, *, invert: np.isin(element, test, invert=invert),
    infer=_infer_member,
    samples=lambda: [
        Sample(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([2.0, 3.0]), invert=False),
        Sample(np.array([1, 2, 5]), np.array([[2], [7]]), invert=True),
        Sample(2.0, np.array([2.0, 3.0]), invert=False),
    ],
    numpy=np.isin,
)


@implements(np.isin)
def isin(
    element: Any,
    test_elements: Any,
    assume_unique: bool = False,
    invert: bool = False,
    *,
    kind: Any = None,
) -> Any:
    x, y = operand_of(element), operand_of(test_elements)
    return to_user(bind(isin_primitive, x, y, invert=bool(invert)))
