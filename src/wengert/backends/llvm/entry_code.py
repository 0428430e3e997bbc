"""The code of the native entry: one function for all programs, which reads a table for each.

It unpacks Python's arguments into addresses, runs a program, and packs its outputs; what does not
match goes to the Python function that the entry stands before. The tables are written by `entry`.
"""

from __future__ import annotations

# Operations of a node of a table. Values first, then what holds values, then checks and results.
(
    FLOAT,
    INTEGER,
    BOOL,
    COMPLEX,
    SCALAR,
    ARRAY,
    TUPLE,
    LIST,
    DICT,
    KEY,
    CELL,
    ITEM,
    ATTRIBUTE,
    SAME,
    EQUAL,
    ENTRIES,
    CALL,
    INPUT,
    ABSENT,
) = range(19)

# Fields of a node: operation, count, two objects, number of dimensions, address of lengths.
NODE_WORDS = 6

# Fields of a program's table, as words.
VARIANT_FIELDS = (
    "following",  # the next program to try, or 0
    "address",
    "argument_count",
    "arguments",  # nodes, one tree after the other
    "source_count",
    "sources",  # nodes of what is read besides the arguments
    "input_count",
    "constants",
    "output_count",
    "outputs",  # nodes: those of arrays, to be made before the program runs, by position
    "result",  # nodes: one tree
    "most_kept",  # further references that unpacking may hold: attributes and copies
    "workspace",
    "spare",  # workspace that is not in use, or 0
    "flags",
    "declined",  # takes the arguments where the program declines, instead of the fallback; or 0
    "guarded",  # takes the position of a guard that failed, instead of the fallback; or 0
)
RELEASES, RETRIES = 1, 2  # the interpreter's lock is let go; an exception goes to the fallback

# The words of the holder of an entry: first program, what NumPy's error state must be (0: any).
HOLDER_FIELDS = ("first", "errors", "variable")

SMALL_WORKSPACE = 2048


# More inputs and outputs than this go to the fallback: their tables would not fit on a stack.
MOST_LEAVES = 4096

_BEHIND = 24  # offset of a tuple's items, and of the address of a list's


def load(name: str, base: str, offset: int, kind: str = "ptr") -> str:
    """Return the text that loads what stands some bytes behind a pointer, under a name."""
    return (
        f"  %{name}.at = getelementptr i8, ptr %{base}, i64 {offset}\n"
        f"  %{name} = load {kind}, ptr %{name}.at"
    )


def _typed(label: str, wanted: str, then: str) -> str:
    """Return the block that goes on where the object's type is the wanted one."""
    return f"""{label}:
  %{label}.type = load ptr, ptr %type.at
  %is.{label} = icmp eq ptr %{label}.type, {wanted}
  br i1 %is.{label}, label %{then}, label %differs"""


def _filled(label: str, kind: str, value: str) -> str:
    """Return the block that puts a converted number into the room of the next input."""
    return f"""{label}:
  %{label}.room = call ptr @room(ptr %state)
  store {kind} {value}, ptr %{label}.room
  call void @give(ptr %state, ptr %{label}.room, ptr %object)
  ret ptr %next"""


