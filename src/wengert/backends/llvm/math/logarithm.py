"""Logarithms and inverse hyperbolic functions, and the logarithms of sums of exponentials.

All reduce to log(1 + f) = 2 artanh(f/(2 + f)) with √½ ≤ 1 + f < √2, and a multiple of ln 2.
"""

from __future__ import annotations

from typing import Any

from . import coefficients as table
from .arithmetic import INFINITY, NAN, NOTHING, ROUNDER, ROUNDER_BITS, Kernel, Number, Whole
from .exponential import exp_rounded_once, exponential_parts

_ROOT_HALF_BITS = 0x3FE6A09E667F3BCD
_SMALLEST_NORMAL = 2.0**-1022


def split(k: Kernel, x: Number) -> tuple[Number, Number, Whole]:
    """Return n, m and the bits of n with x = m 2ⁿ, √½ ≤ m < √2, for a normal positive x."""
    bits = x.bits()
    whole = ((bits + ((1100 << 52) - _ROOT_HALF_BITS)) >> 52) - 1100
    n = (whole + ROUNDER_BITS).as_number() - ROUNDER
    return n, (bits - (whole << 52)).as_number(), whole


def split_any(k: Kernel, x: Number) -> tuple[Number, Number]:
    """Return n and m as `split` does, for subnormal numbers too."""
    if k.single:
        n, m, _ = split(k, x)
        return n, m
    tiny = x < _SMALLEST_NORMAL
    n, m, _ = split(k, k.select(tiny, x * 2.0**54, x))
    return k.select(tiny, n - 54.0, n), m


def _ratio(k: Kernel, f: Number) -> tuple[Number, Number, Number]:
    """Return s, f²/2 and R with log(1 + f) = f - (f²/2 - s (f²/2 + R))."""
    s = f / (f + 2.0)
    z = s * s
    coefficients = table.LOGARITHM_SINGLE if k.single else table.LOGARITHM
    rest = z * k.fma(z, k.polynomial(z, coefficients), table.TWO_THIRDS[0])
    return s, 0.5 * (f * f), rest


def _joined(k: Kernel, n: Number, f: Number, low: Number) -> Number:
    """Return log(1 + f) + n ln 2 + low."""
    s, half_square, rest = _ratio(k, f)
    low = k.fma(n, table.LN2[1], low)
    inner = half_square - k.fma(s, half_square + rest, low)
    return k.fma(n, table.LN2[0], f - inner)


def on_domain(k: Kernel, x: Number, result: Number) -> Number:
    """Return a logarithm of x with its values at 0, below 0, at infinity and nan."""
    result = k.select(x < INFINITY, result, x)
    result = k.select(x < 0.0, NAN, result)
    return k.select(x.equals(0.0), -INFINITY, result)


def log(k: Kernel, x: Number) -> Number:
    n, m = split_any(k, x)
    return on_domain(k, x, _joined(k, n, m - 1.0, NOTHING))


def _other_base(k: Kernel, x: Number, factor: tuple[float, float], unit: Any) -> Number:
    """Return log(x) times a factor given in two parts, where n ln 2 times it is `unit` of n."""
    n, m = split_any(k, x)
    f = m - 1.0
    s, half_square, rest = _ratio(k, f)
    high = f - half_square
    low = ((f - high) - half_square) + s * (half_square + rest)
    product, product_low = k.exact_product(high, factor[0])
    product_low = product_low + k.fma(low, factor[0], high * factor[1])
    main, main_low = unit(n)
    total, total_low = k.fast_sum(main, product)
    if k.single:
        return on_domain(k, x, total + (product_low + main_low))
    return on_domain(k, x, total + (total_low + (product_low + main_low)))


def log2(k: Kernel, x: Number) -> Number:
    return _other_base(k, x, table.LOG2_E, lambda n: (n, NOTHING))


def log10(k: Kernel, x: Number) -> Number:
    first, second = table.LOG10_2
    return _other_base(k, x, table.LOG10_E, lambda n: (n * first, n * second))


def logarithm_extended(k: Kernel, x: Number) -> tuple[Number, Number]:
    """Return log x in two parts, to 2⁻⁶⁵ of its value, for positive finite x."""
    n, m = split_any(k, x)
    f = m - 1.0
    if k.single:
        return _joined(k, n, f, NOTHING), NOTHING
    below, below_low = k.fast_sum(k.number(2.0), f)
    s, s_low = k.quotient(f, NOTHING, below, below_low)
    s, s_low = k.fast_sum(s, s_low)
    z, z_low = k.exact_product(s, s)
    z_low = z_low + 2.0 * (s * s_low)
    inner = k.fma(z, k.polynomial(z, table.LOGARITHM), table.TWO_THIRDS[1])
    u, u_low = k.fast_sum(k.number(table.TWO_THIRDS[0]), inner)
    v, v_low = k.exact_product(s, z)
    v_low = v_low + (s * z_low + s_low * z)
    w, w_low = k.exact_product(v, u)
    w_low = w_low + (v * u_low + v_low * u)
    high, low = k.fast_sum(s + s, w)
    low = low + (w_low + (s_low + s_low))
    total, total_low = k.fast_sum(n * table.LN2[0], high)
    return k.fast_sum(total, total_low + k.fma(n, table.LN2[1], low))


