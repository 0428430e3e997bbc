"""The pullback of a loop in native code: iterations keep their residuals, and are pulled back.

How often a loop runs is not known before: the residuals lie one record after the other in memory
that doubles when it is full, and is freed at the end, whatever happens meanwhile.
"""

from __future__ import annotations

from ...ir.aval import Aval
from ...ir.equation import Equation
from ...ir.pullback import Pullback
from .frame import RAISED, Frame
from .layout import bytes_of, in_register
from .looping import GIVEN, MADE, Carried, LoopFrame, define_while, entry_at, let_interrupt
from .parts import Part, PartStep, call_part
from .records import Record, zeroed
from .values import load
from .writer import offset

# The memory, how many records it has room for, how many there are.
_TAPE = "{ptr, i64, i64}"


class WhilePull(PartStep):
    """The step of the pullback of a loop that runs while a condition holds."""

    def __init__(self, equation: Equation) -> None:
        super().__init__(equation.operands, equation.outputs)
        self._params = equation.params
        assert equation.primitive.unfold is not None
        self._pullback: Pullback = equation.primitive.unfold(equation.params)

    @staticmethod
    def serves(equation: Equation) -> bool:
        """Return whether an equation is such a pullback."""
        return equation.primitive.name == "while_pull"

    def emit(self, frame: Frame) -> None:
        frame.settle()
        params, pullback = self._params, self._pullback
        skipped, constants = params["condition_constants"], params["body_constants"]
        carry = len(params["body"].outputs)
        count = skipped + constants + carry
        record = Record([operand.aval for operand in pullback.forward.outputs[carry:]])

        def begin(inner: Frame) -> None:
            place = _claim(inner, inner.input(count), record.size)
            for number, start in enumerate(record.offsets):
                inner.bind(MADE, carry + number, offset(inner.function, place, start))

        forward = define_while(frame, params, pullback.forward, count + 1, begin)
        backward = _define_backward(frame, pullback, record)
        function = frame.function
        pointers = [frame.pointer(operand) for operand in self.reads]
        targets = [frame.target(variable) for variable in self.writes]
        ends = [_scratch(frame, operand.aval) for operand in params["body"].outputs]
        sums = [_zeros(frame, variable.aval) for variable in self.writes[: pullback.sums]]
        tape = function.slot(24)
        function.line(f"store {_TAPE} zeroinitializer, ptr {tape}")
        state = function.slot(4)
        run, pull, free = (function.new_label(hint) for hint in ("run", "pull", "free"))
        function.line(f"br label %{run}")
        function.start(run)
        inputs = frame.table([*pointers[:count], tape, frame.constants()])
        workspace = frame.scratch_of_part(max(forward.workspace, backward.workspace))
        status = call_part(frame, forward, inputs, frame.table(ends), workspace)
        function.line(f"store i32 {status}, ptr {state}")
        done = function.value(f"icmp eq i32 {status}, 0")
        function.line(f"br i1 {done}, label %{pull}, label %{free}")
        function.start(pull)
        read = [pointers[skipped + index] for index in pullback.constants]
        inputs = frame.table([*read, *pointers[count:], *sums, tape, frame.constants()])
        outputs = frame.table([*targets[pullback.sums :], *targets[: pullback.sums]])
        status = call_part(frame, backward, inputs, outputs, workspace)
        function.line(f"store i32 {status}, ptr {state}")
        function.line(f"br label %{free}")
        function.start(free)
        memory = function.value(f"load ptr, ptr {tape}")
        freeing = frame.module.declare("PyMem_RawFree", "void", "ptr")
        function.line(f"call void {freeing}(ptr {memory})")
        frame.leave_unless_done(function.value(f"load i32, ptr {state}"))
        for variable, pointer in zip(self.writes, targets, strict=True):
            frame.arrived(variable, pointer)


def _scratch(frame: Frame, aval: Aval) -> str:
    return frame.scratch(max(16, bytes_of(aval)))


def _zeros(frame: Frame, aval: Aval) -> str:
    place = _scratch(frame, aval)
    zeroed(frame, place, aval)
    return place


