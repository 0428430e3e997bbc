"""Scans whose reverse mode keeps a few carried states and computes the others again.

The states are placed as A. Griewank and A. Walther place them (Algorithm 799: revolve, 2000): with
s states, C(s + r, s) steps need each step at most r times again, and no placement does better.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import comb, isqrt
from typing import Any

import numpy as np

from ..compile import optimise
from ..errors import ArgumentError
from ..ir.aval import Aval, aval_of, zeros_of
from ..ir.primitive import Primitive
from ..ir.pullback import Replay
from ..ir.wengert_list import WengertList
from ..ops.batch_rules import batch_size, moved, spread_over
from ..ops.samples import Fail, Sample, array
from ..ops.taylor_rules import Series
from ..passes.dead_code import remove_dead_code
from ..tracing.core import bind, raw_of
from ..tracing.staging import stage
from ..transforms.lists import (
    evaluate_traced,
    fitted,
    in_groups,
    jvp_in_groups,
    remembered,
    vjp_of_list,
)
from ..transforms.taylor_lists import parted
from .pulling import rules_of_pull
from .scan_primitive import (
    EntriesOf,
    Scan,
    apart,
    batched_scan,
    infer_scan,
    is_linear_scan,
    run_scan,
    sample_params,
    taylor_scan,
    varying_outputs,
)
from .totals import adding_to_totals
from .while_primitive import closed_flags

# ------------------------------------------------------------------ placement


def repetitions(length: int, snapshots: int) -> int:
    """Return how often a step is computed again at most: the least r with C(s + r, s) ≥ length."""
    if snapshots == 0:
        return max(length - 1, 0)
    r = 0
    while comb(snapshots + r, snapshots) < length:
        r += 1
    return r


def first_snapshot(length: int, snapshots: int) -> int:
    """Return after how many of `length` steps the first of the snapshots is taken."""
    r = repetitions(length, snapshots)
    return min(comb(snapshots + r - 1, snapshots), length - 1)


def number_of_snapshots(checkpoint: Any, length: int, state_bytes: int, what: str) -> int:
    """Return the number of states to keep from what the caller asked for.

    ``"sqrt"``: √(2 length), each step again at most twice. ``"log"``: about log₄ length, each step
    again as often. An integer: so many. ``("bytes", n)``: as many as n bytes hold.
    """
    if checkpoint == "sqrt":
        return isqrt(2 * length) + 1
    if checkpoint == "log":
        return next(s for s in range(1, length + 2) if comb(2 * s, s) >= length)
    if isinstance(checkpoint, tuple):
        fitting = checkpoint[1] // max(state_bytes, 1)
        if fitting < 1:
            raise ArgumentError(
                f"{what}: memory={checkpoint[1]} bytes hold no carried state of {state_bytes} "
                "bytes; one state is the least"
            )
        return min(int(fitting), max(length - 1, 1))
    is_count = isinstance(checkpoint, (int, np.integer)) and not isinstance(checkpoint, bool)
    if is_count and checkpoint >= 1:
        return min(int(checkpoint), max(length - 1, 1))
    raise ArgumentError(
        f'{what}: checkpoint is "sqrt", "log" or a number of states to keep, got {checkpoint!r}'
    )


# ------------------------------------------------------------------ the scan
#
# checkpointed_scan: operands, outputs and parameters of `scan`, and `snapshots`, the number of
# carried states that its pullback may hold at a time besides the first one.


def _evaluate(*values: Any, snapshots: int, **params: Any) -> tuple[Any, ...]:
    return run_scan(*values, **params)


def _infer(*avals: Aval, snapshots: int, **params: Any) -> tuple[Aval, ...]:
    return infer_scan(*avals, **params)


def _pushed(
    values: Sequence[Any], tangents: Sequence[Any], params: dict[str, Any]
) -> tuple[list[Any], dict[str, Any], tuple[bool, ...], tuple[bool, ...]]:
    """Return operands and parameters of the scan with tangents, and which it has of each."""
    scan = Scan(values, params)
    first, count, _ = scan.groups
    flags = closed_flags(scan.body, [t is not None for t in tangents], first, count)
    kept = varying_outputs(scan.body, flags, first, count)
    changes = [
        fitted(tangent, aval_of(primal)) if flag else None
        for tangent, primal, flag in zip(tangents, values, flags, strict=True)
    ]
    body = jvp_in_groups(scan.body, flags, scan.groups, kept, scan.output_groups)
    pushed = params | {
        "body": body,
        "constants": first + sum(flags[:first]),
        "carry": count + sum(flags[first : first + count]),
    }
    return in_groups(values, changes, scan.groups), pushed, flags, kept


def _push(primals: Sequence[Any], tangents: Sequence[Any], params: dict[str, Any]) -> Any:
    scan = Scan(primals, params)
    operands, pushed, _, kept = _pushed(primals, tangents, params)
    found = bind(checkpointed_scan, *operands, **pushed)
    return apart(found, kept, scan.output_groups)


def _taylor(series: list[Series], params: dict[str, Any]) -> list[Series]:
    operands, changed, kept, groups = taylor_scan(series, params)
    return parted(bind(checkpointed_scan, *operands, **changed), kept, groups, len(series[0]) - 1)


def _record(which: tuple[int, ...], values: Sequence[Any], params: dict[str, Any]) -> Any:
    scan = Scan(values, params)
    first, count, _ = scan.groups
    flags = [index in which for index in range(len(values))]
    varying = closed_flags(scan.body, flags, first, count)
    ans = bind(checkpointed_scan, *values, **params)
    avals = [aval_of(value) for value in ans]
    return ans, _pull, (which, values, params, varying, avals)


def _pull(cotangents: Sequence[Any], residuals: Any) -> Any:
    which, values, params, varying, avals = residuals
    scan = Scan(values, params)
    first, count, _ = scan.groups
    seeded = varying_outputs(scan.body, varying, first, count)
    seeds = [
        fitted(cotangent, aval)
        for cotangent, aval, flag in zip(cotangents, avals, seeded, strict=True)
        if flag
    ]
    found = iter(bind(scan_pull, *values, *seeds, varying=varying, **params))
    every = [next(found) if flag else None for flag in varying]
    chosen = tuple(every[index] for index in which)
    return chosen[0] if len(chosen) == 1 else chosen


# ------------------------------------------------------------------ the pullback as an equation
#
# cotangents = scan_pull(*operands of the scan, *cotangents of the outputs that vary;
#                        the parameters of checkpointed_scan, varying)
#
# `varying` flags the operands of the scan; the outputs are the cotangents of those, in order. Its
# derivatives are those of every pullback, see `wengert.higher.pulling`.


class _Reversal:
    """A scan whose steps are pulled back, from the last to the first, on plain values."""

    def __init__(self, values: Sequence[Any], varying: tuple[bool, ...], params: Any) -> None:
        operands = len(varying)
        self.scan = scan = Scan(values[:operands], params)
        self.read = scan.entries
        first, self.count, _ = scan.groups
        seeded = varying_outputs(scan.body, varying, first, self.count)
        self.pulling = _pulling(scan.body, varying, scan.groups)
        self.order = list(scan.indices())
        seeds = list(values[operands:])
        carried = sum(seeded[: self.count])
        inputs = self.pulling.inputs
        start = first + self.count + carried
        end = start + sum(varying[:first])
        # Cotangents of what is carried, then sums of those of constants.
        self.kept = (*seeds[:carried], *(zeros_of(v.aval) for v in inputs[start:end]))
        self.entries = EntriesOf(inputs[end:], (*scan.xs, *seeds[carried:]))
        flags = varying[first + self.count :]
        self.of_entries = [
            np.zeros(np.shape(x), x.dtype) for x, flag in zip(scan.xs, flags, strict=True) if flag
        ]

    def advance(self, state: tuple[Any, ...], start: int, end: int) -> tuple[Any, ...]:
        scan = self.scan
        run = scan.body.evaluate
        for step in range(start, end):
            found = run(*scan.constants, *state, *self.read.at(self.order[step]))
            state = found[: self.count]
        return state

    def pull_step(self, state: tuple[Any, ...], step: int) -> None:
        index = self.order[step]
        given = (*self.scan.constants, *state, *self.kept, *self.entries.at(index))
        pulled = self.pulling.evaluate(*given)
        end = len(self.kept)
        self.kept = pulled[:end]
        for target, entry in zip(self.of_entries, pulled[end:], strict=True):
            target[index] = entry

    def pull_range(self, state: tuple[Any, ...], start: int, end: int, snapshots: int) -> None:
        """Pull back the steps from `start` to `end`, given the state at `start`."""
        while end - start > 1 and snapshots:
            middle = start + first_snapshot(end - start, snapshots)
            self.pull_range(self.advance(state, start, middle), middle, end, snapshots - 1)
            end = middle
        for step in range(end - 1, start - 1, -1):
            self.pull_step(self.advance(state, start, step), step)


def _pulling(body: WengertList, varying: tuple[bool, ...], groups: Sequence[int]) -> WengertList:
    """Return the list that computes one step again and pulls it back.

    Inputs: constants, the carried state; cotangents of the carry, sums of those of constants;
    entries that the step reads, and cotangents of those that it makes. Outputs: cotangents of the
    carry, sums; cotangents of the entries that were read.
    """
    return remembered(  # type: ignore[no-any-return]
        body, ("pulling", varying, groups), lambda: _make_pulling(body, varying, groups)
    )


def _make_pulling(
    body: WengertList, varying: tuple[bool, ...], groups: Sequence[int]
) -> WengertList:
    first, count, _ = groups
    seeded = varying_outputs(body, varying, first, count)
    forward, backward = vjp_of_list(body, varying, seeded)
    outputs, carried, sums = len(body.outputs), sum(seeded[:count]), sum(varying[:first])
    adding = adding_to_totals(backward, sums)
    avals = [variable.aval for variable in forward.inputs]
    residuals = len(forward.outputs) - outputs
    later = [variable.aval for variable in adding.inputs[residuals:]]  # seeds, then sums
    results = len(later) - carried - sums
    of_carry, of_results, totals = cut(later, carried, results, sums)

    def pull(*values: Any) -> list[Any]:
        raw = [raw_of(value) for value in values]
        given, cotangents, before, xs, seeds = cut(
            raw, first + count, carried, sums, groups[2], results
        )
        kept = evaluate_traced(forward, [*given, *xs])[outputs:]
        found = evaluate_traced(adding, [*kept, *cotangents, *seeds, *before])
        added, of_state, of_entries = cut(found, sums, carried, len(found) - sums - carried)
        return [*of_state, *added, *of_entries]

    start = first + count
    return remove_dead_code(
        stage(
            pull,
            [*avals[:start], *of_carry, *totals, *avals[start:], *of_results],
            "the pullback of a step",
        )
    )


def cut(values: Sequence[Any], *sizes: int) -> list[Sequence[Any]]:
    """Return a sequence in pieces of these sizes."""
    ends = list(accumulate(sizes))
    return [values[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def _unfold_pull(params: dict[str, Any]) -> Replay:
    body: WengertList = params["body"]
    varying: tuple[bool, ...] = params["varying"]
    first, count = params["constants"], params["carry"]
    groups = (first, count, len(varying) - first - count)

    def make() -> Replay:
        advance = WengertList(body.inputs, body.equations, body.outputs[:count])
        return Replay(optimise(advance), optimise(_pulling(body, varying, groups)))

    return remembered(body, ("replay", varying, groups), make)  # type: ignore[no-any-return]


def _evaluate_pull(
    *values: Any, varying: tuple[bool, ...], snapshots: int, **params: Any
) -> tuple[Any, ...]:
    reversal = _Reversal(values, varying, params)
    with np.errstate(all="ignore"):
        reversal.pull_range(reversal.scan.carry, 0, reversal.scan.length, snapshots)
    first = params["constants"]
    carried = len(reversal.kept) - sum(varying[:first])
    found = [*reversal.kept[carried:], *reversal.kept[:carried], *reversal.of_entries]
    avals = [aval_of(v) for v, flag in zip(values, varying, strict=False) if flag]
    return tuple(fitted(entry, aval) for entry, aval in zip(found, avals, strict=True))


def _infer_pull(
    *avals: Aval, varying: tuple[bool, ...], snapshots: int, **params: Any
) -> tuple[Aval, ...]:
    infer_scan(*avals[: len(varying)], **params)
    return tuple(aval for aval, flag in zip(avals, varying, strict=False) if flag)


def _along(
    values: Sequence[Any],
    tangents: Sequence[Any],
    wanted: Sequence[bool],
    varying: tuple[bool, ...],
    params: dict[str, Any],
) -> list[Any]:
    """Return the gradient of <c, J(z) t> in the wanted operands z, None for the others.

    The c are the cotangents among the values, the t tangents of z.
    """
    size = len(varying)
    scan = Scan(values[:size], params)
    first, count, _ = scan.groups
    seeded = varying_outputs(scan.body, varying, first, count)
    cotangents = iter(values[size:])
    given = [next(cotangents) if flag else None for flag in seeded]
    operands, pushed, flags, kept = _pushed(values[:size], tangents, params)
    sizes = pushed["constants"], pushed["carry"]
    start = in_groups(wanted, [False if flag else None for flag in flags], scan.groups)
    both = closed_flags(pushed["body"], start, *sizes)
    avals = infer_scan(*(aval_of(value) for value in values[:size]), **_plain(params))
    outputs = in_groups(
        [(False, i) for i in range(len(kept))],
        [(True, i) if keep else None for i, keep in enumerate(kept)],
        scan.output_groups,
    )
    needed = varying_outputs(pushed["body"], both, *sizes)
    seeds = [
        fitted(given[i] if is_tangent else None, avals[i])
        for (is_tangent, i), flag in zip(outputs, needed, strict=True)
        if flag
    ]
    found = iter(bind(scan_pull, *operands, *seeds, varying=both, **pushed))
    every = [next(found) if flag else None for flag in both]
    return list(apart(every, [bool(flag) for flag in flags], scan.groups)[0])


def _plain(params: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in params.items() if key != "snapshots"}


def _changes(
    values: Sequence[Any],
    tangents: Sequence[Any],
    varying: tuple[bool, ...],
    params: dict[str, Any],
) -> list[Any]:
    """Return the tangents of the outputs that vary."""
    size = len(varying)
    scan = Scan(values[:size], params)
    first, count, _ = scan.groups
    operands, pushed, _, kept = _pushed(values[:size], tangents, params)
    found = bind(checkpointed_scan, *operands, **pushed)
    changes = apart(found, kept, scan.output_groups)[1]
    seeded = varying_outputs(scan.body, varying, first, count)
    return [change for change, flag in zip(changes, seeded, strict=True) if flag]


# ------------------------------------------------------------------ batches


def _batch(values: Sequence[Any], axes: Sequence[int | None], params: dict[str, Any]) -> Any:
    size = batch_size(values, axes)
    operands, changed, out_axes = batched_scan(values, axes, params, size)
    return bind(checkpointed_scan, *operands, **changed), out_axes


def _batch_pull(values: Sequence[Any], axes: Sequence[int | None], params: dict[str, Any]) -> Any:
    params = dict(params)
    varying = params.pop("varying")
    end = len(varying)
    scan = Scan(values[:end], params)
    first, count, _ = scan.groups
    size = batch_size(values, axes)
    # Each example has cotangents of its own, so all that varies is made to differ.
    operands, changed, _ = batched_scan(values[:end], axes[:end], params, size, varying)
    seeded = varying_outputs(scan.body, varying, first, count)
    places = [place for place, flag in enumerate(seeded) if flag]
    seeds = []
    for place, value, axis in zip(places, values[end:], axes[end:], strict=True):
        value = spread_over(value, axis, size)
        seeds.append(value if place < count else moved(value, 0, 1))
    found = bind(scan_pull, *operands, *seeds, varying=varying, **changed)
    numbers = [number for number, flag in enumerate(varying) if flag]
    return found, tuple(0 if number < first + count else 1 for number in numbers)


# ------------------------------------------------------------------ records


def _samples() -> list[Sample]:
    a, c = array(3), array(3, seed=1)
    return [
        Sample(a, 0, c, array(4), snapshots=1, **sample_params()),
        Sample(a, 0, c, array(4), snapshots=2, **sample_params(reverse=True)),
    ]


def _fails() -> list[Fail]:
    return [Fail(ValueError, "", array(2), 0, array(3), array(4), snapshots=1, **sample_params())]


checkpointed_scan = Primitive(
    "checkpointed_scan",
    family="control",
    arguments=("first",),
    evaluate=_evaluate,
    infer=_infer,
    push=_push,
    taylor=_taylor,
    record=_record,
    batch=_batch,
    linear=is_linear_scan,
    multiple=True,
    samples=_samples,
    fails=_fails,
)


def _samples_pull() -> list[Sample]:
    a, c = array(3), array(3, seed=1)
    seeds = (array(3, seed=2), array(4, 3), array(4, seed=3))
    varying = (True, False, True, True)
    return [
        Sample(a, 0, c, array(4), *seeds, varying=varying, snapshots=1, **sample_params()),
        Sample(
            a, 0, c, array(4), *seeds, varying=varying, snapshots=2, **sample_params(reverse=True)
        ),
        Sample(
            *(a, 0, c, array(4), seeds[0], seeds[1]),
            varying=(False, False, True, False),
            snapshots=1,
            **sample_params(),
        ),
    ]


_rules = rules_of_pull(lambda: scan_pull, _along, _changes, lambda params: 0)

scan_pull: Primitive = Primitive(
    "scan_pull",
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
