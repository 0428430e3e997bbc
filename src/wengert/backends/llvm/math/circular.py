"""Sine, cosine and tangent of any argument.

Up to 2³⁰ whole multiples of π or π/2 are taken off in three parts (Cody and Waite); beyond that, a
rare path multiplies by 2/π to 192 bits (Payne and Hanek 1983).
"""

from __future__ import annotations

from collections.abc import Callable

from . import coefficients as table
from .arithmetic import INFINITY, NAN, NOTHING, Kernel, Number, Whole
from .rare import rarely

LIMIT = 2.0**30
_TINY = 2.0**-27


def _less(k: Kernel, x: Number, n: Number, unit: tuple[float, ...]) -> tuple[Number, Number]:
    """Return x - n × unit in two parts; the first product leaves x without rounding."""
    if k.has_fma:
        near = k.fma(n, -unit[0], x)
        r = k.fma(n, -unit[1], near)
        if k.single:
            return r, NOTHING
        return r, k.fma(n, -unit[2], k.fma(n, -unit[1], near - r))
    product = n * unit[0]
    near, near_low = x - product, -k.product_error(n, unit[0], product)
    if k.single:
        return (near + near_low) - n * unit[1], NOTHING
    near, near_low = k.exact_sum(near, near_low)
    product, product_low = k.exact_product(n, unit[1])
    r, r_low = k.exact_sum(near, -product)
    return r, r_low + near_low - product_low - n * unit[2]


def _reduced(k: Kernel, x: Number) -> tuple[Number, Number, Whole]:
    """Return x less the nearest whole number of π/2, in two parts, and that number.

    Sine and cosine of one argument have this and both polynomials in common, so that LLVM computes
    them once where a program needs both, as derivatives do.
    """
    n, quarters = k.rounded(x, table.TWO_OVER_PI)
    r, r_low = _less(k, x, n, table.HALF_PI)
    return r, r_low, quarters


def sin(k: Kernel, x: Number) -> Number:
    result = _one_wave(k, *_reduced(k, x))
    return rarely(k, "sin", LIMIT, x, k.select(abs(x) < _TINY, x, result))


def cos(k: Kernel, x: Number) -> Number:
    result = _one_wave(k, *_reduced(k, x), ahead=1)
    return rarely(k, "cos", LIMIT, x, result)


def tan(k: Kernel, x: Number) -> Number:
    result = _tangent(k, *_reduced(k, x))
    return rarely(k, "tan", LIMIT, x, k.select(abs(x) < _TINY, x, result))


def _sine_parts(k: Kernel, r: Number, r_low: Number) -> tuple[Number, Number]:
    """Return sin(r + r_low), |r| ≤ π/4, in two parts that do not overlap much."""
    z = r * r
    coefficients = table.SINE_SINGLE if k.single else table.SINE
    rest = k.fma(r * z, k.polynomial(z, coefficients), r_low * k.fma(z, -0.5, 1.0))
    return r, rest


def _cosine_parts(k: Kernel, r: Number, r_low: Number) -> tuple[Number, Number]:
    """Return cos(r + r_low), |r| ≤ π/4, in two parts that do not overlap much."""
    z, z_low = k.exact_product(r, r)
    coefficients = table.COSINE_SINGLE if k.single else table.COSINE
    above, above_low = k.fast_sum(k.number(1.0), z * -0.5)
    rest = k.fma(z * z, k.polynomial(z, coefficients), above_low)
    return above, rest - k.fma(r, r_low, 0.5 * z_low)


def _tangent(k: Kernel, r: Number, r_low: Number, turns: Whole) -> Number:
    """Return tan of r and a number of quarter turns: sin/cos, or -cos/sin if that is odd."""
    sine, sine_low = _sine_parts(k, r, r_low)
    cosine, cosine_low = _cosine_parts(k, r, r_low)
    sine, sine_low = k.fast_sum(sine, sine_low)
    cosine, cosine_low = k.fast_sum(cosine, cosine_low)
    odd = (turns & 1).equals(1)
    ratio, ratio_low = k.quotient(
        k.select(odd, cosine, sine),
        k.select(odd, cosine_low, sine_low),
        k.select(odd, sine, cosine),
        k.select(odd, sine_low, cosine_low),
    )
    return ((ratio + ratio_low).bits() ^ (turns << 63)).as_number()


# ------------------------------------------------------------------ arguments of any size


def _digits(k: Kernel) -> str:
    """Return the binary digits of 2/π in memory, 64 of zeros in front and 128 behind."""
    words = (0, *table.TWO_OVER_PI_WORDS, 0, 0)
    listed = ", ".join(f"i64 {word}" for word in words)
    name = "wengert.two_over_pi"
    text = f'@"{name}" = internal constant [{len(words)} x i64] [{listed}]'
    return k.function.module.define(name, text)


