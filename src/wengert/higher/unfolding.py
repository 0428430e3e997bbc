"""Pullbacks of loops taken apart for native code: one iteration forward, and one backward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..compile import optimise
from ..ir.equation import Variable
from ..ir.pullback import Pullback
from ..ir.wengert_list import WengertList
from ..tracing.core import raw_of
from ..tracing.staging import stage
from ..transforms.lists import evaluate_traced, fitted, vjp_of_list


def unfolded(
    body: WengertList, varying: Sequence[bool], constants: int, seeded: Sequence[bool]
) -> Pullback:
    """Return the lists of the pullback of a loop.

    Parameters
    ----------
    body : WengertList
        Over (constants, carry); its outputs are the next carry.
    varying : sequence of bool
        Which inputs of the body have cotangents.
    constants : int
        How many of the inputs are constants.
    seeded : sequence of bool
        Which outputs have cotangents.
    """
    forward, backward = vjp_of_list(body, varying, seeded)
    outputs = len(body.outputs)
    position = {variable: index for index, variable in enumerate(forward.inputs[:constants])}
    there: list[tuple[int, Variable]] = []  # constants need not be kept once an iteration
    kept: list[tuple[Any, Variable]] = []
    for residual, variable in zip(forward.outputs[outputs:], backward.inputs, strict=False):
        index = position.get(residual) if isinstance(residual, Variable) else None
        if index is None:
            kept.append((residual, variable))
        else:
            there.append((index, variable))
    made = WengertList(
        forward.inputs,
        forward.equations,
        [*forward.outputs[:outputs], *(residual for residual, _ in kept)],
    )
    seeds = backward.inputs[len(forward.outputs) - outputs :]
    read = [*(variable for _, variable in there), *(variable for _, variable in kept)]
    ordered = WengertList([*read, *seeds], backward.equations, backward.outputs)
    sums = sum(varying[:constants])
    return Pullback(
        optimise(made),
        tuple(index for index, _ in there),
        optimise(_adding(ordered, len(seeds), sums)),
        sums,
    )


def _adding(backward: WengertList, seeds: int, sums: int) -> WengertList:
    """Return a list that adds the cotangents of constants to what they were.

    Inputs: those of `backward`, whose last are seeds, then sums. Outputs: the cotangents of the
    carry, then sums.
    """
    inputs = [variable.aval for variable in backward.inputs]
    totals = [operand.aval for operand in backward.outputs[:sums]]

    def step(*values: Any) -> list[Any]:
        found = evaluate_traced(backward, [raw_of(value) for value in values[: len(inputs)]])
        added = [
            fitted(total + term, aval)
            for total, term, aval in zip(values[len(inputs) :], found, totals, strict=False)
        ]
        return [*found[sums:], *added]

    return stage(step, [*inputs, *totals], "the pullback of a loop")
