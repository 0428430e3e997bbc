"""Judge rows: ratios to the best peers, the project's own lines, and the laws of growth.

Ratios and lines are computed from medians, laws from processor time; all give None where a
measurement is missing.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.model import BEST_EAGER_PEER, BEST_PEER, DERIVATIVE, VALUE, Line, Row
from benchmarks.systems import SYSTEMS

# Import of wengert: seconds, and the ratio to numpy, which took 0.05 s where the limit was set.
IMPORT_LIMIT = 0.12
IMPORT_RATIO = IMPORT_LIMIT / 0.05
GRADIENT_OVER_VALUE = "gradient ÷ value"
# A law asks for "the same"; on a shared machine a factor within this is taken for the same.
SAME = 1.5
# An addition whose tape entry kept an array would cost the whole of it; a row costs far less.
ROW_SHARE = 0.01


@dataclass(frozen=True)
class Verdict:
    """A line, what was measured in the same unit, and whether it holds (None: not measured)."""

    text: str
    measured: float | None
    met: bool | None


def median_of(row: Row, system: str, measure: str = "run") -> float | None:
    """Median seconds of a system's derivative or value, its first call, or its compilation."""
    cell = row.cells.get(system)
    if cell is None or cell.status != "measured":
        return None
    if measure == "compile":
        return statistics.median(cell.compile) if cell.compile else None
    if measure == "first call":
        timing = cell.timings.get(DERIVATIVE)
        return timing.first_call if timing is not None else None
    return cell.median(VALUE) if measure == VALUE else cell.median()


def processor_time_of(row: Row, system: str) -> float | None:
    """Least processor seconds of a system's derivative, for laws that compare rows.

    Rows are measured one after the other, so their times by the clock differ by what else the
    machine did meanwhile.
    """
    cell = row.cells.get(system)
    timing = cell.timings.get(DERIVATIVE) if cell is not None else None
    return timing.least_processor if timing is not None and timing.processor else None


def best(
    row: Row, against: str, measure: str = "run", subject: str = "wengert"
) -> tuple[str, float] | None:
    """Name and seconds of what a line stands against: a system, the fastest peer, or another
    operation of the subject.
    """
    if against not in (BEST_PEER, BEST_EAGER_PEER, *SYSTEMS):
        cell = row.cells.get(subject)
        found = cell.median(against) if cell is not None else None
        return None if found is None else (against, found)
    if against in (BEST_PEER, BEST_EAGER_PEER):
        names = [
            system.name
            for system in SYSTEMS.values()
            if system.peer and not (system.compiled and against == BEST_EAGER_PEER)
        ]
    else:
        names = [against]
    measured = [
        (name, seconds) for name in names if (seconds := median_of(row, name, measure)) is not None
    ]
    return min(measured, key=lambda pair: pair[1]) if measured else None


def judge(row: Row, line: Line) -> Verdict:
    """Hold a row against one line."""
    subject = "" if line.subject == "wengert" else f" ({line.subject})"
    kind = "" if line.measure == "run" else f"{line.measure} "
    if line.measure == GRADIENT_OVER_VALUE:
        ratio = gradient_over_value(row, line.subject)
        text = f"{kind}≤ {line.limit:.3g}{subject}"
        return Verdict(text, ratio, None if ratio is None else ratio <= line.limit)
    seconds = median_of(row, line.subject, line.measure)
    if line.against is None:
        text = f"{kind}≤ {format_seconds(line.limit)}{subject}"
        return Verdict(text, seconds, None if seconds is None else seconds <= line.limit)
    text = f"{kind}≤ {line.limit:.3g} × {line.against}{subject}"
    rival = best(row, line.against, line.measure, line.subject)
    if seconds is None or rival is None:
        return Verdict(text, None, None)
    ratio = seconds / rival[1]
    return Verdict(text, ratio, ratio <= line.limit)


def ratio_to_best(row: Row, against: str, subject: str = "wengert") -> tuple[str, float] | None:
    """Name of the best peer and how many times its median ours is."""
    ours, rival = median_of(row, subject), best(row, against)
    if ours is None or rival is None:
        return None
    return rival[0], ours / rival[1]


