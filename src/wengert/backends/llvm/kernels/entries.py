"""Between arrays in memory and numbers in registers: one entry read, an array made of numbers."""

from __future__ import annotations

from collections.abc import Sequence

from ....ir.equation import Equation
from ....passes.scalarise import entry_position
from ..frame import EquationStep, Frame
from ..layout import in_register
from ..values import Value, is_supported, load, store, type_of
from ..writer import Function, offset

# So many numbers are stored as one vector.
_LONGEST_VECTOR = 16


class EntryStep(EquationStep):
    """The step that reads one entry of an array at a known place."""

    __slots__ = ()

    @staticmethod
    def serves(equation: Equation) -> bool:
        """Return whether an equation can be carried out this way."""
        position = entry_position(equation)
        return (
            position is not None
            and in_register(equation.outputs[0].aval)
            and is_supported(equation.operands[0].aval.dtype)
        )

    def emit(self, frame: Frame) -> None:
        position = entry_position(self.equation)
        assert position is not None
        (variable,) = self.writes
        dtype = variable.aval.dtype
        address = offset(frame.function, frame.pointer(self.reads[0]), position * dtype.itemsize)
        frame.assign(variable, load(frame.function, dtype, address))


class GatherStep(EquationStep):
    """The step that makes an array of numbers."""

    __slots__ = ()

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
        values = [frame.emitter.cast(frame.value(operand), dtype) for operand in self.reads]
        if frame.module.level and dtype.kind == "f" and 1 < len(values) <= _LONGEST_VECTOR:
            _store_vector(frame.function, values, target)
        else:
            for number, value in enumerate(values):
                at = offset(frame.function, target, number * dtype.itemsize)
                store(frame.function, value, at)
        frame.arrived(variable, target)


def _store_vector(function: Function, values: Sequence[Value], target: str) -> None:
    """Store numbers side by side.

    LLVM looks for vectors of operations from stores on first. As one vector, they leave it to the
    loop that makes the numbers how its operations are put side by side.
    """
    entry = type_of(values[0].dtype)
    whole = f"<{len(values)} x {entry}>"
    vector = "poison"
    for number, value in enumerate(values):
        vector = function.value(
            f"insertelement {whole} {vector}, {entry} {value.text}, i64 {number}"
        )
    function.line(f"store {whole} {vector}, ptr {target}, align {values[0].dtype.itemsize}")
