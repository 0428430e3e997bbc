"""Which step carries out which equations of a program: the seam at which kinds of steps plug in.

A kind of step is a class with ``reads``, ``writes``, ``scratch`` and ``emit(frame)`` (see
`frame.Step`). Array kernels and library calls take their equations before single ones are looked
at; what nobody takes calls back into NumPy, so that every program compiles.
"""

from __future__ import annotations

from typing import Any

from ...ir.equation import Equation
from ...ir.wengert_list import WengertList
from ...passes.composites import expand_composites
from ...passes.contractions import absorb_transposes
from ...passes.expand import expand
from ...passes.fuse import fuse
from ...passes.numbers import of_numbers
from ...passes.rows import stack_rows
from ...passes.scalarise import scalarise
from ...passes.uniform import spread_uniform
from .attempts import AttemptStep, plan_attempt
from .branches import CallStep, Switch
from .callback import CallBack
from .frame import Step
from .guards import Guard
from .kernels.entries import EntryStep, GatherStep
from .kernels.products import ProductStep, plan_product
from .kernels.rules import role_of
from .kernels.runs import RunMeanStep
from .kernels.step import KernelStep
from .kernels.sweep import find_sweeps
from .linalg import FactorisationStep, plan_factorisation
from .looping import ScanStep, While
from .recipes import can_lower
from .replaying import ScanPull
from .scalars import ScalarEquation
from .searching import SearchStep
from .taping import WhilePull

_KINDS: tuple[Any, ...] = (
    Guard,
    Switch,
    CallStep,
    While,
    ScanStep,
    WhilePull,
    ScanPull,
    SearchStep,
    EntryStep,
    GatherStep,
    RunMeanStep,
)


def arrange(program: WengertList) -> list[Step]:
    """Return the steps of a program, in an order in which they can run."""
    program = expand_composites(program)
    if not _has_arrays(program):
        return [_step(equation) for equation in of_numbers(program).equations]
    steps: list[Step] = []
    program = stack_rows(program)
    program = absorb_transposes(scalarise(of_numbers(expand(spread_uniform(program))), can_lower))
    for item in find_sweeps(fuse(program, role_of).steps):
        if isinstance(item, WengertList):
            steps.append(KernelStep(item))
        else:
            steps.append(_step(item) if isinstance(item, Equation) else item)
    return steps


def _has_arrays(program: WengertList) -> bool:
    return any(
        variable.aval.shape for equation in program.equations for variable in equation.outputs
    ) or any(variable.aval.shape for variable in program.inputs)


def _step(equation: Equation) -> Step:
    scalar = ScalarEquation.of(equation)
    if scalar is not None:
        return scalar
    for kind in _KINDS:
        if kind.serves(equation):
            step: Step = kind(equation)
            return step
    product = plan_product(equation)
    if product is not None:
        return ProductStep(equation, product)
    attempt = plan_attempt(equation)
    if attempt is not None:
        return AttemptStep(equation, attempt)
    plan = plan_factorisation(equation)
    if plan is not None:
        return FactorisationStep(equation, plan)
    return CallBack(equation)
