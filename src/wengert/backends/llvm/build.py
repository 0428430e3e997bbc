"""From a Wengert list to modules of LLVM text: steps laid out in functions of bounded length.

A function of n instructions takes more than n times one instruction's time to compile, and holds
the engine's lock meanwhile; so long programs become several modules.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...ir.equation import Operand, Variable
from ...ir.wengert_list import WengertList
from .arrange import arrange
from .frame import ARGUMENTS, DONE, Frame, Shared, Spills, Step
from .layout import Layout, in_register, plan_layout
from .parts import deliver
from .writer import Module

# Steps of one function.
PART = 2000
ENTRY = "program"


class Built:
    """The text of a program, and what must be there when it runs."""

    __slots__ = ("called_back", "layout", "modules")

    def __init__(self, modules: list[Module], layout: Layout, called_back: tuple[str, ...]) -> None:
        self.modules = modules
        self.layout = layout
        self.called_back = called_back

    @property
    def externals(self) -> tuple[str, ...]:
        found = {name for module in self.modules for name in module.externals}
        return tuple(sorted(found))


def build(program: WengertList, donated: frozenset[int] = frozenset()) -> Built:
    """Return the modules of a program; the function `ENTRY` of the first runs all of it.

    Outputs may be made in the memory of `donated` inputs: ``layout.donations`` says which.
    """
    steps = arrange(program)
    layout = plan_layout(program, steps, donated=donated)
    spills = Spills(layout)
    parts = [steps[i : i + PART] for i in range(0, len(steps), PART)] or [[]]
    crossing = _crossing(parts, program.outputs) if len(parts) > 1 else frozenset()
    count = len(program.inputs)
    shared = Shared(arrange)
    modules: list[Module] = []
    names: list[str] = []
    for number, part in enumerate(parts):
        name = ENTRY if len(parts) == 1 else f"part{number}"
        module = Module()
        modules.append(module)
        names.append(name)
        frame = Frame(module, name, layout, count, spills, shared, crossing)
        for step in part:
            step.emit(frame)
        if number == len(parts) - 1:
            deliver(frame, program.outputs)
        frame.finish()
    if len(parts) > 1:
        modules.append(_chain(names))
    return Built([*modules, *shared.modules], layout, tuple(shared.called_back))


def _crossing(parts: Sequence[Sequence[Step]], outputs: Sequence[Operand]) -> frozenset[Variable]:
    """Return the numbers that are read in another part than they are written in."""
    written: dict[Variable, int] = {}
    found: set[Variable] = set()
    for number, part in enumerate(parts):
        for step in part:
            for operand in step.reads:
                if isinstance(operand, Variable) and written.get(operand, number) != number:
                    found.add(operand)
            for variable in step.writes:
                if in_register(variable.aval):
                    written[variable] = number
    last = len(parts) - 1
    for operand in outputs:
        if isinstance(operand, Variable) and written.get(operand, last) != last:
            found.add(operand)
    return frozenset(found)


def _chain(names: Sequence[str]) -> Module:
    """Return a module whose function calls parts one after the other."""
    module = Module()
    function = module.function(ENTRY, "i32", *ARGUMENTS)
    for name in names:
        called = module.declare(name, "i32", "ptr", "ptr", "ptr")
        status = function.value(f"call i32 {called}(ptr %inputs, ptr %outputs, ptr %workspace)")
        failed = function.value(f"icmp ne i32 {status}, 0")
        leaving, following = function.new_label("leave"), function.new_label("go")
        function.line(f"br i1 {failed}, label %{leaving}, label %{following}")
        function.start(leaving)
        function.line(f"ret i32 {status}")
        function.start(following)
    function.line(f"ret i32 {DONE}")
    return module


def constants_table(layout: Layout) -> tuple[np.ndarray[Any, Any], int]:
    """Return the table of constants, and the address of its first array (objects stand before)."""
    objects = [id(held) for held in reversed(layout.objects)]
    arrays = [held.ctypes.data for held in layout.constants]
    table = np.array([*objects, *arrays, 0], dtype=np.uintp)
    return table, int(table.ctypes.data) + table.itemsize * len(objects)
