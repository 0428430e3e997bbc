"""Functions that are differentiated while a program is recorded: staged first, with their loops.

A rehearsal runs the function on values at hand and rolls its list; the list, in which loops are
equations, is what the derivative sees. So a loop on values has one derivative for all lengths.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import tree
from ..errors import LeakedArrayError, StagingError
from ..ir.aval import aval_of
from ..ir.equation import Variable
from ..ir.evaluate import evaluate
from ..ir.primitive import Primitive
from ..ir.wengert_list import WengertList
from ..ops.guards import guard
from ..ops.kinds import discretise
from ..tracing.core import Array, Traced, bind, levels, raw_of
from ..tracing.creation import begin, end
from ..tracing.keys import TRUTH_PURPOSE, known_value
from .guarding import GuardingTrace, Known
from .results import Results
from .rolling import roll


class RollingTrace(GuardingTrace):
    """The trace of a program whose derivatives are taken of rolled lists."""

    __slots__ = ()

    def before_derivative(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that rehearses: what it does on its arguments is a rolled list."""

        def rehearsed(*args: Any, **kwargs: Any) -> Any:
            return _rehearsed(self, function, args, kwargs)

        return rehearsed

    def pair(self, primitive: Primitive, x: Any, y: Any) -> Any:
        """Evaluate and record an operation of two numbers, in the rehearsal that goes on."""
        inner = self._goes_on()
        return super().pair(primitive, x, y) if inner is None else inner.pair(primitive, x, y)

    def process(self, primitive: Primitive, args: list[Any], params: dict[str, Any]) -> Any:
        """Evaluate an operation and record it, in the rehearsal that goes on.

        A loop of a rehearsal is one list, with what it computes of values around it.
        """
        inner = self._goes_on()
        if inner is None or primitive.name == "write":
            return super().process(primitive, args, params)
        return inner.process(primitive, args, params)

    def demand(self, traced: Traced, purpose: str) -> Any:
        """Answer with the value, and guard it; truth values in the rehearsal that goes on."""
        inner = self._goes_on()
        if inner is None or purpose is not TRUTH_PURPOSE:
            return super().demand(traced, purpose)
        return inner.demand(inner.lifted(traced), purpose)

    def _discretised(self, traced: Traced, dtype: np.dtype[Any]) -> Traced:
        found: Traced = GuardingTrace.process(self, discretise, [traced], {"dtype": dtype})
        return found

    def _goes_on(self) -> Rehearsal | None:
        """Return the innermost rehearsal inside this trace, if one goes on."""
        for trace in reversed(levels.traces):
            if trace is self:
                return None
            if isinstance(trace, Rehearsal):
                return trace
        return None

    def owns(self, raw: Any) -> bool:
        """Return whether a raw value is one of this trace, or of a rehearsal inside."""
        return type(raw) is Traced and (raw._trace is self or isinstance(raw._trace, Rehearsal))


class Rehearsal(RollingTrace):
    """The trace of a rehearsal: values of traces around it become further inputs."""

    __slots__ = ("_known", "captured")

    def __init__(self, description: Callable[..., Any] | str, values: Sequence[Any]) -> None:
        super().__init__(description, values)
        self.captured: list[Traced] = []
        self._known: dict[int, Traced] = {}

    def lifted(self, value: Any) -> Any:
        """Return what stands for a raw value here: an input for what is traced around."""
        if type(value) is not Traced or value._trace is self:
            return value
        self.lower(value)  # raises where the value has leaked
        made = self._known.get(id(value))
        if made is None:
            plain = plain_of(value)
            variable = Variable(aval_of(plain))
            self.captured.append(value)
            self.inputs.append(variable)
            made = self._known[id(value)] = Traced(self, variable.aval, Known(variable, plain))
        return made

    def pair(self, primitive: Primitive, x: Any, y: Any) -> Any:
        """Evaluate and record an operation of two numbers."""
        return super().pair(primitive, self.lifted(x), self.lifted(y))

    def process(self, primitive: Primitive, args: list[Any], params: dict[str, Any]) -> Any:
        """Evaluate an operation and record it."""
        return super().process(primitive, list(map(self.lifted, args)), params)

    def state_of(self, traced: Traced) -> Traced | None:
        """Return the value of this trace that stands for one in the state of a frame, if any."""
        try:
            found: Traced = self.lifted(traced)
        except (StagingError, LeakedArrayError):
            return None
        return found

    def demand(self, traced: Traced, purpose: str) -> Any:
        """Answer a truth value, and guard it; a derivative may refuse everything else."""
        if purpose is not TRUTH_PURPOSE:
            raise StagingError(f"{purpose} is not rehearsed")
        return super().demand(traced, purpose)

    def peek(self, traced: Traced) -> Any:
        """Refuse: what is printed is for the trace around to know."""
        raise StagingError("text is not rehearsed")


def plain_of(raw: Any) -> Any:
    """Return the plain value below derivatives and recordings; it is known."""
    while type(raw) is Traced:
        trace = raw._trace
        if isinstance(trace, GuardingTrace):
            return raw._payload.value
        if trace.stages or trace.batches:
            raise StagingError("a value that is not at hand is not rehearsed")
        raw = raw._below
    return raw


def _rehearsed(
    outer: GuardingTrace,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    leaves, structure = tree.flatten((args, kwargs))
    which = [n for n, leaf in enumerate(leaves) if type(raw_of(leaf)) is Traced]
    users = [leaves[n] for n in which]
    if any(type(leaf) is Array and leaf._root is not None for leaf in users):
        raise StagingError("a view is not rehearsed")
    operands = [raw_of(leaf) for leaf in users]
    trace = Rehearsal(function, [plain_of(value) for value in operands])
    begin(trace)
    try:
        handles = trace.attach()
        for n, handle in zip(which, handles, strict=True):
            leaves[n] = handle
        new_args, new_kwargs = tree.unflatten(structure, leaves)
        results = Results(trace, handles, function(*new_args, **new_kwargs))
        program = WengertList(trace.inputs, trace.equations, results.operands)
        rolled = roll(program, trace.decisions, trace.visits)
    finally:
        end(trace)
        trace.release()
        trace.visits = []  # they hold frames
    if results.writes or trace.copied:
        raise StagingError("a function that writes its arguments is not rehearsed")
    if trace.stops or trace.heard:
        raise StagingError("a function that hears of floating-point errors is not rehearsed")
    outer.rehearsed += [*trace.rehearsed, *rolled.loops]
    found = _replayed(rolled.program, trace, [*operands, *trace.captured], outer)
    return results.user_level(users, found)


def _replayed(
    program: WengertList, trace: Rehearsal, operands: Sequence[Any], outer: GuardingTrace
) -> tuple[Any, ...]:
    """Run a rehearsed list on values of the derivative; ask there what the rehearsal asked."""

    def apply(primitive: Primitive, *values: Any, **params: Any) -> Any:
        if primitive is not guard:
            return bind(primitive, *values, **params)
        decision = trace.decisions[params["position"]]
        outer.line = decision.line
        try:
            known_value(values[0], decision.purpose)
        finally:
            outer.line = ""
        return ()

    with np.errstate(all="ignore"):  # the rehearsal has warned
        return evaluate(program.inputs, program.equations, program.outputs, operands, apply)
