"""Binary searches in native code: ``searchsorted`` and ``digitize``, as NumPy's own loop goes.

The search for an entry starts where the one before ended; so also arrays that are not sorted give
what they give in NumPy.
"""

from __future__ import annotations

import numpy as np

from ...ir.aval import Aval
from ...ir.equation import Equation, Operand, Variable
from .callback import write_call_back
from .emitter import TextEmitter
from .frame import Frame
from .values import BOOL, INT64, Value, load, store
from .writer import Function, offset

_ARGUMENTS = ("ptr noalias %sorted", "ptr noalias %sought", "ptr noalias %found")


class SearchStep:
    """The step of an equation that searches for entries in an array."""

    numbers_only = False
    scratch = 0

    def __init__(self, equation: Equation) -> None:
        self.equation = equation
        self.reads: tuple[Operand, ...] = equation.operands
        self.writes: tuple[Variable, ...] = equation.outputs

    @staticmethod
    def serves(equation: Equation) -> bool:
        """Return whether an equation is such a search, in numbers that have an order."""
        if equation.primitive.name not in ("searchsorted", "digitize"):
            return False
        avals = [operand.aval for operand in equation.operands]
        return len(avals) == 2 and all(
            aval.dtype.kind in "iuf" and aval.dtype.isnative and aval.dtype.itemsize in (4, 8)
            for aval in avals
        )

    def emit(self, frame: Frame) -> None:
        frame.settle()
        (variable,) = self.writes
        target = frame.target(variable)
        pointers = {operand: frame.pointer(operand) for operand in self.reads}
        if self.equation.primitive.name == "searchsorted":
            array, sought = self.reads
            side = self.equation.params["side"]
        else:
            sought, array = self.reads
            side = "left" if self.equation.params["right"] else "right"
        checks = self.equation.primitive.name == "digitize"
        name = _define_search(frame, array.aval, sought.aval, side, checks)
        called = frame.module.declare(name, "i32", "ptr", "ptr", "ptr")
        function = frame.function
        arguments = ", ".join(f"ptr {p}" for p in (pointers[array], pointers[sought], target))
        status = function.value(f"call i32 {called}({arguments})")
        if checks:
            again, done = function.new_label("again"), function.new_label("done")
            sorted_ = function.value(f"icmp eq i32 {status}, 0")
            function.line(f"br i1 {sorted_}, label %{done}, label %{again}")
            function.start(again)
            given = [pointers[o] for o in self.reads if isinstance(o, Variable)]
            write_call_back(frame, self.equation, given, [target])
            function.line(f"br label %{done}")
            function.start(done)
        frame.arrived(variable, target)