def log1p_of(k: Kernel, x: Number, x_low: Number = NOTHING, octaves: Number = NOTHING) -> Number:
    """Return log(1 + x + x_low) + octaves × ln 2 for x > -1, x finite."""
    return _joined(k, *_above_one(k, x, x_low, octaves))


def _log1p_parts(k: Kernel, x: Number, x_low: Number) -> tuple[Number, Number]:
    """Return log(1 + x + x_low) in two parts, to a quarter of a unit."""
    n, f, low = _above_one(k, x, x_low, NOTHING)
    if k.single:
        return _joined(k, n, f, low), NOTHING
    s, half_square, rest = _ratio(k, f)
    inner = half_square - k.fma(s, half_square + rest, k.fma(n, table.LN2[1], low))
    total, total_low = k.fast_sum(n * table.LN2[0], f)
    return k.fast_sum(total, total_low - inner)


def _above_one(
    k: Kernel, x: Number, x_low: Number, octaves: Number
) -> tuple[Number, Number, Number]:
    """Return n, f and a low part of which log(1 + x + x_low) is joined."""
    one = k.number(1.0)
    u = one + x
    lost = k.sum_error(one, x, u) + x_low
    n, m, whole = split(k, u)
    f = m - 1.0
    # What rounding lost weighs 1/(1 + f), to two digits; nothing where x is large.
    lost = k.select(x > 2.0**60, 0.0, lost * (0x3FF0000000000000 - (whole << 52)).as_number())
    weight = k.fma(k.fma(k.fma(f, -1.0, 1.0), f, -1.0), f, 1.0)
    return n + octaves, f, lost * weight


def log1p(k: Kernel, x: Number) -> Number:
    result = k.select(x < INFINITY, log1p_of(k, x), x)
    result = k.select(x < -1.0, NAN, result)
    return k.copysign(k.select(x.equals(-1.0), -INFINITY, result), x)


def log_hypot(k: Kernel, x: Number, y: Number) -> Number:
    """Emit log √(x² + y²), of the squares in two parts: it keeps its digits where it is near 0."""
    a, b = abs(x), abs(y)
    larger, smaller = k.select(a > b, a, b), k.select(a > b, b, a)
    octaves: Number = NOTHING
    if not k.single:
        up, down = larger < 2.0**-450, larger > 2.0**500
        factor = k.select(up, 2.0**600, k.select(down, 2.0**-600, 1.0))
        octaves = k.select(up, -1200.0, k.select(down, 1200.0, 0.0))
        larger, smaller = larger * factor, smaller * factor
    first, first_low = _square(k, larger)
    second, second_low = _square(k, smaller)
    total = first + second
    lost = k.sum_error(first, second, total) + (first_low + second_low)
    n, m, whole = split(k, total)
    scale = (0x3FF0000000000000 - (whole << 52)).as_number()
    weight = 1.0 / m
    result = 0.5 * _joined(k, n + octaves, m - 1.0, lost * scale * weight)
    result = k.select(total.equals(0.0), -INFINITY, result)
    result = k.select(x.is_nan() | y.is_nan(), NAN, result)
    return k.select(a.equals(INFINITY) | b.equals(INFINITY), INFINITY, result)


def _square(k: Kernel, x: Number) -> tuple[Number, Number]:
    square = x * x
    return square, k.product_error(x, x, square)


# ------------------------------------------------------------------ inverse hyperbolic functions

_HUGE = 2.0**500


def _root_low(k: Kernel, v: Number, v_low: Number, root: Number) -> Number:
    """Return what √(v + v_low) has beyond its rounded value."""
    if k.single:
        return NOTHING
    return (k.remainder(v, root, root) + v_low) * (0.5 / root)


