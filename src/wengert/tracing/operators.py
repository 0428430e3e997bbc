"""Operators, indexing, conversions and attributes of `Array` and `Traced`.

Operators are made here and bound to primitives by ``install_…``, which `ops` calls: this layer
names no primitive.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterator
from numbers import Rational
from threading import get_ident
from typing import Any

import numpy as np

from ..ir.aval import aval_of
from ..ir.paths import IndexOperand, is_basic_index
from ..ir.primitive import Primitive
from .callsite import caller_is_user, is_user_frame, outside_frame
from .core import (
    PLAIN_SCALARS,
    Array,
    Traced,
    bind,
    bind_one,
    can_hold_traced,
    innermost,
    is_array_kind,
    is_unknown,
    leak_error,
    make_view,
    raw_of,
    read_handle,
    to_user,
    write_handle,
)
from .even_powers import RAISING, even_power
from .keys import (
    INDEX_PURPOSE,
    INTEGER_PURPOSE,
    PLAIN_BOUNDS,
    TRUTH_PURPOSE,
    build_array,
    known_value,
    split_key,
    unknown_mask,
)
from .masked_writes import Selected, set_where
from .refusals import array_refusal, is_augmenting, is_formatting, is_storing, refusal


def as_operand(value: Any) -> Any:
    """Return what NumPy would make of an operand, or NotImplemented for a stranger."""
    kind = type(value)
    if kind in PLAIN_SCALARS or kind is Traced or kind is Array or isinstance(value, np.ndarray):
        return value
    if isinstance(value, (list, tuple)):
        return build_array(value)
    if isinstance(value, (int, float, complex, np.generic)):
        return value
    if getattr(kind, "__array_ufunc__", value) is None:  # it has operators of its own
        return NotImplemented
    if hasattr(value, "__array_ufunc__") or hasattr(value, "__array__"):
        return value
    if isinstance(value, Rational):  # fractions.Fraction, which a float takes for a float
        return float(value)
    return NotImplemented


# ------------------------------------------------------------------ arithmetic


def install_binary(name: str, primitive: Primitive, reflected: str | None = None) -> None:
    """Make ``x <op> y`` and its reflected form bind `primitive`."""
    raises = name in RAISING
    powers = name == "__pow__"

    def general(left: Any, right: Any, other: Any) -> Any:
        if as_operand(other) is NotImplemented:
            return NotImplemented
        if raises:
            found = even_power(primitive, name, left, right)
            if found is not None:
                return found
        return to_user(bind(primitive, as_operand(left), as_operand(right)))

    evaluate = primitive.evaluate
    float64 = np.float64
    plans = primitive.plans
    pull_left, pull_right, pull_both = (
        (None, None, None) if plans is None else (plans[0,][0], plans[1,][0], plans[0, 1][0])
    )

    # Two real scalars on a trace that keeps rows are recorded here: small problems are the common
    # ones, and each test and call that is spared counts.
    def on_traced(self: Traced, other: Any) -> Any:
        value = self._below
        kind = type(value)
        if kind is float or kind is float64:
            trace = self._trace
            kind = type(other)
            if kind is Traced:
                if other._trace is trace:
                    if trace.thread != get_ident():
                        raise leak_error(trace)
                    second = other._below
                    kind = type(second)
                    if kind is float or kind is float64:
                        ans = evaluate(value, second)
                        kind = type(ans)
                        if kind is float or kind is float64:
                            if kind is float64:
                                trace.warns = True
                            rows = trace.scalar_rows
                            if rows is not None:
                                here, there = self._payload, other._payload
                                rows.extend((value, second, ans, here, there, pull_both))
                                return Traced(trace, ans, len(rows) - 1)
            elif kind is float or kind is int or kind is float64:
                if trace.thread != get_ident():
                    raise leak_error(trace)
                ans = evaluate(value, other)
                kind = type(ans)
                if kind is float or kind is float64:
                    if kind is float64:
                        trace.warns = True
                    rows = trace.scalar_rows
                    if rows is not None:
                        rows.extend((value, other, ans, self._payload, None, pull_left))
                        return Traced(trace, ans, len(rows) - 1)
            elif kind is Array:
                found = process_pair(primitive, self, other)
                if found is not None:
                    return found
        elif not raises or (other is not self and name == "__mul__"):
            found = nested_pair(primitive, self, other, self._trace)
            if found is not None:
                return found
        return general(self, other, other)

    def on_traced_reflected(self: Traced, other: Any) -> Any:
        value = self._below
        kind = type(value)
        if kind is float or kind is float64:
            kind = type(other)
            if kind is float or kind is int or kind is float64:
                trace = self._trace
                if trace.thread != get_ident():
                    raise leak_error(trace)
                ans = evaluate(other, value)
                kind = type(ans)
                if kind is float or kind is float64:
                    if kind is float64:
                        trace.warns = True
                    rows = trace.scalar_rows
                    if rows is not None:
                        rows.extend((other, value, ans, self._payload, None, pull_right))
                        return Traced(trace, ans, len(rows) - 1)
        elif name != "__pow__":
            found = nested_pair(primitive, other, self, self._trace)
            if found is not None:
                return found
        return general(other, self, other)

    if plans is None:

        def on_traced(self: Traced, other: Any) -> Any:
            return general(self, other, other)

        def on_traced_reflected(self: Traced, other: Any) -> Any:
            return general(other, self, other)

    def on_array(self: Array, other: Any) -> Any:
        if powers or (raises and other is self):
            found = even_power(primitive, name, self, other)
            if found is not None:
                return found
        found = process_pair(primitive, self, other)
        return general(self, other, other) if found is None else found

    def on_array_reflected(self: Array, other: Any) -> Any:
        found = process_pair(primitive, other, self)
        return general(other, self, other) if found is None else found

    setattr(Traced, name, on_traced)
    setattr(Array, name, on_array)
    if reflected is not None:
        setattr(Traced, reflected, on_traced_reflected)
        setattr(Array, reflected, on_array_reflected)


ndarray = np.ndarray
_SIMPLE_OPERANDS = frozenset({float, int, ndarray, np.float64})


def nested_pair(primitive: Primitive, left: Any, right: Any, trace: Any) -> Any:
    """Process a traced value of `trace` whose value is traced or staged, and another operand.

    None where that takes the long way: what `bind` would find out is known here.
    """
    if type(left) is Traced:
        if type(right) is Traced:
            first, second = left._trace, right._trace
            if first is not second:
                if first.thread != second.thread or first.level == second.level:
                    return None
                trace = first if first.level > second.level else second
        elif type(right) not in PLAIN_SCALARS:
            return None
    elif type(left) not in PLAIN_SCALARS:
        return None
    if trace.thread != get_ident():
        raise leak_error(trace)
    found = trace.pair(primitive, left, right)
    return found if type(found) is Traced and not is_array_kind(found) else to_user(found)


def process_pair(primitive: Primitive, left: Any, right: Any) -> Any:
    """Process two simple operands, one at least an array; None where that takes the long way.

    What `bind` would find out is known here: there is one trace among them.
    """
    if type(left) is Array:
        held = left._below  # None: a view that was not read since its root was written
        left = read_handle(left) if held is None else held
    if type(right) is Array:
        held = right._below
        right = read_handle(right) if held is None else held
    if type(left) is Traced:
        trace = left._trace
        if type(right) is Traced:
            if right._trace is not trace:
                return None
        elif type(right) not in _SIMPLE_OPERANDS:
            return None
    elif type(right) is Traced and type(left) in _SIMPLE_OPERANDS:
        trace = right._trace
    else:
        return None
    if trace.thread != get_ident():
        raise leak_error(trace)
    result = trace.pair(primitive, left, right)
    if type(result) is Traced and type(result._below) is ndarray:
        return Array(result)
    return to_user(result)


def install_unary(name: str, primitive: Primitive) -> None:
    """Make an operator of one operand bind `primitive`."""

    def on_either(self: Any) -> Any:
        found = bind_one(primitive, self, {})
        return found if type(found) is Traced and not is_array_kind(found) else to_user(found)

    setattr(Traced, name, on_either)
    setattr(Array, name, on_either)


def install_in_place(
    name: str, function: Callable[[Any, Any], Any], in_place: Callable[[Any, Any], Any]
) -> None:
    """Make ``x <op>= y`` write through an array; scalars rebind, as in NumPy."""

    def on_array(self: Array, other: Any) -> Any:
        raw = read_handle(self)
        if type(raw) is np.ndarray and type(raw_of(other)) is not Traced and not caller_is_user():
            return in_place(raw, raw_of(other))
        result = function(self, other)
        target = aval_of(self).dtype
        found = aval_of(raw_of(result)).dtype
        if not np.can_cast(found, target, "same_kind"):
            raise TypeError(
                f"cannot cast the result of {function.__name__} from {found} to {target} "
                "with casting rule 'same_kind', which an in-place operator requires"
            )
        write_handle(self, (("index", Ellipsis),), result)
        return self

    setattr(Array, name, on_array)


for _function, _in_place in (
    (operator.add, operator.iadd),
    (operator.sub, operator.isub),
    (operator.mul, operator.imul),
    (operator.truediv, operator.itruediv),
    (operator.floordiv, operator.ifloordiv),
    (operator.mod, operator.imod),
    (operator.pow, operator.ipow),
    (operator.matmul, operator.imatmul),
):
    install_in_place(f"__{_in_place.__name__}__", _function, _in_place)


class _OfSomeNumbers:
    """An attribute that not all kinds of numbers have: the others lack it in the user's code.

    Code that asks ``hasattr(x, "shape")`` must go the way that it goes without transformations.
    """

    __slots__ = ("entry", "name")

    def __init__(self, name: str, entry: Any) -> None:
        self.name = name
        self.entry = entry

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is not None:
            kind = instance.__class__
            if not hasattr(kind, self.name) and is_user_frame(sys._getframe(1)):
                raise AttributeError(f"{kind.__name__!r} object has no attribute {self.name!r}")
        return self.entry.__get__(instance, owner)


_OF_ALL_NUMBERS = frozenset(dir(float)).intersection(dir(complex), dir(int), dir(np.float64))


def install_on_scalars(name: str, entry: Any) -> None:
    """Make ``x.name`` of numbers what `entry` gives: a property, or a method's function."""
    if name in _OF_ALL_NUMBERS or name.startswith("__"):
        setattr(Traced, name, entry)
    else:
        setattr(Traced, name, _OfSomeNumbers(name, entry))


