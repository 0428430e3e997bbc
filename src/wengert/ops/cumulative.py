"""Running reductions: cumsum, cumprod and their kin; the accumulates of maximum and logaddexp.

And differences and the trapezoidal rule. Derivatives are linear recurrences, see `recurrence`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..ir.aval import Aval, aval_of
from ..ir.cotangent import Masked
from ..ir.primitive import Primitive
from ..tracing.core import bind, to_user
from ..tracing.decisions import possible
from ..tracing.operators import install_method
from ..tracing.protocols import implements, plain_of, store_results
from . import projection
from .axes import flipped, loop_dtype, operand_of, single_axis, taken
from .batch_rules import along_axis
from .families import structural
from .recurrence import recurrence, shift
from .samples import Fail, Sample, array
from .taylor_products import running_product
from .taylor_rules import TaylorRule

# ------------------------------------------------------------------ neighbours and products


def _first(shape: tuple[int, ...], axis: int) -> np.ndarray[Any, Any]:
    """Return the mask of the first entries along an axis, ready to broadcast."""
    length = shape[axis]
    mask: np.ndarray[Any, Any] = np.arange(length) == 0
    return mask.reshape((length,) + (1,) * (len(shape) - axis - 1))


def _previous_or_one(y: Any, axis: int) -> Any:
    """Return the entries before each one along an axis, and 1 before the first."""
    aval = aval_of(y)
    return shift(y, axis, 1) + _first(aval.shape, axis).astype(aval.dtype)


def exclusive_products(x: Any, axes: tuple[int, ...]) -> Any:
    """Return, for each entry, the product of all others along the axes, without division."""
    if not axes:
        return np.ones_like(x)
    shape = np.shape(x)
    if len(axes) > 1:
        rest = tuple(i for i in range(len(shape)) if i not in axes)
        order = rest + axes
        moved = np.transpose(x, order)
        flat = np.reshape(
            moved, (*(shape[i] for i in rest), int(np.prod([shape[i] for i in axes])))
        )
        others = np.reshape(exclusive_products(flat, (len(rest),)), np.shape(moved))
        return np.transpose(others, tuple(int(i) for i in np.argsort(order)))
    axis = axes[0]
    if shape[axis] < 2:
        return np.ones(shape, aval_of(x).dtype)
    before = np.cumprod(_previous_or_one(x, axis), axis=axis)
    after = np.cumprod(_previous_or_one(flipped(x, axis), axis), axis=axis)
    return before * flipped(after, axis)


# ------------------------------------------------------------------ the family


Slopes = Callable[[Any, Any, int], tuple[Any, Any, Any]]


def accumulator(
    name: str,
    *,
    numpy: np.ufunc,
    slopes: Slopes,
    samples: Callable[[], Iterable[Sample]],
    tayloring: Callable[[Primitive], TaylorRule] | None = None,
) -> Primitive:
    """Make a running reduction yᵢ = f(yᵢ₋₁, xᵢ) from the partial derivatives of its step.

    Parameters
    ----------
    numpy : ufunc
        Its ``accumulate`` gives the values.
    slopes : callable
        ``slopes(x, y, axis)`` gives ∂yᵢ/∂yᵢ₋₁, ∂yᵢ/∂xᵢ and the mask of the entries that influence
        any result (None for all), each of the shape of `x`; the first yᵢ₋₁ is not looked at.
    """

    def evaluate(x: Any, *, axis: int, dtype: Any) -> Any:
        return numpy.accumulate(x, axis, dtype)

    def tangent(ans: Any, primals: Any, tangents: Any, params: dict[str, Any]) -> Any:
        axis = params["axis"]
        x = projection.cast(primals[0], aval_of(ans).dtype)
        before, here, mask = slopes(x, ans, axis)
        change = here * projection.cast(tangents[0], aval_of(ans).dtype)
        if mask is not None:
            change = projection.select(mask, change)
        return recurrence(before, change, axis)

    def reverse(which: Any, values: Any, ans: Any, params: dict[str, Any]) -> Any:
        return pull, (values[0], ans, params["axis"])

    def pull(cotangent: Any, residuals: Any) -> Any:
        x, ans, axis = residuals
        aval = aval_of(x)
        before, here, mask = slopes(projection.cast(x, aval_of(ans).dtype), ans, axis)
        back = here * recurrence(shift(before, axis, -1), cotangent, axis, reverse=True)
        if mask is None:
            return projection.project(back, aval)
        return Masked(projection.project(projection.select(mask, back), aval), mask)

    return Primitive(
        name,
        family="accumulator",
        arguments=("x",),
        evaluate=evaluate,
        infer=lambda x, *, axis, dtype: _infer_accumulate(numpy, x, axis, dtype),
        tangent=tangent,
        reverse=reverse,
        samples=samples,
        fails=lambda: [Fail(ValueError, "out of bounds", array(3), axis=1, dtype=None)],
        numpy=numpy,
        batching=along_axis,
        tayloring=tayloring,
    )


def _infer_accumulate(ufunc: np.ufunc, x: Aval, axis: int, dtype: Any) -> Aval:
    return Aval(x.shape, ufunc.accumulate(np.ones(1, x.dtype), 0, dtype).dtype)


def _slopes_of_product(x: Any, y: Any, axis: int) -> tuple[Any, Any, Any]:
    return x, _previous_or_one(y, axis), None


def _slopes_of_extreme(x: Any, y: Any, axis: int) -> tuple[Any, Any, Any]:
    """Share among the entries so far that equal the result: running means over each level.

    Within a run of equal results, all that equal them are of that run.
    """
    chosen = np.equal(x, y)
    undefined = np.isnan(y)
    if possible(undefined):
        chosen = chosen | (undefined & np.isnan(x))
    length = np.shape(y)[axis]
    later, earlier = taken(y, axis, slice(1, None)), taken(y, axis, slice(None, length - 1))
    same = np.equal(later, earlier) | (np.isnan(later) & np.isnan(earlier))
    same = np.concatenate([np.zeros_like(taken(same, axis, slice(0, 1))), same], axis=axis)
    if np.shape(same) != np.shape(y):  # no entry at all
        same = np.zeros(np.shape(y), bool)
    dtype = aval_of(y).dtype
    real = np.zeros((), dtype).real.dtype
    marks = chosen.astype(real)
    count = recurrence(same.astype(real), marks, axis)
    return (count - marks) / count * same, marks / count, chosen


def _slopes_of_exponentials(power: Any) -> Slopes:
    """Return the rule of yᵢ = log(exp yᵢ₋₁ + exp xᵢ); an infinite result is that of the largest."""

    def slopes(x: Any, y: Any, axis: int) -> tuple[Any, Any, Any]:
        first = _first(np.shape(y), axis)
        previous = np.where(first, y, shift(y, axis, 1))
        infinite = np.isinf(y)
        if not possible(infinite) and not possible(np.isinf(previous)):
            return power(previous - y), power(x - y), None
        finite = np.where(infinite, 0.0, y)
        before, here, chosen = _slopes_of_extreme(x, y, axis)
        return (
            np.where(infinite, before, power(np.where(infinite, 0.0, previous - finite))),
            np.where(infinite, here * chosen, power(np.where(infinite, 0.0, x - finite))),
            None,
        )

    return slopes


# ------------------------------------------------------------------ primitives


def _samples(*, complex_too: bool = True) -> list[Sample]:
    found = [
        Sample(array(5), axis=0, dtype=None),
        Sample(array(3, 4), axis=0, dtype=None),
        Sample(array(2, 3, 4)[::-1, :, ::-2], axis=2, dtype=None),
        Sample(array(4, 3).T, axis=1, dtype=None),
        Sample(array(3, dtype=np.float32), axis=0, dtype=None),
        Sample(array(3, 4, dtype=np.float32), axis=1, dtype=np.dtype(np.float64)),
        Sample(array(0, 3), axis=0, dtype=None),
        Sample(array(3, 0), axis=0, dtype=None),
        Sample(array(1, 3), axis=0, dtype=None),
    ]
    if complex_too:
        found.append(Sample(array(2, 3, dtype=np.complex128), axis=1, dtype=None))
    return found


cumulative_sum_primitive = structural(
    "cumsum",
    batching=along_axis,
    evaluate=lambda x, *, axis, dtype: np.add.accumulate(x, axis, dtype),
    infer=lambda x, *, axis, dtype: _infer_accumulate(np.add, x, axis, dtype),
    transpose=lambda g, x_aval, axis: projection.cast(
        flipped(np.cumsum(flipped(g, axis), axis=axis), axis), x_aval.dtype
    ),
    moves_entries=True,
    samples=_samples,
    fails=lambda: [Fail(ValueError, "out of bounds", array(3), axis=1, dtype=None)],
    numpy=np.add,
)

cumulative_product_primitive = accumulator(
    "cumprod",
    numpy=np.multiply,
    slopes=_slopes_of_product,
    tayloring=running_product,
    samples=lambda: [
        *_samples(),
        Sample(np.array([2.0, 0.0, 3.0, 0.5]), axis=0, dtype=None),
        Sample(np.array([[2.0, 0.0, 3.0], [0.0, 1.5, 0.0]]), axis=1, dtype=None),
        Sample(np.zeros(3), axis=0, dtype=None),
    ],
)


def _kinks() -> list[Sample]:
    ties = np.array([[1.0, 1.0, 2.0, 2.0, 1.0], [1.0, np.nan, 2.0, np.nan, -np.inf]])
    return [
        *_samples(),
        Sample(ties, axis=1, dtype=None, differentiable=False),
        Sample(-ties, axis=1, dtype=None, differentiable=False),
    ]


cumulative_maximum = accumulator(
    "maximum_accumulate", numpy=np.maximum, slopes=_slopes_of_extreme, samples=_kinks
)
cumulative_minimum = accumulator(
    "minimum_accumulate", numpy=np.minimum, slopes=_slopes_of_extreme, samples=_kinks
)


def _exponential_samples() -> list[Sample]:
    infinite = np.array([[-np.inf, -np.inf, 1.0, 2.0], [1.0, -np.inf, np.inf, 2.0]])
    return [
        *_samples(complex_too=False),
        Sample(infinite, axis=1, dtype=None, differentiable=False),
        Sample(array(3) + 1000.0, axis=0, dtype=None, differentiable=False),
    ]


cumulative_logaddexp = accumulator(
    "logaddexp_accumulate",
    numpy=np.logaddexp,
    slopes=_slopes_of_exponentials(np.exp),
    samples=_exponential_samples,
)
cumulative_logaddexp2 = accumulator(
    "logaddexp2_accumulate",
    numpy=np.logaddexp2,
    slopes=_slopes_of_exponentials(np.exp2),
    samples=_exponential_samples,
)

ACCUMULATORS: dict[np.ufunc, Primitive] = {
    entry.numpy: entry
    for entry in (
        cumulative_sum_primitive,
        cumulative_product_primitive,
        cumulative_maximum,
        cumulative_minimum,
        cumulative_logaddexp,
        cumulative_logaddexp2,
    )
}


# ------------------------------------------------------------------ what NumPy calls them


def accumulate_by(
    primitive: Primitive, a: Any, axis: Any = 0, dtype: Any = None, out: Any = None
) -> Any:
    """Run a reduction along one axis of a user's value."""
    x = operand_of(a)
    aval = aval_of(x)
    if not aval.ndim:
        raise TypeError("cannot accumulate on a scalar")
    if out is not None:
        out = out[0] if isinstance(out, tuple) else out
        found = accumulate_by(primitive, x, axis, loop_dtype(dtype, x, out))
        return store_results((out,), (found,), "unsafe")
    axis = single_axis(axis, aval.ndim)
    if dtype is not None:
        dtype = np.dtype(dtype)
        if dtype.kind not in "fc" and aval.dtype.kind in "fc":
            return primitive.numpy.accumulate(plain_of(x), axis, dtype)
    return to_user(bind(primitive, x, axis=axis, dtype=dtype))


