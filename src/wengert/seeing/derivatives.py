"""Derivatives along a recording: tangents from the inputs on, adjoints from the output back.

The production rules of each primitive do the work; what is added is that every term is kept.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..ir.aval import aval_of, zeros_of
from ..ir.cotangent import Items
from ..ops.accumulation import combine, dense, dense_items
from ..tracing.core import raw_of
from ..transforms.reverse import reverse_slot
from ..transforms.transposition import tangent_slot
from .record import Recording, Step


class Contribution(NamedTuple):
    """What one use of a value adds to its adjoint.

    ``step`` is the index of the step that uses it, ``operand`` its place there, ``local`` the
    local derivative if that is a number, ``amount`` what it adds.
    """

    step: int
    operand: int
    local: Any
    amount: Any


def tangents(recording: Recording, seeds: dict[int, Any]) -> dict[int, Any]:
    """Push the tangents of inputs, by position, through every step; absent where zero."""
    found = dict(seeds)
    for step in recording.steps:
        pushed = push(step, found)
        if pushed is None:
            continue
        results = pushed if step.primitive.multiple else (pushed,)
        for position, tangent in zip(step.outputs, results, strict=True):
            if tangent is not None:
                found[position] = raw_of(tangent)
    return found


def push(step: Step, known: dict[int, Any]) -> Any:
    """Return the tangent of a step's result from those of its operands; None where zero."""
    primitive = step.primitive
    given: list[Any] = [None] * len(step.operands)
    for index, source in step.sources:
        given[index] = known.get(source)
    if primitive.zero_derivative or all(tangent is None for tangent in given):
        return None
    slot = primitive.tangent or tangent_slot(primitive)
    with np.errstate(all="ignore"):
        return slot(step.ans, list(step.values), given, step.params)


def adjoints(recording: Recording) -> tuple[dict[int, Any], dict[int, list[Contribution]]]:
    """Pull 1 at the output back through every step.

    Returns
    -------
    adjoints : dict
        By position; absent where zero.
    contributions : dict
        By position, in the order in which they are added.
    """
    totals: dict[int, Any] = {}
    parts: dict[int, list[Contribution]] = {}
    if recording.output is None:
        return totals, parts
    one = np.ones_like(recording.value)[()]
    totals[recording.output] = one if aval_of(recording.value).kind != "python" else float(one)
    for index in reversed(range(len(recording.steps))):
        step = recording.steps[index]
        cotangent = _cotangent(step, totals)
        if cotangent is None or step.primitive.zero_derivative:
            continue
        for (operand, source), amount in zip(step.sources, _pull(step, cotangent), strict=True):
            if amount is None:
                continue
            plain = raw_of(dense(combine(None, amount)))
            local = _local(step, operand) if _is_number(plain) else None
            parts.setdefault(source, []).append(Contribution(index, operand, local, plain))
            totals[source] = plain if source not in totals else totals[source] + plain
    return totals, parts


def _cotangent(step: Step, totals: dict[int, Any]) -> Any:
    """Return the cotangent of a step's result as its rule takes it; None where zero."""
    found = [totals.get(position) for position in step.outputs]
    if all(entry is None for entry in found):
        return None
    return dense_items(Items(found)) if step.primitive.multiple else found[0]


def _pull(step: Step, cotangent: Any) -> tuple[Any, ...]:
    which = tuple(index for index, _ in step.sources)
    slot = step.primitive.reverse or reverse_slot(step.primitive)
    with np.errstate(all="ignore"):
        pull, residuals = slot(which, list(step.values), step.ans, step.params)
        found = pull(cotangent, residuals)
    return (found,) if len(which) == 1 else tuple(found)


def _local(step: Step, operand: int) -> Any:
    """Return the derivative of a number by one of its operands, also a number."""
    if step.primitive.multiple or not _is_number(step.ans) or not _is_number(step.values[operand]):
        return None
    given: list[Any] = [None] * len(step.operands)
    value = step.values[operand]
    given[operand] = zeros_of(aval_of(value)) + 1
    slot = step.primitive.tangent or tangent_slot(step.primitive)
    with np.errstate(all="ignore"):
        found = slot(step.ans, list(step.values), given, step.params)
    return None if found is None else raw_of(found)


def _is_number(value: Any) -> bool:
    return np.ndim(value) == 0
