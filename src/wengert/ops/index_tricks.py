"""Functions and objects that NumPy does not dispatch, answered by name in the user's code.

``np.r_``, ``np.c_``, ``np.asarray_chkfinite`` and ``np.require`` of handles.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tracing.core import Array, Traced, innermost, is_array_kind, raw_of, shape_of, to_user
from ..tracing.creation import (
    carries_handles,
    convert_traced,
    implements_creation,
    replace_object,
)
from ..tracing.operators import as_operand
from .constants import stand_in
from .creating import arange
from .joining import concatenate
from .projection import cast
from .splitting import flat_raw, gathered, numbered

# ------------------------------------------------------------------ r_ and c_


class JoinByIndexing:
    """``np.r_`` or ``np.c_`` for keys that hold handles; other keys go to NumPy's own object.

    NumPy arranges the numbers of the entries, and the entries are read in that order.
    """

    def __init__(self, original: Any) -> None:
        self._original = original

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)

    def __len__(self) -> int:
        return len(self._original)

    def __getitem__(self, key: Any) -> Any:
        items = key if isinstance(key, tuple) else (key,)
        if not any(map(_holds_handle, items)):
            return self._original[key]
        numbers: list[Any] = []
        sources: list[Any] = []
        start = 0
        for item in items:
            if isinstance(item, str):
                numbers.append(item)
                continue
            source = raw_of(_range_of(item) if isinstance(item, slice) else as_operand(item))
            made = numbered(shape_of(source), start)
            start += made.size
            numbers.append(made if is_array_kind(source) else int(made))
            sources.append(source)
        dtype = np.result_type(*map(stand_in, sources))
        positions = np.asarray(self._original[tuple(numbers)])
        return gathered(concatenate([flat_raw(cast(raw, dtype)) for raw in sources]), positions)


def _holds_handle(item: Any) -> bool:
    if isinstance(item, slice):
        return any(map(carries_handles, (item.start, item.stop, item.step)))
    return carries_handles(item)


def _range_of(item: slice) -> Any:
    if not _holds_handle(item):
        return np.r_[item]
    start = 0 if item.start is None else item.start
    if isinstance(item.step, complex):
        return np.linspace(start, item.stop, int(abs(item.step)))
    return arange(start, item.stop, 1 if item.step is None else item.step)


for _name in ("r_", "c_"):
    replace_object(_name, JoinByIndexing(getattr(np, _name)))


# ------------------------------------------------------------------ conversions that check


@implements_creation("asarray_chkfinite")
def asarray_chkfinite(a: Any, dtype: Any = None, order: Any = None) -> Any:
    made = convert_traced(a, dtype, copies=False)
    if made.dtype.kind in "fc" and not np.isfinite(made).all():
        raise ValueError("array must not contain infs or NaNs")
    return made


@implements_creation("require")
def require(a: Any, dtype: Any = None, requirements: Any = None, *, like: Any = None) -> Any:
    made = to_user(raw_of(a)) if type(a) is Traced else a
    made = convert_traced(made, dtype, copies=False)
    wanted = {name.upper()[0] for name in requirements or ()}
    if {"C", "F"} <= wanted:
        raise ValueError('Cannot specify both "C" and "F" order')
    plain = innermost(raw_of(made))
    flags = plain.flags if isinstance(plain, np.ndarray) else None
    if flags is not None:
        if "C" in wanted and not flags.c_contiguous:
            return made.copy("C")
        if "F" in wanted and not flags.f_contiguous:
            return made.copy("F")
    if "O" in wanted and type(made) is Array and made._root is not None:
        return made.copy("K")
    return made
