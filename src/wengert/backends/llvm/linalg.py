"""Factorisations by the loops of ``numpy.linalg``: its values to the last bit, not its calls.

The compiled loops behind ``np.linalg.solve`` and its kin are called by address on the program's
memory. They compute in double precision and set the processor's flag of invalid operations where a
matrix is singular, or an iteration does not converge: NumPy itself is called then, and raises.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...ir.equation import Equation, Operand, Variable
from .callback import write_call_back
from .frame import DECLINED, EquationStep, Frame
from .layout import bytes_of
from .library import loop_signature, loop_symbol
from .matrices import convert, copy_triangle, is_complex
from .values import float_text

# FE_INVALID, where LLVM's targets that NumPy has wheels for agree.
_INVALID = 1

# Larger matrices gain nothing: NumPy is called, which says where memory does not suffice.
_MOST_BYTES = 2**22

_DOUBLE = {"f": "d", "F": "D"}


class _Argument(NamedTuple):
    """An argument of a loop: its type in NumPy's letters, its core shape, how many there are."""

    letter: str
    core: tuple[int, ...]
    batch: int

    @property
    def core_bytes(self) -> int:
        return math.prod(self.core) * np.dtype(self.letter).itemsize


class _Loop(NamedTuple):
    """A call of one of NumPy's loops."""

    name: str
    arguments: tuple[_Argument, ...]
    inputs: int
    batch: int
    sizes: tuple[int, ...]


class Plan(NamedTuple):
    """How an equation is carried out: what comes out in which loop, and what is made of it."""

    loops: tuple[_Loop, ...]
    finish: str | None = None


# ------------------------------------------------------------------ plans


def _find_loop(
    name: str, inputs: Sequence[tuple[str, tuple[int, ...]]], known: dict[str, int] | None = None
) -> _Loop | None:
    """Return the call of a loop on inputs of NumPy's letters and shapes.

    Sizes that its signature gives to results alone are taken from `known`.
    """
    letters = "".join(letter for letter, _ in inputs)
    signature = loop_signature(name, letters)
    if signature is None:
        return None
    given, made, outputs = signature
    sizes = dict(known or {})
    batches = []
    for (_, shape), core in zip(inputs, given, strict=True):
        split = len(shape) - len(core)
        if split < 0:
            return None
        batches.append(shape[:split])
        for key, size in zip(core, shape[split:], strict=True):
            if sizes.setdefault(key, size) != size:
                return None
    batch = np.broadcast_shapes(*batches)
    count = math.prod(batch)
    if any(own != batch and math.prod(own) != 1 for own in batches):
        return None
    arguments = [
        _Argument(letter, tuple(sizes[key] for key in core), math.prod(own))
        for letter, core, own in zip(letters, given, batches, strict=True)
    ]
    order = dict.fromkeys(key for core in (*given, *made) for key in core)
    try:
        arguments += [
            _Argument(letter, tuple(sizes[key] for key in core), count)
            for letter, core in zip(outputs, made, strict=True)
        ]
        dimensions = tuple(sizes[key] for key in order)
    except KeyError:
        return None
    if not count or any(not math.prod(a.core) or a.core_bytes > _MOST_BYTES for a in arguments):
        return None
    return _Loop(name, tuple(arguments), len(inputs), count, dimensions)


def _one(name: str, **known: int) -> Callable[..., Plan | None]:
    """Return the plan of an equation whose operands and results are those of a loop."""

    def plan(*inputs: tuple[str, tuple[int, ...]], finish: str | None = None) -> Plan | None:
        loop = _find_loop(name, inputs, known)
        return None if loop is None else Plan((loop,), finish)

    return plan


_Input = tuple[str, tuple[int, ...]]


def _solve(a: _Input, b: _Input) -> Plan | None:
    return _one("solve1" if len(b[1]) == 1 else "solve")(a, b)


def _cholesky(a: _Input, *, upper: bool) -> Plan | None:
    return _one("cholesky_up" if upper else "cholesky_lo")(a)


def _eigh(a: _Input, *, UPLO: str, watched: bool) -> Plan | None:
    return _one("eigh_lo" if UPLO == "L" else "eigh_up")(a)


def _eigvalsh(a: _Input, *, UPLO: str) -> Plan | None:
    return _one("eigvalsh_lo" if UPLO == "L" else "eigvalsh_up")(a)


def _eig(a: _Input, *, watched: bool) -> Plan | None:
    return _one("eig")(a, finish="complex")


def _eigvals(a: _Input) -> Plan | None:
    return _one("eigvals")(a, finish="complex")


