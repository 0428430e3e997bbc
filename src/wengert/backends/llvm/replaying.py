"""The pullback of a checkpointed scan in native code: few states are kept, the others made again.

States are kept in the workspace, placed as the rule places them; one function runs the loop forward
between two steps, another pulls back one step after the other, from the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...ir.equation import Equation, Literal, Operand
from ...ir.pullback import Replay
from .frame import Frame
from .layout import bytes_of, in_register
from .looping import GIVEN, MADE, Carried, LoopFrame, define_scan, entry_at, let_interrupt
from .parts import Part, PartStep, call_part
from .records import Record, zeroed
from .values import load
from .writer import Function, offset


class ScanPull(PartStep):
    """The step of the pullback of a checkpointed scan."""

    def __init__(self, equation: Equation) -> None:
        super().__init__(equation.operands, equation.outputs)
        self._params = equation.params
        assert equation.primitive.unfold is not None
        self._replay: Replay = equation.primitive.unfold(equation.params)

    @staticmethod
    def serves(equation: Equation) -> bool:
        """Return whether an equation is such a pullback."""
        return equation.primitive.name == "scan_pull"

    def emit(self, frame: Frame) -> None:
        frame.settle()
        params = self._params
        first, count = params["constants"], params["carry"]
        operands = len(params["varying"])
        sums = sum(params["varying"][:first])
        carried = sum(params["varying"][first : first + count])
        part = _define_replay(frame, params, self._replay, carried, sums)
        workspace = frame.scratch_of_part(part.workspace)
        pointers = [frame.pointer(operand) for operand in self.reads]
        targets = [frame.target(variable) for variable in self.writes]
        for variable, target in zip(self.writes[:sums], targets, strict=False):
            zeroed(frame, target, variable.aval)
        start = first + count
        seeds = pointers[operands : operands + carried]
        inputs = [*pointers[:start], *seeds, *targets[:sums], *pointers[start:operands]]
        inputs += pointers[operands + carried :]
        outputs = [*targets[sums : sums + carried], *targets[:sums], *targets[sums + carried :]]
        tables = frame.table([*inputs, frame.constants()]), frame.table(outputs)
        frame.leave_unless_done(call_part(frame, part, *tables, workspace))
        for variable, pointer in zip(self.writes, targets, strict=True):
            frame.arrived(variable, pointer)


def _define_replay(
    outer: Frame, params: dict[str, Any], replay: Replay, carried: int, sums: int
) -> Part:
    """Write the function that pulls back; inputs and outputs are those of the list ``pull``."""
    first, count, length = params["constants"], params["carry"], params["length"]
    given = first + count
    kept = carried + sums
    body = replay.pull
    advance = params | {"body": replay.advance}
    going = define_scan(outer, advance, len(replay.advance.inputs) + 1, between=True)
    loop = LoopFrame(outer, [body], "replay", len(body.inputs), given, kept)
    frame = loop.frame
    function = frame.function
    loop.give(body.inputs[:first], 0, GIVEN, 0)
    carrying = Carried(frame, body.inputs[given : given + kept], given)
    states = _States(frame, params, replay)
    workspace = frame.scratch_of_part(going.workspace)
    xs = [frame.input(number) for number in range(given + kept, len(body.inputs))]
    constants = [frame.input(number) for number in range(first)]
    span = function.slot(16)

    def run(start: str, end: str, source: Sequence[str], target: Sequence[str]) -> None:
        """Compute the state at step `end` from the one at `start`."""
        function.line(f"store i64 {start}, ptr {span}")
        function.line(f"store i64 {end}, ptr {offset(function, span, 8)}")
        read = xs[: len(replay.advance.inputs) - given]
        inputs = frame.table([*constants, *source, *read, span, frame.constants()])
        status = call_part(frame, going, inputs, frame.table(target), workspace)
        frame.leave_unless_done(status)

    ending = function.slot(8)
    function.line(f"store i64 {length}, ptr {ending}")
    names = ("test", "again", "place", "pull", "advance", "ready", "done")
    test, again, place, pull, advancing, ready, done = map(function.new_label, names)
    function.line(f"br label %{test}")
    function.start(test)
    end = function.value(f"load i64, ptr {ending}")
    more = function.value(f"icmp sgt i64 {end}, 0")
    function.line(f"br i1 {more}, label %{again}, label %{done}")
    function.start(again)
    top, base = states.last()
    steps = function.value(f"sub i64 {end}, {base}")
    several = function.value(f"icmp sgt i64 {steps}, 1")
    room = function.value(f"icmp slt i64 {top}, {params['snapshots']}")
    placing = function.value(f"and i1 {several}, {room}")
    function.line(f"br i1 {placing}, label %{place}, label %{pull}")

    function.start(place)
    left = function.value(f"sub i64 {params['snapshots']}, {top}")
    middle = function.value(f"add i64 {base}, {_first_snapshot(function, steps, left)}")
    run(base, middle, states.at(top), states.add(top, middle))
    function.line(f"br label %{test}")

    function.start(pull)
    step = function.value(f"sub i64 {end}, 1")
    states.choose(states.at(top))
    between = function.value(f"icmp sgt i64 {step}, {base}")
    function.line(f"br i1 {between}, label %{advancing}, label %{ready}")
    function.start(advancing)
    run(base, step, states.at(top), states.current)
    states.choose(states.current)
    function.line(f"br label %{ready}")

    function.start(ready)
    index = step
    if params["reverse"]:
        index = function.value(f"sub i64 {length - 1}, {step}")
    for number, pointer in enumerate(states.chosen(), first):
        _give(frame, body.inputs[number], number, pointer)
    for number, pointer in enumerate(xs, given + kept):
        variable = body.inputs[number]
        entry = entry_at(frame, pointer, index, bytes_of(variable.aval))
        _give(frame, variable, number, entry)
    for number, operand in enumerate(body.outputs[kept:], kept):
        stack = frame.output(number)
        frame.bind(MADE, number, entry_at(frame, stack, index, bytes_of(operand.aval)))
    carrying.read(body, given, GIVEN)
    carrying.iterate(loop.steps[0], body)
    states.drop(top, function.value(f"icmp eq i64 {step}, {base}"))
    function.line(f"store i64 {step}, ptr {ending}")
    let_interrupt(frame)
    function.line(f"br label %{test}")
    function.start(done)
    carrying.finish()
    return loop.end()


def _give(frame: Frame, variable: Operand, number: int, pointer: str) -> None:
    assert not isinstance(variable, Literal)
    if in_register(variable.aval):
        frame.set(variable, load(frame.function, variable.aval.dtype, pointer))
    else:
        frame.bind(GIVEN, number, pointer)


def _first_snapshot(function: Function, steps: str, snapshots: str) -> str:
    """Return after how many of `steps`, more than one, the first of the snapshots is taken.

    With C(s + r, s) = C(s + r - 1, s) (s + r) / r, from r = 1 until it reaches the steps: all
    intermediate results are integers, and at most the steps times themselves and s.
    """
    before, after, count = (function.slot(8) for _ in range(3))
    function.line(f"store i64 1, ptr {after}")
    function.line(f"store i64 0, ptr {count}")
    more, found = function.new_label("more"), function.new_label("found")
    function.line(f"br label %{more}")
    function.start(more)
    known = function.value(f"load i64, ptr {after}")
    function.line(f"store i64 {known}, ptr {before}")
    r = function.value(f"add i64 {function.value(f'load i64, ptr {count}')}, 1")
    function.line(f"store i64 {r}, ptr {count}")
    factor = function.value(f"add i64 {snapshots}, {r}")
    product = function.value(f"mul i64 {known}, {factor}")
    binomial = function.value(f"udiv i64 {product}, {r}")
    function.line(f"store i64 {binomial}, ptr {after}")
    reached = function.value(f"icmp uge i64 {binomial}, {steps}")
    function.line(f"br i1 {reached}, label %{found}, label %{more}")
    function.start(found)
    placed = function.value(f"load i64, ptr {before}")
    most = function.value(f"sub i64 {steps}, 1")
    smaller = function.value(f"icmp slt i64 {placed}, {most}")
    return function.value(f"select i1 {smaller}, i64 {placed}, i64 {most}")


class _States:
    """The states that are kept: the first is the scan's own, the others lie in the workspace.

    Attributes
    ----------
    current : list of str
        Where the state of the step lies that is pulled back, if none is kept for it.
    """

    def __init__(self, frame: Frame, params: dict[str, Any], replay: Replay) -> None:
        self.frame = frame
        first, count = params["constants"], params["carry"]
        self._record = Record([operand.aval for operand in replay.advance.outputs])
        snapshots = params["snapshots"]
        function = frame.function
        self._first = [frame.input(first + number) for number in range(count)]
        self._memory = frame.scratch(snapshots * self._record.size)
        self._starts = frame.scratch(8 * (snapshots + 1))
        self._top = function.slot(8)
        current = frame.scratch(self._record.size)
        self.current = [offset(function, current, start) for start in self._record.offsets]
        self._chosen = [function.slot(8) for _ in range(count)]
        function.line(f"store i64 0, ptr {self._top}")
        function.line(f"store i64 0, ptr {self._starts}")

    def last(self) -> tuple[str, str]:
        """Return the number of the last state that is kept, and the step it is of."""
        function = self.frame.function
        top = function.value(f"load i64, ptr {self._top}")
        return top, function.value(f"load i64, ptr {entry_at(self.frame, self._starts, top, 8)}")

    def at(self, number: str) -> list[str]:
        """Return the addresses of a state."""
        function = self.frame.function
        before = function.value(f"sub i64 {number}, 1")
        record = entry_at(self.frame, self._memory, before, self._record.size)
        none = function.value(f"icmp eq i64 {number}, 0")
        return [
            function.value(f"select i1 {none}, ptr {own}, ptr {offset(function, record, start)}")
            for own, start in zip(self._first, self._record.offsets, strict=True)
        ]

    def add(self, last: str, step: str) -> list[str]:
        """Return the addresses of a further state, behind the last, for a step."""
        function = self.frame.function
        number = function.value(f"add i64 {last}, 1")
        function.line(f"store i64 {number}, ptr {self._top}")
        function.line(f"store i64 {step}, ptr {entry_at(self.frame, self._starts, number, 8)}")
        record = entry_at(self.frame, self._memory, last, self._record.size)
        return [offset(function, record, start) for start in self._record.offsets]

    def drop(self, last: str, condition: str) -> None:
        """Forget the last state where a condition holds."""
        function = self.frame.function
        number = function.value(f"sub i64 {last}, {function.value(f'zext i1 {condition} to i64')}")
        function.line(f"store i64 {number}, ptr {self._top}")

    def choose(self, pointers: Sequence[str]) -> None:
        """Say which state a step is pulled back at."""
        for slot, pointer in zip(self._chosen, pointers, strict=True):
            self.frame.function.line(f"store ptr {pointer}, ptr {slot}")

    def chosen(self) -> list[str]:
        """Return the addresses of the state that was chosen."""
        return [self.frame.function.value(f"load ptr, ptr {slot}") for slot in self._chosen]
