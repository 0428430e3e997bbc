"""Elementary functions of complex numbers, of their parts: values and special cases as NumPy's.

Special cases are those of C99, annex G. Functions that are not here call NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from .values import Value, constant

if TYPE_CHECKING:
    from .emitter import TextEmitter

# Beyond `_NEAR` an exponential is taken of x - 40 and multiplied with e⁴⁰ last: what it multiplies
# may be small.
_NEAR = {8: 700.0, 4: 80.0}
_SHIFT = 40.0


def _constant(like: Value, number: float) -> Value:
    return constant(number, like.dtype)


def _is(e: TextEmitter, x: Value, number: float) -> Value:
    return e.compare("eq", x, _constant(x, number))


def _infinite(e: TextEmitter, x: Value) -> Value:
    return _is(e, e.math("fabs", x), math.inf)


def _finite(e: TextEmitter, x: Value) -> Value:
    return e.compare("lt", e.math("fabs", x), _constant(x, math.inf))


def _both(e: TextEmitter, x: Value, y: Value) -> Value:
    return e.bitwise("and", x, y)


def _not(e: TextEmitter, x: Value) -> Value:
    return e.bitwise("not", x)


def _parts(e: TextEmitter, z: Value) -> tuple[Value, Value]:
    return e.real(z), e.imag(z)


def _moderated(e: TextEmitter, x: Value) -> tuple[Value, Value]:
    """Return x ≥ 0 brought below overflow, and the factor that the exponential of it lacks."""
    far = e.compare("gt", x, _constant(x, _NEAR[x.dtype.itemsize]))
    moved = e.select(far, e.subtract(x, _constant(x, _SHIFT)), x)
    return moved, e.select(far, _constant(x, math.exp(_SHIFT)), _constant(x, 1.0))


def exp(e: TextEmitter, z: Value) -> Value:
    x, y = _parts(e, z)
    moved, factor = _moderated(e, x)
    size = e.math("exp", moved)
    real = e.multiply(e.multiply(size, e.math("cos", y)), factor)
    imag = e.multiply(e.multiply(size, e.math("sin", y)), factor)
    lost = _both(e, _infinite(e, x), _not(e, _finite(e, y)))
    down = e.compare("lt", x, _constant(x, 0.0))
    zero = _constant(x, 0.0)
    real = e.select(lost, e.select(down, zero, e.math("fabs", x)), real)
    nothing = e.math("copysign", zero, y)
    imag = e.select(lost, e.select(down, nothing, _constant(x, math.nan)), imag)
    return e.complex(real, e.select(_is(e, y, 0.0), y, imag))


def log(e: TextEmitter, z: Value) -> Value:
    x, y = _parts(e, z)
    return e.complex(e.math("log_hypot", x, y), e.math("arctan2", y, x))


def _times(e: TextEmitter, z: Value, factor: float) -> Value:
    x, y = _parts(e, z)
    number = _constant(x, factor)
    return e.complex(e.multiply(x, number), e.multiply(y, number))


def log2(e: TextEmitter, z: Value) -> Value:
    return _times(e, log(e, z), 1 / math.log(2))


def log10(e: TextEmitter, z: Value) -> Value:
    return _times(e, log(e, z), 1 / math.log(10))


def exp2(e: TextEmitter, z: Value) -> Value:
    return exp(e, _times(e, z, math.log(2)))


def expm1(e: TextEmitter, z: Value) -> Value:
    x, y = _parts(e, z)
    half = e.math("sin", e.multiply(y, _constant(y, 0.5)))
    real = e.multiply(e.math("expm1", x), e.math("cos", y))
    real = e.subtract(real, e.multiply(e.multiply(_constant(x, 2.0), half), half))
    return e.complex(real, e.multiply(e.math("exp", x), e.math("sin", y)))


def log1p(e: TextEmitter, z: Value) -> Value:
    x, y = _parts(e, z)
    moved = e.add(x, _constant(x, 1.0))
    return e.complex(e.math("log", e.math("hypot", moved, y)), e.math("arctan2", y, moved))


def sqrt(e: TextEmitter, z: Value) -> Value:
    """Return the root whose real part is ≥ 0.

    One part is √((|z| + |x|)/2), the other follows from it, both without cancellation.
    """
    x, y = _parts(e, z)
    a, b = e.math("fabs", x), e.math("fabs", y)
    larger = e.select(e.compare("gt", a, b), a, b)
    top = 1000 if x.dtype.itemsize == 8 else 120
    down = e.compare("gt", larger, _constant(x, 2.0**top))
    up = e.compare("lt", larger, _constant(x, 2.0 ** (100 - top)))
    one = _constant(x, 1.0)
    scale = e.select(down, _constant(x, 2.0**-4), e.select(up, _constant(x, 2.0**80), one))
    back = e.select(down, _constant(x, 2.0**2), e.select(up, _constant(x, 2.0**-40), one))
    a, b = e.multiply(a, scale), e.multiply(b, scale)
    half = _constant(x, 0.5)
    size = e.add(e.math("hypot", a, b), a)
    main = e.math("sqrt", e.multiply(size, half))
    nothing = _is(e, main, 0.0)
    other = e.divide(e.multiply(b, half), e.select(nothing, one, main))
    main, other = e.multiply(main, back), e.multiply(other, back)
    left = e.compare("lt", x, _constant(x, 0.0))
    real, imag = e.select(left, other, main), e.select(left, main, other)
    # An infinite part decides alone, the imaginary one first.
    zero, nan = _constant(x, 0.0), _constant(x, math.nan)
    x_infinite, y_infinite = _infinite(e, x), _infinite(e, y)
    y_nan = e.compare("ne", y, y)
    of_left = e.select(y_nan, nan, zero)
    infinity = _constant(x, math.inf)
    real = e.select(x_infinite, e.select(left, of_left, infinity), real)
    imag = e.select(x_infinite, e.select(left, infinity, of_left), imag)
    real, imag = e.select(y_infinite, infinity, real), e.select(y_infinite, infinity, imag)
    return e.complex(real, e.math("copysign", imag, y))


def _waves(e: TextEmitter, turn: Value, growth: Value) -> tuple[Value, Value, Value, Value]:
    """Return sin a cosh b, cos a sinh b, cos a cosh b and sin a sinh b."""
    size, factor = _moderated(e, e.math("fabs", growth))
    sine, cosine = e.math("sin", turn), e.math("cos", turn)
    rising = e.math("copysign", e.math("sinh", size), growth)
    even = e.math("cosh", size)

    def product(x: Value, y: Value) -> Value:
        return e.multiply(e.multiply(x, y), factor)

    return (
        product(sine, even), product(cosine, rising), product(cosine, even), product(sine, rising)
    )  # fmt: skip


def _sine_of(e: TextEmitter, turn: Value, growth: Value) -> tuple[Value, Value]:
    """Return the parts of sin(a + i b)."""
    real, imag, _, _ = _waves(e, turn, growth)
    real = e.select(_is(e, turn, 0.0), turn, real)
    lost = _both(e, _infinite(e, growth), _not(e, _finite(e, turn)))
    imag = e.select(lost, e.math("fabs", growth), imag)
    flat = _both(e, _is(e, growth, 0.0), _not(e, _finite(e, turn)))
    return real, e.select(flat, growth, imag)


def _cosine_of(e: TextEmitter, turn: Value, growth: Value) -> tuple[Value, Value]:
    """Return the parts of cos(a - i b)."""
    _, _, real, imag = _waves(e, turn, growth)
    lost = _both(e, _infinite(e, growth), _not(e, _finite(e, turn)))
    real = e.select(lost, e.math("fabs", growth), real)
    one = _constant(turn, 1.0)
    sign = e.multiply(e.math("copysign", one, turn), e.math("copysign", one, growth))
    still = e.bitwise("or", _is(e, turn, 0.0), _is(e, growth, 0.0))
    return real, e.select(still, e.math("copysign", _constant(turn, 0.0), sign), imag)


def sin(e: TextEmitter, z: Value) -> Value:
    return e.complex(*_sine_of(e, *_parts(e, z)))


def sinh(e: TextEmitter, z: Value) -> Value:
    x, y = _parts(e, z)
    imag, real = _sine_of(e, y, x)
    return e.complex(real, imag)


def cos(e: TextEmitter, z: Value) -> Value:
    real, imag = _cosine_of(e, *_parts(e, z))
    return e.complex(real, e.negative(imag))


def cosh(e: TextEmitter, z: Value) -> Value:
    x, y = _parts(e, z)
    return e.complex(*_cosine_of(e, y, x))


def _tangent_of(e: TextEmitter, growth: Value, turn: Value) -> tuple[Value, Value]:
    """Return the parts of tanh(x + i y): sinh x cosh x and sin y cos y over sinh² x + cos² y."""
    size = e.math("fabs", growth)
    bound = _constant(size, 300.0 if size.dtype.itemsize == 8 else 40.0)
    far = e.compare("gt", size, bound)
    near = e.select(far, bound, size)
    rising, even = e.math("sinh", near), e.math("cosh", near)
    sine, cosine = e.math("sin", turn), e.math("cos", turn)
    below = e.add(e.multiply(rising, rising), e.multiply(cosine, cosine))
    one = _constant(size, 1.0)
    real = e.select(far, one, e.divide(e.multiply(rising, even), below))
    fading = e.math("exp", e.multiply(_constant(size, -2.0), size))
    small = e.multiply(e.multiply(_constant(size, 4.0), e.multiply(sine, cosine)), fading)
    imag = e.select(far, small, e.divide(e.multiply(sine, cosine), below))
    endless = _both(e, _infinite(e, growth), _not(e, _finite(e, turn)))
    zero = _constant(size, 0.0)
    imag = e.select(endless, e.math("copysign", zero, turn), imag)
    real = e.select(_both(e, _is(e, growth, 0.0), _not(e, _finite(e, turn))), zero, real)
    imag = e.select(_is(e, turn, 0.0), turn, imag)
    return e.math("copysign", real, growth), imag


def tanh(e: TextEmitter, z: Value) -> Value:
    return e.complex(*_tangent_of(e, *_parts(e, z)))


def tan(e: TextEmitter, z: Value) -> Value:
    x, y = _parts(e, z)
    imag, real = _tangent_of(e, y, x)
    return e.complex(real, imag)


FUNCTIONS: dict[str, Callable[[TextEmitter, Value], Value]] = {
    "exp": exp, "exp2": exp2, "expm1": expm1, "log": log, "log2": log2, "log10": log10,
    "log1p": log1p, "sqrt": sqrt, "sin": sin, "cos": cos, "tan": tan, "sinh": sinh, "cosh": cosh,
    "tanh": tanh,
}  # fmt: skip
