"""Paths: how a view is reached from its root array, as data, and reading and writing through them.

A path is a tuple of steps, each a tuple whose first entry names it:
``("index", key)``, ``("transpose", axes)``, ``("reshape", shape, order)``, ``("real",)``,
``("imag",)``, ``("view", dtype)`` between complex numbers and pairs of reals, and for views that
may only be read ``("diagonal", offset, axis1, axis2)`` and ``("broadcast", shape)``; a diagonal
that may be written, as einsum gives it, has a fifth entry. Works on plain arrays only.

An index key may name values that are not known when the path is made: `IndexOperand` ``(k, ndim)``
stands for the k-th index operand of the primitive that has the path; `resolved` puts them in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from .selections import selection

Step = tuple[Any, ...]
Path = tuple[Step, ...]

_BASIC_INDEX_TYPES = (int, np.integer, slice, type(None), type(Ellipsis))


class IndexOperand:
    """In an index key, the place of an integer (``ndim`` 0) or of an array of integers.

    Its value is the operand ``number`` of the primitive's index operands, which follow the array
    (and the value that is written): negative entries count from the end, and NumPy's bounds hold.
    """

    __slots__ = ("ndim", "number")

    def __init__(self, number: int, ndim: int) -> None:
        self.number = number
        self.ndim = ndim

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, IndexOperand)
            and self.number == other.number
            and self.ndim == other.ndim
        )

    def __hash__(self) -> int:
        return hash((self.number, self.ndim))

    def __repr__(self) -> str:
        return f"i{self.number}" if not self.ndim else f"i{self.number}[{self.ndim}d]"


def resolved(path: Path, operands: Sequence[Any]) -> Path:
    """Return a path with the values of its index operands in their places."""
    return tuple(
        ("index", _resolved_key(step[1], operands)) if step[0] == "index" else step for step in path
    )


def _resolved_key(key: Any, operands: Sequence[Any]) -> Any:
    if isinstance(key, tuple):
        return tuple(_resolved_key(entry, operands) for entry in key)
    if type(key) is not IndexOperand:
        return key
    value = operands[key.number]
    return value if key.ndim else int(value)


def is_basic_index(key: Any) -> bool:
    """Return whether indexing with `key` gives a view or a scalar, not a copy."""
    if type(key) is IndexOperand:
        return not key.ndim
    if isinstance(key, tuple):
        return all(not isinstance(entry, tuple) and is_basic_index(entry) for entry in key)
    return isinstance(key, _BASIC_INDEX_TYPES) and not isinstance(key, (bool, np.bool_))


def apply_step(array: Any, step: Step) -> Any:
    """Return what one step makes of `array`: NumPy's own view where there is one."""
    name = step[0]
    if name == "index":
        return array[step[1]]
    if name == "transpose":
        return array.transpose(step[1])
    if name == "reshape":
        return array.reshape(step[1], order=step[2])
    if name == "real":
        return array.real
    if name == "imag":
        return array.imag
    if name == "broadcast":
        return np.broadcast_to(array, step[1])
    if name == "view":
        if array.shape[-1] > 1 and array.strides[-1] != array.itemsize:  # of another layout
            array = np.ascontiguousarray(array)
        return array.view(step[1])
    diagonal = array.diagonal(*step[1:4])
    if array.flags.writeable:  # cotangents are added through it; the user's writes are refused
        diagonal.flags.writeable = True
    return diagonal


def is_read_only(path: Path) -> bool:
    """Return whether a step leads to a view that NumPy does not let anyone write."""
    return any(
        step[0] == "broadcast" or (step[0] == "diagonal" and len(step) == 4) for step in path
    )


def follow(array: Any, path: Path) -> Any:
    """Return the part of `array` that `path` leads to."""
    for step in path:
        array = apply_step(array, step)
    return array


def is_advanced(path: Path) -> bool:
    """Return whether the last step is an advanced index, which may name an entry twice."""
    return bool(path) and path[-1][0] == "index" and not is_basic_index(path[-1][1])


def through_imaginary(path: Path) -> bool:
    """Return whether a step goes between complex numbers and their parts."""
    return any(step[0] in ("real", "imag", "view") for step in path)


def store(array: np.ndarray[Any, Any], value: Any, path: Path, *, add: bool = False) -> None:
    """Write `value` to the part of `array` that `path` leads to, in place.

    With ``add=True`` the value is added, and an entry that an advanced index names several times
    receives every contribution.
    """
    last = path[-1]
    view = follow(array, path[:-1])
    if last[0] == "index":
        key = last[1]
        if len(path) > 1 and not is_view_of(view, array):
            _store_by_positions(array, value, path, add)
        elif not add:
            view[key] = value
        elif is_basic_index(key):
            view[key] += value
        else:
            _add_at(view, key, value)
        return
    whole = apply_step(view, last)
    if not is_view_of(whole, array):
        _store_by_positions(array, value, path, add)
    elif add:
        whole += value
    else:
        whole[...] = value


