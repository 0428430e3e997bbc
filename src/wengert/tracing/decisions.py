"""Decisions of rules that depend on values: taken where values are known, general where not.

A rule asks here whether its short formula holds. While a program is staged nothing is known, and of
a batched value only what all examples share; the rule then takes the formula that always holds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.aval import Aval
from .core import Array, Batched, Traced, read_handle


def buffer_of(value: Any) -> Any:
    """Return the array below all levels, batch axes included, or the Aval where there is none."""
    if type(value) is Array:
        value = read_handle(value)
    while type(value) is Traced or type(value) is Batched:
        value = value._below
    return value


def possible(condition: Any) -> bool:
    """Return whether a condition may hold for some entry: False only where none is known to."""
    plain = buffer_of(condition)
    if type(plain) is Aval:
        return True
    return bool(plain.any() if type(plain) is np.ndarray else np.any(plain))


def certain(condition: Any) -> bool:
    """Return whether a condition is known to hold for all entries."""
    plain = buffer_of(condition)
    if type(plain) is Aval:
        return False
    return bool(plain.all() if type(plain) is np.ndarray else np.all(plain))


def truth(flag: Any) -> bool | None:
    """Return one truth value; None where it is not known, or differs between examples."""
    if type(flag) is Array:
        flag = read_handle(flag)
    return None if type(flag) is Traced else bool(flag)


def observed(condition: Any) -> bool:
    """Return whether a condition is known to hold for some entry; for warnings and refusals."""
    plain = buffer_of(condition)
    return type(plain) is not Aval and bool(np.any(plain))
