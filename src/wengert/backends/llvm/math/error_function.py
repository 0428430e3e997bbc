"""The error function and its complement.

Near 0 a polynomial in x²; else exp(-x²) times a polynomial in (x - 4)/(x + 4) over 1 + 2 x.
"""

from __future__ import annotations

from . import coefficients as table
from .arithmetic import NOTHING, Kernel, Number
from .exponential import exponential_parts, scaled


def _slope(k: Kernel, square: Number) -> Number:
    """Return erf(x)/x - 2/√π for |x| ≤ 1, with the low part of 2/√π."""
    coefficients = table.ERROR_FUNCTION_SINGLE if k.single else table.ERROR_FUNCTION
    return k.fma(square, k.polynomial(square, coefficients), table.TWO_OVER_ROOT_PI[1])


def _complement(k: Kernel, size: Number) -> Number:
    """Return erfc of a number from ½ to 28."""
    square, square_low = k.exact_product(size, size)
    power, power_low, whole = exponential_parts(k, -square, -square_low)
    ratio, ratio_low = k.quotient(size - 4.0, NOTHING, *_sum(k, size, 4.0))
    coefficients = table.COMPLEMENTARY_SINGLE if k.single else table.COMPLEMENTARY
    t = ratio + ratio_low
    first, factor_low = k.fast_sum(k.number(coefficients[0]), t * k.polynomial(t, coefficients[1:]))
    product, product_low = k.exact_product(power, first)
    product_low = product_low + (power * factor_low + power_low * first)
    result, low = k.quotient(product, product_low, *_sum(k, size + size, 1.0))
    return scaled(k, result + low, whole)


def _sum(k: Kernel, x: Number, y: float) -> tuple[Number, Number]:
    return k.exact_sum(x, y)


def erf(k: Kernel, x: Number) -> Number:
    size = abs(x)
    square = x * x
    near = k.fma(x, table.TWO_OVER_ROOT_PI[0], x * _slope(k, square))
    # To 1 the complement counts with its leading digits only.
    a = k.at_most(size, 6.0)
    power, _, whole = exponential_parts(k, -(a * a))
    t = (a - 4.0) / (a + 4.0)
    coefficients = table.COMPLEMENTARY_SINGLE if k.single else table.COMPLEMENTARY
    complement = k.polynomial(t, coefficients) * power * k.power_of_two(whole)
    far = k.copysign(1.0 - complement / k.fma(2.0, a, 1.0), x)
    return k.select(size < 1.0, near, far)


def erfc(k: Kernel, x: Number) -> Number:
    size = abs(x)
    product, product_low = k.exact_product(x, k.number(table.TWO_OVER_ROOT_PI[0]))
    total, total_low = k.fast_sum(k.number(1.0), -product)
    near = total + (total_low - (product_low + x * _slope(k, x * x)))
    far = _complement(k, k.at_most(size, 12.0 if k.single else 27.5))
    far = k.select(x < 0.0, 2.0 - far, far)
    return k.select(size < 0.5, near, far)
