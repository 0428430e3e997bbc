"""The rivals side by side: error, evaluations, operations, time and memory of each method.

What each method is stands in `methods`; here they are run, measured and shown.
"""

from __future__ import annotations

import functools
import statistics
import time
import tracemalloc
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ArgumentError, WengertError
from ..symbolic.derivatives import derivative as symbolic_derivative
from ..transforms.arguments import check_callable, positional_names
from ..transforms.derivatives import grad
from ..transforms.staged import trace
from .methods import METHODS, Function, Method, Prepared, operation_count, precise_derivative
from .rendering import Section, section_markdown, section_text, sections_html, short

# Beyond this many variables the reference covers this many entries only.
_CHECKED = 16


@dataclass(frozen=True)
class MethodResult:
    """What one method did.

    Attributes
    ----------
    name : str
    derivative : number or array, or None
        None where the method cannot be used; ``note`` says why.
    error : float or None
        The largest deviation from the reference, divided by the larger of 1 and the largest entry.
    evaluations : int or None
        Calls of the function.
    operations : int or None
        Elementary operations, an array counting by its entries.
    size : int or None
        Operations in the expression that a symbolic derivative is.
    prepare_seconds, seconds : float
        Once, before the first call; and for one call (median of the repeats).
    peak_bytes : int
        The most memory that Python and NumPy held during a call above what they held before.
    note : str
    """

    name: str
    derivative: Any = None
    error: float | None = None
    evaluations: int | None = None
    operations: int | None = None
    size: int | None = None
    prepare_seconds: float = 0.0
    seconds: float = 0.0
    peak_bytes: int = 0
    note: str = ""


@dataclass(frozen=True)
class StepErrors:
    """The error of a difference formula by its step; one array each."""

    name: str
    steps: np.ndarray[Any, Any]
    errors: np.ndarray[Any, Any]


class Comparison:
    """Methods side by side; prints as a table, ``plot()`` draws what was measured.

    Attributes
    ----------
    results : tuple of MethodResult
    reference : str
        What the errors are measured against.
    steps : tuple of StepErrors
        Errors against step sizes, for the entry of the derivative that is largest.
    scaling : dict
        For each number of variables asked for, a `MethodResult` by the name of the method.
    swell : list of tuple
        For each depth asked for: ``(depth, operations of the symbolic derivative, operations of
        reverse mode)``.
    """

    def __init__(
        self,
        results: Sequence[MethodResult],
        reference: str,
        steps: Sequence[StepErrors],
        scaling: dict[int, dict[str, MethodResult]],
        swell: list[tuple[int, int, int]],
    ) -> None:
        self.results = tuple(results)
        self.reference = reference
        self.steps = tuple(steps)
        self.scaling = scaling
        self.swell = swell

    def __getitem__(self, name: str) -> MethodResult:
        """Return the result of a method by its name."""
        for result in self.results:
            if result.name == name:
                return result
        raise KeyError(f"no method {name!r}; there are {', '.join(r.name for r in self.results)}")

    def __str__(self) -> str:
        return "\n\n".join(map(section_text, self._sections()))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return sections_html(self._sections())

    def to_markdown(self) -> str:
        """Return the tables in Markdown."""
        return "\n\n".join(map(section_markdown, self._sections()))

    def plot(self) -> Any:
        """Draw error against step size, and cost and swell where they were asked for.

        Returns
        -------
        matplotlib.figure.Figure
            ``savefig`` writes it to a file.
        """
        from .comparison_plot import plot

        return plot(self)

    def _sections(self) -> list[Section]:
        heads = ("method", "derivative", "error", "evaluations", "operations", "size", "time")
        rows: list[tuple[str, ...] | str] = []
        for result in self.results:
            if result.derivative is None:
                rows.append(f"{result.name}: {result.note}")
                continue
            shown = short(result.derivative)
            rows.append(
                (
                    result.name,
                    shown if len(shown) <= 40 else f"[{np.size(result.derivative)}]",
                    _error(result.error),
                    _count(result.evaluations),
                    _count(result.operations),
                    _count(result.size),
                    _duration(result.seconds),
                    _memory(result.peak_bytes),
                )
            )
        tables = [Section(f"Errors against {self.reference}", (*heads, "memory"), rows)]
        if self.scaling:
            tables += [
                self._scaling_section("Time of one derivative", lambda r: _duration(r.seconds)),
                self._scaling_section(
                    "Operations of one derivative", lambda r: _count(r.operations)
                ),
                self._scaling_section("Error", lambda r: _error(r.error)),
            ]
        if self.swell:
            tables.append(
                Section(
                    "Operations of the derivative by the depth of the program",
                    ("depth", "symbolic", "reverse mode"),
                    [(str(depth), str(a), str(b)) for depth, a, b in self.swell],
                )
            )
        return tables

    def _scaling_section(self, what: str, cell: Callable[[MethodResult], str]) -> Section:
        names = [method.name for method in METHODS]
        rows: list[tuple[str, ...] | str] = [
            (
                str(n),
                *("—" if row[name].derivative is None else cell(row[name]) for name in names),
            )
            for n, row in self.scaling.items()
        ]
        return Section(f"{what} by the number of variables", ("variables", *names), rows)


