"""The pipeline: a staged Wengert list becomes a program that runs, by ONE ordered list of passes.

Each pass takes a list and returns one that means the same; `verify` holds them to it in tests and
under ``config.verify``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .config import config
from .ir.verify import verify
from .ir.wengert_list import WengertList
from .passes.common import share_common
from .passes.dead_code import remove_dead_code
from .passes.fold import fold_constants
from .passes.simplify import simplify

if TYPE_CHECKING:
    from .backends.llvm import NativeProgram

Pass = Callable[[WengertList], WengertList]

PASSES: tuple[tuple[Pass, str], ...] = (
    (simplify, "derivative rules leave signs, ones and changes of kind behind"),
    (fold_constants, "literals meet once the rest is simple"),
    (share_common, "a value and its derivative compute the same things"),
    (remove_dead_code, "what no output and no guard needs is not computed"),
)


def optimise(program: WengertList) -> WengertList:
    """Return a list with the outputs of `program` that does less to get them."""
    for transform, _reason in PASSES:
        program = transform(program)
        if config.verify:
            verify(program)
    return program


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

    __slots__ = ("_optimised", "_work", "is_compiled", "native", "staged")

    def __init__(self, staged: WengertList) -> None:
        self.staged = staged
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

        Return whether it was compiled just now.
        """
        if self.is_compiled:
            return False
        size = len(self.program)
        self._work += size
        if size > _SMALL and self._work <= _EVALUATIONS * size:
            return False
        self.compile()
        return True

    def compile(self) -> None:
        """Compile the list now.

        One whose equations mostly have no native code goes on being evaluated: calling back costs
        more than it spares.
        """
        if self.is_compiled:
            return
        if config.native:
            from .backends.llvm import compile_program  # imports that most processes never need

            native = compile_program(self.program)
            if 2 * len(native.called_back) <= len(self.program):
                self.native = native
        self.is_compiled = True

    def run(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """Return the outputs for plain values that have the Avals of the inputs."""
        with np.errstate(all="ignore"):
            if self.native is not None:
                return self.native(*values)
            return self.program.evaluate(*values)
