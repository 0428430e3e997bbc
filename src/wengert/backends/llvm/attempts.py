"""Solvers in native code: a list finds the solution, or says that it has none, and Python solves.

What Python then does is the rule's own: it may find a solution yet, or raises what is wrong.
"""

from __future__ import annotations

from ...ir.equation import Equation, Variable
from ...ir.wengert_list import WengertList
from .callback import write_call_back
from .frame import RAISED, Frame
from .parts import PartStep, call_part, define_part
from .writer import Module

_SOLVERS = ("linear_solve", "solution")


def plan_attempt(equation: Equation) -> WengertList | None:
    """Return the list that solves an equation of a solver, None if there is none."""
    primitive = equation.primitive
    if primitive.name not in _SOLVERS or primitive.unfold is None:
        return None
    found: WengertList | None = primitive.unfold(equation.params)
    return found


class AttemptStep(PartStep):
    """The step of an equation that a list solves, whose last output says whether it did."""

    def __init__(self, equation: Equation, program: WengertList) -> None:
        super().__init__(equation.operands, equation.outputs)
        self._equation = equation
        self._program = program

    def emit(self, frame: Frame) -> None:
        frame.settle()
        function = frame.function
        part = define_part(frame, self._program)
        workspace = frame.scratch_of_part(part.workspace)
        pointers = [frame.pointer(operand) for operand in self.reads]
        targets = [frame.target(variable) for variable in self.writes]
        answer = function.slot(16)
        inputs, outputs = frame.table([*pointers, frame.constants()]), [*targets, answer]
        status = call_part(frame, part, inputs, frame.table(outputs), workspace)
        names = ("answered", "failed", "again", "solved")
        answered, failed, again, solved = map(function.new_label, names)
        ran = function.value(f"icmp eq i32 {status}, 0")
        function.line(f"br i1 {ran}, label %{answered}, label %{failed}")
        function.start(answered)
        found = function.value(f"load i8, ptr {answer}")
        fine = function.value(f"icmp ne i8 {found}, 0")
        function.line(f"br i1 {fine}, label %{solved}, label %{again}")
        function.start(failed)
        raised = function.value(f"icmp eq i32 {status}, {RAISED}")
        forgetting = function.new_label("forget")
        function.line(f"br i1 {raised}, label %{forgetting}, label %{again}")
        function.start(forgetting)
        called = _define_forgetting(frame.module)
        frame.leave_unless_done(function.value(f"call i32 {called}()"))
        function.line(f"br label %{again}")
        function.start(again)
        given = [
            pointer
            for operand, pointer in zip(self.reads, pointers, strict=True)
            if isinstance(operand, Variable)
        ]
        write_call_back(frame, self._equation, given, targets)
        function.line(f"br label %{solved}")
        function.start(solved)
        for variable, pointer in zip(self.writes, targets, strict=True):
            frame.arrived(variable, pointer)


def _define_forgetting(module: Module) -> str:
    """Define the function that forgets an error of a try; interrupts and exits stay."""
    ensure = module.declare("PyGILState_Ensure", "i32")
    release = module.declare("PyGILState_Release", "void", "i32")
    matches = module.declare("PyErr_ExceptionMatches", "i32", "ptr")
    clear = module.declare("PyErr_Clear", "void")
    kind = module.declare_data("PyExc_Exception")
    return module.define(
        "forget_error",
        f"""define internal i32 @forget_error() noinline {{
  %state = call i32 {ensure}()
  %kind = load ptr, ptr {kind}
  %matches = call i32 {matches}(ptr %kind)
  %error = icmp ne i32 %matches, 0
  br i1 %error, label %forget, label %leave
forget:
  call void {clear}()
  br label %leave
leave:
  %status = select i1 %error, i32 0, i32 {RAISED}
  call void {release}(i32 %state)
  ret i32 %status
}}""",
    )
