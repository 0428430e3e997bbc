"""The step of one kernel in a program: a call of its function with the addresses of its arrays."""

from __future__ import annotations

from ....ir.equation import Literal, Operand, Variable
from ....ir.wengert_list import WengertList
from ..frame import Frame
from .kernel import define_kernel


class KernelStep:
    """The step of one kernel of a schedule."""

    __slots__ = ("kernel", "reads", "writes")

    numbers_only = False
    scratch = 0  # reserved when the kernel is made, which is when it is known

    def __init__(self, kernel: WengertList) -> None:
        self.kernel = kernel
        self.reads: tuple[Operand, ...] = kernel.inputs
        self.writes = tuple(v for v in kernel.outputs if isinstance(v, Variable))

    def emit(self, frame: Frame) -> None:
        name = f"kernel{len(frame.loops.functions)}"
        code = define_kernel(frame.loops, name, self.kernel)
        pointers = [frame.pointer(variable) for variable in self.kernel.inputs]
        pointers += [frame.pointer(Literal(array)) for array in code.constants]
        targets = [frame.target(variable) for variable in self.writes]
        workspace = frame.scratch(code.workspace) if code.workspace else "%workspace"
        arguments = [*pointers, *targets, workspace]
        called = frame.module.declare(name, "void", *["ptr"] * len(arguments))
        listed = ", ".join(f"ptr {argument}" for argument in arguments)
        frame.function.line(f"call void {called}({listed})")
        for variable, pointer in zip(self.writes, targets, strict=True):
            frame.arrived(variable, pointer)
