"""Taylor mode of Wengert lists: the list that computes the coefficients of outputs from inputs'."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..ir.aval import aval_of, is_differentiable
from ..ir.wengert_list import WengertList
from ..ops.taylor_rules import Series
from ..tracing.core import raw_of
from ..tracing.creation import begin, end
from ..tracing.staging import stage
from .lists import dependent_outputs, evaluate_traced, fitted, remembered
from .taylor import TaylorTrace


def taylor_in_groups(
    program: WengertList,
    flags: Sequence[bool],
    groups: Sequence[int],
    kept: Sequence[bool],
    output_groups: Sequence[int],
    order: int,
) -> WengertList:
    """Return the list of coefficients, each group of them behind its group of values.

    Parameters
    ----------
    flags : sequence of bool
        For each input whether it has coefficients, those of the orders 1 to `order`.
    groups, output_groups : sequence of int
        The sizes of the groups, in order.
    kept : sequence of bool
        For each output whether its coefficients are outputs.
    """
    flags, kept = tuple(flags), tuple(kept)
    key = ("taylor", flags, tuple(groups), kept, tuple(output_groups), order)
    avals = [variable.aval for variable in program.inputs]

    def run(*values: Any) -> list[Any]:
        series = parted([raw_of(value) for value in values], flags, groups, order)
        trace = TaylorTrace("a Wengert list", order)
        begin(trace)
        try:
            results = evaluate_traced(program, [trace.wrap(entry) for entry in series])
            found = [trace.series_of(result) for result in results]
        finally:
            end(trace)
        return together(found, kept, output_groups, [operand.aval for operand in program.outputs])

    def make() -> WengertList:
        given = together([[aval] * (order + 1) for aval in avals], flags, groups)
        return stage(run, given, "the Taylor mode of a Wengert list")

    return remembered(program, key, make)  # type: ignore[no-any-return]


def together(
    series: Sequence[Series], flags: Sequence[bool], groups: Sequence[int], avals: Any = None
) -> list[Any]:
    """Return values and, behind each group of them, the coefficients of those that are flagged.

    With `avals` coefficients get these, zeros filled in.
    """
    found: list[Any] = []
    start = 0
    for size in groups:
        members = range(start, start + size)
        found += [series[i][0] for i in members]
        for i in members:
            if flags[i]:
                rest = series[i][1:]
                found += rest if avals is None else [fitted(entry, avals[i]) for entry in rest]
        start += size
    return found


def parted(
    values: Sequence[Any], flags: Sequence[bool], groups: Sequence[int], order: int
) -> list[Series]:
    """Return the series of what `together` put together."""
    entries = iter(values)
    found: list[Series] = []
    start = 0
    for size in groups:
        heads = [next(entries) for _ in range(size)]
        for head, flag in zip(heads, flags[start : start + size], strict=True):
            rest = [next(entries) if flag else None for _ in range(order)]
            found.append([head, *rest])
        start += size
    return found


def varying(series: Sequence[Series]) -> list[bool]:
    """Return which operands vary: have a coefficient that is not zero."""
    return [
        any(entry is not None for entry in each[1:]) and is_differentiable(aval_of(each[0]).dtype)
        for each in series
    ]


def of_operands(series: Sequence[Series], flags: Sequence[bool], groups: Sequence[int]) -> Any:
    """Return operands with their coefficients, zeros filled in, as `together` does."""
    return together(series, flags, groups, [aval_of(each[0]) for each in series])


def of_one_list(
    series: Sequence[Series],
    programs: Sequence[WengertList],
    run: Callable[[list[Any], list[WengertList]], Sequence[Any]],
) -> list[Series]:
    """Return the series of the outputs of lists that take the operands as they stand.

    ``run(operands, programs)`` carries out the operation on more operands by larger lists; where
    there are several lists, their outputs are of one kind.
    """
    order = len(series[0]) - 1 if series else 0
    flags = varying(series)
    columns = zip(*(dependent_outputs(program, flags) for program in programs), strict=True)
    kept = [any(column) for column in columns]
    groups, output_groups = (len(series),), (len(kept),)
    larger = [
        taylor_in_groups(program, flags, groups, kept, output_groups, order) for program in programs
    ]
    found = run(of_operands(series, flags, groups), larger)
    return parted(found, kept, output_groups, order)


def last_coefficients(program: WengertList, series: Sequence[Series], order: int) -> list[Any]:
    """Return the coefficient of one order of each output of a list, None where it is zero."""
    trace = TaylorTrace("a Wengert list", order)
    begin(trace)
    try:
        results = evaluate_traced(program, [trace.wrap(entry[: order + 1]) for entry in series])
        return [trace.series_of(result)[order] for result in results]
    finally:
        end(trace)
