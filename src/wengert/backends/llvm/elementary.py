"""Elementary functions of one entry: instructions of LLVM, our own code, or the C library.

What each name means is NumPy's (or SciPy's). Loops get the functions of `math`, which vectorise;
straight-line code calls the C library, which costs no compilation, where it has the function.
"""

from __future__ import annotations

import ctypes
import functools
from typing import TYPE_CHECKING

import numpy as np

from ...ir.emitter import CannotLower
from . import complex_functions, math
from .library import special_symbol
from .values import FLOAT64, Value, constant, type_of

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


# What stands before the names of functions of `scipy.special`, and those whose loops compute in
# single precision though no such version is exported.
SPECIAL = "special."
_SINGLE_ALONE = frozenset({"xlogy", "xlog1py"})


@functools.cache
def _is_there(name: str) -> bool:
    return hasattr(ctypes.pythonapi, name) or hasattr(ctypes.CDLL(None), name)


def elementary(emitter: TextEmitter, name: str, operands: tuple[Value, ...]) -> Value:
    """Return the value of an elementary function."""
    x = operands[0]
    if name == "power":
        known = _known_power(emitter, x, operands[1])
        if known is not None:
            return _checked(emitter, known)
        if emitter.rooted and operands[1].number is None and x.dtype.kind == "f":
            return _power_or_root(emitter, x, operands[1])
    if x.dtype.kind == "c" and name in complex_functions.FUNCTIONS and not emitter.python:
        return complex_functions.FUNCTIONS[name](emitter, x)
    if x.dtype.kind != "f":
        raise CannotLower(f"no {name} of dtype {x.dtype}")
    if name.startswith(SPECIAL):
        return _special(emitter, name.removeprefix(SPECIAL), operands)
    function = emitter.function
    kind = type_of(x.dtype)
    listed = ", ".join(f"{kind} {operand.text}" for operand in operands)
    kinds = (kind,) * len(operands)
    if name in _INSTRUCTIONS:
        intrinsic = f"llvm.{_INSTRUCTIONS[name]}.f{8 * x.dtype.itemsize}"
        called = function.module.declare(intrinsic, kind, *kinds)
        return Value(x.dtype, function.value(f"call {kind} {called}({listed})"))
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


def _special(emitter: TextEmitter, name: str, operands: tuple[Value, ...]) -> Value:
    """Return the value of a function of `scipy.special`: its scalar version's, bit by bit.

    Without a version for floats it is computed in double precision, as SciPy's loops do.
    """
    dtype = operands[0].dtype
    if any(x.dtype != dtype for x in operands):
        raise CannotLower(f"{name} takes numbers of several dtypes")
    found = special_symbol(name, type_of(dtype), len(operands))
    if found is None and dtype.itemsize == 4 and name not in _SINGLE_ALONE:
        wide = tuple(emitter.cast(x, FLOAT64) for x in operands)
        return emitter.cast(_special(emitter, name, wide), dtype)
    if found is None:
        raise CannotLower(f"SciPy exports no {name} of {dtype}")
    kind = type_of(dtype)
    called = emitter.function.module.declare(found, kind, *(kind,) * len(operands), "i32")
    listed = ", ".join(f"{kind} {x.text}" for x in operands)
    return Value(dtype, emitter.function.value(f"call {kind} {called}({listed}, i32 0)"))


def _power_or_root(emitter: TextEmitter, x: Value, y: Value) -> Value:
    """Return x to a power that may be found to be 0.5."""
    emitter.rooted = False
    found = emitter.math("power", x, y)
    half = emitter.compare("eq", y, constant(0.5, y.dtype))
    return emitter.select(half, emitter.math("sqrt", x), found)


def _checked(emitter: TextEmitter, result: Value) -> Value:
    """Let Python itself raise, or answer with a complex number, where the result is not finite."""
    if emitter.python and result.dtype.kind == "f":
        size = emitter.math("fabs", result)
        finite = emitter.compare("lt", size, constant(float("inf"), result.dtype))
        emitter.decline_if(emitter.bitwise("not", finite).text)
    return result


# Whole exponents up to here are products; NumPy itself multiplies for complex numbers below 100.
_LARGEST_PRODUCT = 64


def _known_power(emitter: TextEmitter, x: Value, y: Value) -> Value | None:
    """Return x to a constant power, by products or a root; None where there is no such way.

    Floats keep the accuracy of the C library's function: what products round off is carried along.
    """
    if y.number is None or complex(y.number).imag != 0 or not np.isfinite(y.number):
        return None
    exponent = complex(y.number).real
    if exponent == 0:
        return constant(1, x.dtype)
    if exponent == 1 and x.dtype.kind != "c":
        return x
    if exponent == 2 and x.dtype.kind != "c":
        return emitter.multiply(x, x)
    if abs(exponent) > _LARGEST_PRODUCT:
        return None
    if x.dtype.kind == "f":
        return _known_power_of_float(emitter, x, exponent)
    if exponent != int(exponent) or emitter.python:
        return None
    if x.dtype.kind == "c":
        return _product_of_complex(emitter, x, int(exponent))
    return _product(emitter, x, int(exponent)) if exponent > 0 else None


def _known_power_of_float(emitter: TextEmitter, x: Value, exponent: float) -> Value | None:
    function = emitter.function
    if exponent == 0.5 and emitter.rooted:
        return emitter.math("sqrt", x)
    if function.module.level < 2:
        return None
    if exponent == 0.5:  # 0.0 of -0.0, infinite at -inf
        root = emitter.add(emitter.math("sqrt", x), constant(0, x.dtype))
        low, high = constant(-np.inf, x.dtype), constant(np.inf, x.dtype)
        return emitter.select(emitter.compare("eq", x, low), high, root)
    if exponent == int(exponent):
        return Value(x.dtype, math.emit_power(function, int(exponent), x.dtype, x.text))
    return None


def _product(emitter: TextEmitter, x: Value, exponent: int) -> Value:
    """Return x to a positive power, by squares in NumPy's order, which begins with 1."""
    found = constant(1, x.dtype)
    while True:
        if exponent & 1:
            found = emitter.multiply(found, x)
        exponent >>= 1
        if not exponent:
            return found
        x = emitter.multiply(x, x)


def _product_of_complex(emitter: TextEmitter, x: Value, exponent: int) -> Value:
    if emitter.fused and exponent == 2:  # the operator squares
        return emitter.multiply(x, x)
    emitter.fused = False
    if exponent == 1:
        found = x
    elif exponent == 2:
        found = emitter.multiply(x, x)
    elif exponent == 3:
        found = emitter.multiply(x, emitter.multiply(x, x))
    else:
        found = _product(emitter, x, abs(exponent))
    if exponent < 0:
        found = emitter.divide(constant(1, x.dtype), found)
    part = 0.0 if exponent > 0 else float("nan")
    zero = emitter.compare("eq", x, constant(0, x.dtype))
    return emitter.select(zero, constant(complex(part, part), x.dtype), found)
