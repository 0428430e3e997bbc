"""The Wengert list: a program as a flat list of elementary assignments (R. E. Wengert, 1964).

Plain data. `verify` states what a list must satisfy, `evaluate` runs one, `show` prints one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .equation import Equation, Operand, Variable
from .evaluate import evaluate
from .show import show


class WengertList:
    """Inputs, equations in order, outputs.

    ``wl[i]`` is the i-th equation, ``len(wl)`` their number, ``str(wl)`` the readable form, and
    ``wl.evaluate(*args)`` runs it.
    """

    __slots__ = ("__weakref__", "equations", "inputs", "outputs")

    def __init__(
        self,
        inputs: Sequence[Variable],
        equations: Sequence[Equation],
        outputs: Sequence[Operand],
    ) -> None:
        self.inputs = tuple(inputs)
        self.equations = tuple(equations)
        self.outputs = tuple(outputs)

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
        return evaluate(self.inputs, self.equations, self.outputs, args)
