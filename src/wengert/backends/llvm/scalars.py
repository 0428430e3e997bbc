"""Equations of single numbers, in registers."""

from __future__ import annotations

from ...ir.equation import Equation
from .frame import EquationStep, Frame
from .recipes import Recipe, recipe_of


class ScalarEquation(EquationStep):
    """The step of one equation between single numbers."""

    __slots__ = ("_recipe",)

    numbers_only = True
    may_leave = False

    def __init__(self, equation: Equation, recipe: Recipe) -> None:
        super().__init__(equation)
        self._recipe = recipe

    @property
    def declines(self) -> bool:
        """Whether Python may have to evaluate the program after all."""
        return self._recipe.declines is not None

    @classmethod
    def of(cls, equation: Equation) -> ScalarEquation | None:
        """Return the step of an equation, None if it cannot be carried out this way."""
        for operand in equation.operands:
            if operand.aval.shape:
                return None
        for variable in equation.outputs:
            if variable.aval.shape:
                return None
        recipe = recipe_of(equation)
        return None if recipe is None else cls(equation, recipe)

    def emit(self, frame: Frame) -> None:
        values = frame.values_of(self.reads)
        recipe = self._recipe
        if frame.module.level:
            recipe = recipe_of(self.equation, frame.module.level) or recipe
        results = recipe.write(frame.emitter, values)
        for variable, value in zip(self.writes, results, strict=True):
            frame.assign(variable, value)
