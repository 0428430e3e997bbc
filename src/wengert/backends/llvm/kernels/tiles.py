"""Products of two matrices in tiles that registers hold: ``wengert.product.d`` and ``….s``.

Each tile is a chain of multiplications and additions along the summed axis, in its order; operands
are packed so that every read is the next one. The work is divided by the shapes alone and done by
the pool of this package: threads that belong to BLAS would wait, spinning, for the same processors.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from .. import engine
from ..cache import object_code
from ..math.target import has_fma
from ..threads import PARALLEL
from ..threads import make_available as make_pool_available

PRECISIONS = ("s", "d")
# So much of the summed axis at a time: a panel of the second matrix stays in the first cache.
_DEPTH = 192
# So many rows at most are packed for one task.
_ROWS = 96
# What the multiplications and additions of one vector take of one thread, in nanoseconds.
_NANOSECONDS = 0.28
# Above this the product is worth telling other threads of; one task is about so long.
_WORTHWHILE, _TASK = 80_000.0, 25_000.0
# Packing is shared among threads where it moves so many entries.
_MUCH = 1 << 17


class Tile(NamedTuple):
    """How many entries of the result are computed together, and how they lie in registers."""

    rows: int
    vectors: int
    width: int

    @property
    def columns(self) -> int:
        return self.vectors * self.width


def tile_of(letter: str) -> Tile:
    """Return the tile for ``"s"`` or ``"d"`` on this machine."""
    size = 4 if letter == "s" else 8
    machine = engine.host()
    features = machine.features.split(",")
    if not machine.triple.startswith(("x86_64", "i386", "i686")):
        return Tile(12, 2, 16 // size)
    if "+avx512f" in features:
        return Tile(12, 2, 64 // size)
    return Tile(6, 2, (32 if "+avx" in features else 16) // size)


def symbol(letter: str) -> str:
    """Return the name by which code calls the product of matrices of a precision."""
    return f"wengert.product.{letter}"


def packed_bytes(letter: str, columns: int, depth: int) -> int:
    """Return how much memory the second matrix takes when it is packed."""
    width = tile_of(letter).columns
    return -(-columns // width) * width * depth * (4 if letter == "s" else 8)


def blocks_of(letter: str, rows: int, columns: int, depth: int) -> tuple[int, int, bool]:
    """Return rows and columns of one task, and whether there are enough tasks for more threads."""
    tile = tile_of(letter)
    step = _NANOSECONDS / tile.width
    whole_rows = -(-rows // tile.rows) * tile.rows
    whole_columns = -(-columns // tile.columns) * tile.columns
    if step * rows * columns * depth < _WORTHWHILE:
        return min(_ROWS, whole_rows), whole_columns, False
    high = min(_ROWS, -(-whole_rows // (4 * tile.rows)) * tile.rows)
    panels = max(4, int(_TASK / (step * high * depth * tile.columns)))
    return high, min(panels * tile.columns, whole_columns), True


# ------------------------------------------------------------------ code

# What a product's tasks know: (name, type), one word each.
_CONTEXT = (
    ("m", "i64"), ("n", "i64"), ("k", "i64"), ("a", "ptr"), ("ars", "i64"), ("acs", "i64"),
    ("b", "ptr"), ("brs", "i64"), ("bcs", "i64"), ("c", "ptr"), ("crs", "i64"),
    ("packed", "ptr"), ("high", "i64"), ("wide", "i64"),
)  # fmt: skip


def _loop(name: str, first: str, last: str, step: Any, body: str, before: str) -> str:
    """Return ``for %name in range(first, last, step)``; ``before`` and the end are labels.

    The body starts in block ``name.body`` and ends in ``name.latch``.
    """
    return f"""
  br label %{name}.head
{name}.head:
  %{name} = phi i64 [ {first}, %{before} ], [ %{name}.next, %{name}.latch ]
  %{name}.inside = icmp slt i64 %{name}, {last}
  br i1 %{name}.inside, label %{name}.body, label %{name}.end
{name}.body:
{body}
  br label %{name}.latch
{name}.latch:
  %{name}.next = add nsw i64 %{name}, {step}
  br label %{name}.head
{name}.end:"""


def _loads() -> str:
    lines = []
    for place, (name, kind) in enumerate(_CONTEXT):
        lines.append(f"  %{name}.at = getelementptr i64, ptr %context, i64 {place}")
        lines.append(f"  %{name} = load {kind}, ptr %{name}.at")
    return "\n".join(lines)


def _pack(name: str, width: int, real: str, copy: str) -> str:
    """Return a function that packs ``width`` lines of a matrix beside each other.

    ``target[p, i] = source[min(i, count - 1), p]``: lines that are not there are never looked at
    where the result is stored, so that any number serves.
    """
    offsets = "\n".join(
        f"  %i{i} = call i64 @llvm.smin.i64(i64 {i}, i64 %last)\n  %o{i} = mul nsw i64 %i{i}, %line"
        for i in range(width)
    )
    apart = "\n".join(
        f"  %s{i} = getelementptr {real}, ptr %from, i64 %o{i}\n"
        f"  %x{i} = load {real}, ptr %s{i}\n"
        f"  %t{i} = getelementptr {real}, ptr %to, i64 {i}\n"
        f"  store {real} %x{i}, ptr %t{i}"
        for i in range(width)
    )
    where = f"""
  %from.place = mul nsw i64 %p, %step
  %from = getelementptr {real}, ptr %source, i64 %from.place
  %to.place = mul nsw i64 %p, {width}
  %to = getelementptr {real}, ptr %target, i64 %to.place
