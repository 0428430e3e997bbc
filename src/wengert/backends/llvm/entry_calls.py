"""The code of the native entry, second part: one attempt at a program, and the call itself."""

from __future__ import annotations

from .entry_code import (
    _HEAD,
    _PACK,
    _UNPACK,
    ARRAY,
    HOLDER_FIELDS,
    NODE_WORDS,
    RELEASES,
    RETRIES,
    SMALL_WORKSPACE,
    VARIANT_FIELDS,
    load,
)
from .frame import DECLINED, RAISED

ENTRY_SYMBOL = "wengert_enter"
FORGET_SYMBOL = "wengert_forget"


def _field(name: str, kind: str = "ptr") -> str:
    """Return the text that loads a field of a program's table under its name."""
    return load(name, "variant", 8 * VARIANT_FIELDS.index(name), kind)


def _word(name: str, field: str) -> str:
    """Return the text that loads a word of the holder."""
    return load(name, "words", 8 * HOLDER_FIELDS.index(field))


_ATTEMPT = f"""
; Run one program on the arguments. Returns the result, null with an exception set, or the table
; itself where the program does not apply.
define internal ptr @attempt(ptr %variant, ptr %arguments.given, i64 %given) {{
entry:
{_field("argument_count", "i64")}
  %right.count = icmp eq i64 %argument_count, %given
  br i1 %right.count, label %prepare, label %inapplicable
prepare:
{_field("input_count", "i64")}
{_field("output_count", "i64")}
{_field("source_count", "i64")}
{_field("arguments")}
{_field("sources")}
  %with.constants = add i64 %input_count, 1
  %inputs = alloca ptr, i64 %with.constants
  %objects = alloca ptr, i64 %with.constants
  %room.bytes = shl i64 %with.constants, 4
  %room = alloca i8, i64 %room.bytes, align 16
{_field("most_kept", "i64")}
  %kept.room = add i64 %most_kept, 1
  %kept = alloca ptr, i64 %kept.room
  %state = alloca %state
  store ptr %inputs, ptr %state
  %position.at = getelementptr %state, ptr %state, i32 0, i32 1
  store i64 0, ptr %position.at
  %room.at = getelementptr %state, ptr %state, i32 0, i32 2
  store ptr %room, ptr %room.at
  %kept.at = getelementptr %state, ptr %state, i32 0, i32 3
  store ptr %kept, ptr %kept.at
  %kept.count.at = getelementptr %state, ptr %state, i32 0, i32 4
  store i64 0, ptr %kept.count.at
  %objects.at = getelementptr %state, ptr %state, i32 0, i32 5
  store ptr %objects, ptr %objects.at
  br label %argument
argument:
  %index = phi i64 [ 0, %prepare ], [ %index.next, %argument.more ]
  %node = phi ptr [ %arguments, %prepare ], [ %after, %argument.more ]
  %arguments.done = icmp eq i64 %index, %given
  br i1 %arguments.done, label %source, label %argument.one
argument.one:
  %object.at = getelementptr ptr, ptr %arguments.given, i64 %index
  %object = load ptr, ptr %object.at
  %after = call ptr @unpack(ptr %node, ptr %object, ptr %state)
  %unlike = icmp eq ptr %after, null
  br i1 %unlike, label %undo, label %argument.more
argument.more:
  %index.next = add i64 %index, 1
  br label %argument
source:
  %number = phi i64 [ 0, %argument ], [ %number.next, %source.more ]
  %source.node = phi ptr [ %sources, %argument ], [ %after.source, %source.more ]
  %sources.done = icmp eq i64 %number, %source_count
  br i1 %sources.done, label %outputs.prepare, label %source.one
source.one:
  %after.source = call ptr @unpack(ptr %source.node, ptr null, ptr %state)
  %source.unlike = icmp eq ptr %after.source, null
  br i1 %source.unlike, label %undo, label %source.more
source.more:
  %number.next = add i64 %number, 1
  br label %source
undo:
  call void @drop(ptr %state)
  %problem = call ptr @PyErr_Occurred()
  %no.problem = icmp eq ptr %problem, null
  br i1 %no.problem, label %inapplicable, label %undo.problem
undo.problem:
  %undo.class = load ptr, ptr @PyExc_Exception
  %undo.matches = call i32 @PyErr_ExceptionMatches(ptr %undo.class)
  %undo.ordinary = icmp ne i32 %undo.matches, 0
  br i1 %undo.ordinary, label %undo.cleared, label %interrupted
undo.cleared:
  call void @PyErr_Clear()
  br label %inapplicable
interrupted:
  ret ptr null
inapplicable:
  ret ptr %variant

outputs.prepare:
{_field("constants")}
  %constants.entry = getelementptr ptr, ptr %inputs, i64 %input_count
  store ptr %constants, ptr %constants.entry
{_field("outputs")}
  %one.more = add i64 %output_count, 1
  %results = alloca ptr, i64 %one.more
  %arrays = alloca ptr, i64 %one.more
  %result.bytes = shl i64 %one.more, 4
  %result.room = alloca i8, i64 %result.bytes, align 16
  br label %output
output:
  %j = phi i64 [ 0, %outputs.prepare ], [ %j.next, %output.ready ]
  %outputs.done = icmp eq i64 %j, %output_count
  br i1 %outputs.done, label %run, label %output.one
output.one:
  %place.at = getelementptr ptr, ptr %results, i64 %j
  %array.at = getelementptr ptr, ptr %arrays, i64 %j
  %node.offset = mul i64 %j, {8 * NODE_WORDS}
  %output.node = getelementptr i8, ptr %outputs, i64 %node.offset
  %output.operation = load i64, ptr %output.node
  %makes.array = icmp eq i64 %output.operation, {ARRAY}
  br i1 %makes.array, label %output.array, label %output.number
output.number:
  %number.offset = shl i64 %j, 4
  %number.room = getelementptr i8, ptr %result.room, i64 %number.offset
  br label %output.ready
output.array:
{load("descr", "output.node", 16)}
{load("ndim", "output.node", 32, "i64")}
  %ndim.short = trunc i64 %ndim to i32
{load("lengths", "output.node", 40)}
  call void @Py_IncRef(ptr %descr)
  %array = call ptr @wengert_array_empty(i32 %ndim.short, ptr %lengths, ptr %descr, i32 0)
  %no.array = icmp eq ptr %array, null
  br i1 %no.array, label %no.memory, label %output.memory
output.memory:
{load("array.data", "array", 16)}
  br label %output.ready
output.ready:
  %memory = phi ptr [ %number.room, %output.number ], [ %array.data, %output.memory ]
  %made = phi ptr [ null, %output.number ], [ %array, %output.memory ]
  store ptr %memory, ptr %place.at
  store ptr %made, ptr %array.at
  %j.next = add i64 %j, 1
  br label %output
no.memory:
  call void @drop_arrays(ptr %arrays, i64 %j)
  call void @drop(ptr %state)
  ret ptr null

run:
{_field("workspace", "i64")}
{_field("address")}
{_field("flags", "i64")}
  %small = icmp ule i64 %workspace, {SMALL_WORKSPACE}
  br i1 %small, label %run.small, label %run.large
run.small:
  %stack = alloca i8, i64 {SMALL_WORKSPACE}, align 64
  br label %run.now
run.large:
  %spare.at = getelementptr i8, ptr %variant, i64 {8 * VARIANT_FIELDS.index("spare")}
  %spare.word = atomicrmw xchg ptr %spare.at, i64 0 acq_rel
  %none.spare = icmp eq i64 %spare.word, 0
  br i1 %none.spare, label %run.allocate, label %run.spare
run.spare:
  %spare = inttoptr i64 %spare.word to ptr
  br label %run.align
run.allocate:
  %with.slack = add i64 %workspace, 64
  %fresh = call ptr @PyMem_RawMalloc(i64 %with.slack)
  %no.fresh = icmp eq ptr %fresh, null
  br i1 %no.fresh, label %no.workspace, label %run.align
no.workspace:
  %raised.memory = call ptr @PyErr_NoMemory()
  br label %failed
run.align:
  %block = phi ptr [ %spare, %run.spare ], [ %fresh, %run.allocate ]
  %block.word = ptrtoint ptr %block to i64
  %moved = add i64 %block.word, 63
  %aligned = and i64 %moved, -64
  %start = inttoptr i64 %aligned to ptr
  br label %run.now
run.now:
  %work = phi ptr [ %stack, %run.small ], [ %start, %run.align ]
  %taken = phi ptr [ null, %run.small ], [ %block, %run.align ]
  %releases = and i64 %flags, {RELEASES}
  %lets.go = icmp ne i64 %releases, 0
  br i1 %lets.go, label %run.free, label %run.held
run.free:
  %thread = call ptr @PyEval_SaveThread()
  %status.free = call i32 %address(ptr %inputs, ptr %results, ptr %work)
  call void @PyEval_RestoreThread(ptr %thread)
  br label %finished
run.held:
  %status.held = call i32 %address(ptr %inputs, ptr %results, ptr %work)
  br label %finished
finished:
  %status = phi i32 [ %status.free, %run.free ], [ %status.held, %run.held ]
  %no.block = icmp eq ptr %taken, null
  br i1 %no.block, label %judge, label %give.back
give.back:
  %spare.again = getelementptr i8, ptr %variant, i64 {8 * VARIANT_FIELDS.index("spare")}
  %taken.word = ptrtoint ptr %taken to i64
  %before = atomicrmw xchg ptr %spare.again, i64 %taken.word acq_rel
  %before.pointer = inttoptr i64 %before to ptr
  call void @PyMem_RawFree(ptr %before.pointer)
  br label %judge
judge:
  %done = icmp eq i32 %status, 0
  br i1 %done, label %packing, label %not.done
packing:
{_field("result")}
  %cursor = alloca ptr
  store ptr %result, ptr %cursor
  %packed = call ptr @pack(ptr %cursor, ptr %results, ptr %arrays, ptr %objects)
  call void @drop_arrays(ptr %arrays, i64 %output_count)
  call void @drop(ptr %state)
  ret ptr %packed
not.done:
  %raised = icmp eq i32 %status, {RAISED}
  br i1 %raised, label %exception, label %elsewhere
exception:
  %retries = and i64 %flags, {RETRIES}
  %retried = icmp ne i64 %retries, 0
  br i1 %retried, label %exception.class, label %failed
exception.class:
  %class = load ptr, ptr @PyExc_Exception
  %matches = call i32 @PyErr_ExceptionMatches(ptr %class)
  %ordinary = icmp ne i32 %matches, 0
  br i1 %ordinary, label %exception.cleared, label %failed
exception.cleared:
  call void @PyErr_Clear()
  br label %elsewhere
failed:
  call void @drop_arrays(ptr %arrays, i64 %output_count)
  call void @drop(ptr %state)
  ret ptr null
elsewhere:
  call void @drop_arrays(ptr %arrays, i64 %output_count)
  call void @drop(ptr %state)
{_field("declined")}
{_field("guarded")}
  %by.guard = icmp sgt i32 %status, 0
  %by.itself = icmp eq i32 %status, {DECLINED}
  %guards.known = icmp ne ptr %guarded, null
  %declines.known = icmp ne ptr %declined, null
  %tell.guard = and i1 %by.guard, %guards.known
  br i1 %tell.guard, label %guard.failed, label %not.guard
guard.failed:
  %guard.position = sub i32 %status, 1
  %guard.wide = sext i32 %guard.position to i64
  %guard.number = call ptr @PyLong_FromLongLong(i64 %guard.wide)
  %no.number = icmp eq ptr %guard.number, null
  br i1 %no.number, label %interrupted, label %guard.told
guard.told:
  %guard.answer = call ptr @PyObject_CallOneArg(ptr %guarded, ptr %guard.number)
  call void @Py_DecRef(ptr %guard.number)
  ret ptr %guard.answer
not.guard:
  %tell.declined = and i1 %by.itself, %declines.known
  br i1 %tell.declined, label %evaluated, label %inapplicable
evaluated:
  %evaluated.answer = call ptr @PyObject_Vectorcall(
    ptr %declined, ptr %arguments.given, i64 %given, ptr null)
  ret ptr %evaluated.answer
}}

define internal void @drop(ptr %state) {{
entry:
  %count.at = getelementptr %state, ptr %state, i32 0, i32 4
  %count = load i64, ptr %count.at
  %kept.at = getelementptr %state, ptr %state, i32 0, i32 3
  %kept = load ptr, ptr %kept.at
  call void @drop_arrays(ptr %kept, i64 %count)
  %position.at = getelementptr %state, ptr %state, i32 0, i32 1
  %position = load i64, ptr %position.at
  %objects.at = getelementptr %state, ptr %state, i32 0, i32 5
  %objects = load ptr, ptr %objects.at
  call void @drop_arrays(ptr %objects, i64 %position)
  ret void
}}

define internal void @drop_arrays(ptr %table, i64 %count) {{
entry:
  br label %loop
loop:
  %index = phi i64 [ 0, %entry ], [ %next, %more ]
  %done = icmp eq i64 %index, %count
  br i1 %done, label %leave, label %one
one:
  %entry.at = getelementptr ptr, ptr %table, i64 %index
  %object = load ptr, ptr %entry.at
  call void @Py_DecRef(ptr %object)
  br label %more
more:
  %next = add i64 %index, 1
  br label %loop
leave:
  ret void
}}
"""

