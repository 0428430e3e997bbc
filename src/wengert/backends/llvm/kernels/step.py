"""The step of one kernel in a program: a call of its function with the addresses of its arrays."""

from __future__ import annotations

from collections.abc import Iterator

from ....ir.equation import Literal, Operand, Variable
from ....ir.wengert_list import WengertList
from ....passes.keys import list_key
from ..frame import Frame
from .kernel import define_kernel
from .rules import is_scattered, role_of


def _scattered(kernel: WengertList) -> Iterator[tuple[Variable, Variable]]:
    """Yield the scattered results of a kernel with the arrays that they are written into."""
    for equation in kernel.equations:
        base = equation.operands[0]
        if not is_scattered(equation) or not isinstance(base, Variable):
            continue
        if not base.aval.shape:  # what has no axes is passed by value: it takes no memory over
            continue
        if sum(other.operands.count(base) for other in kernel.equations) == 1:
            yield equation.outputs[0], base


class KernelStep:
    """The step of one kernel of a schedule."""

    __slots__ = ("_known_kinds", "kernel", "reads", "reuses", "writes")

    numbers_only = False
    scratch = 0  # reserved when the kernel is made, which is when it is known

    def __init__(self, kernel: WengertList) -> None:
        self.kernel = kernel
        self._known_kinds: set[str | None] | None = None
        self.reads: tuple[Operand, ...] = kernel.inputs
        self.writes = tuple(v for v in kernel.outputs if isinstance(v, Variable))
        # What is written in place, if the memory it starts from is not needed any more.
        self.reuses = tuple(_scattered(kernel))

    @property
    def may_leave(self) -> bool:
        """Whether an index that the program computed may be out of bounds."""
        return not self._kinds() <= {"elementwise", "view", "reduction"}

    @property
    def overwrites(self) -> tuple[tuple[Variable, Variable], ...]:
        """What may be written over a read array: all is computed entry by entry, at one place.

        An entry is read once, before what is made of it is stored. One that goes into another
        result only could be read after its place was overwritten.
        """
        shapes = {variable.aval.shape for variable in self.writes}
        if self._kinds() != {"elementwise"} or len(shapes) > 1:
            return ()
        read = {variable: {variable} for variable in self.kernel.inputs}
        for equation in self.kernel.equations:
            found: set[Variable] = set()
            for operand in equation.operands:
                if isinstance(operand, Variable):
                    found |= read[operand]
            read.update((variable, found) for variable in equation.outputs)
        return tuple(
            (made, taken)
            for made in self.writes
            for taken in self.kernel.inputs
            if made.aval.shape == taken.aval.shape
            and made.aval.dtype == taken.aval.dtype
            and (
                taken in read[made]
                or not any(taken in read[other] for other in self.writes if other is not made)
            )
        )

    def _kinds(self) -> set[str | None]:
        if self._known_kinds is None:
            roles = [role_of(equation) for equation in self.kernel.equations]
            self._known_kinds = {None if role is None else role.kind for role in roles}
        return self._known_kinds

    def emit(self, frame: Frame) -> None:
        kernel = self.kernel
        shares = bool(frame.layout.taken_over)
        in_place = {
            self.writes.index(made): kernel.inputs.index(taken)
            for made, taken in (*self.reuses, *(self.overwrites if shares else ()))
            if frame.layout.shares(made, taken)
        }
        # Programs that repeat themselves have one function for kernels that are alike.
        key = (list_key(kernel), tuple(in_place.items()))
        code = frame.shared.kernels.get(key)
        if code is None:
            code = define_kernel(frame.loops, frame.shared.name("kernel"), kernel, in_place)
            frame.shared.kernels[key] = code
        taken_over = set(in_place.values())
        pointers = [
            frame.pointer(variable)
            for i, variable in enumerate(kernel.inputs)
            if i not in taken_over
        ]
        pointers += [frame.pointer(Literal(array)) for array in code.constants]
        targets = [frame.target(variable) for variable in self.writes]
        workspace = frame.scratch(code.workspace) if code.workspace else "%workspace"
        arguments = [*pointers, *targets, workspace]
        called = frame.module.declare(code.name, "i32", *["ptr"] * len(arguments))
        listed = ", ".join(f"ptr {argument}" for argument in arguments)
        status = frame.function.value(f"call i32 {called}({listed})")
        if code.can_leave:
            frame.leave_unless_done(status)
        for variable, pointer in zip(self.writes, targets, strict=True):
            frame.arrived(variable, pointer)
