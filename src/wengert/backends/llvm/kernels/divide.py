"""Outermost loops divided into tasks for several threads.

A loop becomes a function of its own, called for one range of iterations after the other; which
ranges these are depends on the loop alone, so that results do not depend on the number of threads.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..threads import PARALLEL
from ..values import load
from ..writer import Function, Module
from .emit import NestWriter
from .nodes import Buffer, Combine, Copy, Fill, Load, Loop, Node, Store

# Below this a loop is not worth the telling, in nanoseconds: waking a thread takes up to 50 µs.
WORTHWHILE = 80_000.0
# A task takes about so long: short enough that no thread waits long for the last.
_TASK = 25_000.0
# An instruction for one entry takes about so long where it is vectorised, in nanoseconds.
_INSTRUCTION = 0.05
# Fewer iterations, all loops taken together, are not looked at.
_FEWEST = 4096
# Ranges of innermost loops are whole vectors, in whole lines of the cache.
_WHOLE = 64
# Memory that each task has on its stack.
_STACK = 1 << 18

_ATTRIBUTES = 'nounwind "prefer-vector-width"="512"'
_CALL = re.compile(r'call [^@%]*@"([^"]+)"')


def divided(writer: NestWriter, loop: Loop, before: Sequence[Node], name: str) -> bool:
    """Write a loop as a function, and calls of it for one range after the other, if that may pay.

    Parameters
    ----------
    before : sequence of Node
        The values outside the loop that it may use; they are computed in every task again.
    name : str
        Of the function; no other of the module has it.

    Returns
    -------
    bool
        Whether it was written; if not, nothing was.
    """
    if not loop.divides or _iterations(loop) < _FEWEST:
        return False
    used = list(dict.fromkeys(_buffers_of([*before, loop])))
    private = [buffer for buffer in used if buffer.private]
    if sum(buffer.size * buffer.dtype.itemsize for buffer in private) > _STACK:
        return False
    # What is changed in place is read and written under one name.
    shared = list({buffer.name: buffer for buffer in used if not buffer.private}.values())
    ranges = _Ranges(writer.function.module, name, shared, private, loop)
    nanoseconds = ranges.define(loop, before)
    function = writer.function
    arguments = [writer.pointers[buffer.name] for buffer in shared]
    low, high = loop.axis.low, loop.axis.high
    if nanoseconds < WORTHWHILE:
        ranges.call(function, arguments, str(low), str(high))
        return True
    length = -(-(high - low) // max(2, int(nanoseconds / _TASK)))
    if not any(isinstance(item, Loop) for item in loop.body.items):
        length = -(-length // _WHOLE) * _WHOLE
    ranges.function.attributes = f"noinline {_ATTRIBUTES}"
    call_in_parts(function, name, arguments, (low, high, length), ranges.call)
    return True


def call_in_parts(
    function: Function,
    name: str,
    pointers: Sequence[str],
    steps: tuple[int, int, int],
    run: Callable[[Function, Sequence[str], str, str], None],
) -> None:
    """Write the call of ``run`` for every part of a range, by whichever threads there are.

    Parameters
    ----------
    name : str
        Of the task is this one's with ``.task`` behind it.
    pointers : sequence of str
        What a task must know.
    steps : tuple of int
        Where the range starts, where it stops, and how long a part is.
    run : callable
        ``run(task, pointers, first, last)`` writes what a task does for one part.
    """
    module = function.module
    low, high, length = steps
    task = module.function(f"{name}.task", "internal void", "ptr %context", "i64 %number")
    known = []
    for place in range(len(pointers)):
        entry = task.value(f"getelementptr ptr, ptr %context, i64 {place}")
        known.append(task.value(f"load ptr, ptr {entry}"))
    moved = task.value(f"mul nsw i64 %number, {length}")
    first = task.value(f"add nsw i64 {moved}, {low}")
    whole = task.value(f"add nsw i64 {first}, {length}")
    smaller = module.declare("llvm.smin.i64", "i64", "i64", "i64")
    run(task, known, first, task.value(f"call i64 {smaller}(i64 {whole}, i64 {high})"))
    task.line("ret void")
    table = function.slot(8 * max(1, len(pointers)))
    for place, pointer in enumerate(pointers):
        entry = function.value(f"getelementptr ptr, ptr {table}, i64 {place}")
        function.line(f"store ptr {pointer}, ptr {entry}")
    parallel = module.declare(PARALLEL, "void", "ptr", "ptr", "i64")
    count = -(-(high - low) // length)
    function.line(f'call void {parallel}(ptr @"{name}.task", ptr {table}, i64 {count})')


class _Ranges:
    """The function of a part of a loop's range."""

    def __init__(
        self,
        module: Module,
        name: str,
        shared: Sequence[Buffer],
        private: Sequence[Buffer],
        loop: Loop,
    ) -> None:
        self.module = module
        self.name = name
        self.shared = shared
        self.private = private
        written = {buffer.name for buffer in _written_in(loop)}
        arguments = [
            f"ptr noalias nocapture {'' if buffer.name in written else 'readonly '}%{buffer.name}"
            for buffer in shared
        ]
        self.function = module.function(
            name, "internal void", *arguments, "i64 %first", "i64 %last", attributes=_ATTRIBUTES
        )

    def define(self, loop: Loop, before: Sequence[Node]) -> float:
        """Write the function; return how long all ranges take together, roughly."""
        function = self.function
        pointers = {buffer.name: f"%{buffer.name}" for buffer in self.shared}
        for buffer in self.private:
            size = max(1, buffer.size) * buffer.dtype.itemsize
            pointers[buffer.name] = function.slot(size, 64)
        if "outside" in pointers:  # several tasks may find something: each notes it by itself
            pointers["outside"] = function.slot(1)
            function.line(f"store i8 0, ptr {pointers['outside']}")
        writer = _RangeWriter(function, pointers)
        for node in before:
            writer.item(node)
        writer.weight = 0.0
        writer.loop(loop, "%first", "%last")
        if "outside" in pointers:
            found = load(function, np.dtype(bool), pointers["outside"])
            noting, done = function.new_label("note"), function.new_label("done")
            function.line(f"br i1 {found.text}, label %{noting}, label %{done}")
            function.start(noting)
            function.line("store i8 1, ptr %outside")
            function.line(f"br label %{done}")
            function.start(done)
        function.line("ret void")
        return writer.weight * _INSTRUCTION

    def call(self, task: Function, pointers: Sequence[str], first: str, last: str) -> None:
        """Write a call for one part of the range."""
        listed = "".join(f"ptr {pointer}, " for pointer in pointers)
        task.line(f'call void @"{self.name}"({listed}i64 {first}, i64 {last})')