_ENTER = f"""
; The method of a builtin (METH_FASTCALL | METH_KEYWORDS). Its self is the tuple (fallback, holder,
; ...); the holder is an array of words.
define ptr @{ENTRY_SYMBOL}(ptr %self, ptr %arguments, i64 %given, ptr %names) {{
entry:
{load("fallback", "self", 24)}
  %named = icmp ne ptr %names, null
  br i1 %named, label %elsewhere, label %positional
positional:
{load("holder", "self", 32)}
{load("words", "holder", 16)}
{_word("variable", "variable")}
{_word("wanted", "errors")}
  %any.errors = icmp eq ptr %wanted, null
  br i1 %any.errors, label %begin, label %looking
looking:
  %errors = alloca ptr
  store ptr null, ptr %errors
  %got = call i32 @PyContextVar_Get(ptr %variable, ptr null, ptr %errors)
  %got.failed = icmp slt i32 %got, 0
  br i1 %got.failed, label %broken, label %got.well
broken:
  ret ptr null
got.well:
  %current = load ptr, ptr %errors
  %unset = icmp eq ptr %current, null
  br i1 %unset, label %elsewhere, label %compare
compare:
  call void @Py_DecRef(ptr %current)
  %usual = icmp eq ptr %current, %wanted
  br i1 %usual, label %begin, label %elsewhere
begin:
  %first = load ptr, ptr %words
  br label %try
try:
  %variant = phi ptr [ %first, %begin ], [ %following, %next ]
  %none = icmp eq ptr %variant, null
  br i1 %none, label %elsewhere, label %one
one:
  %result = call ptr @attempt(ptr %variant, ptr %arguments, i64 %given)
  %inapplicable = icmp eq ptr %result, %variant
  br i1 %inapplicable, label %next, label %leave
next:
  %following = load ptr, ptr %variant
  br label %try
leave:
  ret ptr %result
elsewhere:
  %answer = call ptr @PyObject_Vectorcall(ptr %fallback, ptr %arguments, i64 %given, ptr %names)
  ret ptr %answer
}}
"""

# The end of a program's words: its workspace that is not in use goes with them.
_FORGET = f"""
declare ptr @PyCapsule_GetPointer(ptr, ptr)
declare ptr @PyCapsule_GetContext(ptr)
define void @{FORGET_SYMBOL}(ptr %capsule) {{
  %variant = call ptr @PyCapsule_GetPointer(ptr %capsule, ptr null)
  %spare.at = getelementptr i8, ptr %variant, i64 {8 * VARIANT_FIELDS.index("spare")}
  %spare = load ptr, ptr %spare.at
  call void @PyMem_RawFree(ptr %spare)
  %words = call ptr @PyCapsule_GetContext(ptr %capsule)
  call void @Py_DecRef(ptr %words)
  ret void
}}
"""

TEXT = _HEAD + _UNPACK + _PACK + _ATTEMPT + _ENTER + _FORGET
