"""Staging: a program run on abstract values becomes a Wengert list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import StagingError, WengertError
from ..ir.aval import Aval, aval_of
from ..ir.equation import Equation, Literal, Operand, Variable
from ..ir.primitive import Primitive
from ..ir.wengert_list import WengertList
from .core import Trace, Traced, levels, raw_of, to_user
from .creation import begin, end
from .keys import Length
from .refusals import outside_line


class StagingTrace(Trace):
    """A trace whose values are Avals and whose payloads are variables of a list."""

    __slots__ = ("equations",)
    stages = True

    def __init__(self, description: Callable[..., Any] | str) -> None:
        super().__init__(description)
        self.equations: list[Equation] = []

    def operand(self, value: Any) -> Operand:
        """Return what stands for a raw value in an equation."""
        if type(value) is Traced and value._trace is self:
            variable: Variable = value._payload
            return variable
        return Literal(self.lower(value))

    def demand(self, traced: Traced, purpose: str) -> Any:
        """Refuse: no value is known. A subclass that knows values records a guard instead."""
        raise self.refusal(aval_of(traced), purpose)

    def refusal(self, aval: Aval, purpose: str, line: str = "") -> WengertError:
        """Return the error of a program that asks for a value nobody knows.

        What is staged inside a batch is staged because examples differ.
        """
        for trace in reversed(levels.traces):
            if trace.batches and trace.level < self.level:
                batch: Any = trace
                refused: WengertError = batch.refusal(aval, purpose, line)
                return refused
        instead = "choose with numpy.where or wengert.cond instead of if"
        if isinstance(purpose, Length):
            instead = f"{purpose.instead[0].lower()}{purpose.instead[1:]}"
        return StagingError(
            f"{purpose} at {line or outside_line()} depends on a value that is not known while the "
            f"program is staged (it is only known to be {aval}). Make it an argument that is not "
            f"traced, or {instead}."
        )

    def process(self, primitive: Primitive, args: list[Any], params: dict[str, Any]) -> Any:
        avals = [aval_of(self.lower(value)) for value in args]
        params = {key: value for key, value in params.items() if key != "in_place"}
        inferred = primitive.infer(*avals, **params)
        results = inferred if isinstance(inferred, tuple) else (inferred,)
        variables = [Variable(aval) for aval in results]
        operands = [self.operand(value) for value in args]
        self.equations.append(Equation(primitive, operands, params, variables))
        traced = tuple(
            Traced(self, aval, variable) for aval, variable in zip(results, variables, strict=True)
        )
        return traced if isinstance(inferred, tuple) else traced[0]


def stage(
    function: Callable[..., Any],
    avals: Sequence[Aval],
    description: Callable[..., Any] | str | None = None,
) -> WengertList:
    """Run `function` on abstract values and return what it did as a list.

    `function` takes one user-level value per Aval and returns a sequence of user-level values;
    errors name it by `description`, itself by default.
    """
    trace = StagingTrace(function if description is None else description)
    return stage_on(trace, function, [Variable(aval) for aval in avals])


def stage_on(
    trace: StagingTrace, function: Callable[..., Any], inputs: Sequence[Variable]
) -> WengertList:
    """Run `function` on values of a fresh trace and return what it did as a list, see `stage`."""
    begin(trace)
    try:
        outputs = function(*(to_user(Traced(trace, v.aval, v)) for v in inputs))
        operands = [trace.operand(raw_of(value)) for value in outputs]
        return WengertList(inputs, trace.equations, operands)
    finally:
        end(trace)
