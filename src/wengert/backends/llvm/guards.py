"""Guards in native code: a value that is not the one the program was made for ends it."""

from __future__ import annotations

import numpy as np

from ...ir.equation import Equation, Operand, Variable
from .frame import Frame
from .layout import in_register
from .values import Value, constant, type_of


class Guard:
    """The step of a guard on a single number; its status is the guard's position plus 1."""

    scratch = 0
    numbers_only = True
    writes: tuple[Variable, ...] = ()

    def __init__(self, equation: Equation) -> None:
        self.equation = equation
        self.reads: tuple[Operand, ...] = equation.operands

    @staticmethod
    def serves(equation: Equation) -> bool:
        """Return whether an equation is a guard that native code can check."""
        return equation.primitive.name == "guard" and in_register(equation.operands[0].aval)

    def emit(self, frame: Frame) -> None:
        frame.settle()
        value = frame.value(self.reads[0])
        expected = constant(self.equation.params["expected"], value.dtype)
        same = same_bit(frame, value, expected)
        wrong = frame.function.value(f"xor i1 {same}, true")
        frame.leave_if(wrong, int(self.equation.params["position"]) + 1)


def same_bit(frame: Frame, value: Value, expected: Value) -> str:
    """Return the bit for "the same value": nan is nan, and zeros have signs."""
    function = frame.function
    if value.dtype.kind not in "fc":
        return frame.emitter.compare("eq", value, expected).text
    found = None
    for part, wanted, number in (
        (value.text, expected.text, np.real(expected.number)),
        (value.imag, expected.imag, np.imag(expected.number)),
    ):
        if part is None:
            continue
        kind = type_of(value.dtype)
        if np.isnan(number):
            same = function.value(f"fcmp uno {kind} {part}, {part}")
        else:
            bits = f"i{8 * value.dtype.itemsize // (2 if value.dtype.kind == 'c' else 1)}"
            left = function.value(f"bitcast {kind} {part} to {bits}")
            right = function.value(f"bitcast {kind} {wanted} to {bits}")
            same = function.value(f"icmp eq {bits} {left}, {right}")
        found = same if found is None else function.value(f"and i1 {found}, {same}")
    assert found is not None
    return found
