"""Going through a list once, in order, and giving equations or values in place of equations."""

from __future__ import annotations

from collections.abc import Callable, KeysView

from ..ir.equation import Equation, Literal, Operand, Variable
from ..ir.wengert_list import WengertList


class Rewriting:
    """A list under construction, and what stands for the variables of the old one."""

    def __init__(self) -> None:
        self.equations: list[Equation] = []
        # The equation that assigns a variable of the new list.
        self.makers: dict[Variable, Equation] = {}
        self._replaced: dict[Variable, Operand] = {}

    @property
    def replaced(self) -> KeysView[Variable]:
        """The variables that something else stands for."""
        return self._replaced.keys()

    def renamed(self, operand: Operand) -> Operand:
        """Return what stands for an operand of the old list in the new one."""
        if isinstance(operand, Literal):
            return operand
        return self._replaced.get(operand, operand)

    def replace(self, variable: Variable, operand: Operand) -> None:
        """Let an operand of the new list stand for a variable of the old one."""
        self._replaced[variable] = operand

    def append(self, equation: Equation) -> None:
        """Add an equation over operands of the new list."""
        self.equations.append(equation)
        for variable in equation.outputs:
            self.makers[variable] = equation

    def maker(self, operand: Operand) -> Equation | None:
        """Return the equation that assigns an operand, None for inputs and literals."""
        return None if isinstance(operand, Literal) else self.makers.get(operand)


Step = Callable[[Rewriting, Equation], None]


def rewrite(program: WengertList, step: Step) -> WengertList:
    """Return the list that `step` makes, called on each equation with its operands renamed.

    It appends the equation, or others, or lets operands stand for its outputs.
    """
    rewriting = Rewriting()
    replaced = rewriting.replaced
    for equation in program.equations:
        if not replaced.isdisjoint(equation.operands):
            operands = tuple(rewriting.renamed(operand) for operand in equation.operands)
            equation = Equation(equation.primitive, operands, equation.params, equation.outputs)
        step(rewriting, equation)
    outputs = [rewriting.renamed(operand) for operand in program.outputs]
    return WengertList(program.inputs, rewriting.equations, outputs)
