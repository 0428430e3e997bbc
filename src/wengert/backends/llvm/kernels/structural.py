"""Where the entries of structural primitives come from: one rule a primitive, as index arithmetic.

A rule ``rule(build, equation, index)`` gives the node of the entry at an index of the result, by
asking `build` for entries of the operands at indices of theirs. Nothing is copied.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ....ir.equation import Equation, Operand
from ....ir.paths import Path, is_basic_index, resolved_shape
from ....ir.selections import selection
from .affine import ZERO, Affine, constant, flattened, floor_divide, unflattened
from .indexing import advanced_places, checked, has_rule, index_operands, read_shape
from .nodes import Node

Index = tuple[Affine, ...]
Fetch = Callable[[Index], Node]

RULES: dict[str, Callable[..., Node]] = {}


def _rule(name: str) -> Callable[[Callable[..., Node]], Callable[..., Node]]:
    def register(function: Callable[..., Node]) -> Callable[..., Node]:
        RULES[name] = function
        return function

    return register


# ------------------------------------------------------------------ index maps


def broadcast_index(index: Index, shape: tuple[int, ...]) -> Index:
    """Return where an entry of a broadcast result stands in an operand of this shape.

    The value of a write may have more axes than the part it is written to, in front, of one entry.
    """
    extra = max(0, len(shape) - len(index))
    own = index[len(index) - len(shape) + extra :]
    rest = (ZERO if n == 1 else entry for entry, n in zip(own, shape[extra:], strict=True))
    return (*(ZERO,) * extra, *rest)


def reshaped_index(index: Index, new: Sequence[int], old: Sequence[int], order: str) -> Index:
    """Return where an entry of a reshaped array (shape `new`) stood in the old one."""
    if order == "F":
        back = unflattened(flattened(index[::-1], tuple(new)[::-1]), tuple(old)[::-1])
        return back[::-1]
    return unflattened(flattened(index, new), old)


def transposed_index(index: Index, axes: Sequence[int] | None) -> Index:
    """Return where an entry of a transposed array stood in the old one."""
    if axes is None:
        return index[::-1]
    back = list(index)
    for entry, axis in zip(index, axes, strict=True):
        back[axis] = entry
    return tuple(back)


def basic_index(index: Index, key: Any, shape: tuple[int, ...]) -> Index:
    """Return where an entry of ``x[key]`` stands in `x`, for integers, slices, None and dots."""
    return tuple(
        [
            constant(start) if position < 0 else (index[position] * step).plus(start)
            for position, start, _, step in selection(key, shape).windows
        ]
    )


# ------------------------------------------------------------------ paths


def followed(
    build: Any,
    fetch: Fetch,
    shape: tuple[int, ...],
    dtype: Any,
    path: Path,
    operands: Sequence[Operand] = (),
) -> Fetch:
    """Return how to fetch an entry of the part that a path leads to, from how to fetch one.

    `operands` are the index operands that the path names.
    """
    for step in path:
        fetch = _step(build, fetch, shape, dtype, step, operands)
        shape = read_shape(shape, (step,), operands)
    return fetch


def _step(
    build: Any,
    fetch: Fetch,
    shape: tuple[int, ...],
    dtype: Any,
    step: Any,
    operands: Sequence[Operand],
) -> Fetch:
    name = step[0]
    if name == "index" and is_basic_index(step[1]) and not operands:
        return lambda index: fetch(basic_index(index, step[1], shape))
    if name == "index":
        return lambda index: fetch(advanced_places(build, step[1], shape, index, operands))
    if name == "transpose":
        return lambda index: fetch(transposed_index(index, step[1]))
    if name == "reshape":
        new = resolved_shape(shape, step[1])
        return lambda index: fetch(reshaped_index(index, new, shape, step[2]))
    if name == "broadcast":
        return lambda index: fetch(broadcast_index(index, shape))
    if name == "real":
        return lambda index: build.apply(_real, (fetch(index),), np.zeros(1, dtype).real.dtype)
    if name == "imag":
        return lambda index: build.apply(_imag, (fetch(index),), np.zeros(1, dtype).imag.dtype)
    if name == "diagonal":
        offset, first, second = step[1], step[2] % len(shape), step[3] % len(shape)

        def along_diagonal(index: Index) -> Node:
            others = list(index[:-1])
            places = {
                first: index[-1].plus(-min(offset, 0)),
                second: index[-1].plus(max(offset, 0)),
            }
            return fetch(
                tuple(places[k] if k in places else others.pop(0) for k in range(len(shape)))
            )

        return along_diagonal
    raise AssertionError(f"no rule for the step {name}")


def _real(e: Any, x: Any) -> Any:
    return e.real(x) if e.dtype_of(x).kind == "c" else x


def _imag(e: Any, x: Any) -> Any:
    return e.imag(x) if e.dtype_of(x).kind == "c" else e.constant(0, e.dtype_of(x))


@_rule("read")
def _read(build: Any, equation: Equation, index: Index) -> Node:
    base = equation.operands[0]
    fetch = followed(
        build,
        lambda found: build.value(base, found),
        base.aval.shape,
        base.aval.dtype,
        equation.params["path"],
        index_operands(equation),
    )
    node: Node = fetch(index)
    return node


def window_of(shape: tuple[int, ...], path: Path) -> tuple[tuple[int, int, int], ...] | None:
    """Return ``(start, count, step)`` along each axis of the part that one basic index selects.

    None where the path is more than that.
    """
    if len(path) != 1 or path[0][0] != "index" or not is_basic_index(path[0][1]):
        return None
    return tuple(window[1:] for window in selection(path[0][1], shape).windows)


def _windowed(build: Any, equation: Equation, index: Index, *, add: bool) -> Node:
    """Give an entry of ``write`` or ``indexed_add`` through one basic index."""
    base, value = equation.operands
    part, windows = selection(equation.params["path"][0][1], base.aval.shape)
    conditions: list[Affine] = []
    own = [ZERO] * len(part)
    for entry, (position, start, count, step) in zip(index, windows, strict=True):
        place = floor_divide(entry.plus(-start) * (1 if step > 0 else -1), abs(step))
        conditions += [place, (place * -1).plus(count - 1)]
        if abs(step) != 1:
            conditions.append((place * step).plus(start) - entry)
        if position >= 0 and count != 1:
            own[position] = place
    dtype = base.aval.dtype

    def inside() -> Node:
        found = build.cast(build.value(value, broadcast_index(tuple(own), value.aval.shape)), dtype)
        if not add:
            return found  # type: ignore[no-any-return]
        return build.apply(lambda e, x, y: e.add(x, y), (build.value(base, index), found), dtype)  # type: ignore[no-any-return]

    return build.choose(conditions, inside, lambda: build.value(base, index))  # type: ignore[no-any-return]


@_rule("write")
def _write(build: Any, equation: Equation, index: Index) -> Node:
    return _windowed(build, equation, index, add=False)


@_rule("indexed_add")
def _indexed_add(build: Any, equation: Equation, index: Index) -> Node:
    return _windowed(build, equation, index, add=True)


# ------------------------------------------------------------------ shapes


@_rule("reshape")
def _reshape(build: Any, equation: Equation, index: Index) -> Node:
    x = equation.operands[0]
    new = equation.outputs[0].aval.shape
    order = equation.params["order"]
    return build.value(x, reshaped_index(index, new, x.aval.shape, order))  # type: ignore[no-any-return]


@_rule("transpose")
def _transpose(build: Any, equation: Equation, index: Index) -> Node:
    x = equation.operands[0]
    return build.value(x, transposed_index(index, equation.params["axes"]))  # type: ignore[no-any-return]


@_rule("broadcast_to")
def _broadcast(build: Any, equation: Equation, index: Index) -> Node:
    x = equation.operands[0]
    return build.value(x, broadcast_index(index, x.aval.shape))  # type: ignore[no-any-return]


@_rule("stop_gradient")
@_rule("hermitian")
def _same(build: Any, equation: Equation, index: Index) -> Node:
    return build.value(equation.operands[0], index)  # type: ignore[no-any-return]


@_rule("convert")
@_rule("discretise")
def _convert(build: Any, equation: Equation, index: Index) -> Node:
    node = build.value(equation.operands[0], index)
    return build.cast(node, equation.outputs[0].aval.dtype)  # type: ignore[no-any-return]


# ------------------------------------------------------------------ moving entries


@_rule("shift")
def _shift(build: Any, equation: Equation, index: Index) -> Node:
    x = equation.operands[0]
    axis, step = equation.params["axis"], equation.params["step"]
    length = x.aval.shape[axis]
    source = index[axis].plus(-step)
    moved = (*index[:axis], source, *index[axis + 1 :])
    return build.choose(  # type: ignore[no-any-return]
        [source, (source * -1).plus(length - 1)],
        lambda: build.value(x, moved),
        lambda: build.zero(x.aval.dtype),
    )


@_rule("roll")
def _roll(build: Any, equation: Equation, index: Index) -> Node:
    x = equation.operands[0]
    shape = x.aval.shape
    shift, axis = equation.params["shift"], equation.params["axis"]
    if axis is None:
        total = int(np.sum(shift))
        position = _rolled(flattened(index, shape), total, x.aval.size)
        return _chosen(build, position, lambda at: build.value(x, unflattened(at, shape)))
    pairs = np.broadcast_arrays(shift, axis)
    amounts = dict.fromkeys(range(len(shape)), 0)
    for amount, place in zip(*(entry.ravel().tolist() for entry in pairs), strict=True):
        amounts[place % len(shape)] += amount

    def along(k: int, done: Index) -> Node:
        if k == len(shape):
            return build.value(x, done)  # type: ignore[no-any-return]
        if not amounts[k]:
            return along(k + 1, (*done, index[k]))
        position = _rolled(index[k], amounts[k], shape[k])
        return _chosen(build, position, lambda at: along(k + 1, (*done, at)))

    return along(0, ())


def _rolled(index: Affine, shift: int, length: int) -> tuple[Affine, Affine]:
    """Return where an entry came from, and the same for those that came round."""
    source = index.plus(-(shift % length if length else 0))
    return source, source.plus(length)


def _chosen(build: Any, position: tuple[Affine, Affine], fetch: Callable[[Affine], Node]) -> Node:
    straight, around = position
    return build.choose([straight], lambda: fetch(straight), lambda: fetch(around))  # type: ignore[no-any-return]


@_rule("tile")
def _tile(build: Any, equation: Equation, index: Index) -> Node:
    x = equation.operands[0]
    shape = x.aval.shape
    own = index[len(index) - len(shape) :] if shape else ()
    back = tuple(
        entry - floor_divide(entry, n) * n if n else ZERO
        for entry, n in zip(own, shape, strict=True)
    )
    return build.value(x, back)  # type: ignore[no-any-return]


@_rule("sliding_windows")
def _windows(build: Any, equation: Equation, index: Index) -> Node:
    x = equation.operands[0]
    ndim = x.aval.ndim
    source = list(index[:ndim])
    for place, offset in zip(equation.params["axis"], index[ndim:], strict=True):
        source[place] = source[place] + offset
    return build.value(x, tuple(source))  # type: ignore[no-any-return]


@_rule("repeat")
def _repeat(build: Any, equation: Equation, index: Index) -> Node:
    x = equation.operands[0]
    repeats, axis = equation.params["repeats"], equation.params["axis"]
    if isinstance(repeats, int):
        source = floor_divide(index[axis], repeats) if repeats else ZERO
    else:
        length = x.aval.shape[axis]
        table = build.table(np.repeat(np.arange(length), repeats))
        source = build.looked_up(table, index[axis])
    return build.value(x, (*index[:axis], source, *index[axis + 1 :]))  # type: ignore[no-any-return]


@_rule("take_along_axis")
def _take_along(build: Any, equation: Equation, index: Index) -> Node:
    x, indices = equation.operands
    axis = equation.params["axis"]
    found = build.value(indices, broadcast_index(index, indices.aval.shape))
    place = checked(build, found, x.aval.shape[axis])
    source = (*index[:axis], place, *index[axis + 1 :])
    return build.value(x, broadcast_index(source, x.aval.shape))  # type: ignore[no-any-return]


@_rule("tril")
def _lower(build: Any, equation: Equation, index: Index) -> Node:
    return _triangle(build, equation, index, index[-2].plus(equation.params["k"]) - index[-1])


@_rule("triu")
def _upper(build: Any, equation: Equation, index: Index) -> Node:
    return _triangle(build, equation, index, index[-1] - index[-2].plus(equation.params["k"]))


def _triangle(build: Any, equation: Equation, index: Index, condition: Affine) -> Node:
    x = equation.operands[0]
    return build.choose(  # type: ignore[no-any-return]
        [condition], lambda: build.value(x, index), lambda: build.zero(x.aval.dtype)
    )


@_rule("diagonal_matrix")
def _diagonal_matrix(build: Any, equation: Equation, index: Index) -> Node:
    x = equation.operands[0]
    k = equation.params["k"]
    off = index[1] - index[0].plus(k)
    place = index[0].plus(min(k, 0))
    return build.choose(  # type: ignore[no-any-return]
        [off, off * -1, place, (place * -1).plus(x.aval.size - 1)],
        lambda: build.value(x, (place,)),
        lambda: build.zero(x.aval.dtype),
    )


# ------------------------------------------------------------------ joining


@_rule("concatenate")
def _concatenate(build: Any, equation: Equation, index: Index) -> Node:
    axis = equation.params["axis"]
    dtype = equation.outputs[0].aval.dtype
    pieces = []
    start = 0
    for operand in equation.operands:
        length = operand.aval.shape[axis]
        if length:
            source = index[axis].plus(-start)
            pieces.append((source, operand, (*index[:axis], source, *index[axis + 1 :])))
        start += length
    return _pieced(build, pieces, dtype)


@_rule("stack")
def _stack(build: Any, equation: Equation, index: Index) -> Node:
    axis = equation.params["axis"]
    axis = axis % len(index)
    others = (*index[:axis], *index[axis + 1 :])
    pieces = [
        (index[axis].plus(-place), operand, others)
        for place, operand in enumerate(equation.operands)
    ]
    return _pieced(build, pieces, equation.outputs[0].aval.dtype)


@_rule("array")
def _array(build: Any, equation: Equation, index: Index) -> Node:
    at = flattened(index, equation.outputs[0].aval.shape)
    pieces = [(at.plus(-place), operand, ()) for place, operand in enumerate(equation.operands)]
    return _pieced(build, pieces, equation.outputs[0].aval.dtype)


def _pieced(build: Any, pieces: Sequence[tuple[Affine, Any, Index]], dtype: Any) -> Node:
    """Give an entry of the piece that starts last at or before it, by halving."""
    if not pieces:
        return build.zero(dtype)  # type: ignore[no-any-return]
    if len(pieces) == 1:
        _, operand, index = pieces[0]
        return build.cast(build.value(operand, index), dtype)  # type: ignore[no-any-return]
    middle = len(pieces) // 2
    return build.choose(  # type: ignore[no-any-return]
        [pieces[middle][0]],
        lambda: _pieced(build, pieces[middle:], dtype),
        lambda: _pieced(build, pieces[:middle], dtype),
    )


# ------------------------------------------------------------------ creation


@_rule("arange")
def _arange(build: Any, equation: Equation, index: Index) -> Node:
    dtype = equation.params["dtype"]
    start, step = (build.cast(build.value(x, ()), dtype) for x in equation.operands)

    def second(e: Any, first: Any, width: Any) -> Any:
        return e.add(first, width)

    def entry(e: Any, first: Any, width: Any, place: Any) -> Any:
        following = e.add(first, width)
        return e.add(first, e.multiply(place, e.subtract(following, first)))

    if dtype.kind in "iu":  # exact: no entry is an exception
        return build.apply(entry, (start, step, build.index(index[0], dtype)), dtype)  # type: ignore[no-any-return]

    def later() -> Node:
        return build.choose(  # type: ignore[no-any-return]
            [index[0].plus(-2)],
            lambda: build.apply(entry, (start, step, build.index(index[0], dtype)), dtype),
            lambda: build.apply(second, (start, step), dtype),
        )

    return build.choose([index[0].plus(-1)], later, lambda: start)  # type: ignore[no-any-return]


STEPS = frozenset({"index", "transpose", "reshape", "broadcast", "real", "imag", "diagonal"})


def is_view_path(
    path: Path, shape: tuple[int, ...], operands: Sequence[Operand], *, written: bool = False
) -> bool:
    """Return whether every step of a path has a rule here, to read or to write through it."""
    for number, step in enumerate(path):
        if step[0] not in STEPS or (written and step[0] in ("real", "imag", "broadcast")):
            return False
        if number:
            shape = read_shape(shape, path[number - 1 : number], operands)
        if step[0] == "index" and not has_rule(step[1], len(shape)):
            return False
    return True


def target_of(build: Any, equation: Equation, index: Index) -> Affine:
    """Return the position at which ``write`` or ``indexed_add`` puts an entry of its value."""
    base = equation.operands[0].aval
    found: list[Affine] = []

    def note(place: Index) -> Any:
        found.append(flattened(place, base.shape))

    fetch = followed(
        build, note, base.shape, base.dtype, equation.params["path"], index_operands(equation)
    )
    fetch(index)
    return found[0]
