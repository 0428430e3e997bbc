"""Elementary functions of one entry: instructions of LLVM, our own code, or the C library.

What each name means is NumPy's (or SciPy's). Loops get the functions of `math`, which vectorise;
straight-line code calls the C library, which costs no compilation, where it has the function.
"""

from __future__ import annotations

import ctypes
import functools
from typing import TYPE_CHECKING

from ...ir.emitter import CannotLower
from . import math
from .values import Value, constant, type_of

if TYPE_CHECKING:
    from .emitter import TextEmitter

# Functions that LLVM turns into instructions: exact, so that they are bitwise NumPy's.
_INSTRUCTIONS = {
    "sqrt": "sqrt",
    "fabs": "fabs",
    "absolute": "fabs",
    "floor": "floor",
    "ceil": "ceil",
    "trunc": "trunc",
    "rint": "rint",
    "copysign": "copysign",
}

# Functions of the C library, by NumPy's names.
_LIBRARY = {
    "exp": "exp",
    "exp2": "exp2",
    "expm1": "expm1",
    "log": "log",
    "log2": "log2",
    "log10": "log10",
    "log1p": "log1p",
    "cbrt": "cbrt",
    "sin": "sin",
    "cos": "cos",
    "tan": "tan",
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
    "sinh": "sinh",
    "cosh": "cosh",
    "tanh": "tanh",
    "arcsinh": "asinh",
    "arccosh": "acosh",
    "arctanh": "atanh",
    "erf": "erf",
    "erfc": "erfc",
    "power": "pow",
    "float_power": "pow",
    "arctan2": "atan2",
    "hypot": "hypot",
    "fmod": "fmod",
    "nextafter": "nextafter",
}


@functools.cache
def _is_there(name: str) -> bool:
    return hasattr(ctypes.pythonapi, name) or hasattr(ctypes.CDLL(None), name)


def elementary(emitter: TextEmitter, name: str, operands: tuple[Value, ...]) -> Value:
    """Return the value of an elementary function."""
    x = operands[0]
    if x.dtype.kind != "f":
        raise CannotLower(f"no {name} of dtype {x.dtype}")
    function = emitter.function
    kind = type_of(x.dtype)
    listed = ", ".join(f"{kind} {operand.text}" for operand in operands)
    kinds = (kind,) * len(operands)
    if name in _INSTRUCTIONS:
        intrinsic = f"llvm.{_INSTRUCTIONS[name]}.f{8 * x.dtype.itemsize}"
        called = function.module.declare(intrinsic, kind, *kinds)
        return Value(x.dtype, function.value(f"call {kind} {called}({listed})"))
    if name == "power":
        known = _small_power(emitter, x, operands[1])
        if known is not None:
            return _checked(emitter, known)
    library = _LIBRARY.get(name)
    symbol = f"{library}f" if x.dtype.itemsize == 4 else f"{library}"
    in_library = library is not None and _is_there(symbol)
    if math.has(name, x.dtype) and (function.module.level >= 2 or not in_library):
        text = math.emit(function, name, x.dtype, [operand.text for operand in operands])
        return _checked(emitter, Value(x.dtype, text))
    if not in_library:
        raise CannotLower(f"no native function {name}")
    called = function.module.declare(symbol, kind, *kinds)
    return _checked(emitter, Value(x.dtype, function.value(f"call {kind} {called}({listed})")))


def _checked(emitter: TextEmitter, result: Value) -> Value:
    """Let Python itself raise, or answer with a complex number, where the result is not finite."""
    if emitter.python:
        size = emitter.math("fabs", result)
        finite = emitter.compare("lt", size, constant(float("inf"), result.dtype))
        emitter.decline_if(emitter.bitwise("not", finite).text)
    return result


def _small_power(emitter: TextEmitter, x: Value, y: Value) -> Value | None:
    """Return powers that are exact otherwise: x² is rounded once, as NumPy's is."""
    if y.number is None:
        return None
    if y.number == 2:
        return emitter.multiply(x, x)
    if y.number == 1:
        return x
    if y.number == 0:
        return constant(1, x.dtype)
    return None
