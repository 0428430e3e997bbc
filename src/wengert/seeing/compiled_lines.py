"""What `jit` makes of a function, by source line: which lines end in one kernel, which call NumPy.

The function is recorded by `jit` itself, with the line of each operation noted; the backend then
says how it would arrange the program. Nothing is compiled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..higher.guarding import GuardingTrace
from ..higher.jit import Jitted
from ..ir.equation import Equation, Operand, Variable
from ..ir.primitive import Primitive
from ..tracing.callsite import outside_frame

Line = tuple[str, int]

# The line whose derivative is being pulled back: it is what causes the operations meanwhile.
pulling: ContextVar[Line | None] = ContextVar("pulling", default=None)


class Origin(NamedTuple):
    """Where an operation comes from: a line of the function, or the way back through it."""

    line: Line
    backward: bool


@dataclass(frozen=True)
class CompiledPart:
    """Operations that run as one in compiled code.

    Attributes
    ----------
    kind : str
        ``"kernel"``: one loop nest; ``"product"``: a product of matrices by compiled code of ours;
        ``"BLAS"``: one by the library that SciPy brings; ``"NumPy"``: a call back into NumPy;
        ``"numbers"``: machine code without a loop; ``"loop"``, ``"branch"``, ``"guard"``,
        ``"call"`` and the like.
    operations : dict
        How often each primitive is in it.
    forward, backward : tuple of int
        The source lines that it computes, and those whose derivatives it computes.
    shape : tuple of int
        Of its largest result, or of what a kernel reduces.
    stored_bytes : int
        Memory of the results that it stores.
    """

    kind: str
    operations: dict[str, int]
    forward: tuple[int, ...]
    backward: tuple[int, ...]
    shape: tuple[int, ...]
    stored_bytes: int


@dataclass(frozen=True)
class Compiled:
    """What `jit` makes of a gradient.

    Attributes
    ----------
    parts : tuple of CompiledPart
        In the order in which they run.
    recorded, operations : int
        Operations as recorded, and what the passes leave of them.
    workspace : int
        Bytes for results between the parts, arrays that follow each other sharing memory.
    note : str
        Why nothing is compiled; empty where something is.
    lines : dict
        For each line, as ``(file, line)``, the positions of its parts.
    """

    parts: tuple[CompiledPart, ...] = ()
    recorded: int = 0
    operations: int = 0
    workspace: int = 0
    note: str = ""
    lines: dict[Line, tuple[int, ...]] | None = None

    def count(self, kind: str) -> int:
        """Return the number of parts of a kind."""
        return sum(part.kind == kind for part in self.parts)


class _NotingTrace(GuardingTrace):
    """A trace of `jit` that notes the source line of each operation."""

    __slots__ = ("origins",)

    def __init__(self, description: Callable[..., Any] | str, values: Sequence[Any]) -> None:
        super().__init__(description, values)
        self.origins: dict[Variable, Origin] = {}

    def pair(self, primitive: Primitive, x: Any, y: Any) -> Any:
        """Take the way that notes."""
        return self.process(primitive, [x, y], {})

    def process(self, primitive: Primitive, args: list[Any], params: dict[str, Any]) -> Any:
        """Record an operation and note where it comes from."""
        before = len(self.equations)
        found = super().process(primitive, args, params)
        line = pulling.get()
        origin = None if line is None else Origin(line, True)
        if origin is None and (frame := outside_frame()) is not None:
            origin = Origin((frame.f_code.co_filename, frame.f_lineno), False)
        if origin is not None:
            for equation in self.equations[before:]:
                self.origins.update(dict.fromkeys(equation.outputs, origin))
        return found


class _NotingJit(Jitted):
    """A compiled function that remembers its recording."""

    def __init__(self, fun: Callable[..., Any]) -> None:
        super().__init__(fun, (), (), "auto", ())
        self.trace: _NotingTrace | None = None

    def tracing(self, fun: Callable[..., Any], values: Sequence[Any]) -> GuardingTrace:
        """Return the trace that records the function."""
        self.trace = _NotingTrace(fun, values)
        return self.trace


def compiled_lines(
    gradient: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Compiled:
    """Return what `jit` makes of a function, which runs once for that."""
    from ..backends.llvm.summary import summarise  # with the backend, at first need

    jitted = _NotingJit(gradient)
    jitted(*args, **kwargs)
    known = next(iter(jitted.known.values()), None)
    if known is None or not known.paths:
        reason = None if known is None else known.eager
        return Compiled(note=reason or "its arguments are not plain numbers and arrays", lines={})
    executable = known.paths[0].executable
    trace = jitted.trace
    assert trace is not None
    parts, workspace = summarise(executable.program)
    origins = _completed(trace.origins, [equation for part in parts for equation in part.equations])
    made = []
    lines: dict[Line, list[int]] = {}
    for number, (kind, equations, writes) in enumerate(parts):
        variables = [*(v for e in equations for v in e.outputs), *writes]
        found = {origins[v] for v in variables if v in origins}
        for origin in found:
            numbers = lines.setdefault(origin.line, [])
            if number not in numbers:
                numbers.append(number)
        made.append(
            CompiledPart(
                kind,
                dict(Counter(equation.primitive.name for equation in equations)),
                _numbers(found, backward=False),
                _numbers(found, backward=True),
                max((o.aval.shape for o in _spaces(kind, equations, writes)), key=_size),
                sum(v.aval.size * v.aval.dtype.itemsize for v in writes if v.aval.shape),
            )
        )
    return Compiled(
        tuple(made),
        len(executable.staged),
        len(executable.program),
        workspace,
        lines={line: tuple(numbers) for line, numbers in lines.items()},
    )


def _completed(
    known: dict[Variable, Origin], equations: Sequence[Equation]
) -> dict[Variable, Origin]:
    """Add origins to what the passes made anew: those of what reads it."""
    found = dict(known)
    for equation in reversed(equations):
        origin = next((found[v] for v in equation.outputs if v in found), None)
        if origin is None:
            continue
        for operand in equation.operands:
            if isinstance(operand, Variable):
                found.setdefault(operand, origin)
    return found


def _spaces(
    kind: str, equations: Sequence[Equation], writes: Sequence[Variable]
) -> Iterable[Operand | Variable]:
    """Return what the size of a part is read off: a reduction runs over what it reads."""
    yield from writes
    for equation in equations:
        yield from equation.outputs
        if kind != "NumPy":
            yield from equation.operands[:1]


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for extent in shape:
        size *= extent
    return size


def _numbers(origins: Iterable[Origin], *, backward: bool) -> tuple[int, ...]:
    return tuple(sorted({o.line[1] for o in origins if o.backward == backward}))
