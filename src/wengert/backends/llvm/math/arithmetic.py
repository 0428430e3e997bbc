"""Numbers inside an elementary function: operators that emit instructions, and exact error terms.

Most functions compute in float64, for float32 with shorter polynomials and no error terms; those of
`narrow` compute in float32, by a `NarrowKernel`.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, cast

from ..values import float_text
from ..writer import Function

# 1.5 × 2⁵²: added to a number below 2⁵¹ it rounds it to a whole one, which stands in the last bits.
ROUNDER = 6755399441055744.0
ROUNDER_BITS = struct.unpack("<q", struct.pack("<d", ROUNDER))[0]
INFINITY = float("inf")
NAN = float("nan")
# The same for float32: 1.5 × 2²³, for numbers below 2²².
_NARROW_ROUNDER = 12582912.0
_NARROW_BITS = struct.unpack("<i", struct.pack("<f", _NARROW_ROUNDER))[0]


class Number:
    """A value; ``+ - * /`` and comparisons with numbers or Python floats emit code."""

    __slots__ = ("kernel", "value")

    def __init__(self, kernel: Kernel, value: str) -> None:
        self.kernel = kernel
        self.value = value

    def __add__(self, other: Any) -> Number:
        if _is_nothing(other):
            return self
        return self._binary("fadd", other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Number:
        if _is_nothing(other):
            return self
        return self._binary("fsub", other)

    def __rsub__(self, other: Any) -> Number:
        return self.kernel.number(other)._binary("fsub", self)

    def __mul__(self, other: Any) -> Number:
        return NOTHING if _is_nothing(other) else self._binary("fmul", other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Number:
        return self._binary("fdiv", other)

    def __rtruediv__(self, other: Any) -> Number:
        return self.kernel.number(other)._binary("fdiv", self)

    def __neg__(self) -> Number:
        return Number(self.kernel, self.kernel.emit(f"fneg {self.kernel.real} {self.value}"))

    def __abs__(self) -> Number:
        return self.kernel.intrinsic("fabs", self)

    def __lt__(self, other: Any) -> Condition:
        return self._compare("olt", other)

    def __le__(self, other: Any) -> Condition:
        return self._compare("ole", other)

    def __gt__(self, other: Any) -> Condition:
        return self._compare("ogt", other)

    def __ge__(self, other: Any) -> Condition:
        return self._compare("oge", other)

    def equals(self, other: Any) -> Condition:
        return self._compare("oeq", other)

    def is_nan(self) -> Condition:
        return self._compare("uno", self)

    def bits(self) -> Whole:
        kernel = self.kernel
        return Whole(kernel, kernel.emit(f"bitcast {kernel.real} {self.value} to {kernel.integer}"))

    def _binary(self, operation: str, other: Any) -> Number:
        kernel = self.kernel
        right = kernel.number(other).value
        return Number(kernel, kernel.emit(f"{operation} {kernel.real} {self.value}, {right}"))

    def _compare(self, relation: str, other: Any) -> Condition:
        kernel = self.kernel
        right = kernel.number(other).value
        return Condition(
            kernel, kernel.emit(f"fcmp {relation} {kernel.real} {self.value}, {right}")
        )


class _Nothing:
    """An error term that is left out: adding it changes nothing, products with it are left out."""

    def __add__(self, other: Any) -> Any:
        return other

    __radd__ = __add__

    def __rsub__(self, other: Any) -> Any:
        return other

    def __sub__(self, other: Any) -> Any:
        return self if _is_nothing(other) else -other

    def __mul__(self, other: Any) -> Any:
        return self

    __rmul__ = __mul__

    def __neg__(self) -> Any:
        return self


NOTHING = cast("Number", _Nothing())


def _is_nothing(value: Any) -> bool:
    return value is NOTHING


class Condition:
    """A truth value; ``& | ~`` combine."""

    __slots__ = ("kernel", "value")

    def __init__(self, kernel: Kernel, value: str) -> None:
        self.kernel = kernel
        self.value = value

    def __and__(self, other: Condition) -> Condition:
        return Condition(self.kernel, self.kernel.emit(f"and i1 {self.value}, {other.value}"))

    def __or__(self, other: Condition) -> Condition:
        return Condition(self.kernel, self.kernel.emit(f"or i1 {self.value}, {other.value}"))

    def __invert__(self) -> Condition:
        return Condition(self.kernel, self.kernel.emit(f"xor i1 {self.value}, true"))


class Whole:
    """A whole number or bit pattern; ``+ - & | ^ << >>`` (without sign) emit code."""

    __slots__ = ("kernel", "value")

    def __init__(self, kernel: Kernel, value: str) -> None:
        self.kernel = kernel
        self.value = value

    def __add__(self, other: Any) -> Whole:
        return self._binary("add", other)

    def __sub__(self, other: Any) -> Whole:
        return self._binary("sub", other)

    def __rsub__(self, other: int) -> Whole:
        kernel = self.kernel
        return Whole(kernel, kernel.emit(f"sub {kernel.integer} {other}, {self.value}"))

    def __and__(self, other: Any) -> Whole:
        return self._binary("and", other)

    def __or__(self, other: Any) -> Whole:
        return self._binary("or", other)

    def __xor__(self, other: Any) -> Whole:
        return self._binary("xor", other)

    def __lshift__(self, other: Any) -> Whole:
        return self._binary("shl", other)

    def __rshift__(self, other: Any) -> Whole:
        return self._binary("lshr", other)

    def equals(self, other: int) -> Condition:
        kernel = self.kernel
        return Condition(kernel, kernel.emit(f"icmp eq {kernel.integer} {self.value}, {other}"))

    def as_number(self) -> Number:
        """Return the number that has these bits."""
        kernel = self.kernel
        return Number(
            kernel, kernel.emit(f"bitcast {kernel.integer} {self.value} to {kernel.real}")
        )

    def _binary(self, operation: str, other: Any) -> Whole:
        right = other.value if isinstance(other, Whole) else other
        kernel = self.kernel
        return Whole(kernel, kernel.emit(f"{operation} {kernel.integer} {self.value}, {right}"))


class Kernel:
    """What the body of an elementary function is written with.

    Parameters
    ----------
    function : Function
        The text that is written to.
    single : bool
        The result will be rounded to float32.
    fma : bool
        The target multiplies and adds in one rounding.
    """

    real, integer = "double", "i64"
    suffix = "f64"

    def __init__(self, function: Function, *, single: bool, fma: bool) -> None:
        self.function = function
        self.emit = function.value
        self.single = single
        self.has_fma = fma

    def number(self, value: Any) -> Number:
        return (
            value
            if isinstance(value, Number)
            else Number(self, float_text(value, self.real == "float"))
        )

    def intrinsic(self, name: str, *operands: Any) -> Number:
        real = self.real
        values = [f"{real} {self.number(operand).value}" for operand in operands]
        kinds = (real,) * len(values)
        called = self.function.module.declare(f"llvm.{name}.{self.suffix}", real, *kinds)
        return Number(self, self.emit(f"call {real} {called}({', '.join(values)})"))

    def fma(self, x: Any, y: Any, z: Any) -> Number:
        """Return x y + z; the rounding of the product does not matter to the caller."""
        if _is_nothing(x) or _is_nothing(y):
            return z if isinstance(z, Number) or _is_nothing(z) else self.number(z)
        if self.has_fma and not _is_nothing(z):
            return self.intrinsic("fma", x, y, z)
        result: Number = self.number(x) * y + z
        return result

    def select(self, condition: Condition, x: Any, y: Any) -> Number:
        if _is_nothing(x) and _is_nothing(y):
            return NOTHING
        left, right = (self.number(0.0 if _is_nothing(v) else v) for v in (x, y))
        both = f"{self.real} {left.value}, {self.real} {right.value}"
        return Number(self, self.emit(f"select i1 {condition.value}, {both}"))

    def copysign(self, x: Any, sign: Any) -> Number:
        return self.intrinsic("copysign", x, sign)

    def sqrt(self, x: Any) -> Number:
        return self.intrinsic("sqrt", x)

    def at_most(self, x: Number, limit: float) -> Number:
        """Return min(x, limit); nan stays."""
        return self.select(x > limit, limit, x)

    def at_least(self, x: Number, limit: float) -> Number:
        """Return max(x, limit); nan stays."""
        return self.select(x < limit, limit, x)

    def polynomial(self, x: Number, coefficients: Sequence[float]) -> Number:
        """Return Σ c xⁱ: of even and odd powers apart, which halves the chain of operations."""
        fma = self.fma
        if len(coefficients) < 6:
            total = self.number(coefficients[-1])
            for coefficient in coefficients[-2::-1]:
                total = fma(total, x, coefficient)
            return total
        square = x * x
        even, odd = coefficients[0::2], coefficients[1::2]
        sums = []
        for half in (even, odd):
            total = self.number(half[-1])
            for coefficient in half[-2::-1]:
                total = fma(total, square, coefficient)
            sums.append(total)
        return fma(sums[1], x, sums[0])

    def rounded(self, x: Number, factor: float = 1.0) -> tuple[Number, Whole]:
        """Return the whole number next to x × factor, below 2⁵¹, as a float and as an integer."""
        shifted = x + ROUNDER if factor == 1.0 else self.fma(x, factor, ROUNDER)
        return shifted - ROUNDER, shifted.bits() - ROUNDER_BITS

    def power_of_two(self, n: Whole) -> Number:
        """Return 2ⁿ for n from -1022 to 1023."""
        return ((n + 1023) << 52).as_number()

    def scaled(self, x: Any, n: Whole) -> Number:
        """Return x 2ⁿ for |n| < 2040, rounded once where it is subnormal."""
        half = ((n + 4096) >> 1) - 2048
        return self.number(x) * self.power_of_two(half) * self.power_of_two(n - half)

    # -------------------------------------------------------------- sums and products in two parts

    def fast_sum(self, x: Number, y: Number) -> tuple[Number, Number]:
        """Return x + y and its rounding error, for |x| ≥ |y| or x = 0 (Dekker 1971)."""
        total = x + y
        if self.single or _is_nothing(y):
            return total, NOTHING
        return total, y - (total - x)

    def exact_sum(self, x: Number, y: Any) -> tuple[Number, Number]:
        """Return x + y and its rounding error (Møller 1965, Knuth 1969)."""
        total = x + y
        if self.single or _is_nothing(y):
            return total, NOTHING
        return total, self.sum_error(x, self.number(y), total)

    def sum_error(self, x: Number, y: Number, total: Number) -> Number:
        """Return the rounding error of a sum, for float32 too."""
        part = total - x
        return (x - (total - part)) + (y - part)

    def exact_product(self, x: Number, y: Any) -> tuple[Number, Number]:
        """Return x y and its rounding error (Dekker 1971 where there is no fused operation)."""
        product = x * y
        if self.single:
            return product, NOTHING
        return product, self.product_error(x, y, product)

    def remainder(self, x: Number, q: Number, y: Number) -> Number:
        """Return x - q y, which is exact where q is about x/y."""
        if self.has_fma:
            return self.fma(-q, y, x)
        product, error = self.exact_product(q, y)
        return (x - product) - error

    def product_error(self, x: Number, y: Any, product: Number) -> Number:
        """Return the rounding error of a product, for float32 too."""
        if self.has_fma:
            return self.fma(x, y, -product)
        x_high, x_low = self._halves(x)
        y_high, y_low = (x_high, x_low) if y is x else self._halves(y)
        return ((x_high * y_high - product) + x_high * y_low + x_low * y_high) + x_low * y_low

    def _halves(self, x: Any) -> tuple[Number, Number]:
        if not isinstance(x, Number):
            high = struct.unpack("<d", struct.pack("<Q", _bits_of(x) & ~0x7FFFFFF))[0]
            return self.number(high), self.number(x - high)
        high = (x.bits() & ~0x7FFFFFF).as_number()
        return high, x - high

    def quotient(self, x: Number, x_low: Number, y: Number, y_low: Number) -> tuple[Number, Number]:
        """Return (x + x_low)/(y + y_low) and what was rounded off."""
        if self.single:
            return x / y, NOTHING
        inverse = 1.0 / y
        first = x * inverse
        rest = self.remainder(x, first, y) + (x_low - first * y_low)
        return first, rest * inverse


class NarrowKernel(Kernel):
    """A kernel that computes in float32: whole numbers have 32 bits, and round below 2²²."""

    real, integer = "float", "i32"
    suffix = "f32"

    def rounded(self, x: Number, factor: float = 1.0) -> tuple[Number, Whole]:
        """Return the whole number next to x × factor, as a float and as an integer."""
        rounder = _NARROW_ROUNDER
        shifted: Number = x + rounder if factor == 1.0 else self.fma(x, factor, rounder)
        return shifted - rounder, shifted.bits() - _NARROW_BITS

    def as_float(self, n: Whole) -> Number:
        """Return a whole number below 2²² as a float."""
        shifted: Number = (n + _NARROW_BITS).as_number() - _NARROW_ROUNDER
        return shifted

    def power_of_two(self, n: Whole) -> Number:
        """Return 2ⁿ for n from -126 to 127."""
        return ((n + 127) << 23).as_number()

    def scaled(self, x: Any, n: Whole) -> Number:
        """Return x 2ⁿ for |n| < 250, rounded once where it is subnormal."""
        half = ((n + 512) >> 1) - 256
        found: Number = self.number(x) * self.power_of_two(half)
        return found * self.power_of_two(n - half)


def _bits_of(number: float) -> int:
    found: int = struct.unpack("<Q", struct.pack("<d", number))[0]
    return found
