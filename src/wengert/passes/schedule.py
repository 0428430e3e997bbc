"""What `fuse` makes of a Wengert list: kernels and single equations, in an order that runs.

A kernel is itself a Wengert list on the variables of the program: its inputs are in memory, its
outputs go there, and everything between is computed entry by entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..errors import VerificationError
from ..ir.equation import Equation, Literal, Operand, Variable
from ..ir.verify import verify
from ..ir.wengert_list import WengertList


class Role(NamedTuple):
    """How an equation may take part in kernels.

    Attributes
    ----------
    kind : str
        ``"view"``: an entry of the result is an entry of an operand. ``"elementwise"``: it is
        computed of entries. ``"window"``: of an entry and, in a part, another. ``"reduction"``: of
        many entries, so that it is stored before it is read. ``"last"``: likewise, in order.
        ``"scatter"``: the first operand, with entries of the second written to some places.
    cost : int
        Of one entry, in additions.
    within : int
        Of how many entries a reduction may be made where its result is needed, instead of being
        stored before; 0 where it may not.
    """

    kind: str
    cost: int
    within: int = 0


class Schedule:
    """Kernels (Wengert lists) and equations in an order in which they can run.

    Attributes
    ----------
    inputs : tuple of Variable
    steps : tuple of WengertList or Equation
    outputs : tuple of operands
    """

    __slots__ = ("inputs", "outputs", "steps")

    def __init__(
        self,
        inputs: Sequence[Variable],
        steps: Sequence[WengertList | Equation],
        outputs: Sequence[Operand],
    ) -> None:
        self.inputs = tuple(inputs)
        self.steps = tuple(steps)
        self.outputs = tuple(outputs)

    @property
    def kernels(self) -> tuple[WengertList, ...]:
        """The steps that are kernels."""
        return tuple(step for step in self.steps if isinstance(step, WengertList))

    def __str__(self) -> str:
        parts = []
        for step in self.steps:
            if isinstance(step, WengertList):
                parts.append(f"kernel\n{step}")
            else:
                parts.append(f"call {step.primitive.name}")
        return "\n".join(parts)

    def evaluate(self, *args: Any) -> tuple[Any, ...]:
        """Run every step by the straight evaluator: what the schedule means."""
        values: dict[Variable, Any] = dict(zip(self.inputs, args, strict=True))

        def value_of(operand: Operand) -> Any:
            return operand.value if isinstance(operand, Literal) else values[operand]

        for step in self.steps:
            if isinstance(step, Equation):
                step = WengertList(
                    [x for x in dict.fromkeys(step.operands) if isinstance(x, Variable)],
                    [step],
                    step.outputs,
                )
            results = step.evaluate(*(value_of(variable) for variable in step.inputs))
            for operand, result in zip(step.outputs, results, strict=True):
                assert isinstance(operand, Variable)
                values[operand] = result
        return tuple(value_of(operand) for operand in self.outputs)


def verify_schedule(schedule: Schedule, program: WengertList) -> None:
    """Check a schedule against its specification.

    1. It has the inputs and outputs of the program.
    2. Every kernel is a Wengert list that `verify` accepts.
    3. What a step reads is an input, or was given by an earlier step.
    4. No variable is given twice.

    Raises
    ------
    VerificationError
        With the number of the step and the broken rule.
    """
    if schedule.inputs != program.inputs or schedule.outputs != program.outputs:
        raise VerificationError("a schedule has other inputs or outputs than its program")
    known = set(schedule.inputs)
    for number, step in enumerate(schedule.steps):
        if isinstance(step, WengertList):
            verify(step)
            reads: Sequence[Operand] = step.inputs
        else:
            reads = step.operands
        for operand in reads:
            if isinstance(operand, Variable) and operand not in known:
                raise VerificationError(f"step {number} reads what no earlier step gives")
        for variable in step.outputs:
            if variable in known or not isinstance(variable, Variable):
                raise VerificationError(f"step {number} gives a variable a second time")
            known.add(variable)
    for position, operand in enumerate(schedule.outputs):
        if isinstance(operand, Variable) and operand not in known:
            raise VerificationError(f"no step gives output {position}")
