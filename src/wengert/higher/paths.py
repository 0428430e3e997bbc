"""Paths: one way through a function as a program, and the tree of those of one specialisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..compile import Executable
from ..ir.equation import Literal
from ..ir.wengert_list import WengertList
from ..tracing.keys import TRUTH_PURPOSE
from .error_handling import special_errors
from .guarding import Decision, GuardingTrace
from .results import Results, constants_of
from .rolling import roll
from .scan_primitive import scan_primitive

# What re-rolling makes loops of (`wengert.passes.reroll` finds it by its name).
LOOP = scan_primitive


class Path:
    """A recorded run of a function: the program, its guards, and what its outputs make."""

    __slots__ = (
        "_held",
        "changes",
        "decisions",
        "donated",
        "executable",
        "heard",
        "is_offered",
        "loops",
        "results",
        "special",
    )

    def __init__(
        self,
        trace: GuardingTrace,
        results: Results,
        changes: str | None,
        donated: frozenset[int] = frozenset(),
    ) -> None:
        # What the run changed that the function also reads, by name: such a run is not taken again.
        self.changes = changes
        staged = WengertList(trace.inputs, trace.equations, results.operands)
        rolled = roll(staged, trace.decisions, trace.visits)
        # What is returned as it came, or written, keeps its memory.
        self.donated = donated.difference(results.inputs)
        self.executable = Executable(rolled.program, self.donated)
        self.decisions: list[Decision] = rolled.decisions
        self.loops = (*rolled.loops, *trace.rehearsed)
        self.results = results
        self.special = trace.special  # it calls functions of scipy.special
        self.heard = trace.heard  # they did not ignore errors
        self.is_offered = False  # to the native entry, as soon as there is machine code
        self._held: frozenset[int] | None = None

    @property
    def key(self) -> tuple[Any, ...]:
        """The outcomes of all questions, in order: what tells one path from another."""
        return (self.loops, *(decision.key for decision in self.decisions))

    @property
    def repeats(self) -> bool:
        """Return whether the same line asked again and again, as the condition of a loop does."""
        lines = [d.line for d in self.decisions if d.purpose is TRUTH_PURPOSE]
        return any(map(lambda a, b, c: a == b == c, lines, lines[1:], lines[2:]))

    @property
    def is_pure(self) -> bool:
        """Return whether nothing outside is written on this path."""
        return not self.results.writes and not self.results.slots

    def suits_errors(self) -> bool:
        """Return whether compiled code does with errors what is asked for: it hears of none."""
        return not self.special or special_errors.are_ignored

    def run(self, values: Sequence[Any]) -> Any:
        """Return the result of the function for values that take this path.

        Raises
        ------
        GuardFailed
            They do not. Nothing outside has been changed.
        """
        outputs = self.executable.run(values)
        return self.results.finish(values, outputs, self._constants(), self.donated)

    def _constants(self) -> frozenset[int]:
        """Return the identities of arrays that the program holds."""
        if self._held is None:
            program = self.executable.program
            operands = [o for equation in program for o in equation.operands]
            operands += [o for o in program.outputs if isinstance(o, Literal)]
            self._held = constants_of(operands)
        return self._held


class Specialisation:
    """What is compiled for arguments of one signature: paths, the last taken one first."""

    __slots__ = (
        *("eager", "failures", "paths", "rehearses", "signature", "traces", "used", "written"),
    )

    def __init__(self, signature: str) -> None:
        self.signature = signature
        self.paths: list[Path] = []
        self.traces = 0
        self.used = 0  # when it was last looked up
        # Arguments that some path writes, or a copy of them, by number.
        self.written: list[int] = []
        self.failures: list[str] = []
        # Whether derivatives inside take rolled lists: where a loop was met; None where in vain.
        self.rehearses: bool | None = False
        # Why the function runs as it is, if it does.
        self.eager: str | None = None

    def note(self, error: Exception) -> None:
        """Note that a program raised, and the function ran as it is."""
        self.failures.append(f"{type(error).__name__}: {error}")
        del self.failures[:-100]

    def add(self, path: Path) -> None:
        """Add a path, in place of one with the same outcomes."""
        key = path.key
        if self.rehearses is False:
            self.rehearses = path.repeats
        new = [number for number in path.results.exclusive if number not in self.written]
        self.written += new
        self.paths = [path, *(other for other in self.paths if other.key != key)]

    def promote(self, path: Path) -> None:
        """Try this path first at the next call."""
        self.paths = [path, *(other for other in self.paths if other is not path)]
