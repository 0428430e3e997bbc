"""Cost by source line: time forward and backward, memory, and what `jit` makes of the line.

The function runs under reverse mode itself, with each operation and each pull timed.
"""

from __future__ import annotations

import linecache
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..ir.aval import aval_of
from ..ir.primitive import Primitive
from ..tracing.callsite import outside_frame
from ..tracing.core import innermost, raw_of
from ..transforms.arguments import Selection, argument_names, check_callable, immediate
from ..transforms.derivatives import Recording
from ..transforms.reverse import ReverseTrace
from .compiled_lines import Compiled, CompiledPart, Line, compiled_lines, pulling
from .record import varies
from .rendering import Section, section_markdown, section_text, sections_html


@dataclass
class LineCost:
    """What one source line costs.

    Attributes
    ----------
    file, line, source
        Where it is, and its text.
    operations : int
        Elementary operations that it carried out.
    forward, backward : float
        Seconds; forward includes recording.
    result_bytes : int
        Memory of the results of its operations.
    saved_bytes : int
        Memory that the tape keeps for the way back; an array that several operations keep counts
        at the first.
    parts : tuple of int
        The positions in ``Profile.compiled.parts`` of what `jit` makes of it.
    """

    file: str
    line: int
    operations: int = 0
    forward: float = 0.0
    backward: float = 0.0
    result_bytes: int = 0
    saved_bytes: int = 0
    parts: tuple[int, ...] = ()

    @property
    def source(self) -> str:
        """The text of the line."""
        return linecache.getline(self.file, self.line).strip()


class Profile:
    """The cost of a gradient by source line; prints as a table.

    Attributes
    ----------
    lines : tuple of LineCost
        The most expensive first.
    seconds : float
        The whole, with all that is not an operation.
    peak_bytes : int
        The most memory that Python and NumPy held above what they held before (a second run).
    gradient : tree
    compiled : Compiled
        What `jit` makes of the gradient: which lines end in one kernel, which call NumPy.
    """

    def __init__(
        self,
        lines: list[LineCost],
        seconds: float,
        peak_bytes: int,
        gradient: Any,
        compiled: Compiled,
    ) -> None:
        self.lines = tuple(sorted(lines, key=lambda cost: -(cost.forward + cost.backward)))
        self.seconds = seconds
        self.peak_bytes = peak_bytes
        self.gradient = gradient
        self.compiled = compiled

    def __str__(self) -> str:
        return "\n\n".join(map(section_text, self._sections()))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return sections_html(self._sections())

    def to_markdown(self) -> str:
        """Return the tables in Markdown."""
        return "\n\n".join(map(section_markdown, self._sections()))

    def _sections(self) -> list[Section]:
        if self.compiled.note:
            return [self._lines_section()]
        return [self._lines_section(), _compiled_section(self.compiled)]

    def _lines_section(self) -> Section:
        heads = ("line", "operations", "forward", "backward", "results", "saved", "jit", "source")
        rows: list[tuple[str, ...] | str] = [
            (
                str(cost.line),
                f"{cost.operations:,}",
                f"{cost.forward * 1e3:.3f} ms",
                f"{cost.backward * 1e3:.3f} ms",
                _bytes(cost.result_bytes),
                _bytes(cost.saved_bytes),
                _named(self.compiled, cost.parts),
                cost.source,
            )
            for cost in self.lines
        ]
        saved = sum(cost.saved_bytes for cost in self.lines)
        caption = (
            f"gradient in {self.seconds * 1e3:.3g} ms; the tape keeps {_bytes(saved)}, "
            f"peak {_bytes(self.peak_bytes)}"
        )
        if self.compiled.note:
            caption += f"; jit compiles nothing: {self.compiled.note}"
        return Section(caption, heads, rows)


# What has a table row of its own; the rest is summed up.
_SHOWN_PARTS = 60


