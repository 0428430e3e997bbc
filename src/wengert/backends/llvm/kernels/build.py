"""From the equations of a kernel to loop nests: entries are asked for, and place themselves.

The entry of a result at an index asks for entries of its operands, down to loads from buffers; a
value stands outside every loop that it does not depend on, and is computed once where it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ....ir.equation import Equation, Literal, Operand, Variable
from ....passes.contractions import contraction_of
from ....passes.uniform import uniform_number
from ..lowering import lower
from .affine import ZERO, Affine, Axis, Loaded, breakpoint_of, clamped, flattened, is_nonnegative
from .contraction import inline_product
from .nodes import Apply, Buffer, Condition, Constant, Index, Load, Node, Scope, Store
from .reductions import carry_reduction, inline_reduction, is_reduction, is_written_out
from .structural import RULES, broadcast_index

# More pieces of an axis than this are not compiled apart; entries are selected instead.
MAX_BREAKS = 6


class Build:
    """One attempt at the nest of a kernel: its scopes, and what they had to find out.

    Attributes
    ----------
    accesses : list of Affine
        Every position that is loaded, stored or compared, for the choice of loops.
    breaks : dict
        From the number of an axis to the places at which conditions change.
    constants : Constants
        Arrays that the kernel needs besides its operands.
    outside : Buffer
        One bool: whether an index that the program computed was out of bounds.
    can_leave : bool
        Whether anything looks at it.
    scratch : callable
        Gives a buffer of a dtype and size that nothing else uses.
    count : int
        How many operations were placed.
    """

    def __init__(
        self,
        producers: dict[Variable, Equation],
        buffers: dict[Variable, Buffer],
        constants: Constants,
        outside: Buffer,
        scratch: Callable[[np.dtype[Any], int], Buffer],
    ) -> None:
        self.producers = producers
        self.buffers = buffers
        self.constants = constants
        self.scratch = scratch
        self.scopes = [Scope()]
        self.axes: list[Axis] = []
        self.accesses: list[Affine] = []
        self.breaks: dict[int, set[int]] = {}
        self.outside = outside
        self.can_leave = False
        self.count = 0

    # -------------------------------------------------------------- placing

    @property
    def depth(self) -> int:
        return len(self.scopes) - 1

    def place(self, node: Node) -> Node:
        """Put a node where it belongs: inside the loops that it depends on, and no others."""
        self.count += 1
        self.scopes[node.depth].items.append(node)
        return node

    def emit(self, statement: Any) -> None:
        """Put a statement into the innermost scope."""
        self.scopes[-1].items.append(statement)

    def access(self, position: Affine) -> Affine:
        self.accesses.append(position)
        return position

    # -------------------------------------------------------------- values

    def value(self, operand: Operand, index: tuple[Affine, ...]) -> Node:
        """Return the node of one entry of an operand."""
        if isinstance(operand, Literal):
            return self._literal(operand.value, index)
        key = (operand, index)
        scope = self.scopes[max((entry.depth for entry in index), default=0)]
        found = scope.known.get(key)
        if found is not None:
            return found
        buffer = self.buffers.get(operand)
        if buffer is not None:
            found = self.load(buffer, flattened(index, operand.aval.shape))
        else:
            found = self._entry(operand, index)
        scope.known[key] = found
        return found

    def _literal(self, value: Any, index: tuple[Affine, ...]) -> Node:
        array = np.asarray(value)
        number = uniform_number(array)
        if number is not None:
            return Constant(number, array.dtype)
        buffer = self.constants.add(array)
        return self.load(buffer, flattened(index, array.shape))

    def _entry(self, variable: Variable, index: tuple[Affine, ...]) -> Node:
        equation = self.producers[variable]
        name = equation.primitive.name
        rule = RULES.get(name)
        if rule is not None:
            return rule(self, equation, index)
        labels = contraction_of(equation)
        if labels is not None:
            return inline_product(self, equation, labels, index)
        if is_reduction(equation):
            if is_written_out(equation):
                return inline_reduction(self, equation, index)
            return carry_reduction(self, equation, index)
        return self._elementwise(equation, equation.outputs.index(variable), index)

    def _elementwise(self, equation: Equation, which: int, index: tuple[Affine, ...]) -> Node:
        avals = [operand.aval for operand in equation.operands]
        outputs = [variable.aval for variable in equation.outputs]
        nodes = [
            self.value(operand, broadcast_index(index, aval.shape))
            for operand, aval in zip(equation.operands, avals, strict=True)
        ]

        def function(emitter: Any, *values: Any) -> Any:
            found = lower(emitter, equation.primitive, equation.params, values, avals, outputs)
            return found[which]

        return self.place(Apply(function, nodes, outputs[which].dtype))

    def load(self, buffer: Buffer, position: Affine) -> Node:
        """Return an entry of a buffer; a position outside is moved in, its value is not used."""
        return self.place(Load(buffer, self.access(clamped(position, buffer.size))))

    def apply(self, function: Callable[..., Any], nodes: Sequence[Node], dtype: Any) -> Node:
        return self.place(Apply(function, nodes, np.dtype(dtype)))

    def cast(self, node: Node, dtype: Any) -> Node:
        target = np.dtype(dtype)
        if node.dtype == target:
            return node
        return self.apply(lambda emitter, x: emitter.cast(x, target), (node,), target)

    def zero(self, dtype: Any) -> Node:
        return Constant(np.dtype(dtype).type(0), np.dtype(dtype))

    def index(self, value: Affine, dtype: Any) -> Node:
        """Return an index as a number."""
        return self.place(Index(self.access(value), np.dtype(dtype)))

    # -------------------------------------------------------------- choices and tables

    def choose(
        self,
        conditions: Sequence[Affine],
        inside: Callable[[], Node],
        outside: Callable[[], Node],
    ) -> Node:
        """Return one node where all indices are at least 0, and another elsewhere."""
        open_ones = []
        for condition in conditions:
            known = is_nonnegative(condition)
            if known is False:
                return outside()
            if known is None:
                self.access(condition)
                open_ones.append(condition)
                found = breakpoint_of(condition)
                if found is not None:
                    self.breaks.setdefault(found[0].space, set()).add(found[1])
        if not open_ones:
            return inside()
        first, second = inside(), outside()
        if first is second:
            return first
        condition_node = self.place(Condition(open_ones))
        return self.apply(
            lambda e, c, x, y: e.select(c, x, y), (condition_node, first, second), first.dtype
        )

    def note_outside(self, inside: Node) -> None:
        """Let the kernel decline where a computed index is not inside its bounds."""
        outside = self.apply(lambda e, c: e.bitwise("not", c), (inside,), np.bool_)
        flag = Store(self.outside, ZERO, outside, lambda e, x, y: e.bitwise("or", x, y))
        self.scopes[outside.depth].items.append(flag)
        self.can_leave = True

    def table(self, positions: np.ndarray[Any, Any]) -> Buffer:
        """Return constant indices as a buffer."""
        return self.constants.add(np.ascontiguousarray(positions, dtype=np.int64))

    def looked_up(self, table: Buffer, position: Affine) -> Affine:
        """Return the index that stands in a table of the build's constants."""
        entries = self.constants.array_of(table)
        if not position.terms and 0 <= position.constant < entries.size:
            return Affine(int(entries.flat[position.constant]))
        node = self.load(table, position)
        low, high = (int(entries.min()), int(entries.max())) if entries.size else (0, 0)
        return Affine(0, ((Loaded(node, low, high), 1),))


class Constants:
    """The arrays that a kernel reads besides its operands, each once, with their buffers."""

    def __init__(self) -> None:
        self.arrays: list[np.ndarray[Any, Any]] = []
        self._buffers: dict[Any, Buffer] = {}

    def add(self, array: np.ndarray[Any, Any]) -> Buffer:
        stored = np.ascontiguousarray(array)
        key = (stored.dtype.str, stored.shape, stored.tobytes())
        found = self._buffers.get(key)
        if found is None:
            found = Buffer(f"constant{len(self.arrays)}", stored.dtype, stored.size)
            self._buffers[key] = found
            self.arrays.append(stored)
        return found

    def array_of(self, buffer: Buffer) -> np.ndarray[Any, Any]:
        return self.arrays[int(buffer.name.removeprefix("constant"))]
