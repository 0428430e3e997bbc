"""Lists within a program as functions of their own, and how such functions are called."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

from ...ir.equation import Literal, Operand, Variable
from ...ir.wengert_list import WengertList
from .frame import Frame, Spills, Step
from .layout import bytes_of, in_register, plan_layout
from .values import store
from .writer import Module

# Above this number of steps LLVM's passes take longer than they save.
_LONG = 400


class Part:
    """A function of a program: its name, and the workspace that it needs."""

    __slots__ = ("module", "name", "workspace")

    def __init__(self, module: Module, name: str, workspace: int) -> None:
        self.module = module
        self.name = name
        self.workspace = workspace


def module_for(frame: Frame, steps: Sequence[Step]) -> Module:
    """Return the module that a function of so many steps goes to."""
    return frame.shared.plain if len(steps) > _LONG else frame.shared.loops


def part_of(frame: Frame, key: Hashable, define: Callable[[], Part]) -> Part:
    """Return the function that was written for a key, or write it: places that ask alike share it.

    Every part has its memory and the table of constants from whoever calls it.
    """
    parts = frame.shared.parts
    found: Part | None = parts.get(key)
    if found is None:
        found = parts[key] = define()
    return found


def define_part(frame: Frame, program: WengertList) -> Part:
    """Write a list as a function; it takes tables of the addresses of its inputs and outputs."""
    key = ("list", frame.shared.lists.of(program))
    return part_of(frame, key, lambda: _define_part(frame, program))


def _define_part(frame: Frame, program: WengertList) -> Part:
    steps = frame.shared.arrange(program)
    layout = plan_layout(program, steps, frame.layout)
    module = module_for(frame, steps)
    name = frame.shared.name("part")
    inner = Frame(module, name, layout, len(program.inputs), Spills(layout), frame.shared)
    for step in steps:
        step.emit(inner)
    deliver(inner, program.outputs)
    inner.finish()
    return Part(module, name, layout.workspace)


def call_part(frame: Frame, part: Part, inputs: str, outputs: str, workspace: str) -> str:
    """Call a part and return its status."""
    called = frame.module.declare(part.name, "i32", "ptr", "ptr", "ptr")
    return frame.function.value(f"call i32 {called}(ptr {inputs}, ptr {outputs}, ptr {workspace})")


def deliver(frame: Frame, outputs: Sequence[Operand], where: str = "outputs") -> None:
    """Copy what does not lie at its output's place yet."""
    frame.settle()
    for j, operand in enumerate(outputs):
        aval = operand.aval
        if aval.dtype.kind not in "biufc":
            continue  # an object that whoever calls the program holds
        place = None if isinstance(operand, Literal) else frame.layout.places.get(operand)
        if place is not None and (place.where, place.number) == (where, j):
            continue
        target = frame.output(j, where)
        if in_register(aval):
            store(frame.function, frame.value(operand), target)
        else:
            frame.copy(target, frame.pointer(operand), bytes_of(aval))


class PartStep:
    """A step that calls functions of the program with all its operands and outputs in memory."""

    numbers_only = False
    scratch = 0

    def __init__(self, reads: tuple[Operand, ...], writes: tuple[Variable, ...]) -> None:
        self.reads = reads
        self.writes = writes

    def call(self, frame: Frame, operands: Sequence[Operand], run: object) -> None:
        """Write the call; `run(inputs, outputs)` gives the status for the tables."""
        assert callable(run)
        frame.settle()
        inputs = frame.table([*(frame.pointer(o) for o in operands), frame.constants()])
        targets = [frame.target(variable) for variable in self.writes]
        status = run(inputs, frame.table(targets))
        frame.leave_unless_done(status)
        for variable, pointer in zip(self.writes, targets, strict=True):
            frame.arrived(variable, pointer)