def _fewest(a: _Input) -> int:
    return min(a[1][-2:])


def _svd(a: _Input, *, full_matrices: bool, hermitian: bool, watched: bool) -> Plan | None:
    if hermitian:
        return None
    return _one("svd_f" if full_matrices else "svd_s", p=_fewest(a))(a)


def _svdvals(a: _Input, *, hermitian: bool) -> Plan | None:
    return None if hermitian else _one("svd", p=_fewest(a))(a)


def _qr(a: _Input, *, mode: str) -> Plan | None:
    letter, shape = a
    fewest = _fewest(a)
    if mode == "complete" and shape[-2] > fewest:
        return None
    raw = _find_loop("qr_r_raw", (a,), {"p": fewest})
    vectors = _find_loop("qr_reduced", (a, (letter, (*shape[:-2], fewest))))
    return None if raw is None or vectors is None else Plan((raw, vectors), "triangle")


def _lstsq(a: _Input, b: _Input, *, rcond: Any) -> Plan | None:
    columns = b if len(b[1]) == 2 else (b[0], (*b[1], 1))
    loop = _find_loop("lstsq", (a, columns, ("d", ())), {"p": _fewest(a)})
    return None if loop is None else Plan((loop,), "rank")


_PLANS: dict[str, Callable[..., Plan | None]] = {
    "solve": _solve,
    "inv": _one("inv"),
    "cholesky": _cholesky,
    "det": _one("det"),
    "slogdet": _one("slogdet"),
    "eigh": _eigh,
    "eigvalsh": _eigvalsh,
    "eig": _eig,
    "eigvals": _eigvals,
    "svd": _svd,
    "svdvals": _svdvals,
    "qr": _qr,
    "lstsq": _lstsq,
}

# NumPy does not ask whether these went wrong: a determinant may be 0.
_NEVER_FAIL = frozenset({"det", "slogdet"})


def plan_factorisation(equation: Equation) -> Plan | None:
    """Return how an equation is carried out by NumPy's loops, None if it cannot be."""
    function = _PLANS.get(equation.primitive.name)
    if function is None:
        return None
    letters = {operand.aval.dtype.char for operand in equation.operands}
    if len(letters) != 1 or not letters <= {"f", "d", "F", "D"}:
        return None
    if not all(operand.aval.dtype.isnative for operand in equation.operands):
        return None
    inputs = [
        (_DOUBLE.get(operand.aval.dtype.char, operand.aval.dtype.char), operand.aval.shape)
        for operand in equation.operands
    ]
    return function(*inputs, **equation.params)


# ------------------------------------------------------------------ code


