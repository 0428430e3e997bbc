"""The equation of a loop with a known number of steps that reads and makes stacked values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..ir.aval import Aval, aval_of, kind_of_result, zeros_of
from ..ir.equation import Variable
from ..ir.primitive import Primitive
from ..ir.wengert_list import WengertList
from ..ops.batch_rules import batch_size, moved, spread_over
from ..ops.kinds import with_kind
from ..ops.samples import Fail, Sample, array
from ..ops.taylor_rules import Series
from ..tracing.core import bind, raw_of
from ..tracing.staging import stage
from ..transforms.lists import (
    batch_of_list,
    dependent_outputs,
    evaluate_traced,
    fitted,
    in_groups,
    is_linear_list,
    jvp_in_groups,
    remembered,
    vjp_of_list,
)
from ..transforms.taylor_lists import of_operands, parted, taylor_in_groups, varying
from .totals import adding_to_totals
from .while_primitive import closed_flags

# outputs = scan(*constants, *carry, *xs; body, constants, carry, length, reverse)
#
# `body` is a list over (constants, carry, one entry of each xs along its first axis) whose outputs
# are the next carry, with the Avals of the carry, and one entry of each stacked result. The two
# integers count the constants and the carried values. The body runs `length` times, over the
# entries in order or, with `reverse`, from the last to the first; entry i of a stacked result was
# made of entry i of the xs. The outputs are the last carry and the stacked results.


class Scan:
    """The operands and parameters of a scan, taken apart."""

    def __init__(self, values: Sequence[Any], params: dict[str, Any]) -> None:
        first = params["constants"]
        second = first + params["carry"]
        self.body: WengertList = params["body"]
        self.constants = tuple(values[:first])
        self.carry = tuple(values[first:second])
        self.xs = tuple(values[second:])
        self.length: int = params["length"]
        self.reverse: bool = params["reverse"]

    @property
    def entries(self) -> EntriesOf:
        """What reads the entries of a step."""
        first, count, _ = self.groups
        return EntriesOf(self.body.inputs[first + count :], self.xs)

    @property
    def groups(self) -> tuple[int, int, int]:
        """The numbers of constants, carried values and arrays that are read."""
        return len(self.constants), len(self.carry), len(self.xs)

    @property
    def output_groups(self) -> tuple[int, int]:
        """The numbers of carried values and stacked results."""
        return len(self.carry), len(self.body.outputs) - len(self.carry)

    def indices(self) -> range:
        """Return the positions of the entries in the order in which they are taken."""
        forwards = range(self.length)
        return forwards[::-1] if self.reverse else forwards


class EntriesOf:
    """The entries of arrays along their first axis, of the kinds that a list takes.

    Entries of arrays are NumPy's scalars; a list may take Python's numbers.
    """

    __slots__ = ("_arrays", "_kinds")

    def __init__(self, variables: Sequence[Variable], arrays: Sequence[Any]) -> None:
        self._arrays = arrays
        kinds = [variable.aval.kind == "python" for variable in variables]
        self._kinds = kinds if any(kinds) else None

    def at(self, index: int) -> list[Any]:
        """Return the entries of one step."""
        entries = [x[index] for x in self._arrays]
        if self._kinds is None:
            return entries
        return [
            entry.item() if is_number else entry
            for entry, is_number in zip(entries, self._kinds, strict=True)
        ]


def stacked_aval(aval: Aval, length: int) -> Aval:
    """Return the Aval of a value for each of `length` steps, stacked."""
    return Aval((length, *aval.shape), aval.dtype, "array")


def entry_aval(aval: Aval) -> Aval:
    """Return the Aval of one entry along the first axis."""
    shape = aval.shape[1:]
    return Aval(shape, aval.dtype, kind_of_result(shape))


# ------------------------------------------------------------------ values


def run_scan(*values: Any, **params: Any) -> tuple[Any, ...]:
    """Evaluate a scan on plain values."""
    scan = Scan(values, params)
    count = len(scan.carry)
    stacked = [
        np.empty(stacked_aval(operand.aval, scan.length).shape, operand.aval.dtype)
        for operand in scan.body.outputs[count:]
    ]
    constants, carry, entries = scan.constants, scan.carry, scan.entries
    run = scan.body.evaluate
    for index in scan.indices():
        found = run(*constants, *carry, *entries.at(index))
        carry = found[:count]
        for target, entry in zip(stacked, found[count:], strict=True):
            target[index] = entry
    return (*carry, *stacked)


def is_linear_scan(which: tuple[int, ...], params: dict[str, Any]) -> bool:
    """Return whether the results are linear, up to a constant, in some operands together."""
    body: WengertList = params["body"]
    flags = [number in which for number in range(len(body.inputs))]
    varying = closed_flags(body, flags, params["constants"], params["carry"])
    return is_linear_list(body, [number for number, flag in enumerate(varying) if flag])


def infer_scan(*avals: Aval, **params: Any) -> tuple[Aval, ...]:
    """Return the Avals of the outputs of a scan; an error where operands do not fit its body."""
    scan = Scan(avals, params)
    for x in scan.xs:
        if x.shape[:1] != (scan.length,):
            raise ArgumentError(f"scan of {scan.length} steps over an array {x}")
    given = (*scan.constants, *scan.carry, *map(entry_aval, scan.xs))
    for aval, variable in zip(given, scan.body.inputs, strict=True):
        if not aval.fits(variable.aval):
            raise ArgumentError(f"scan: its body takes {variable.aval}, got {aval}")
    count = len(scan.carry)
    return (
        *scan.carry,
        *(stacked_aval(operand.aval, scan.length) for operand in scan.body.outputs[count:]),
    )


# ------------------------------------------------------------------ forward mode


def _push(primals: Sequence[Any], tangents: Sequence[Any], params: dict[str, Any]) -> Any:
    scan = Scan(primals, params)
    first, count, _ = scan.groups
    flags = closed_flags(scan.body, [t is not None for t in tangents], first, count)
    kept = varying_outputs(scan.body, flags, first, count)
    body = jvp_in_groups(scan.body, flags, scan.groups, kept, scan.output_groups)
    changes = [
        fitted(tangent, aval_of(primal)) if flag else None
        for tangent, primal, flag in zip(tangents, primals, flags, strict=True)
    ]
    found = bind(
        scan_primitive,
        *in_groups(primals, changes, scan.groups),
        body=body,
        constants=first + sum(flags[:first]),
        carry=count + sum(flags[first : first + count]),
        length=scan.length,
        reverse=scan.reverse,
    )
    return apart(found, kept, scan.output_groups)


def _taylor(series: list[Series], params: dict[str, Any]) -> list[Series]:
    operands, changed, kept, groups = taylor_scan(series, params)
    return parted(bind(scan_primitive, *operands, **changed), kept, groups, len(series[0]) - 1)


def taylor_scan(
    series: list[Series], params: dict[str, Any]
) -> tuple[list[Any], dict[str, Any], tuple[bool, ...], tuple[int, int]]:
    """Return operands and parameters of the scan of coefficients, and which its outputs have."""
    scan = Scan([each[0] for each in series], params)
    first, count, _ = scan.groups
    order = len(series[0]) - 1
    flags = closed_flags(scan.body, varying(series), first, count)
    kept = varying_outputs(scan.body, flags, first, count)
    body = taylor_in_groups(scan.body, flags, scan.groups, kept, scan.output_groups, order)
    changed = params | {
        "body": body,
        "constants": first + order * sum(flags[:first]),
        "carry": count + order * sum(flags[first : first + count]),
    }
    return of_operands(series, flags, scan.groups), changed, kept, scan.output_groups


def apart(
    found: Sequence[Any], kept: Sequence[bool], groups: Sequence[int]
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Return values and changes (None where not kept) from what `in_groups` put together."""
    entries = iter(found)
    values: list[Any] = []
    changes: list[Any] = []
    start = 0
    for size in groups:
        values += [next(entries) for _ in range(size)]
        changes += [next(entries) if keep else None for keep in kept[start : start + size]]
        start += size
    return tuple(values), tuple(changes)