def _running(primitive: Primitive, a: Any, axis: Any, dtype: Any, out: Any) -> Any:
    """Accumulate as cumsum and cumprod do: all entries in C order where no axis is given."""
    x = operand_of(a)
    if axis is None:
        x = np.reshape(x, (-1,))
        axis = 0
    elif not np.ndim(x):
        single_axis(axis, 1)
        x = np.reshape(x, (1,))
    return accumulate_by(primitive, x, axis, dtype, out)


@implements(np.cumsum)
def cumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    return _running(cumulative_sum_primitive, a, axis, dtype, out)


@implements(np.cumprod)
def cumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    return _running(cumulative_product_primitive, a, axis, dtype, out)


def _with_initial(
    primitive: Primitive, x: Any, axis: Any, dtype: Any, out: Any, include_initial: bool
) -> Any:
    """Accumulate as the array API has it: one axis, on request with the identity in front."""
    value = operand_of(x)
    if not np.ndim(value):
        value = np.reshape(value, (1,))
    if axis is None:
        if np.ndim(value) > 1:
            raise ValueError(
                "For arrays which have more than one dimension ``axis`` argument is required."
            )
        axis = 0
    if not include_initial:
        return accumulate_by(primitive, value, axis, dtype, out)
    if out is not None:
        dtype = loop_dtype(dtype, value, out)
    found = accumulate_by(primitive, value, axis, dtype)
    axis = single_axis(axis, np.ndim(value))
    shape = tuple(1 if i == axis else n for i, n in enumerate(np.shape(value)))
    start = np.full(shape, primitive.numpy.identity, aval_of(found).dtype)
    found = np.concatenate([start, found], axis=axis)
    return found if out is None else store_results((out,), (found,), "unsafe")