class FactorisationStep(EquationStep):
    """The step of one equation that a loop of NumPy's carries out."""

    __slots__ = ("plan",)

    def __init__(self, equation: Equation, plan: Plan) -> None:
        super().__init__(equation)
        self.plan = plan

    def emit(self, frame: Frame) -> None:
        frame.settle()
        variables = [operand for operand in self.reads if isinstance(operand, Variable)]
        pointers = {operand: frame.pointer(operand) for operand in self.reads}
        targets = [frame.target(variable) for variable in self.writes]
        checked = self.equation.primitive.name not in _NEVER_FAIL
        given = [_widened(frame, pointers[operand], operand) for operand in self.reads]
        made = [_room(frame, pointer, v) for pointer, v in zip(targets, self.writes, strict=True)]
        if checked:
            _clear_flag(frame)
        refused = self._run(frame, given, made)
        wrong = _flag_is_set(frame) if checked else None
        for variable, pointer, room in zip(self.writes, targets, made, strict=True):
            _narrow(frame, room, pointer, variable)
        function = frame.function
        if wrong is not None:
            failed, done = function.new_label("failed"), function.new_label("factored")
            function.line(f"br i1 {wrong}, label %{failed}, label %{done}")
            function.start(failed)
            again = [pointers[variable] for variable in variables]
            write_call_back(frame, self.equation, again, targets)
            function.line(f"br label %{done}")
            function.start(done)
        if refused is not None:
            frame.leave_if(refused, DECLINED)
        for variable, pointer in zip(self.writes, targets, strict=True):
            frame.arrived(variable, pointer)

    def _run(self, frame: Frame, given: list[str], made: list[str]) -> str | None:
        """Call the loops; return the bit for results whose dtype or shape NumPy would change."""
        loops = self.plan.loops
        match self.plan.finish:
            case "triangle":
                self._run_qr(frame, given[0], made)
            case "rank":
                return self._run_lstsq(frame, given, made)
            case "complex":
                _call(frame, loops[0], [*given, *made])
                return self._all_real(frame, made[0])
            case _:
                _call(frame, loops[0], [*given, *made])
        return None

    def _all_real(self, frame: Frame, values: str) -> str | None:
        """Return the bit for real eigenvalues of real matrices: NumPy's results are real then."""
        loop = self.plan.loops[0]
        if loop.arguments[0].letter == "D":
            return None
        found = is_complex(frame, values, loop.batch * loop.arguments[0].core[0])
        return frame.function.value(f"xor i1 {found}, true")

    def _run_qr(self, frame: Frame, matrix: str, made: list[str]) -> None:
        raw, vectors = self.plan.loops
        whole, reflectors = raw.arguments
        size = whole.core_bytes * raw.batch
        work = frame.scratch(size)  # overwritten by the triangle and the reflectors below it
        frame.copy(work, matrix, size)
        scales = frame.scratch(reflectors.core_bytes * raw.batch)
        _call(frame, raw, [work, scales])
        _call(frame, vectors, [work, scales, made[0]])
        rows, columns = whole.core
        kept = self.writes[1].aval.shape[-2]
        copy_triangle(frame, whole.letter, work, made[1], (raw.batch, rows, kept, columns))

    def _run_lstsq(self, frame: Frame, given: list[str], made: list[str]) -> str | None:
        """Return the bit for a rank below that of the columns: there are no residuals then."""
        (loop,) = self.plan.loops
        rows, columns = loop.arguments[0].core
        rcond = self.equation.params["rcond"]
        tolerance = np.finfo(np.float64).eps * max(rows, columns) if rcond is None else rcond
        function = frame.function
        small = function.slot(8)
        function.line(f"store double {float_text(float(tolerance), False)}, ptr {small}")
        solution, residuals, rank, values = made
        if not self.writes[1].aval.size:
            residuals = frame.scratch(loop.arguments[4].core_bytes)
        _call(frame, loop, [*given, small, solution, residuals, rank, values])
        if rows <= columns:
            return None
        found = function.value(f"load i32, ptr {rank}")
        return function.value(f"icmp ne i32 {found}, {columns}")


def _call(frame: Frame, loop: _Loop, pointers: Sequence[str]) -> None:
    """Call a loop; it moves the addresses in its table."""
    outer = [
        0 if argument.batch < loop.batch else argument.core_bytes for argument in loop.arguments
    ]
    inner = []
    for argument in loop.arguments:
        stride = argument.core_bytes
        for size in argument.core:
            stride //= size
            inner.append(stride)
    letters = "".join(argument.letter for argument in loop.arguments[: loop.inputs])
    called = frame.module.declare(loop_symbol(loop.name, letters), "void", *["ptr"] * 4)
    dimensions = _words(frame, (loop.batch, *loop.sizes))
    steps = _words(frame, (*outer, *inner))
    table = frame.table(pointers)
    frame.function.line(f"call void {called}(ptr {table}, ptr {dimensions}, ptr {steps}, ptr null)")


def _words(frame: Frame, numbers: Sequence[int]) -> str:
    """Return the address of constant words."""
    name = "words." + ".".join(map(str, numbers))
    listed = ", ".join(f"i64 {number}" for number in numbers)
    kind = f"[{len(numbers)} x i64]"
    return frame.module.define(name, f'@"{name}" = private unnamed_addr constant {kind} [{listed}]')


def _widened(frame: Frame, pointer: str, operand: Operand) -> str:
    """Return the address of an operand in double precision."""
    aval = operand.aval
    if aval.dtype.char not in _DOUBLE:
        return pointer
    room = frame.scratch(2 * bytes_of(aval))
    convert(frame, "widen", pointer, room, bytes_of(aval) // 4)
    return room


def _room(frame: Frame, pointer: str, variable: Variable) -> str:
    """Return where a result is made: in its place, or in double precision elsewhere."""
    if variable.aval.dtype.char not in _DOUBLE:
        return pointer
    return frame.scratch(2 * bytes_of(variable.aval))


def _narrow(frame: Frame, room: str, pointer: str, variable: Variable) -> None:
    if room != pointer:
        convert(frame, "narrow", room, pointer, bytes_of(variable.aval) // 4)


def _clear_flag(frame: Frame) -> None:
    called = frame.module.declare("feclearexcept", "i32", "i32")
    frame.function.value(f"call i32 {called}(i32 {_INVALID})")


def _flag_is_set(frame: Frame) -> str:
    called = frame.module.declare("fetestexcept", "i32", "i32")
    found = frame.function.value(f"call i32 {called}(i32 {_INVALID})")
    return frame.function.value(f"icmp ne i32 {found}, 0")
