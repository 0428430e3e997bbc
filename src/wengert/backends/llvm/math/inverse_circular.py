"""Inverse circular functions: arcsin, arccos, arctan, arctan2."""

from __future__ import annotations

from . import coefficients as table
from .arithmetic import INFINITY, NAN, NOTHING, Condition, Kernel, Number

_TAN_EIGHTH = 0.41421356237309503  # tan π/8
_COT_EIGHTH = 2.414213562373095


def _angle(k: Kernel, y: Number, x: Number) -> tuple[Number, Number]:
    """Return the angle of a point with y ≥ 0 and x ≥ 0, not both 0 or infinite, in two parts.

    It is that of y/x, of (y - x)/(y + x) and π/4, or of -x/y and π/2: one division.
    """
    steep = y > x * _COT_EIGHTH
    middle = (y > x * _TAN_EIGHTH) & ~steep
    above, above_low = k.exact_sum(y, -x)
    below, below_low = k.exact_sum(y, x)
    numerator = k.select(middle, above, k.select(steep, -x, y))
    denominator = k.select(middle, below, k.select(steep, y, x))
    u, u_low = k.quotient(
        numerator,
        k.select(middle, above_low, 0.0),
        denominator,
        k.select(middle, below_low, 0.0),
    )
    z = u * u
    coefficients = table.ARCTANGENT_SINGLE if k.single else table.ARCTANGENT
    rest = k.fma(u * z, k.polynomial(z, coefficients), u_low * (1.0 - z))
    start = _offset(k, middle, steep, 0)
    if k.single:
        return start + (u + rest), NOTHING
    total, total_low = k.fast_sum(start, u)
    return k.fast_sum(total, total_low + (rest + _offset(k, middle, steep, 1)))


def _offset(k: Kernel, middle: Condition, steep: Condition, part: int) -> Number:
    return k.select(middle, table.QUARTER_PI[part], k.select(steep, table.HALF_PI[part], 0.0))


def arctan(k: Kernel, x: Number) -> Number:
    size = abs(x)
    angle, angle_low = _angle(k, k.at_most(size, 1e30), k.number(1.0))
    angle = k.select(size < 2.0**-27, size, angle + angle_low)
    return k.copysign(k.select(x.is_nan(), x, angle), x)


def arctan2(k: Kernel, y: Number, x: Number) -> Number:
    a, b = abs(y), abs(x)
    if not k.single:
        # Inverses of the larger one must stay ordinary numbers; 2⁶⁰ costs no digit that counts.
        larger = k.select(a > b, a, b)
        factor = k.select(larger > 2.0**1000, 2.0**-60, k.select(larger < 2.0**-900, 2.0**120, 1.0))
        a, b = a * factor, b * factor
    both = a.equals(b)  # zeros and infinities alike: 45 degrees, which zeros do not keep
    zeros = a.equals(0.0) & b.equals(0.0)
    infinite = a.equals(INFINITY) | b.equals(INFINITY)
    height = k.select(both, 1.0, k.select(infinite, k.select(a.equals(INFINITY), 1.0, 0.0), a))
    width = k.select(both, 1.0, k.select(infinite, k.select(b.equals(INFINITY), 1.0, 0.0), b))
    height = k.select(zeros, 0.0, height)
    angle, angle_low = _angle(k, height, width)
    backwards = k.copysign(1.0, x) < 0.0
    if k.single:
        angle = k.select(backwards, table.PI[0] - angle, angle)
    else:
        turned, turned_low = k.fast_sum(k.number(table.PI[0]), -angle)
        turned = turned + (turned_low + (table.PI[1] - angle_low))
        angle = k.select(backwards, turned, angle + angle_low)
    return k.copysign(k.select(x.is_nan() | y.is_nan(), NAN, angle), y)


def _excess(k: Kernel, x: Number, square: Number) -> Number:
    """Return arcsin x - x for |x| ≤ ½."""
    coefficients = table.ARCSINE_SINGLE if k.single else table.ARCSINE
    return x * square * k.polynomial(square, coefficients)


def _chord(k: Kernel, size: Number) -> tuple[Number, Number, Number]:
    """Return √((1 - |x|)/2) in two parts, and the square."""
    square = k.fma(size, -0.5, 0.5)
    root = k.sqrt(square)
    if k.single:
        return root, NOTHING, square
    low = k.remainder(square, root, root) * (0.5 / root)
    return root, k.select(root > 0.0, low, 0.0), square


def arcsin(k: Kernel, x: Number) -> Number:
    # Beyond ½, π/2 - 2 arcsin √((1 - |x|)/2).
    size = abs(x)
    root, root_low, square = _chord(k, size)
    central = size < 0.5
    argument, square = k.select(central, size, root), k.select(central, size * size, square)
    rest = _excess(k, argument, square)
    near = argument + rest
    if k.single:
        far = table.HALF_PI[0] - 2.0 * near
    else:
        total, total_low = k.fast_sum(k.number(table.HALF_PI[0]), -2.0 * argument)
        far = total + (total_low + (table.HALF_PI[1] - 2.0 * (rest + root_low)))
    result = k.select(central, near, far)
    return k.copysign(k.select(size > 1.0, NAN, result), x)


def arccos(k: Kernel, x: Number) -> Number:
    # To ½, π/2 - arcsin x; beyond, 2 arcsin √((1 - |x|)/2), or π less that for negative x.
    size = abs(x)
    root, root_low, square = _chord(k, size)
    central = size < 0.5
    argument, square = k.select(central, x, root), k.select(central, size * size, square)
    rest = _excess(k, argument, square)
    if k.single:
        double = 2.0 * (argument + rest)
        far = k.select(x < 0.0, table.PI[0] - double, double)
        result = k.select(central, table.HALF_PI[0] - (argument + rest), far)
        return k.select(size > 1.0, NAN, result)
    # start + factor × (argument + rest), with start π/2, 0 or π
    negative = x < 0.0
    factor = k.select(central, -1.0, k.select(negative, -2.0, 2.0))
    start, start_low = (
        k.select(central, half, k.select(negative, whole, 0.0))
        for half, whole in zip(table.HALF_PI[:2], table.PI[:2], strict=True)
    )
    low = rest + k.select(central, 0.0, root_low)
    total, total_low = k.fast_sum(start, factor * argument)
    result = total + (total_low + k.fma(factor, low, start_low))
    return k.select(size > 1.0, NAN, result)