def install_method(name: str, function: Callable[..., Any]) -> None:
    """Make ``x.name(…)`` call `function` with the handle first (called by `ops`, `numpy`)."""
    setattr(Array, name, function)
    install_on_scalars(name, function)


def install_attribute(
    name: str,
    function: Callable[[Any], Any],
    setter: Callable[[Any, Any], None] | None = None,
) -> None:
    """Make ``x.name`` the result of `function` (called by `ops`, `numpy`).

    With `setter`, ``x.name = value`` on an array calls it.
    """
    setattr(Array, name, property(function, setter))
    install_on_scalars(name, property(function))


# ------------------------------------------------------------------ indexing


def _is_scalar_index(key: Any, ndim: int) -> bool:
    if type(key) is int or isinstance(key, (np.integer, IndexOperand)):
        return ndim == 1
    if type(key) is tuple and len(key) == ndim:
        return all(isinstance(entry, (int, np.integer, IndexOperand)) for entry in key)
    return False


def get_item(self: Array, key: Any) -> Any:
    kind = type(key)
    if kind is slice:
        if type(key.start) in PLAIN_BOUNDS and type(key.stop) in PLAIN_BOUNDS:
            return make_view(self, ("index", key))
    elif kind is int:
        return _get_basic(self, key)
    elif kind is Array or kind is Traced:
        mask = unknown_mask(key)
        if mask is not None and is_augmenting(outside_frame()):  # x[mask] += value
            return Selected(self, mask)
    static, indices = split_key(key, 0, self)
    if is_basic_index(static):
        if indices and self._indices:  # numbered after those that lead to this view
            static, indices = split_key(key, len(self._indices), self)
        return _get_basic(self, static, indices)
    found = bind(_read_primitive[0], self, *indices, path=(("index", static),))
    if type(found) is np.ndarray and can_hold_traced(found.dtype) and caller_is_user():
        return Array(found)  # a copy of constant entries, which can take traced ones later
    return to_user(found)


