"""Elementary functions of float32 in float32: twice the numbers a vector that float64 has.

Each ends in a sum whose second part carries what the first one lost, so that little but the last
rounding is left of the error: see `docs/elementary-functions.md`.
"""

from __future__ import annotations

from typing import Any

from . import coefficients as table
from .arithmetic import INFINITY, NAN, NOTHING, NarrowKernel, Number, Whole

_ROOT_HALF_BITS = 0x3F3504F3
_SMALLEST_NORMAL = 2.0**-126


def _reduced(k: NarrowKernel, x: Number) -> tuple[Number, Number, Whole]:
    """Return r, eʳ - 1 - r and n with x = r + n ln 2."""
    n, whole = k.rounded(x, table.LOG2_E[0])
    near = k.fma(n, -table.LN2_NARROW[0], x)
    r = k.fma(n, -table.LN2_NARROW[1], near)
    r_low = k.fma(n, -table.LN2_NARROW[1], near - r)
    return r, k.fma(r * r, k.polynomial(r, table.EXPONENTIAL_NARROW), r_low), whole


def _parts(k: NarrowKernel, x: Number) -> tuple[Number, Number, Whole]:
    """Return y, its low part and n with eˣ = (y + y_low) 2ⁿ, y from 0.7 to 1.5."""
    r, tail, whole = _reduced(k, x)
    y, y_low = k.fast_sum(k.number(1.0), r)
    return y, y_low + tail, whole


def exp(k: NarrowKernel, x: Number) -> Number:
    y, y_low, whole = _parts(k, k.at_least(k.at_most(x, 90.0), -105.0))
    return k.scaled(y + y_low, whole)


def expm1(k: NarrowKernel, x: Number) -> Number:
    # 2ⁿ (r + tail) + (2ⁿ - 1), halves of both: nothing overflows before the result does.
    r, tail, whole = _reduced(k, k.at_least(k.at_most(x, 88.8), -20.0))
    p, p_low = k.fast_sum(r, tail)
    half = k.scaled(0.5, whole)
    result = k.fma(half, p_low, k.fma(half, p, half - 0.5))
    return k.copysign(k.select(abs(x) < 2.0**-26, x, result + result), x)


def _logarithm(k: NarrowKernel, n: Number, f: Number, low: Any = NOTHING) -> Number:
    """Return n ln 2 + log(1 + f) + low."""
    square = f * f
    rest = k.fma(n, table.LN2_NARROW[1], low)
    rest = k.fma(square * f, k.polynomial(f, table.LOGARITHM_NARROW), rest)
    # n ln 2 + f is far from zero unless n is zero, and f exact.
    main, main_low = k.fast_sum(n * table.LN2_NARROW[0], f)
    return main + (main_low + k.fma(square, -0.5, rest))


def _split(k: NarrowKernel, x: Number) -> tuple[Number, Number]:
    """Return n and f with x = (1 + f) 2ⁿ, √½ ≤ 1 + f < √2, for a normal positive x."""
    bits = x.bits()
    whole = ((bits + ((300 << 23) - _ROOT_HALF_BITS)) >> 23) - 300
    return k.as_float(whole), (bits - (whole << 23)).as_number() - 1.0


def log(k: NarrowKernel, x: Number) -> Number:
    tiny = x < _SMALLEST_NORMAL
    n, f = _split(k, k.select(tiny, x * 2.0**24, x))
    result = _logarithm(k, k.select(tiny, n - 24.0, n), f)
    result = k.select(x < INFINITY, result, x)
    result = k.select(x < 0.0, NAN, result)
    return k.select(x.equals(0.0), -INFINITY, result)


def log1p(k: NarrowKernel, x: Number) -> Number:
    one = k.number(1.0)
    u = one + x
    n, f = _split(k, u)
    # What 1 + x rounds off weighs 1/(1 + x).
    result = _logarithm(k, n, f, k.sum_error(one, x, u) / u)
    result = k.select(x < INFINITY, result, x)
    result = k.select(x < -1.0, NAN, result)
    return k.copysign(k.select(x.equals(-1.0), -INFINITY, result), x)


def tanh(k: NarrowKernel, x: Number) -> Number:
    # 1 - 2/(e²ˣ + 1); by a polynomial near 0; 1 beyond 10.
    size = k.at_most(abs(x), 10.0)
    y, y_low, whole = _parts(k, size + size)
    power = (y + y_low) * k.power_of_two(whole)
    far = 1.0 - 2.0 / (power + 1.0)
    square = size * size
    near = k.fma(size * square, k.polynomial(square, table.TANGENT_NARROW), size)
    return k.copysign(k.select(size < 0.75, near, far), x)


def sigmoid(k: NarrowKernel, x: Number) -> Number:
    # By e^-|x|, which does not overflow.
    y, y_low, whole = _parts(k, k.at_least(-abs(x), -105.0))
    power = k.scaled(y + y_low, whole)
    below, below_low = k.fast_sum(k.number(1.0), power)
    above = k.select(x > 0.0, 1.0, power)
    ratio = above / below
    rest = k.remainder(above, ratio, below) - ratio * below_low
    return k.fma(rest, 1.0 / below, ratio)


FUNCTIONS = {
    "exp": exp,
    "expm1": expm1,
    "log": log,
    "log1p": log1p,
    "sigmoid": sigmoid,
    "tanh": tanh,
}