_HEAD = """
@PyFloat_Type = external global i8
@PyLong_Type = external global i8
@PyComplex_Type = external global i8
@PyTuple_Type = external global i8
@PyList_Type = external global i8
@PyDict_Type = external global i8
@_Py_TrueStruct = external global i8
@_Py_FalseStruct = external global i8
@PyExc_Exception = external global ptr
@wengert_array_type = external global i8
declare i64 @PyLong_AsLongLongAndOverflow(ptr, ptr)
declare ptr @PyFloat_FromDouble(double)
declare ptr @PyLong_FromLongLong(i64)
declare ptr @PyComplex_FromDoubles(double, double)
declare ptr @PyTuple_New(i64)
declare ptr @PyList_New(i64)
declare ptr @PyDict_New()
declare i32 @PyDict_SetItem(ptr, ptr, ptr)
declare ptr @PyDict_GetItemWithError(ptr, ptr)
declare i64 @PyDict_Size(ptr)
declare ptr @PyObject_GetAttr(ptr, ptr)
declare i32 @PyObject_RichCompareBool(ptr, ptr, i32)
declare ptr @PyObject_CallOneArg(ptr, ptr)
declare ptr @PyObject_Vectorcall(ptr, ptr, i64, ptr)
declare void @Py_IncRef(ptr)
declare void @Py_DecRef(ptr)
declare ptr @PyErr_Occurred()
declare i32 @PyErr_ExceptionMatches(ptr)
declare void @PyErr_Clear()
declare i32 @PyContextVar_Get(ptr, ptr, ptr)
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare ptr @PyMem_RawMalloc(i64)
declare void @PyMem_RawFree(ptr)
declare ptr @wengert_array_copy(ptr, i32)
declare ptr @wengert_array_empty(i32, ptr, ptr, i32)
declare ptr @wengert_array_scalar(ptr, ptr, ptr)
declare i32 @memcmp(ptr, ptr, i64)
declare ptr @PyErr_NoMemory()

; What unpacking fills: a table of addresses, how many there are, room for numbers, further
; references to drop and how many, and the objects of the inputs, which nobody may free meanwhile.
%state = type { ptr, i64, ptr, ptr, i64, ptr }
"""