def arcsinh(k: Kernel, x: Number) -> Number:
    # log1p(|x| + (√(1 + x²) - 1)) with low parts; log |x| + ln 2 where the square overflows.
    size = abs(x)
    huge = size > _HUGE
    a = size if k.single else k.select(huge, 1.0, size)
    square, square_low = k.exact_product(a, a)
    v, v_low = k.exact_sum(square, 1.0)
    v_low = v_low + square_low
    root = k.sqrt(v)
    if k.single:
        result = log1p_of(k, a + square / (root + 1.0))
    else:
        above, above_low = k.fast_sum(root, k.number(-1.0))
        y, y_low = k.exact_sum(a, above)
        y_low = y_low + (above_low + _root_low(k, v, v_low, root))
        y, y_low = k.fast_sum(y, y_low)
        result = log1p_of(
            k, k.select(huge, size, y), k.select(huge, 0.0, y_low), k.select(huge, 1.0, 0.0)
        )
    return k.copysign(k.select(size < INFINITY, result, size), x)


def arccosh(k: Kernel, x: Number) -> Number:
    # log1p((x - 1) + √(x² - 1)) with low parts; log x + ln 2 where the square overflows.
    huge = x > _HUGE
    a = x if k.single else k.select(huge, 1.0, x)
    above, above_low = k.exact_sum(a, -1.0)
    if k.single:
        result = log1p_of(k, above + k.sqrt(above * (a + 1.0)))
    else:
        square, square_low = k.exact_product(a, a)
        v, v_low = k.exact_sum(square, -1.0)
        root = k.sqrt(v + square_low)
        root_low = k.select(root > 0.0, _root_low(k, v, v_low + square_low, root), 0.0)
        y, y_low = k.exact_sum(above, root)
        y, y_low = k.fast_sum(y, y_low + (above_low + root_low))
        result = log1p_of(
            k, k.select(huge, x, y), k.select(huge, 0.0, y_low), k.select(huge, 1.0, 0.0)
        )
    result = k.select(x < INFINITY, result, x)
    return k.select(x < 1.0, NAN, result)


def arctanh(k: Kernel, x: Number) -> Number:
    size = abs(x)
    below, below_low = k.exact_sum(k.number(1.0), -size)
    ratio, ratio_low = k.quotient(size + size, NOTHING, below, below_low)
    ratio, ratio_low = k.fast_sum(ratio, ratio_low)
    result = 0.5 * log1p_of(k, ratio, ratio_low)
    result = k.select(size.equals(1.0), INFINITY, result)
    return k.copysign(k.select(size > 1.0, NAN, result), x)


# ------------------------------------------------------------------ sums of exponentials


def softplus(k: Kernel, x: Number) -> Number:
    rest = log1p_of(k, exp_rounded_once(k, -abs(x)))
    return k.select(x < 0.0, 0.0, x) + rest


def _apart(k: Kernel, x: Number, y: Number) -> tuple[Number, Number, Number]:
    """Return the larger of two numbers (nan if one is), and the other's distance, in two parts."""
    first = (x > y) | x.is_nan()
    larger, smaller = k.select(first, x, y), k.select(first, y, x)
    difference, low = k.exact_sum(smaller, -larger)
    distinct = (difference < 0.0) & (difference > -2e3)  # infinities have no such part
    difference = k.select(x.equals(y), 0.0, difference)
    return larger, difference, NOTHING if k.single else k.select(distinct, low, 0.0)


def logaddexp(k: Kernel, x: Number, y: Number) -> Number:
    larger, difference, low = _apart(k, x, y)
    power, power_low, whole = exponential_parts(
        k, k.at_least(difference, -200.0 if k.single else -746.0), low
    )
    scale = k.power_of_two(whole) if k.single else k.scaled(1.0, whole)
    rest, rest_low = _log1p_parts(k, power * scale, power_low * scale)
    return _grown(k, larger, rest, rest_low)


def _grown(k: Kernel, larger: Number, rest: Number, rest_low: Number) -> Number:
    """Return larger + rest + rest_low, rounded once; an infinite one stays."""
    total = larger + rest
    lost = k.sum_error(larger, rest, total) + rest_low
    return k.select(abs(total) < INFINITY, total + lost, total)


def logaddexp2(k: Kernel, x: Number, y: Number) -> Number:
    larger, difference, low = _apart(k, x, y)
    n, whole = k.rounded(k.at_least(difference, -200.0 if k.single else -1076.0))
    rest = k.at_least(difference - n, -1.0)
    product, product_low = k.exact_product(rest, table.LN2_ROUNDED[0])
    product_low = product_low + (rest * table.LN2_ROUNDED[1] + low * table.LN2_ROUNDED[0])
    power, power_low, more = exponential_parts(k, product, product_low)
    scale = k.scaled(1.0, whole + more)
    rest, rest_low = _log1p_parts(k, power * scale, power_low * scale)
    product, product_low = k.exact_product(rest, table.LOG2_E[0])
    product_low = product_low + (rest * table.LOG2_E[1] + rest_low * table.LOG2_E[0])
    total = _grown(k, larger, product, product_low)
    return k.select(x.equals(y), larger + 1.0, total)