def _error(error: float | None) -> str:
    return "—" if error is None else f"{error:.1e}"


def _count(number: int | None) -> str:
    return "—" if number is None else f"{number:,}"


def _duration(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def _memory(size: int) -> str:
    for unit, factor in (("MB", 10**6), ("kB", 10**3)):
        if size >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size} B"


# ------------------------------------------------------------------ measuring


def compare_methods(
    fun: Function,
    x: Any,
    *,
    sizes: Iterable[int] = (),
    family: Callable[[int], Function] | None = None,
    depths: Iterable[int] = (),
    repeats: int = 5,
    progress: Callable[[str], None] | None = None,
) -> Comparison:
    """Run every way to a derivative on one function, and measure each.

    Differences (forward, central, complex-step, Richardson), the symbolic derivative, forward mode,
    reverse mode, and reverse mode compiled. Errors are measured against a central difference in
    arithmetic of 50 digits where the function runs on mpmath's numbers.

    Parameters
    ----------
    fun : callable
        Takes one number or one array, returns one number.
    x : float or array of floats
        The point.
    sizes : iterable of int
        Measure all methods again with `x` resized (`numpy.resize`) to these numbers of variables.
    family, depths : callable and iterable of int
        ``family(n)`` is the function of depth n; count the operations of its derivative, symbolic
        and by reverse mode, at each depth.
    repeats : int
        Calls that are timed; their median counts.
    progress : callable, optional
        Called with what is measured next, before it is.

    Returns
    -------
    Comparison
        Prints as a table; ``results``, ``steps``, ``scaling`` and ``swell`` are the numbers,
        ``plot()`` the pictures (matplotlib).

    Raises
    ------
    ArgumentError
        The point is not a number or array of floats, or sizes were given for a number.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> found = wg.compare_methods(lambda x: np.log(1 + x**2) / x, 1.0)
    >>> found["reverse mode"].error < 1e-15
    True
    >>> found["forward difference"].evaluations
    2
    """
    check_callable(fun, "compare_methods")
    if isinstance(x, int) and not isinstance(x, bool):
        x = float(x)
    if not isinstance(x, (float, np.ndarray, np.floating)) or np.asarray(x).dtype.kind != "f":
        raise ArgumentError(
            f"compare_methods wants a float or an array of floats as the point, got {x!r:.60}"
        )
    needed = positional_names(fun, required=True)
    if len(needed) > 1:
        bound = ", ".join([needed[0], *("…" for _ in needed[1:])])
        raise ArgumentError(
            f"compare_methods takes a function of one number or array, got one of "
            f"{', '.join(needed)}. Bind the others, lambda {needed[0]}: f({bound}), or take one "
            "array: lambda v: f(*v)."
        )
    sizes = tuple(sizes)
    if sizes and not np.ndim(x):
        raise ArgumentError("sizes are numbers of variables; give x as an array")
    entries = _entries(x)
    say = progress if progress is not None else _silent
    say("the reference")
    reference, exact = _reference(fun, x, entries)
    results = []
    for method in METHODS:
        say(method.name)
        results.append(_measure(method, fun, x, entries, exact, repeats))
    largest = max(range(len(entries)), key=lambda i: abs(exact[i]))
    scaling = {}
    for n in sizes:
        say(f"{n} variables")
        scaling[n] = _at_size(fun, np.resize(x, n), repeats)
    say("errors by step")
    swell = [] if family is None else _swell(family, depths, x)
    steps = _step_errors(fun, x, entries[largest], exact[largest])
    return Comparison(results, reference, steps, scaling, swell)


def _silent(text: str) -> None:
    """Say nothing."""