def _quarter_turns(k: Kernel, x: Number) -> tuple[Number, Number, Whole]:
    """Return |x| less the nearest whole number of π/2, in two parts, and that number mod 4."""
    emit, declare = k.emit, k.function.module.declare
    bits = abs(x).bits()
    mantissa = (bits & 0xFFFFFFFFFFFFF) | 0x10000000000000
    # Digits that weigh 4 or more, times the whole number `mantissa`, add full turns: left out.
    start = (bits >> 52) - (1075 + 2 - 64)
    shift, first_word = start & 63, start >> 6
    words = []
    for i in range(4):
        place = emit(f"getelementptr i64, ptr {_digits(k)}, i64 {(first_word + i).value}")
        words.append(emit(f"load i64, ptr {place}"))
    funnel = declare("llvm.fshl.i64", "i64", "i64", "i64", "i64")
    window = "0"
    for i in range(3):
        pair = f"i64 {words[i]}, i64 {words[i + 1]}, i64 {shift.value}"
        word = emit(f"zext i64 {emit(f'call i64 {funnel}({pair})')} to i192")
        moved = emit(f"shl i192 {word}, {128 - 64 * i}")
        window = emit(f"or i192 {window}, {moved}")
    product = emit(f"mul i192 {window}, {emit(f'zext i64 {mantissa.value} to i192')}")
    # The product counts full turns; what is nearest to a whole number of quarters comes off.
    half = emit(f"and i192 {emit(f'lshr i192 {product}, 189')}, 1")
    quarters = emit(f"add i192 {emit(f'lshr i192 {product}, 190')}, {half}")
    rest = emit(f"shl i192 {product}, 2")
    negative = emit(f"icmp slt i192 {rest}, 0")
    opposite = emit(f"sub i192 0, {rest}")
    size = emit(f"select i1 {negative}, i192 {opposite}, i192 {rest}")
    count = declare("llvm.ctlz.i192", "i192", "i192", "i1")
    zeros = emit(f"call i192 {count}(i192 {size}, i1 true)")
    size = emit(f"shl i192 {size}, {zeros}")
    # 53 and 53 leading digits, exact as floats.
    high = emit(f"trunc i192 {emit(f'lshr i192 {size}, 139')} to i64")
    low = emit(f"trunc i192 {emit(f'lshr i192 {size}, 86')} to i64")
    low = emit(f"and i64 {low}, {2**53 - 1}")
    scale = k.power_of_two(-53 - Whole(k, emit(f"trunc i192 {zeros} to i64")))
    first = Number(k, emit(f"sitofp i64 {high} to double")) * scale
    second = Number(k, emit(f"sitofp i64 {low} to double")) * scale * 2.0**-53
    sign = Whole(k, emit(f"zext i1 {negative} to i64")) << 63
    first = (first.bits() ^ sign).as_number()
    second = (second.bits() ^ sign).as_number()
    r, r_low = k.exact_product(first, table.HALF_PI[0])
    r_low = r_low + (first * table.HALF_PI[1] + second * table.HALF_PI[0])
    r, r_low = k.fast_sum(r, r_low)
    return r, r_low, Whole(k, emit(f"trunc i192 {quarters} to i64"))


def _large(
    finish: Callable[[Kernel, Number, Number, Number, Whole], Number],
) -> Callable[[Kernel, Number], Number]:
    def function(k: Kernel, x: Number) -> Number:
        r, r_low, quarters = _quarter_turns(k, x)
        return k.select(abs(x) < INFINITY, finish(k, x, r, r_low, quarters), NAN)

    return function


def _one_wave(k: Kernel, r: Number, r_low: Number, quarters: Whole, ahead: int = 0) -> Number:
    """Return sin of r and a number of quarter turns, or of one more."""
    sine, sine_low = _sine_parts(k, r, r_low)
    cosine, cosine_low = _cosine_parts(k, r, r_low)
    pair = (cosine + cosine_low, sine + sine_low)
    value = k.select((quarters & 1).equals(1), *(pair if ahead == 0 else pair[::-1]))
    return (value.bits() ^ (((quarters + ahead) & 2) << 62)).as_number()


def _signed(k: Kernel, value: Number, x: Number) -> Number:
    return k.select(x < 0.0, -value, value)


LARGE: dict[str, Callable[[Kernel, Number], Number]] = {
    "sin": _large(lambda k, x, r, r_low, n: _signed(k, _one_wave(k, r, r_low, n), x)),
    "cos": _large(lambda k, x, r, r_low, n: _one_wave(k, r, r_low, n, ahead=1)),
    "tan": _large(lambda k, x, r, r_low, n: _signed(k, _tangent(k, r, r_low, n), x)),
}
