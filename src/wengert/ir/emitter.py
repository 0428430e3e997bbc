"""What lowering rules speak to: an emitter of native code for one entry; backends implement it.

A ``lower`` slot of the elementwise kind is ``lower(e, *operands, **params) -> value``: the operands
come in the dtypes of NumPy's loop, the value must have the dtype of its result. A rule that does
not serve some dtype raises `CannotLower`, as an emitter does; the operation then calls NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np


class CannotLower(Exception):
    """A rule or an emitter has no native code for these dtypes: the operation calls back."""


class Composite(NamedTuple):
    """A lowering by operations: ``function(*operands, **params)`` gives the result, or a tuple."""

    function: Callable[..., Any]


class PerEntry(NamedTuple):
    """A lowering of single entries for a primitive whose family takes composites."""

    function: Callable[..., Any]


class Emitter(Protocol):
    """Emits operations on single entries; a value is opaque and knows its dtype.

    Arithmetic works on real, complex, integer and bool values as NumPy's loops do: integers wrap
    around, and nothing is contracted or reassociated.
    """

    def dtype_of(self, x: Any) -> np.dtype[Any]: ...
    def constant(self, number: Any, dtype: Any) -> Any: ...
    def cast(self, x: Any, dtype: Any) -> Any: ...

    def add(self, x: Any, y: Any) -> Any: ...
    def subtract(self, x: Any, y: Any) -> Any: ...
    def multiply(self, x: Any, y: Any) -> Any: ...
    def divide(self, x: Any, y: Any) -> Any: ...
    def floor_divide(self, x: Any, y: Any) -> Any: ...
    def remainder(self, x: Any, y: Any) -> Any: ...
    def negative(self, x: Any) -> Any: ...

    def compare(self, relation: str, x: Any, y: Any) -> Any:
        """Return a bool value; `relation` is ``lt``, ``le``, ``gt``, ``ge``, ``eq`` or ``ne``."""
        ...

    def select(self, condition: Any, x: Any, y: Any) -> Any:
        """Return `x` where a bool value holds, else `y`; both are computed."""
        ...

    def bitwise(self, name: str, *operands: Any) -> Any:
        """Apply ``and``, ``or``, ``xor``, ``not``, ``left_shift`` or ``right_shift``."""
        ...

    def math(self, name: str, *operands: Any) -> Any:
        """Apply an elementary function by its NumPy or SciPy name, such as ``"tanh"``."""
        ...

    def call(self, address: int, result: Any, *operands: Any) -> Any:
        """Call a function of C by its address, on numbers as it takes them."""
        ...

    def real(self, x: Any) -> Any: ...
    def imag(self, x: Any) -> Any: ...
    def complex(self, real: Any, imag: Any) -> Any: ...