def varying_outputs(
    body: WengertList, flags: Sequence[bool], constants: int, carry: int
) -> tuple[bool, ...]:
    """Return which outputs vary: the carry as closed over steps, stacked results by the body."""
    outputs = dependent_outputs(body, flags)
    return (*flags[constants : constants + carry], *outputs[carry:])


# ------------------------------------------------------------------ reverse mode


class _Reversal:
    """The scan that keeps residuals, and the one that pulls back, for one set of wanted inputs.

    A residual that is a constant or an entry of the xs is not stacked: it is there already.
    """

    def __init__(self, body: WengertList, varying: Sequence[bool], first: int, count: int) -> None:
        self.seeded = varying_outputs(body, varying, first, count)
        forward, backward = vjp_of_list(body, varying, self.seeded)
        outputs = len(body.outputs)
        position = {variable: index for index, variable in enumerate(forward.inputs)}
        residuals = forward.outputs[outputs:]
        self.forward = WengertList(
            forward.inputs,
            forward.equations,
            [
                *forward.outputs[:outputs],
                *(r for r in residuals if not _is_there(position, r, first, count)),
            ],
        )
        # The inputs of `backward` by where they come from.
        constants: list[tuple[int, Variable]] = []
        entries: list[tuple[int, Variable]] = []
        stacked: list[Variable] = []
        for residual, variable in zip(residuals, backward.inputs, strict=False):
            if not _is_there(position, residual, first, count):
                stacked.append(variable)
                continue
            index = position[residual]  # type: ignore[index]
            (constants if index < first else entries).append((index, variable))
        self.constants = [index for index, _ in constants]
        self.entries = [index for index, _ in entries]
        seeds = backward.inputs[len(residuals) :]
        carried = sum(self.seeded[:count])
        self.sums = sum(varying[:first])
        self.carried = carried
        self.backward = _accumulating(
            backward,
            [variable for _, variable in constants],
            seeds[:carried],
            [*(variable for _, variable in entries), *stacked, *seeds[carried:]],
            self.sums,
        )


