"""Parts of a list, each of which makes no more bytes than are allowed, and their pullbacks.

A pullback that goes part by part holds the values of one part at a time, and computes again what
the part starts from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..ir.aval import is_differentiable
from ..ir.equation import Equation, Variable
from ..ir.wengert_list import WengertList
from ..ops.accumulation import dense
from ..ops.projection import add
from ..tracing.core import raw_of
from ..tracing.staging import stage
from ..transforms.lists import evaluate_traced, fitted, needed_equations, vjp_of_list


class Part:
    """Consecutive equations of a list.

    Attributes
    ----------
    before : WengertList
        From the inputs of the list to those of the part.
    inputs, outputs : list of Variable
    program : WengertList
        The part; its outputs are what the list reads, or gives, after it.
    """

    def __init__(self, whole: WengertList, start: int, end: int) -> None:
        own = [equation for equation in whole.equations[start:end] if equation.outputs]
        made = {variable: None for equation in own for variable in equation.outputs}
        read = {o: None for e in own for o in e.operands if isinstance(o, Variable)}
        later = {o for e in whole.equations[end:] for o in e.operands} | set(whole.outputs)
        self.inputs = [variable for variable in read if variable not in made]
        self.outputs = [variable for variable in made if variable in later]
        self.program = WengertList(self.inputs, own, self.outputs)
        before = needed_equations(whole.equations[:start], self.inputs)
        self.before = WengertList(whole.inputs, [e for e in before if e.outputs], self.inputs)

    def pullback(
        self,
        wanted: Sequence[bool],
        seeded: Sequence[bool],
        apart: Callable[[WengertList, Sequence[Any]], Sequence[Any]],
    ) -> WengertList:
        """Return the list from the inputs of the whole, and cotangents, to cotangents.

        Of the part: of its outputs in `seeded`, then of its inputs in `wanted`. What comes before
        the part runs `apart`: passes that saw it beside the part would find one loop in both, and
        keep all of its steps.
        """
        count = len(self.before.inputs)

        def run(*values: Any) -> Sequence[Any]:
            raw = [raw_of(value) for value in values]
            forward, backward = vjp_of_list(self.program, wanted, seeded)
            run_before = apart if self.before.equations else evaluate_traced
            start = run_before(self.before, raw[:count])
            kept = evaluate_traced(forward, start)[len(self.outputs) :]
            return evaluate_traced(backward, [*kept, *raw[count:]])

        given = [v.aval for v, flag in zip(self.outputs, seeded, strict=True) if flag]
        avals = [variable.aval for variable in self.before.inputs]
        return stage(run, [*avals, *given], "the pullback of a part")


def parts_of(program: WengertList, memory: int) -> tuple[Part, ...]:
    """Return the parts of a list; derivatives of each keep at most `memory` bytes, or of one step.

    What the list is given is there in any case, and does not count.
    """
    bounds = [0]
    held = 0
    kept: set[Variable] = set(program.inputs)
    for position, equation in enumerate(program.equations):
        needed, size = _kept_by(equation)
        size += sum(_bytes_of(variable) for variable in needed - kept)
        if held + size > memory and position > bounds[-1]:
            bounds.append(position)
            kept = set(program.inputs)
            held = 0
            size = sum(_bytes_of(variable) for variable in needed - kept)
        held += size
        kept |= needed
    ends = [*bounds[1:], len(program.equations)]
    return tuple(Part(program, *between) for between in zip(bounds, ends, strict=True))


def _kept_by(equation: Equation) -> tuple[set[Variable], int]:
    """Return what the derivative of an equation keeps: variables of its list, and other bytes."""
    operands = list(dict.fromkeys(o for o in equation.operands if isinstance(o, Variable)))
    if equation.primitive.zero_derivative or not equation.outputs:
        return set(), 0
    alone = WengertList(operands, [equation], equation.outputs)
    flags = [is_differentiable(variable.aval.dtype) for variable in operands]
    forward, _ = vjp_of_list(alone, flags)
    outputs = len(alone.outputs)
    names = dict(zip(forward.inputs, operands, strict=True))
    names.update(zip(forward.outputs[:outputs], equation.outputs, strict=True))  # type: ignore[arg-type]
    needed = {operand for operand in forward.outputs[outputs:] if isinstance(operand, Variable)}
    own = sum(_bytes_of(variable) for variable in needed if variable not in names)
    return {names[variable] for variable in needed if variable in names}, own


def _bytes_of(variable: Variable) -> int:
    return variable.aval.size * variable.aval.dtype.itemsize


class Cotangents:
    """The cotangents of variables of a list, added up while its parts are pulled back."""

    def __init__(self, program: WengertList, cotangents: Sequence[Any]) -> None:
        self._known: dict[Variable, Any] = {}
        for operand, cotangent in zip(program.outputs, cotangents, strict=True):
            if isinstance(operand, Variable) and is_differentiable(operand.aval.dtype):
                self.add(operand, cotangent)

    def add(self, variable: Variable, cotangent: Any) -> None:
        """Add a cotangent, None being zero."""
        if cotangent is not None:
            self._known[variable] = add(self._known.get(variable), raw_of(dense(cotangent)))

    def known(self, variables: Sequence[Variable]) -> tuple[bool, ...]:
        """Return which variables have a cotangent."""
        return tuple(variable in self._known for variable in variables)

    def take(self, variables: Sequence[Variable]) -> list[Any]:
        """Return the cotangents of those variables that have one, and forget them."""
        return [fitted(self._known.pop(v), v.aval) for v in variables if v in self._known]

    def of(self, variable: Variable) -> Any:
        """Return the cotangent of a variable, None where there is none."""
        found = self._known.get(variable)
        return None if found is None else fitted(found, variable.aval)