def _entries(x: Any) -> list[tuple[int, ...]]:
    """Return the indices that are compared: all, or some spread over a large array."""
    indices = list(np.ndindex(np.shape(x)))
    if len(indices) <= _CHECKED:
        return indices
    places = np.linspace(0, len(indices) - 1, _CHECKED).astype(int)
    return [indices[place] for place in places]


def _reference(fun: Function, x: Any, entries: list[tuple[int, ...]]) -> tuple[str, list[float]]:
    try:
        found = [precise_derivative(fun, x, entry) for entry in entries]
    except WengertError as error:
        reverse = grad(fun)(x)
        reason = f"reverse mode (in 50 digits it does not run: {_first_line(error)})"
        return reason, [float(np.asarray(reverse)[entry]) for entry in entries]
    checked = "" if len(entries) == np.size(x) else f", at {len(entries)} of {np.size(x)} entries"
    return f"a difference of 50 digits{checked}", found


def _first_line(error: Exception) -> str:
    return str(error).split("\n")[0]


class _Counter:
    """A function that counts its calls, and has the name of the one that it calls."""

    def __init__(self, function: Function) -> None:
        functools.update_wrapper(self, function, updated=())
        self.function = function
        self.calls = 0

    def __repr__(self) -> str:
        return str(getattr(self.function, "__name__", self.function))

    def __call__(self, x: Any) -> Any:
        self.calls += 1
        return self.function(x)


def _measure(
    method: Method,
    fun: Function,
    x: Any,
    entries: list[tuple[int, ...]],
    exact: list[float],
    repeats: int,
) -> MethodResult:
    counter = _Counter(fun)
    start = time.perf_counter()
    try:
        prepared = method.prepare(counter, x)
        prepare_seconds = time.perf_counter() - start
        counter.calls = 0
        found = prepared.derivative(x)
    except (WengertError, TypeError, ValueError) as error:
        return MethodResult(method.name, note=_first_line(error))
    calls = counter.calls
    scale = max(1.0, max(abs(value) for value in exact))
    array = np.asarray(found)
    error_found = max(
        abs(float(array[entry]) - value) for entry, value in zip(entries, exact, strict=True)
    )
    return MethodResult(
        method.name,
        found,
        error_found / scale,
        calls,
        prepared.operations,
        prepared.size,
        prepare_seconds,
        _seconds(prepared, x, repeats),
        _peak(prepared, x),
    )


def _seconds(prepared: Prepared, x: Any, repeats: int) -> float:
    taken = []
    for _ in range(max(1, repeats)):
        start = time.perf_counter()
        prepared.derivative(x)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def _peak(prepared: Prepared, x: Any) -> int:
    started = not tracemalloc.is_tracing()
    if started:
        tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        prepared.derivative(x)
        return max(0, tracemalloc.get_traced_memory()[1] - before)
    finally:
        if started:
            tracemalloc.stop()


def _at_size(fun: Function, x: Any, repeats: int) -> dict[str, MethodResult]:
    entries = _entries(x)
    _, exact = _reference(fun, x, entries)
    return {method.name: _measure(method, fun, x, entries, exact, repeats) for method in METHODS}


def _swell(
    family: Callable[[int], Function], depths: Iterable[int], x: Any
) -> list[tuple[int, int, int]]:
    rows = []
    for depth in depths:
        function = family(depth)
        formula = symbolic_derivative(function, x)
        reverse = operation_count(trace(grad(function))(x))
        rows.append((depth, formula.operations, reverse))
    return rows


def _step_errors(fun: Function, x: Any, entry: tuple[int, ...], exact: float) -> list[StepErrors]:
    """Measure the error of the difference formulas over all steps that a double has room for."""
    steps = 10.0 ** np.arange(0.0, -16.25, -0.25)

    def at(change: Any) -> Any:
        if not np.ndim(x):
            return fun(x + change)
        moved = np.array(x, dtype=np.result_type(x, type(change)))
        moved[entry] += change
        return fun(moved)

    formulas: dict[str, Callable[[Any], Any]] = {
        "forward difference": lambda h: (at(h) - at(0.0)) / h,
        "central difference": lambda h: (at(h) - at(-h)) / (2 * h),
        "complex step": lambda h: np.imag(at(1j * h)) / h,
    }
    scale = max(abs(exact), np.finfo(float).tiny)
    found = []
    for name, formula in formulas.items():
        try:
            with np.errstate(all="ignore"):
                errors = [abs(float(formula(h)) - exact) / scale for h in steps]
        except (WengertError, TypeError, ValueError):
            continue
        found.append(StepErrors(name, steps, np.array(errors)))
    return found
