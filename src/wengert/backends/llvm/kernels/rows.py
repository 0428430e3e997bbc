"""A few rows of a matrix times a vector, and a vector times them: both halves of a sweep.

The second half asks for the rows that come next, so that memory is read while it computes.
"""

from __future__ import annotations

from ..math.target import has_fma
from ..writer import Module
from .tiles import tile_of

# Rows that are multiplied together: as many sums as hide the latency of one.
TOGETHER = 8


class _Code:
    """Text for rows of one width: whole vectors, then a part of one."""

    def __init__(self, module: Module, letter: str, columns: int) -> None:
        self.module = module
        self.real = "float" if letter == "s" else "double"
        self.size = 4 if letter == "s" else 8
        self.width = tile_of(letter).width
        self.kind = f"<{self.width} x {self.real}>"
        self.suffix = f"v{self.width}f{8 * self.size}"
        self.whole = columns // self.width * self.width
        self.rest = columns - self.whole
        self.lines: list[str] = []
        self.count = 0

    def value(self, instruction: str) -> str:
        self.count += 1
        self.lines.append(f"  %v{self.count} = {instruction}")
        return f"%v{self.count}"

    def line(self, instruction: str) -> None:
        self.lines.append(instruction)

    def place(self, pointer: str, entry: str) -> str:
        return self.value(f"getelementptr {self.real}, ptr {pointer}, i64 {entry}")

    def _mask(self) -> str:
        bits = ", ".join(f"i1 {str(i < self.rest).lower()}" for i in range(self.width))
        return f"<{self.width} x i1> <{bits}>"

    def load(self, pointer: str, *, part: bool) -> str:
        if not part:
            return self.value(f"load {self.kind}, ptr {pointer}, align {self.size}")
        called = self.module.declare(
            f"llvm.masked.load.{self.suffix}.p0",
            self.kind,
            *("ptr", "i32 immarg", f"<{self.width} x i1>", self.kind),
        )
        return self.value(
            f"call {self.kind} {called}(ptr {pointer}, i32 {self.size}, {self._mask()}, "
            f"{self.kind} zeroinitializer)"
        )

    def store(self, value: str, pointer: str, *, part: bool) -> None:
        if not part:
            self.line(f"  store {self.kind} {value}, ptr {pointer}, align {self.size}")
            return
        called = self.module.declare(
            f"llvm.masked.store.{self.suffix}.p0",
            "void",
            *(self.kind, "ptr", "i32 immarg", f"<{self.width} x i1>"),
        )
        self.line(
            f"  call void {called}({self.kind} {value}, ptr {pointer}, i32 {self.size}, "
            f"{self._mask()})"
        )

    def multiply_add(self, x: str, y: str, z: str) -> str:
        kind = self.kind
        if has_fma():
            called = self.module.declare(f"llvm.fma.{self.suffix}", kind, kind, kind, kind)
            return self.value(f"call {kind} {called}({kind} {x}, {kind} {y}, {kind} {z})")
        product = self.value(f"fmul {kind} {x}, {y}")
        return self.value(f"fadd {kind} {z}, {product}")

    def total(self, vector: str) -> str:
        """Return the sum of the lanes, halves added to halves."""
        width, kind = self.width, self.kind
        while width > 1:
            half = width // 2
            parts = []
            for start in (0, half):
                listed = ", ".join(f"i32 {start + i}" for i in range(half))
                parts.append(
                    self.value(
                        f"shufflevector {kind} {vector}, {kind} poison, <{half} x i32> <{listed}>"
                    )
                )
            width, kind = half, f"<{half} x {self.real}>"
            vector = self.value(f"fadd {kind} {parts[0]}, {parts[1]}")
        return self.value(f"extractelement {kind} {vector}, i32 0")

    def spread(self, number: str) -> str:
        kind = self.kind
        first = self.value(f"insertelement {kind} poison, {self.real} {number}, i32 0")
        return self.value(
            f"shufflevector {kind} {first}, {kind} poison, <{self.width} x i32> zeroinitializer"
        )

    def define(self, name: str, head: str) -> str:
        bits = 8 * self.size * self.width
        attributes = (
            f'noinline nounwind "prefer-vector-width"="{bits}" "min-legal-vector-width"="{bits}"'
        )
        text = "\n".join([f'define internal void @"{name}"({head}) {attributes} {{', "entry:"])
        return self.module.define(name, "\n".join([text, *self.lines, "}"]))


