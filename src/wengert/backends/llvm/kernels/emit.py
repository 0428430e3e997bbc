"""Loop nests as LLVM text.

Every buffer is told apart from every other (``noalias``), so that LLVM vectorises the innermost
loops; nothing is contracted or reassociated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..emitter import TextEmitter
from ..values import BOOL, INT64, Value, constant, load, memory_type, store
from ..writer import Function, Module
from .affine import Affine, Atom, Axis, Clamp, Floor
from .nodes import (
    Apply,
    Buffer,
    Combine,
    Condition,
    Constant,
    Copy,
    Fill,
    Index,
    Load,
    Loop,
    Node,
    Scope,
    Store,
)


def start_loop(
    function: Function, first: str, last: str, step: int = 1
) -> tuple[str, Callable[[], None]]:
    """Start ``for i in range(first, last, step)``; return ``i`` and what ends the loop."""
    before = function.block
    head, body = function.new_label("head"), function.new_label("body")
    latch, after = function.new_label("latch"), function.new_label("after")
    axis, following = function.fresh(), function.fresh()
    function.line(f"br label %{head}")
    function.start(head)
    function.line(f"{axis} = phi i64 [ {first}, %{before} ], [ {following}, %{latch} ]")
    inside = function.value(f"icmp slt i64 {axis}, {last}")
    function.line(f"br i1 {inside}, label %{body}, label %{after}")
    function.start(body)

    def end() -> None:
        function.line(f"br label %{latch}")
        function.start(latch)
        function.line(f"{following} = add nsw i64 {axis}, {step}")
        function.line(f"br label %{head}")
        function.start(after)

    return axis, end


class NestWriter:
    """Writes scopes into a function.

    Parameters
    ----------
    pointers : dict
        From the name of a buffer to the text of its address.
    """

    def __init__(self, function: Function, pointers: dict[str, str]) -> None:
        self.function = function
        self.emitter = TextEmitter(function)
        self.pointers = pointers
        self.values: dict[Node, Value] = {}
        self.axes: dict[Axis, str] = {}

    # -------------------------------------------------------------- statements

    def scope(self, scope: Scope) -> None:
        for item in scope.items:
            self.item(item)

    def item(self, item: Any) -> None:
        """Write one statement or value of a scope."""
        if isinstance(item, Node):
            self.values[item] = self._node(item)
        elif isinstance(item, Loop):
            first = self._extreme(item.starts, "smax")
            last = self._extreme(item.stops, "smin")
            self.loop(item, first, last)
        elif isinstance(item, Store):
            self._store(item)
        elif isinstance(item, Fill):
            self._fill(item)
        else:
            self._copy(item)

    def loop(self, loop: Loop, first: str, last: str) -> None:
        """Write a loop that starts and ends at the given places."""
        axis, latch = self.start_loop(first, last, loop.step)
        self.axes[loop.axis] = axis
        self.scope(loop.body)
        latch()

    def start_loop(self, first: str, last: str, step: int = 1) -> tuple[str, Callable[[], None]]:
        """Start ``for i in range(first, last, step)``; return ``i`` and what ends the loop."""
        return start_loop(self.function, first, last, step)

    def _extreme(self, indices: tuple[Affine, ...], name: str) -> str:
        found = self.affine(indices[0]) if indices else "0"
        for index in indices[1:]:
            called = self.function.module.declare(f"llvm.{name}.i64", "i64", "i64", "i64")
            other = self.affine(index)
            found = self.function.value(f"call i64 {called}(i64 {found}, i64 {other})")
        return found

    def _store(self, item: Store) -> None:
        address = self.address(item.buffer, self.affine(item.position))
        value = self.value_of(item.node)
        if item.combine is not None:
            before = load(self.function, item.buffer.dtype, address)
            value = item.combine(self.emitter, before, value)
        store(self.function, value, address)

    def _fill(self, item: Fill) -> None:
        value = constant(item.number, item.buffer.dtype)
        if item.count == 1:
            store(self.function, value, self.pointers[item.buffer.name])
            return
        axis, end = self.start_loop("0", str(item.count))
        store(self.function, value, self.address(item.buffer, axis))
        end()

    def _copy(self, item: Copy) -> None:
        size = item.target.size * item.target.dtype.itemsize
        called = self.function.module.declare(
            "llvm.memmove.p0.p0.i64", "void", "ptr", "ptr", "i64", "i1"
        )
        target, source = self.pointers[item.target.name], self.pointers[item.source.name]
        self.function.line(f"call void {called}(ptr {target}, ptr {source}, i64 {size}, i1 false)")

    # -------------------------------------------------------------- nodes

    def value_of(self, node: Node) -> Value:
        if isinstance(node, Constant):
            return constant(node.number, node.dtype)
        return self.values[node]

    def _node(self, node: Node) -> Value:
        if isinstance(node, Apply):
            operands = [self.value_of(operand) for operand in node.operands]
            found: Value = node.function(self.emitter, *operands)
            return found
        if isinstance(node, Load):
            address = self.address(node.buffer, self.affine(node.position))
            return load(self.function, node.buffer.dtype, address)
        if isinstance(node, Index):
            whole = Value(INT64, self.affine(node.value))
            return self.emitter.cast(whole, node.dtype)
        if isinstance(node, Condition):
            bit = "true"
            for index in node.indices:
                one = self.function.value(f"icmp sge i64 {self.affine(index)}, 0")
                bit = one if bit == "true" else self.function.value(f"and i1 {bit}, {one}")
            return Value(BOOL, bit)
        assert isinstance(node, Combine)
        address = self.pointers[node.buffer.name]
        if node.count > 1:
            called = _combiner(self.function.module, node)
            self.function.line(f"call void {called}(ptr {address}, i64 {node.count})")
        return load(self.function, node.buffer.dtype, address)

    # -------------------------------------------------------------- indices

    def address(self, buffer: Buffer, position: str) -> str:
        pointer = self.pointers[buffer.name]
        if position == "0":
            return pointer
        dtype = buffer.dtype
        kind = memory_type(dtype)
        if dtype.kind == "c":
            kind = f"{{{kind}, {kind}}}"
        return self.function.value(f"getelementptr inbounds {kind}, ptr {pointer}, i64 {position}")

    def affine(self, index: Affine) -> str:
        total: str | None = None
        for atom, coefficient in index.terms.items():
            text = self._atom(atom)
            if coefficient != 1:
                text = self.function.value(f"mul nsw i64 {text}, {coefficient}")
            total = text if total is None else self.function.value(f"add nsw i64 {total}, {text}")
        if total is None:
            return str(index.constant)
        if index.constant:
            return self.function.value(f"add nsw i64 {total}, {index.constant}")
        return total

    def _atom(self, atom: Atom) -> str:
        if isinstance(atom, Axis):
            return self.axes[atom]
        if isinstance(atom, Floor):
            inner = self.affine(atom.inner)
            if atom.inner.bounds[0] >= 0:
                return self.function.value(f"udiv i64 {inner}, {atom.divisor}")
            toward = self.function.value(f"sdiv i64 {inner}, {atom.divisor}")
            rest = self.function.value(f"srem i64 {inner}, {atom.divisor}")
            negative = self.function.value(f"icmp slt i64 {rest}, 0")
            bit = self.function.value(f"sext i1 {negative} to i64")
            return self.function.value(f"add i64 {toward}, {bit}")
        if isinstance(atom, Clamp):
            inner = self.affine(atom.inner)
            module = self.function.module
            larger = module.declare("llvm.smax.i64", "i64", "i64", "i64")
            inner = self.function.value(f"call i64 {larger}(i64 {inner}, i64 {atom.low})")
            smaller = module.declare("llvm.smin.i64", "i64", "i64", "i64")
            return self.function.value(f"call i64 {smaller}(i64 {inner}, i64 {atom.high})")
        value = self.emitter.cast(self.value_of(atom.node), INT64)
        return value.text


def _combiner(module: Module, node: Combine) -> str:
    """Return a function that combines entries pairwise into the first of them.

    The second half is added to the first until one is left: the order depends on nothing but the
    number of entries.
    """
    dtype = node.buffer.dtype
    name = f"combine.{node.name}.{dtype.str[1:]}"
    if name in module.definitions:
        return f'@"{name}"'
    scratch = Module()
    function = scratch.function(name, "internal void", "ptr noalias %entries", "i64 %count")
    writer = NestWriter(function, {"entries": "%entries"})
    entries = Buffer("entries", dtype, 0)
    head, body, done = (function.new_label(hint) for hint in ("halve", "pairs", "done"))
    count, rest = function.fresh(), function.fresh()
    entry = function.block
    function.line(f"br label %{head}")
    function.start(head)
    latch = function.new_label("halved")
    function.line(f"{count} = phi i64 [ %count, %{entry} ], [ {rest}, %{latch} ]")
    many = function.value(f"icmp sgt i64 {count}, 1")
    function.line(f"br i1 {many}, label %{body}, label %{done}")
    function.start(body)
    half = function.value(f"lshr i64 {count}, 1")
    function.line(f"{rest} = sub nsw i64 {count}, {half}")
    axis, end = writer.start_loop("0", half)
    other = function.value(f"add nsw i64 {axis}, {rest}")
    first_address = writer.address(entries, axis)
    first = load(function, dtype, first_address)
    second = load(function, dtype, writer.address(entries, other))
    store(function, node.combine(writer.emitter, first, second), first_address)
    end()
    function.line(f"br label %{latch}")
    function.start(latch)
    function.line(f"br label %{head}")
    function.start(done)
    function.line("ret void")
    for external, text in scratch.externals.items():
        module.externals.setdefault(external, text)
    for defined, text in scratch.definitions.items():
        module.define(defined, text)
    return module.define(name, function.text())