"""
    return f"""
define internal void @{name}(ptr noalias %source, i64 %line, i64 %step, i64 %count, i64 %depth,
                             ptr noalias %target) ATTRIBUTES {{
entry:
  %last = sub nsw i64 %count, 1
  %near = icmp eq i64 %line, 1
  %full = icmp sge i64 %count, {width}
  %together = and i1 %near, %full
  br i1 %together, label %copy, label %gather
copy:
{_loop("p", "0", "%depth", 1, where + copy, "copy")}
  ret void
gather:
{offsets}
{
        _loop("p", "0", "%depth", 1, where + apart, "gather")
        .replace("%p", "%q")
        .replace("p.", "q.")
        .replace("%from", "%gfrom")
        .replace("%to", "%gto")
    }
  ret void
}}
"""


def _copy(width: int, real: str, lanes: int) -> str:
    """Return the code that copies ``width`` entries side by side."""
    lines, start = [], 0
    while start < width:
        count = min(lanes, width - start)
        kind = f"<{count} x {real}>"
        size = 4 if real == "float" else 8
        lines += [
            f"  %v{start}.from = getelementptr {real}, ptr %from, i64 {start}",
            f"  %v{start} = load {kind}, ptr %v{start}.from, align {size}",
            f"  %v{start}.to = getelementptr {real}, ptr %to, i64 {start}",
            f"  store {kind} %v{start}, ptr %v{start}.to, align {size}",
        ]
        start += count
    return "\n".join(lines)


def _tile(tile: Tile, real: str) -> str:
    """Return the function of one tile."""
    kind = f"<{tile.width} x {real}>"
    size = 4 if real == "float" else 8
    suffix = f"v{tile.width}f{8 * size}"
    cells = [(i, j) for i in range(tile.rows) for j in range(tile.vectors)]
    lines: list[str] = []
    add = lines.append
    add("""
