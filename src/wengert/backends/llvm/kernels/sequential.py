"""Results whose entries are written in order: scattered writes, running sums and recurrences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ....ir.equation import Equation
from .affine import Affine, flattened
from .indexing import index_operands
from .nodes import Buffer, Node, Store
from .reductions import combining
from .structural import broadcast_index, target_of, window_of

if TYPE_CHECKING:
    from .build import Build

RUNNING = {
    "cumsum": "add",
    "cumprod": "multiply",
    "maximum_accumulate": "maximum",
    "minimum_accumulate": "minimum",
    "logaddexp_accumulate": "logaddexp",
    "logaddexp2_accumulate": "logaddexp2",
    "recurrence": "",
}


def scatter(build: Build, equation: Equation, buffer: Buffer, index: tuple[Affine, ...]) -> None:
    """Write, or add, one entry of a value to where it belongs."""
    value = equation.operands[1]
    node = build.cast(build.value(value, broadcast_index(index, value.aval.shape)), buffer.dtype)
    position = build.access(target_of(build, equation, index))
    combine = combining("add") if equation.primitive.name == "indexed_add" else None
    build.emit(Store(buffer, position, node, combine))


def writes_window(equation: Equation) -> bool:
    """Return whether a scattered write goes to places that no index computes: all different."""
    if index_operands(equation):
        return False
    return window_of(equation.operands[0].aval.shape, equation.params["path"]) is not None


def store_running(
    build: Build, equation: Equation, buffer: Buffer, index: tuple[Affine, ...]
) -> None:
    """Store the next entry along an axis, made of the one before; loops go along it in order."""
    axis = equation.params["axis"] % len(index)
    shape = equation.outputs[0].aval.shape
    place = index[axis]
    step = -1
    if equation.params.get("reverse"):
        place = (place * -1).plus(shape[axis] - 1)
        step = 1
    here = (*index[:axis], place, *index[axis + 1 :])
    before = (*index[:axis], place.plus(step), *index[axis + 1 :])
    dtype = buffer.dtype
    operands = [build.cast(build.value(x, here), dtype) for x in equation.operands]

    def following() -> Node:
        previous = build.load(buffer, flattened(before, shape))
        return build.apply(_step(equation), (previous, *operands), dtype)

    node = build.choose([index[axis].plus(-1)], following, lambda: operands[-1])
    build.emit(Store(buffer, build.access(flattened(here, shape)), node))


def _step(equation: Equation) -> Any:
    name = equation.primitive.name
    if name == "recurrence":
        return lambda e, y, factor, addend: e.add(e.multiply(factor, y), addend)
    return combining(RUNNING[name])
