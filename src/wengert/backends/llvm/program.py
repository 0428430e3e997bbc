"""Compiled programs: a Wengert list as machine code that is called with plain values."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...errors import ArgumentError, GuardFailed
from ...ir.aval import Aval, aval_of
from ...ir.equation import Literal, Operand
from ...ir.wengert_list import WengertList
from . import engine
from .build import ENTRY, Built, build, constants_table
from .cache import object_code
from .entry import Entry, is_available
from .frame import DECLINED, DONE
from .kernels import tiles
from .math import large
from .signature import Items, Leaf, Output, Same
from .threads import PARALLEL, make_available
from .work import work_of

# Entries computed; letting other threads run costs about as much as a hundred.
_LONG = 20_000

_PROTOTYPE = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)


class NativeProgram:
    """A Wengert list as machine code.

    ``native(*leaves)`` takes plain values with the Avals of ``program.inputs`` and returns the
    tuple of outputs. A program declines where Python's numbers would leave the machine's (an
    integer beyond 64 bits, a division by zero that must raise): it is evaluated then.

    Attributes
    ----------
    program : WengertList
    address : int
        Of ``i32 program(i8** inputs, i8** outputs, i8* workspace)``; behind the inputs' addresses
        stands `constants`.
    constants : int
        The address of the table of constants.
    workspace : int
        Bytes of workspace.
    called_back : tuple of str
        Names of the primitives that run through NumPy.
    donations : dict
        From an output's number to that of the input whose memory it is made in.
    is_long : bool
        A run may take more than some microseconds: other threads run meanwhile.
    """

    __slots__ = (
        "_code",
        "_entry",
        "_held",
        "_run",
        "address",
        "called_back",
        "constants",
        "donations",
        "is_long",
        "program",
        "workspace",
    )

    def __init__(self, program: WengertList, built: Built, code: engine.Code) -> None:
        self.program = program
        self._code = code
        self.address = code.addresses[ENTRY]
        table, self.constants = constants_table(built.layout)
        self._held = (table, built.layout.constants, built.layout.objects)
        self.workspace = built.layout.workspace
        self.called_back = built.called_back
        self.donations = dict(built.layout.donations)
        self.is_long = work_of(program) > _LONG
        self._run = _PROTOTYPE(self.address)
        self._entry: Callable[..., Any] | None = None

    def __call__(self, *leaves: Any) -> tuple[Any, ...]:
        call = self._entry
        if call is None:
            call = self._entry = self._make_entry()
        found: tuple[Any, ...] = call(*leaves)
        return found

    def _make_entry(self) -> Callable[..., Any]:
        """Return a builtin that takes the leaves, where the interpreter lets us have one."""
        if self.donations or not is_available():
            return self._run_from_python
        entry = Entry(self._run_from_python, any_errors=True)
        outputs = self.program.outputs
        entry.add(
            self,
            [Leaf(variable.aval) for variable in self.program.inputs],
            Items(tuple, [_made(operand, j) for j, operand in enumerate(outputs)]),
            declined=self._evaluate,
            guarded=_guard_failed,
        )
        return entry.call

    def _run_from_python(self, *leaves: Any) -> tuple[Any, ...]:
        """Run the program on leaves of any memory layout and byte order."""
        program = self.program
        if len(leaves) != len(program.inputs):
            raise ArgumentError(
                f"this program takes {len(program.inputs)} values, {len(leaves)} were given"
            )
        held = [
            _entries(leaf, variable.aval)
            for leaf, variable in zip(leaves, program.inputs, strict=True)
        ]
        results = [_room(operand) for operand in program.outputs]
        for output, given in self.donations.items():
            others = [leaf for number, leaf in enumerate(leaves) if number != given]
            held[given] = results[output] = _taken_over(leaves[given], held[given], others)
        inputs = np.array([*(entry.ctypes.data for entry in held), self.constants], np.uintp)
        outputs = np.array(
            [0 if room is None else room.ctypes.data for room in results] or [0], np.uintp
        )
        workspace = np.empty(self.workspace + 64, np.uint8)
        start = -(-workspace.ctypes.data // 64) * 64
        status = self._run(inputs.ctypes.data, outputs.ctypes.data, start)
        if status == DECLINED:
            return self._evaluate(*leaves)
        if status != DONE:
            _guard_failed(status - 1)
        return tuple(
            _result(operand, room) for operand, room in zip(program.outputs, results, strict=True)
        )

    def _evaluate(self, *leaves: Any) -> tuple[Any, ...]:
        """Evaluate the list, as quietly as machine code computes."""
        with np.errstate(all="ignore"):
            return self.program.evaluate(*leaves)

    def as_text(self, form: str = "llvm") -> str:
        """Return the code as text.

        Parameters
        ----------
        form : {"llvm", "asm"}
            LLVM's intermediate representation, after its passes where they run, or the assembly of
            this processor.
        """
        if form not in ("llvm", "asm"):
            raise ArgumentError(f"as_text takes 'llvm' or 'asm', got {form!r}")
        write = engine.optimised if form == "llvm" else engine.assembly
        return "\n".join(
            write(module.text(), module.level) for module in build(self.program).modules
        )


def _guard_failed(position: int) -> None:
    raise GuardFailed(position)


def _made(operand: Operand, position: int) -> Any:
    if operand.aval.dtype.kind in "biufc":
        return Output(position)
    assert isinstance(operand, Literal)
    return Same(operand.value)


def _entries(leaf: Any, aval: Aval) -> np.ndarray[Any, Any]:
    """Return a leaf as aligned entries in C order, in the byte order that the program expects."""
    found = aval_of(leaf)
    if (found.shape, found.kind) != (aval.shape, aval.kind) or (
        found.dtype.newbyteorder("=") != aval.dtype.newbyteorder("=")
    ):
        raise ArgumentError(f"this program takes {aval} here, {found} was given")
    return np.require(leaf, aval.dtype, ["C", "A"])


def _room(operand: Operand) -> np.ndarray[Any, Any] | None:
    aval = operand.aval
    if aval.dtype.kind not in "biufc":
        return None
    return np.empty(aval.shape, aval.dtype)


def _result(operand: Operand, room: np.ndarray[Any, Any] | None) -> Any:
    if room is None:
        assert isinstance(operand, Literal)
        return operand.value
    kind = operand.aval.kind
    if kind == "array":
        return room
    return room.item() if kind == "python" else room[()]


def _taken_over(leaf: Any, entries: np.ndarray[Any, Any], others: Sequence[Any]) -> Any:
    """Return memory with the entries of a donated array: its own, if it is nobody else's."""
    alone = type(leaf) is np.ndarray and leaf is entries and leaf.base is None
    if alone and leaf.flags.writeable and not any(np.may_share_memory(leaf, o) for o in others):
        return leaf
    return entries.copy()


def compile_program(program: WengertList, donated: frozenset[int] = frozenset()) -> NativeProgram:
    """Return a program as machine code.

    Parameters
    ----------
    program : WengertList
        Any list; equations without native code call back into NumPy.
    donated : frozenset of int
        Inputs whose memory may be used for outputs.

    Returns
    -------
    NativeProgram
    """
    built = build(program, donated)
    if PARALLEL in built.externals:
        make_available()
    for letter in tiles.PRECISIONS:
        if tiles.symbol(letter) in built.externals:
            tiles.make_available(letter)
    large.make_available(built.externals)
    objects = [object_code(module.text(), module.level) for module in built.modules]
    code = engine.link(objects, [ENTRY], built.externals)
    return NativeProgram(program, built, code)
