"""Values of single entries in LLVM text: their types, constants, and how they lie in memory."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from ...ir.emitter import CannotLower
from .writer import Function, offset

BOOL = np.dtype(np.bool_)
FLOAT64 = np.dtype(np.float64)
INT64 = np.dtype(np.int64)

# Types of values in registers, by dtype kind and size. A bool is one bit there, a byte in memory;
# a complex number is two values.
_TYPES = {
    ("f", 4): "float",
    ("f", 8): "double",
    ("c", 8): "float",
    ("c", 16): "double",
    ("b", 1): "i1",
    **{(kind, size): f"i{8 * size}" for kind in "iu" for size in (1, 2, 4, 8)},
}


class Value:
    """One entry in registers: the name (or literal text) LLVM knows it by, and its dtype.

    Attributes
    ----------
    text : str
        The value; its real part, where it is complex.
    imag : str or None
        The imaginary part of a complex value.
    number : scalar or None
        What it is, where it is a constant.
    """

    __slots__ = ("dtype", "imag", "number", "text")

    def __init__(
        self, dtype: np.dtype[Any], text: str, imag: str | None = None, number: Any = None
    ) -> None:
        self.dtype = dtype
        self.text = text
        self.imag = imag
        self.number = number

    def __repr__(self) -> str:
        return f"Value({self.dtype}, {self.text})"


def type_of(dtype: np.dtype[Any]) -> str:
    """Return the LLVM type of an entry in a register (of one part, where complex)."""
    found = _TYPES.get((dtype.kind, dtype.itemsize))
    if found is None:
        raise CannotLower(f"no native code for dtype {dtype}")
    return found


def memory_type(dtype: np.dtype[Any]) -> str:
    """Return the LLVM type of an entry in memory (of one part, where complex)."""
    return "i8" if dtype.kind == "b" else type_of(dtype)


def is_supported(dtype: np.dtype[Any]) -> bool:
    """Return whether native code can compute with entries of this dtype."""
    return (dtype.kind, dtype.itemsize) in _TYPES and dtype.isnative


def part_of(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of the parts of a complex dtype."""
    return np.dtype(f"f{dtype.itemsize // 2}")


def float_text(number: float, single: bool) -> str:
    """Return a floating-point constant as LLVM writes it: the bits of a double."""
    if single:
        number = float(np.float32(number))
    return f"0x{struct.unpack('<Q', struct.pack('<d', number))[0]:016X}"


def constant(number: Any, dtype: np.dtype[Any]) -> Value:
    """Return a constant of a dtype; a number that is already of it keeps its bits."""
    type_of(dtype)
    cast = np.asarray(number).astype(dtype)[()]
    if dtype.kind == "f":
        return Value(dtype, float_text(float(cast), dtype.itemsize == 4), None, cast)
    if dtype.kind == "c":
        single = dtype.itemsize == 8
        real = float_text(float(cast.real), single)
        return Value(dtype, real, float_text(float(cast.imag), single), cast)
    if dtype.kind == "b":
        return Value(dtype, "true" if cast else "false", None, cast)
    return Value(dtype, str(int(cast)), None, cast)


def load(function: Function, dtype: np.dtype[Any], pointer: str) -> Value:
    """Read one entry."""
    if dtype.kind == "b":
        byte = function.value(f"load i8, ptr {pointer}")
        return Value(dtype, function.value(f"icmp ne i8 {byte}, 0"))
    kind = type_of(dtype)
    first = function.value(f"load {kind}, ptr {pointer}")
    if dtype.kind != "c":
        return Value(dtype, first)
    second = offset(function, pointer, dtype.itemsize // 2)
    return Value(dtype, first, function.value(f"load {kind}, ptr {second}"))


def store(function: Function, value: Value, pointer: str) -> None:
    """Write one entry."""
    dtype = value.dtype
    if dtype.kind == "b":
        byte = function.value(f"zext i1 {value.text} to i8")
        function.line(f"store i8 {byte}, ptr {pointer}")
        return
    kind = type_of(dtype)
    function.line(f"store {kind} {value.text}, ptr {pointer}")
    if dtype.kind == "c":
        second = offset(function, pointer, dtype.itemsize // 2)
        function.line(f"store {kind} {value.imag}, ptr {second}")
