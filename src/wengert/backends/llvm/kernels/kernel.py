"""One kernel of a schedule as one function: its nests, its arguments, the memory it needs.

The function is ``void kernel(inputs…, constants…, outputs…, workspace)``, all pointers; arrays lie
in C order, scalars in slots of their dtype.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ....ir.equation import Equation, Literal, Variable
from ....ir.wengert_list import WengertList
from ..writer import Module
from .build import Constants
from .emit import NestWriter
from .nest import NestBuilder, Root
from .nodes import Buffer, Scope
from .reductions import Reduction
from .rules import is_written_out, reduces

# Scratch up to this many bytes lies on the stack.
_STACK = 16384
_ALIGNMENT = 64


class KernelCode:
    """What a caller must know of a kernel's function.

    Attributes
    ----------
    name : str
    constants : list of ndarray
        Arrays that it reads besides its operands, passed after them.
    workspace : int
        Bytes of scratch memory that it needs, passed last.
    """

    __slots__ = ("constants", "name", "workspace")

    def __init__(
        self, name: str, constants: Sequence[np.ndarray[Any, Any]], workspace: int
    ) -> None:
        self.name = name
        self.constants = list(constants)
        self.workspace = workspace


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
            self.workspace += -(-count // _ALIGNMENT) * _ALIGNMENT
        return buffer


def space_of(equation: Equation, variable: Variable) -> tuple[int, ...]:
    """Return the index space that a result runs over: for a reduction, that of its operand."""
    if reduces(equation) and not is_written_out(equation):
        return equation.operands[0].aval.shape
    return variable.aval.shape


def define_kernel(module: Module, name: str, kernel: WengertList) -> KernelCode:
    """Add the function of a kernel to a module.

    Parameters
    ----------
    kernel : WengertList
        Of equations that fuse (see `wengert.passes.fuse`): its inputs are operands, its outputs
        are stored, everything else is computed where it is needed.
    """
    memory = _Memory()
    constants = Constants()
    producers = {
        variable: equation for equation in kernel.equations for variable in equation.outputs
    }
    buffers = {
        variable: Buffer(f"input{i}", variable.aval.dtype, variable.aval.size)
        for i, variable in enumerate(kernel.inputs)
    }
    scopes = _nests(kernel, producers, buffers, constants, memory)
    arguments = [f"ptr noalias nocapture readonly %input{i}" for i in range(len(kernel.inputs))]
    arguments += [
        f"ptr noalias nocapture readonly %constant{i}" for i in range(len(constants.arrays))
    ]
    arguments += [f"ptr noalias nocapture %output{i}" for i in range(len(kernel.outputs))]
    arguments.append("ptr noalias nocapture %workspace")
    function = module.function(
        name, "void", *arguments, attributes='nounwind "prefer-vector-width"="512"'
    )
    pointers = {
        argument: f"%{argument}"
        for argument in (
            *(f"input{i}" for i in range(len(kernel.inputs))),
            *(f"constant{i}" for i in range(len(constants.arrays))),
            *(f"output{i}" for i in range(len(kernel.outputs))),
        )
    }
    for buffer, place in memory.scratch:
        if place is None:
            size = max(1, buffer.size) * buffer.dtype.itemsize
            pointers[buffer.name] = function.slot(size, _ALIGNMENT)
        else:
            pointers[buffer.name] = function.value(
                f"getelementptr inbounds i8, ptr %workspace, i64 {place}"
            )
    writer = NestWriter(function, pointers)
    for scope in scopes:
        writer.scope(scope)
    function.line("ret void")
    return KernelCode(name, constants.arrays, memory.workspace)


def _nests(
    kernel: WengertList,
    producers: dict[Variable, Equation],
    buffers: dict[Variable, Buffer],
    constants: Constants,
    memory: _Memory,
) -> list[Scope]:
    """Return one nest for each space, in order."""
    spaces: dict[tuple[int, ...], list[Root]] = {}
    for i, operand in enumerate(kernel.outputs):
        assert not isinstance(operand, Literal)
        equation = producers[operand]
        buffer = Buffer(f"output{i}", operand.aval.dtype, operand.aval.size)
        reduction = None
        if reduces(equation) and not is_written_out(equation):
            reduction = Reduction(equation)
        root = Root(operand, buffer, reduction)
        spaces.setdefault(space_of(equation, operand), []).append(root)
    return [
        NestBuilder(space, roots, producers, buffers, constants, memory.take).nest()
        for space, roots in spaces.items()
    ]
