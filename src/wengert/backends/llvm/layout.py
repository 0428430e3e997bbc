"""Where the values of a program lie: registers, inputs, outputs, constants, or the workspace.

Single numbers live in registers; arrays in memory, a result of the program at its own place at
once. Workspace is handed on as soon as its last reader has run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from ...ir.aval import Aval
from ...ir.equation import Literal, Variable
from ...ir.wengert_list import WengertList
from ...passes.memory import ALIGNMENT, plan_memory, rounded
from ...passes.memory import Accesses as MemoryAccesses
from .values import is_supported


class Accesses(MemoryAccesses, Protocol):
    """What the layout asks of a step."""

    numbers_only: bool


class Place:
    """The place of an array: ``where`` is inputs, outputs, constants or workspace."""

    __slots__ = ("number", "where")

    def __init__(self, where: str, number: int) -> None:
        self.where = where
        self.number = number  # a position in the table, or an offset in the workspace

    def __repr__(self) -> str:
        return f"Place({self.where}, {self.number})"


def in_register(aval: Aval) -> bool:
    """Return whether values like this live in registers: single numbers of a machine's dtype."""
    return not aval.shape and is_supported(aval.dtype)


def bytes_of(aval: Aval) -> int:
    return aval.size * aval.dtype.itemsize


class Layout:
    """Places of all values in memory.

    Attributes
    ----------
    constants : list of ndarray
        Arrays that the program holds: code finds their addresses in a table.
    objects : list
        Python objects that call-backs need; their addresses stand in the same table, before the
        arrays.
    workspace : int
        Bytes of workspace.
    """

    def __init__(self, parent: Layout | None = None) -> None:
        self.places: dict[Variable, Place] = {}
        self.taken_over: dict[Variable, Variable] = {}
        self.donations: dict[int, int] = {}
        self.workspace = 0
        self._of_parts = (0, 0)  # where the workspace of parts starts, and its size
        # One table of constants serves all functions of a program.
        self.constants: list[np.ndarray[Any, Any]] = [] if parent is None else parent.constants
        self.objects: list[Any] = [] if parent is None else parent.objects
        self.literals: list[Literal] = [] if parent is None else parent.literals
        self._constant_places: dict[int, Place] = {} if parent is None else parent._constant_places

    def shares(self, made: Variable, taken: Variable) -> bool:
        """Return whether a variable lies in the memory of another that it takes over."""
        return self.taken_over.get(made) is taken

    def hold(self, held: Any) -> int:
        """Keep a Python object alive with the program, and return its number."""
        self.objects.append(held)
        return len(self.objects) - 1

    def reserve(self, size: int) -> int:
        """Return the offset of workspace that is used for nothing else."""
        start = self.workspace
        self.workspace += _rounded(size)
        return start

    def reserve_for_part(self, size: int) -> int:
        """Return the offset of workspace that is used only while one step runs."""
        start, available = self._of_parts
        if size > available:
            if available and start + _rounded(available) == self.workspace:
                self.workspace = start  # nothing lies behind it: it grows where it is
            start = self.reserve(size)
            self._of_parts = (start, size)
        return start

    def constant(self, literal: Literal) -> Place:
        """Return the place of a literal array."""
        found = self._constant_places.get(id(literal.value))
        if found is None:
            held = np.array(literal.value, order="C")
            found = self._constant_places[id(literal.value)] = Place(
                "constants", len(self.constants)
            )
            self.constants.append(held)
            self.literals.append(literal)  # keeps the id taken
        return found


def plan_layout(
    program: WengertList,
    steps: Sequence[Accesses],
    parent: Layout | None = None,
    names: tuple[str, str] = ("inputs", "outputs"),
    donated: frozenset[int] = frozenset(),
    carried: dict[int, int] | None = None,
) -> Layout:
    """Give every array of a program a place.

    Parameters
    ----------
    parent : Layout, optional
        Of the program that the list is a part of: the constants are shared.
    names : tuple of str
        What the places of inputs and outputs are called; outputs without a name have none.
    donated : frozenset of int
        Inputs whose memory may be used for outputs.
    carried : dict, optional
        Of a loop's body: for inputs in memory that are the loop's own, the output that may be made
        there.
    """
    layout = Layout(parent)
    places = layout.places
    for i, variable in enumerate(program.inputs):
        places[variable] = Place(names[0], i)
    moving = [step for step in steps if not step.numbers_only]
    settled = _settled(steps) if donated else 0
    if carried:  # a loop that is left is run again from its own inputs
        donated = frozenset(carried)
    plan = plan_memory(
        program.inputs, program.outputs, moving, _bytes_in_memory, donated, settled, carried
    )
    for variable, number in plan.outputs.items():
        if names[1]:
            places[variable] = Place(names[1], number)
    for variable, offset in plan.offsets.items():
        places[variable] = Place("workspace", offset)
    layout.taken_over = plan.taken_over
    layout.donations = plan.donations
    layout.workspace = plan.workspace
    return layout


def _settled(steps: Sequence[Accesses]) -> int:
    """Return how many of the steps that move arrays may be followed by one that leaves.

    What declines does so in the end; a guard or a call-back where it stands.
    """
    count = found = 0
    for step in steps:
        count += not step.numbers_only
        if getattr(step, "may_leave", True):
            found = count
        elif getattr(step, "declines", False):
            return sum(not step.numbers_only for step in steps)
    return found


def _bytes_in_memory(variable: Variable) -> int:
    return 0 if in_register(variable.aval) else max(1, bytes_of(variable.aval))


def _rounded(size: int) -> int:
    return max(ALIGNMENT, rounded(size))
