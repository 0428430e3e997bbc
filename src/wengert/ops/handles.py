"""Methods and attributes of handles that are about memory: copies, items, ``flat``, ``view``.

Also those that only an ndarray can have, answered by an error that says what to type instead.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import StagingError
from ..ir.aval import Aval, aval_of
from ..ir.paths import is_basic_index, is_read_only
from ..tracing.callsite import caller_is_user
from ..tracing.core import (
    Array,
    Traced,
    bind,
    detached,
    innermost,
    is_array_kind,
    is_unknown,
    ndim_of,
    raw_of,
    shape_of,
    to_user,
    write_handle,
)
from ..tracing.keys import build_array, known_value, plain_key
from ..tracing.operators import (
    install_attribute,
    install_method,
    install_on_scalars,
)
from ..tracing.protocols import array_function, array_ufunc, implements
from .indexing import read
from .kinds import with_kind
from .shaping import array_raw, flatten, reshaped, viewed

# ------------------------------------------------------------------ copies


def relaid(raw: Any, order: str) -> Any:
    """Return a raw value whose innermost array owns its memory and is laid out in `order`.

    The array itself is shared where it is so already: a write copies what is not exclusive.
    """
    if type(raw) is Traced:
        lower = relaid(raw._below, order)
        payload = raw._payload
        if type(payload) is Traced or type(payload) is np.ndarray:
            payload = detached(payload)
        if lower is raw._below and payload is raw._payload:
            return raw
        return Traced(raw._trace, lower, payload)
    if type(raw) is np.ndarray and not (raw.base is None and _is_laid_out(raw, order)):
        return raw.copy(order)  # type: ignore[arg-type]
    return raw


def _is_laid_out(array: np.ndarray[Any, Any], order: str) -> bool:
    flags = array.flags
    if order == "C":
        return flags.c_contiguous
    if order == "F":
        return flags.f_contiguous
    return flags.forc


def copied(x: Any, order: Any = "C") -> Any:
    """Return an independent array; the memory is shared until one of the two is written."""
    raw = raw_of(x)
    if not is_array_kind(raw):
        return raw
    if type(raw) is np.ndarray and not caller_is_user():
        return raw.copy(order=order)
    return Array(relaid(raw, order))


@implements(np.copy)
def copy(a: Any, order: Any = "K", subok: bool = False) -> Any:
    return copied(to_user(array_raw(a)), order)


def shallow_copy(self: Any) -> Any:
    return copied(self)


def deep_copy(self: Any, memo: Any) -> Any:
    return copied(self)


def reduce(self: Any, protocol: Any) -> Any:
    """Answer pickle: a constant cell as its array, traced content with a refusal."""
    return np.asarray(self).copy().__reduce_ex__(protocol)


# ------------------------------------------------------------------ items


def as_python(scalar: Any) -> Any:
    """Return a scalar as the Python number that ``item`` gives."""
    raw = raw_of(scalar)
    if type(raw) is not Traced:
        return np.asarray(raw).item()
    aval = aval_of(raw)
    if aval.shape:
        raw = raw_of(reshaped(raw, ()))
    if aval.dtype.char in "gG":  # Python has no number of that precision
        return to_user(bind(read, raw, path=(("index", ()),))) if is_array_kind(raw) else raw
    dtype = np.complex128 if aval.is_complex else np.float64
    return to_user(with_kind(raw, Aval((), dtype, "python")))


def item(self: Any, *args: Any) -> Any:
    shape = shape_of(self)
    if not args:
        if math.prod(shape) != 1:
            raise ValueError("can only convert an array of size 1 to a Python scalar")
        key: Any = (0,) * len(shape)
    else:
        key = args[0] if len(args) == 1 and isinstance(args[0], tuple) else args
        if len(key) == 1 and len(shape) != 1:
            key = _unravelled(operator.index(key[0]), shape)
        elif len(key) != len(shape):
            raise ValueError("incorrect number of indices for array")
    if not shape:
        return as_python(self)
    return as_python(self[tuple(operator.index(k) for k in key)])


def _unravelled(position: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    size = math.prod(shape)
    if not -size <= position < size:
        raise IndexError(f"index {position} is out of bounds for size {size}")
    return tuple(int(k) for k in np.unravel_index(position % size, shape))


def tolist(self: Any) -> Any:
    raw = raw_of(self)
    if type(raw) is not Traced:
        return np.asarray(raw).tolist()
    shape = shape_of(self)
    if not shape:
        return as_python(raw)
    return [tolist(self[i]) for i in range(shape[0])]


def contains(self: Any, value: Any) -> bool:
    plain = known_value(self, "a membership test (in)")
    return bool(np.any(plain == innermost(raw_of(value))))


# ------------------------------------------------------------------ writing methods


def fill(self: Array, value: Any) -> None:
    if ndim_of(value):
        value = np.reshape(value, ())  # NumPy takes any array of one entry
    write_handle(self, (("index", Ellipsis),), value)


def view(self: Any, dtype: Any = None, type: Any = None) -> Any:
    if dtype is np.ndarray:
        dtype = None
    wanted = None if dtype is None else np.dtype(dtype)
    if wanted is None or wanted == self.dtype:
        return viewed(self, ("index", Ellipsis)) if is_array_kind(raw_of(self)) else self
    if {wanted, self.dtype} not in _PAIRS:
        raise TypeError(
            f"x.view({wanted}) of a traced {self.dtype} array would reinterpret its bytes, which "
            "has no derivative. Use x.astype(…) to convert values; x.real, x.imag and x.view "
            "between complex numbers and pairs of reals of the same precision are differentiable."
        )
    plain = innermost(raw_of(self))
    (np.empty(plain.shape, plain.dtype) if is_unknown(plain) else plain).view(wanted)
    return viewed(self, ("view", wanted))


_PAIRS = (
    {np.dtype(np.float32), np.dtype(np.complex64)},
    {np.dtype(np.float64), np.dtype(np.complex128)},
    {np.dtype(np.longdouble), np.dtype(np.clongdouble)},
)


def refuse_resize(self: Any, *args: Any, **kwargs: Any) -> None:
    raise ValueError(
        "x.resize(…) changes the memory of an array in place, which a traced array does not own. "
        "Use x = np.resize(x, shape), or np.pad to enlarge with zeros."
    )


def set_flags(self: Any, write: Any = None, align: Any = None, uic: Any = None) -> None:
    raise ValueError(
        "x.setflags(…) is not possible for an array inside a transformation; keep the array "
        "unwritten instead, or work on a copy, x.copy()"
    )


# ------------------------------------------------------------------ flat


class Flat:
    """The iterator ``x.flat``: entries in C order, read from and written through to the array."""

    __slots__ = ("_array", "_next")
    __hash__ = None  # type: ignore[assignment]
    __array_priority__ = 1.0

    def __init__(self, array: Any) -> None:
        self._array = array
        self._next = 0

    @property
    def base(self) -> Any:
        return self._array

    @property
    def index(self) -> int:
        return self._next

    @property
    def coords(self) -> tuple[int, ...]:
        return tuple(int(k) for k in np.unravel_index(self._next, shape_of(self._array)))

    def __len__(self) -> int:
        return math.prod(shape_of(self._array))

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self._next >= len(self):
            raise StopIteration
        self._next += 1
        return self[self._next - 1]

    def _key(self, key: Any) -> Any:
        """Return the index of the array itself for an index of its entries in C order."""
        shape = shape_of(self._array)
        key = plain_key(key)
        if isinstance(key, tuple):
            if len(key) != 1:
                raise IndexError("unsupported iterator index")
            key = key[0]
        if isinstance(key, (int, np.integer)) and not isinstance(key, bool):
            return _unravelled(int(key), shape) if shape else _only(int(key))
        positions = np.arange(len(self))[key]
        return tuple(np.unravel_index(positions, shape)) if shape else positions

    def __getitem__(self, key: Any) -> Any:
        array = self._array
        if key is Ellipsis or (isinstance(key, slice) and key == slice(None)):
            return flatten(array)
        where = self._key(key)
        if type(where) is np.ndarray:
            array = array[None]
        return array[where]

    def __setitem__(self, key: Any, value: Any) -> None:
        array = self._array
        if isinstance(value, (list, tuple)):
            value = build_array(value)
        where = self._key(key)
        if type(where) is np.ndarray:  # the one entry, once for every position named
            named = where.size
            if not named:
                return
            where = ()
            if ndim_of(value) and np.size(value):
                value = np.reshape(value, (-1,))[(named - 1) % np.size(value)]
        count = np.size(where[0]) if where else 1
        if ndim_of(value) or count != 1:
            value = np.reshape(value, (-1,))
            given = np.size(value)
            if not given:
                raise ValueError("Error setting single item of array.")
            if given != count:  # NumPy repeats what is too short and drops what is too long
                value = value[np.arange(count) % given]
            if is_basic_index(where):
                value = value[0]
        array[where] = value

    def copy(self) -> Any:
        return flatten(self._array)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return flatten(self._array).__array__(dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        found = [_unflat(value) for value in inputs]
        return array_ufunc(self, ufunc, method, *found, **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        found = tuple(_unflat(value) for value in args)
        return array_function(self, function, types, found, kwargs)


def _only(position: int) -> tuple[int, ...]:
    if position not in (0, -1):
        raise IndexError(f"index {position} is out of bounds for size 1")
    return ()


def _unflat(value: Any) -> Any:
    return value.copy() if type(value) is Flat else value


def _comparing(name: str) -> Any:
    function = getattr(operator, name)
    return lambda self, other: function(self.copy(), _unflat(other))


for _name in ("lt", "le", "eq", "ne", "gt", "ge"):
    setattr(Flat, f"__{_name}__", _comparing(_name))


def _set_flat(self: Array, value: Any) -> None:
    Flat(self)[:] = value


# ------------------------------------------------------------------ attributes


class Flags:
    """What ``x.flags`` tells of a handle: NumPy's names, as attributes and by key."""

    __slots__ = ("_flags", "writeable")

    def __init__(self, flags: Any, writeable: bool) -> None:
        self._flags = flags
        self.writeable = writeable

    def __getattr__(self, name: str) -> Any:
        return getattr(self._flags, name)

    def __getitem__(self, name: str) -> Any:
        return self.writeable if name in ("WRITEABLE", "W") else self._flags[name]


