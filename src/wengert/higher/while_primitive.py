"""The equation of a loop that runs while a condition holds, and the equation of its pullback.

The pullback counts the iterations again and keeps what each one's derivative needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..ir.aval import Aval, aval_of, zeros_of
from ..ir.equation import Variable
from ..ir.primitive import Primitive
from ..ir.pullback import Pullback
from ..ir.wengert_list import WengertList
from ..ops.batch_rules import batch_size, front, spread_over
from ..ops.projection import add
from ..ops.samples import Fail, Sample, array
from ..ops.taylor_rules import Series
from ..tracing.core import Traced, bind, ndim_of, raw_of, to_user
from ..tracing.staging import stage
from ..transforms.lists import (
    batch_of_list,
    dependent_outputs,
    evaluate_traced,
    fitted,
    in_groups,
    jvp_in_groups,
    remembered,
    vjp_of_list,
)
from ..transforms.taylor_lists import of_operands, parted, taylor_in_groups, varying
from .pulling import rules_of_pull
from .unfolding import unfolded

# outputs = while_loop(*condition constants, *body constants, *carry;
#                      condition, body, condition_constants, body_constants)
#
# `condition` is a list over (condition constants, carry) with one bool output; `body` one over
# (body constants, carry) whose outputs have the Avals of the carry. The two integers count the
# constants. While the condition holds the carry becomes what the body makes of it; the outputs are
# the carry at the end.


class _Loop:
    """The operands and parameters of a loop, taken apart."""

    def __init__(self, values: Sequence[Any], params: dict[str, Any]) -> None:
        first = params["condition_constants"]
        second = first + params["body_constants"]
        self.condition: WengertList = params["condition"]
        self.body: WengertList = params["body"]
        self.count = len(self.body.outputs)
        self.for_condition = tuple(values[:first])
        self.constants = tuple(values[first:second])
        self.carry = tuple(values[second : second + self.count])
        self.rest = tuple(values[second + self.count :])

    def pushed(self, tangents: Sequence[Any]) -> tuple[list[Any], dict[str, Any], tuple[bool, ...]]:
        """Return operands and parameters of the loop that carries tangents along.

        `tangents` are those of constants and carry, None where zero; the flags that are returned
        say which of them the loop carries.
        """
        size = len(self.constants)
        flags = closed_flags(self.body, [t is not None for t in tangents], size, self.count)
        body = jvp_in_groups(self.body, flags, (size, self.count), flags[size:], (self.count,))
        primals = (*self.constants, *self.carry)
        changes = [
            fitted(tangent, aval_of(primal)) if flag else None
            for tangent, primal, flag in zip(tangents, primals, flags, strict=True)
        ]
        condition = _padded(self.condition, [aval_of(c) for c in changes[size:] if c is not None])
        values = [
            *self.for_condition,
            *in_groups(primals, changes, (size, self.count)),
        ]
        params = {
            "condition": condition,
            "body": body,
            "condition_constants": len(self.for_condition),
            "body_constants": size + sum(flags[:size]),
        }
        return values, params, flags


def closed_flags(
    body: WengertList, flags: Sequence[bool], constants: int, carry: int
) -> tuple[bool, ...]:
    """Return which inputs of a body vary, if those flagged do: the carry takes over from outputs.

    The inputs are constants, then the carry, then others; outputs begin with the carry.
    """
    found = list(flags)
    while True:
        outputs = dependent_outputs(body, found)
        grown = list(found)
        for position in range(carry):
            if outputs[position]:
                grown[constants + position] = True
        if grown == found:
            return tuple(found)
        found = grown


def _padded(condition: WengertList, avals: Sequence[Aval]) -> WengertList:
    """Return a condition that takes further values and does not look at them."""

    def make() -> WengertList:
        inputs = [*condition.inputs, *map(Variable, avals)]
        return WengertList(inputs, condition.equations, condition.outputs)

    return remembered(condition, ("padded", tuple(avals)), make)  # type: ignore[no-any-return]


# ------------------------------------------------------------------ values


def _evaluate(*values: Any, **params: Any) -> tuple[Any, ...]:
    loop = _Loop(values, params)
    carry = loop.carry
    while loop.condition.evaluate(*loop.for_condition, *carry)[0]:
        carry = loop.body.evaluate(*loop.constants, *carry)
    return carry


def _infer(*avals: Aval, **params: Any) -> tuple[Aval, ...]:
    return _checked(avals, params).carry


def _checked(avals: Sequence[Aval], params: dict[str, Any]) -> _Loop:
    loop = _Loop(avals, params)
    for given, variable in zip((*loop.constants, *loop.carry), loop.body.inputs, strict=True):
        if not given.fits(variable.aval):
            raise ArgumentError(f"while_loop: its body takes {variable.aval}, got {given}")
    return loop


# ------------------------------------------------------------------ derivatives


def _push(primals: Sequence[Any], tangents: Sequence[Any], params: dict[str, Any]) -> Any:
    loop = _Loop(primals, params)
    size = len(loop.constants)
    values, pushed, flags = loop.pushed(tangents[len(loop.for_condition) :])
    found = bind(while_loop_primitive, *values, **pushed)
    changes = iter(found[loop.count :])
    carried = [next(changes) if flag else None for flag in flags[size:]]
    return found[: loop.count], tuple(carried)


def _taylor(series: list[Series], params: dict[str, Any]) -> list[Series]:
    loop = _Loop([each[0] for each in series], params)
    order, skipped = len(series[0]) - 1, len(loop.for_condition)
    given = series[skipped:]
    groups, carry = (len(loop.constants), loop.count), (loop.count,)
    flags = closed_flags(loop.body, varying(given), *groups)
    kept = flags[groups[0] :]
    avals = [aval_of(each[0]) for each in given[groups[0] :]]
    further = [aval for aval, flag in zip(avals, kept, strict=True) if flag for _ in range(order)]
    changed = params | {
        "condition": _padded(loop.condition, further),
        "body": taylor_in_groups(loop.body, flags, groups, kept, carry, order),
        "body_constants": groups[0] + order * sum(flags[: groups[0]]),
    }
    operands = of_operands(given, flags, groups)
    found = bind(while_loop_primitive, *loop.for_condition, *operands, **changed)
    return parted(found, kept, carry, order)


def _record(which: tuple[int, ...], values: Sequence[Any], params: dict[str, Any]) -> Any:
    loop = _Loop(values, params)
    skipped = len(loop.for_condition)
    varying = closed_flags(
        loop.body,
        [index in which for index in range(skipped, len(values))],
        len(loop.constants),
        loop.count,
    )
    if any(type(value) is Traced for value in values):
        ans = bind(while_loop_primitive, *values, **params)
        return ans, _pull, (which, values, params, varying)
    tape = _Tape(loop, varying)
    return tape.ans, _pull_tape, (which, skipped, tape)


def _pull(cotangents: Sequence[Any], residuals: Any) -> Any:
    which, values, params, varying = residuals
    loop = _Loop(values, params)
    seeds = _seeds(cotangents, loop, varying)
    found = bind(while_pull, *values, *seeds, varying=varying, **params)
    return _chosen(which, len(loop.for_condition), varying, found)


def _pull_tape(cotangents: Sequence[Any], residuals: Any) -> Any:
    which, skipped, tape = residuals
    seeds = _seeds(cotangents, tape.loop, tape.varying)
    return _chosen(which, skipped, tape.varying, tape.pull_back(seeds))


def _seeds(cotangents: Sequence[Any], loop: _Loop, varying: Sequence[bool]) -> list[Any]:
    """Return the cotangents of the carry that varies, zeros where there is none."""
    flags = varying[len(loop.constants) :]
    avals = [operand.aval for operand in loop.body.outputs]
    return [
        fitted(cotangent, aval)
        for cotangent, aval, flag in zip(cotangents, avals, flags, strict=True)
        if flag
    ]


def _chosen(
    which: Sequence[int], skipped: int, varying: Sequence[bool], found: Sequence[Any]
) -> Any:
    """Return the cotangents of the arguments `which` from those of all inputs that vary."""
    entries = iter(found)
    every = [None] * skipped + [next(entries) if flag else None for flag in varying]
    chosen = tuple(every[index] for index in which)
    return chosen[0] if len(chosen) == 1 else chosen


class _Tape:
    """A loop run on plain values, with the residuals of every iteration."""

    def __init__(self, loop: _Loop, varying: tuple[bool, ...]) -> None:
        self.loop = loop
        self.varying = varying
        size = len(loop.constants)
        seeded = varying[size:]
        forward, self.backward = vjp_of_list(loop.body, varying, seeded)
        self.residuals: list[tuple[Any, ...]] = []
        carry = loop.carry
        while loop.condition.evaluate(*loop.for_condition, *carry)[0]:
            found = forward.evaluate(*loop.constants, *carry)
            carry = found[: loop.count]
            self.residuals.append(found[loop.count :])
        self.ans = carry

    def pull_back(self, seeds: Sequence[Any]) -> tuple[Any, ...]:
        """Return the cotangents of the constants and of the carry that vary."""
        size = sum(self.varying[: len(self.loop.constants)])
        sums: list[Any] = [None] * size
        carried = tuple(seeds)
        with np.errstate(all="ignore"):
            for kept in reversed(self.residuals):
                found = self.backward.evaluate(*kept, *carried)
                sums = [add(total, term) for total, term in zip(sums, found[:size], strict=True)]
                carried = found[size:]
        avals = _varying_avals(self.loop, self.varying)
        return tuple(
            fitted(entry, aval) for entry, aval in zip([*sums, *carried], avals, strict=True)
        )


def _varying_avals(loop: _Loop, varying: Sequence[bool]) -> list[Aval]:
    avals = [variable.aval for variable in loop.body.inputs]
    return [aval for aval, flag in zip(avals, varying, strict=True) if flag]


# ------------------------------------------------------------------ the pullback as an equation
#
# cotangents = while_pull(*operands of the loop, *cotangents of the carry that varies;
#                         the parameters of the loop, varying)
#
# `varying` flags (body constants, carry); the outputs are the cotangents of those, in order. Its
# derivatives are those of every pullback, see `wengert.higher.pulling`.


def _evaluate_pull(*values: Any, varying: tuple[bool, ...], **params: Any) -> tuple[Any, ...]:
    loop = _Loop(values, params)
    return _Tape(loop, varying).pull_back(loop.rest)


def _unfold_pull(params: dict[str, Any]) -> Pullback:
    body: WengertList = params["body"]
    size: int = params["body_constants"]
    varying: tuple[bool, ...] = params["varying"]
    return remembered(  # type: ignore[no-any-return]
        body, ("while pull", varying, size), lambda: unfolded(body, varying, size, varying[size:])
    )


def _infer_pull(*avals: Aval, varying: tuple[bool, ...], **params: Any) -> tuple[Aval, ...]:
    return tuple(_varying_avals(_checked(avals, params), varying))


def _along(
    values: Sequence[Any],
    tangents: Sequence[Any],
    wanted: Sequence[bool],
    varying: tuple[bool, ...],
    params: dict[str, Any],
) -> list[Any]:
    """Return the gradient of <c, J(z) t> in the wanted parts of z, None for the others.

    z are constants and carry, t their tangents, c the cotangents among the values.
    """
    loop = _Loop(values, params)
    size = len(loop.constants)
    groups = (size, loop.count)
    operands, pushed, flags = loop.pushed(tangents)
    start = in_groups(wanted, [False if flag else None for flag in flags], groups)
    constants = pushed["body_constants"]
    carry = len(start) - constants
    both = closed_flags(pushed["body"], start, constants, carry)
    cotangents = iter(loop.rest)
    given = [next(cotangents) if varies else None for varies in varying[size:]]
    avals = [aval_of(value) for value in loop.carry]
    outputs = in_groups(
        [zeros_of(aval) for aval in avals],
        [
            fitted(cotangent, aval) if flag else None
            for cotangent, aval, flag in zip(given, avals, flags[size:], strict=True)
        ],
        (loop.count,),
    )
    seeds = [seed for seed, flag in zip(outputs, both[constants:], strict=True) if flag]
    found = iter(bind(while_pull, *operands, *seeds, varying=both, **pushed))
    every = [next(found) if flag else None for flag in both]
    return in_groups_apart(every, flags, groups)


def in_groups_apart(
    entries: Sequence[Any], flags: Sequence[bool], groups: Sequence[int]
) -> list[Any]:
    """Return the values among what `in_groups` put together, without the changes."""
    left = iter(entries)
    found: list[Any] = []
    start = 0
    for length in groups:
        found += [next(left) for _ in range(length)]
        for flag in flags[start : start + length]:
            if flag:
                next(left)
        start += length
    return found


def _changes(
    values: Sequence[Any],
    tangents: Sequence[Any],
    varying: tuple[bool, ...],
    params: dict[str, Any],
) -> list[Any]:
    """Return the tangents of the carry that varies."""
    loop = _Loop(values, params)
    size = len(loop.constants)
    operands, pushed, flags = loop.pushed(tangents)
    found = iter(bind(while_loop_primitive, *operands, **pushed)[loop.count :])
    every = [next(found) if flag else None for flag in flags[size:]]
    return [change for change, flag in zip(every, varying[size:], strict=True) if flag]


# ------------------------------------------------------------------ batches


def _batched(
    values: Sequence[Any],
    axes: Sequence[int | None],
    params: dict[str, Any],
    size: int,
    forced: Sequence[bool] | None = None,
) -> tuple[list[Any], dict[str, Any], list[bool], int]:
    """Return operands and parameters of the loop over all examples, and what of it is batched.

    The flags are those of body constants and carry; `forced` names those that must be. Where the
    condition differs between examples the loop runs until the last example has ended; those that
    have ended keep their carry. The constants of the condition are then constants of the body too,
    behind its own; the last result counts them.
    """
    loop, places = _Loop(values, params), _Loop(axes, params)
    first = len(loop.constants)
    flags = [axis is not None for axis in (*places.constants, *places.carry)]
    if forced is not None:
        flags = [flag or force for flag, force in zip(flags, forced, strict=True)]
    for_condition = [
        front(v, a) for v, a in zip(loop.for_condition, places.for_condition, strict=True)
    ]
    of_condition = [None if axis is None else 0 for axis in places.for_condition]
    while True:
        now = [0 if flag else None for flag in flags]
        body, outputs = batch_of_list(loop.body, now, size, flags[first:])
        condition, (decided,) = batch_of_list(loop.condition, [*of_condition, *now[first:]], size)
        grown = flags[:first] + [
            flag or place == 0 or decided == 0
            for flag, place in zip(flags[first:], outputs, strict=True)
        ]
        if grown == flags:
            break
        flags = grown
    given = (*loop.constants, *loop.carry)
    placed = (*places.constants, *places.carry)
    operands = [
        spread_over(value, axis, size) if flag else value
        for value, axis, flag in zip(given, placed, flags, strict=True)
    ]
    extra = 0
    constants = operands[:first]
    if decided == 0:
        extra = len(for_condition)
        constants = [*constants, *for_condition]
        body = _while_any(condition, body, extra, first, size)
        condition = _any(condition)
    changed = params | {
        "condition": condition,
        "body": body,
        "body_constants": first + extra,
    }
    return [*for_condition, *constants, *operands[first:]], changed, flags, extra


def _any(condition: WengertList) -> WengertList:
    """Return the condition that goes on while any example does."""

    def make() -> WengertList:
        def run(*values: Any) -> list[Any]:
            (flags,) = evaluate_traced(condition, [raw_of(value) for value in values])
            return [np.any(to_user(flags))]

        return stage(run, [variable.aval for variable in condition.inputs], "a batched condition")

    return remembered(condition, "any", make)  # type: ignore[no-any-return]


def _while_any(
    condition: WengertList, body: WengertList, extra: int, first: int, size: int
) -> WengertList:
    """Return the body, over (constants, constants of the condition, carry), of a batched loop."""

    def make() -> WengertList:
        def run(*values: Any) -> list[Any]:
            raw = [raw_of(value) for value in values]
            constants, of_condition, carry = (
                raw[:first],
                raw[first : first + extra],
                raw[first + extra :],
            )
            (flags,) = evaluate_traced(condition, [*of_condition, *carry])
            found = evaluate_traced(body, [*constants, *carry])
            return [
                np.where(
                    np.reshape(to_user(flags), (size,) + (1,) * (ndim_of(after) - 1)),
                    to_user(after),
                    to_user(before),
                )
                for after, before in zip(found, carry, strict=True)
            ]

        avals = [variable.aval for variable in body.inputs]
        of_condition = [variable.aval for variable in condition.inputs[:extra]]
        return stage(run, [*avals[:first], *of_condition, *avals[first:]], "a batched loop")

    return remembered(body, ("while any", condition), make)  # type: ignore[no-any-return]


def _batch(values: Sequence[Any], axes: Sequence[int | None], params: dict[str, Any]) -> Any:
    size = batch_size(values, axes)
    operands, changed, flags, _ = _batched(values, axes, params, size)
    found = bind(while_loop_primitive, *operands, **changed)
    return found, tuple(0 if flag else None for flag in flags[params["body_constants"] :])


def _batch_pull(values: Sequence[Any], axes: Sequence[int | None], params: dict[str, Any]) -> Any:
    params = dict(params)
    varying = params.pop("varying")
    loop = _Loop(values, params)
    end = len(values) - len(loop.rest)
    size = batch_size(values, axes)
    # Each example has cotangents of its own, so all that varies is made to differ.
    operands, changed, _, extra = _batched(values[:end], axes[:end], params, size, varying)
    seeds = [
        spread_over(value, axis, size) for value, axis in zip(values[end:], axes[end:], strict=True)
    ]
    first = len(loop.constants)
    both = (*varying[:first], *(False,) * extra, *varying[first:])
    found = bind(while_pull, *operands, *seeds, varying=both, **changed)
    return found, (0,) * len(found)


# ------------------------------------------------------------------ records


def _sample_params() -> dict[str, Any]:
    number = Aval((), np.float64, "scalar")
    counter = Aval((), np.int64, "python")
    vector = Aval((3,), np.float64)
    return {
        "condition": stage(lambda limit, n, x, y: [n < limit], [counter, counter, vector, number]),
        "body": stage(
            lambda a, n, x, y: (n + 1, np.sin(x) * a + y, y * a[0] + 0.1),
            [vector, counter, vector, number],
        ),
        "condition_constants": 1,
        "body_constants": 1,
    }


def _samples() -> list[Sample]:
    params = _sample_params()
    a, x, y = array(3), array(3, seed=1), np.float64(0.4)
    return [
        Sample(4, a, 0, x, y, **params),
        Sample(0, a, 0, x, y, **params),
        Sample(1, a, 0, x, y, **params),
    ]


def _fails() -> list[Fail]:
    return [Fail(ValueError, "", 2, array(4), 0, array(3), np.float64(0.4), **_sample_params())]


while_loop_primitive = Primitive(
    "while_loop",
    family="control",
    arguments=("first",),
    evaluate=_evaluate,
    infer=_infer,
    push=_push,
    taylor=_taylor,
    record=_record,
    batch=_batch,
    multiple=True,
    samples=_samples,
    fails=_fails,
)


def _samples_pull() -> list[Sample]:
    params = _sample_params() | {"varying": (True, False, True, True)}
    a, x, y = array(3), array(3, seed=1), np.float64(0.4)
    seeds = (array(3, seed=2), np.float64(1.5))
    constant = params | {"varying": (False, False, True, True)}
    return [
        Sample(3, a, 0, x, y, *seeds, **params),
        Sample(0, a, 0, x, y, *seeds, **params),
        Sample(3, a, 0, x, y, *seeds, **constant),
    ]


_rules = rules_of_pull(
    lambda: while_pull, _along, _changes, lambda params: int(params["condition_constants"])
)

while_pull: Primitive = Primitive(
    "while_pull",
    family="control",
    arguments=("first",),
    evaluate=_evaluate_pull,
    infer=_infer_pull,
    push=_rules.push,
    record=_rules.record,
    batch=_batch_pull,
    unfold=_unfold_pull,
    multiple=True,
    samples=_samples_pull,
    fails=tuple,
)
