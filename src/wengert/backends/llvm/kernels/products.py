"""Products of matrices and vectors by BLAS: which routine, which strides, which loops around it.

Transposes are flags, batch axes are loops, and an operand that lies otherwise than BLAS can read it
is left to others (`plan_product` gives None). What BLAS would divide among threads of its own goes
to `tiles` instead, up to a size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from ....ir.equation import Equation
from ....passes.contractions import Contraction, contraction_of
from ..frame import EquationStep, Frame
from ..library import symbol
from ..writer import Function, Module
from . import tiles
from .divide import WORTHWHILE, call_in_parts
from .emit import start_loop

_LETTERS = {("f", 4): "s", ("f", 8): "d", ("c", 8): "c", ("c", 16): "z"}
# Products smaller than this are written out in a kernel.
SMALLEST = 512
_INT_LIMIT = 2**31
# Multiplications of one product: so many BLAS leaves to one thread; from so many on (4 ms) it does
# not matter any more how long its threads take to wake up and to go to sleep.
_SMALL, _LARGE = 1 << 18, 1 << 27
# Entries of a matrix that BLAS multiplies by a vector in one thread.
_BLOCK = 9000
# What one multiplication takes in a batch of small products, in nanoseconds, and by a vector, where
# memory is slower; how long a part of a batch takes.
_NANOSECONDS, _MEMORY, _PART = 0.05, 0.15, 25_000.0


class Matrix(NamedTuple):
    """How an operand lies: strides in entries along its rows and columns."""

    row: int
    column: int


class Product(NamedTuple):
    """One call of BLAS, and the loops around it.

    ``result[i, j] = Σₖ first[i, k] second[k, j]``; ``loops`` holds for each batch axis its length
    and the strides of the first operand, the second, and the result.
    """

    letter: str
    rows: int
    columns: int
    depth: int
    first: Matrix
    second: Matrix
    result: Matrix
    loops: tuple[tuple[int, int, int, int], ...]


def plan_product(equation: Equation) -> Product | None:
    """Return how BLAS carries out a contraction, or None."""
    labels = contraction_of(equation)
    if labels is None:
        return None
    result = equation.outputs[0].aval
    dtype = result.dtype
    letter = _LETTERS.get((dtype.kind, dtype.itemsize))
    avals = [operand.aval for operand in equation.operands]
    if letter is None or any(aval.dtype != dtype for aval in avals):
        return None
    sizes = _sizes(labels, avals[0].shape, avals[1].shape)
    if sizes is None or not labels.summed or not all(sizes.values()):
        return None
    strides = [
        _strides(term, shape)
        for term, shape in (
            (labels.first, avals[0].shape),
            (labels.second, avals[1].shape),
            (labels.result, result.shape),
        )
    ]
    row_labels = _mergeable(labels.rows, sizes, strides[0], strides[2])
    column_labels = _mergeable(labels.columns, sizes, strides[1], strides[2])
    rows = _merged(row_labels, sizes, strides[0], strides[2])
    columns = _merged(column_labels, sizes, strides[1], strides[2])
    depth = _merged(labels.summed, sizes, strides[0], strides[1])
    if rows is None or columns is None or depth is None:
        return None
    if max(rows[0], columns[0], depth[0]) >= _INT_LIMIT:
        return None
    loops = tuple(
        (sizes[c], *(own.get(c, 0) if sizes[c] > 1 else 0 for own in strides))
        for c in labels.result
        if c not in row_labels and c not in column_labels and sizes[c] > 1
    )
    found = Product(
        letter,
        rows[0],
        columns[0],
        depth[0],
        Matrix(rows[1], depth[1]),
        Matrix(depth[2], columns[1]),
        Matrix(rows[2], columns[2]),
        loops,  # type: ignore[arg-type]
    )
    return found if _is_readable(found) else None


def _sizes(
    labels: Contraction, first: tuple[int, ...], second: tuple[int, ...]
) -> dict[str, int] | None:
    """Return the length of every label; only batch axes may broadcast."""
    sizes: dict[str, int] = {}
    for term, shape in ((labels.first, first), (labels.second, second)):
        for c, length in zip(term, shape, strict=True):
            known = sizes.setdefault(c, length)
            if known != length and c not in labels.batch:
                return None
            sizes[c] = length if known == 1 else known
    return sizes


def _strides(term: str, shape: tuple[int, ...]) -> dict[str, int]:
    found = {}
    stride = 1
    for c, length in zip(reversed(term), reversed(shape), strict=True):
        found[c] = stride if length != 1 else 0
        stride *= length
    return found


def _mergeable(group: str, sizes: dict[str, int], *strides: dict[str, int]) -> str:
    """Return the last axes of a group that can be taken as one; loops go over the others."""
    start = 0
    while _merged(group[start:], sizes, *strides) is None:
        start += 1
    return group[start:]


def _merged(
    group: str, sizes: dict[str, int], *strides: dict[str, int]
) -> tuple[int, int, int] | None:
    """Return length and strides of axes taken as one, or None where no stride serves them."""
    group = "".join(c for c in group if sizes[c] != 1)
    if not group:
        return 1, 0, 0
    length = 1
    for position, c in enumerate(group):
        length *= sizes[c]
        if position:
            before = group[position - 1]
            if any(own[before] != own[c] * sizes[c] for own in strides):
                return None
    last = group[-1]
    return length, strides[0][last], strides[1][last]


def _is_readable(product: Product) -> bool:
    """Return whether every matrix has a stride of one entry along one side."""
    sides = (
        (product.first, product.rows, product.depth),
        (product.second, product.depth, product.columns),
        (product.result, product.rows, product.columns),
    )
    for matrix, rows, columns in sides:
        if rows > 1 and columns > 1 and 1 not in matrix:
            return False
        if (
            rows > 1
            and columns > 1
            and max(matrix) < min(rows if matrix.row == 1 else columns, _INT_LIMIT)
        ):
            return False
    return True


# ------------------------------------------------------------------ code


class ProductStep(EquationStep):
    """The step of one contraction that BLAS, or `tiles`, carries out."""

    __slots__ = ("product",)

    may_leave = False

    def __init__(self, equation: Equation, product: Product) -> None:
        super().__init__(equation)
        self.product = product

    @property
    def is_by_library(self) -> bool:
        """Whether BLAS multiplies, not code of our own."""
        return not _goes_in_tiles(self.product)

    def emit(self, frame: Frame) -> None:
        name = frame.shared.name("product")
        product = self.product
        _define_product(frame.loops, name, product)
        pointers = [frame.pointer(operand) for operand in self.reads]
        target = frame.target(self.writes[0])
        room = "%workspace"
        if _goes_in_tiles(product):
            room = frame.scratch_of_part(tiles.packed_bytes(product.letter, *_turned(product)[1:]))
        arguments = [*pointers, target, room]
        called = frame.module.declare(name, "void", *["ptr"] * len(arguments))
        listed = ", ".join(f"ptr {argument}" for argument in arguments)
        frame.function.line(f"call void {called}({listed})")
        frame.arrived(self.writes[0], target)


def _goes_in_tiles(product: Product) -> bool:
    """Return whether `tiles` multiplies these matrices, not BLAS."""
    rows, columns, depth = product.rows, product.columns, product.depth
    if product.letter not in "sd" or min(rows, columns) < 4:
        return False
    return _SMALL < rows * columns * depth <= _LARGE


def _as_column(product: Product) -> Product:
    """Return a product of a vector and a matrix as that of the matrix and the vector."""
    return Product(
        product.letter,
        product.columns,
        1,
        product.depth,
        Matrix(product.second.column, product.second.row),
        Matrix(product.first.column, 0),
        Matrix(product.result.column, 0),
        tuple((length, second, first, result) for length, first, second, result in product.loops),
    )


def _blocks(product: Product) -> Product | None:
    """Return a matrix that lies row by row, times a vector, as a batch of blocks of rows.

    Their number of entries is what BLAS leaves to one thread. None where there is no reason to.
    """
    if product.loops or product.columns > 1 or product.first.column != 1:
        return None
    rows = _BLOCK // product.depth // 4 * 4
    if not rows or rows >= product.rows:
        return None
    return product._replace(
        rows=rows,
        loops=((product.rows // rows, rows * product.first.row, 0, rows * product.result.row),),
    )


def _turned(product: Product) -> tuple[int, int, int]:
    """Return rows, columns and depth of the product whose result lies row by row."""
    sizes = (product.rows, product.columns)
    return (*(sizes if product.result.column == 1 else sizes[::-1]), product.depth)


_POINTERS = ("%first", "%second", "%result", "%room")


def _define_product(module: Module, name: str, product: Product) -> None:
    listed = [f"ptr {pointer}" for pointer in _POINTERS]
    function = module.function(name, "void", *listed)
    pointers = list(_POINTERS)
    if product.rows == 1 and product.columns > 1:
        product = _as_column(product)
        pointers[:2] = pointers[1::-1]
    blocks = _blocks(product)
    if blocks is not None:
        _define_loops(module, function, name, blocks, pointers)
        ((count, *strides),) = blocks.loops
        product = product._replace(rows=product.rows - count * blocks.rows)
        pointers = _moved(function, blocks, pointers, [count * stride for stride in strides])
    if product.loops:
        _define_loops(module, function, name, product, pointers)
    elif product.rows:
        _call(module, function, product, pointers)
    function.line("ret void")


def _define_loops(
    module: Module, function: Function, name: str, product: Product, pointers: Sequence[str]
) -> None:
    """Write the call of a batch of products, by several threads if that may pay."""
    _define_batch(module, f"{name}.batch", product)

    def run(task: Function, pointers: Sequence[str], first: str, last: str) -> None:
        given = ", ".join(f"ptr {pointer}" for pointer in pointers)
        task.line(f'call void @"{name}.batch"({given}, i64 {first}, i64 {last})')

    length = product.loops[0][0]
    entries = math.prod(loop[0] for loop in product.loops) * product.rows * product.columns
    each = _MEMORY if product.columns == 1 else _NANOSECONDS
    nanoseconds = each * entries * product.depth
    if _goes_in_tiles(product) or nanoseconds < WORTHWHILE:
        run(function, pointers, "0", str(length))
    else:
        part = max(1, int(length * _PART / nanoseconds))
        call_in_parts(function, name, pointers, (0, length, part), run)


def _define_batch(module: Module, name: str, product: Product) -> None:
    """Write the function of a part of the outermost batch axis, and of all of the others."""
    function = module.function(
        name, "internal void", *(f"ptr {p}" for p in _POINTERS), "i64 %start", "i64 %stop"
    )
    pointers = list(_POINTERS)
    ends = []
    for number, (length, *strides) in enumerate(product.loops):
        limits = ("0", str(length)) if number else ("%start", "%stop")
        axis, end = start_loop(function, *limits)
        ends.append(end)
        places = [
            function.value(f"mul nsw i64 {axis}, {stride}") if stride else 0 for stride in strides
        ]
        pointers = _moved(function, product, pointers, places)
    _call(module, function, product, pointers)
    for end in reversed(ends):
        end()
    function.line("ret void")


_ELEMENTS = {"s": "float", "d": "double", "c": "{float, float}", "z": "{double, double}"}


def _moved(
    function: Function, product: Product, pointers: Sequence[str], places: Sequence[str | int]
) -> list[str]:
    """Return the addresses of the operands and the result, moved by so many entries each."""
    found = list(pointers)
    element = _ELEMENTS[product.letter]
    for k, place in enumerate(places):
        if place:
            found[k] = function.value(
                f"getelementptr inbounds {element}, ptr {pointers[k]}, i64 {place}"
            )
    return found


def _call(module: Module, function: Function, product: Product, pointers: list[str]) -> None:
    first, second, result, _ = pointers
    rows, columns, depth = product.rows, product.columns, product.depth
    if _goes_in_tiles(product):
        _call_tiles(module, function, product, pointers)
    elif rows == 1 and columns == 1:
        _dot(module, function, product, pointers)
    elif columns == 1:
        call_vector(
            module, function, product.letter, (rows, depth), product.first, first,
            (second, product.second.row), (result, product.result.row),
        )  # fmt: skip
    elif rows == 1:
        turned = Matrix(product.second.column, product.second.row)
        call_vector(
            module, function, product.letter, (columns, depth), turned, second,
            (first, product.first.column), (result, product.result.column),
        )  # fmt: skip
    elif product.result.column == 1:
        # Row by row, the result is its transpose column by column: secondᵀ first.
        _matrix(
            module, function, product.letter, (columns, rows, depth),
            (second, Matrix(product.second.column, product.second.row)),
            (first, Matrix(product.first.column, product.first.row)),
            (result, product.result.row),
        )  # fmt: skip
    else:
        _matrix(
            module, function, product.letter, (rows, columns, depth),
            (first, product.first), (second, product.second), (result, product.result.column),
        )  # fmt: skip


def _call_tiles(
    module: Module, function: Function, product: Product, pointers: Sequence[str]
) -> None:
    first, second, result, room = pointers
    sides = [(first, *product.first), (second, *product.second)]
    lead = product.result.row
    if product.result.column != 1:  # the result is its transpose row by row: secondᵀ firstᵀ
        sides = [(p, column, row) for p, row, column in reversed(sides)]
        lead = product.result.column
    high, wide, shares = tiles.blocks_of(product.letter, *_turned(product))
    arguments = [f"i64 {size}" for size in _turned(product)]
    for pointer, row, column in sides:
        arguments += [f"ptr {pointer}", f"i64 {row}", f"i64 {column}"]
    arguments += [f"ptr {result}", f"i64 {lead}", f"ptr {room}", f"i64 {high}", f"i64 {wide}"]
    arguments.append(f"i1 {int(shares)}")
    kinds = [argument.split()[0] for argument in arguments]
    called = module.declare(tiles.symbol(product.letter), "void", *kinds)
    function.line(f"call void {called}({', '.join(arguments)})")


def _matrix(
    module: Module,
    function: Function,
    letter: str,
    sizes: tuple[int, int, int],
    first: tuple[str, Matrix],
    second: tuple[str, Matrix],
    result: tuple[str, int],
) -> None:
    """Call gemm, which reads and writes column by column."""
    rows, columns, depth = sizes
    first_flag, first_lead = _flag(first[1], rows, depth)
    second_flag, second_lead = _flag(second[1], depth, columns)
    _invoke(
        module, function, f"{letter}gemm",
        _flag_text(module, first_flag), _flag_text(module, second_flag),
        *(number(module, n) for n in (rows, columns, depth)),
        _one(module, letter), first[0], number(module, first_lead),
        second[0], number(module, second_lead), _zero(module, letter),
        result[0], number(module, max(result[1], rows)),
    )  # fmt: skip


def _flag(matrix: Matrix, rows: int, columns: int) -> tuple[str, int]:
    """Return the flag and the leading dimension of a matrix of so many rows and columns."""
    if (matrix.row == 1 or rows == 1) and (columns == 1 or matrix.column >= rows):
        return "N", max(matrix.column, rows)
    return "T", max(matrix.row, columns)


def call_vector(
    module: Module,
    function: Function,
    letter: str,
    sizes: tuple[int, int],
    matrix: Matrix,
    address: str,
    vector: tuple[str, int],
    result: tuple[str, int],
    *,
    add: bool = False,
) -> None:
    """Call gemv: a matrix of ``sizes`` (rows, depth) times a vector, stored or added."""
    rows, depth = sizes
    flag, lead = _flag(matrix, rows, depth)
    stored = (rows, depth) if flag == "N" else (depth, rows)
    _invoke(
        module, function, f"{letter}gemv", _flag_text(module, flag),
        *(number(module, n) for n in stored), _one(module, letter),
        address, number(module, lead), vector[0], number(module, max(vector[1], 1)),
        (_one if add else _zero)(module, letter), result[0], number(module, max(result[1], 1)),
    )  # fmt: skip


def _dot(module: Module, function: Function, product: Product, pointers: list[str]) -> None:
    first, second, result, _ = pointers
    # One row times a vector: gemv serves complex numbers too, whose dot returns a structure.
    matrix = Matrix(1, 1) if product.first.column <= 1 else Matrix(0, product.first.column)
    if matrix.row:
        turned, lead = "T", product.depth
        stored = (product.depth, 1)
    else:
        turned, lead = "N", product.first.column
        stored = (1, product.depth)
    _invoke(
        module, function, f"{product.letter}gemv", _flag_text(module, turned),
        *(number(module, n) for n in stored), _one(module, product.letter),
        first, number(module, lead), second, number(module, max(product.second.row, 1)),
        _zero(module, product.letter), result, number(module, 1),
    )  # fmt: skip


def _invoke(module: Module, function: Function, routine: str, *arguments: str) -> None:
    called = module.declare(symbol("blas", routine), "void", *["ptr"] * len(arguments))
    listed = ", ".join(f"ptr {argument}" for argument in arguments)
    function.line(f"call void {called}({listed})")


def number(module: Module, value: int) -> str:
    """Return the address of a 32-bit integer."""
    name = f"int.{value}"
    return module.define(name, f'@"{name}" = private unnamed_addr constant i32 {value}')


def _flag_text(module: Module, flag: str) -> str:
    name = f"flag.{flag}"
    return module.define(name, f'@"{name}" = private unnamed_addr constant i8 {ord(flag)}')


def _scalar(module: Module, letter: str, name: str, real: str) -> str:
    kind = "float" if letter in "sc" else "double"
    text = f"{kind} {real}"
    if letter in "cz":
        text = f"{{{kind}, {kind}}} {{{kind} {real}, {kind} 0.0}}"
    full = f"{name}.{letter}"
    return module.define(full, f'@"{full}" = private unnamed_addr constant {text}')


def _one(module: Module, letter: str) -> str:
    return _scalar(module, letter, "one", "1.0")


def _zero(module: Module, letter: str) -> str:
    return _scalar(module, letter, "zero", "0.0")
