"""Staging at values that are at hand: what a function asks for is answered and guarded.

Values are computed only once the function asks for one; a list of a function that does not ask is
that of abstract values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import WengertError
from ..ir.aval import Aval
from ..ir.equation import Equation, Literal, Operand, Variable
from ..ir.wengert_list import WengertList
from ..ops.guards import guard
from ..ops.kinds import discretise
from ..tracing.core import Traced, innermost, is_unknown
from ..tracing.keys import INTEGER_PURPOSE, TRUTH_PURPOSE
from ..tracing.refusals import outside_line
from ..tracing.staging import StagingTrace, stage_on
from ..transforms.lists import evaluate_traced, needed_equations, remembered

# Gives the raw values of the inputs of a list; they may be values of transformations.
Values = Callable[[], Sequence[Any]]


class SituatedTrace(StagingTrace):
    """A staging trace that can find out the values of its variables at one point.

    Truth values, integers and indices are answered; each answer is an equation ``guard``. Real
    numbers are not given out as plain ones: they would lose their derivatives. What depends on a
    value that nobody knows, being staged or batched itself, is refused. The first ``moving``
    inputs will take other values later: where they are asked about, all values have to be known.
    """

    __slots__ = (
        "_asked",
        "_computed",
        "_inputs",
        "_known",
        "_moved",
        "_moving",
        "_owner",
        "_values",
    )

    def __init__(self, description: Callable[..., Any] | str, values: Values, moving: int) -> None:
        super().__init__(description)
        self._values = values
        self._moving = moving
        self._inputs: Sequence[Variable] = ()
        self._known: dict[Variable, Any] = {}
        self._moved: set[Variable] = set()
        self._computed = 0
        self._asked: tuple[Aval, str, str] | None = None  # the first question about what moves
        self._owner: Traced | None = None  # the first value that nobody knows

    def start(self, inputs: Sequence[Variable]) -> None:
        """Take the variables that the values are of."""
        self._inputs = inputs

    def operand(self, value: Any) -> Operand:
        """Return what stands for a raw value; one that nobody knows forbids some questions."""
        found = super().operand(value)
        if isinstance(found, Literal) and type(found.value) is Traced:
            self._note(known_below(found.value))
        return found

    def _note(self, value: Any) -> None:
        if type(value) is Traced and self._owner is None:
            self._owner = value
        if self._asked is not None and self._owner is not None:
            raise _refusal(*self._asked, self._owner)

    def demand(self, traced: Traced, purpose: str) -> Any:
        """Answer with the value at hand, and guard it."""
        aval: Aval = traced._below
        if purpose is TRUTH_PURPOSE and aval.dtype != np.bool_:
            traced = self.process(discretise, [traced], {"dtype": np.dtype(np.bool_)})
        elif purpose is INTEGER_PURPOSE and aval.dtype.kind == "f":
            traced = self.process(discretise, [traced], {"dtype": np.dtype(np.int64)})
        elif aval.dtype.kind not in "biu":
            raise self.refusal(aval, purpose)
        value = self.value_of(traced)
        owner = value if type(value) is Traced else None
        if traced._payload in self._moved:
            owner = owner or self._owner
            self._asked = self._asked or (aval, purpose, outside_line())
        if owner is not None:
            raise _refusal(aval, purpose, outside_line(), owner)
        if isinstance(value, np.ndarray):
            value = value.copy()
        params = {"expected": value, "position": len(self.equations)}
        self.equations.append(Equation(guard, [traced._payload], params, ()))
        return value

    def value_of(self, traced: Traced) -> Any:
        """Return the plain value of a traced one; the value it depends on that nobody knows."""
        if not self._known and self._inputs:
            for number, (variable, value) in enumerate(
                zip(self._inputs, self._values(), strict=True)
            ):
                self._known[variable] = known_below(value)
                self._note(self._known[variable])
                if number < self._moving:
                    self._moved.add(variable)
        with np.errstate(all="ignore"):
            while self._computed < len(self.equations):
                self._compute(self.equations[self._computed])
                self._computed += 1
        return self._known[traced._payload]

    def _compute(self, equation: Equation) -> None:
        if not equation.outputs:
            return  # guards, which hold, and effects, which are not for now
        operands = [
            known_below(operand.value) if isinstance(operand, Literal) else self._known[operand]
            for operand in equation.operands
        ]
        owner = next((operand for operand in operands if type(operand) is Traced), None)
        if owner is not None:
            results: Sequence[Any] = [owner] * len(equation.outputs)
        else:
            found = equation.primitive.evaluate(*operands, **equation.params)
            results = found if equation.primitive.multiple else (found,)
        self._known.update(zip(equation.outputs, results, strict=True))
        if not self._moved.isdisjoint(o for o in equation.operands if isinstance(o, Variable)):
            self._moved.update(equation.outputs)


def _refusal(aval: Aval, purpose: str, line: str, owner: Traced) -> WengertError:
    """Return the error of a question whose answer depends on a value that nobody knows."""
    trace: Any = owner._trace
    found: WengertError = trace.refusal(aval, purpose, line)
    return found


def known_below(value: Any) -> Any:
    """Return the plain value below all traces; where nobody knows it, the value it ends in."""
    while type(value) is Traced:
        below = value._below
        if type(below) is not Traced and is_unknown(below):
            return value._trace.value_of(value) if type(value._trace) is SituatedTrace else value
        value = below
    return value


def stage_at(
    function: Callable[..., Any],
    avals: Sequence[Aval],
    values: Values,
    description: Callable[..., Any] | str,
    moving: int | None = None,
) -> WengertList:
    """Return the list of a function, see `stage`, that may ask for values.

    It holds where the values lead the same way: where its guards hold. The first `moving` inputs,
    by default all, will take other values later.
    """
    trace = SituatedTrace(description, values, len(avals) if moving is None else moving)
    inputs = [Variable(aval) for aval in avals]
    trace.start(inputs)
    return stage_on(trace, function, inputs)


def is_guarded(program: WengertList) -> bool:
    """Return whether a function asked for values while it was staged."""
    return any(equation.primitive is guard for equation in program.equations)


def unguarded(program: WengertList) -> WengertList:
    """Return a list without its guards: the piece of a function that holds around a point."""

    def make() -> WengertList:
        kept = [equation for equation in program.equations if equation.primitive is not guard]
        return WengertList(program.inputs, kept, program.outputs)

    return remembered(program, "unguarded", make) if is_guarded(program) else program


def plain_values(leaves: Sequence[Any]) -> list[Any] | None:
    """Return the plain values of raw leaves, None where one of them is not known."""
    plain = [known_below(leaf) for leaf in leaves]
    return None if any(type(value) is Traced for value in plain) else plain


def is_situated(leaves: Sequence[Any]) -> bool:
    """Return whether one of some known raw leaves is a value of a list that is staged at values."""
    return any(is_unknown(innermost(leaf)) for leaf in leaves)


def hold_guards(program: WengertList, values: Sequence[Any]) -> None:
    """Let the list being staged hold only where the guards of another one do, on raw values."""
    needed = needed_equations(program.equations, ())
    kept = [equation for equation in needed if equation.outputs or equation.primitive is guard]
    evaluate_traced(WengertList(program.inputs, kept, ()), values)
