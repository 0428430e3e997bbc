"""What native code makes of a program, in a few words: kernels, library calls, calls of NumPy.

Nothing is compiled: the steps are arranged and their memory is planned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ...ir.equation import Equation, Variable
from ...ir.wengert_list import WengertList
from .arrange import arrange
from .branches import CallStep, Switch
from .callback import CallBack
from .frame import Step
from .guards import Guard
from .kernels.entries import EntryStep
from .kernels.products import ProductStep
from .kernels.step import KernelStep
from .kernels.sweep import SweepStep
from .layout import plan_layout
from .looping import ScanStep, While
from .scalars import ScalarEquation

# What a kind of step is called; what is not listed handles single numbers or entries.
_NAMES: tuple[tuple[type, str], ...] = (
    (KernelStep, "kernel"),
    (SweepStep, "kernel by rows of a matrix"),
    (CallBack, "NumPy"),
    (Guard, "guard"),
    (Switch, "branch"),
    (CallStep, "call"),
    (While, "loop"),
    (ScanStep, "loop"),
)
NUMBERS = "numbers"


class Part(NamedTuple):
    """Steps that run as one.

    ``kind`` is ``"kernel"``, ``"product"`` and ``"BLAS"`` (products of matrices by code of our own
    and by a library), ``"NumPy"``, ``"loop"``, ``"numbers"`` (machine code without a loop) and the
    like; ``equations`` what is known to be computed in it, ``writes`` its
    results, single numbers included.
    """

    kind: str
    equations: tuple[Equation, ...]
    writes: tuple[Variable, ...]


def summarise(program: WengertList) -> tuple[list[Part], int]:
    """Return the parts of a program in the order in which they run, and its bytes to work in.

    Kernels may need some more bytes, which is known when they are compiled.
    """
    steps = arrange(program)
    parts: list[Part] = []
    for step in steps:
        kind = _kind(step)
        part = Part(kind, tuple(_equations(step)), tuple(step.writes))
        if kind == NUMBERS and parts and parts[-1].kind == NUMBERS:
            before = parts.pop()
            part = Part(kind, before.equations + part.equations, before.writes + part.writes)
        parts.append(part)
    return parts, plan_layout(program, steps).workspace


def _kind(step: Step) -> str:
    if isinstance(step, ProductStep):
        return "BLAS" if step.is_by_library else "product"
    return next((name for known, name in _NAMES if isinstance(step, known)), NUMBERS)


def _equations(step: Step) -> Sequence[Equation]:
    if isinstance(step, (KernelStep, SweepStep)):
        return step.kernel.equations
    if isinstance(step, (ProductStep, CallBack, ScalarEquation, EntryStep)):
        return (step.equation,)
    return ()
