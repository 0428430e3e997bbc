"""Indices by arrays, and by values that are known only when the program runs: gather and scatter.

An index that the program computes is checked as NumPy checks it: a kernel that meets one out of
bounds declines, and the straight evaluator raises NumPy's error.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ....ir.equation import Equation, Operand
from ....ir.paths import IndexOperand, Path, resolved, shape_of_part
from .affine import ZERO, Affine, Loaded, constant, flattened
from .nodes import Node

Index = tuple[Affine, ...]


def expanded_key(key: Any, ndim: int) -> list[Any]:
    """Return the entries of an index key, the dots and what is left out spelt as slices."""
    entries = list(key) if isinstance(key, tuple) else [key]
    found: list[Any] = []
    for entry in entries:
        array = _as_array(entry)
        if array is not None and array.dtype == np.bool_:
            found += list(np.nonzero(array)) if array.ndim else [array]
        else:
            found.append(entry if array is None else array)
    named = sum(entry is not None and entry is not Ellipsis for entry in found)
    full: list[Any] = []
    for entry in found:
        if entry is Ellipsis:
            full += [slice(None)] * (ndim - named)
        else:
            full.append(entry)
    return full + [slice(None)] * (ndim - sum(entry is not None for entry in full))


def _as_array(entry: Any) -> np.ndarray[Any, Any] | None:
    """Return an entry that is an array, a list or a bool as an array."""
    if isinstance(entry, (np.ndarray, list, bool, np.bool_)):
        found = np.asarray(entry)
        return found.astype(np.intp) if found.size == 0 and found.dtype.kind == "f" else found
    return None


def has_rule(key: Any, ndim: int) -> bool:
    """Return whether `advanced_places` serves an index key."""
    entries = expanded_key(key, ndim)
    return all(
        entry is None
        or isinstance(entry, (slice, int, np.integer, IndexOperand))
        or (isinstance(entry, np.ndarray) and entry.dtype.kind in "iu")
        for entry in entries
    )


def advanced_places(
    build: Any, key: Any, shape: tuple[int, ...], index: Index, operands: Sequence[Operand]
) -> Index:
    """Return where an entry of ``x[key]`` stands in `x`.

    Parameters
    ----------
    key : index
        Of integers, slices, None, arrays, and `IndexOperand` for one of `operands`.
    """
    entries = expanded_key(key, len(shape))
    arrays = [k for k, entry in enumerate(entries) if _shape_of(entry, operands)]
    shapes = [_shape_of(entry, operands) or () for entry in entries]
    common = np.broadcast_shapes(*(own for own in shapes if own)) if arrays else ()
    together: list[int] = []
    if arrays:  # integers count as arrays then
        together = [k for k, entry in enumerate(entries) if not _is_basic(entry)]
    adjacent = bool(together) and together[-1] - together[0] == len(together) - 1
    first = together[0] if adjacent else 0
    before = sum(not _removes(entries[k]) for k in range(first)) if adjacent else 0
    shared = index[before : before + len(common)]
    others = iter((*index[:before], *index[before + len(common) :]))
    found: list[Affine] = []
    for entry, own in zip(entries, shapes, strict=True):
        if entry is None:
            next(others)
            continue
        length = shape[len(found)]
        if isinstance(entry, slice):
            start, _, step = entry.indices(length)
            found.append((next(others) * step).plus(start))
        elif isinstance(entry, IndexOperand):
            place = _own_index(shared, own)
            found.append(checked(build, build.value(operands[entry.number], place), length))
        elif isinstance(entry, np.ndarray):
            positions = np.where(entry < 0, entry + length, entry)
            table = build.table(positions)
            found.append(build.looked_up(table, flattened(_own_index(shared, own), own)))
        else:
            found.append(constant(int(entry) % length if length else 0))
    return tuple(found)


def _own_index(shared: Index, own: tuple[int, ...]) -> Index:
    """Return the index into one array of those that broadcast together."""
    mine = shared[len(shared) - len(own) :] if own else ()
    return tuple(ZERO if n == 1 else entry for entry, n in zip(mine, own, strict=True))


def _shape_of(entry: Any, operands: Sequence[Operand]) -> tuple[int, ...] | None:
    if isinstance(entry, np.ndarray):
        shape: tuple[int, ...] = entry.shape
        return shape
    if isinstance(entry, IndexOperand):
        return operands[entry.number].aval.shape
    return None


def _is_basic(entry: Any) -> bool:
    return entry is None or isinstance(entry, slice)


def _removes(entry: Any) -> bool:
    """Return whether an entry takes an axis away without putting one into the result."""
    return isinstance(entry, (int, np.integer))


def checked(build: Any, node: Node, length: int) -> Affine:
    """Return a computed index: from the end where negative, noted where out of bounds."""
    whole = build.cast(node, np.int64)
    around = build.apply(_from_the_end(length), (whole,), np.int64)
    inside = build.apply(_is_within(length), (around,), np.bool_)
    build.note_outside(inside)
    safe = build.apply(
        lambda e, c, x: e.select(c, x, e.constant(0, np.int64)), (inside, around), np.int64
    )
    return Affine(0, ((Loaded(safe, 0, max(length - 1, 0)), 1),))


def _from_the_end(length: int) -> Any:
    def emit(e: Any, x: Any) -> Any:
        negative = e.compare("lt", x, e.constant(0, np.int64))
        return e.select(negative, e.add(x, e.constant(length, np.int64)), x)

    return emit


def _is_within(length: int) -> Any:
    def emit(e: Any, x: Any) -> Any:
        return e.bitwise(
            "and",
            e.compare("ge", x, e.constant(0, np.int64)),
            e.compare("lt", x, e.constant(length, np.int64)),
        )

    return emit


# ------------------------------------------------------------------ scattered writes


def index_operands(equation: Equation) -> tuple[Operand, ...]:
    """Return the operands that are indices of ``read``, ``write`` or ``indexed_add``."""
    return equation.operands[1 if equation.primitive.name == "read" else 2 :]


def written_shape(equation: Equation) -> tuple[int, ...]:
    """Return the shape of the part that ``write`` or ``indexed_add`` writes."""
    base = equation.operands[0].aval
    return read_shape(base.shape, equation.params["path"], index_operands(equation))


def read_shape(shape: tuple[int, ...], path: Path, operands: Sequence[Operand]) -> tuple[int, ...]:
    """Return the shape of the part that a path leads to."""
    if operands:
        path = resolved(path, [np.broadcast_to(np.intp(0), o.aval.shape) for o in operands])
    return shape_of_part(shape, path)
