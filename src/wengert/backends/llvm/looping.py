"""Loops in native code: the equations ``while_loop`` and ``scan``, one function each.

What a loop carries lies in registers where it is a number; an array lies in one of two places, and
the steps of an iteration read the one and write the other, or in one place where they change it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...ir.equation import Equation, Variable
from ...ir.wengert_list import WengertList
from .callback import define_signals
from .frame import Frame, Spills, Step
from .layout import bytes_of, in_register, plan_layout
from .parts import Part, PartStep, call_part, deliver, module_for, part_of
from .values import load, store
from .writer import offset

# The names of places that only the function of a loop knows.
GIVEN, MADE, _TESTED = "given", "made", "tested"

# Loops of more steps than this can be interrupted.
_LONG = 100_000


class Carried:
    """What a loop carries: where each value lies between iterations."""

    def __init__(self, frame: Frame, variables: Sequence[Variable], first: int) -> None:
        self.frame = frame
        self.variables = variables
        function = frame.function
        self.slots: list[str] = []
        changed = frame.layout.donations
        # For an array, both places to write, and which is the next.
        self.places: list[tuple[str, str] | None] = []
        for number, variable in enumerate(variables):
            source = frame.input(first + number)
            aval = variable.aval
            slot = function.slot(16)
            self.slots.append(slot)
            if in_register(aval):
                store(function, load(function, aval.dtype, source), slot)
                self.places.append(None)
                continue
            own = frame.output(number)
            if number in changed:
                frame.copy(own, source, bytes_of(aval))
                self.places.append((own, own))
                function.line(f"store ptr {own}, ptr {slot}")
                continue
            self.places.append((own, frame.scratch(bytes_of(aval))))
            function.line(f"store ptr {source}, ptr {slot}")

    def read(self, program: WengertList, first: int, where: str) -> None:
        """Give the inputs of a list, from number `first`, what is carried now."""
        frame, function = self.frame, self.frame.function
        for number, slot in enumerate(self.slots):
            variable = program.inputs[first + number]
            if in_register(variable.aval):
                frame.set(variable, load(function, variable.aval.dtype, slot))
            else:
                frame.bind(where, first + number, function.value(f"load ptr, ptr {slot}"))

    def prepare(self) -> list[str]:
        """Return where an iteration writes what is carried next."""
        function = self.frame.function
        targets = []
        for slot, places in zip(self.slots, self.places, strict=True):
            if places is None:
                targets.append(slot)
                continue
            now = function.value(f"load ptr, ptr {slot}")
            taken = function.value(f"icmp eq ptr {now}, {places[0]}")
            targets.append(function.value(f"select i1 {taken}, ptr {places[1]}, ptr {places[0]}"))
        return targets

    def advance(self, targets: Sequence[str]) -> None:
        """Carry what the iteration wrote."""
        for slot, places, target in zip(self.slots, self.places, targets, strict=True):
            if places is not None:
                self.frame.function.line(f"store ptr {target}, ptr {slot}")

    def iterate(self, steps: Sequence[Step], body: WengertList) -> None:
        """Run the steps of a body, and carry what they make."""
        targets = self.prepare()
        for number, target in enumerate(targets):
            self.frame.bind(MADE, number, target)
        for step in steps:
            step.emit(self.frame)
        deliver(self.frame, body.outputs, MADE)
        self.advance(targets)

    def finish(self) -> None:
        """Put what is carried at the end where the outputs are."""
        frame, function = self.frame, self.frame.function
        for number, (slot, variable) in enumerate(zip(self.slots, self.variables, strict=True)):
            aval = variable.aval
            target = frame.output(number)
            if in_register(aval):
                store(function, load(function, aval.dtype, slot), target)
                continue
            now = function.value(f"load ptr, ptr {slot}")
            moved = frame.module.declare("memmove", "ptr", "ptr", "ptr", "i64")
            function.value(f"call ptr {moved}(ptr {target}, ptr {now}, i64 {bytes_of(aval)})")


class LoopFrame:
    """The function of a loop while it is written."""

    def __init__(
        self,
        outer: Frame,
        lists: Sequence[WengertList],
        hint: str,
        inputs: int,
        constants: int,
        count: int,
    ) -> None:
        shared = outer.shared
        self.steps: list[list[Step]] = [shared.arrange(program) for program in lists]
        names = ((GIVEN, MADE), (_TESTED, ""))
        own = _changeable(lists[0], constants, count), None
        layouts = [
            plan_layout(program, steps, outer.layout, where, carried=carried)
            for program, steps, where, carried in zip(lists, self.steps, names, own, strict=False)
        ]
        self.layout = layouts[0]
        for other in layouts[1:]:  # side by side in one workspace
            start = self.layout.reserve(other.workspace) if other.workspace else 0
            for place in other.places.values():
                if place.where == "workspace":
                    place.number += start
            self.layout.places.update(other.places)
        module = module_for(outer, [step for steps in self.steps for step in steps])
        self.name = shared.name(hint)
        self.frame = Frame(module, self.name, self.layout, inputs, Spills(self.layout), shared)

    def give(self, variables: Sequence[Variable], first: int, where: str, start: int) -> None:
        """Bind inputs of a list that stay the same to the function's inputs from `first`."""
        frame = self.frame
        for number, variable in enumerate(variables):
            pointer = frame.input(first + number)
            if in_register(variable.aval):
                frame.set(variable, load(frame.function, variable.aval.dtype, pointer))
            else:
                frame.bind(where, start + number, pointer)

    def end(self) -> Part:
        self.frame.finish()
        return Part(self.frame.module, self.name, self.layout.workspace)