def is_view_of(part: Any, array: np.ndarray[Any, Any]) -> bool:
    """Return whether `part`, made of `array` just now, shares its memory."""
    if part is array:
        return True
    if not isinstance(part, np.ndarray):
        return False
    owner = array if array.base is None else array.base
    return part.base is array or part.base is owner


def _add_at(view: np.ndarray[Any, Any], key: Any, value: Any) -> None:
    if isinstance(key, np.ndarray) and key.dtype == np.bool_:  # a mask names no entry twice
        view[key] += value
        return
    np.add.at(view, key, value)


def _store_by_positions(array: np.ndarray[Any, Any], value: Any, path: Path, add: bool) -> None:
    """Write through an index map: the layout of `array` has no NumPy view for this path.

    Happens to cotangents, whose layout may differ from that of their primal.
    """
    if any(step[0] == "view" for step in path):
        _store_in_c_order(array, value, path, add)
        return
    if through_imaginary(path):
        parts = np.stack([array.real, array.imag])
        _store_by_positions(parts, value, _paths_on_parts(path), add)
        array[...] = parts[0] + 1j * parts[1]
        return
    positions = np.asarray(follow(np.arange(array.size).reshape(array.shape), path))
    flat = array.flat
    if add:
        addend = np.zeros(array.size, array.dtype)
        addends = np.broadcast_to(value, positions.shape).reshape(-1)
        np.add.at(addend, positions.reshape(-1), addends)
        array += addend.reshape(array.shape)
    else:
        flat[positions.reshape(-1)] = np.broadcast_to(value, positions.shape).reshape(-1)


def _store_in_c_order(array: np.ndarray[Any, Any], value: Any, path: Path, add: bool) -> None:
    """Write into a copy whose layout allows a view of complex numbers as pairs of reals."""
    orders: tuple[Literal["C", "F"], ...] = ("C", "F")
    for order in orders:
        attempt = np.array(array, order=order)
        if is_view_of(follow(attempt, path[:-1]), attempt) and (
            path[-1][0] == "index" or is_view_of(follow(attempt, path), attempt)
        ):
            store(attempt, value, path, add=add)
            array[...] = attempt
            return
    raise ValueError(
        "cannot write through x.view(dtype) of this memory layout; write to a copy, x.copy()"
    )


def _paths_on_parts(path: Path) -> Path:
    """Translate a path with a real or imaginary step to one on ``stack([real, imag])``."""
    where = next(i for i, step in enumerate(path) if step[0] in ("real", "imag"))
    part = 0 if path[where][0] == "real" else 1
    return (("index", part), *path[:where], *path[where + 1 :])


def winners(shape: tuple[int, ...], dtype: Any, path: Path) -> np.ndarray[Any, Any]:
    """Return which entries of a write through `path` survive: of duplicates, the last.

    Only the last step, an advanced index, can name an entry twice. The result has the shape of the
    part that `path` leads to.
    """
    whole = part_shape(shape, dtype, path[:-1])[0].shape
    size = math.prod(whole)
    positions = np.asarray(apply_step(np.arange(size).reshape(whole), path[-1]))
    owner = np.empty(size, dtype=np.intp)
    order = np.arange(positions.size).reshape(positions.shape)
    owner[positions] = order
    return np.asarray(owner[positions] == order)


def part_shape(shape: tuple[int, ...], dtype: Any, path: Path) -> tuple[Any, bool]:
    """Return ``(stand-in with its shape and dtype, is a scalar)``, without memory of its size."""
    stand_in = np.broadcast_to(np.zeros((), dtype), shape)
    for step in path:
        if step[0] == "reshape":
            stand_in = np.broadcast_to(
                np.zeros((), stand_in.dtype), resolved_shape(stand_in.shape, step[1])
            )
        else:
            stand_in = apply_step(stand_in, step)
    return stand_in, not isinstance(stand_in, np.ndarray)


def shape_of_part(shape: tuple[int, ...], path: Path) -> tuple[int, ...]:
    """Return the shape of the part that a path leads to; whose entries keep their size."""
    for step in path:
        name = step[0]
        if name == "index" and is_basic_index(step[1]):
            shape = selection(step[1], shape).shape
        elif name == "transpose":
            shape = shape[::-1] if step[1] is None else tuple([shape[axis] for axis in step[1]])
        elif name == "reshape":
            shape = resolved_shape(shape, step[1])
        elif name not in ("real", "imag"):
            shape = np.shape(apply_step(np.broadcast_to(np.False_, shape), step))
    return shape


def resolved_shape(old: tuple[int, ...], new: Any) -> tuple[int, ...]:
    """Return `new` with its -1 replaced, checked against the size of `old`."""
    wanted = (int(new),) if isinstance(new, (int, np.integer)) else tuple(int(n) for n in new)
    size = math.prod(old)
    known = math.prod([n for n in wanted if n != -1])
    holes = wanted.count(-1)
    fits = (size == known) if not holes else (holes == 1 and known != 0 and size % known == 0)
    if not fits:
        raise ValueError(f"cannot reshape array of size {size} into shape {wanted}")
    return tuple(size // known if n == -1 else n for n in wanted)