define internal void @tile(i64 %depth, ptr noalias %a, ptr noalias %b, ptr noalias %c, i64 %crs,
                           i64 %rows, i64 %columns, i1 %first) ATTRIBUTES {
entry:
  br label %head
head:
  %p = phi i64 [ 0, %entry ], [ %p.next, %body ]""")
    for i, j in cells:
        add(f"  %s{i}.{j} = phi {kind} [ zeroinitializer, %entry ], [ %u{i}.{j}, %body ]")
    add("  %inside = icmp slt i64 %p, %depth")
    add("  br i1 %inside, label %body, label %done")
    add("body:")
    add(f"  %a.place = mul nsw i64 %p, {tile.rows}")
    add(f"  %a.now = getelementptr {real}, ptr %a, i64 %a.place")
    add(f"  %b.place = mul nsw i64 %p, {tile.columns}")
    add(f"  %b.now = getelementptr {real}, ptr %b, i64 %b.place")
    for j in range(tile.vectors):
        add(f"  %b{j}.at = getelementptr {real}, ptr %b.now, i64 {j * tile.width}")
        add(f"  %b{j} = load {kind}, ptr %b{j}.at, align {size}")
    for i in range(tile.rows):
        add(f"  %a{i}.at = getelementptr {real}, ptr %a.now, i64 {i}")
        add(f"  %a{i} = load {real}, ptr %a{i}.at")
        add(f"  %e{i} = insertelement {kind} poison, {real} %a{i}, i32 0")
        add(
            f"  %w{i} = shufflevector {kind} %e{i}, {kind} poison, "
            f"<{tile.width} x i32> zeroinitializer"
        )
        for j in range(tile.vectors):
            if has_fma():
                add(
                    f"  %u{i}.{j} = call {kind} @llvm.fma.{suffix}"
                    f"({kind} %w{i}, {kind} %b{j}, {kind} %s{i}.{j})"
                )
            else:
                add(f"  %m{i}.{j} = fmul {kind} %w{i}, %b{j}")
                add(f"  %u{i}.{j} = fadd {kind} %s{i}.{j}, %m{i}.{j}")
    add("  %p.next = add nsw i64 %p, 1")
    add("  br label %head")
    add("done:")
    add(f"  %all.rows = icmp sge i64 %rows, {tile.rows}")
    add(f"  %all.columns = icmp sge i64 %columns, {tile.columns}")
    add("  %whole = and i1 %all.rows, %all.columns")
    add("  br i1 %whole, label %plain, label %edge")
    add("plain:")
    add("  br i1 %first, label %plain.store, label %plain.add")
    for name, adds in (("plain.store", False), ("plain.add", True)):
        add(f"{name}:")
        for i in range(tile.rows):
            add(f"  %{name}.place{i} = mul nsw i64 %crs, {i}")
            add(f"  %{name}.row{i} = getelementptr {real}, ptr %c, i64 %{name}.place{i}")
            for j in range(tile.vectors):
                here = f"%{name}.at{i}.{j}"
                add(f"  {here} = getelementptr {real}, ptr %{name}.row{i}, i64 {j * tile.width}")
                value = f"%s{i}.{j}"
                if adds:
                    add(f"  %old{i}.{j} = load {kind}, ptr {here}, align {size}")
                    add(f"  %sum{i}.{j} = fadd {kind} %old{i}.{j}, {value}")
                    value = f"%sum{i}.{j}"
                add(f"  store {kind} {value}, ptr {here}, align {size}")
        add("  ret void")
    # At the edges the tile goes to memory, and what belongs to the result from there.
    add("edge:")
    add(f"  %room = alloca [{tile.rows * tile.columns} x {real}], align 64")
    for i, j in cells:
        place = i * tile.columns + j * tile.width
        add(f"  %room{i}.{j} = getelementptr {real}, ptr %room, i64 {place}")
        add(f"  store {kind} %s{i}.{j}, ptr %room{i}.{j}, align 64")
    add(f"  %high = call i64 @llvm.smin.i64(i64 %rows, i64 {tile.rows})")
    add(f"  %wide = call i64 @llvm.smin.i64(i64 %columns, i64 {tile.columns})")
    inner = f"""
  %x.at = getelementptr {real}, ptr %x.row, i64 %j
  %x = load {real}, ptr %x.at
  %y.at = getelementptr {real}, ptr %y.row, i64 %j
  %y.old = load {real}, ptr %y.at
  %y.sum = fadd {real} %y.old, %x
  %y = select i1 %first, {real} %x, {real} %y.sum
  store {real} %y, ptr %y.at"""
    outer = f"""
  %x.place = mul nsw i64 %i, {tile.columns}
  %x.row = getelementptr {real}, ptr %room, i64 %x.place
  %y.place = mul nsw i64 %i, %crs
  %y.row = getelementptr {real}, ptr %c, i64 %y.place
{_loop("j", "0", "%wide", 1, inner, "i.body")}"""
    add(_loop("i", "0", "%high", 1, outer, "edge"))
    add("  ret void")
    add("}")
    return "\n".join(lines)


def text_of(letter: str) -> str:
    """Return the module of the product of a precision."""
    tile = tile_of(letter)
    real = "float" if letter == "s" else "double"
    size = 4 if letter == "s" else 8
    kind = f"<{tile.width} x {real}>"
    suffix = f"v{tile.width}f{8 * size}"
    panel = f"""
  %wanted = mul nsw i64 %number, {tile.columns}
  %count = sub nsw i64 %n, %wanted
  %from.place = mul nsw i64 %wanted, %bcs
  %from = getelementptr {real}, ptr %b, i64 %from.place
  %to.place = mul nsw i64 %wanted, %k
  %to = getelementptr {real}, ptr %packed, i64 %to.place
  call void @pack.columns(ptr %from, i64 %bcs, i64 %brs, i64 %count, i64 %k, ptr %to)"""
    strip = f"""
  %strip.rows = sub nsw i64 %bottom, %i
  %strip.row = mul nsw i64 %i, %ars
  %strip.column = mul nsw i64 %p, %acs
  %strip.place = add nsw i64 %strip.row, %strip.column
  %strip.from = getelementptr {real}, ptr %a, i64 %strip.place
  %strip.number = sub nsw i64 %i, %top
  %strip.offset = mul nsw i64 %strip.number, %depth
  %strip.to = getelementptr {real}, ptr %room, i64 %strip.offset
  call void @pack.rows(ptr %strip.from, i64 %ars, i64 %acs, i64 %strip.rows, i64 %depth,
                       ptr %strip.to)"""
    tiles = f"""
  %tile.rows = sub nsw i64 %bottom, %h
  %tile.number = sub nsw i64 %h, %top
  %tile.offset = mul nsw i64 %tile.number, %depth
  %tile.a = getelementptr {real}, ptr %room, i64 %tile.offset
  %tile.row = mul nsw i64 %h, %crs
  %tile.place = add nsw i64 %tile.row, %j
  %tile.c = getelementptr {real}, ptr %c, i64 %tile.place
  call void @tile(i64 %depth, ptr %tile.a, ptr %panel, ptr %tile.c, i64 %crs, i64 %tile.rows,
                  i64 %panel.columns, i1 %first)"""
    panels = f"""
  %panel.columns = sub nsw i64 %right, %j
  %panel.start = mul nsw i64 %j, %k
  %panel.row = mul nsw i64 %p, {tile.columns}
  %panel.place = add nsw i64 %panel.start, %panel.row
  %panel = getelementptr {real}, ptr %packed, i64 %panel.place
{_loop("h", "%top", "%bottom", tile.rows, tiles, "j.body")}"""
    depths = f"""
  %depth.left = sub nsw i64 %k, %p
  %depth = call i64 @llvm.smin.i64(i64 %depth.left, i64 {_DEPTH})
  %first = icmp eq i64 %p, 0
{_loop("i", "%top", "%bottom", tile.rows, strip, "p.body")}
{_loop("j", "%left", "%right", tile.columns, panels, "i.end")}"""
    task = f"""
define internal void @task(ptr %context, i64 %number) ATTRIBUTES {{
entry:
  %room = alloca [{_ROWS * _DEPTH} x {real}], align 64
{_loads()}
  %across.more = add nsw i64 %n, %wide
  %across.less = sub nsw i64 %across.more, 1
  %across = sdiv i64 %across.less, %wide
  %block.row = sdiv i64 %number, %across
  %block.column = srem i64 %number, %across
  %top = mul nsw i64 %block.row, %high
  %top.end = add nsw i64 %top, %high
  %bottom = call i64 @llvm.smin.i64(i64 %top.end, i64 %m)
  %left = mul nsw i64 %block.column, %wide
  %left.end = add nsw i64 %left, %wide
  %right = call i64 @llvm.smin.i64(i64 %left.end, i64 %n)
{_loop("p", "0", "%k", _DEPTH, depths, "entry")}
  ret void
}}"""
    arguments = ", ".join(f"{kind_of} %{name}" for name, kind_of in _CONTEXT)
    stores = "\n".join(
        f"  %{name}.at = getelementptr i64, ptr %context, i64 {place}\n"
        f"  store {kind_of} %{name}, ptr %{name}.at"
        for place, (name, kind_of) in enumerate(_CONTEXT)
    )
    text = f"""
declare i64 @llvm.smin.i64(i64, i64)
declare {kind} @llvm.fma.{suffix}({kind}, {kind}, {kind})
declare void @"{PARALLEL}"(ptr, ptr, i64)
{_pack("pack.rows", tile.rows, real, _copy(tile.rows, real, tile.width))}
{_pack("pack.columns", tile.columns, real, _copy(tile.columns, real, tile.width))}
{_tile(tile, real)}
define internal void @panel(ptr %context, i64 %number) ATTRIBUTES {{
entry:
{_loads()}
{panel}
  ret void
}}
{task}
define void @"{symbol(letter)}"({arguments}, i1 %share) ATTRIBUTES {{
entry:
  %context = alloca [{len(_CONTEXT)} x i64], align 16
{stores}
  %panels.more = add nsw i64 %n, {tile.columns - 1}
  %panels = sdiv i64 %panels.more, {tile.columns}
  %down.more = add nsw i64 %m, %high
  %down.less = sub nsw i64 %down.more, 1
  %down = sdiv i64 %down.less, %high
  %across.more = add nsw i64 %n, %wide
  %across.less = sub nsw i64 %across.more, 1
  %across = sdiv i64 %across.less, %wide
  %tasks = mul nsw i64 %down, %across
  %moved = mul nsw i64 %n, %k
  %much = icmp sge i64 %moved, {_MUCH}
  %share.panels = and i1 %share, %much
  br i1 %share.panels, label %panels.shared, label %panels.alone
panels.shared:
  call void @"{PARALLEL}"(ptr @panel, ptr %context, i64 %panels)
  br label %multiply
panels.alone:
{_loop("t", "0", "%panels", 1, "  call void @panel(ptr %context, i64 %t)", "panels.alone")}
  br label %multiply
multiply:
  br i1 %share, label %shared, label %alone
shared:
  call void @"{PARALLEL}"(ptr @task, ptr %context, i64 %tasks)
  ret void
alone:
{_loop("u", "0", "%tasks", 1, "  call void @task(ptr %context, i64 %u)", "alone")}
  ret void
}}
"""
    bits = 8 * size * tile.width
    attributes = (
        f'noinline nounwind "prefer-vector-width"="{bits}" "min-legal-vector-width"="{bits}"'
    )
    return text.replace("ATTRIBUTES", attributes)


_held: dict[str, Any] = {}


def make_available(letter: str) -> None:
    """Make the product of a precision known to the linker."""
    with engine.lock:
        name = symbol(letter)
        if name in _held:
            return
        make_pool_available()
        code = engine.link([object_code(text_of(letter), 3)], [name], [PARALLEL])
        engine.define_symbols({name: code.addresses[name]})
        _held[name] = code
