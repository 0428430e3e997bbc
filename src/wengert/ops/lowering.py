"""Lowering rules of elementwise primitives: one entry, in terms of an emitter, as NumPy has it.

What a single call of the emitter says stands in the primitive's own block.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.emitter import CannotLower, Emitter


def function(name: str) -> Callable[..., Any]:
    """Return the rule that applies an elementary function."""
    return lambda e, *operands: e.math(name, *operands)


def _zero(e: Emitter, x: Any) -> Any:
    return e.constant(0, e.dtype_of(x))


def _kind(e: Emitter, x: Any) -> str:
    return e.dtype_of(x).kind


def _either(e: Emitter, x: Any, y: Any) -> Any:
    return e.bitwise("or", x, y)


def truth(e: Emitter, x: Any) -> Any:
    """Return whether a value is not zero."""
    return x if _kind(e, x) == "b" else e.compare("ne", x, _zero(e, x))


# ------------------------------------------------------------------ arithmetic


def square(e: Emitter, x: Any) -> Any:
    return e.multiply(x, x)


def reciprocal(e: Emitter, x: Any) -> Any:
    """Return 1/x; complex numbers by the ratio of their parts (Smith 1962), as NumPy does."""
    kind = _kind(e, x)
    if kind not in "fc":
        raise CannotLower("no reciprocal of integers")
    if kind == "f":
        return e.divide(e.constant(1, e.dtype_of(x)), x)
    real, imag = e.real(x), e.imag(x)
    one = e.constant(1, e.dtype_of(real))
    first = e.compare("le", e.math("fabs", imag), e.math("fabs", real))
    larger, smaller = e.select(first, real, imag), e.select(first, imag, real)
    ratio = e.divide(smaller, larger)
    scale = e.add(larger, e.multiply(smaller, ratio))
    whole, part = e.divide(one, scale), e.divide(ratio, scale)
    return e.complex(e.select(first, whole, part), e.negative(e.select(first, part, whole)))


def absolute(e: Emitter, x: Any) -> Any:
    kind = _kind(e, x)
    if kind == "f":
        return e.math("fabs", x)
    if kind == "c":
        return e.math("hypot", e.real(x), e.imag(x))
    if kind in "bu":
        return x
    return e.select(e.compare("lt", x, _zero(e, x)), e.negative(x), x)


def sign(e: Emitter, x: Any) -> Any:
    """Return -1, 0 or 1; nan of nan."""
    dtype = e.dtype_of(x)
    if dtype.kind == "c":
        return sign_of_complex(e, x)
    if dtype.kind == "b":
        raise CannotLower("no sign of booleans")
    zero = e.constant(0, dtype)
    found = e.select(e.compare("eq", x, zero), zero, x)
    if dtype.kind != "u":
        found = e.select(e.compare("lt", x, zero), e.constant(-1, dtype), found)
    return e.select(e.compare("gt", x, zero), e.constant(1, dtype), found)


def sign_of_complex(e: Emitter, x: Any) -> Any:
    """Return x/|x|, 0 of 0; an infinite part alone gives ±1 or ±i, two give nan."""
    if _kind(e, x) != "c":
        return sign(e, x)
    real, imag = e.real(x), e.imag(x)
    dtype = e.dtype_of(real)
    zero, one, infinity = (e.constant(number, dtype) for number in (0, 1, math.inf))
    size = e.math("hypot", real, imag)
    nothing = e.compare("eq", size, zero)
    divisor = e.select(nothing, one, size)
    parts = []
    infinite = [e.compare("eq", e.math("fabs", part), infinity) for part in (real, imag)]
    any_infinite = e.bitwise("or", *infinite)
    for part, own, other in ((real, *infinite), (imag, *reversed(infinite))):
        ordinary = e.divide(e.select(nothing, zero, part), divisor)
        extreme = e.select(own, e.math("copysign", one, part), zero)
        extreme = e.select(e.bitwise("and", own, other), e.constant(math.nan, dtype), extreme)
        parts.append(e.select(any_infinite, extreme, ordinary))
    return e.complex(*parts)


def scaled(factor: float, over: float) -> Callable[..., Any]:
    """Return the rule of a product with factor/over, divided in the precision of the dtype."""

    def rule(e: Emitter, x: Any) -> Any:
        dtype = e.dtype_of(x)
        return e.multiply(x, e.constant(dtype.type(factor) / dtype.type(over), dtype))

    return rule


def ldexp(e: Emitter, x: Any, exponent: Any) -> Any:
    """Return x 2ⁿ by four powers, n limited to where the result has become 0 or infinite."""
    dtype, whole = e.dtype_of(x), e.dtype_of(exponent)
    limit = 4 * 525 if dtype.itemsize == 8 else 4 * 80
    low, high = e.constant(-limit, whole), e.constant(limit, whole)
    exponent = e.select(e.compare("lt", exponent, low), low, exponent)
    exponent = e.select(e.compare("gt", exponent, high), high, exponent)
    quarter = e.bitwise("right_shift", exponent, e.constant(2, whole))
    rest = exponent
    for _ in range(3):
        x = e.multiply(x, e.math("exp2", e.cast(quarter, dtype)))
        rest = e.subtract(rest, quarter)
    return e.multiply(x, e.math("exp2", e.cast(rest, dtype)))


def sinc(e: Emitter, x: Any) -> Any:
    dtype = e.dtype_of(x)
    if dtype.kind != "f":
        raise CannotLower("sinc of other than real numbers")
    turned = e.multiply(x, e.constant(math.pi, dtype))
    tiny = e.constant(np.finfo(dtype).eps, dtype)
    turned = e.select(e.compare("eq", turned, _zero(e, x)), tiny, turned)
    return e.divide(e.math("sin", turned), turned)


# ------------------------------------------------------------------ parts of complex numbers


def conjugate(e: Emitter, x: Any) -> Any:
    return e.complex(e.real(x), e.negative(e.imag(x))) if _kind(e, x) == "c" else x


def angle(e: Emitter, x: Any) -> Any:
    return e.math("arctan2", e.imag(x), e.real(x))


# ------------------------------------------------------------------ predicates


def _over_parts(rule: Callable[..., Any], joined: str) -> Callable[..., Any]:
    """Return the rule of a predicate that holds of one part (``or``) or of both (``and``)."""

    def on_any(e: Emitter, x: Any) -> Any:
        kind = _kind(e, x)
        if kind == "c":
            return e.bitwise(joined, rule(e, e.real(x)), rule(e, e.imag(x)))
        if kind == "f":
            return rule(e, x)
        return e.constant(joined == "and", np.bool_)

    return on_any


def _infinity(e: Emitter, x: Any) -> Any:
    return e.constant(math.inf, e.dtype_of(x))


isnan = _over_parts(lambda e, x: e.compare("ne", x, x), "or")
isfinite = _over_parts(lambda e, x: e.compare("lt", e.math("fabs", x), _infinity(e, x)), "and")
isinf = _over_parts(lambda e, x: e.compare("eq", e.math("fabs", x), _infinity(e, x)), "or")


def signbit(e: Emitter, x: Any) -> Any:
    one = e.constant(1, e.dtype_of(x))
    return e.compare("lt", e.math("copysign", one, x), _zero(e, x))


def logical_not(e: Emitter, x: Any) -> Any:
    return e.bitwise("not", truth(e, x))


def logical(name: str) -> Callable[..., Any]:
    return lambda e, x, y: e.bitwise(name, truth(e, x), truth(e, y))


def bitwise(name: str) -> Callable[..., Any]:
    return lambda e, *operands: e.bitwise(name, *operands)


def bitwise_count(e: Emitter, x: Any) -> Any:
    """Count the ones of |x|: in pairs, fours, bytes (Wilkes, Wheeler and Gill 1957)."""
    size = absolute(e, x)
    width = 8 * e.dtype_of(x).itemsize
    dtype = np.dtype(f"u{width // 8}")
    count = e.cast(size, dtype)
    for step in (1, 2, 4, 8, 16, 32):
        if step >= width:
            break
        period = (1 << step) - 1
        mask = e.constant(sum(period << place for place in range(0, width, 2 * step)), dtype)
        moved = e.bitwise("right_shift", count, e.constant(step, dtype))
        count = e.add(e.bitwise("and", count, mask), e.bitwise("and", moved, mask))
    return e.cast(count, np.uint8)


# ------------------------------------------------------------------ rounding


def rounded(e: Emitter, x: Any, decimals: int) -> Any:
    """Round by a power of ten, as ``np.round`` does."""
    kind = _kind(e, x)
    if kind == "c":
        return e.complex(rounded(e, e.real(x), decimals), rounded(e, e.imag(x), decimals))
    if kind != "f":
        if decimals < 0 or kind == "b":
            raise CannotLower("integers rounded to tens")
        return x
    if decimals == 0:
        return e.math("rint", x)
    power = e.constant(10.0 ** abs(decimals), e.dtype_of(x))
    there, back = (e.multiply, e.divide) if decimals > 0 else (e.divide, e.multiply)
    return back(e.math("rint", there(x, power)), power)


def whole(name: str) -> Callable[..., Any]:
    """Return the rule that rounds to integers, which are rounded already."""
    return lambda e, x: x if _kind(e, x) in "iub" else e.math(name, x)


def fmod(e: Emitter, x: Any, y: Any) -> Any:
    """Return the remainder with the sign of `x`; of integers, 0 where `y` is 0."""
    if _kind(e, x) == "f":
        return e.math("fmod", x, y)
    rest, zero = e.remainder(x, y), _zero(e, x)
    if _kind(e, x) != "i":
        return rest
    other = e.bitwise("xor", e.compare("lt", x, zero), e.compare("lt", rest, zero))
    wrong = e.bitwise("and", other, e.compare("ne", rest, zero))
    return e.select(wrong, e.subtract(rest, y), rest)


def spacing(e: Emitter, x: Any) -> Any:
    """Return the distance to the next number away from 0, with the sign of `x`."""
    dtype = e.dtype_of(x)
    below = e.compare("lt", x, _zero(e, x))
    end = e.select(below, e.constant(-np.inf, dtype), e.constant(np.inf, dtype))
    return e.subtract(e.math("nextafter", x, end), x)


def divmod_(e: Emitter, x: Any, y: Any) -> Any:
    return e.floor_divide(x, y), e.remainder(x, y)


def modf(e: Emitter, x: Any) -> Any:
    """Return the fraction and the whole part, both with the sign of x."""
    whole = e.math("trunc", x)
    fraction = e.subtract(x, whole)
    infinite = e.compare("eq", e.math("fabs", x), _infinity(e, x))
    fraction = e.select(infinite, _zero(e, x), fraction)
    return e.math("copysign", fraction, x), whole


# ------------------------------------------------------------------ selections


def where(e: Emitter, condition: Any, x: Any, y: Any) -> Any:
    return e.select(truth(e, condition), x, y)


def _isnan(e: Emitter, x: Any) -> Any:
    return isnan(e, x)


def extremum(relation: str, *, skips_nan: bool) -> Callable[..., Any]:
    """Return the rule of maximum and its kin; `relation` is ``gt`` or ``lt``.

    nan is passed on, or is passed over where the other operand is a number. Of zeros of both
    signs the second is taken, as processors do; of equal complex numbers the first.
    """

    def rule(e: Emitter, x: Any, y: Any) -> Any:
        complex_too = {"gt": "ge", "lt": "le"}[relation]
        first = e.compare(complex_too if _kind(e, x) == "c" else relation, x, y)
        if _kind(e, x) in "fc":
            first = _either(e, first, _isnan(e, y if skips_nan else x))
        return e.select(first, x, y)

    return rule


def clip(e: Emitter, x: Any, low: Any, high: Any) -> Any:
    """Return min(max(x, low), high), nan passed on."""
    above = e.compare("gt", x, low)
    if _kind(e, x) in "fc":
        above = _either(e, above, _isnan(e, x))
    x = e.select(above, x, low)
    below = e.compare("lt", x, high)
    if _kind(e, x) in "fc":
        below = _either(e, below, _isnan(e, x))
    return e.select(below, x, high)


def heaviside(e: Emitter, x: Any, y: Any) -> Any:
    dtype = e.dtype_of(x)
    zero, one = e.constant(0, dtype), e.constant(1, dtype)
    found = e.select(e.compare("lt", x, zero), zero, one)
    found = e.select(e.compare("eq", x, zero), y, found)
    return e.select(e.compare("ne", x, x), x, found)


def nan_to_num(e: Emitter, x: Any, nan: Any, posinf: Any, neginf: Any) -> Any:
    dtype = e.dtype_of(x)
    if dtype.kind in "biu":
        return x
    if dtype.kind == "c":
        raise CannotLower("parts are replaced one by one")
    limits, infinity = np.finfo(dtype), _infinity(e, x)
    found = e.select(e.compare("ne", x, x), e.constant(nan, dtype), x)
    high = e.constant(limits.max if posinf is None else posinf, dtype)
    low = e.constant(limits.min if neginf is None else neginf, dtype)
    found = e.select(e.compare("eq", x, infinity), high, found)
    return e.select(e.compare("eq", x, e.negative(infinity)), low, found)