@implements(np.cumulative_sum)
def cumulative_sum(
    x: Any,
    /,
    *,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    include_initial: bool = False,
) -> Any:
    return _with_initial(cumulative_sum_primitive, x, axis, dtype, out, include_initial)


@implements(np.cumulative_prod)
def cumulative_prod(
    x: Any,
    /,
    *,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    include_initial: bool = False,
) -> Any:
    return _with_initial(cumulative_product_primitive, x, axis, dtype, out, include_initial)


def without_nan(a: Any, value: float) -> tuple[Any, Any]:
    """Return a raw value with nan replaced, and the plain mask of what was (None for integers)."""
    x = operand_of(a)
    if aval_of(x).dtype.kind not in "fc":
        return x, None
    mask = np.isnan(x)
    return np.where(mask, aval_of(x).dtype.type(value), x), mask


@implements(np.nancumsum)
def nancumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    return cumsum(without_nan(a, 0)[0], axis, dtype, out)


@implements(np.nancumprod)
def nancumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    return cumprod(without_nan(a, 1)[0], axis, dtype, out)


# ------------------------------------------------------------------ differences


@implements(np.diff)
def diff(
    a: Any, n: int = 1, axis: Any = -1, prepend: Any = np._NoValue, append: Any = np._NoValue
) -> Any:
    """Return the n-th differences along an axis, ends joined first as NumPy does."""
    if n == 0:
        return a
    if n < 0:
        raise ValueError(f"order must be non-negative but got {n!r}")
    x = operand_of(a)
    shape = np.shape(x)
    if not shape:
        raise ValueError("diff requires input that is at least one dimensional")
    axis = single_axis(axis, len(shape))
    ends = [_end(prepend, shape, axis), x, _end(append, shape, axis)]
    parts = [part for part in ends if part is not None]
    if len(parts) > 1:
        x = operand_of(np.concatenate(parts, axis=axis))
    compare = aval_of(x).dtype == np.bool_
    for _ in range(n):
        later, earlier = taken(x, axis, slice(1, None)), taken(x, axis, slice(None, -1))
        x = operand_of(np.not_equal(later, earlier) if compare else np.subtract(later, earlier))
    return to_user(x)


