"""Staging at values that are at hand: what a function asks for is answered and guarded.

Values are computed only once the function asks for one; a list of a function that does not ask is
that of abstract values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import StagingError
from ..ir.aval import Aval
from ..ir.equation import Equation, Literal, Operand, Variable
from ..ir.wengert_list import WengertList
from ..ops.guards import guard
from ..ops.kinds import discretise
from ..tracing.core import Traced, innermost, is_unknown
from ..tracing.keys import INTEGER_PURPOSE, TRUTH_PURPOSE
from ..tracing.staging import StagingTrace, stage_on

# Gives the raw values of the inputs of a list; they may be values of transformations.
Values = Callable[[], Sequence[Any]]


class SituatedTrace(StagingTrace):
    """A staging trace that can find out the values of its variables at one point.

    Truth values, integers and indices are answered; each answer is an equation ``guard``. Real
    numbers are not given out as plain ones: they would lose their derivatives. Where one of the
    values is staged or batched itself, all questions are refused.
    """

    __slots__ = ("_computed", "_inputs", "_known", "_refusal", "_values")

    def __init__(self, description: Callable[..., Any] | str, values: Values) -> None:
        super().__init__(description)
        self._values = values
        self._inputs: Sequence[Variable] = ()
        self._known: dict[Variable, Any] | None = None
        self._computed = 0
        self._refusal: StagingError | None = None  # what the first question is refused with

    def start(self, inputs: Sequence[Variable]) -> None:
        """Take the variables that the values are of."""
        self._inputs = inputs

    def operand(self, value: Any) -> Operand:
        """Return what stands for a raw value; one that nobody knows forbids all questions."""
        found = super().operand(value)
        if self._refusal is not None and isinstance(found, Literal):
            self._plain(found.value)
        return found

    def demand(self, traced: Traced, purpose: str) -> Any:
        """Answer with the value at hand, and guard it."""
        aval: Aval = traced.value
        refusal = self.refusal(traced, purpose)
        self._refusal = self._refusal or refusal
        if purpose is TRUTH_PURPOSE and aval.dtype != np.bool_:
            traced = self.process(discretise, [traced], {"dtype": np.dtype(np.bool_)})
        elif purpose is INTEGER_PURPOSE and aval.dtype.kind == "f":
            traced = self.process(discretise, [traced], {"dtype": np.dtype(np.int64)})
        elif aval.dtype.kind not in "biu":
            raise refusal
        value = self._value(traced.payload)
        if isinstance(value, np.ndarray):
            value = value.copy()
        params = {"expected": value, "position": len(self.equations)}
        self.equations.append(Equation(guard, [traced.payload], params, ()))
        return value

    def _plain(self, value: Any) -> Any:
        plain = innermost(value)
        if is_unknown(plain) and self._refusal is not None:
            raise self._refusal
        return plain

    def _value(self, variable: Variable) -> Any:
        """Return the value of a variable, computing what has been staged since the last one."""
        if self._known is None:
            given = zip(self._inputs, self._values(), strict=True)
            self._known = {variable: self._plain(value) for variable, value in given}
        known = self._known
        with np.errstate(all="ignore"):
            for equation in self.equations[self._computed :]:
                if not equation.outputs:
                    continue  # guards, which hold, and effects, which are not for now
                operands = [
                    self._plain(operand.value) if isinstance(operand, Literal) else known[operand]
                    for operand in equation.operands
                ]
                found = equation.primitive.evaluate(*operands, **equation.params)
                results = found if equation.primitive.multiple else (found,)
                known.update(zip(equation.outputs, results, strict=True))
        self._computed = len(self.equations)
        return known[variable]


def stage_at(
    function: Callable[..., Any],
    avals: Sequence[Aval],
    values: Values,
    description: Callable[..., Any] | str,
) -> WengertList:
    """Return the list of a function, see `stage`, that may ask for values.

    It holds where the values lead the same way: where its guards hold.
    """
    trace = SituatedTrace(description, values)
    inputs = [Variable(aval) for aval in avals]
    trace.start(inputs)
    return stage_on(trace, function, inputs)


def is_guarded(program: WengertList) -> bool:
    """Return whether a function asked for values while it was staged."""
    return any(equation.primitive is guard for equation in program.equations)


def unguarded(program: WengertList) -> WengertList:
    """Return a list without its guards: the piece of a function that holds around a point."""
    kept = [equation for equation in program.equations if equation.primitive is not guard]
    return WengertList(program.inputs, kept, program.outputs)


def plain_values(leaves: Sequence[Any]) -> list[Any] | None:
    """Return the plain values of raw leaves, None where one of them is not known."""
    plain = [innermost(leaf) for leaf in leaves]
    return None if any(map(is_unknown, plain)) else plain
