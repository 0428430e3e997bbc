"""Equations of single numbers, in registers."""

from __future__ import annotations

from ...ir.equation import Equation, Operand, Variable
from .frame import Frame
from .layout import in_register
from .lowering import can_lower, lower


class ScalarEquation:
    """The step of one equation between single numbers."""

    __slots__ = ("equation", "reads", "writes")

    scratch = 0

    def __init__(self, equation: Equation) -> None:
        self.equation = equation
        self.reads: tuple[Operand, ...] = equation.operands
        self.writes: tuple[Variable, ...] = equation.outputs

    @staticmethod
    def serves(equation: Equation) -> bool:
        """Return whether an equation can be carried out this way."""
        return (
            all(in_register(operand.aval) for operand in equation.operands)
            and all(in_register(variable.aval) for variable in equation.outputs)
            and can_lower(equation)
        )

    def emit(self, frame: Frame) -> None:
        equation = self.equation
        results = lower(
            frame.emitter,
            equation.primitive,
            equation.params,
            [frame.value(operand) for operand in equation.operands],
            [operand.aval for operand in equation.operands],
            [variable.aval for variable in equation.outputs],
        )
        for variable, value in zip(equation.outputs, results, strict=True):
            frame.assign(variable, value)
