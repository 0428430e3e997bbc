"""Memory: where every array of a schedule lies, from which step to which, and how much that takes.

Results are made where the caller wants them; a result that may take over the memory of what it is
made from does; everything else shares one workspace, handed on as soon as its last reader has run.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from typing import Protocol

from ..ir.equation import Operand, Variable

ALIGNMENT = 64


class Accesses(Protocol):
    """What planning asks of a step."""

    @property
    def reads(self) -> Sequence[Operand]:
        """What it reads; only variables count."""
        ...

    @property
    def writes(self) -> Sequence[Variable]:
        """What it writes."""
        ...


class MemoryPlan:
    """Where the arrays lie.

    Attributes
    ----------
    outputs : dict
        From a variable to the number of the output whose memory it is made in.
    offsets : dict
        From a variable to its place in the workspace, in bytes.
    taken_over : dict
        From a variable to the one whose memory it takes over.
    donations : dict
        From an output's number to that of the input whose memory it is made in.
    workspace : int
        Bytes of workspace: the most that is needed at any time, up to gaps.
    """

    __slots__ = ("donations", "offsets", "outputs", "taken_over", "workspace")

    def __init__(self) -> None:
        self.donations: dict[int, int] = {}
        self.outputs: dict[Variable, int] = {}
        self.offsets: dict[Variable, int] = {}
        self.taken_over: dict[Variable, Variable] = {}
        self.workspace = 0


def plan_memory(
    inputs: Sequence[Variable],
    outputs: Sequence[Operand],
    steps: Sequence[Accesses],
    bytes_of: Callable[[Variable], int],
    donated: frozenset[int] = frozenset(),
    settled: int = 0,
    matched: dict[int, int] | None = None,
) -> MemoryPlan:
    """Plan the memory of steps that run one after the other.

    Parameters
    ----------
    steps : sequence
        Each with what it ``reads`` and ``writes``; one that has ``reuses``, pairs of a written and
        a read variable, can make the first in the memory of the second, and so can one that has
        ``overwrites``, where the second is a donated input.
    bytes_of : callable
        The size of a variable in memory; 0 for one that needs none.
    donated : frozenset of int
        Inputs whose memory outputs may take over, from step `settled` on: the program runs to its
        end then. One that is left needs its inputs again.
    matched : dict, optional
        Of donated inputs, the only output that may take each over.
    """
    plan = MemoryPlan()
    given = set(inputs)
    for number, operand in enumerate(outputs):
        if isinstance(operand, Variable) and operand not in given:
            plan.outputs.setdefault(operand, number)
    last = _last_reads(steps)
    heirs = _take_over(plan, steps, last, given)
    for taken, made in reversed(list(heirs.items())):
        if made in plan.outputs:
            plan.outputs[taken] = plan.outputs[made]
    if donated:
        _donate(plan, inputs, steps[settled:], last, donated, settled, matched)
    pool = _Pool()
    for number, step in enumerate(steps):
        ending = []
        for variable in step.writes:
            size = rounded(bytes_of(variable))
            if variable in plan.outputs or not size:
                continue
            owner = plan.taken_over.get(variable)
            if owner is None:
                plan.offsets[variable] = pool.take(size)
            else:
                plan.offsets[variable] = plan.offsets[owner]
            if last.get(variable, number) == number:
                ending.append(variable)
        for operand in dict.fromkeys(step.reads):
            if (
                isinstance(operand, Variable)
                and last[operand] == number
                and operand in plan.offsets
                and operand not in heirs
            ):
                ending.append(operand)
        for variable in ending:
            pool.give(plan.offsets[variable], rounded(bytes_of(variable)))
    plan.workspace = pool.top
    return plan


def _last_reads(steps: Sequence[Accesses]) -> dict[Variable, int]:
    last: dict[Variable, int] = {}
    for number, step in enumerate(steps):
        for operand in step.reads:
            if isinstance(operand, Variable):
                last[operand] = number
    return last


def _donate(
    plan: MemoryPlan,
    inputs: Sequence[Variable],
    steps: Sequence[Accesses],
    last: dict[Variable, int],
    donated: frozenset[int],
    settled: int,
    matched: dict[int, int] | None,
) -> None:
    """Let outputs take over the memory of inputs whose last readers make them."""
    numbers = {inputs[number]: number for number in donated}
    for number, step in enumerate(steps, settled):
        for made, taken in (*getattr(step, "reuses", ()), *getattr(step, "overwrites", ())):
            if taken not in numbers or last.get(taken) != number or made in plan.taken_over:
                continue
            output = plan.outputs.get(made)
            if output is None or output in plan.donations:
                continue
            if matched is not None and matched.get(numbers[taken]) != output:
                continue
            plan.taken_over[made] = taken
            plan.donations[output] = numbers.pop(taken)


def _take_over(
    plan: MemoryPlan,
    steps: Sequence[Accesses],
    last: dict[Variable, int],
    given: set[Variable],
) -> dict[Variable, Variable]:
    """Let results take over memory whose last reader makes them; return who takes over whose."""
    heirs: dict[Variable, Variable] = {}
    for number, step in enumerate(steps):
        for made, taken in getattr(step, "reuses", ()):
            if (
                last.get(taken) == number
                and taken not in given
                and taken not in plan.outputs
                and taken not in heirs
                and made not in plan.taken_over
            ):
                heirs[taken] = made
                plan.taken_over[made] = taken
    return heirs


def rounded(size: int) -> int:
    """Return the room for so many bytes where all that follows lies at multiples too."""
    return -(-size // ALIGNMENT) * ALIGNMENT


class _Pool:
    """Workspace that is free again: pieces in order of place, neighbours joined."""

    def __init__(self) -> None:
        self.top = 0
        self._starts: list[int] = []
        self._sizes: dict[int, int] = {}

    def take(self, size: int) -> int:
        """Return the smallest free piece that is large enough, or new memory."""
        best = min(
            (start for start in self._starts if self._sizes[start] >= size),
            key=lambda start: (self._sizes[start], start),
            default=None,
        )
        if best is None:
            if self._starts and self._starts[-1] + self._sizes[self._starts[-1]] == self.top:
                start = self._starts.pop()
                del self._sizes[start]
                self.top = start + size
                return start
            start = self.top
            self.top += size
            return start
        found = self._sizes.pop(best)
        self._starts.remove(best)
        if found > size:
            insort(self._starts, best + size)
            self._sizes[best + size] = found - size
        return best

    def give(self, start: int, size: int) -> None:
        """Take a piece back."""
        position = bisect_left(self._starts, start)
        following = start + size
        if position < len(self._starts) and self._starts[position] == following:
            size += self._sizes.pop(following)
            del self._starts[position]
        if position:
            before = self._starts[position - 1]
            if before + self._sizes[before] == start:
                self._sizes[before] += size
                return
        self._starts.insert(position, start)
        self._sizes[start] = size
