"""Elementary functions as LLVM instructions, without branches, so that loops of them vectorise.

`emit` calls one; the first call in a module defines it there, internal and to be inlined. What is
not here is a call of the C library.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..writer import Function, Module
from . import circular, error_function, exponential, inverse_circular, logarithm, narrow, power
from .arithmetic import Kernel, NarrowKernel, Number
from .target import has_fma

FUNCTIONS: dict[str, tuple[int, Callable[..., Number]]] = {
    "exp": (1, exponential.exp),
    "exp2": (1, exponential.exp2),
    "expm1": (1, exponential.expm1),
    "sinh": (1, exponential.sinh),
    "cosh": (1, exponential.cosh),
    "tanh": (1, exponential.tanh),
    "sigmoid": (1, exponential.sigmoid),
    "log": (1, logarithm.log),
    "log2": (1, logarithm.log2),
    "log10": (1, logarithm.log10),
    "log1p": (1, logarithm.log1p),
    "arcsinh": (1, logarithm.arcsinh),
    "arccosh": (1, logarithm.arccosh),
    "arctanh": (1, logarithm.arctanh),
    "log_hypot": (2, logarithm.log_hypot),
    "softplus": (1, logarithm.softplus),
    "logaddexp": (2, logarithm.logaddexp),
    "logaddexp2": (2, logarithm.logaddexp2),
    "sin": (1, circular.sin),
    "cos": (1, circular.cos),
    "tan": (1, circular.tan),
    "arcsin": (1, inverse_circular.arcsin),
    "arccos": (1, inverse_circular.arccos),
    "arctan": (1, inverse_circular.arctan),
    "arctan2": (2, inverse_circular.arctan2),
    "power": (2, power.power),
    "cbrt": (1, power.cbrt),
    "hypot": (2, power.hypot),
    "sqrt": (1, power.sqrt),
    "erf": (1, error_function.erf),
    "erfc": (1, error_function.erfc),
}


ALIASES = {"expit": "sigmoid", "logistic": "sigmoid", "float_power": "power"}
_TYPES = {"d": "double", "f": "float"}


def has(name: str, dtype: Any) -> bool:
    """Return whether a function is here for a dtype."""
    return ALIASES.get(name, name) in FUNCTIONS and np.dtype(dtype).char in _TYPES


def available() -> tuple[str, ...]:
    """Return the names of the functions that are here, for float64 and float32 each."""
    return tuple(sorted([*FUNCTIONS, *ALIASES]))


def emit(function: Function, name: str, dtype: Any, operands: Sequence[str]) -> str:
    """Emit a call of an elementary function, which its module defines, to be inlined.

    Parameters
    ----------
    function : Function
        The text that is written to.
    name : str
        NumPy's or SciPy's name of the function; see `available`.
    dtype : dtype
        float64 or float32: the dtype of the operands and of the result.
    operands : sequence of str

    Returns
    -------
    str

    Raises
    ------
    KeyError
        There is no function of this name here.
    """
    name = ALIASES.get(name, name)
    arity, body = FUNCTIONS[name]
    dtype = np.dtype(dtype)
    kind = _TYPES[dtype.char]
    if len(operands) != arity:
        raise TypeError(f"{name} takes {arity} operands, {len(operands)} were given")
    full_name = f"wengert.{name}.{dtype.name}"
    if full_name not in function.module.definitions:
        if kind == "float" and name in narrow.FUNCTIONS:
            _define_narrow(function.module, full_name, narrow.FUNCTIONS[name])
        else:
            _define(function.module, full_name, kind, arity, body)
    listed = ", ".join(f"{kind} {operand}" for operand in operands)
    return function.value(f'call {kind} @"{full_name}"({listed})')


def emit_power(function: Function, exponent: int, dtype: Any, operand: str) -> str:
    """Emit a call of x to a constant whole power, by products; what they round off is kept."""
    dtype = np.dtype(dtype)
    kind = _TYPES[dtype.char]
    name = f"wengert.power{exponent}.{dtype.name}"
    if name not in function.module.definitions:
        body = functools.partial(power.whole_power, exponent=exponent)
        _define(function.module, name, kind, 1, body)
    return function.value(f'call {kind} @"{name}"({kind} {operand})')


_ATTRIBUTES = "nounwind willreturn memory(none) alwaysinline"


def _define(
    module: Module, full_name: str, kind: str, arity: int, body: Callable[..., Number]
) -> None:
    names = [f"%x{i}" for i in range(arity)]
    arguments = [f"{kind} {name}" for name in names]
    function = module.part(full_name, kind, *arguments, attributes=_ATTRIBUTES)
    single = kind == "float"
    kernel = Kernel(function, single=single, fma=has_fma())
    if single:
        names = [function.value(f"fpext float {name} to double") for name in names]
    result = body(kernel, *(Number(kernel, name) for name in names)).value
    if single:
        result = function.value(f"fptrunc double {result} to float")
    function.line(f"ret {kind} {result}")
    module.define(full_name, function.text().replace("define ", "define internal ", 1))


def _define_narrow(
    module: Module, full_name: str, body: Callable[[NarrowKernel, Number], Number]
) -> None:
    function = module.part(full_name, "float", "float %x0", attributes=_ATTRIBUTES)
    kernel = NarrowKernel(function, single=False, fma=has_fma())
    function.line(f"ret float {body(kernel, Number(kernel, '%x0')).value}")
    module.define(full_name, function.text().replace("define ", "define internal ", 1))