def _get_basic(self: Array, key: Any, indices: tuple[Any, ...] = ()) -> Any:
    """Return a scalar for a full index, a view otherwise."""
    if not _is_scalar_index(key, _ndim(self)):
        return make_view(self, ("index", key), indices)
    root = self if self._root is None else self._root
    path = (*self._path, ("index", key))
    if indices or self._indices:
        indices = (*self._indices, *indices)
    return bind(_read_primitive[0], root._below, *indices, path=path)


def set_item(self: Array, key: Any, value: Any) -> None:
    if isinstance(value, (list, tuple)):
        value = build_array(value)
    mask = unknown_mask(key)
    if mask is not None:
        if type(value) is Selected:
            value.store(self)
            return
        if set_where(self, mask, value):
            return
    key, indices = split_key(key, len(self._indices), self)
    write_handle(self, (("index", key),), value, indices)


def traced_get_item(self: Traced, key: Any) -> Any:
    key, indices = split_key(key, 0, self)
    return to_user(bind(_read_primitive[0], self, *indices, path=(("index", key),)))


_read_primitive: list[Primitive] = []


def install_reading(read: Primitive) -> None:
    """Give indexing the primitive that reads through a path (called by `ops`)."""
    _read_primitive[:] = [read]


def iterate(self: Any) -> Iterator[Any]:
    shape = self.shape
    if not shape:
        raise TypeError("iteration over a 0-d array")
    return (self[i] for i in range(shape[0]))


