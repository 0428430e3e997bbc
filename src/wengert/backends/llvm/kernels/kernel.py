"""One kernel of a schedule as one function: its nests, its arguments, the memory it needs.

The function is ``i32 kernel(inputs…, constants…, outputs…, workspace)``, all pointers; arrays lie
in C order, scalars in slots of their dtype. It returns a status.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ....ir.equation import Equation, Operand, Variable
from ....ir.wengert_list import WengertList
from ....passes.memory import ALIGNMENT, rounded
from ....passes.uniform import uniform_number
from ..frame import DECLINED, DONE
from ..values import load
from ..writer import Module
from .build import Constants
from .divide import divided
from .emit import NestWriter
from .indexing import written_shape
from .nest import NestBuilder, Root
from .nodes import Buffer, Combine, Copy, Fill, Loop, Node, Scope
from .reductions import is_reduction, is_written_out
from .rules import is_scattered
from .sequential import RUNNING

# Scratch up to this many bytes lies on the stack.
_STACK = 16384


class KernelCode:
    """What a caller must know of a kernel's function.

    Attributes
    ----------
    name : str
    constants : list of ndarray
        Arrays that it reads besides its operands, passed after them.
    workspace : int
        Bytes of scratch memory that it needs, passed last.
    can_leave : bool
        Whether its status may be other than 0.
    """

    __slots__ = ("can_leave", "constants", "name", "workspace")

    def __init__(
        self,
        name: str,
        constants: Sequence[np.ndarray[Any, Any]],
        workspace: int,
        can_leave: bool,
    ) -> None:
        self.name = name
        self.constants = list(constants)
        self.workspace = workspace
        self.can_leave = can_leave


class _Memory:
    """The buffers of a kernel, and where they are."""

    def __init__(self) -> None:
        self.scratch: list[tuple[Buffer, int | None]] = []
        self.workspace = 0

    def take(self, dtype: np.dtype[Any], size: int) -> Buffer:
        buffer = Buffer(f"scratch{len(self.scratch)}", dtype, size)
        count = size * dtype.itemsize
        if count <= _STACK:
            self.scratch.append((buffer, None))
        else:
            self.scratch.append((buffer, self.workspace))
            self.workspace += rounded(count)
        return buffer


def kind_of(equation: Equation) -> str:
    """Return in which way a result of a kernel is made, see `Root`."""
    name = equation.primitive.name
    if is_reduction(equation) and not is_written_out(equation):
        return "reduction"
    if name in RUNNING:
        return "running"
    return "scatter" if is_scattered(equation) else "each"


def space_of(equation: Equation, variable: Variable, kind: str) -> tuple[int, ...]:
    """Return the index space that a result runs over."""
    if kind == "reduction":
        return equation.operands[0].aval.shape
    if kind == "scatter":
        return written_shape(equation)
    return variable.aval.shape


def define_kernel(
    module: Module, name: str, kernel: WengertList, in_place: Mapping[int, int] | None = None
) -> KernelCode:
    """Add the function of a kernel to a module.

    Parameters
    ----------
    kernel : WengertList
        Of equations that fuse (see `wengert.passes.fuse`): its inputs are operands, its outputs
        are stored, everything else is computed where it is needed.
    in_place : mapping, optional
        From the number of a scattered output to that of the input whose memory it takes over.
    """
    return _Kernel(kernel, in_place or {}).define(module, name)


class _Kernel:
    def __init__(self, kernel: WengertList, in_place: Mapping[int, int]) -> None:
        self.kernel = kernel
        self.in_place = in_place
        self.memory = _Memory()
        self.constants = Constants()
        self.outside = Buffer("outside", np.dtype(bool), 1)
        self.producers = {
            variable: equation for equation in kernel.equations for variable in equation.outputs
        }
        self.buffers = {
            variable: Buffer(f"input{i}", variable.aval.dtype, variable.aval.size)
            for i, variable in enumerate(kernel.inputs)
        }
        for output, given in in_place.items():
            aval = kernel.inputs[given].aval
            self.buffers[kernel.inputs[given]] = Buffer(f"output{output}", aval.dtype, aval.size)

    def define(self, module: Module, name: str) -> KernelCode:
        scopes, can_leave = self._nests()
        taken = set(self.in_place.values())
        read = [f"input{i}" for i in range(len(self.kernel.inputs)) if i not in taken]
        read += [f"constant{i}" for i in range(len(self.constants.arrays))]
        written = [f"output{i}" for i in range(len(self.kernel.outputs))]
        arguments = [f"ptr noalias nocapture readonly %{argument}" for argument in read]
        arguments += [f"ptr noalias nocapture %{argument}" for argument in written]
        arguments.append("ptr noalias nocapture %workspace")
        function = module.function(
            name, "i32", *arguments, attributes='nounwind "prefer-vector-width"="512"'
        )
        pointers = {argument: f"%{argument}" for argument in (*read, *written)}
        for buffer, place in self.memory.scratch:
            if place is None:
                size = max(1, buffer.size) * buffer.dtype.itemsize
                pointers[buffer.name] = function.slot(size, ALIGNMENT)
            else:
                pointers[buffer.name] = function.value(
                    f"getelementptr inbounds i8, ptr %workspace, i64 {place}"
                )
        if can_leave:
            pointers["outside"] = function.slot(1)
            function.line(f"store i8 0, ptr {pointers['outside']}")
        writer = NestWriter(function, pointers)
        count = 0
        for scope in scopes:
            before: list[Node] = []
            for item in scope.items:
                if isinstance(item, Loop) and divided(writer, item, before, f"{name}.{count}"):
                    count += 1
                    continue
                writer.item(item)
                if isinstance(item, Node) and not isinstance(item, Combine):
                    before.append(item)
        status = str(DONE)
        if can_leave:
            flag = load(function, self.outside.dtype, pointers["outside"])
            status = function.value(f"select i1 {flag.text}, i32 {DECLINED}, i32 {DONE}")
        function.line(f"ret i32 {status}")
        return KernelCode(name, self.constants.arrays, self.memory.workspace, can_leave)

    def _nests(self) -> tuple[list[Scope], bool]:
        """Return the nests in order, one for each space, and whether one of them may decline."""
        spaces: dict[tuple[tuple[int, ...], int | None], list[Root]] = {}
        scopes: list[Scope] = []
        for i, operand in enumerate(self.kernel.outputs):
            assert isinstance(operand, Variable)
            equation = self.producers[operand]
            buffer = Buffer(f"output{i}", operand.aval.dtype, operand.aval.size)
            kind = kind_of(equation)
            root = Root(operand, equation, buffer, kind)
            space = space_of(equation, operand, kind)
            key = (space, i) if kind == "scatter" else (space, root.axis)
            spaces.setdefault(key, []).append(root)
            if kind == "scatter" and i not in self.in_place:
                scopes.append(self._start(buffer, equation.operands[0]))
        can_leave = False
        for key, roots in spaces.items():
            space, _ = key
            build = NestBuilder(
                space,
                roots,
                self.producers,
                self.buffers,
                self.constants,
                self.outside,
                self.memory.take,
            ).nest()
            scopes.append(build.scopes[0])
            can_leave = can_leave or build.can_leave
        return scopes, can_leave

    def _start(self, buffer: Buffer, base: Operand) -> Scope:
        """Return what puts the entries into place that a scattered write starts from."""
        scope = Scope()
        if isinstance(base, Variable):
            scope.items.append(Copy(buffer, self.buffers[base]))
            return scope
        array = np.asarray(base.value)
        number = uniform_number(array)
        if number is not None:
            scope.items.append(Fill(buffer, buffer.size, number))
        else:
            scope.items.append(Copy(buffer, self.constants.add(array)))
        return scope