def _changeable(body: WengertList, constants: int, count: int) -> dict[int, int]:
    """Return which inputs that are carried may be changed where they lie, and become which output.

    One that is an output too, of another place, must last to the end of the iteration.
    """
    kept = set(body.outputs)
    return {
        constants + number: number
        for number, variable in enumerate(body.inputs[constants : constants + count])
        if not in_register(variable.aval) and variable not in kept
    }


class While(PartStep):
    """The step of a loop that runs while a condition holds."""

    def __init__(self, equation: Equation) -> None:
        super().__init__(equation.operands, equation.outputs)
        self._params = equation.params

    @staticmethod
    def serves(equation: Equation) -> bool:
        """Return whether an equation is such a loop."""
        return equation.primitive.name == "while_loop"

    def emit(self, frame: Frame) -> None:
        params, count = self._params, len(self.reads)
        key = ("while", frame.shared.lists.key(params), count)
        part = part_of(frame, key, lambda: define_while(frame, params, params["body"], count))
        workspace = frame.scratch_of_part(part.workspace)
        self.call(frame, self.reads, lambda i, o: call_part(frame, part, i, o, workspace))


def define_while(
    outer: Frame,
    params: dict[str, Any],
    body: WengertList,
    inputs: int,
    begin: Callable[[Frame], None] = lambda frame: None,
) -> Part:
    """Write the function of a loop; `begin` is written at the start of an iteration."""
    condition: WengertList = params["condition"]
    for_condition: int = params["condition_constants"]
    constants: int = params["body_constants"]
    count = len(params["body"].outputs)
    loop = LoopFrame(outer, [body, condition], "while", inputs, constants, count)
    frame = loop.frame
    function = frame.function
    loop.give(condition.inputs[:for_condition], 0, _TESTED, 0)
    loop.give(body.inputs[:constants], for_condition, GIVEN, 0)
    carried = Carried(frame, body.inputs[constants:], for_condition + constants)
    test, again, done = (function.new_label(hint) for hint in ("test", "again", "done"))
    function.line(f"br label %{test}")
    function.start(test)
    carried.read(condition, for_condition, _TESTED)
    for step in loop.steps[1]:
        step.emit(frame)
    frame.settle()
    holds = frame.value(condition.outputs[0]).text
    function.line(f"br i1 {holds}, label %{again}, label %{done}")
    function.start(again)
    carried.read(body, constants, GIVEN)
    begin(frame)
    carried.iterate(loop.steps[0], body)
    let_interrupt(frame)
    function.line(f"br label %{test}")
    function.start(done)
    carried.finish()
    return loop.end()


