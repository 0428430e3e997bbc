"""`python -m benchmarks`: measure everything, or what is asked for, and write one table."""

from __future__ import annotations

import argparse
import dataclasses
import fnmatch
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.environment import available_cores, describe
from benchmarks.imports import NAME as IMPORT_ROW
from benchmarks.imports import measure_imports
from benchmarks.model import DERIVATIVE, Row
from benchmarks.report import Run, write
from benchmarks.runner import FEWEST_REPEATS, Settings, known_systems, run_workload
from benchmarks.workloads import WORKLOADS

RESULTS = Path(__file__).resolve().parent / "results"
DEFAULT_THREADS = 2
# Importing takes a few tenths of a second and is noisy, so it gets more repeats than five.
IMPORT_REPEATS = 9


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="NAME",
        help=f"rows to run, with * and ?; '{IMPORT_ROW}' is a row too",
    )
    parser.add_argument("--systems", nargs="+", default=[], metavar="NAME", help="systems to run")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="short repeats, no memory: shows that everything works, not numbers to quote",
    )
    parser.add_argument("--repeats", type=int, help="repeats of each measurement, at least 5")
    parser.add_argument(
        "--threads", type=int, default=min(DEFAULT_THREADS, available_cores()), help="for all"
    )
    parser.add_argument("--output", type=Path, help="file to write, without its suffix")
    parser.add_argument("--list", action="store_true", help="print the names of the rows and stop")
    return parser.parse_args(arguments)


def select(patterns: Sequence[str]) -> list[str]:
    """Names of the rows that match, in the order of the table."""
    names = [*WORKLOADS, IMPORT_ROW]
    chosen = [
        name
        for name in names
        if not patterns or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
    ]
    if not chosen:
        raise SystemExit(f"no row matches; the rows are: {', '.join(names)}")
    return chosen


def settings_of(options: argparse.Namespace) -> Settings:
    settings = Settings(threads=options.threads)
    if options.quick:
        settings = dataclasses.replace(settings, repeats=FEWEST_REPEATS, target=0.005, memory=False)
    if options.repeats is not None:
        if options.repeats < FEWEST_REPEATS:
            raise SystemExit(f"too few repeats for a spread; ask for {FEWEST_REPEATS} or more")
        settings = dataclasses.replace(settings, repeats=options.repeats)
    return settings


def progress(row: Row, seconds: float) -> None:
    """One line on the terminal for each row, so that a long run shows where it is."""
    parts = []
    for system, cell in row.cells.items():
        median = cell.median(DERIVATIVE)
        parts.append(f"{system} {median * 1e6:.1f}" if median else f"{system} {cell.status}")
    print(f"{row.name} [{seconds:.0f} s], µs: {', '.join(parts)}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; 1 where any cell is an error."""
    options = parse(arguments)
    names = select(options.only)
    if options.list:
        print("\n".join(names))
        return 0
    systems, settings = known_systems(options.systems), settings_of(options)
    machine = describe(settings.threads)
    rows = []
    for name in names:
        if name == IMPORT_ROW:
            continue
        begin = time.perf_counter()
        rows.append(run_workload(WORKLOADS[name], systems, settings))
        progress(rows[-1], time.perf_counter() - begin)
    repeats = max(settings.repeats, IMPORT_REPEATS)
    imports = measure_imports(repeats, settings.threads) if IMPORT_ROW in names else []
    run = Run(
        machine=machine,
        settings={**dataclasses.asdict(settings), "quick": options.quick},
        systems=systems,
        rows=rows,
        imports=imports,
    )
    default = RESULTS / ("quick" if options.quick else "table")
    for path in write(run, options.output or default):
        print(path)
    failed = any(cell.status == "error" for row in rows for cell in row.cells.values())
    failed = failed or any(entry.status == "error" for entry in imports)
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
