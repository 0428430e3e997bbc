"""Between arrays in memory and numbers in registers: one entry read, an array made of numbers."""

from __future__ import annotations

from ....ir.equation import Equation, Operand, Variable
from ....passes.scalarise import entry_position
from ..frame import Frame
from ..layout import in_register
from ..values import is_supported, load, store
from ..writer import offset


class EntryStep:
    """The step that reads one entry of an array at a known place."""

    numbers_only = False
    scratch = 0

    def __init__(self, equation: Equation) -> None:
        self.equation = equation
        self.reads: tuple[Operand, ...] = equation.operands
        self.writes: tuple[Variable, ...] = equation.outputs

    @staticmethod
    def serves(equation: Equation) -> bool:
        """Return whether an equation can be carried out this way."""
        position = entry_position(equation)
        return position is not None and in_register(equation.outputs[0].aval)

    def emit(self, frame: Frame) -> None:
        position = entry_position(self.equation)
        assert position is not None
        (variable,) = self.writes
        dtype = variable.aval.dtype
        address = offset(frame.function, frame.pointer(self.reads[0]), position * dtype.itemsize)
        frame.assign(variable, load(frame.function, dtype, address))


class GatherStep:
    """The step that makes an array of numbers."""

    numbers_only = False
    scratch = 0

    def __init__(self, equation: Equation) -> None:
        self.reads: tuple[Operand, ...] = equation.operands
        self.writes: tuple[Variable, ...] = equation.outputs

    @staticmethod
    def serves(equation: Equation) -> bool:
        """Return whether an equation can be carried out this way."""
        aval = equation.outputs[0].aval if equation.outputs else None
        return (
            equation.primitive.name == "array"
            and aval is not None
            and bool(aval.shape)
            and is_supported(aval.dtype)
            and len(equation.operands) == aval.size
            and all(in_register(operand.aval) for operand in equation.operands)
        )

    def emit(self, frame: Frame) -> None:
        frame.settle()
        (variable,) = self.writes
        dtype = variable.aval.dtype
        target = frame.target(variable)
        for number, operand in enumerate(self.reads):
            value = frame.emitter.cast(frame.value(operand), dtype)
            store(frame.function, value, offset(frame.function, target, number * dtype.itemsize))
        frame.arrived(variable, target)