def _layout(self: Any, what: str) -> Any:
    plain = innermost(raw_of(self))
    if is_unknown(plain):
        raise StagingError(
            f"{what} of {plain} is not known while the program is staged: it depends on the memory "
            "layout, which the compiled program chooses"
        )
    return np.asarray(plain)


def flags_of(self: Any) -> Flags:
    writeable = type(self) is Array and not is_read_only(self._path)
    return Flags(_layout(self, "x.flags").flags, writeable)


def strides_of(self: Any) -> tuple[int, ...]:
    return _layout(self, "x.strides").strides  # type: ignore[no-any-return]


def base_of(self: Any) -> Any:
    return self._root if type(self) is Array else None


def _flat_of_number(self: Traced) -> Flat:
    """Return the entries of an array made of the number: what is written there goes no further."""
    return Flat(to_user(with_kind(self, aval_of(innermost(self)).with_kind("array"))))


def is_whole(self: Any) -> bool:
    """Return whether a number is finite and has no fraction: ``x.is_integer()``."""
    return bool(np.isfinite(self)) and bool(np.floor(self) == self)


_methods: dict[str, Any] = {
    "copy": copied,
    "__copy__": shallow_copy,
    "__deepcopy__": deep_copy,
    "__reduce_ex__": reduce,
    "item": item,
    "tolist": tolist,
    "__contains__": contains,
    "view": view,
    "resize": refuse_resize,
    "setflags": set_flags,
    # What `math.floor` and its kin call: integers, like ``int(x)``.
    "__floor__": lambda self: int(np.floor(self)),
    "__ceil__": lambda self: int(np.ceil(self)),
    "__trunc__": lambda self: int(np.trunc(self)),
}
for _name, _method in _methods.items():
    install_method(_name, _method)
Array.fill = fill  # type: ignore[attr-defined]

for _name, _function in {
    "flags": flags_of,
    "strides": strides_of,
    "base": base_of,
    "device": lambda self: "cpu",
}.items():
    install_attribute(_name, _function)
Array.flat = property(Flat, _set_flat)  # type: ignore[attr-defined]
install_on_scalars("flat", property(_flat_of_number))
install_on_scalars("is_integer", is_whole)
