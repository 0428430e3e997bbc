"""Which step carries out which equations of a program: the seam at which kinds of steps plug in.

A kind of step is a class with ``reads``, ``writes``, ``scratch`` and ``emit(frame)`` (see
`frame.Step`). Array kernels and library calls take their equations before single ones are looked
at; what nobody takes calls back into NumPy, so that every program compiles.
"""

from __future__ import annotations

from ...ir.equation import Equation
from ...ir.wengert_list import WengertList
from .callback import CallBack
from .frame import Step
from .guards import Guard
from .scalars import ScalarEquation


def arrange(program: WengertList) -> list[Step]:
    """Return the steps of a program, in an order in which they can run."""
    return [_step(equation) for equation in program.equations]


def _step(equation: Equation) -> Step:
    if ScalarEquation.serves(equation):
        return ScalarEquation(equation)
    if Guard.serves(equation):
        return Guard(equation)
    return CallBack(equation)