_UNPACK = f"""
define internal void @give(ptr %state, ptr %data, ptr %object) alwaysinline {{
  %position.at = getelementptr %state, ptr %state, i32 0, i32 1
  %position = load i64, ptr %position.at
  %inputs = load ptr, ptr %state
  %input = getelementptr ptr, ptr %inputs, i64 %position
  store ptr %data, ptr %input
  %objects.at = getelementptr %state, ptr %state, i32 0, i32 5
  %objects = load ptr, ptr %objects.at
  %entry = getelementptr ptr, ptr %objects, i64 %position
  store ptr %object, ptr %entry
  call void @Py_IncRef(ptr %object)
  %following = add i64 %position, 1
  store i64 %following, ptr %position.at
  ret void
}}

define internal ptr @room(ptr %state) alwaysinline {{
  %position.at = getelementptr %state, ptr %state, i32 0, i32 1
  %position = load i64, ptr %position.at
  %room.at = getelementptr %state, ptr %state, i32 0, i32 2
  %room = load ptr, ptr %room.at
  %bytes = shl i64 %position, 4
  %found = getelementptr i8, ptr %room, i64 %bytes
  ret ptr %found
}}

define internal void @keep(ptr %state, ptr %object) {{
  %count.at = getelementptr %state, ptr %state, i32 0, i32 4
  %count = load i64, ptr %count.at
  %kept.at = getelementptr %state, ptr %state, i32 0, i32 3
  %kept = load ptr, ptr %kept.at
  %entry = getelementptr ptr, ptr %kept, i64 %count
  store ptr %object, ptr %entry
  %following = add i64 %count, 1
  store i64 %following, ptr %count.at
  ret void
}}

; Whether an array has a dtype, a number of dimensions and lengths.
define internal i1 @alike(ptr %object, ptr %descr, i64 %ndim, ptr %lengths) {{
entry:
{load("own.descr", "object", 56)}
{load("own.ndim", "object", 24, "i32")}
{load("own.lengths", "object", 32)}
  %is.descr = icmp eq ptr %own.descr, %descr
  %ndim.wide = zext i32 %own.ndim to i64
  %is.ndim = icmp eq i64 %ndim.wide, %ndim
  %both = and i1 %is.descr, %is.ndim
  br i1 %both, label %length, label %unlike
length:
  %axis = phi i64 [ 0, %entry ], [ %following, %more ]
  %all = icmp eq i64 %axis, %ndim
  br i1 %all, label %done, label %one
one:
  %mine.at = getelementptr i64, ptr %own.lengths, i64 %axis
  %mine = load i64, ptr %mine.at
  %other.at = getelementptr i64, ptr %lengths, i64 %axis
  %other = load i64, ptr %other.at
  %equal = icmp eq i64 %mine, %other
  br i1 %equal, label %more, label %unlike
more:
  %following = add i64 %axis, 1
  br label %length
done:
  ret i1 true
unlike:
  ret i1 false
}}

; Whether the entries of an array lie one after the other in C order, aligned.
define internal i1 @in_order(ptr %object) alwaysinline {{
{load("flags", "object", 64, "i32")}
  %needed = and i32 %flags, 257
  %ready = icmp eq i32 %needed, 257
  ret i1 %ready
}}

; Match one tree of nodes with one object; return the node after it, or null where it differs. Where
; Python code may run, what is borrowed is held and what may change is read again.
define internal ptr @unpack(ptr %node, ptr %object, ptr %state) {{
entry:
  %operation = load i64, ptr %node
  %next = getelementptr i8, ptr %node, i64 {8 * NODE_WORDS}
  %count.at = getelementptr i8, ptr %node, i64 8
  %first.at = getelementptr i8, ptr %node, i64 16
  %second.at = getelementptr i8, ptr %node, i64 24
  %type.at = getelementptr i8, ptr %object, i64 8
  %value.at = getelementptr i8, ptr %object, i64 16
  %overflow = alloca i32
  switch i64 %operation, label %differs [
    i64 {FLOAT}, label %float
    i64 {INTEGER}, label %integer
    i64 {BOOL}, label %bool
    i64 {COMPLEX}, label %complex
    i64 {SCALAR}, label %scalar.wanted
    i64 {ARRAY}, label %array
    i64 {TUPLE}, label %tuple
    i64 {LIST}, label %list
    i64 {DICT}, label %dict
    i64 {CELL}, label %cell
    i64 {ITEM}, label %in.dict
    i64 {ATTRIBUTE}, label %attribute
    i64 {SAME}, label %same
    i64 {EQUAL}, label %equal
    i64 {ENTRIES}, label %entries
    i64 {ABSENT}, label %absent
  ]
{_typed("float", "@PyFloat_Type", "here")}
{_typed("complex", "@PyComplex_Type", "here")}
scalar.wanted:
  %wanted.type = load ptr, ptr %first.at
  br label %scalar
{_typed("scalar", "%wanted.type", "here")}
here:
  call void @give(ptr %state, ptr %value.at, ptr %object)
  ret ptr %next
{_typed("integer", "@PyLong_Type", "convert")}
convert:
  %whole = call i64 @PyLong_AsLongLongAndOverflow(ptr %object, ptr %overflow)
  %over = load i32, ptr %overflow
  %fits = icmp eq i32 %over, 0
  br i1 %fits, label %fitting, label %differs
{_filled("fitting", "i64", "%whole")}
bool:
  %is.true = icmp eq ptr %object, @_Py_TrueStruct
  %is.false = icmp eq ptr %object, @_Py_FalseStruct
  %is.bool = or i1 %is.true, %is.false
  %byte = zext i1 %is.true to i8
  br i1 %is.bool, label %truth, label %differs
{_filled("truth", "i8", "%byte")}

{_typed("array", "@wengert_array_type", "array.compare")}
array.compare:
  %descr = load ptr, ptr %first.at
  %ndim = load i64, ptr %count.at
{load("lengths", "node", 40)}
  %is.alike = call i1 @alike(ptr %object, ptr %descr, i64 %ndim, ptr %lengths)
  br i1 %is.alike, label %contiguity, label %differs
contiguity:
  %ready = call i1 @in_order(ptr %object)
  br i1 %ready, label %array.data, label %array.copy
array.copy:
  %copied = call ptr @wengert_array_copy(ptr %object, i32 0)
  %no.copy = icmp eq ptr %copied, null
  br i1 %no.copy, label %differs, label %array.kept
array.kept:
  call void @keep(ptr %state, ptr %copied)
  br label %array.data
array.data:
  %source = phi ptr [ %object, %contiguity ], [ %copied, %array.kept ]
{load("data", "source", 16)}
  call void @give(ptr %state, ptr %data, ptr %object)
  ret ptr %next

{_typed("tuple", "@PyTuple_Type", "items.size")}
{_typed("list", "@PyList_Type", "items.size")}
items.size:
  %wanted.size = load i64, ptr %count.at
  %in.list = icmp eq i64 %operation, {LIST}
  %items.at = getelementptr i8, ptr %object, i64 {_BEHIND}
  br label %items.loop
items.loop:
  %index = phi i64 [ 0, %items.size ], [ %index.next, %items.more ]
  %child = phi ptr [ %next, %items.size ], [ %after, %items.more ]
  %size = load i64, ptr %value.at
  %is.size = icmp eq i64 %size, %wanted.size
  br i1 %is.size, label %items.test, label %differs
items.test:
  %finished = icmp eq i64 %index, %wanted.size
  br i1 %finished, label %items.done, label %items.one
items.one:
  %outside = load ptr, ptr %items.at
  %items = select i1 %in.list, ptr %outside, ptr %items.at
  %item.at = getelementptr ptr, ptr %items, i64 %index
  %item = load ptr, ptr %item.at
  %after = call ptr @unpack(ptr %child, ptr %item, ptr %state)
  %unlike = icmp eq ptr %after, null
  br i1 %unlike, label %differs, label %items.more
items.more:
  %index.next = add i64 %index, 1
  br label %items.loop
items.done:
  ret ptr %child

{_typed("dict", "@PyDict_Type", "dict.size")}
dict.size:
  %keys = call i64 @PyDict_Size(ptr %object)
  %wanted.keys = load i64, ptr %count.at
  %is.keys = icmp eq i64 %keys, %wanted.keys
  br i1 %is.keys, label %dict.loop, label %differs
dict.loop:
  %number = phi i64 [ 0, %dict.size ], [ %number.next, %dict.more ]
  %key.node = phi ptr [ %next, %dict.size ], [ %after.value, %dict.more ]
  %dict.finished = icmp eq i64 %number, %keys
  br i1 %dict.finished, label %dict.done, label %dict.one
dict.one:
{load("key", "key.node", 16)}
  %value = call ptr @PyDict_GetItemWithError(ptr %object, ptr %key)
  %no.value = icmp eq ptr %value, null
  br i1 %no.value, label %differs, label %dict.value
dict.value:
  %value.node = getelementptr i8, ptr %key.node, i64 {8 * NODE_WORDS}
  %after.value = call ptr @unpack(ptr %value.node, ptr %value, ptr %state)
  %value.unlike = icmp eq ptr %after.value, null
  br i1 %value.unlike, label %differs, label %dict.more
dict.more:
  %number.next = add i64 %number, 1
  br label %dict.loop
dict.done:
  ret ptr %key.node

cell:
  %the.cell = load ptr, ptr %first.at
{load("content", "the.cell", 16)}
  br label %found
in.dict:
  %the.dict = load ptr, ptr %first.at
  %the.key = load ptr, ptr %second.at
  %the.item = call ptr @PyDict_GetItemWithError(ptr %the.dict, ptr %the.key)
  br label %found
attribute:
  %given.holder = load ptr, ptr %first.at
  %no.holder = icmp eq ptr %given.holder, null
  %holder = select i1 %no.holder, ptr %object, ptr %given.holder
  %name = load ptr, ptr %second.at
  call void @Py_IncRef(ptr %holder)
  %attribute.got = call ptr @PyObject_GetAttr(ptr %holder, ptr %name)
  call void @Py_DecRef(ptr %holder)
  %no.attribute = icmp eq ptr %attribute.got, null
  br i1 %no.attribute, label %differs, label %attribute.kept
attribute.kept:
  call void @keep(ptr %state, ptr %attribute.got)
  br label %found
found:
  %read = phi ptr [ %content, %cell ], [ %the.item, %in.dict ], [ %attribute.got, %attribute.kept ]
  %nothing = icmp eq ptr %read, null
  br i1 %nothing, label %differs, label %deeper
deeper:
  %after.read = call ptr @unpack(ptr %next, ptr %read, ptr %state)
  ret ptr %after.read

same:
  %wanted.object = load ptr, ptr %first.at
  %is.same = icmp eq ptr %object, %wanted.object
  br i1 %is.same, label %matched, label %differs
equal:
  %equal.object = load ptr, ptr %first.at
  %is.identical = icmp eq ptr %object, %equal.object
  br i1 %is.identical, label %matched, label %equal.type
equal.type:
{load("type.wanted", "equal.object", 8)}
  %type.own = load ptr, ptr %type.at
  %is.type = icmp eq ptr %type.own, %type.wanted
  br i1 %is.type, label %equal.value, label %differs
equal.value:
  call void @Py_IncRef(ptr %object)
  %truth.value = call i32 @PyObject_RichCompareBool(ptr %object, ptr %equal.object, i32 2)
  call void @Py_DecRef(ptr %object)
  %is.equal = icmp eq i32 %truth.value, 1
  br i1 %is.equal, label %matched, label %differs
entries:
  %remembered = load ptr, ptr %first.at
  %is.remembered = icmp eq ptr %object, %remembered
  br i1 %is.remembered, label %entries.alike, label %differs
entries.alike:
  %entries.descr = load ptr, ptr %second.at
{load("entries.ndim", "node", 32, "i64")}
{load("entries.lengths", "node", 40)}
  %still = call i1 @alike(ptr %object, ptr %entries.descr, i64 %entries.ndim, ptr %entries.lengths)
  %ordered = call i1 @in_order(ptr %object)
  %comparable = and i1 %still, %ordered
  br i1 %comparable, label %entries.compare, label %differs
entries.compare:
  %copy = getelementptr i64, ptr %entries.lengths, i64 %entries.ndim
  %bytes = load i64, ptr %count.at
  %entries.data = load ptr, ptr %value.at
  %difference = call i32 @memcmp(ptr %entries.data, ptr %copy, i64 %bytes)
  %no.difference = icmp eq i32 %difference, 0
  br i1 %no.difference, label %matched, label %differs
absent:
  %dict.without = load ptr, ptr %first.at
  %missing.key = load ptr, ptr %second.at
  %unexpected = call ptr @PyDict_GetItemWithError(ptr %dict.without, ptr %missing.key)
  %is.absent = icmp eq ptr %unexpected, null
  br i1 %is.absent, label %matched, label %differs
matched:
  ret ptr %next
differs:
  ret ptr null
}}
"""

