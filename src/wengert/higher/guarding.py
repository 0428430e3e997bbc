"""Staging with values at hand: a program is recorded as a list while it computes its answer.

When the program asks for a value (an `if`, an index), it gets it, and a guard goes into the list.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from types import FrameType
from typing import Any, NamedTuple

import numpy as np

from ..errors import StagingError
from ..ir.aval import Aval, aval_of
from ..ir.equation import Equation, Literal, Operand, Variable
from ..ir.primitive import Primitive
from ..ir.wengert_list import WengertList
from ..ops.guards import guard
from ..ops.kinds import discretise
from ..tracing.callsite import outside_frame
from ..tracing.core import PLAIN_SCALARS, Traced, to_user
from ..tracing.keys import INDEX_PURPOSES, INTEGER_PURPOSE, TRUTH_PURPOSE
from ..tracing.refusals import outside_line
from ..tracing.staging import StagingTrace
from ..transforms.protection import Protection
from .error_handling import error_handling, special_errors, stops_at_errors
from .states import OpaqueError, State, shows_all

_INT64 = np.dtype(np.int64)
_BOOL = np.dtype(np.bool_)


# The Avals of results by primitive, type of the result and types of the operands, where all are
# numbers whose types say all of them: long programs are made of these.
_numbers: dict[tuple[Any, ...], Aval] = {}


def _is_special(primitive: Primitive, params: dict[str, Any]) -> bool:
    """Return whether an operation is a function of `scipy.special`, or holds programs with some."""
    if primitive.name.startswith("special_"):
        return True
    for value in params.values():
        for entry in value if type(value) is tuple else (value,):
            if type(entry) is WengertList and any(
                _is_special(equation.primitive, equation.params) for equation in entry
            ):
                return True
    return False


class Known:
    """The payload of a value that is staged and known: its variable and its plain value."""

    __slots__ = ("value", "variable")

    def __init__(self, variable: Variable, value: Any) -> None:
        self.variable = variable
        self.value = value


class Decision:
    """A value that the program asked for, what for, and at which line."""

    __slots__ = ("line", "purpose", "value", "variable")

    def __init__(self, variable: Variable, value: Any, purpose: str, line: str) -> None:
        self.variable = variable
        self.value = value
        self.purpose = purpose
        self.line = line

    @property
    def key(self) -> Any:
        """What tells this outcome from another one of the same question."""
        value = self.value
        if isinstance(value, np.ndarray):
            return (value.shape, value.dtype.str, value.tobytes())
        return (type(value), repr(value))


class Visit(NamedTuple):
    """A truth value that a frame asked for, where it could be the condition of a loop.

    ``position`` is that of the guard on the list, ``asked`` the variable that it guards.
    """

    frame: FrameType
    instruction: int
    decision: int
    position: int
    asked: Variable
    skeleton: Hashable
    variables: list[Variable]

    def continues(self, other: Visit) -> bool:
        """Return whether this may be the next time round after another visit."""
        return (
            self.frame is other.frame
            and self.instruction == other.instruction
            and self.decision == other.decision + 1
            and self.asked.aval == other.asked.aval
            and self.skeleton == other.skeleton
        )


class GuardingTrace(StagingTrace):
    """A staging trace that evaluates each operation as it records it.

    Errors and warnings come where the program makes them, the value of a query costs nothing, and
    intermediate values live no longer than the program's own names for them.
    """

    __slots__ = (
        "_asked",
        "_handling",
        "copied",
        "decisions",
        "heard",
        "inputs",
        "line",
        "protection",
        "rehearsed",
        "shown",
        "special",
        "stops",
        "values",
        "visits",
    )

    def __init__(self, description: Callable[..., Any] | str, values: Sequence[Any]) -> None:
        super().__init__(description)
        self.values = values
        self.inputs = [Variable(aval_of(value)) for value in values]
        self.decisions: list[Decision] = []
        self.visits: list[Visit] = []
        self._asked: dict[Variable, Any] = {}
        self.copied: list[int] = []  # inputs of which the program writes a copy
        self.shown = False  # whether a value became text, which nothing guards
        self.stops = False  # whether floating-point errors did more than warn on the way
        self.special = False  # whether functions of scipy.special are on the list
        self.heard = False  # whether errors were not ignored where one of them ran
        self._handling = error_handling()
        self.line = ""  # where the program asks, if not where it runs now
        self.rehearsed: list[object] = []  # loops that derivatives were taken of
        self.protection = Protection(values, False)

    def attach(self) -> list[Any]:
        """Return the user-level values that stand for the inputs."""
        return [
            to_user(Traced(self, variable.aval, Known(variable, value)))
            for variable, value in zip(self.inputs, self.values, strict=True)
        ]

    def operand(self, value: Any) -> Operand:
        """Return what stands for a raw value in an equation."""
        if type(value) is Traced and value._trace is self:
            variable: Variable = value._payload.variable
            return variable
        return Literal(self._constant(value))

    def _constant(self, value: Any) -> Any:
        """Return a constant as the list keeps it: later writes must not reach it."""
        if type(value) is Traced:
            self.lower(value)  # raises where the value has leaked
            raise StagingError(
                "a value of an outer transformation reached a compiled function by another way "
                "than its arguments, its closure or its globals"
            )
        if type(value) is np.ndarray:
            return self.protection.protected(value)
        return value

    def value_of(self, value: Any) -> Any:
        """Return the plain value of a raw value of this trace, or of a constant."""
        if type(value) is Traced and value._trace is self:
            return value._payload.value
        return value

    def pair(self, primitive: Primitive, x: Any, y: Any) -> Any:
        """Evaluate and record an operation of two numbers; `process` in fewer steps."""
        left: Operand
        right: Operand
        if type(x) is Traced and x._trace is self:
            known = x._payload
            left, first = known.variable, known.value
        else:
            left, first = Literal(x), x
        if type(y) is Traced and y._trace is self:
            known = y._payload
            right, second = known.variable, known.value
        else:
            right, second = Literal(y), y
        if type(first) not in PLAIN_SCALARS or type(second) not in PLAIN_SCALARS:
            return self.process(primitive, [x, y], {})
        answer = primitive.evaluate(first, second)
        aval = _numbers.get((primitive, type(answer), type(first), type(second)))
        if aval is None:
            return self._record(primitive, (left, right), {}, (first, second), answer)
        variable = Variable(aval)
        self.equations.append(Equation(primitive, (left, right), {}, (variable,)))
        return Traced(self, aval, Known(variable, answer))

    def process(self, primitive: Primitive, args: list[Any], params: dict[str, Any]) -> Any:
        """Evaluate an operation and record it."""
        if error_handling() is not self._handling:
            self._handling = error_handling()
            self.stops = self.stops or stops_at_errors()
        if _is_special(primitive, params):
            self.special = True
            self.heard = self.heard or not special_errors.are_ignored
        operands: list[Operand] = []
        values = []
        for value in args:
            if type(value) is Traced and value._trace is self:
                known = value._payload
                operands.append(known.variable)
                values.append(known.value)
            else:
                constant = self._constant(value)
                operands.append(Literal(constant))
                values.append(constant)
        if "in_place" in params:
            params = {key: value for key, value in params.items() if key != "in_place"}
        answer = primitive.evaluate(*values, **params)
        if not params and type(answer) in PLAIN_SCALARS:
            kinds = (primitive, type(answer), *map(type, values))
            known = _numbers.get(kinds)
            if known is not None:
                variable = Variable(known)
                self.equations.append(Equation(primitive, operands, params, (variable,)))
                return Traced(self, known, Known(variable, answer))
        return self._record(primitive, operands, params, values, answer)

    def _record(
        self,
        primitive: Primitive,
        operands: Sequence[Operand],
        params: dict[str, Any],
        values: Sequence[Any],
        answer: Any,
    ) -> Any:
        """Record an operation that has been evaluated."""
        inferred = primitive.infer(*(operand.aval for operand in operands), **params)
        if not primitive.multiple:
            made = self._assign(primitive, operands, params, (inferred,), (answer,))[0]
            if not params and PLAIN_SCALARS.issuperset(map(type, (answer, *values))):
                _numbers[primitive, type(answer), *map(type, values)] = inferred
            return made
        results = self._assign(primitive, operands, params, inferred, answer)
        return type(answer)(*results) if hasattr(answer, "_fields") else results

    def _assign(
        self,
        primitive: Primitive,
        operands: Sequence[Operand],
        params: dict[str, Any],
        avals: Sequence[Aval],
        values: Sequence[Any],
    ) -> tuple[Any, ...]:
        """Record an equation and return its traced results."""
        variables = []
        for aval, value in zip(avals, values, strict=True):
            if aval_of(value) != aval:
                raise StagingError(
                    f"{primitive.name} gave {aval_of(value)} where {aval} is to be expected: its "
                    "result depends on values in more than its entries"
                )
            variables.append(Variable(aval))
        self.equations.append(Equation(primitive, operands, params, variables))
        return tuple(
            Traced(self, variable.aval, Known(variable, value))
            for variable, value in zip(variables, values, strict=True)
        )

    def demand(self, traced: Traced, purpose: str) -> Any:
        """Answer with the value, and guard it."""
        aval = traced._below
        if aval.shape and purpose not in INDEX_PURPOSES and purpose is not TRUTH_PURPOSE:
            raise StagingError(
                f"{purpose} at {outside_line()} asks for all entries of a {aval}, which a compiled "
                "function would have to find again at every call"
            )
        if purpose is TRUTH_PURPOSE and aval.dtype != _BOOL:
            traced = self._discretised(traced, _BOOL)
        elif purpose is INTEGER_PURPOSE and aval.dtype.kind in "f":
            value = traced._payload.value
            if abs(value) < 2.0**62:
                traced = self._discretised(traced, _INT64)
        variable = traced._payload.variable
        if variable in self._asked:
            return self._asked[variable]
        value = traced._payload.value
        if isinstance(value, np.ndarray):
            value = value.copy()
        position = len(self.decisions)
        self.decisions.append(Decision(variable, value, purpose, self.line or outside_line()))
        self._asked[variable] = value
        if purpose is TRUTH_PURPOSE and not self.line:
            self._note_visit(variable)
        params = {"expected": value, "position": position}
        self.equations.append(Equation(guard, [variable], params, ()))
        return value

    def _note_visit(self, asked: Variable) -> None:
        """Note the state of the frame that asks, unless it holds what cannot be told."""
        frame = outside_frame()
        if frame is None or not shows_all(frame):
            return
        try:
            state = State(self.state_of, frame)
        except OpaqueError:
            return
        self.visits.append(
            Visit(
                frame,
                frame.f_lasti,
                len(self.decisions) - 1,
                len(self.equations),
                asked,
                state.skeleton,
                state.variables,
            )
        )

    def state_of(self, traced: Traced) -> Traced | None:
        """Return the value of this trace that stands for one in the state of a frame, if any."""
        return traced if traced._trace is self else None

    def note_overlap(self, traced: Traced) -> None:
        """Note an input of which a copy is written: where it overlaps another, that is refused."""
        for number, variable in enumerate(self.inputs):
            if variable is traced._payload.variable and type(self.values[number]) is np.ndarray:
                self.copied.append(number)

    def peek(self, traced: Traced) -> Any:
        """Return the value, to be printed; nothing is guarded."""
        self.shown = True
        return traced._payload.value

    def _discretised(self, traced: Traced, dtype: np.dtype[Any]) -> Traced:
        found: Traced = self.process(discretise, [traced], {"dtype": dtype})
        return found

    def owns(self, raw: Any) -> bool:
        """Return whether a raw value is one of this trace."""
        return type(raw) is Traced and raw._trace is self

    def release(self) -> None:
        """Let go of the locks on constants."""
        self.protection.release()