def gradient_over_value(row: Row, system: str) -> float | None:
    """Cost of the derivative over cost of the value, both by the same system."""
    cell = row.cells.get(system)
    if cell is None or cell.status != "measured":
        return None
    derivative, value = cell.median(DERIVATIVE), cell.median(VALUE)
    return derivative / value if derivative and value else None


def geometric_mean(values: Iterable[float]) -> float | None:
    logarithms = [math.log(value) for value in values]
    return math.exp(statistics.fmean(logarithms)) if logarithms else None


def common_rows(rows: Sequence[Row], systems: Sequence[str]) -> list[Row]:
    """Rows on which every one of the systems has a derivative and a value: only over the same
    rows are means comparable.
    """
    return [
        row for row in rows if all(gradient_over_value(row, name) is not None for name in systems)
    ]


def slope(points: Mapping[int, float | None], lower: int, upper: int) -> float | None:
    """Increase per step between two of the points; None where there are no two."""
    low, high = points.get(lower), points.get(upper)
    if low is None or high is None or lower == upper:
        return None
    return (high - low) / (upper - lower)


def write_laws(
    points: Mapping[int, Mapping[int, float | None]],
) -> tuple[dict[int, float | None], list[Verdict]]:
    """Cost of a write, and whether the two laws hold: {length: {writes: seconds}} in.

    The cost is the slope of time in writes, so that what each call pays once (the buffer, the
    sum at its end) is left out. Linear: the slope over the upper half of the writes is that over
    the lower half. Independent: the slope at the longest buffer is that at the shortest.
    """
    costs: dict[int, float | None] = {}
    verdicts = []
    for length, times in points.items():
        counts = sorted(times)
        costs[length] = slope(times, counts[0], counts[-1])
        if len(counts) >= 3:
            first, last = slope(times, counts[0], counts[1]), slope(times, counts[-2], counts[-1])
            verdicts.append(same(f"linear in writes, buffer of {length:,}", last, first))
    if len(costs) >= 2:
        shortest, longest = min(costs), max(costs)
        verdicts.append(same("independent of the buffer's length", costs[longest], costs[shortest]))
    return costs, verdicts


def same(text: str, value: float | None, reference: float | None) -> Verdict:
    """Whether `value` is at most `SAME` times `reference`."""
    text = f"{text}: ≤ {SAME:g}"
    if value is None or reference is None or reference <= 0:
        return Verdict(text, None, None)
    return Verdict(text, value / reference, value / reference <= SAME)


def growth_law(memory: Mapping[int, float | None], array_bytes: int) -> Verdict:
    """Bytes that one more addition adds to the peak: a row, not an array."""
    counts = sorted(memory)
    limit = ROW_SHARE * array_bytes
    growth = slope(memory, counts[0], counts[-1]) if len(counts) >= 2 else None
    text = f"≤ {limit:,.0f} bytes an addition"
    return Verdict(text, growth, None if growth is None else growth <= limit)


def judge_import(medians: Mapping[str, float]) -> list[Verdict]:
    """Hold wengert's import against the line in seconds, and against NumPy's own import."""
    ours, alone = medians.get("wengert"), medians.get("numpy")
    ratio = None if ours is None or not alone else ours / alone
    return [
        Verdict(
            f"≤ {format_seconds(IMPORT_LIMIT)}",
            ours,
            None if ours is None else ours <= IMPORT_LIMIT,
        ),
        Verdict(
            f"≤ {IMPORT_RATIO:.3g} × numpy", ratio, None if ratio is None else ratio <= IMPORT_RATIO
        ),
    ]


def format_seconds(seconds: float) -> str:
    """Three significant digits in the unit that suits."""
    unit, scale = unit_of(seconds)
    return f"{significant(seconds / scale)} {unit}"


def format_spread(median: float, spread: float) -> str:
    """Median and spread in the median's unit."""
    unit, scale = unit_of(median)
    return f"{significant(median / scale)} ± {significant(spread / scale, 2)} {unit}"


def unit_of(seconds: float) -> tuple[str, float]:
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if abs(seconds) >= scale:
            return unit, scale
    return "ns", 1e-9


def significant(value: float, digits: int = 3) -> str:
    """Fixed-point text with that many significant digits, without an exponent."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{decimals}f}"
