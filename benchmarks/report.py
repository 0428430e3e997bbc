"""Write a run as Markdown, for people, and as JSON, with every repeat.

The Markdown holds nothing that is not in the JSON, or computed from it.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.lines import (
    Verdict,
    common_rows,
    format_seconds,
    format_spread,
    geometric_mean,
    gradient_over_value,
    growth_law,
    judge,
    judge_import,
    median_of,
    processor_time_of,
    ratio_to_best,
    significant,
    write_laws,
)
from benchmarks.model import (
    BEST_EAGER_PEER,
    BEST_PEER,
    DERIVATIVE,
    VALUE,
    Cell,
    ImportTime,
    Row,
    Timing,
)
from benchmarks.systems import SYSTEMS
from benchmarks.workloads.additions import LENGTH as ADDITION_LENGTH

MISSING = "–"
HEADINGS = {"numpy": "NumPy by hand"}


@dataclasses.dataclass(frozen=True)
class Run:
    """All that one run measured."""

    machine: dict[str, Any]
    settings: dict[str, Any]
    systems: list[str]
    rows: list[Row]
    imports: list[ImportTime]

    def group(self, name: str) -> list[Row]:
        return [row for row in self.rows if row.group == name]


def import_medians(run: Run) -> dict[str, float]:
    return {entry.name: statistics.median(entry.repeats) for entry in run.imports if entry.repeats}


# --- JSON -----------------------------------------------------------------------------------------


def as_plain(run: Run) -> dict[str, Any]:
    """Everything measured, with the summaries that the Markdown shows."""
    plain = dataclasses.asdict(run)
    for row, entry in zip(run.rows, plain["rows"], strict=True):
        for system, cell in row.cells.items():
            for operation, timing in cell.timings.items():
                summary = entry["cells"][system]["timings"][operation]
                if timing.repeats:
                    summary.update(median=timing.median, interquartile_range=timing.spread)
        entry["verdicts"] = [dataclasses.asdict(judge(row, line)) for line in row.lines]
        for name, against in (("eager", BEST_EAGER_PEER), ("any", BEST_PEER)):
            entry[f"ratio_to_best_{name}_peer"] = ratio_to_best(row, against)
    medians = import_medians(run)
    plain["import_verdicts"] = [dataclasses.asdict(verdict) for verdict in judge_import(medians)]
    plain["gradient_over_value"] = dict(ratio_means(run))
    return plain


# --- Markdown -------------------------------------------------------------------------------------


def table(headings: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the others are numbers."""
    rule = ["---", *["---:"] * (len(headings) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in (headings, rule, *lines))


def time_text(cell: Cell | None, operation: str = DERIVATIVE) -> str:
    """One system's time with its spread, or a word for why there is none."""
    if cell is None:
        return MISSING
    if cell.status != "measured":
        return {"cannot": reason_word(cell.note), "absent": MISSING}.get(cell.status, "ERROR")
    timing = cell.timings.get(operation)
    if timing is None or not timing.repeats:
        return MISSING
    return format_spread(timing.median, timing.spread)


def reason_word(note: str) -> str:
    return "left out" if note.startswith("left out") else "cannot"


def ratio_text(found: tuple[str, float] | None) -> str:
    return MISSING if found is None else f"{significant(found[1])} ({found[0]})"


def verdict_text(verdict: Verdict, measured: Callable[[float], str] | None = None) -> str:
    """A line and its judgement; `measured` formats the value it was judged by."""
    if verdict.met is None or verdict.measured is None:
        return f"{verdict.text}: not measured"
    word = "met" if verdict.met else "**missed**"
    value = f" ({measured(verdict.measured)})" if measured is not None else ""
    return f"{verdict.text}: {word}{value}"


def heading(system: str) -> str:
    return HEADINGS.get(system, system)


def measured_systems(rows: Sequence[Row], systems: Sequence[str]) -> list[str]:
    """Systems that show anything in these rows: a column of blanks says nothing."""
    return [
        name
        for name in systems
        if any(row.cells[name].status != "absent" for row in rows if name in row.cells)
    ]


def line_text(row: Row, present: Sequence[str]) -> str:
    """The row's lines for the systems of this table."""
    return "; ".join(
        verdict_text(judge(row, line)) for line in row.lines if line.subject in present
    )


def gradient_section(run: Run) -> str:
    rows = run.group("gradients")
    systems = measured_systems(rows, run.systems)
    return "## Gradients\n\n" + table(
        [
            "workload",
            *map(heading, systems),
            "wengert ÷ best eager peer",
            "wengert ÷ best peer",
            "line",
        ],
        (
            [
                row.title,
                *(time_text(row.cells.get(name)) for name in systems),
                ratio_text(ratio_to_best(row, BEST_EAGER_PEER)),
                ratio_text(ratio_to_best(row, BEST_PEER)),
                line_text(row, systems) or MISSING,
            ]
            for row in rows
        ),
    )


def value_section(run: Run) -> str:
    rows = [row for row in run.group("gradients") if any_timed(row, VALUE)]
    systems = measured_systems(rows, run.systems)
    names = [HEADINGS.get(name, name) if name != "numpy" else "NumPy" for name in systems]
    return "## The same functions, value only\n\n" + table(
        ["workload", *names],
        ([row.title, *(time_text(row.cells.get(name), VALUE) for name in systems)] for row in rows),
    )


def any_timed(row: Row, operation: str) -> bool:
    return any(cell.median(operation) is not None for cell in row.cells.values())


def ratio_means(run: Run) -> list[tuple[str, float | None]]:
    """Geometric mean of gradient ÷ value for each system, over the rows all of them have."""
    rows = run.group("gradients")
    systems = ratio_systems(rows, run.systems)
    common = common_rows(rows, systems)
    return [
        (name, geometric_mean(filter(None, (gradient_over_value(row, name) for row in common))))
        for name in systems
    ]


def ratio_systems(rows: Sequence[Row], systems: Sequence[str]) -> list[str]:
    return [
        name for name in systems if any(gradient_over_value(row, name) is not None for row in rows)
    ]


def ratio_section(run: Run) -> str:
    rows = run.group("gradients")
    systems = ratio_systems(rows, run.systems)
    common = common_rows(rows, systems)

    def text(value: float | None) -> str:
        return MISSING if value is None else significant(value)

    body = [
        [row.title, *(text(gradient_over_value(row, name)) for name in systems)]
        for row in rows
        if any(gradient_over_value(row, name) is not None for name in systems)
    ]
    means = [text(mean) for _, mean in ratio_means(run)]
    body.append([f"geometric mean over the {len(common)} rows that all have", *means])
    return "## Gradient ÷ value, each system by itself\n\n" + table(
        ["workload", *map(heading, systems)], body
    )


def first_call_section(run: Run) -> str:
    """First calls of the derivative in a process whose imports and backend are ready."""
    rows = run.group("gradients")
    systems = measured_systems(rows, run.systems)
    compiled = [
        name
        for name in systems
        if any(name in row.cells and row.cells[name].compile for row in rows)
    ]

    def first(row: Row, system: str) -> str:
        seconds = median_of(row, system, "first call")
        return MISSING if seconds is None else format_seconds(seconds)

    def compilation(row: Row, system: str) -> str:
        repeats = row.cells[system].compile if system in row.cells else []
        return format_timing(repeats)

    return "## First call and compilation\n\n" + table(
        [
            "workload",
            *(f"{heading(name)}, first call" for name in systems),
            *(f"{name}, compilation" for name in compiled),
        ],
        (
            [
                row.title,
                *(first(row, name) for name in systems),
                *(compilation(row, name) for name in compiled),
            ]
            for row in rows
        ),
    )


def format_timing(repeats: list[float]) -> str:
    if not repeats:
        return MISSING
    timing = Timing(first_call=0.0, repeats=repeats)
    return format_spread(timing.median, timing.spread)


def memory_section(run: Run) -> str:
    rows = [
        row
        for row in run.group("gradients")
        if any(cell.memory is not None for cell in row.cells.values())
    ]
    systems = [
        name
        for name in run.systems
        if any(name in row.cells and row.cells[name].memory is not None for row in rows)
    ]
    if not systems:
        return ""
    return "## Peak memory of a gradient, MiB above the inputs\n\n" + table(
        ["workload", *map(heading, systems)],
        ([row.title, *(memory_text(row.cells.get(name)) for name in systems)] for row in rows),
    )


def memory_text(cell: Cell | None) -> str:
    if cell is None or cell.memory is None or cell.memory.resident is None:
        return MISSING
    return significant(cell.memory.resident / 2**20)


def write_section(run: Run) -> str:
    """Times of the loops of writes, the cost of one write, and the laws."""
    rows = run.group("writes")
    systems = measured_systems(rows, run.systems)
    systems = [name for name in systems if name != "numpy"]
    parts = [
        "## Indexed writes in a loop, gradient",
        table(
            ["workload", *map(heading, systems)],
            ([row.title, *(time_text(row.cells.get(name)) for name in systems)] for row in rows),
        ),
    ]
    for form in dict.fromkeys(row.name.split("-")[0] for row in rows):
        chosen = [row for row in rows if row.name.split("-")[0] == form]
        lengths = sorted({row.parameters["length"] for row in chosen})
        points = {
            length: {
                row.parameters["writes"]: processor_time_of(row, "wengert")
                for row in chosen
                if row.parameters["length"] == length
            }
            for length in lengths
        }
        costs, verdicts = write_laws(points)
        items = [
            f"{format_seconds(cost)} a write in a buffer of {length:,}"
            for length, cost in costs.items()
            if cost is not None
        ]
        items += [verdict_text(verdict, significant) for verdict in verdicts]
        if items:
            parts.append(f"wengert, {form}: " + "; ".join(items) + ".")
    return "\n\n".join(parts)


def addition_section(run: Run) -> str:
    """Time and peak memory of chains of additions, and what one more addition adds."""
    rows = run.group("additions")
    systems = measured_systems(rows, run.systems)
    systems = [
        name for name in systems if any(row.cells[name].median() is not None for row in rows)
    ]
    counted = [name for name in systems if SYSTEMS[name].allocates_through_numpy]
    resident = [name for name in systems if name not in counted]

    def kilobytes(row: Row, system: str) -> str:
        size = peak(row.cells[system], system in counted)
        return MISSING if size is None else significant(size / 1000)

    body = table(
        [
            "workload",
            *(f"{name}, time" for name in systems),
            *(f"{name}, peak kB" for name in counted),
            *(f"{name}, peak kB (resident)" for name in resident),
        ],
        (
            [
                row.title,
                *(time_text(row.cells[name]) for name in systems),
                *(kilobytes(row, name) for name in (*counted, *resident)),
            ]
            for row in rows
        ),
    )
    items, law = [], ""
    for name in systems:
        points = {row.parameters["count"]: peak(row.cells[name], name in counted) for row in rows}
        verdict = growth_law(points, 8 * ADDITION_LENGTH)
        if verdict.measured is not None:
            items.append(f"{name} {significant(verdict.measured)}")
        if name == "wengert":
            law = f" wengert {verdict_text(verdict)}."
    title = f"## A chain of additions of arrays of {8 * ADDITION_LENGTH / 1000:g} kB, gradient"
    if not items:
        return f"{title}\n\n{body}"
    growth = f"Bytes that one more addition adds to the peak: {', '.join(items)}.{law}"
    return f"{title}\n\n{body}\n\n{growth}"


def peak(cell: Cell, through_numpy: bool) -> float | None:
    if cell.memory is None:
        return None
    return cell.memory.numpy if through_numpy else cell.memory.resident


def cost_section(run: Run) -> str:
    """The cost of a gradient by three methods as the number of variables grows."""

    def entry(row: Row, system: str, operation: str) -> tuple[str, str]:
        cell = row.cells.get(system)
        seconds = cell.median(operation) if cell is not None else None
        value_cell = row.cells.get("wengert") or row.cells.get("numpy")
        value = value_cell.median(VALUE) if value_cell is not None else None
        ratio = MISSING if not seconds or not value else significant(seconds / value)
        return time_text(cell, operation), ratio

    body = []
    for row in run.group("cost"):
        reference = "wengert" if has_value(row, "wengert") else "numpy"
        value, _ = entry(row, reference, VALUE)
        reverse = entry(row, "wengert", DERIVATIVE)
        forward = entry(row, "wengert", "forward")
        differences = entry(row, "numpy", "differences")
        body.append([f"{row.parameters['size']:,}", value, *reverse, *forward, *differences])
    return "## The cost of a gradient of Σ log(1+x²)/x\n\n" + table(
        [
            "n",
            "value",
            *("reverse mode", "÷ value"),
            *("forward mode", "÷ value"),
            *("differences", "÷ value"),
        ],
        body,
    )


def has_value(row: Row, system: str) -> bool:
    cell = row.cells.get(system)
    return cell is not None and cell.median(VALUE) is not None


def import_section(run: Run) -> str:
    medians = import_medians(run)
    body = []
    for entry in run.imports:
        text = format_timing(entry.repeats) if entry.repeats else entry.status
        lines = MISSING
        if entry.name == "wengert":
            lines = "; ".join(map(verdict_text, judge_import(medians)))
        body.append([entry.name, text, lines])
    return "## Import time above a bare interpreter\n\n" + table(["module", "time", "line"], body)


def note_section(run: Run) -> str:
    """Why a cell holds no number: each reason once, errors in full."""
    notes: dict[tuple[str, str, str], list[str]] = {}
    for row in run.rows:
        for system, cell in row.cells.items():
            if cell.status != "measured":
                notes.setdefault((cell.status, system, cell.note), []).append(row.name)
    for entry in run.imports:
        if entry.status != "measured":
            notes.setdefault((entry.status, entry.name, entry.note), []).append("import-time")
    if not notes:
        return ""
    items = []
    for (status, system, note), names in sorted(notes.items(), key=lambda item: item[0]):
        where = ", ".join(names) if len(names) <= 4 else f"{len(names)} rows"
        last = note.splitlines()[-1] if note else ""
        items.append(f"- {system}, {where}: {'ERROR: ' if status == 'error' else ''}{last}")
    return "## Cells without a number\n\n" + "\n".join(items)


def machine_section(run: Run) -> str:
    machine = {key: value for key, value in run.machine.items() if key != "versions"}
    lines = [f"- {key}: {value}" for key, value in machine.items()]
    versions = run.machine.get("versions", {})
    lines.append("- versions: " + ", ".join(f"{name} {text}" for name, text in versions.items()))
    lines.append("- settings: " + ", ".join(f"{key} {text}" for key, text in run.settings.items()))
    return "## Machine\n\n" + "\n".join(lines)


def markdown(run: Run) -> str:
    """The whole report."""
    opening = (
        "# Benchmarks\n\n"
        "Times are medians ± interquartile range over the repeats; `README.md` in the folder above"
        " says what each row means."
    )
    parts = [opening, machine_section(run)]
    if run.group("gradients"):
        parts += [
            gradient_section(run),
            value_section(run),
            ratio_section(run),
            first_call_section(run),
            memory_section(run),
        ]
    for group, section in (
        ("writes", write_section),
        ("additions", addition_section),
        ("cost", cost_section),
    ):
        if run.group(group):
            parts.append(section(run))
    if run.imports:
        parts.append(import_section(run))
    parts.append(note_section(run))
    return "\n\n".join(part for part in parts if part) + "\n"


def write(run: Run, stem: Path) -> tuple[Path, Path]:
    """Write `stem.md` and `stem.json`; the paths written."""
    stem.parent.mkdir(parents=True, exist_ok=True)
    text, data = stem.with_suffix(".md"), stem.with_suffix(".json")
    plain = json.dumps(as_plain(run), indent=1, ensure_ascii=False)
    data.write_text(plain + "\n", encoding="utf-8")
    text.write_text(markdown(run), encoding="utf-8")
    return text, data