def _define_backward(outer: Frame, pullback: Pullback, record: Record) -> Part:
    """Write the function that pulls back, from the last iteration to the first."""
    body = pullback.backward
    constants, residuals = len(pullback.constants), len(record.avals)
    carried_from = constants + residuals
    variables = body.inputs[carried_from:]
    inputs = constants + len(variables) + 1
    loop = LoopFrame(outer, [body], "pull", inputs, carried_from, len(variables))
    frame = loop.frame
    function = frame.function
    loop.give(body.inputs[:constants], 0, GIVEN, 0)
    carried = Carried(frame, variables, constants)
    tape = frame.input(inputs - 1)
    memory = function.value(f"load ptr, ptr {tape}")
    counter = offset(function, tape, 16)
    test, again, done = (function.new_label(hint) for hint in ("test", "again", "done"))
    function.line(f"br label %{test}")
    function.start(test)
    left = function.value(f"load i64, ptr {counter}")
    more = function.value(f"icmp sgt i64 {left}, 0")
    function.line(f"br i1 {more}, label %{again}, label %{done}")
    function.start(again)
    index = function.value(f"sub i64 {left}, 1")
    function.line(f"store i64 {index}, ptr {counter}")
    place = entry_at(frame, memory, index, record.size)
    for number, start in enumerate(record.offsets, constants):
        variable, pointer = body.inputs[number], offset(function, place, start)
        if in_register(variable.aval):
            frame.set(variable, load(function, variable.aval.dtype, pointer))
        else:
            frame.bind(GIVEN, number, pointer)
    carried.read(body, carried_from, GIVEN)
    carried.iterate(loop.steps[0], body)
    let_interrupt(frame)
    function.line(f"br label %{test}")
    function.start(done)
    carried.finish()
    return loop.end()


def _claim(frame: Frame, tape: str, size: int) -> str:
    """Return the address of a further record."""
    function = frame.function
    counter, limit = offset(function, tape, 16), offset(function, tape, 8)
    count = function.value(f"load i64, ptr {counter}")
    room = function.value(f"load i64, ptr {limit}")
    full = function.value(f"icmp eq i64 {count}, {room}")
    growing, going = function.new_label("grow"), function.new_label("go")
    function.line(f"br i1 {full}, label %{growing}, label %{going}")
    function.start(growing)
    called = _define_growth(frame)
    frame.leave_unless_done(function.value(f"call i32 {called}(ptr {tape}, i64 {size})"))
    function.line(f"br label %{going}")
    function.start(going)
    function.line(f"store i64 {function.value(f'add i64 {count}, 1')}, ptr {counter}")
    memory = function.value(f"load ptr, ptr {tape}")
    return entry_at(frame, memory, count, size)


def _define_growth(frame: Frame) -> str:
    """Define the function that doubles the memory of a tape."""
    module = frame.module
    ensure = module.declare("PyGILState_Ensure", "i32")
    release = module.declare("PyGILState_Release", "void", "i32")
    no_memory = module.declare("PyErr_NoMemory", "ptr")
    larger = module.declare("PyMem_RawRealloc", "ptr", "ptr", "i64")
    return module.define(
        "grow_tape",
        f"""define internal i32 @grow_tape(ptr %tape, i64 %bytes) noinline {{
  %room.at = getelementptr {_TAPE}, ptr %tape, i32 0, i32 1
  %room = load i64, ptr %room.at
  %double = shl i64 %room, 1
  %first = icmp eq i64 %room, 0
  %next = select i1 %first, i64 16, i64 %double
  %size = mul i64 %next, %bytes
  %before = load ptr, ptr %tape
  %after = call ptr {larger}(ptr %before, i64 %size)
  %none = icmp eq ptr %after, null
  br i1 %none, label %failed, label %grown
grown:
  store ptr %after, ptr %tape
  store i64 %next, ptr %room.at
  ret i32 0
failed:
  %state = call i32 {ensure}()
  %unused = call ptr {no_memory}()
  call void {release}(i32 %state)
  ret i32 {RAISED}
}}""",
    )
