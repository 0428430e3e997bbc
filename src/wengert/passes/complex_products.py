"""Which products of complex numbers NumPy rounds otherwise: its array loops fuse multiply and add.

Products of NumPy's scalars round all four products of parts; so do powers, and `prod` along the
last axis (along others, rows are multiplied as arrays are). So do, in NumPy and not here, loops
that depend on the memory of operands: over one entry that is written in place or broadcast, and
over complex64 with negative strides.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir.aval import Aval
from ..ir.primitive import Primitive


@functools.cache
def numpy_fuses(dtype: np.dtype[Any]) -> bool:
    """Return whether NumPy's loop for arrays of a complex dtype fuses, on this machine.

    Where it does, the real part of x y is fma(Re x, Re y, -(Im x · Im y)), the imaginary part
    fma(Re x, Im y, Im x · Re y). Here the real part is what one product rounds off.
    """
    step = float(np.finfo(dtype).eps) ** 0.5 / 2
    x = np.array([complex(1 + step, 1 + 2 * step)], dtype)
    y = np.array([complex(1 + step, 1)], dtype)
    return bool((x * y).real[0] != 0)


def is_fused(primitive: Primitive, operands: Sequence[Aval], result: Aval) -> bool:
    """Return whether NumPy computes an operation by fused products of complex numbers.

    The power operator does where it squares: for arrays, and the integer 2 of Python.
    """
    if result.dtype.kind != "c" or all(aval.kind != "array" for aval in operands):
        return False
    if primitive.name == "power_operator":
        exponent = operands[1]
        squares = exponent.kind == "python" and exponent.dtype.kind == "i"
        return squares and operands[0].dtype.kind == "c" and numpy_fuses(result.dtype)
    return primitive.name in ("multiply", "square") and numpy_fuses(result.dtype)
