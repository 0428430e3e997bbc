"""Small loops over matrices in native code: other precision, a triangle, a look at the entries."""

from __future__ import annotations

from .frame import Frame

_CONVERSIONS = {"widen": ("float", "double", "fpext"), "narrow": ("double", "float", "fptrunc")}


def convert(frame: Frame, name: str, source: str, target: str, count: int) -> None:
    """Copy floats to double precision ("widen") or from it ("narrow")."""
    before, after, operation = _CONVERSIONS[name]
    frame.loops.define(
        name,
        f"""define void @"{name}"(ptr noalias %source, ptr noalias %target, i64 %count) nounwind {{
entry:
  br label %test
test:
  %index = phi i64 [ 0, %entry ], [ %following, %body ]
  %more = icmp slt i64 %index, %count
  br i1 %more, label %body, label %done
body:
  %from = getelementptr {before}, ptr %source, i64 %index
  %entry.value = load {before}, ptr %from
  %converted = {operation} {before} %entry.value to {after}
  %to = getelementptr {after}, ptr %target, i64 %index
  store {after} %converted, ptr %to
  %following = add nuw nsw i64 %index, 1
  br label %test
done:
  ret void
}}""",
    )
    called = frame.module.declare(name, "void", "ptr", "ptr", "i64")
    frame.function.line(f"call void {called}(ptr {source}, ptr {target}, i64 {count})")


def copy_triangle(
    frame: Frame, letter: str, source: str, target: str, sizes: tuple[int, int, int, int]
) -> None:
    """Copy the upper triangles of matrices, and zeros below.

    Parameters
    ----------
    letter : {"d", "D"}
        The entries' type, in NumPy's letters.
    sizes : tuple of int
        How many matrices, the rows of each, how many of them are copied, the columns.
    """
    name = f"triangle.{letter}"
    kind = "double" if letter == "d" else "<2 x double>"
    frame.loops.define(
        name,
        f"""define void @"{name}"(ptr noalias %source, ptr noalias %target,
    i64 %count, i64 %rows, i64 %kept, i64 %columns) nounwind {{
entry:
  br label %matrix.test
matrix.test:
  %matrix = phi i64 [ 0, %entry ], [ %matrix.next, %matrix.done ]
  %matrix.more = icmp slt i64 %matrix, %count
  br i1 %matrix.more, label %row.first, label %done
row.first:
  %rows.before = mul i64 %matrix, %rows
  %kept.before = mul i64 %matrix, %kept
  br label %row.test
row.test:
  %row = phi i64 [ 0, %row.first ], [ %row.next, %row.done ]
  %row.more = icmp slt i64 %row, %kept
  br i1 %row.more, label %column.first, label %matrix.done
column.first:
  %source.row = add i64 %rows.before, %row
  %source.start = mul i64 %source.row, %columns
  %target.row = add i64 %kept.before, %row
  %target.start = mul i64 %target.row, %columns
  br label %column.test
column.test:
  %column = phi i64 [ 0, %column.first ], [ %column.next, %column.body ]
  %column.more = icmp slt i64 %column, %columns
  br i1 %column.more, label %column.body, label %row.done
column.body:
  %source.index = add i64 %source.start, %column
  %from = getelementptr {kind}, ptr %source, i64 %source.index
  %entry.value = load {kind}, ptr %from, align 8
  %above = icmp sge i64 %column, %row
  %chosen = select i1 %above, {kind} %entry.value, {kind} zeroinitializer
  %target.index = add i64 %target.start, %column
  %to = getelementptr {kind}, ptr %target, i64 %target.index
  store {kind} %chosen, ptr %to, align 8
  %column.next = add nuw nsw i64 %column, 1
  br label %column.test
row.done:
  %row.next = add nuw nsw i64 %row, 1
  br label %row.test
matrix.done:
  %matrix.next = add nuw nsw i64 %matrix, 1
  br label %matrix.test
done:
  ret void
}}""",
    )
    called = frame.module.declare(name, "void", "ptr", "ptr", *["i64"] * 4)
    listed = ", ".join(f"i64 {size}" for size in sizes)
    frame.function.line(f"call void {called}(ptr {source}, ptr {target}, {listed})")


def is_complex(frame: Frame, values: str, count: int) -> str:
    """Return the bit for "an imaginary part is not 0"."""
    name = "is_complex"
    frame.loops.define(
        name,
        f"""define i1 @"{name}"(ptr %values, i64 %count) nounwind {{
entry:
  br label %test
test:
  %index = phi i64 [ 0, %entry ], [ %following, %body ]
  %found = phi i1 [ false, %entry ], [ %either, %body ]
  %more = icmp slt i64 %index, %count
  br i1 %more, label %body, label %done
body:
  %pair = getelementptr [2 x double], ptr %values, i64 %index, i64 1
  %imag = load double, ptr %pair
  %differs = fcmp une double %imag, 0.0
  %either = or i1 %found, %differs
  %following = add nuw nsw i64 %index, 1
  br label %test
done:
  ret i1 %found
}}""",
    )
    called = frame.module.declare(name, "i1", "ptr", "i64")
    return frame.function.value(f"call i1 {called}(ptr {values}, i64 {count})")
