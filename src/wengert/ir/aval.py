"""Abstract values: what is known of a value without its entries (shape, dtype and kind)."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Literal

import numpy as np

Kind = Literal["python", "scalar", "array"]


_DTYPE_CLASSES = frozenset(type(np.dtype(code)) for code in np.typecodes["All"])


class Aval:
    """Shape, dtype and kind of a value.

    Kind ``"python"`` is a Python number, whose dtype is weak in promotions (NEP 50); ``"scalar"`` a
    NumPy scalar; both are immutable. ``"array"`` is an array, of any number of dimensions.

    Parameters
    ----------
    shape : tuple of int
        ``()`` for numbers.
    dtype : dtype, or what NumPy takes for one
        Of the entries.
    kind : {"array", "scalar", "python"}
        What holds the entries.

    Examples
    --------
    >>> import numpy as np
    >>> from wengert import extend
    >>> extend.Aval((2, 3), np.float32), extend.Aval((), float, "python")
    (Aval(float32[2,3]), Aval(float64*))
    """

    __slots__ = ("dtype", "kind", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: Any, kind: Kind = "array") -> None:
        self.shape = shape
        self.dtype: np.dtype[Any] = dtype if type(dtype) in _DTYPE_CLASSES else np.dtype(dtype)
        self.kind: Kind = kind

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        size = 1
        for length in self.shape:
            size *= length
        return size

    @property
    def aval(self) -> Aval:
        return self

    @property
    def is_complex(self) -> bool:
        return self.dtype.kind == "c"

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Aval)
            and self.shape == other.shape
            and self.dtype == other.dtype
            and self.kind == other.kind
        )

    def __hash__(self) -> int:
        return hash((self.shape, self.dtype, self.kind))

    def __repr__(self) -> str:
        return f"Aval({self})"

    def __str__(self) -> str:
        name = self.dtype.name
        if self.kind == "python":
            return f"{name}*"
        if self.kind == "scalar":
            return name
        return f"{name}[{','.join(map(str, self.shape))}]"

    def fits(self, other: Aval) -> bool:
        """Return whether shape and dtype are the same: kinds of numbers may differ in a batch."""
        return self.shape == other.shape and self.dtype == other.dtype

    def with_kind(self, kind: Kind) -> Aval:
        return Aval(self.shape, self.dtype, kind)


_NUMBER_AVALS: dict[type, Aval] = {
    float: Aval((), np.float64, "python"),
    int: Aval((), np.int64, "python"),
    complex: Aval((), np.complex128, "python"),
    bool: Aval((), np.bool_, "python"),
    **{  # NumPy's scalars whose dtype their type tells
        kind: Aval((), kind, "scalar")
        for kind in (np.float64, np.float32, np.complex128, np.int64, np.bool_)
    },
}

# The Aval that all numbers of a type have, None where the type does not tell it.
number_aval = _NUMBER_AVALS.get


_own_aval: Callable[[Any], Aval] = attrgetter("aval")

# How the Aval of some types is found: asking these what else they are costs more than all the rest.
_AVAL_READERS: dict[type, Callable[[Any], Aval]] = {Aval: _own_aval}


def register_aval_type(kind: type, read: Callable[[Any], Aval] = _own_aval) -> None:
    """Note how the Aval of a type's instances is read: by default it is their ``aval``."""
    _AVAL_READERS[kind] = read


def aval_of(value: Any) -> Aval:
    """Return the Aval of any value: Python number, NumPy scalar, array, Aval or traced value."""
    kind = type(value)
    if kind is np.ndarray:
        return Aval(value.shape, value.dtype, "array")
    found = _NUMBER_AVALS.get(kind)
    if found is not None:
        return found
    read = _AVAL_READERS.get(kind)
    if read is not None:
        return read(value)
    if isinstance(value, np.ndarray):
        return Aval(value.shape, value.dtype, "array")
    if isinstance(value, np.generic):
        return Aval((), value.dtype, "scalar")
    known = getattr(value, "aval", None)
    if isinstance(known, Aval):
        return known
    if hasattr(value, "shape") and hasattr(value, "dtype"):  # a foreign array
        return Aval(tuple(value.shape), value.dtype, "array")
    converted = np.asarray(value)
    return Aval(converted.shape, converted.dtype, "array")


def zeros_of(aval: Aval) -> Any:
    """Return the plain zero of a tangent space: shape, dtype and kind of `aval`."""
    if aval.kind == "python":
        return 0j if aval.is_complex else 0.0
    if aval.kind == "scalar":
        return aval.dtype.type(0)
    return np.zeros(aval.shape, aval.dtype)


def kind_of_result(shape: tuple[int, ...]) -> Kind:
    """Return the kind that NumPy gives a fresh result of this shape: 0-d results are scalars."""
    return "array" if shape else "scalar"


def promotion_operand(aval: Aval) -> Any:
    """Return what stands for `aval` in NumPy's promotion: a Python type for a weak number."""
    if aval.kind == "python":
        return {"f": float, "i": int, "c": complex}.get(aval.dtype.kind, aval.dtype)
    return aval.dtype


def result_dtype(*avals: Aval) -> np.dtype[Any]:
    """Return the dtype that NumPy's promotion (NEP 50) gives to these operands."""
    weak = {"f": 0.0, "i": 0, "c": 0j, "b": False}
    return np.result_type(
        *(weak[aval.dtype.kind] if aval.kind == "python" else aval.dtype for aval in avals)
    )


def is_differentiable(dtype: np.dtype[Any]) -> bool:
    """Return whether values of this dtype carry a derivative: real or complex floating point."""
    return dtype.kind in "fc"