def let_interrupt(frame: Frame) -> None:
    """Let a KeyboardInterrupt end the loop: every 1024 iterations Python handles its signals."""
    function = frame.function
    counter = function.slot(8)
    function.slots.append(f"store i64 0, ptr {counter}")
    count = function.value(f"load i64, ptr {counter}")
    following = function.value(f"add i64 {count}, 1")
    function.line(f"store i64 {following}, ptr {counter}")
    rest = function.value(f"and i64 {following}, 1023")
    due = function.value(f"icmp eq i64 {rest}, 0")
    looking, going = function.new_label("signals"), function.new_label("go")
    function.line(f"br i1 {due}, label %{looking}, label %{going}")
    function.start(looking)
    called = define_signals(frame.module)
    frame.leave_unless_done(function.value(f"call i32 {called}()"))
    function.line(f"br label %{going}")
    function.start(going)


class ScanStep(PartStep):
    """The step of a loop with a known number of iterations over stacked values."""

    def __init__(self, equation: Equation) -> None:
        super().__init__(equation.operands, equation.outputs)
        self._params = equation.params

    @staticmethod
    def serves(equation: Equation) -> bool:
        """Return whether an equation is such a loop."""
        return equation.primitive.name in ("scan", "checkpointed_scan")

    def emit(self, frame: Frame) -> None:
        params, count = self._params, len(self.reads)
        key = ("scan", frame.shared.lists.key(params), count)
        part = part_of(frame, key, lambda: define_scan(frame, params, count))
        workspace = frame.scratch_of_part(part.workspace)
        self.call(frame, self.reads, lambda i, o: call_part(frame, part, i, o, workspace))


def define_scan(
    outer: Frame, params: dict[str, Any], inputs: int, *, between: bool = False
) -> Part:
    """Write the function of a loop over stacked values.

    With `between` it runs from one step to before another: the address of both numbers is the last
    input.
    """
    body: WengertList = params["body"]
    constants: int = params["constants"]
    count: int = params["carry"]
    length: int = params["length"]
    loop = LoopFrame(outer, [body], "scan", inputs, constants, count)
    frame = loop.frame
    function = frame.function
    loop.give(body.inputs[:constants], 0, GIVEN, 0)
    carried = Carried(frame, body.inputs[constants : constants + count], constants)
    entries = body.inputs[constants + count :]
    sources = [frame.input(constants + count + number) for number in range(len(entries))]
    results = body.outputs[count:]
    stacks = [frame.output(count + number) for number in range(len(results))]
    counter = function.slot(8)
    start, end = "0", str(length)
    if between:
        span = frame.input(inputs - 1)
        start = function.value(f"load i64, ptr {span}")
        end = function.value(f"load i64, ptr {offset(function, span, 8)}")
    function.line(f"store i64 {start}, ptr {counter}")
    test, again, done = (function.new_label(hint) for hint in ("test", "again", "done"))
    function.line(f"br label %{test}")
    function.start(test)
    step_number = function.value(f"load i64, ptr {counter}")
    more = function.value(f"icmp slt i64 {step_number}, {end}")
    function.line(f"br i1 {more}, label %{again}, label %{done}")
    function.start(again)
    index = step_number
    if params["reverse"]:
        index = function.value(f"sub i64 {length - 1}, {step_number}")
    carried.read(body, constants, GIVEN)
    for number, (variable, source) in enumerate(zip(entries, sources, strict=True)):
        pointer = entry_at(frame, source, index, bytes_of(variable.aval))
        if in_register(variable.aval):
            frame.set(variable, load(function, variable.aval.dtype, pointer))
        else:
            frame.bind(GIVEN, constants + count + number, pointer)
    for number, (operand, stack) in enumerate(zip(results, stacks, strict=True)):
        frame.bind(MADE, count + number, entry_at(frame, stack, index, bytes_of(operand.aval)))
    carried.iterate(loop.steps[0], body)
    if length > _LONG:
        let_interrupt(frame)
    following = function.value(f"add i64 {step_number}, 1")
    function.line(f"store i64 {following}, ptr {counter}")
    function.line(f"br label %{test}")
    function.start(done)
    carried.finish()
    return loop.end()


def entry_at(frame: Frame, stack: str, index: str, size: int) -> str:
    bytes_before = frame.function.value(f"mul i64 {index}, {size}")
    return offset(frame.function, stack, bytes_before)
