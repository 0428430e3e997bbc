"""Tips of cones: points where a length is 0. Its slope there is 0 by convention, its curvature nan.

What makes both modes, and every nesting of them, agree on that, for norms, moduli and deviations.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.aval import Aval, aval_of, kind_of_result, result_dtype
from ..ir.emitter import Emitter
from ..ir.primitive import Primitive
from ..tracing.core import bind, raw_of
from ..tracing.decisions import possible
from .families import elementwise
from .samples import Sample, array


def _infer_tip(x: Aval, change: Aval) -> Aval:
    shape = np.broadcast_shapes(x.shape, change.shape)
    return Aval(shape, result_dtype(x, change), kind_of_result(shape))


def _evaluate_undefined(x: Any, change: Any) -> Any:
    aval = _infer_tip(aval_of(x), aval_of(change))
    dtype = aval.dtype.type
    found = np.where(np.equal(change, 0), dtype(0), dtype(np.nan))
    return np.broadcast_to(found, aval.shape)[()]


def _lower_undefined(e: Emitter, x: Any, change: Any) -> Any:
    dtype = e.dtype_of(x)
    zero = e.constant(0, dtype)
    return e.select(e.compare("eq", change, zero), zero, e.constant(np.nan, dtype))


def _again(g: Any, x: Any, change: Any) -> Any:
    return np.where(np.not_equal(change, 0), bind(undefined, x, g), 0.0)


# A change times a derivative in x that does not exist: nan, but 0 where nothing changes. Where x
# moves on, the next derivative does not exist either.
undefined: Primitive = elementwise(
    "undefined",
    numpy=_evaluate_undefined,
    arguments=("x", "change"),
    infer=_infer_tip,
    products=(_again, lambda g, x: bind(undefined, x, g)),
    lower=_lower_undefined,
    samples=lambda: [
        Sample(array(3), np.array([0.0, 1.0, -0.0]), differentiable=False),
        Sample(array(3, dtype=np.complex128), np.zeros(3, np.complex128), differentiable=False),
        Sample(
            array(3, dtype=np.float32), np.zeros((2, 3), np.float32)[:, ::-1], differentiable=False
        ),
        Sample(0.5, 1.5, differentiable=False),
    ],
)


def _evaluate_tip(x: Any, change: Any) -> Any:
    aval = _infer_tip(aval_of(x), aval_of(change))
    return np.zeros(aval.shape, aval.dtype)[()]


# A change times the slope of a length at its tip: 0, with no derivative where x and it vary.
tip = elementwise(
    "tip",
    numpy=_evaluate_tip,
    arguments=("x", "change"),
    infer=_infer_tip,
    products=(
        _again,
        lambda g: None,
    ),
    lower=lambda e, x, change: e.constant(0, e.dtype_of(x)),
    samples=lambda: [
        Sample(array(3, 4), array(4), differentiable=False),
        Sample(array(3, dtype=np.complex128), array(2, 3), differentiable=False),
        Sample(array(2, dtype=np.float32), 1.5, differentiable=False),
        Sample(1.5, 0.5, differentiable=False),
    ],
)


def at_tip(x: Any, change: Any) -> Any:
    """Return the product of a change and the slope of a length in x, where the length is 0."""
    return bind(tip, raw_of(x), raw_of(change))


def times_slope(change: Any, x: Any, length: Any, *others: Any) -> Any:
    """Return change · x / length; 0 where the length, which all operands vary, is 0."""
    x_aval = aval_of(raw_of(x))
    if x_aval.is_complex:
        x, length = _out_of_denormals(x, length, np.finfo(x_aval.dtype))
    zero = np.equal(length, 0)
    if not possible(zero):
        return change * (x / length)
    found = at_tip(x, change)
    for other in others:
        found = found + at_tip(other, change)
    return np.where(zero, found, change * (x / np.where(zero, 1, length)))


def _out_of_denormals(x: Any, length: Any, limits: Any) -> tuple[Any, Any]:
    """Return complex numbers and a length, both larger where dividing by it would overflow.

    NumPy divides by complex numbers through a reciprocal, which denormal ones do not have.
    """
    small = np.less(length, 4 * limits.tiny)
    if not possible(small):
        return x, length
    factor = np.where(small, limits.dtype.type(2.0**60), limits.dtype.type(1))
    return x * factor, length * factor


def sum_of_tips(x: Any, axes: tuple[int, ...]) -> Any:
    """Return 0 for each entry, which varies wherever any of those along some axes does."""
    total = np.sum(at_tip(x, 1.0), axis=axes, keepdims=True)
    return np.broadcast_to(total, np.shape(x))