def times_vector(module: Module, letter: str, columns: int, rows: int) -> str:
    """Return a function ``(matrix, vector, result)`` for so many rows: ``matrix @ vector``."""
    name = f"rows.{letter}.{columns}.{rows}.dot"
    if name in module.definitions:
        return f'@"{name}"'
    code = _Code(module, letter, columns)
    starts = [code.place("%matrix", str(row * columns)) for row in range(rows)]
    sums = ["zeroinitializer"] * rows
    if code.whole:
        code.line("  br label %head")
        code.line("head:")
        code.line("  %j = phi i64 [ 0, %entry ], [ %j.next, %head ]")
        made = len(code.lines)
        vector = code.load(code.place("%vector", "%j"), part=False)
        following = [
            code.multiply_add(code.load(code.place(start, "%j"), part=False), vector, f"%sum{row}")
            for row, start in enumerate(starts)
        ]
        phis = [
            f"  %sum{row} = phi {code.kind} [ zeroinitializer, %entry ], [ {total}, %head ]"
            for row, total in enumerate(following)
        ]
        code.lines[made:made] = phis
        code.line(f"  %j.next = add nsw i64 %j, {code.width}")
        code.line(f"  %more = icmp slt i64 %j.next, {code.whole}")
        code.line("  br i1 %more, label %head, label %tail")
        code.line("tail:")
        sums = following
    if code.rest:
        vector = code.load(code.place("%vector", str(code.whole)), part=True)
        sums = [
            code.multiply_add(
                code.load(code.place(start, str(code.whole)), part=True), vector, total
            )
            for start, total in zip(starts, sums, strict=True)
        ]
    for row, total in enumerate(sums):
        number = code.total(total)
        code.line(f"  store {code.real} {number}, ptr {code.place('%result', str(row))}")
    code.line("  ret void")
    return code.define(name, "ptr noalias %matrix, ptr noalias %vector, ptr noalias %result")


def add_vector_times(module: Module, letter: str, columns: int, rows: int, ahead: int) -> str:
    """Return a function ``(matrix, vector, result)`` of rows: ``result += vector @ matrix``.

    The entries `ahead` of those of the matrix are fetched meanwhile.
    """
    name = f"rows.{letter}.{columns}.{rows}.{ahead}.add"
    if name in module.definitions:
        return f'@"{name}"'
    code = _Code(module, letter, columns)
    fetch = module.declare("llvm.prefetch.p0", "void", "ptr", "i32", "i32", "i32")
    starts = [code.place("%matrix", str(row * columns)) for row in range(rows)]
    factors = []
    for row in range(rows):
        number = code.value(f"load {code.real}, ptr {code.place('%vector', str(row))}")
        factors.append(code.spread(number))

    def step(entry: str, *, part: bool) -> None:
        target = code.place("%result", entry)
        total = code.load(target, part=part)
        for start, factor in zip(starts, factors, strict=True):
            here = code.place(start, entry)
            total = code.multiply_add(code.load(here, part=part), factor, total)
            coming = code.place(here, str(ahead))
            code.line(f"  call void {fetch}(ptr {coming}, i32 0, i32 2, i32 1)")
        code.store(total, target, part=part)

    if code.whole:
        code.line("  br label %head")
        code.line("head:")
        code.line("  %j = phi i64 [ 0, %entry ], [ %j.next, %head ]")
        step("%j", part=False)
        code.line(f"  %j.next = add nsw i64 %j, {code.width}")
        code.line(f"  %more = icmp slt i64 %j.next, {code.whole}")
        code.line("  br i1 %more, label %head, label %tail")
        code.line("tail:")
    if code.rest:
        step(str(code.whole), part=True)
    code.line("  ret void")
    return code.define(name, "ptr noalias %matrix, ptr noalias %vector, ptr noalias %result")