def _is_there(position: dict[Variable, int], residual: Any, first: int, count: int) -> bool:
    index = position.get(residual)
    return index is not None and not first <= index < first + count


def _accumulating(
    backward: WengertList,
    constants: Sequence[Variable],
    carried: Sequence[Variable],
    entries: Sequence[Variable],
    sums: int,
) -> WengertList:
    """Return the body of the pullback: it adds up the cotangents of constants.

    Inputs: constants; cotangents of the carry, sums; entries. Outputs: cotangents of the carry,
    sums; cotangents of entries.
    """
    adding = adding_to_totals(backward, sums)
    totals = adding.inputs[len(backward.inputs) :]
    end = sums + len(carried)
    ordered = WengertList(
        [*constants, *carried, *totals, *entries],
        adding.equations,
        [*adding.outputs[sums:end], *adding.outputs[:sums], *adding.outputs[end:]],
    )
    kinds = [variable.aval for variable in entries]
    # What was stacked comes back as NumPy's scalar, also where it was a Python number.
    stacked = [entry_aval(stacked_aval(aval, 1)) for aval in kinds]
    given = [variable.aval for variable in [*constants, *carried, *totals]]
    kept = [variable.aval for variable in [*carried, *totals]]
    found = [operand.aval for operand in ordered.outputs[: len(kept)]]
    if stacked == kinds and found == kept:
        return ordered
    split = len(given)

    def step(*values: Any) -> list[Any]:
        raw = [raw_of(value) for value in values]
        of_entries = [with_kind(v, aval) for v, aval in zip(raw[split:], kinds, strict=True)]
        found = evaluate_traced(ordered, [*raw[:split], *of_entries])
        fit = [fitted(value, aval) for value, aval in zip(found, kept, strict=False)]
        return [*fit, *found[len(kept) :]]

    return stage(step, [*given, *stacked], "the pullback of a scan")


def _record(which: tuple[int, ...], values: Sequence[Any], params: dict[str, Any]) -> Any:
    scan = Scan(values, params)
    first, count, _ = scan.groups
    varying = closed_flags(
        scan.body, [index in which for index in range(len(values))], first, count
    )
    reversal: _Reversal = remembered(
        scan.body,
        ("scan", varying, first, count),
        lambda: _Reversal(scan.body, varying, first, count),
    )
    found = bind(scan_primitive, *values, **(params | {"body": reversal.forward}))
    outputs = len(scan.body.outputs)
    kept = (
        tuple(values[index] for index in reversal.constants),
        tuple(values[index] for index in reversal.entries),
        tuple(found[outputs:]),
    )
    avals = [aval_of(value) for value in found[:outputs]]
    inputs = [aval_of(value) for value in values[: first + count]]
    residuals = (reversal, kept, avals, inputs, varying, which, scan.groups, params)
    return tuple(found[:outputs]), _pull, residuals