class _RangeWriter(NestWriter):
    """Writes a range, and counts the instructions that all its iterations carry out."""

    def __init__(self, function: Function, pointers: dict[str, str]) -> None:
        super().__init__(function, pointers)
        self.weight = 0.0
        self._times = 1

    def item(self, item: Any) -> None:
        if isinstance(item, Loop):
            super().item(item)
            return
        lines = self.function.lines
        start = len(lines)
        super().item(item)
        repeats = item.count if isinstance(item, Fill | Combine) else 1
        definitions = self.function.module.definitions
        for line in lines[start:]:
            called = _CALL.search(line)
            body = definitions.get(called.group(1)) if called else None
            size = 1 if body is None else body.count("\n")
            self.weight += size * repeats * self._times

    def loop(self, loop: Loop, first: str, last: str) -> None:
        before = self._times
        self._times *= loop.count
        super().loop(loop, first, last)
        self._times = before


def _iterations(loop: Loop) -> int:
    inner = [_iterations(item) for item in loop.body.items if isinstance(item, Loop)]
    return loop.count * max(inner, default=1)


def _buffers_of(items: Sequence[Any]) -> Iterator[Buffer]:
    """Yield the buffers that statements and values touch."""
    for item in items:
        if isinstance(item, Loop):
            yield from _buffers_of(item.body.items)
        elif isinstance(item, Load | Combine | Store | Fill):
            yield item.buffer
        elif isinstance(item, Copy):
            yield item.target
            yield item.source


def _written_in(loop: Loop) -> Iterator[Buffer]:
    for item in loop.body.items:
        if isinstance(item, Loop):
            yield from _written_in(item)
        elif isinstance(item, Store | Fill | Combine):
            yield item.buffer
        elif isinstance(item, Copy):
            yield item.target
