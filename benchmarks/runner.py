"""Run a workload on all systems at once: start, compare, then time their repeats in turn.

The machine may be shared, so a slow moment has to hit every system alike: each round asks each
system for one repeat before the next round begins.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

from benchmarks.comparison import as_arrays, mismatch
from benchmarks.environment import child_environment
from benchmarks.memory import ENVIRONMENT as MEMORY_ENVIRONMENT
from benchmarks.model import VALUE, Cell, NotAvailable, Row, Timing, Workload
from benchmarks.systems import SYSTEMS, bind_static

ROOT = Path(__file__).resolve().parent.parent
# A call longer than this is repeated five times, however many repeats the others get.
LONG_CALL = 1.0
FEWEST_REPEATS = 5


@dataclass(frozen=True)
class Settings:
    """How long to measure. `target` is the length of one repeat in seconds, where a call is
    shorter than that; `patience` the seconds after which a silent system is given up.
    """

    repeats: int = 9
    target: float = 0.1
    threads: int = 2
    patience: float = 180.0
    compile: bool = True
    memory: bool = True


class Failure(Exception):
    """A worker raised, died or went silent."""


class Worker:
    """The runner's end of one measuring process."""

    def __init__(
        self, workload: str, system: str, settings: Settings, environment: dict[str, str]
    ) -> None:
        self.patience = settings.patience
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed with the worker)
        self.connection, theirs = Pipe()
        command = [
            *(sys.executable, "-m", "benchmarks.worker", "--workload", workload),
            *("--system", system, "--descriptor", str(theirs.fileno())),
            *("--threads", str(settings.threads)),
        ]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=self.errors,
            stderr=self.errors,
        )
        theirs.close()

    def ask(self, order: str, *arguments: Any) -> Any:
        """Send one order and wait for its answer."""
        try:
            self.connection.send((order, arguments))
            if not self.connection.poll(self.patience):
                raise Failure(f"no answer to '{order}' within {self.patience:.0f} s")
            status, answer = self.connection.recv()
        except (EOFError, OSError) as error:
            self.errors.seek(0)
            raise Failure(f"the process died: {self.errors.read()[-2000:]}") from error
        if status == "not available":
            raise NotAvailable(answer)
        if status == "failed":
            raise Failure(answer)
        return answer

    def close(self) -> None:
        """End the process; one that does not end by itself is killed."""
        self.connection.close()
        try:
            self.process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.errors.close()


@contextlib.contextmanager
def worker(
    workload: Workload, system: str, settings: Settings, extra: dict[str, str] | None = None
) -> Iterator[Worker]:
    """A measuring process that ends with the block."""
    environment = {**child_environment(settings.threads), **(extra or {})}
    process = Worker(workload.name, system, settings, environment)
    try:
        yield process
    finally:
        process.close()


def attempt(call: Callable[[], Any], cell: Cell) -> Any:
    """Result of `call`, or None with the cell saying why there is none."""
    try:
        return call()
    except NotAvailable as reason:
        text = str(reason)
        cell.status = "cannot" if text.startswith(("cannot", "left out")) else "absent"
        cell.note = text
    except Failure as failure:
        cell.status, cell.note = "error", str(failure).strip()
    return None


def check(workload: Workload, expected: dict[str, Any], results: dict[str, Any]) -> str:
    """Compare one system's results with the value and the derivative by hand."""
    for operation, found in results.items():
        wanted = expected[VALUE if operation == VALUE else "other"]
        tolerance = workload.loose.get(operation, workload.tolerance)
        if text := mismatch(found, wanted, tolerance):
            return f"wrong {operation}: {text}"
    return ""


def expected_results(workload: Workload) -> dict[str, Any]:
    """Value and derivative by NumPy alone."""
    inputs = workload.inputs(workload.size)
    found = {"other": as_arrays(bind_static(workload.by_hand, workload)(*inputs))}
    if workload.time_value:
        found[VALUE] = as_arrays(bind_static(workload.function, workload)(*inputs))
    return found


def prepare(
    workload: Workload, process: Worker, cell: Cell, expected: dict[str, Any], settings: Settings
) -> bool:
    """Bring one system to where it can be timed; False where it cannot be."""
    answer = attempt(lambda: process.ask("prepare"), cell)
    if answer is None:
        return False
    cell.start = answer["start"]
    if text := check(workload, expected, answer["results"]):
        cell.status, cell.note = "error", text
        return False
    for operation, seconds in answer["first_calls"].items():
        cell.timings[operation] = Timing(first_call=seconds)
    if settings.compile:
        cell.compile = attempt(lambda: process.ask("compile"), cell) or []
    for operation, timing in cell.timings.items():
        calls = attempt(
            lambda name=operation: process.ask("calibrate", name, settings.target),  # type: ignore[misc]
            cell,
        )
        if calls is None:
            return False
        timing.calls = calls
    return True


def take_turns(
    processes: dict[str, Worker], cells: dict[str, Cell], settings: Settings, pause: float
) -> None:
    """Time all systems, one repeat each in turn; the order is reversed every other round."""
    for turn in range(settings.repeats):
        order = list(processes) if turn % 2 == 0 else list(reversed(processes))
        for system in order:
            cell = cells[system]
            if cell.status != "measured":
                continue
            time.sleep(pause)
            for operation, timing in cell.timings.items():
                if len(timing.repeats) >= FEWEST_REPEATS and timing.median > LONG_CALL:
                    continue
                answer = attempt(
                    lambda p=processes[system], o=operation, t=timing: p.ask(  # type: ignore[misc]
                        "measure", o, t.calls
                    ),
                    cell,
                )
                if answer is None:
                    break
                seconds, processor = answer
                timing.repeats.append(seconds)
                timing.processor.append(processor)


def measure_memory(workload: Workload, system: str, cell: Cell, settings: Settings) -> None:
    """Peak memory, in a process of its own: its allocator is set to give memory back."""
    with worker(workload, system, settings, MEMORY_ENVIRONMENT) as process:
        scratch = Cell("measured")
        if attempt(lambda: process.ask("prepare"), scratch) is not None:
            cell.memory = attempt(lambda: process.ask("memory"), scratch)


def run_workload(workload: Workload, systems: Sequence[str], settings: Settings) -> Row:
    """Measure one workload on the systems named."""
    cells = {system: Cell("measured") for system in systems}
    expected = expected_results(workload)
    with contextlib.ExitStack() as stack:
        ready: dict[str, Worker] = {}
        for system in systems:
            if reason := workload.cannot.get(system):
                cells[system] = Cell("cannot", reason)
                continue
            process = stack.enter_context(worker(workload, system, settings))
            if prepare(workload, process, cells[system], expected, settings):
                ready[system] = process
        take_turns(ready, cells, settings, workload.pause)
    if workload.memory and settings.memory:
        for system in ready:
            if cells[system].status == "measured":
                measure_memory(workload, system, cells[system], settings)
    for system in systems:
        if cells[system].status == "error":
            cells[system].timings.clear()
    return Row(
        name=workload.name,
        title=workload.title,
        group=workload.group,
        cells=cells,
        lines=workload.lines,
        parameters={"size": workload.size, **workload.static},
    )


def known_systems(names: Sequence[str]) -> list[str]:
    """The systems asked for, in the order of the table; all of them where none is named."""
    unknown = sorted(set(names) - set(SYSTEMS))
    if unknown:
        raise SystemExit(f"unknown system {', '.join(unknown)}; known: {', '.join(SYSTEMS)}")
    return [name for name in SYSTEMS if not names or name in names]
