"""The readable text form of a Wengert list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .equation import Equation, Literal, Operand, Variable


def show(
    inputs: Sequence[Variable], equations: Sequence[Equation], outputs: Sequence[Operand]
) -> str:
    """Return one line for the inputs, one an equation, one for the outputs.

    Inputs are named x1, x2, …, assigned variables v1, v2, … in order.
    """
    names: dict[Variable, str] = {}
    for number, variable in enumerate(inputs, start=1):
        names[variable] = f"x{number}"
    lines = ["inputs  " + ", ".join(_typed(names, v) for v in inputs)]
    count = 0
    for equation in equations:
        for variable in equation.outputs:
            count += 1
            names[variable] = f"v{count}"
        targets = ", ".join(_typed(names, variable) for variable in equation.outputs)
        operands = ", ".join(_name(names, operand) for operand in equation.operands)
        params = "".join(f"; {key}={_short(value)}" for key, value in equation.params.items())
        lines.append(f"{targets} = {equation.primitive.name}({operands}{params})")
    lines.append("outputs " + ", ".join(_name(names, o) for o in outputs))
    return "\n".join(lines)


def _typed(names: dict[Variable, str], variable: Variable) -> str:
    return f"{names[variable]}: {variable.aval}"


def _name(names: dict[Variable, str], operand: Operand) -> str:
    if isinstance(operand, Literal):
        return _short(operand.value)
    return names[operand]


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray):
        if value.size <= 4:
            return np.array2string(value, separator=", ").replace("\n", " ")
        return f"<{value.dtype.name}[{','.join(map(str, value.shape))}]>"
    if isinstance(value, np.generic):
        return repr(value.item())
    return repr(value)
