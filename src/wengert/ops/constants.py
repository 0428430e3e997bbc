"""NumPy functions without derivative: they run on the plain values of handles.

Index builders, printing and what asks about shapes and dtypes. Predicates and searches are
primitives, see `predicates` and `searching`; so are the ufuncs among them, see `arithmetic`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.aval import aval_of
from ..tracing.core import Array, Traced, innermost, is_unknown, raw_of
from ..tracing.creation import originals
from ..tracing.protocols import functions, implements, implements_constant, plain_of

_PREDICATES = "packbits unpackbits in1d"
_SEARCHES = "histogram_bin_edges"
_INDEX_BUILDERS = "mask_indices"
_DTYPES = "min_scalar_type isfortran einsum_path"
_PRINTING = "array2string array_repr array_str save savez savez_compressed savetxt"

for _name in " ".join((_PREDICATES, _SEARCHES, _INDEX_BUILDERS, _DTYPES, _PRINTING)).split():
    _function = getattr(np, _name, None)
    if _function is not None and _function not in functions:
        implements_constant(_function)


# ------------------------------------------------------------------ answers from dtypes alone


def stand_in(value: Any) -> Any:
    """Return what has the dtype (and weakness) of a value in NumPy's promotion."""
    if type(value) is not Array and type(value) is not Traced:
        return value
    aval = aval_of(raw_of(value))
    if aval.kind == "python":
        return {"f": 0.0, "i": 0, "c": 0j, "b": False}[aval.dtype.kind]
    return aval.dtype


@implements(np.result_type)
def result_type(*arrays_and_dtypes: Any) -> Any:
    return np.result_type(*map(stand_in, arrays_and_dtypes))


@implements(np.can_cast)
def can_cast(from_: Any, to: Any, casting: Any = "safe") -> bool:
    return np.can_cast(stand_in(from_), to, casting)


def _blank(value: Any) -> Any:
    """Return an array of the shape and dtype of a value, of one entry in memory."""
    if type(value) is not Array and type(value) is not Traced:
        return value
    aval = aval_of(raw_of(value))
    return np.broadcast_to(np.zeros((), aval.dtype), aval.shape)


def _implement_by_shape(function: Any) -> None:
    @implements(function)
    def by_shape(*args: Any, **kwargs: Any) -> Any:
        return function(*map(_blank, args), **{k: _blank(value) for k, value in kwargs.items()})


for _function in (
    np.common_type,
    np.diag_indices_from,
    np.tril_indices_from,
    np.triu_indices_from,
):
    _implement_by_shape(_function)


def _dtype_of(value: Any) -> np.dtype[Any]:
    return aval_of(raw_of(value)).dtype


@implements(np.iscomplexobj)
def iscomplexobj(x: Any) -> bool:
    return _dtype_of(x).kind == "c"


@implements(np.isrealobj)
def isrealobj(x: Any) -> bool:
    return _dtype_of(x).kind != "c"


# ------------------------------------------------------------------ who shares memory with whom


def _owner_of(value: Any) -> Any:
    """Return a handle's plain value, as a view of its root's, where one is known."""
    if type(value) is not Array:
        return value
    plain = innermost(raw_of(value))
    return None if is_unknown(plain) else plain


def _root(value: Any) -> Any:
    if type(value) is not Array:
        return value
    return value if value._root is None else value._root


def _shares(first: Any, second: Any, function: Any, max_work: Any) -> bool:
    """Compare the addresses of two handles of one root; distinct roots share nothing."""
    if type(first) is not Array and type(second) is not Array:
        return bool(function(plain_of(first), plain_of(second), max_work))
    if _root(first) is not _root(second):
        return False
    plain = [_owner_of(value) for value in (first, second)]
    if any(value is None for value in plain):
        return True
    return bool(function(*plain, max_work))


@implements(np.may_share_memory)
def may_share_memory(a: Any, b: Any, max_work: Any = 0) -> bool:
    return _shares(a, b, np.may_share_memory, max_work)


@implements(np.shares_memory)
def shares_memory(a: Any, b: Any, max_work: Any = -1) -> bool:
    return _shares(a, b, np.shares_memory, max_work)


# ------------------------------------------------------------------ creation by a prototype


for _name in ("ones", "zeros", "empty", "full", "eye", "identity"):
    if originals[_name] not in functions:
        implements_constant(originals[_name])
