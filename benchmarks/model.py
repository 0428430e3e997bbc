"""The plain data of a benchmark run: what a workload is, and what was measured.

Workloads are described with these records; the worker fills results in, the report reads them.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

# Idle threads of a pool spin on after a call and would take a core from the next system's turn.
# Measured by processor time during a sleep: OpenMP 7 ms, OpenBLAS 113 ms.
OPENMP_PAUSE = 0.02
BLAS_PAUSE = 0.15

# Names of operations that more than one module speaks of.
DERIVATIVE = "derivative"
VALUE = "value"

# Names a line may stand against besides a system's own name.
BEST_EAGER_PEER = "best eager peer"
BEST_PEER = "best peer"


class NotAvailable(Exception):
    """A system cannot take part in a workload; the message is printed in its cell."""


@dataclass(frozen=True)
class Line:
    """A bound the project set itself: seconds, or a factor of another system's median.

    `measure` is "run", "value", "first call", "compile" or "gradient ÷ value". `against` may also
    name another operation of the subject.
    """

    limit: float
    against: str | None = None
    subject: str = "wengert"
    measure: str = "run"


@dataclass(frozen=True)
class Operation:
    """A call to be timed: `function(*arguments)` returns when its result is ready."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...] = ()

    def __call__(self) -> Any:
        return self.function(*self.arguments)


@dataclass(frozen=True)
class Prepared:
    """One system's spelling of a workload, with its inputs already in that system's arrays.

    `compile` compiles the derivative afresh on each call, for the systems that compile.
    """

    operations: Mapping[str, Operation]
    compile: Callable[[], Any] | None = None


@dataclass(frozen=True)
class Workload:
    """A plain NumPy function, its inputs, its derivative by hand, and the lines it has to hold.

    The derivative is taken with respect to the first input; the others are data. `function`
    reads NumPy through its module's name `np`, so that a peer runs the same text with its own
    namespace under that name; `respelled` holds the functions of the systems that need another
    text, and `cannot` the reason of a system that cannot take part.

    `c_source` is the derivative written by hand in C, see `benchmarks.workloads.handwritten`.

    `inputs` maps a size to the input tuple (fixed seed) and `static` holds keyword arguments that
    are never traced. `by_hand` gives the exact derivative in NumPy alone: every system's result is
    compared with it before anything is timed. `driver(derivative, *inputs)`, where given, is timed
    in place of one call of the derivative. With `per_example` the data hold examples along their
    first axes, and the derivative is that of each example. `extras` adds operations to one system's
    own. `pause` is the rest between two systems' turns, in seconds.
    """

    name: str
    title: str
    function: Callable[..., Any]
    inputs: Callable[[int], tuple[Any, ...]]
    by_hand: Callable[..., Any]
    size: int
    tiny: int
    group: str = "gradients"
    static: Mapping[str, Any] = field(default_factory=dict)
    tiny_static: Mapping[str, Any] = field(default_factory=dict)
    with_value: bool = False
    respelled: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    cannot: Mapping[str, str] = field(default_factory=dict)
    c_source: str = ""
    driver: Callable[..., Any] | None = None
    per_example: bool = False
    extras: Mapping[str, Callable[..., Mapping[str, Operation]]] = field(default_factory=dict)
    time_value: bool = True
    time_by_hand: bool = True
    memory: bool = False
    pause: float = OPENMP_PAUSE
    tolerance: float = 1e-10
    loose: Mapping[str, float] = field(default_factory=dict)
    lines: tuple[Line, ...] = ()


@dataclass
class Timing:
    """Seconds for one call: each repeat is the mean over `calls` calls made in a row.

    `repeats` are by the clock; `processor` is what the process's threads used in the same repeats.
    """

    first_call: float
    calls: int = 1
    repeats: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.repeats)

    @property
    def least_processor(self) -> float:
        return min(self.processor)

    @property
    def spread(self) -> float:
        return interquartile_range(self.repeats)


@dataclass
class Memory:
    """Peak bytes above the state before the call: resident set, and NumPy's own allocations."""

    resident: int | None = None
    numpy: int | None = None


@dataclass
class Cell:
    """What one system showed on one workload.

    `status` is "measured", "cannot" (by design of the system), "absent" (not installed, or the
    feature is not there) or "error" (a wrong result, an exception, no answer); `note` says why.
    """

    status: str
    note: str = ""
    timings: dict[str, Timing] = field(default_factory=dict)
    compile: list[float] = field(default_factory=list)
    start: float | None = None
    memory: Memory | None = None

    def median(self, operation: str = DERIVATIVE) -> float | None:
        """Median seconds of one operation, or None where it was not timed."""
        timing = self.timings.get(operation)
        return timing.median if timing is not None and timing.repeats else None


@dataclass
class Row:
    """One workload as measured: a cell for each system that was asked for."""

    name: str
    title: str
    group: str
    cells: dict[str, Cell]
    lines: tuple[Line, ...] = ()
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass
class ImportTime:
    """Seconds that `import name` adds to a bare interpreter, one entry a repeat."""

    name: str
    status: str
    note: str = ""
    repeats: list[float] = field(default_factory=list)


def interquartile_range(values: list[float]) -> float:
    """Distance between the quartiles; zero for fewer than two values."""
    if len(values) < 2:
        return 0.0
    lower, _, upper = statistics.quantiles(values, n=4, method="inclusive")
    return upper - lower
