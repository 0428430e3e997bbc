"""Paths: one way through a function as a program, and the tree of those of one specialisation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..compile import compiled, optimise
from ..ir.equation import Literal
from ..ir.wengert_list import WengertList
from .guarding import Decision, GuardingTrace
from .results import Results, constants_of

if TYPE_CHECKING:
    from ..backends.llvm import NativeProgram

Run = Callable[..., tuple[Any, ...]]

# Up to this number of equations a list is compiled when its path is taken a second time; a longer
# one, which takes more than 0.1 s, after so many evaluations as cost about the same.
SMALL, COMPILED_AFTER = 2000, 20


class Path:
    """A recorded run of a function: the program, its guards, and what its outputs make.

    ``staged`` is the list as it was recorded; it is optimised when the path is taken a second time.
    """

    __slots__ = (
        "_held",
        "_program",
        "decisions",
        "is_compiled",
        "native",
        "results",
        "staged",
        "work",
    )

    def __init__(self, trace: GuardingTrace, results: Results) -> None:
        self.staged = WengertList(trace.inputs, trace.equations, results.operands)
        self.decisions: list[Decision] = trace.decisions
        self.results = results
        self._program: WengertList | None = None
        self.native: NativeProgram | None = None
        self.is_compiled = False  # as far as it will be
        self._held: frozenset[int] = frozenset()
        self.work = 0  # equations evaluated so far

    @property
    def key(self) -> tuple[Any, ...]:
        """The outcomes of all questions, in order: what tells one path from another."""
        return tuple(decision.key for decision in self.decisions)

    @property
    def program(self) -> WengertList:
        """The optimised list."""
        if self._program is None:
            self._program = optimise(self.staged)
            operands = [o for equation in self._program for o in equation.operands]
            operands += [o for o in self._program.outputs if isinstance(o, Literal)]
            self._held = constants_of(operands)
        return self._program

    def run(self, values: Sequence[Any]) -> Any:
        """Return the result of the function for values that take this path.

        Raises
        ------
        GuardFailed
            They do not. Nothing outside has been changed.
        """
        execute: Run = self.native or self.program.evaluate
        with np.errstate(all="ignore"):
            outputs = execute(*values)
        return self.results.finish(values, outputs, self._held)

    def prepare(self) -> bool:
        """Compile the program if its list has been evaluated as long as that would take.

        Return whether it was compiled just now.
        """
        if self.is_compiled:
            return False
        size = len(self.program)
        self.work += size
        if size > SMALL and self.work <= COMPILED_AFTER * size:
            return False
        self.compile()
        return True

    def compile(self) -> None:
        """Compile the program now."""
        if not self.is_compiled:
            self.native = compiled(self.program)
            self.is_compiled = True


class Specialisation:
    """What is compiled for arguments of one signature: paths, the last taken one first."""

    __slots__ = ("eager", "failures", "paths", "signature", "traces", "written")

    def __init__(self, signature: str) -> None:
        self.signature = signature
        self.paths: list[Path] = []
        self.traces = 0
        # Arguments that some path writes, by number.
        self.written: list[int] = []
        self.failures: list[str] = []
        # Why the function runs as it is, if it does.
        self.eager: str | None = None

    def note(self, error: Exception) -> None:
        """Note that a program raised, and the function ran as it is."""
        self.failures.append(f"{type(error).__name__}: {error}")
        del self.failures[:-100]

    def add(self, path: Path) -> None:
        """Add a path, in place of one with the same outcomes."""
        key = path.key
        new = [number for number, _ in path.results.writes if number not in self.written]
        self.written += new
        self.paths = [path, *(other for other in self.paths if other.key != key)]

    def promote(self, path: Path) -> None:
        """Try this path first at the next call."""
        self.paths = [path, *(other for other in self.paths if other is not path)]