_PACK = f"""
; Make one tree of results. %cursor holds the node to read; null is returned with an exception set.
define internal ptr @pack(ptr %cursor, ptr %outputs, ptr %arrays, ptr %objects) {{
entry:
  %node = load ptr, ptr %cursor
  %operation = load i64, ptr %node
  %next = getelementptr i8, ptr %node, i64 {8 * NODE_WORDS}
  store ptr %next, ptr %cursor
  %count.at = getelementptr i8, ptr %node, i64 8
  %count = load i64, ptr %count.at
  %first.at = getelementptr i8, ptr %node, i64 16
  %first = load ptr, ptr %first.at
  %data.at = getelementptr ptr, ptr %outputs, i64 %count
  switch i64 %operation, label %constant [
    i64 {FLOAT}, label %float
    i64 {INTEGER}, label %integer
    i64 {BOOL}, label %bool
    i64 {COMPLEX}, label %complex
    i64 {SCALAR}, label %scalar
    i64 {ARRAY}, label %array
    i64 {TUPLE}, label %tuple
    i64 {LIST}, label %list
    i64 {DICT}, label %dict
    i64 {CALL}, label %call
    i64 {INPUT}, label %input
  ]
float:
  %float.data = load ptr, ptr %data.at
  %float.value = load double, ptr %float.data
  %float.object = call ptr @PyFloat_FromDouble(double %float.value)
  ret ptr %float.object
integer:
  %integer.data = load ptr, ptr %data.at
  %integer.value = load i64, ptr %integer.data
  %integer.object = call ptr @PyLong_FromLongLong(i64 %integer.value)
  ret ptr %integer.object
bool:
  %bool.data = load ptr, ptr %data.at
  %bool.value = load i8, ptr %bool.data
  %is.false = icmp eq i8 %bool.value, 0
  %bool.object = select i1 %is.false, ptr @_Py_FalseStruct, ptr @_Py_TrueStruct
  call void @Py_IncRef(ptr %bool.object)
  ret ptr %bool.object
complex:
  %complex.data = load ptr, ptr %data.at
  %real = load double, ptr %complex.data
  %imag.at = getelementptr i8, ptr %complex.data, i64 8
  %imag = load double, ptr %imag.at
  %complex.object = call ptr @PyComplex_FromDoubles(double %real, double %imag)
  ret ptr %complex.object
scalar:
  %scalar.data = load ptr, ptr %data.at
  %scalar.object = call ptr @wengert_array_scalar(ptr %scalar.data, ptr %first, ptr null)
  ret ptr %scalar.object
array:
  %array.at = getelementptr ptr, ptr %arrays, i64 %count
  %array.object = load ptr, ptr %array.at
  call void @Py_IncRef(ptr %array.object)
  ret ptr %array.object
input:
  %input.at = getelementptr ptr, ptr %objects, i64 %count
  %input.object = load ptr, ptr %input.at
  call void @Py_IncRef(ptr %input.object)
  ret ptr %input.object
constant:
  call void @Py_IncRef(ptr %first)
  ret ptr %first
call:
  %argument = call ptr @pack(ptr %cursor, ptr %outputs, ptr %arrays, ptr %objects)
  %no.argument = icmp eq ptr %argument, null
  br i1 %no.argument, label %failed, label %called
called:
  %answer = call ptr @PyObject_CallOneArg(ptr %first, ptr %argument)
  call void @Py_DecRef(ptr %argument)
  ret ptr %answer
tuple:
  %new.tuple = call ptr @PyTuple_New(i64 %count)
  %no.tuple = icmp eq ptr %new.tuple, null
  br i1 %no.tuple, label %failed, label %tuple.items
tuple.items:
  %inline = getelementptr i8, ptr %new.tuple, i64 24
  br label %items
list:
  %new.list = call ptr @PyList_New(i64 %count)
  %no.list = icmp eq ptr %new.list, null
  br i1 %no.list, label %failed, label %list.items
list.items:
  %outside.at = getelementptr i8, ptr %new.list, i64 24
  %outside = load ptr, ptr %outside.at
  br label %items
items:
  %container = phi ptr [ %new.tuple, %tuple.items ], [ %new.list, %list.items ]
  %places = phi ptr [ %inline, %tuple.items ], [ %outside, %list.items ]
  br label %items.loop
items.loop:
  %index = phi i64 [ 0, %items ], [ %index.next, %items.more ]
  %finished = icmp eq i64 %index, %count
  br i1 %finished, label %items.done, label %items.one
items.one:
  %item = call ptr @pack(ptr %cursor, ptr %outputs, ptr %arrays, ptr %objects)
  %no.item = icmp eq ptr %item, null
  br i1 %no.item, label %items.failed, label %items.more
items.more:
  %place = getelementptr ptr, ptr %places, i64 %index
  store ptr %item, ptr %place
  %index.next = add i64 %index, 1
  br label %items.loop
items.done:
  ret ptr %container
items.failed:
  call void @Py_DecRef(ptr %container)
  ret ptr null
dict:
  %new.dict = call ptr @PyDict_New()
  %no.dict = icmp eq ptr %new.dict, null
  br i1 %no.dict, label %failed, label %dict.loop
dict.loop:
  %number = phi i64 [ 0, %dict ], [ %number.next, %dict.more ]
  %dict.finished = icmp eq i64 %number, %count
  br i1 %dict.finished, label %dict.done, label %dict.one
dict.one:
  %key.node = load ptr, ptr %cursor
  %key.at = getelementptr i8, ptr %key.node, i64 16
  %key = load ptr, ptr %key.at
  %value.node = getelementptr i8, ptr %key.node, i64 {8 * NODE_WORDS}
  store ptr %value.node, ptr %cursor
  %value = call ptr @pack(ptr %cursor, ptr %outputs, ptr %arrays, ptr %objects)
  %no.value = icmp eq ptr %value, null
  br i1 %no.value, label %dict.failed, label %dict.set
dict.set:
  %set = call i32 @PyDict_SetItem(ptr %new.dict, ptr %key, ptr %value)
  call void @Py_DecRef(ptr %value)
  %unset = icmp ne i32 %set, 0
  br i1 %unset, label %dict.failed, label %dict.more
dict.more:
  %number.next = add i64 %number, 1
  br label %dict.loop
dict.done:
  ret ptr %new.dict
dict.failed:
  call void @Py_DecRef(ptr %new.dict)
  ret ptr null
failed:
  ret ptr null
}}
"""