def _named(compiled: Compiled, numbers: tuple[int, ...]) -> str:
    """Return parts as a row names them: ``kernel 1, 2; NumPy 3``."""
    by_kind: dict[str, list[str]] = {}
    for number in numbers:
        by_kind.setdefault(compiled.parts[number].kind, []).append(str(number + 1))
    texts = []
    for kind, found in by_kind.items():
        shown = found if len(found) <= 4 else [*found[:2], "…", found[-1]]
        texts.append(f"{kind} {', '.join(shown)}")
    return "; ".join(texts)


def _compiled_section(compiled: Compiled) -> Section:
    heads = ("part", "lines", "operations", "over", "stored", "what")
    rows: list[tuple[str, ...] | str] = [
        (
            f"{part.kind} {number}",
            _line_numbers(part),
            str(sum(part.operations.values()) or ""),
            "×".join(map(str, part.shape)),
            _bytes(part.stored_bytes) if part.stored_bytes else "",
            _counted(part.operations),
        )
        for number, part in enumerate(compiled.parts[:_SHOWN_PARTS], start=1)
    ]
    if len(compiled.parts) > _SHOWN_PARTS:
        rows.append(f"⋮ {len(compiled.parts) - _SHOWN_PARTS} more parts")
    kinds = Counter(part.kind for part in compiled.parts)
    counted = ", ".join(f"{count} × {kind}" for kind, count in kinds.items())
    caption = (
        f"what jit makes of it: {counted}; {compiled.operations} of {compiled.recorded} "
        f"operations are left, {_bytes(compiled.workspace)} between the parts"
    )
    return Section(caption, heads, rows)


def _line_numbers(part: CompiledPart) -> str:
    """Return the lines of a part, those on the way back behind an arrow: ``3, 4 ← 4``."""
    forward = ", ".join(map(str, part.forward))
    backward = ", ".join(map(str, part.backward))
    return f"{forward} ← {backward}".strip() if backward else forward


def _counted(operations: dict[str, int]) -> str:
    shown = [f"{count} {name}" if count > 1 else name for name, count in operations.items()]
    return ", ".join(shown if len(shown) <= 8 else [*shown[:7], "…"])


def _bytes(count: int) -> str:
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= factor:
            return f"{count / factor:.3g} {unit}"
    return f"{count} B"


# ------------------------------------------------------------------ the trace


class ProfilingTrace(ReverseTrace):
    """Reverse mode with each operation and each pull timed and noted by source line."""

    __slots__ = ("costs", "seen")

    def __init__(self, *args: Any, **keywords: Any) -> None:
        super().__init__(*args, **keywords)
        self.scalar_rows = None  # the operators' short way goes past `process`
        self.costs: dict[Line, LineCost] = {}
        self.seen: set[int] = set()

    def pair(self, primitive: Primitive, x: Any, y: Any) -> Any:
        """Record like `process`: the short way would not be noted."""
        return self.process(primitive, [x, y], {})

    def process(self, primitive: Primitive, args: list[Any], params: dict[str, Any]) -> Any:
        """Record an operation, and note what it took."""
        rows = len(self.rows)
        start = time.perf_counter()
        result = super().process(primitive, args, params)
        taken = time.perf_counter() - start
        cost = self._cost()
        cost.operations += 1
        cost.forward += taken
        for entry in result if primitive.multiple else (result,):
            plain = innermost(raw_of(entry))
            if type(plain) is np.ndarray:
                cost.result_bytes += plain.nbytes
        for position in range(rows, len(self.rows)):
            pull, inputs, residuals = self.rows[position]
            cost.saved_bytes += self._size(residuals)
            self.rows[position] = (_timed(pull, cost), inputs, residuals)
        return result

    def _cost(self) -> LineCost:
        frame = outside_frame()
        key = ("", 0) if frame is None else (frame.f_code.co_filename, frame.f_lineno)
        found = self.costs.get(key)
        if found is None:
            found = self.costs[key] = LineCost(*key)
        return found

    def _size(self, residual: Any) -> int:
        if type(residual) is tuple or type(residual) is list:
            return sum(self._size(entry) for entry in residual)
        plain = innermost(residual)
        if type(plain) is not np.ndarray or id(plain) in self.seen:
            return 0
        self.seen.add(id(plain))
        return plain.nbytes