def _end(given: Any, shape: tuple[int, ...], axis: int) -> Any:
    """Return what `diff` joins to one end, a number as one entry along the axis."""
    if given is np._NoValue:
        return None
    joined = operand_of(given)
    if np.ndim(joined):
        return joined
    return np.broadcast_to(joined, tuple(1 if i == axis else n for i, n in enumerate(shape)))


@implements(np.ediff1d)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    x = np.reshape(operand_of(ary), (-1,))
    dtype = aval_of(operand_of(x)).dtype
    parts = [x[1:] - x[:-1]]
    for end, name in ((to_begin, "to_begin"), (to_end, "to_end")):
        if end is None:
            continue
        joined = np.reshape(operand_of(end), (-1,))
        if not np.can_cast(aval_of(operand_of(joined)).dtype, dtype, "same_kind"):
            raise TypeError(
                f"dtype of `{name}` must be compatible with input `ary` under the `same_kind` rule."
            )
        parts.insert(0 if name == "to_begin" else len(parts), joined)
    return np.concatenate(parts, dtype=dtype) if len(parts) > 1 else parts[0]


@implements(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: Any = -1) -> Any:
    """Return Σ Δx (yᵢ + yᵢ₊₁)/2 along an axis, in NumPy's order of operations."""
    values = operand_of(y)
    shape = np.shape(values)
    axis = single_axis(axis, len(shape))
    widths = dx
    if x is not None:
        points = operand_of(x)
        if np.ndim(points) == 1:
            widths = diff(points)
            widths = np.reshape(widths, (-1,) + (1,) * (len(shape) - axis - 1))
        else:
            widths = diff(points, axis=single_axis(axis - len(shape), np.ndim(points)))
    ends = to_user(taken(values, axis, slice(1, None))) + to_user(
        taken(values, axis, slice(None, -1))
    )
    return np.sum(widths * ends / 2.0, axis=axis)


install_method("cumsum", cumsum)
install_method("cumprod", cumprod)
