"""The Wengert list: a program as a flat list of elementary assignments (R. E. Wengert, 1964).

Plain data. `verify` states what a list must satisfy, `evaluate` runs one, `show` prints one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .equation import Equation, Operand, Variable
from .evaluate import LONGEST_CODE, RUNS_BEFORE_CODE, check_count, code_of, evaluate, last_uses_of
from .show import show


class WengertList:
    """Inputs, equations in order, outputs.

    ``wl[i]`` is the i-th equation, ``len(wl)`` their number, ``str(wl)`` the readable form, and
    ``wl.evaluate(*args)`` runs it.
    """

    __slots__ = ("__weakref__", "_code", "_last_uses", "_runs", "equations", "inputs", "outputs")

    def __init__(
        self,
        inputs: Sequence[Variable],
        equations: Sequence[Equation],
        outputs: Sequence[Operand],
    ) -> None:
        self.inputs = tuple(inputs)
        self.equations = tuple(equations)
        self.outputs = tuple(outputs)
        self._runs = 0
        self._code: Callable[..., tuple[Any, ...]] | None = None
        self._last_uses: list[list[Variable]] | None = None

    def __len__(self) -> int:
        return len(self.equations)

    def __getitem__(self, index: int) -> Equation:
        return self.equations[index]

    def __iter__(self) -> Iterator[Equation]:
        return iter(self.equations)

    def __str__(self) -> str:
        return show(self.inputs, self.equations, self.outputs)

    def __repr__(self) -> str:
        return str(self)

    def evaluate(self, *args: Any) -> tuple[Any, ...]:
        """Run the list on plain values, one per input, and return a tuple of outputs."""
        if self._code is not None:
            check_count(self.inputs, args)
            return self._code(*args)
        self._runs += 1
        if self._runs > RUNS_BEFORE_CODE and len(self.equations) <= LONGEST_CODE:
            self._code = code_of(self.inputs, self.equations, self.outputs)
            return self.evaluate(*args)
        if self._last_uses is None:
            self._last_uses = last_uses_of(self.equations, self.outputs)
        return evaluate(self.inputs, self.equations, self.outputs, args, last_uses=self._last_uses)
