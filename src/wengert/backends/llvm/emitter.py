"""The emitter that lowering rules speak to, writing LLVM text for one entry.

Arithmetic is NumPy's; with ``python`` set it is that of Python's operators on its numbers, and
where those raise or leave 64 bits the program declines and is evaluated by Python.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.emitter import CannotLower
from .elementary import elementary
from .library import address_symbol
from .values import BOOL, FLOAT64, INT64, Value, constant, part_of, type_of
from .writer import Function

_ORDERED = {"lt": "olt", "le": "ole", "gt": "ogt", "ge": "oge", "eq": "oeq", "ne": "une"}
_BITS = {"and": "and", "or": "or", "xor": "xor"}
# Integers up to here convert to float64 exactly.
_EXACT = 2**53


class TextEmitter:
    """Implements `wengert.ir.emitter.Emitter` on a function under construction.

    Attributes
    ----------
    python : bool
        Operands and result are Python numbers.
    exact : bool
        Python does not round integers to floats in this operation first.
    rooted : bool
        An exponent of 0.5 takes the root here.
    fused : bool
        Complex products are those of NumPy's loops for arrays, see `passes.complex_products`.
    """

    def __init__(self, function: Function) -> None:
        self.function = function
        self.python = False
        self.exact = False
        self.rooted = False
        self.fused = False
        self._declined: str | None = None

    # -------------------------------------------------------------- declining

    def decline_if(self, condition: str) -> None:
        """Note that the program must be evaluated by Python where a bit is set."""
        if self._declined is None:
            self._declined = condition
        else:
            self._declined = self.function.value(f"or i1 {self._declined}, {condition}")

    def take_declined(self) -> str | None:
        """Return the bit that says whether the program declines, and forget it."""
        found, self._declined = self._declined, None
        return found

    # -------------------------------------------------------------- values

    def dtype_of(self, x: Value) -> np.dtype[Any]:
        return x.dtype

    def constant(self, number: Any, dtype: Any) -> Value:
        return constant(number, np.dtype(dtype))

    def cast(self, x: Value, dtype: Any) -> Value:
        """Convert as ``astype`` does."""
        target = np.dtype(dtype)
        if x.dtype == target:
            return x
        if x.number is not None:
            with np.errstate(all="ignore"):
                return constant(x.number, target)
        if x.dtype.kind == "c" and target.kind != "c":
            if target.kind == "b":
                return self.compare("ne", x, constant(0, x.dtype))
            return self.cast(self.real(x), target)
        if target.kind == "c":
            part = part_of(target)
            imag = self.cast(self.imag(x), part) if x.dtype.kind == "c" else constant(0, part)
            return self.complex(self.cast(self.real(x), part), imag)
        if target.kind == "b":
            return self.compare("ne", x, constant(0, x.dtype))
        return Value(target, self._cast_text(x, target))

    def _cast_text(self, x: Value, target: np.dtype[Any]) -> str:
        source, result = type_of(x.dtype), type_of(target)
        kind = x.dtype.kind
        if kind == "f" and target.kind == "f":
            widens = target.itemsize > x.dtype.itemsize
            return self._convert("fpext" if widens else "fptrunc", x.text, source, result)
        if kind == "f":
            return self._float_to_integer(x, target)
        if target.kind == "f":
            if self.exact and kind == "i":
                self._decline_unless_exact(x)
            return self._convert("sitofp" if kind == "i" else "uitofp", x.text, source, result)
        if target.itemsize < x.dtype.itemsize:
            return self._convert("trunc", x.text, source, result)
        if target.itemsize == x.dtype.itemsize and kind != "b":
            return x.text
        return self._convert("sext" if kind == "i" else "zext", x.text, source, result)

    def _convert(self, operation: str, text: str, source: str, result: str) -> str:
        return self.function.value(f"{operation} {source} {text} to {result}")

    def _float_to_integer(self, x: Value, target: np.dtype[Any]) -> str:
        """Truncate towards zero; what does not fit gives what the processor's conversion gives.

        LLVM's own result is undefined there, so the entry is replaced before it converts: to the
        least integer of the width in which NumPy's C code converts.
        """
        source = type_of(x.dtype)
        if target == np.dtype(np.uint64):
            half = constant(2.0**63, x.dtype)
            high = self.compare("ge", x, half)
            low = self.select(high, self.subtract(x, half), x)
            text = self._float_to_integer(low, INT64)
            moved = self.function.value(f"xor i64 {text}, {-(2**63)}")
            return self.function.value(f"select i1 {high.text}, i64 {moved}, i64 {text}")
        width = 64 if target.itemsize == 8 or target == np.dtype(np.uint32) else 32
        low_end = constant(-(2.0 ** (width - 1)), x.dtype)
        fits = self.function.value(
            f"and i1 {self._above(x, low_end, width)}, "
            f"{self.compare('lt', x, constant(2.0 ** (width - 1), x.dtype)).text}"
        )
        safe = self.function.value(f"select i1 {fits}, {source} {x.text}, {source} {low_end.text}")
        whole = self._convert("fptosi", safe, source, f"i{width}")
        if 8 * target.itemsize < width:
            return self._convert("trunc", whole, f"i{width}", type_of(target))
        return whole

    def _above(self, x: Value, low_end: Value, width: int) -> str:
        """Return the bit for "truncates to no less than the least integer"."""
        if width == 32 and x.dtype == FLOAT64:
            return self.compare("gt", x, constant(-(2.0**31) - 1, x.dtype)).text
        return self.compare("ge", x, low_end).text

    def _decline_unless_exact(self, x: Value) -> None:
        if x.dtype.itemsize < 8:
            return
        moved = self.function.value(f"add i64 {x.text}, {_EXACT}")
        self.decline_if(self.function.value(f"icmp ugt i64 {moved}, {2 * _EXACT}"))

    # -------------------------------------------------------------- arithmetic

    def add(self, x: Value, y: Value) -> Value:
        return self._arithmetic("add", x, y)

    def subtract(self, x: Value, y: Value) -> Value:
        return self._arithmetic("sub", x, y)

    def multiply(self, x: Value, y: Value) -> Value:
        if x.dtype.kind != "c":
            return self._arithmetic("mul", x, y)
        a, b, c, d = self.real(x), self.imag(x), self.real(y), self.imag(y)
        across, along = self._arithmetic("mul", b, d), self._arithmetic("mul", b, c)
        if self.fused:
            real = self._multiply_add(a, c, self.negative(across))
            return self.complex(real, self._multiply_add(a, d, along))
        real = self._arithmetic("sub", self._arithmetic("mul", a, c), across)
        return self.complex(real, self._arithmetic("add", self._arithmetic("mul", a, d), along))

    def _multiply_add(self, x: Value, y: Value, z: Value) -> Value:
        """Return x y + z, rounded once."""
        kind = type_of(x.dtype)
        name = f"llvm.fma.f{8 * x.dtype.itemsize}"
        called = self.function.module.declare(name, kind, kind, kind, kind)
        operands = f"{kind} {x.text}, {kind} {y.text}, {kind} {z.text}"
        return Value(x.dtype, self.function.value(f"call {kind} {called}({operands})"))

    def _arithmetic(self, name: str, x: Value, y: Value) -> Value:
        dtype = x.dtype
        kind = dtype.kind
        if kind == "f":
            return Value(dtype, self.function.value(f"f{name} {type_of(dtype)} {x.text}, {y.text}"))
        if kind == "c":
            part = type_of(dtype)
            real = self.function.value(f"f{name} {part} {x.text}, {y.text}")
            return Value(dtype, real, self.function.value(f"f{name} {part} {x.imag}, {y.imag}"))
        if kind == "b":
            if name == "sub" or self.python:  # NumPy refuses; Python's result is an integer
                raise CannotLower(f"no {name} of booleans")
            return self.bitwise("or" if name == "add" else "and", x, y)
        width = type_of(dtype)
        if not self.python:
            return Value(dtype, self.function.value(f"{name} {width} {x.text}, {y.text}"))
        checked = f"llvm.s{name}.with.overflow.{width}"
        called = self.function.module.declare(checked, f"{{{width}, i1}}", width, width)
        pair = self.function.value(
            f"call {{{width}, i1}} {called}({width} {x.text}, {width} {y.text})"
        )
        self.decline_if(self.function.value(f"extractvalue {{{width}, i1}} {pair}, 1"))
        return Value(dtype, self.function.value(f"extractvalue {{{width}, i1}} {pair}, 0"))

    def negative(self, x: Value) -> Value:
        kind = x.dtype.kind
        if kind == "f":
            return Value(x.dtype, self.function.value(f"fneg {type_of(x.dtype)} {x.text}"))
        if kind == "c":
            part = type_of(x.dtype)
            real = self.function.value(f"fneg {part} {x.text}")
            return Value(x.dtype, real, self.function.value(f"fneg {part} {x.imag}"))
        return self.subtract(constant(0, x.dtype), x)

    def divide(self, x: Value, y: Value) -> Value:
        if x.dtype.kind == "c":
            if self.python:  # rounds otherwise than NumPy does
                raise CannotLower("no division of Python's complex numbers")
            return self._divide_complex(x, y)
        if x.dtype.kind != "f":
            raise CannotLower("integers divide as float64")
        if self.python:
            self._decline_zero(y)
        return Value(x.dtype, self.function.value(f"fdiv {type_of(x.dtype)} {x.text}, {y.text}"))

    def _decline_zero(self, y: Value) -> None:
        if y.number is not None and y.number != 0:
            return
        self.decline_if(self.compare("eq", y, constant(0, y.dtype)).text)

    def _divide_complex(self, x: Value, y: Value) -> Value:
        """Divide as NumPy does (R. L. Smith, Communications of the ACM 5 (1962) 435)."""
        a, b, c, d = self.real(x), self.imag(x), self.real(y), self.imag(y)
        one = constant(1, c.dtype)
        size_c, size_d = self.math("fabs", c), self.math("fabs", d)
        first = self.compare("ge", size_c, size_d)
        larger, smaller = self.select(first, c, d), self.select(first, d, c)
        ratio = self.divide(smaller, larger)
        scale = self.divide(one, self.add(larger, self.multiply(smaller, ratio)))
        # first: (a + b r) s, (b - a r) s; second: (a r + b) s, (b r - a) s
        left, right = self.select(first, a, b), self.select(first, b, a)
        real = self.multiply(self.add(left, self.multiply(right, ratio)), scale)
        imag_first = self.subtract(b, self.multiply(a, ratio))
        imag_second = self.subtract(self.multiply(b, ratio), a)
        imag = self.multiply(self.select(first, imag_first, imag_second), scale)
        zero = constant(0, c.dtype)
        nothing = self.bitwise(
            "and", self.compare("eq", size_c, zero), self.compare("eq", size_d, zero)
        )
        return self.complex(
            self.select(nothing, self.divide(a, size_c), real),
            self.select(nothing, self.divide(b, size_c), imag),
        )

    def floor_divide(self, x: Value, y: Value) -> Value:
        return self._quotient_and_remainder(x, y)[0]

    def remainder(self, x: Value, y: Value) -> Value:
        return self._quotient_and_remainder(x, y)[1]

    def _quotient_and_remainder(self, x: Value, y: Value) -> tuple[Value, Value]:
        if x.dtype.kind in "cb":
            raise CannotLower(f"no remainder of dtype {x.dtype}")
        if self.python:
            self._decline_zero(y)
        if x.dtype.kind == "f":
            return self._divmod_floats(x, y)
        return self._divmod_integers(x, y)

    def _divmod_floats(self, x: Value, y: Value) -> tuple[Value, Value]:
        kind = type_of(x.dtype)
        zero, one = constant(0, x.dtype), constant(1, x.dtype)
        rest = Value(x.dtype, self.function.value(f"frem {kind} {x.text}, {y.text}"))
        plain = self.divide_plainly(x, y)
        exact = self.compare("eq", rest, zero)
        opposite = self.bitwise("xor", self.compare("lt", y, zero), self.compare("lt", rest, zero))
        quotient = self.divide_plainly(self.subtract(x, rest), y)
        adjust = self.bitwise("and", opposite, self.bitwise("not", exact))
        remainder = self.select(adjust, self.add(rest, y), rest)
        remainder = self.select(exact, self.math("copysign", zero, y), remainder)
        quotient = self.select(adjust, self.subtract(quotient, one), quotient)
        whole = self.math("floor", quotient)
        short = self.compare("gt", self.subtract(quotient, whole), constant(0.5, x.dtype))
        whole = self.select(short, self.add(whole, one), whole)
        whole = self.select(
            self.compare("eq", quotient, zero), self.math("copysign", zero, plain), whole
        )
        by_zero = self.compare("eq", y, zero)
        return self.select(by_zero, plain, whole), self.select(by_zero, rest, remainder)

    def divide_plainly(self, x: Value, y: Value) -> Value:
        """Divide floats as IEEE 754 has it, whatever the operands are."""
        return Value(x.dtype, self.function.value(f"fdiv {type_of(x.dtype)} {x.text}, {y.text}"))

    def _divmod_integers(self, x: Value, y: Value) -> tuple[Value, Value]:
        """Round towards minus infinity; by zero both are 0, and the least integer / -1 wraps."""
        zero = constant(0, x.dtype)
        by_zero = self.compare("eq", y, zero)
        if x.dtype.kind == "u":
            safe = self.select(by_zero, constant(1, x.dtype), y)
            return (
                self.select(by_zero, zero, self._integers("udiv", x, safe)),
                self.select(by_zero, zero, self._integers("urem", x, safe)),
            )
        least = constant(np.iinfo(x.dtype).min, x.dtype)
        overflows = self.bitwise(
            "and",
            self.compare("eq", x, least),
            self.compare("eq", y, constant(-1, x.dtype)),
        )
        if self.python:
            self.decline_if(overflows.text)
        unsafe = self.bitwise("or", by_zero, overflows)
        safe = self.select(unsafe, constant(1, x.dtype), y)
        rest = self._integers("srem", x, safe)
        signs = self.bitwise("xor", rest, safe)
        lower = self.bitwise("and", self.compare("ne", rest, zero), self.compare("lt", signs, zero))
        quotient = self._integers("sub", self._integers("sdiv", x, safe), self.cast(lower, x.dtype))
        remainder = self.select(lower, self._integers("add", rest, safe), rest)
        return self.select(by_zero, zero, quotient), self.select(by_zero, zero, remainder)

    def _integers(self, name: str, x: Value, y: Value) -> Value:
        """Apply an instruction to integers as it is, wrapping around."""
        code = f"{name} {type_of(x.dtype)} {x.text}, {y.text}"
        return Value(x.dtype, self.function.value(code))

    # -------------------------------------------------------------- logic

    def compare(self, relation: str, x: Value, y: Value) -> Value:
        kind = x.dtype.kind
        if x.dtype != y.dtype:
            raise CannotLower("a comparison of a signed with an unsigned integer")
        if kind == "c":
            return self._compare_complex(relation, x, y)
        if kind == "f":
            code = f"fcmp {_ORDERED[relation]}"
        elif relation in ("eq", "ne"):
            code = f"icmp {relation}"
        else:
            code = f"icmp {'s' if kind == 'i' else 'u'}{relation}"
        return Value(BOOL, self.function.value(f"{code} {type_of(x.dtype)} {x.text}, {y.text}"))

    def _compare_complex(self, relation: str, x: Value, y: Value) -> Value:
        """Compare as NumPy orders complex numbers: by real part, then by imaginary part."""
        parts = (self.real(x), self.real(y)), (self.imag(x), self.imag(y))
        same_real = self.compare("eq", *parts[0])
        if relation == "eq":
            return self.bitwise("and", same_real, self.compare("eq", *parts[1]))
        if relation == "ne":
            return self.bitwise("not", self._compare_complex("eq", x, y))
        if self.python:
            raise CannotLower("Python does not order complex numbers")
        strictly = self.compare({"le": "lt", "ge": "gt"}.get(relation, relation), *parts[0])
        numbers = self.bitwise(
            "and",
            self.compare("eq", parts[1][0], parts[1][0]),
            self.compare("eq", parts[1][1], parts[1][1]),
        )
        tied = self.bitwise("and", same_real, self.compare(relation, *parts[1]))
        return self.bitwise("or", self.bitwise("and", strictly, numbers), tied)

    def select(self, condition: Value, x: Value, y: Value) -> Value:
        kind = type_of(x.dtype)
        text = self.function.value(f"select i1 {condition.text}, {kind} {x.text}, {kind} {y.text}")
        if x.dtype.kind != "c":
            return Value(x.dtype, text)
        imag = self.function.value(f"select i1 {condition.text}, {kind} {x.imag}, {kind} {y.imag}")
        return Value(x.dtype, text, imag)

    def bitwise(self, name: str, *operands: Value) -> Value:
        x = operands[0]
        width = type_of(x.dtype)
        if x.dtype.kind in "fc":
            raise CannotLower(f"no bits of dtype {x.dtype}")
        if name == "not":
            ones = "true" if x.dtype.kind == "b" else "-1"
            return Value(x.dtype, self.function.value(f"xor {width} {x.text}, {ones}"))
        if name in _BITS:
            code = f"{_BITS[name]} {width} {x.text}, {operands[1].text}"
            return Value(x.dtype, self.function.value(code))
        if self.python or x.dtype.kind == "b":
            raise CannotLower("shifts of Python's integers may leave 64 bits")
        return self._shift(name, x, operands[1])

    def _shift(self, name: str, x: Value, y: Value) -> Value:
        """Shift; by the width or more (a negative count counts as that) every bit is gone."""
        width = type_of(x.dtype)
        bits = 8 * x.dtype.itemsize
        inside = self.function.value(f"icmp ult {width} {y.text}, {bits}")
        safe = self.function.value(f"select i1 {inside}, {width} {y.text}, {width} 0")
        if name == "left_shift":
            code, gone = "shl", "0"
        elif x.dtype.kind == "u":
            code, gone = "lshr", "0"
        else:
            code, gone = "ashr", self.function.value(f"ashr {width} {x.text}, {bits - 1}")
        moved = self.function.value(f"{code} {width} {x.text}, {safe}")
        return Value(
            x.dtype,
            self.function.value(f"select i1 {inside}, {width} {moved}, {width} {gone}"),
        )

    # -------------------------------------------------------------- functions and parts

    def math(self, name: str, *operands: Value) -> Value:
        return elementary(self, name, operands)

    def call(self, address: int, result: np.dtype[Any], *operands: Value) -> Value:
        given = [(type_of(x.dtype), x.text) for x in operands]
        name = self.function.module.declare(
            address_symbol(address), type_of(result), *(kind for kind, _ in given)
        )
        listed = ", ".join(f"{kind} {text}" for kind, text in given)
        return Value(result, self.function.value(f"call {type_of(result)} {name}({listed})"))

    def real(self, x: Value) -> Value:
        if x.dtype.kind != "c":
            return x
        return Value(part_of(x.dtype), x.text)

    def imag(self, x: Value) -> Value:
        if x.dtype.kind != "c":
            return constant(0, x.dtype)
        assert x.imag is not None
        return Value(part_of(x.dtype), x.imag)

    def complex(self, real: Value, imag: Value) -> Value:
        return Value(np.dtype(f"c{2 * real.dtype.itemsize}"), real.text, imag.text)
