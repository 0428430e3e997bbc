"""Branches and calls in native code: the equations ``switch`` and ``call``, one function a list."""

from __future__ import annotations

from ...ir.equation import Equation
from .frame import Frame
from .parts import PartStep, call_part, define_part
from .values import INT64


class Switch(PartStep):
    """The step of a choice among lists."""

    def __init__(self, equation: Equation) -> None:
        super().__init__(equation.operands, equation.outputs)
        self._branches = equation.params["branches"]

    @staticmethod
    def serves(equation: Equation) -> bool:
        """Return whether an equation is a choice among lists."""
        return equation.primitive.name == "switch"

    def emit(self, frame: Frame) -> None:
        parts = [define_part(frame, branch) for branch in self._branches]
        workspace = frame.scratch_of_part(max(part.workspace for part in parts))
        function = frame.function
        index = frame.emitter.cast(frame.value(self.reads[0]), INT64)

        def run(inputs: str, outputs: str) -> str:
            """Call the branch that an index chooses; outside it is the first or the last."""
            state = function.slot(4)
            labels = [function.new_label("branch") for _ in parts]
            joined = function.new_label("joined")
            negative = function.value(f"icmp slt i64 {index.text}, 0")
            chosen = function.value(f"select i1 {negative}, i64 0, i64 {index.text}")
            cases = " ".join(
                f"i64 {number}, label %{label}" for number, label in enumerate(labels[:-1])
            )
            function.line(f"switch i64 {chosen}, label %{labels[-1]} [ {cases} ]")
            for part, label in zip(parts, labels, strict=True):
                function.start(label)
                status = call_part(frame, part, inputs, outputs, workspace)
                function.line(f"store i32 {status}, ptr {state}")
                function.line(f"br label %{joined}")
            function.start(joined)
            return function.value(f"load i32, ptr {state}")

        self.call(frame, self.reads[1:], run)


class CallStep(PartStep):
    """The step of an equation that holds one list and runs it."""

    def __init__(self, equation: Equation) -> None:
        super().__init__(equation.operands, equation.outputs)
        self._program = equation.params["program"]

    @staticmethod
    def serves(equation: Equation) -> bool:
        """Return whether an equation runs one list."""
        name = equation.primitive.name
        if name == "custom_call":  # a function with a rule of its own, where it was staged
            return equation.params["program"] is not None
        return name in ("call", "checkpoint")

    def emit(self, frame: Frame) -> None:
        part = define_part(frame, self._program)
        workspace = frame.scratch_of_part(part.workspace)
        self.call(frame, self.reads, lambda i, o: call_part(frame, part, i, o, workspace))
