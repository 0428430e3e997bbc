"""Even powers are asked for first: those of a length are smooth where the length is not.

What is a length, and what its square, `ops.smooth_squares` knows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.primitive import Primitive
from .core import Array, Traced, bind

_PLAIN = frozenset({np.ndarray, np.float64, float})

_answers: list[Callable[..., Any]] = []

# The operators that may make an even power.
RAISING = frozenset({"__pow__", "__mul__"})


def install_even_power(function: Callable[[Any, Any, Callable[[], Any]], Any]) -> None:
    """Let ``function(x, exponent, power)`` answer first; with None it leaves that to `power`."""
    _answers[:] = [function]


def even_power(primitive: Primitive, name: str, left: Any, right: Any) -> Any:
    """Return ``x**n``, or ``x * x`` of the same x, where that is an even power of a length."""
    exponent = right
    if name == "__mul__":
        if left is not right:
            return None
        exponent = 2
    elif type(right) is not int and type(right) is not float:
        return None
    held = left._below if type(left) is Array else left
    if type(held) is Traced and type(held._below) in _PLAIN and not held._trace.is_of_high_order:
        return None  # of one level: remembers nothing
    return _answers[0](left, exponent, lambda: bind(primitive, left, right))
