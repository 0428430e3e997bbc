"""The specification of Wengert lists, executable: `verify` raises where a list breaks it."""

from __future__ import annotations

from ..errors import VerificationError
from .aval import Aval
from .equation import Literal, Variable
from .primitive import registry
from .wengert_list import WengertList


def verify(wengert_list: WengertList) -> None:
    """Check a list against its specification.

    1. Inputs are distinct variables.
    2. Every operand is a literal, or a variable assigned before: an input or an earlier output.
    3. Every output of an equation is a new variable.
    4. Every primitive is registered, and its ``infer`` gives the Avals of the outputs.
    5. The list's outputs are literals or assigned variables.

    Raises
    ------
    VerificationError
        With the number of the equation and the broken rule.
    """
    known: set[Variable] = set()
    for position, variable in enumerate(wengert_list.inputs):
        if variable in known:
            raise VerificationError(f"input {position} stands twice")
        known.add(variable)
    for number, equation in enumerate(wengert_list.equations):
        where = f"equation {number} ({equation.primitive.name})"
        for operand in equation.operands:
            if isinstance(operand, Variable) and operand not in known:
                raise VerificationError(f"{where} reads a variable that is not assigned before")
        name = equation.primitive.name
        if name not in registry or registry[name] is not equation.primitive:
            raise VerificationError(f"{where} uses a primitive that is not registered")
        avals = [operand.aval for operand in equation.operands]
        inferred = equation.primitive.infer(*avals, **equation.params)
        expected: tuple[Aval, ...] = inferred if isinstance(inferred, tuple) else (inferred,)
        if expected != tuple(variable.aval for variable in equation.outputs):
            raise VerificationError(
                f"{where} assigns {[str(v.aval) for v in equation.outputs]}, "
                f"its operands give {[str(aval) for aval in expected]}"
            )
        for variable in equation.outputs:
            if variable in known:
                raise VerificationError(f"{where} assigns a variable a second time")
            known.add(variable)
    for position, operand in enumerate(wengert_list.outputs):
        if not isinstance(operand, Literal) and operand not in known:
            raise VerificationError(f"output {position} is not assigned")