def length(self: Any) -> int:
    shape = self.shape
    if not shape:
        raise TypeError("len() of unsized object")
    return int(shape[0])


# ------------------------------------------------------------------ conversions


def _is_staged(raw: Traced) -> bool:
    """Return whether a value is staged and no more: as a plain number it loses no derivative."""
    return is_unknown(raw._below) and not is_storing(outside_frame())


def _to_number(self: Any, number: type, what: str, instead: str) -> Any:
    raw = raw_of(self)
    if type(raw) is Traced:
        if number is float and is_formatting(outside_frame()):  # "%.3f" % x: text, as f"{x:.3f}"
            return float(known_value(raw, "text"))
        if not _is_staged(raw):
            raise refusal(raw, what, instead)
        raw = known_value(raw, f"{number.__name__}(x)")
    return number(raw)


def to_float(self: Any) -> float:
    return _to_number(  # type: ignore[no-any-return]
        self,
        float,
        "float(x), or a function of the math module or of C code that calls it,",
        "Use the function of the same name in numpy (np.sin for math.sin), leave the float(…) "
        "out, or say wengert.stop_gradient(x) where a constant is meant.",
    )


def to_complex(self: Any) -> complex:
    return _to_number(  # type: ignore[no-any-return]
        self,
        complex,
        "complex(x), or a function of the cmath module,",
        "Use numpy (np.exp for cmath.exp, x + 0j for complex(x)), or "
        "wengert.stop_gradient(x) where a constant is meant.",
    )


def to_int(self: Any) -> int:
    raw = raw_of(self)
    if type(raw) is Traced and is_storing(outside_frame()):  # A[i] = x with an integer array A
        raise refusal(raw, "A[i] = x", "")
    return int(known_value(raw, INTEGER_PURPOSE))


def to_index(self: Any) -> int:
    return operator.index(known_value(self, INDEX_PURPOSE))


