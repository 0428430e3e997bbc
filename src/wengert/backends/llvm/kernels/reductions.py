"""Reductions of a kernel: by which operation, from which start, to which last step.

A sum is accumulated in lanes over blocks, the lanes and then the blocks combined pairwise, always
in the order of the indices: the result does not depend on threads, and float32 keeps its accuracy.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ....ir.emitter import CannotLower
from ....ir.equation import Equation
from ....ir.primitive import registry
from ....passes.complex_products import numpy_fuses
from .affine import ZERO, Affine, Axis, constant, variable
from .nodes import Combine, Constant, Fill, Load, Loop, Node, Store

if TYPE_CHECKING:
    from .build import Build

Combining = Callable[..., Any]

# So many entries are accumulated before they are combined pairwise: short enough for the accuracy
# of float32 sums, long enough that combining costs nothing.
BLOCK = 8192
# Accumulators side by side: enough for vectors of any width, and for the latency of additions.
LANES = 128
# So many where they are combined again and again, in the loops of others.
FEW_LANES = 32
# So many entries at most are written out in one place.
WRITTEN_OUT = 16

_SELECTED = "_selected"


class Reduction:
    """What a reducing equation asks for.

    Attributes
    ----------
    axes : tuple of int
        The axes of the operand that go away.
    dtype : dtype
        In which it accumulates.
    identity : scalar
        The start of every lane.
    name : str
        Of the combining operation.
    """

    __slots__ = ("axes", "combine", "count", "dtype", "equation", "identity", "keepdims", "name")

    def __init__(self, equation: Equation) -> None:
        params = equation.params
        shape = equation.operands[0].aval.shape
        axes = params["axes"]
        self.equation = equation
        self.axes: tuple[int, ...] = (
            tuple(range(len(shape))) if axes is None else tuple(a % len(shape) for a in axes)
        )
        self.keepdims: bool = params["keepdims"]
        self.dtype: np.dtype[Any] = equation.outputs[0].aval.dtype
        self.name = _OPERATIONS[equation.primitive.name.removesuffix(_SELECTED)]
        self.identity = _identity(self.name, self.dtype)
        self.combine = _fused_product if self._fuses(shape) else combining(self.name)
        self.count = int(np.prod([shape[a] for a in self.axes], dtype=np.int64))

    def _fuses(self, shape: tuple[int, ...]) -> bool:
        """Return whether NumPy multiplies rows of complex numbers, as its array loops do."""
        if self.name != "multiply" or self.dtype.kind != "c":
            return False
        return len(shape) - 1 not in self.axes and shape[-1] > 1 and numpy_fuses(self.dtype)

    @property
    def kept(self) -> tuple[int, ...]:
        """The axes of the operand that stay."""
        ndim = len(self.equation.operands[0].aval.shape)
        return tuple(axis for axis in range(ndim) if axis not in self.axes)

    def entry(self, build: Build, index: tuple[Affine, ...]) -> Node:
        """Return what one entry of the operand contributes."""
        x = self.equation.operands[0]
        node = build.cast(build.value(x, index), self.dtype)
        if "where" not in self.equation.params.get("given", ()):
            return node
        where = self.equation.operands[2]
        shape = where.aval.shape
        own = index[len(index) - len(shape) :]
        chosen = build.value(
            where, tuple(constant(0) if n == 1 else i for i, n in zip(own, shape, strict=True))
        )
        neutral = Constant(self.identity, self.dtype)
        return build.apply(
            lambda e, c, a, b: e.select(e.cast(c, bool), a, b), (chosen, node, neutral), self.dtype
        )

    def finish(self, build: Build, node: Node) -> Node:
        """Return the result from the combination of all entries."""
        equation = self.equation
        if equation.primitive.name == "mean":
            count = Constant(self.dtype.type(self.count), self.dtype)
            return build.apply(lambda e, x, n: _divided(e, x, n), (node, count), self.dtype)
        if "initial" in equation.params.get("given", ()):
            first = build.cast(build.value(equation.operands[1], ()), self.dtype)
            return build.apply(self.combine, (first, node), self.dtype)
        return node

    @property
    def has_finish(self) -> bool:
        given = self.equation.params.get("given", ())
        return self.equation.primitive.name == "mean" or "initial" in given


def _fused_product(e: Any, x: Any, y: Any) -> Any:
    e.fused = True
    product = e.multiply(x, y)
    e.fused = False
    return product


def _divided(e: Any, x: Any, count: Any) -> Any:
    if e.dtype_of(x).kind != "c":
        return e.divide(x, count)
    number = e.real(count)
    return e.complex(e.divide(e.real(x), number), e.divide(e.imag(x), number))


_OPERATIONS = {
    "sum": "add",
    "mean": "add",
    "prod": "multiply",
    "max": "maximum",
    "min": "minimum",
    "fmax_reduce": "fmax",
    "fmin_reduce": "fmin",
    "logaddexp_reduce": "logaddexp",
    "logaddexp2_reduce": "logaddexp2",
    "any": "logical_or",
    "all": "logical_and",
}


def combining(name: str) -> Combining:
    """Return the code of a combining operation: the primitive's own."""
    if name == "add":
        return lambda e, x, y: e.add(x, y)
    if name == "multiply":
        return lambda e, x, y: e.multiply(x, y)
    rule: Callable[..., Any] | None = registry[name].lower
    if rule is None:
        raise CannotLower(f"{name} has no lowering rule")
    return rule