def _pull(cotangents: Sequence[Any], residuals: Any) -> Any:
    reversal, kept, avals, inputs, varying, which, groups, params = residuals
    first, count, _ = groups
    constants, entries, stacked = kept
    seeds = [
        fitted(cotangent, aval)
        for cotangent, aval, flag in zip(cotangents, avals, reversal.seeded, strict=True)
        if flag
    ]
    sums = [zeros_of(aval) for aval, flag in zip(inputs[:first], varying, strict=False) if flag]
    found = bind(
        scan_primitive,
        *constants,
        *seeds[: reversal.carried],
        *sums,
        *entries,
        *stacked,
        *seeds[reversal.carried :],
        body=reversal.backward,
        constants=len(constants),
        carry=reversal.carried + reversal.sums,
        length=params["length"],
        reverse=not params["reverse"],
    )
    carried = iter(found[: reversal.carried])
    totals = iter(found[reversal.carried : reversal.carried + reversal.sums])
    of_entries = iter(found[reversal.carried + reversal.sums :])
    sources = [totals] * first + [carried] * count + [of_entries] * (len(varying) - first - count)
    every = [next(source) if flag else None for source, flag in zip(sources, varying, strict=True)]
    chosen = tuple(every[index] for index in which)
    return chosen[0] if len(chosen) == 1 else chosen


# ------------------------------------------------------------------ batches


def batched_scan(
    values: Sequence[Any],
    axes: Sequence[int | None],
    params: dict[str, Any],
    size: int,
    forced: Sequence[bool] | None = None,
) -> tuple[list[Any], dict[str, Any], tuple[int | None, ...]]:
    """Return operands and parameters of the scan over all examples, and its batch axes.

    Entries have the batch axis first, arrays that are read and made behind the axis of steps.
    `forced` names operands that must have one.
    """
    scan = Scan(values, params)
    first, count, _ = scan.groups
    flags = [axis is not None for axis in axes]
    if forced is not None:
        flags = [flag or force for flag, force in zip(flags, forced, strict=True)]
    results = [False] * (len(scan.body.outputs) - count)
    while True:
        places = [0 if flag else None for flag in flags]
        kept = [*flags[first : first + count], *results]
        body, outputs = batch_of_list(scan.body, places, size, kept)
        grown = [flag or place == 0 for flag, place in zip(kept, outputs, strict=True)]
        if grown == kept:
            break
        flags[first : first + count] = grown[:count]
        results = grown[count:]
    operands = []
    for number, (value, axis, flag) in enumerate(zip(values, axes, flags, strict=True)):
        if flag:
            value = spread_over(value, axis, size)
            if number >= first + count:
                value = moved(value, 0, 1)
        operands.append(value)
    out_axes = [0 if flag else None for flag in kept[:count]]
    out_axes += [1 if flag else None for flag in kept[count:]]
    return operands, params | {"body": body}, tuple(out_axes)


def _batch(values: Sequence[Any], axes: Sequence[int | None], params: dict[str, Any]) -> Any:
    size = batch_size(values, axes)
    operands, changed, out_axes = batched_scan(values, axes, params, size)
    return bind(scan_primitive, *operands, **changed), out_axes


# ------------------------------------------------------------------ the record


def sample_params(**changes: Any) -> dict[str, Any]:
    """Return parameters of a small scan for samples."""
    vector = Aval((3,), np.float64)
    number = Aval((), np.float64, "scalar")
    counter = Aval((), np.int64, "python")
    body = stage(
        lambda a, n, c, x: (n + 1, np.sin(c) * a + x, c * x, x * x),
        [vector, counter, vector, number],
    )
    return {
        "body": body,
        "constants": 1,
        "carry": 2,
        "length": 4,
        "reverse": False,
    } | changes


def _samples() -> list[Sample]:
    a, c = array(3), array(3, seed=1)
    return [
        Sample(a, 0, c, array(4), **sample_params()),
        Sample(a, 0, c, array(4), **sample_params(reverse=True)),
        Sample(a, 0, c, array(0), **sample_params(length=0)),
        Sample(a, 0, c, array(1), **sample_params(length=1)),
    ]


def _fails() -> list[Fail]:
    return [Fail(ValueError, "", array(2), 0, array(3), array(4), **sample_params())]


scan_primitive = Primitive(
    "scan",
    family="control",
    arguments=("first",),
    evaluate=run_scan,
    infer=infer_scan,
    push=_push,
    taylor=_taylor,
    record=_record,
    batch=_batch,
    linear=is_linear_scan,
    multiple=True,
    samples=_samples,
    fails=_fails,
)
