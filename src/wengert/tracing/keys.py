"""Indices as programs write them, and what programs ask of values that are not known.

What decides on a shape is asked for, other indices stay unknown: they become operands. Arrays of
nested lists, which indices may be, are built by a function that `ops` installs.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import get_ident
from typing import Any

import numpy as np

from ..ir.aval import aval_of
from ..ir.paths import IndexOperand
from .core import Array, Traced, innermost, is_unknown, leak_error, raw_of, shape_of

_CHOOSE = "Keep every entry and choose: numpy.where(mask, value, x), or a reduction with where=mask"


class Length(str):
    """A purpose that asks how long a result is, and what to do where examples differ in it."""

    def __new__(cls, purpose: str, instead: str = _CHOOSE) -> Length:
        made = super().__new__(cls, purpose)
        made.instead = instead
        return made

    instead: str


# What a program may ask values for; `Trace.demand` tells them apart.
INDEX_PURPOSE = "an index"
BOUND_PURPOSE = "a slice bound"
MASK_PURPOSE = "an index by one truth value, which decides on a shape,"
MASK_LENGTH = Length("an index by truth values, which decides on a shape,")
INTEGER_PURPOSE = "int(x)"
TRUTH_PURPOSE = "a truth value (if, while, and, or, assert)"
INDEX_PURPOSES = frozenset({INDEX_PURPOSE, BOUND_PURPOSE, MASK_PURPOSE})


def known_value(value: Any, purpose: str) -> Any:
    """Return the plain value below all traces; the traces on the way may refuse (staging)."""
    raw = raw_of(value)
    if type(raw) is Traced and raw._trace.thread != get_ident():
        raise leak_error(raw._trace)
    while type(raw) is Traced:
        raw = raw._trace.demand(raw, purpose)
    return raw


_builders: dict[str, Callable[..., Any]] = {}


def install_builder(build: Callable[[Any], Any]) -> None:
    """Give this layer the function that makes an array of a nested list (called by `ops`)."""
    _builders["build"] = build


def build_array(nested: Any) -> Any:
    """Return a user-level array of a nested list or tuple, traced if any entry is."""
    return _builders["build"](nested)


PLAIN_BOUNDS = frozenset({int, type(None)})


def plain_key(key: Any) -> Any:
    """Return an index with every handle and traced value replaced by its plain value."""
    kind = type(key)
    if kind is int or key is None or key is Ellipsis:
        return key
    if kind is np.ndarray:  # the tape keeps it, the user may write it
        return key.copy()
    if kind is tuple:
        return tuple(plain_key(entry) for entry in key)
    if kind is slice:
        if (
            type(key.start) in PLAIN_BOUNDS
            and type(key.stop) in PLAIN_BOUNDS
            and type(key.step) in PLAIN_BOUNDS
        ):
            return key
        return slice(_plain_bound(key.start), _plain_bound(key.stop), _plain_bound(key.step))
    if kind is list:
        return np.asarray([plain_key(entry) for entry in key], dtype=None if key else np.intp)
    if kind is Array or kind is Traced:
        return known_value(key, INDEX_PURPOSE)
    return key


# Gives the places of true entries, one vector of integers an axis (called by `ops`).
Places = Callable[[Any], tuple[Any, ...]]
_places: list[Places] = []


def install_places(places: Places) -> None:
    """Give this layer the function that finds where truth values hold (called by `ops`)."""
    _places[:] = [places]


def split_key(key: Any, first: int = 0, of: Any = None) -> tuple[Any, tuple[Any, ...]]:
    """Return an index with its unknown integers taken out, and their raw values.

    An integer, or an array of them, that is not known while a program is staged or batched becomes
    an `IndexOperand`, numbered from `first`; an array of truth values becomes the places where they
    hold, of which only the number is asked for; that they fit the array to be indexed, `of`, is
    checked. What else decides on the shape of the result is asked for too.
    """
    if not _holds_unknown(key):
        return plain_key(key), ()
    operands: list[Any] = []
    entries: list[Any] = []
    probe: list[Any] = []  # the same index, of plain values that select as many entries
    checks = False
    for entry in key if type(key) is tuple else (key,):
        if not _holds_unknown(entry) or type(entry) is slice:
            entries.append(plain_key(entry))
            probe.append(entries[-1])
            continue
        raw = raw_of(build_array(list(entry)) if type(entry) in (list, tuple) else entry)
        aval = aval_of(raw)
        found: tuple[Any, ...] = (raw,)
        if aval.dtype.kind in "iu":
            probe.append(np.zeros(aval.shape, np.intp))
        elif aval.dtype.kind == "b" and aval.shape:
            found = _places[0](raw)
            chosen = np.arange(aval.size) < aval_of(found[0]).size
            probe.append(chosen.reshape(aval.shape))
            checks = True
        else:
            entries.append(plain_key(known_value(raw, MASK_PURPOSE)))
            probe.append(entries[-1])
            continue
        for operand in found:
            entries.append(IndexOperand(first + len(operands), aval_of(operand).ndim))
            operands.append(operand)
    if checks:
        np.broadcast_to(np.False_, shape_of(of))[tuple(probe)]
    return tuple(entries) if len(entries) > 1 or type(key) is tuple else entries[0], tuple(operands)


def _holds_unknown(key: Any) -> bool:
    kind = type(key)
    if kind is Array or kind is Traced:
        return is_unknown(innermost(raw_of(key)))
    if kind is tuple or kind is list:
        return any(_holds_unknown(entry) for entry in key)
    return False


def _plain_bound(bound: Any) -> Any:
    return known_value(bound, BOUND_PURPOSE) if type(bound) in (Array, Traced) else bound


def unknown_mask(key: Any) -> Any:
    """Return the raw value of an index by truth values that are not known; None for any other."""
    if type(key) is not Array and type(key) is not Traced:
        return None
    raw = raw_of(key)
    aval = aval_of(raw)
    if aval.dtype.kind != "b" or not aval.shape or not is_unknown(innermost(raw)):
        return None
    return raw