def _identity(name: str, dtype: np.dtype[Any]) -> Any:
    kind = dtype.kind
    if name in ("add", "multiply"):
        return dtype.type(name == "multiply")
    if name in ("logical_or", "logical_and"):
        return dtype.type(name == "logical_and")
    if name in ("fmax", "fmin") and kind == "f":
        return dtype.type(np.nan)
    if kind == "f":
        return dtype.type(np.inf if name == "minimum" else -np.inf)
    if kind == "b":
        return dtype.type(name in ("minimum", "fmin"))
    if kind in "iu":
        limits = np.iinfo(dtype)
        return dtype.type(limits.max if name in ("minimum", "fmin") else limits.min)
    raise CannotLower(f"no reduction by {name} of dtype {dtype}")


def is_reduction(equation: Equation) -> bool:
    """Return whether an equation reduces in a way that has an entry here."""
    name = equation.primitive.name
    return name != "mean_selected" and name.removesuffix(_SELECTED) in _OPERATIONS


def can_reduce(equation: Equation) -> bool:
    """Return whether an equation reduces with native code for its dtype."""
    if not is_reduction(equation) or equation.params.get("where") is not None:
        return False
    try:
        found = Reduction(equation)
    except CannotLower:
        return False
    return found.dtype.kind in "fciub" and found.dtype.char not in "egG"


def operand_index(
    reduction: Reduction, index: tuple[Affine, ...], reduced: dict[int, Affine]
) -> tuple[Affine, ...]:
    """Return the index of the operand, from that of the result and of the reduced axes."""
    ndim = len(reduction.equation.operands[0].aval.shape)
    kept = iter(index)
    found = []
    for axis in range(ndim):
        if axis in reduced:
            if reduction.keepdims:
                next(kept)
            found.append(reduced[axis])
        else:
            found.append(next(kept))
    return tuple(found)


def inline_reduction(build: Build, equation: Equation, index: tuple[Affine, ...]) -> Node:
    """Return one entry of a reduction over few entries, written out."""
    reduction = Reduction(equation)
    shape = equation.operands[0].aval.shape
    terms = [
        reduction.entry(
            build,
            operand_index(
                reduction, index, dict(zip(reduction.axes, map(constant, places), strict=True))
            ),
        )
        for places in itertools.product(*(range(shape[axis]) for axis in reduction.axes))
    ]
    total: Node = Constant(reduction.identity, reduction.dtype)
    for number, term in enumerate(terms):
        if number == 0 and reduction.name in ("add",) and reduction.dtype.kind == "f":
            total = build.apply(reduction.combine, (total, term), reduction.dtype)
        elif number == 0:
            total = term
        else:
            total = build.apply(reduction.combine, (total, term), reduction.dtype)
    return reduction.finish(build, total)


def is_written_out(equation: Equation) -> bool:
    """Return whether a reduction goes over so few entries that it counts as elementwise."""
    return Reduction(equation).count <= WRITTEN_OUT


def carry_reduction(build: Build, equation: Equation, index: tuple[Affine, ...]) -> Node:
    """Return one entry of a reduction, made by loops of its own where it is needed.

    These stand inside the loops that the entry depends on, and no others.
    """
    reduction = Reduction(equation)
    shape = equation.operands[0].aval.shape
    depth = max((entry.depth for entry in index), default=0)
    around = build.scopes[depth + 1 :]
    del build.scopes[depth + 1 :]
    *outer, length = (shape[axis] for axis in reduction.axes)
    lane_count = min(FEW_LANES if length <= FEW_LANES * BLOCK // LANES else LANES, length)
    lanes = build.scratch(reduction.dtype, lane_count)
    lanes.private = depth > 0
    build.emit(Fill(lanes, lane_count, reduction.identity))

    def in_loop(count: int, step: int, body: Callable[[Affine], None]) -> None:
        axis = Axis(0, count, build.depth + 1, -1)
        loop = Loop(axis, [ZERO], [constant(count)], step)
        build.scopes.append(loop.body)
        body(variable(axis))
        build.scopes.pop()
        build.emit(loop)

    def accumulate(places: list[Affine], start: Affine, count: int) -> None:
        def add(lane: Affine) -> None:
            place = dict(zip(reduction.axes, [*places, start + lane], strict=True))
            node = reduction.entry(build, operand_index(reduction, index, place))
            build.emit(Store(lanes, lane, node, reduction.combine))

        in_loop(count, 1, add)

    def along(places: list[Affine]) -> None:
        """Go over the outer of the reduced axes, then over the last in chunks of known lengths."""
        if len(places) < len(outer):
            in_loop(outer[len(places)], 1, lambda place: along([*places, place]))
            return
        whole = length // lane_count * lane_count
        in_loop(whole, lane_count, lambda start: accumulate(places, start, lane_count))
        if length > whole:
            accumulate(places, constant(whole), length - whole)

    along([])
    total: Node = build.place(Combine(lanes, lane_count, reduction.name, reduction.combine, depth))
    if not depth:  # what stands outside of all loops is read by every thread, from memory
        slot = build.scratch(reduction.dtype, 1)
        build.emit(Store(slot, ZERO, total))
        total = build.place(Load(slot, ZERO))
    total = reduction.finish(build, total)
    build.scopes += around
    return total
