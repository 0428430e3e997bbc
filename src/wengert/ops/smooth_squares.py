"""Squares of lengths: ``abs(z)**2``, ``norm(x)**2``, ``hypot(x, y)**2``, ``std(x)**2``.

A length has a kink at 0, its square has none; step by step, the second derivative of the square
would be made of that of the kink. So a length remembers what its square is, and an even power of
it is differentiated as the smooth function that it is. Its value stays what NumPy computes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..ir.aval import Aval, aval_of
from ..ir.primitive import Primitive
from ..tracing.core import Batched, Traced, bind, raw_of, to_user
from ..tracing.even_powers import install_even_power
from ..tracing.protocols import ufuncs
from .batch_rules import BatchRule, batch_size, spread_over
from .elementwise_family import elementwise
from .samples import Sample, array


def _together(primitive: Primitive) -> BatchRule:
    """Return the batch rule: both arguments have the examples that one of them has."""

    def batch(values: Sequence[Any], axes: Sequence[Any], params: dict[str, Any]) -> Any:
        size = batch_size(values, axes)
        spread = [spread_over(value, axis, size) for value, axis in zip(values, axes, strict=True)]
        return bind(primitive, *spread, **params), 0

    return batch


# The value of one argument with the derivative of another.
valued = elementwise(
    "valued",
    batching=_together,
    numpy=lambda value, smooth: value,
    arguments=("value", "smooth"),
    infer=lambda value, smooth: value,
    partials=(0, 1),
    lower=lambda e, value, smooth: value,
    samples=lambda: [
        Sample(array(3, 4), array(3, 4), wrt=(1,), differentiable=False),
        Sample(1.5, np.float64(1.5), wrt=(1,), differentiable=False),
        Sample(array(3, dtype=np.float32), array(3), wrt=(1,), differentiable=False),
    ],
)


def length(found: Any, square: Callable[..., Any], *operands: Any) -> Any:
    """Return a length that remembers its square, as a function of what the operands are now.

    It does where second derivatives may be asked for: on two levels, in Taylor mode, or while
    staging.
    """
    raw = value = raw_of(found)
    levels = 0
    while type(value) is Traced or type(value) is Batched:
        if type(value) is Traced and not value._trace.batches:
            levels += 2 if value._trace.is_of_high_order else 1
        value = value._below
    if levels > 1 or type(value) is Aval:
        held = [np.array(x) if type(x) is np.ndarray else x for x in map(raw_of, operands)]
        raw._smooth_square = lambda: square(*map(to_user, held))
    return found


def square_of_modulus(x: Any) -> Any:
    """Return |x|² of real or complex numbers."""
    if aval_of(raw_of(x)).is_complex:
        return np.square(np.real(x)) + np.square(np.imag(x))
    return np.square(x)


def _even_power(x: Any, exponent: Any, power: Callable[[], Any]) -> Any:
    """Return an even power of a length; None for what is not that."""
    raw = raw_of(x)
    square = getattr(raw, "_smooth_square", None) if type(raw) is Traced else None
    if square is None or exponent < 2 or exponent % 2:
        return None
    with np.errstate(all="ignore"):  # the value warns if it must
        smooth = square() if exponent == 2 else square() ** (int(exponent) // 2)
    return to_user(bind(valued, raw_of(power()), raw_of(smooth)))


def _install() -> None:
    install_even_power(_even_power)
    square, multiply = ufuncs[np.square], ufuncs[np.multiply]

    def squared(x: Any) -> Any:
        found = _even_power(x, 2, lambda: square(x))
        return square(x) if found is None else found

    def multiplied(x: Any, y: Any) -> Any:
        found = _even_power(x, 2, lambda: multiply(x, y)) if x is y else None
        return multiply(x, y) if found is None else found

    ufuncs[np.square], ufuncs[np.multiply] = squared, multiplied
    for ufunc in (np.power, np.float_power):
        ufuncs[ufunc] = _raising(ufuncs[ufunc])


def _raising(power: Callable[..., Any]) -> Callable[..., Any]:
    def raised(x: Any, y: Any) -> Any:
        simple = type(y) is int or type(y) is float
        found = _even_power(x, y, lambda: power(x, y)) if simple else None
        return power(x, y) if found is None else found

    return raised


_install()
