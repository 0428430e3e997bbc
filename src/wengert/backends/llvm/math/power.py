"""Powers, roots and lengths: pow in extended precision, cbrt, hypot, sqrt."""

from __future__ import annotations

from typing import Any

from . import coefficients as table
from .arithmetic import INFINITY, NAN, NOTHING, ROUNDER, ROUNDER_BITS, Condition, Kernel, Number
from .exponential import exponential_parts, scaled
from .logarithm import logarithm_extended


def _is_whole(k: Kernel, size: Number) -> Condition:
    """Return whether a number ≥ 0 is whole: adding 2⁵² rounds what is smaller."""
    return ((size + 2.0**52) - 2.0**52).equals(size) | (size >= 2.0**52)


def power(k: Kernel, x: Number, y: Number) -> Number:
    """Emit xʸ as exp(y log |x|), the logarithm in two parts; special cases as C (F.10.4.4)."""
    size, exponent_size = abs(x), abs(y)
    high, low = logarithm_extended(k, size)
    product = y * high
    if k.single:
        product_low: Any = NOTHING
        product = k.at_least(k.at_most(product, 200.0), -200.0)
    else:
        product_low = k.product_error(y, high, product) + y * low
        outside = abs(product) > 760.0
        product = k.at_least(k.at_most(product, 760.0), -760.0)
        product_low = k.select(outside, 0.0, product_low)
    value, value_low, whole = exponential_parts(k, product, product_low)
    result = scaled(k, value + value_low, whole)

    extreme = size.equals(0.0) | size.equals(INFINITY) | exponent_size.equals(INFINITY)
    upwards = k.select(size > 1.0, y, -y) > 0.0
    result = k.select(extreme, k.select(upwards, INFINITY, 0.0), result)
    whole_exponent = _is_whole(k, exponent_size)
    odd = whole_exponent & ~_is_whole(k, 0.5 * exponent_size)
    result = k.select(odd, k.copysign(result, x), result)
    result = k.select((x < 0.0) & (size < INFINITY) & ~whole_exponent, NAN, result)
    result = k.select(x.is_nan() | y.is_nan(), NAN, result)
    one = x.equals(1.0) | y.equals(0.0) | (size.equals(1.0) & exponent_size.equals(INFINITY))
    return k.select(one, 1.0, result)


def whole_power(k: Kernel, x: Number, *, exponent: int) -> Number:
    """Emit xⁿ for a constant n by squares and products in two parts, of 1/x where n < 0."""
    base, base_low = x, NOTHING
    if exponent < 0:
        base, base_low = k.quotient(k.number(1.0), NOTHING, x, NOTHING)
    high, low = base, base_low
    for digit in bin(abs(exponent))[3:]:
        square, square_low = k.exact_product(high, high)
        high, low = k.fast_sum(square, square_low + 2.0 * (high * low))
        if digit == "1":
            product, product_low = k.exact_product(high, base)
            high, low = k.fast_sum(product, product_low + (high * base_low + low * base))
    result = high + low
    if k.single:
        return result
    # Where the leading part is infinite, or 1/x is 0, the other one is not a number.
    leading = 1.0 / x if exponent < 0 else x
    plain = leading
    for digit in bin(abs(exponent))[3:]:
        plain = plain * plain
        if digit == "1":
            plain = plain * leading
    result = k.select(result.is_nan(), plain, result)
    return k.copysign(result, x) if exponent % 2 else result


def cbrt(k: Kernel, x: Number) -> Number:
    # z near m^(-1/3) by a polynomial and a step of fourth order; then m z², corrected once.
    size = abs(x)
    tiny = size < 2.0**-1022
    if not k.single:
        size = k.select(tiny, size * 2.0**54, size)
    bits = size.bits()
    exponent = (bits >> 52) - 1022
    _, third = k.rounded(((exponent + ROUNDER_BITS).as_number() - ROUNDER) * (1.0 / 3.0))
    rest = exponent - (third + third + third)
    half_to_one = ((bits & 0xFFFFFFFFFFFFF) | 0x3FE0000000000000).as_number()
    m = half_to_one * k.power_of_two(rest)
    is_one, is_minus_one = rest.equals(1), rest.equals(-1)
    turn = k.select(
        is_one,
        table.CUBE_ROOT_OF_4 / 2,
        k.select(is_minus_one, table.CUBE_ROOT_OF_2, 1.0),
    )
    z = k.polynomial(half_to_one, table.CUBE_ROOT_SINGLE if k.single else table.CUBE_ROOT) * turn
    error = 1.0 - m * (z * z * z)
    z = k.fma(z * error, k.fma(error, k.fma(error, 14.0 / 81.0, 2.0 / 9.0), 1.0 / 3.0), z)
    root = m * (z * z)
    if not k.single:
        square, square_low = k.exact_product(root, root)
        cube, cube_low = k.exact_product(square, root)
        residual = (m - cube) - (cube_low + square_low * root)
        root = k.fma(residual * (1.0 / 3.0), z * z, root)
        root = k.select(tiny, root * 2.0**-18, root)
    root = k.copysign(root * k.power_of_two(third), x)
    ordinary = (abs(x) < INFINITY) & (abs(x) > 0.0)
    return k.select(ordinary, root, x)


def hypot(k: Kernel, x: Number, y: Number) -> Number:
    a, b = abs(x), abs(y)
    infinite = a.equals(INFINITY) | b.equals(INFINITY)
    if k.single:
        result = k.sqrt(k.fma(a, a, b * b))
    else:
        larger, smaller = k.select(a > b, a, b), k.select(a > b, b, a)
        up, down = larger < 2.0**-450, larger > 2.0**500
        factor = k.select(up, 2.0**600, k.select(down, 2.0**-600, 1.0))
        back = k.select(up, 2.0**-600, k.select(down, 2.0**600, 1.0))
        larger, smaller = larger * factor, smaller * factor
        result = k.sqrt(k.fma(larger, larger, smaller * smaller)) * back
        result = k.select(x.is_nan() | y.is_nan(), NAN, result)
    return k.select(infinite, INFINITY, result)


def sqrt(k: Kernel, x: Number) -> Number:
    return k.sqrt(x)