def _define_search(frame: Frame, array: Aval, sought: Aval, side: str, checks: bool) -> str:
    """Write the function of a search; it returns 1 where it shall check order and finds none."""
    dtype = np.promote_types(array.dtype, sought.dtype)
    name = frame.shared.name("search")
    function = frame.loops.function(name, "i32", *_ARGUMENTS)
    emitter = TextEmitter(function)
    size, count = array.size, sought.size

    def entry(pointer: str, number: str, aval: Aval) -> Value:
        at = offset(function, pointer, function.value(f"mul i64 {number}, {aval.dtype.itemsize}"))
        return emitter.cast(load(function, aval.dtype, at), dtype)

    def before(x: Value, y: Value) -> str:
        """Return the bit for x before y, or beside it where entries are put to the right."""
        if side == "right":
            return emitter.bitwise("not", Value(BOOL, _less(emitter, y, x))).text
        return _less(emitter, x, y)

    if checks:
        _check_order(function, entry, array)
    if count:
        low, high, last, number = (function.slot(8) for _ in range(4))
        function.line(f"store i64 0, ptr {low}")
        function.line(f"store i64 {size}, ptr {high}")
        function.line(f"store i64 0, ptr {number}")
        store(function, entry("%sought", "0", sought), last)
        names = ("next", "from", "halve", "narrow", "found", "done")
        following, starting, halving, narrowing, found, done = map(function.new_label, names)
        function.line(f"br label %{following}")
        function.start(following)
        index = function.value(f"load i64, ptr {number}")
        more = function.value(f"icmp slt i64 {index}, {count}")
        function.line(f"br i1 {more}, label %{starting}, label %{done}")
        function.start(starting)
        key = entry("%sought", index, sought)
        upwards = before(load(function, dtype, last), key)
        start = function.value(f"load i64, ptr {low}")
        end = function.value(f"load i64, ptr {high}")
        inside = function.value(f"icmp slt i64 {end}, {size}")
        further = function.value(f"add i64 {end}, 1")
        downwards = function.value(f"select i1 {inside}, i64 {further}, i64 {size}")
        start = function.value(f"select i1 {upwards}, i64 {start}, i64 0")
        end = function.value(f"select i1 {upwards}, i64 {size}, i64 {downwards}")
        function.line(f"store i64 {start}, ptr {low}")
        function.line(f"store i64 {end}, ptr {high}")
        store(function, key, last)
        function.line(f"br label %{halving}")
        function.start(halving)
        start = function.value(f"load i64, ptr {low}")
        end = function.value(f"load i64, ptr {high}")
        open_ = function.value(f"icmp slt i64 {start}, {end}")
        function.line(f"br i1 {open_}, label %{narrowing}, label %{found}")
        function.start(narrowing)
        width = function.value(f"sub i64 {end}, {start}")
        middle = function.value(f"add i64 {start}, {function.value(f'lshr i64 {width}, 1')}")
        right = before(entry("%sorted", middle, array), key)
        behind = function.value(f"add i64 {middle}, 1")
        next_low = function.value(f"select i1 {right}, i64 {behind}, i64 {start}")
        next_high = function.value(f"select i1 {right}, i64 {end}, i64 {middle}")
        function.line(f"store i64 {next_low}, ptr {low}")
        function.line(f"store i64 {next_high}, ptr {high}")
        function.line(f"br label %{halving}")
        function.start(found)
        place = function.value(f"load i64, ptr {low}")
        at = offset(function, "%found", function.value(f"mul i64 {index}, 8"))
        store(function, Value(INT64, place), at)
        after = function.value(f"add i64 {index}, 1")
        function.line(f"store i64 {after}, ptr {number}")
        function.line(f"br label %{following}")
        function.start(done)
    function.line("ret i32 0")
    return name


def _less(emitter: TextEmitter, x: Value, y: Value) -> str:
    """Return the bit for x < y, nan being last."""
    found = emitter.compare("lt", x, y)
    if x.dtype.kind == "f":
        nan = emitter.bitwise("and", emitter.compare("ne", y, y), emitter.compare("eq", x, x))
        found = emitter.bitwise("or", found, nan)
    return str(found.text)


def _check_order(function: Function, entry: object, array: Aval) -> None:
    """Return 1 unless no entry is above the next one."""
    assert callable(entry)
    emitter = TextEmitter(function)
    number = function.slot(8)
    function.line(f"store i64 1, ptr {number}")
    names = ("pair", "compare", "step", "unsorted", "sorted")
    pair, comparing, stepping, unsorted, sorted_ = map(function.new_label, names)
    function.line(f"br label %{pair}")
    function.start(pair)
    index = function.value(f"load i64, ptr {number}")
    more = function.value(f"icmp slt i64 {index}, {array.size}")
    function.line(f"br i1 {more}, label %{comparing}, label %{sorted_}")
    function.start(comparing)
    left = entry("%sorted", function.value(f"sub i64 {index}, 1"), array)
    fine = emitter.compare("le", left, entry("%sorted", index, array)).text
    function.line(f"br i1 {fine}, label %{stepping}, label %{unsorted}")
    function.start(stepping)
    function.line(f"store i64 {function.value(f'add i64 {index}, 1')}, ptr {number}")
    function.line(f"br label %{pair}")
    function.start(unsorted)
    function.line("ret i32 1")
    function.start(sorted_)
