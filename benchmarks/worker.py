"""A process that measures one system on one workload, on orders from the runner.

One process each, so that no system's thread pool, allocator or warm caches help or hinder another.
Run as `python -m benchmarks.worker`; it is of no use by hand.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import time
import traceback
from itertools import repeat
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.comparison import as_arrays
from benchmarks.environment import limit_cores
from benchmarks.memory import peak_memory
from benchmarks.model import DERIVATIVE, NotAvailable, Operation, Prepared
from benchmarks.systems import SYSTEMS, System
from benchmarks.workloads import WORKLOADS

# A compilation is repeated until this many seconds are spent, at most so many times.
COMPILE_SECONDS = 2.0
COMPILE_REPEATS = 5


class Measurer:
    """The orders a worker understands; each method answers one."""

    def __init__(self, workload: str, system: str) -> None:
        self.workload = WORKLOADS[workload]
        self.system: System = SYSTEMS[system]
        self.prepared = Prepared({})

    def prepare(self) -> dict[str, Any]:
        """Start the system, make the inputs, call each operation once; give back the results."""
        if reason := self.workload.cannot.get(self.system.name):
            raise NotAvailable(reason)
        try:
            importlib.import_module(self.system.package)
        except ModuleNotFoundError as error:
            raise NotAvailable(f"{error.name} is not installed") from error
        begin = time.perf_counter()
        self.system.start()
        start = time.perf_counter() - begin
        inputs = self.workload.inputs(self.workload.size)
        self.prepared = self.system.prepare(self.workload, inputs)
        extras = self.workload.extras.get(self.system.name)
        if extras is not None:
            self.prepared = Prepared(
                {**self.prepared.operations, **extras(*inputs)}, self.prepared.compile
            )
        results, first_calls = {}, {}
        for name, operation in self.prepared.operations.items():
            begin = time.perf_counter()
            result = operation()
            first_calls[name] = time.perf_counter() - begin
            results[name] = as_arrays(result)
        return {"start": start, "first_calls": first_calls, "results": results}

    def compile(self) -> list[float]:
        """Seconds of each compilation of the derivative, from a fresh function."""
        found: list[float] = []
        if self.prepared.compile is None:
            return found
        while len(found) < COMPILE_REPEATS and sum(found) < COMPILE_SECONDS:
            begin = time.perf_counter()
            self.prepared.compile()
            found.append(time.perf_counter() - begin)
        return found

    def calibrate(self, name: str, target: float) -> int:
        """Number of calls that together take about `target` seconds."""
        operation = self.prepared.operations[name]
        calls = 1
        while True:
            seconds = calls * time_calls(operation, calls)[0]
            if seconds >= target or calls >= 10_000_000:
                return calls
            calls = max(calls + 1, min(10 * calls, int(1.1 * target / seconds * calls)))

    def measure(self, name: str, calls: int) -> tuple[float, float]:
        """Seconds of one call by the clock and by the processor, means over `calls` in a row."""
        return time_calls(self.prepared.operations[name], calls)

    def memory(self) -> Any:
        """Peak memory of the derivative, or of the value where there is no derivative."""
        found = self.prepared.operations
        operation = found.get(DERIVATIVE) or next(iter(found.values()))
        return peak_memory(operation, self.system.allocates_through_numpy)


def time_calls(operation: Operation, calls: int) -> tuple[float, float]:
    """Mean seconds of `calls` calls in a row, by the clock and by the processor.

    The collector stays on, because a tape may make work for it, but starts each repeat clean.
    """
    function, arguments = operation.function, operation.arguments
    gc.collect()
    processor = time.process_time()
    begin = time.perf_counter()
    for _ in repeat(None, calls):
        function(*arguments)
    seconds = time.perf_counter() - begin
    return seconds / calls, (time.process_time() - processor) / calls


def serve(connection: Connection, measurer: Measurer) -> None:
    """Answer orders, each a method's name and its arguments, until the runner closes."""
    while True:
        try:
            order, arguments = connection.recv()
        except EOFError:
            return
        try:
            connection.send(("done", getattr(measurer, order)(*arguments)))
        except NotAvailable as reason:
            connection.send(("not available", str(reason)))
        except Exception:
            connection.send(("failed", traceback.format_exc(limit=-6)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workload", required=True)
    parser.add_argument("--system", required=True)
    parser.add_argument("--descriptor", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    options = parser.parse_args()
    limit_cores(options.threads)
    with Connection(options.descriptor) as connection:
        serve(connection, Measurer(options.workload, options.system))


if __name__ == "__main__":
    main()
