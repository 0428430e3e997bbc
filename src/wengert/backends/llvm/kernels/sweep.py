"""A matrix that is multiplied twice with a map between, read once: ``g(X w) X`` by blocks of rows.

The gradient of logistic regression is one: a block of rows that the first product has brought into
the cache serves the second.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ....ir.aval import Aval
from ....ir.equation import Equation, Literal, Operand, Variable
from ....ir.wengert_list import WengertList
from ....passes.uniform import uniform_number
from ..frame import Frame
from ..layout import bytes_of
from ..values import Value, load, store, type_of
from ..writer import Function, Module
from .divide import call_in_parts
from .emit import start_loop
from .kernel import KernelCode, define_kernel
from .products import plan_product
from .rows import TOGETHER, add_vector_times, times_vector

# Matrices smaller than this (in bytes) stay in the cache anyway.
_SMALLEST = 1 << 19
# A block has about so many entries, which the first cache holds, but whole vectors of rows; no
# more than so many.
_BLOCK, _VECTOR, _LARGEST = 3200, 8, 9000
# A task reads so many bytes of the matrix: about 0.1 ms.
_TASK = 1 << 20
_MOST_TASKS = 64
_FAMILIES = ("elementwise", "piecewise_constant", "selecting")

Item = WengertList | Equation


def _listed(pointers: Sequence[str]) -> str:
    return ", ".join(f"ptr {pointer}" for pointer in pointers)


class SweepStep:
    """The step of two products with one matrix and the kernel between them."""

    numbers_only = False
    scratch = 0

    def __init__(self, first: Equation, kernel: WengertList, second: Equation) -> None:
        self.kernel = kernel
        self.matrix, self.vector = first.operands
        if self.matrix.aval.ndim == 1:
            self.matrix, self.vector = self.vector, self.matrix
        place = second.operands.index(self.matrix)
        self.factor = second.operands[1 - place]
        self.letter = {4: "s", 8: "d"}[self.matrix.aval.dtype.itemsize]
        self.margin = first.outputs[0]
        self.result = second.outputs[0]
        own = [v for v in kernel.inputs if v is not self.margin]
        self.reads: tuple[Operand, ...] = (self.matrix, self.vector, *own)
        made = [v for v in kernel.outputs if isinstance(v, Variable)]
        self.writes: tuple[Variable, ...] = (self.margin, *made, self.result)

    def emit(self, frame: Frame) -> None:
        rows, columns = self.matrix.aval.shape
        block = min(rows, max(_VECTOR, _BLOCK // columns // _VECTOR * _VECTOR))
        name = frame.shared.name("sweep")
        codes = [self._define_map(frame, f"{name}.map", block)]
        if rows % block:
            codes.append(self._define_map(frame, f"{name}.rest", rows % block))
        pointers = [frame.pointer(operand) for operand in self.reads]
        constants = [frame.pointer(Literal(a)) for code in codes for a in code.constants]
        targets = [frame.target(variable) for variable in self.writes]
        size = max(code.workspace for code in codes)
        length = self._rows_of_a_task(block) if not size else rows
        tasks = -(-rows // length)
        if tasks > 1:  # each has a result of its own; they are added in order
            size = tasks * bytes_of(self.result.aval)
        workspace = frame.scratch(size) if size else "%workspace"
        count = sum(len(code.constants) for code in codes)
        arguments = [
            *(f"%read{i}" for i in range(len(pointers))),
            *(f"%held{i}" for i in range(count)),
            *(f"%written{i}" for i in range(len(targets))),
            "%workspace",
        ]
        self._define_rows(frame, name, block, codes, arguments)
        self._define(frame, name, arguments, length, tasks)
        given = [*pointers, *constants, *targets, workspace]
        called = frame.module.declare(name, "void", *["ptr"] * len(given))
        frame.function.line(f"call void {called}({_listed(given)})")
        for variable, pointer in zip(self.writes, targets, strict=True):
            frame.arrived(variable, pointer)

    def _define_map(self, frame: Frame, name: str, rows: int) -> KernelCode:
        return define_kernel(frame.loops, name, with_rows(self.kernel, rows))

    def _rows_of_a_task(self, block: int) -> int:
        """Return how many rows go to one thread at a time; this depends on the shape alone."""
        rows = self.matrix.aval.shape[0]
        tasks = min(_MOST_TASKS, bytes_of(self.matrix.aval) // _TASK)
        return -(-rows // (max(1, tasks) * block)) * block

    def _define(
        self, frame: Frame, name: str, arguments: Sequence[str], length: int, tasks: int
    ) -> None:
        """Write the function of all rows."""
        rows = self.matrix.aval.shape[0]
        function = frame.loops.function(name, "void", *(f"ptr {p}" for p in arguments))
        if tasks == 1:
            function.line(f'call void @"{name}.rows"({_listed(arguments)}, i64 0, i64 {rows})')
            function.line("ret void")
            return
        size = bytes_of(self.result.aval)

        def run(task: Function, pointers: Sequence[str], first: str, last: str) -> None:
            number = task.value(f"udiv i64 {first}, {length}")
            moved = task.value(f"mul nsw i64 {number}, {size}")
            own = task.value(f"getelementptr i8, ptr {pointers[-1]}, i64 {moved}")
            given = [*pointers[:-2], own, pointers[-1]]
            task.line(f'call void @"{name}.rows"({_listed(given)}, i64 {first}, i64 {last})')

        call_in_parts(function, name, arguments, (0, rows, length), run)
        self._add_up(function, arguments[-1], arguments[-2], tasks)
        function.line("ret void")

    def _add_up(self, function: Function, parts: str, target: str, tasks: int) -> None:
        """Add up the results of the tasks, in order."""
        dtype, size = self.result.aval.dtype, self.result.aval.size
        kind = type_of(dtype)
        entry, end = start_loop(function, "0", str(size))
        address = function.value(f"getelementptr {kind}, ptr {parts}, i64 {entry}")
        total = load(function, dtype, address)
        for number in range(1, tasks):
            other = function.value(f"getelementptr {kind}, ptr {address}, i64 {number * size}")
            added = load(function, dtype, other)
            total = Value(dtype, function.value(f"fadd {kind} {total.text}, {added.text}"))
        store(function, total, function.value(f"getelementptr {kind}, ptr {target}, i64 {entry}"))
        end()

    def _define_rows(
        self,
        frame: Frame,
        name: str,
        block: int,
        codes: Sequence[KernelCode],
        arguments: Sequence[str],
    ) -> None:
        """Write the function of some rows: from a block's start to a block's end, or to the end."""
        function = frame.loops.function(
            f"{name}.rows",
            "internal void",
            *(f"ptr {p}" for p in arguments),
            "i64 %first",
            "i64 %last",
            attributes="noinline nounwind",
        )
        reads = [p for p in arguments if p.startswith("%read")]
        writes = [p for p in arguments if p.startswith("%written")]
        held = iter(p for p in arguments if p.startswith("%held"))
        constants = [[next(held) for _ in code.constants] for code in codes]
        clear = frame.loops.declare("memset", "ptr", "ptr", "i32", "i64")
        function.line(
            f"call ptr {clear}(ptr {writes[-1]}, i32 0, i64 {bytes_of(self.result.aval)})"
        )
        rows = self.matrix.aval.shape[0]
        whole = rows // block * block
        smaller = frame.loops.declare("llvm.smin.i64", "i64", "i64", "i64")
        stop = function.value(f"call i64 {smaller}(i64 %last, i64 {whole})")
        start, end = start_loop(function, "%first", stop, block)
        self._block(frame, function, start, block, codes[0], (reads, constants[0], writes))
        end()
        if rows > whole:
            resting, done = function.new_label("rest"), function.new_label("done")
            short = function.value(f"icmp sgt i64 %last, {whole}")
            function.line(f"br i1 {short}, label %{resting}, label %{done}")
            function.start(resting)
            place = (reads, constants[1], writes)
            self._block(frame, function, str(whole), rows - whole, codes[1], place)
            function.line(f"br label %{done}")
            function.start(done)
        function.line("ret void")

    def _block(
        self,
        frame: Frame,
        function: Function,
        start: str,
        rows: int,
        code: KernelCode,
        pointers: tuple[list[str], list[str], list[str]],
    ) -> None:
        reads, held, writes = pointers
        columns = self.matrix.aval.shape[1]
        matrix = self._at(function, reads[0], self.matrix.aval, start)
        moved: dict[Operand, str] = {}
        for operand, pointer in zip(self.reads[2:], reads[2:], strict=True):
            moved[operand] = self._at(function, pointer, operand.aval, start)
        for variable, pointer in zip(self.writes[:-1], writes[:-1], strict=True):
            moved[variable] = self._at(function, pointer, variable.aval, start)
        margin = moved[self.margin]
        lying = (matrix, rows, columns)
        self._multiply(frame.loops, function, lying, reads[1], margin, add=False)
        arguments = [moved[v] for v in self.kernel.inputs]
        arguments += held
        arguments += [moved[v] for v in self.writes[1:-1]]
        listed = ", ".join(f"ptr {argument}" for argument in (*arguments, "%workspace"))
        function.value(f'call i32 @"{code.name}"({listed})')
        factor = moved[self.factor]
        self._multiply(frame.loops, function, lying, factor, writes[-1], add=True)

    def _multiply(
        self,
        module: Module,
        function: Function,
        lying: tuple[str, int, int],
        vector: str,
        result: str,
        *,
        add: bool,
    ) -> None:
        """Write ``result = rows @ vector`` or ``result += vector @ rows`` for a block of rows."""
        matrix, rows, columns = lying
        letter, size = self.letter, self.matrix.aval.dtype.itemsize

        def write(row: str, count: int) -> None:
            places = [function.value(f"mul nsw i64 {row}, {n * size}") for n in (columns, 1)]
            here, entry = (
                function.value(f"getelementptr i8, ptr {pointer}, i64 {place}")
                for pointer, place in zip((matrix, vector if add else result), places, strict=True)
            )
            if add:
                called = add_vector_times(module, letter, columns, count, rows * columns)
                given = (here, entry, result)
            else:
                called = times_vector(module, letter, columns, count)
                given = (here, vector, entry)
            function.line(f"call void {called}({_listed(given)})")

        whole = rows // TOGETHER * TOGETHER
        if whole:
            first, end = start_loop(function, "0", str(whole), TOGETHER)
            write(first, TOGETHER)
            end()
        for row in range(whole, rows):
            write(str(row), 1)

    def _at(self, function: Function, pointer: str, aval: Aval, start: str) -> str:
        """Return the address of the first row of a block; single numbers stay where they are."""
        if not aval.shape:
            return pointer
        width = aval.dtype.itemsize * (aval.size // aval.shape[0])
        moved = function.value(f"mul nsw i64 {start}, {width}")
        return function.value(f"getelementptr inbounds i8, ptr {pointer}, i64 {moved}")


# ------------------------------------------------------------------ finding them


def find_sweeps(items: Sequence[Item]) -> list[Item | SweepStep]:
    """Return the items of a schedule with those that form sweeps taken together."""
    found: list[list[Item | SweepStep]] = [[item] for item in items]
    made_by: dict[Variable, int] = {}
    for number, item in enumerate(items):
        for variable in item.outputs:
            if isinstance(variable, Variable):
                made_by[variable] = number
    taken: set[int] = set()
    for number, item in enumerate(items):
        if not isinstance(item, Equation):
            continue
        numbers = _sweep_ending_at(items, number, item, made_by)
        if numbers is None or taken & set(numbers):
            continue
        first, between, _ = numbers
        taken |= set(numbers)
        opening, kernel = items[first], items[between]
        assert isinstance(opening, Equation)
        assert isinstance(kernel, WengertList)
        each, others = _parted(kernel)
        found[between] = [SweepStep(opening, each, item)]
        if others is not None:
            found[between].append(others)
        found[first] = found[number] = []
    return [item for group in found for item in group]


def _is_read_by_rows(equation: Equation, matrix: Operand, *, along: int) -> bool:
    """Return whether an equation multiplies a vector and all of a matrix, summed over an axis."""
    product = plan_product(equation)
    if product is None or product.loops or matrix not in equation.operands:
        return False
    if len(matrix.aval.shape) != 2 or product.letter not in "sd":
        return False
    rows, columns = matrix.aval.shape
    other = equation.operands[1 - equation.operands.index(matrix)]
    if other.aval.shape != ((rows, columns)[along],) or other is matrix:
        return False
    return equation.outputs[0].aval.shape == ((rows, columns)[1 - along],)


def _sweep_ending_at(
    items: Sequence[Item], number: int, second: Equation, made_by: dict[Variable, int]
) -> tuple[int, int, int] | None:
    """Return the numbers of the two products and the kernel between, or None."""
    if len(second.operands) != 2:
        return None
    for matrix, factor in (second.operands, second.operands[::-1]):
        if not isinstance(factor, Variable):
            continue
        size = matrix.aval.size * matrix.aval.dtype.itemsize
        if size < _SMALLEST or not _is_read_by_rows(second, matrix, along=0):
            continue
        if matrix.aval.shape[1] > _LARGEST // _VECTOR:
            continue
        between = made_by.get(factor)
        if between is None:
            continue
        kernel = items[between]
        if not isinstance(kernel, WengertList):
            continue
        each, _ = _parted(kernel)
        if factor not in each.outputs or not _is_map(each, matrix.aval.shape[0]):
            continue
        for margin in each.inputs:
            first = made_by.get(margin)
            if first is None:
                continue
            opening = items[first]
            if (
                isinstance(opening, Equation)
                and _is_read_by_rows(opening, matrix, along=1)
                and not _is_read_between(items, first, between, margin)
            ):
                return first, between, number
    return None


def _is_read_between(items: Sequence[Item], first: int, last: int, variable: Variable) -> bool:
    for item in items[first + 1 : last]:
        reads = item.inputs if isinstance(item, WengertList) else item.operands
        if variable in reads:
            return True
    return False


def _parted(kernel: WengertList) -> tuple[WengertList, WengertList | None]:
    """Return the results of a kernel that have an entry a row, and the others, as two kernels."""
    producers = {v: equation for equation in kernel.equations for v in equation.outputs}
    rows = [v for v in kernel.outputs if producers[v].primitive.family in _FAMILIES]  # type: ignore[index]
    others = [v for v in kernel.outputs if v not in rows]
    if not others or not rows:
        return kernel, None
    return _kernel_of(kernel, rows), _kernel_of(kernel, others)


def _kernel_of(kernel: WengertList, outputs: Sequence[Operand]) -> WengertList:
    needed = {operand for operand in outputs if isinstance(operand, Variable)}
    equations = []
    for equation in reversed(kernel.equations):
        if any(variable in needed for variable in equation.outputs):
            equations.append(equation)
            needed |= {o for o in equation.operands if isinstance(o, Variable)}
    return WengertList([v for v in kernel.inputs if v in needed], equations[::-1], outputs)


def _is_map(kernel: WengertList, rows: int) -> bool:
    """Return whether a kernel computes every row from the same row of what it reads."""
    avals = [variable.aval for variable in kernel.inputs]
    for equation in kernel.equations:
        if equation.primitive.family not in _FAMILIES:
            return False
        avals += [operand.aval for operand in (*equation.operands, *equation.outputs)]
        if any(
            isinstance(operand, Literal)
            and operand.aval.shape
            and uniform_number(np.asarray(operand.value)) is None
            for operand in equation.operands
        ):
            return False
    return all(aval.shape in ((), (rows,)) for aval in avals)


def with_rows(kernel: WengertList, rows: int) -> WengertList:
    """Return a kernel that does the same for another number of rows."""
    twins: dict[Variable, Variable] = {}

    def twin(operand: Operand) -> Operand:
        if isinstance(operand, Literal):
            if not operand.aval.shape:
                return operand
            return Literal(uniform_number(np.asarray(operand.value)))
        found = twins.get(operand)
        if found is None:
            aval = operand.aval
            shape = (rows,) if aval.shape else ()
            found = twins[operand] = Variable(Aval(shape, aval.dtype, aval.kind))
        return found

    def variable(operand: Operand) -> Variable:
        made = twin(operand)
        assert isinstance(made, Variable)
        return made

    inputs = [variable(v) for v in kernel.inputs]
    equations = [
        Equation(
            equation.primitive,
            [twin(operand) for operand in equation.operands],
            equation.params,
            [variable(v) for v in equation.outputs],
        )
        for equation in kernel.equations
    ]
    return WengertList(inputs, equations, [variable(v) for v in kernel.outputs])