def to_bool(self: Any) -> bool:
    return bool(known_value(self, TRUTH_PURPOSE))


def to_plain_array(self: Any, dtype: Any = None, copy: bool | None = None) -> Any:
    """Answer ``np.asarray(x)``: free for constants, an error for traced content."""
    raw = raw_of(self)
    if type(raw) is Traced and _is_staged(raw):
        raw = known_value(raw, "np.asarray(x) by code that is not traced")
    if type(raw) is Traced:
        raise array_refusal(raw)
    if copy:
        return np.array(raw, dtype=dtype)
    plain = np.asarray(raw, dtype=dtype)
    # A view has a base: SciPy takes an array without one for its own copy and overwrites it.
    return plain.view() if plain is raw else plain


def _shown(self: Any) -> Any:
    """Return the plain value to print, or the Aval where none is known."""
    raw = raw_of(self)
    while type(raw) is Traced:
        raw = raw._trace.peek(raw)
    return raw


def show_value(self: Any) -> str:
    return repr(_shown(self))


def show_string(self: Any) -> str:
    return str(_shown(self))


def show_format(self: Any, specification: str) -> str:
    plain = _shown(self)
    return str(plain) if is_unknown(plain) else format(plain, specification)


def unknown_attribute(self: Any, name: str) -> Any:
    raw = raw_of(self)
    if type(raw) is np.ndarray:  # a constant cell answers as the array that it holds
        return getattr(raw, name)
    raise AttributeError(
        f"a traced {aval_of(self)} has no attribute {name!r}; if a NumPy array has it, "
        "use the numpy function of that name, or wengert.stop_gradient(x) for a constant"
    )


def _shape(self: Any) -> tuple[int, ...]:
    plain = innermost(raw_of(self))
    return plain.shape if type(plain) is np.ndarray else aval_of(plain).shape


def _ndim(self: Any) -> int:
    plain = innermost(raw_of(self))
    return plain.ndim if type(plain) is np.ndarray else aval_of(plain).ndim


def _dtype(self: Any) -> np.dtype[Any]:
    return aval_of(innermost(raw_of(self))).dtype


def _refuse_setting(name: str, instead: str) -> Callable[[Any, Any], None]:
    def refuse(self: Any, value: Any) -> None:
        raise AttributeError(
            f"x.{name} = {value!r} would change an array in place whose derivative is being "
            f"recorded, or which is compiled or batched ({aval_of(self)}). Say {instead} instead."
        )

    return refuse


def _install_common() -> None:
    """Fill in what needs no primitive."""
    entries: dict[str, Any] = {
        "__float__": to_float,
        "__complex__": to_complex,
        "__int__": to_int,
        "__index__": to_index,
        "__bool__": to_bool,
        "__array__": to_plain_array,
        "__repr__": show_value,
        "__str__": show_string,
        "__format__": show_format,
        "shape": property(_shape, _refuse_setting("shape", "x = x.reshape(shape)")),
        "dtype": property(_dtype, _refuse_setting("dtype", "x = x.view(dtype)")),
        "ndim": property(_ndim),
        "size": property(lambda self: aval_of(self).size),
        "itemsize": property(lambda self: _dtype(self).itemsize),
        "nbytes": property(lambda self: aval_of(self).size * _dtype(self).itemsize),
    }
    for name, entry in entries.items():
        setattr(Array, name, entry)
        install_on_scalars(name, entry)
    for name, function in {
        # Not on Traced: a __getattr__ would slow every access to its slots down.
        "__getattr__": unknown_attribute,
        "__iter__": iterate,
        "__len__": length,
        "__getitem__": get_item,
        "__setitem__": set_item,
    }.items():
        setattr(Array, name, function)
    setattr(Traced, "__getitem__", traced_get_item)  # noqa: B010
    # An index would make it a sequence otherwise; scalars are neither that nor iterable.
    setattr(Traced, "__iter__", None)  # noqa: B010


_install_common()
