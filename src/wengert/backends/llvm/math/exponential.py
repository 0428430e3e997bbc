"""Exponentials and hyperbolic functions: exp, exp2, expm1, sinh, cosh, tanh, sigmoid.

All reduce to eʳ with |r| ≤ ln 2 / 2 and a power of two, which is applied last, in two steps.
"""

from __future__ import annotations

from typing import Any

from . import coefficients as table
from .arithmetic import NOTHING, Kernel, Number, Whole


def reduced(k: Kernel, x: Number, x_low: Number = NOTHING) -> tuple[Number, Number, Whole, Number]:
    """Return r, its low part and n with x = r + n ln 2, n as integer and as float.

    The first part of ln 2 ends in zeros, so its product with n is exact.
    """
    n, whole = k.rounded(x, table.LOG2_E[0])
    near = k.fma(n, -table.LN2[0], x)
    rest = n * table.LN2[1] - x_low
    r = near - rest
    if k.single:
        return r, NOTHING, whole, n
    return r, (near - r) - rest, whole, n


def tail(k: Kernel, r: Number, r_low: Number) -> Number:
    """Return eʳ - 1 - r, plus the low part of r."""
    coefficients = table.EXPONENTIAL_SINGLE if k.single else table.EXPONENTIAL
    return k.fma(r * r, k.polynomial(r, coefficients), r_low)


def exponential_parts(
    k: Kernel, x: Number, x_low: Number = NOTHING
) -> tuple[Number, Number, Whole]:
    """Return y, its low part and n with e^(x + x_low) = (y + y_low) 2ⁿ, y from 0.7 to 1.5."""
    r, r_low, whole, _ = reduced(k, x, x_low)
    y, y_low = k.fast_sum(k.number(1.0), r)
    if not k.single:
        r_low = r_low + r * r_low
    y, last = k.fast_sum(y, y_low + tail(k, r, r_low))
    return y, last, whole


def scaled(k: Kernel, y: Number, whole: Whole) -> Number:
    """Return y 2ⁿ; for float32 n stays where the power is an ordinary number."""
    return y * k.power_of_two(whole) if k.single else k.scaled(y, whole)


def _unscaled(k: Kernel, x: Number) -> tuple[Number, Whole]:
    """Return y and n with eˣ = y 2ⁿ, y to a unit in its last place."""
    n, whole = k.rounded(x, table.LOG2_E[0])
    r = k.fma(n, -table.LN2[1], k.fma(n, -table.LN2[0], x))
    coefficients = table.EXPONENTIAL_SINGLE if k.single else table.EXPONENTIAL
    y: Number = 1.0 + k.fma(r * r, k.polynomial(r, coefficients), r)
    return y, whole


def exp(k: Kernel, x: Number) -> Number:
    x = k.at_least(k.at_most(x, 200.0 if k.single else 710.0), -200.0 if k.single else -746.0)
    return scaled(k, *_unscaled(k, x))


def exp_rounded_once(k: Kernel, x: Number) -> Number:
    """Return eˣ for x ≤ 0 with little more than the error of its last rounding."""
    y, y_low, whole = exponential_parts(k, k.at_least(x, -200.0 if k.single else -746.0))
    return scaled(k, y + y_low, whole)


def exp2(k: Kernel, x: Number) -> Number:
    x = k.at_least(k.at_most(x, 300.0 if k.single else 1025.0), -300.0 if k.single else -1080.0)
    n, whole = k.rounded(x)
    r = x - n
    r = k.fma(r, table.LN2[0], r * table.LN2[1])
    return scaled(k, 1.0 + (r + tail(k, r, NOTHING)), whole)


def expm1_parts(k: Kernel, x: Number) -> tuple[Any, Any, Number]:
    """Return half of (s p, and p's low part times s) and s/2, where eˣ - 1 = s p + (s - 1)."""
    r, r_low, whole, _ = reduced(k, x)
    p, p_low = k.fast_sum(r, tail(k, r, r_low))
    half = k.power_of_two(whole - 1)
    return half * p, half * p_low, half


def expm1(k: Kernel, x: Number) -> Number:
    # Half of everything, so that nothing overflows before the result does.
    limited = k.at_least(k.at_most(x, 200.0 if k.single else 710.0), -50.0)
    p, p_low, half = expm1_parts(k, limited)
    result = ((half - 0.5) + p) + p_low
    return k.copysign(k.select(abs(x) < 2.0**-54, x, result + result), x)


def cosh(k: Kernel, x: Number) -> Number:
    half = _half_exponential(k, abs(x))
    return half + 0.25 / half


def sinh(k: Kernel, x: Number) -> Number:
    size = abs(x)
    half = _half_exponential(k, size)
    square = size * size
    coefficients = table.HYPERBOLIC_SINE_SINGLE if k.single else table.HYPERBOLIC_SINE
    near = k.fma(size * square, k.polynomial(square, coefficients), size)
    return k.copysign(k.select(size < 1.0, near, half - 0.25 / half), x)


def _half_exponential(k: Kernel, size: Number) -> Number:
    """Return e^|x|/2, which overflows no sooner than the result does."""
    size = k.at_most(size, 200.0 if k.single else 712.0)
    y, whole = _unscaled(k, size)
    return scaled(k, y, whole - 1)


def tanh(k: Kernel, x: Number) -> Number:
    # (e²ˣ - 1)/(e²ˣ + 1), halves of both; 1 beyond 22.
    size = k.at_most(abs(x), 22.0)
    r, r_low, whole, _ = reduced(k, size + size)
    half = k.power_of_two(whole - 1)
    p, p_low = k.fast_sum(r, tail(k, r, r_low))
    above = k.fma(half, p, k.fma(half, p_low, half - 0.5))
    below = above + 1.0
    if k.single:
        return k.copysign(above / below, x)
    below_low = above - (below - 1.0)
    inverse = 1.0 / below
    ratio = above * inverse
    rest = k.remainder(above, ratio, below) - ratio * below_low
    return k.copysign(k.fma(rest, inverse, ratio), x)


def sigmoid(k: Kernel, x: Number) -> Number:
    # By e^-|x|, which neither overflows nor, at -700, rounds the result to zero.
    power = exp_rounded_once(k, -abs(x))
    below, below_low = k.fast_sum(k.number(1.0), power)
    ratio, ratio_low = k.quotient(k.select(x > 0.0, 1.0, power), NOTHING, below, below_low)
    return ratio + ratio_low
