"""The pipeline: a staged Wengert list becomes a program that runs, by ONE ordered list of passes.

Each pass takes a list and returns one that means the same; `verify` holds them to it in tests and
under ``config.verify``.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .background import Job
from .config import config
from .ir.equation import Equation
from .ir.verify import verify
from .ir.wengert_list import WengertList
from .passes.common import share_common
from .passes.dead_code import remove_dead_code
from .passes.fold import fold_constants
from .passes.inline import inline_calls
from .passes.loop_values import share_in_loops
from .passes.recompute import recompute
from .passes.reroll import reroll
from .passes.simplify import simplify

if TYPE_CHECKING:
    from .backends.llvm import NativeProgram

Pass = Callable[[WengertList], WengertList]

PASSES: tuple[tuple[Pass, str], ...] = (
    (inline_calls, "compiled functions that call others become one program"),
    (remove_dead_code, "a derivative reads little of what was computed on the way to it"),
    (reroll, "Python unrolls loops; the passes that follow take as long as a body"),
    (recompute, "a sum or product takes less time than to store it for a later loop"),
    (share_in_loops, "what a loop is given twice it reads once"),
    (simplify, "derivative rules leave signs, ones and changes of kind behind"),
    (fold_constants, "literals meet once the rest is simple"),
    (share_common, "a value and its derivative compute the same things"),
    (remove_dead_code, "what no output and no guard needs is not computed"),
)


def optimise(program: WengertList) -> WengertList:
    """Return a list with the outputs of `program` that does less to get them."""
    return _optimised(program, {})


def _optimised(program: WengertList, known: dict[int, WengertList]) -> WengertList:
    for transform, _reason in PASSES:
        program = transform(program)
        if config.verify:
            verify(program)
    if not any(equation.primitive.family == "control" for equation in program):
        return program
    equations = [
        Equation(e.primitive, e.operands, _params(e.params, known), e.outputs)
        if e.primitive.family == "control"
        else e
        for e in program
    ]
    return WengertList(program.inputs, equations, program.outputs)


def _params(params: dict[str, Any], known: dict[int, WengertList]) -> dict[str, Any]:
    """Return the parameters of an equation with the lists among them optimised."""

    def of(value: Any) -> Any:
        if type(value) is WengertList:
            if id(value) not in known:
                known[id(value)] = _optimised(value, known)
            return known[id(value)]
        if type(value) is tuple and any(type(entry) is WengertList for entry in value):
            return tuple(of(entry) for entry in value)
        return value

    return {name: of(value) for name, value in params.items()}


# Up to this number of equations a list is compiled when it runs a second time; a longer one, which
# takes more than 0.1 s to compile, after so many evaluations as cost about the same.
_SMALL, _EVALUATIONS = 2000, 20


class Executable:
    """A list that runs: through NumPy at first, as machine code once that pays.

    Attributes
    ----------
    staged : WengertList
        As it was recorded.
    native : NativeProgram or None
        The machine code, if there is some.
    """

    __slots__ = ("_donated", "_job", "_optimised", "_work", "is_compiled", "native", "staged")

    def __init__(self, staged: WengertList, donated: frozenset[int] = frozenset()) -> None:
        self.staged = staged
        self._donated = donated  # inputs whose memory outputs may take
        self._job: Job | None = None
        self.native: NativeProgram | None = None
        self.is_compiled = False  # as far as it will be
        self._optimised: WengertList | None = None
        self._work = 0  # equations evaluated so far

    @property
    def program(self) -> WengertList:
        """The optimised list."""
        if self._optimised is None:
            self._optimised = optimise(self.staged)
        return self._optimised

    def prepare(self) -> bool:
        """Compile the list if it has been evaluated as long as that would take.

        Return whether it is compiled as far as it will be.
        """
        if self.is_compiled:
            return True
        if self._job is not None:
            return self._job.is_done()
        size = len(self.program)
        self._work += size
        if size > _SMALL and self._work <= _EVALUATIONS * size:
            return False
        self.compile()
        return True

    def compile_meanwhile(self) -> None:
        """Let another thread compile the list; it is evaluated until that is done."""
        if self._job is None and not self.is_compiled:
            importlib.import_module(
                ".backends.llvm", __package__
            )  # its locks, before those of jobs
            self._job = Job(self.compile)

    def compile(self) -> None:
        """Compile the list now.

        One whose equations mostly have no native code goes on being evaluated: calling back costs
        more than it spares.
        """
        if self.is_compiled:
            return
        if config.native:
            from .backends.llvm import compile_program  # imports that most processes never need

            native = compile_program(self.program, self._donated)
            if 2 * len(native.called_back) <= len(self.program):
                self.native = native
        self.is_compiled = True

    def run(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """Return the outputs for plain values that have the Avals of the inputs."""
        if self.native is not None and not self.native.called_back:
            return self.native(*values)
        with np.errstate(all="ignore"):
            if self.native is not None:
                return self.native(*values)
            if self._job is not None and self._optimised is None:  # the other thread is at it
                return self.staged.evaluate(*values)
            return self.program.evaluate(*values)