def _timed(pull: Callable[..., Any], cost: LineCost) -> Callable[..., Any]:
    """Return a pull that notes its time; its variants for masks and owned memory too."""

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(cotangent: Any, residuals: Any) -> Any:
            pulling.set((cost.file, cost.line))
            start = time.perf_counter()
            found = function(cotangent, residuals)
            cost.backward += time.perf_counter() - start
            return found

        return call

    made = timed(pull)
    for name in ("masked", "owned", "writes"):
        if hasattr(pull, name):
            variant = getattr(pull, name)
            setattr(made, name, timed(variant) if callable(variant) else variant)
    return made


class _ProfiledRecording(Recording):
    __slots__ = ()
    kind = ProfilingTrace


@immediate
def profile(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Profile:
    """Measure what each source line of a function costs in a gradient.

    Parameters
    ----------
    fun : callable
        Returns one real number.
    *args, **kwargs : trees
        The point; the gradient is taken by every argument that consists of floats.

    Returns
    -------
    Profile
        ``lines``, the most expensive first: operations, time forward and backward, memory of
        results and of what the tape keeps. Timing each operation costs about a microsecond itself.
        ``compiled`` says what `jit` would make of the gradient: the kernels, with the lines that
        end in each, and what calls back into NumPy. For that the function is recorded once more.

    Raises
    ------
    ArgumentError
        No argument consists of floats, or the result is not one real number.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> def loss(w, x):
    ...     hidden = np.tanh(x @ w)
    ...     return np.sum(hidden**2)
    >>> found = wg.profile(loss, np.ones((30, 20)), np.ones((50, 30)))
    >>> sum(line.operations for line in found.lines)
    4
    >>> sum(line.saved_bytes for line in found.lines) > 0
    True
    >>> [part.kind for part in found.compiled.parts]
    ['BLAS', 'kernel', 'BLAS', 'BLAS']
    """
    check_callable(fun, "profile")
    entries: dict[int | str, Any] = dict(enumerate(args))
    entries.update(kwargs)
    chosen = tuple(entry for entry, value in entries.items() if varies(value))
    if not chosen:
        names = ", ".join(argument_names(fun, len(args)))
        raise ArgumentError(f"none of the arguments ({names}) consists of floats")
    selection = Selection(fun, chosen)
    start = time.perf_counter()
    gradient, trace = _run(fun, args, kwargs, selection)
    seconds = time.perf_counter() - start
    tracing = tracemalloc.is_tracing()
    if not tracing:
        tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        _run(fun, args, kwargs, selection)
        peak = max(0, tracemalloc.get_traced_memory()[1] - before)
    finally:
        if not tracing:
            tracemalloc.stop()
    compiled = compiled_lines(_gradient(fun, selection), args, kwargs)
    assert compiled.lines is not None
    for line, cost in trace.costs.items():
        cost.parts = compiled.lines.get(line, ())
    return Profile(list(trace.costs.values()), seconds, peak, gradient, compiled)


def _gradient(fun: Callable[..., Any], selection: Selection) -> Callable[..., Any]:
    """Return the gradient as a function that `jit` can record."""

    def gradient(*args: Any, **kwargs: Any) -> Any:
        return _run(fun, args, kwargs, selection)[0]

    return gradient


def _run(
    fun: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], selection: Selection
) -> tuple[Any, ProfilingTrace]:
    recording = _ProfiledRecording(fun, args, kwargs, selection)
    try:
        aval = aval_of(recording.outputs[0][0]) if recording.outputs else None
        if len(recording.outputs) != 1 or aval is None or aval.size != 1 or aval.is_complex:
            raise ArgumentError(
                f"profile needs a function that returns one real number, it returned {aval}"
            )
        seed = 1.0 if aval.kind == "python" else np.ones(aval.shape, aval.dtype)[()]
        token = pulling.set(None)
        try:
            gradients = recording.pull_back([seed], consume=True)
        finally:
            pulling.reset(token)
    finally:
        recording.trace.release()
    return selection.pack(gradients), recording.trace
