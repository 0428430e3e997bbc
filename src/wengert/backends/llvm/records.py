"""Records: several values one after the other in memory, as loops keep them once an iteration."""

from __future__ import annotations

from collections.abc import Sequence

from ...ir.aval import Aval
from ...passes.memory import ALIGNMENT, rounded
from .frame import Frame
from .layout import bytes_of, in_register


class Record:
    """Where each value lies, and how large all of it is.

    Attributes
    ----------
    avals : sequence of Aval
    offsets : list of int
    size : int
        In bytes; such records may follow one another.
    """

    def __init__(self, avals: Sequence[Aval]) -> None:
        self.avals = avals
        self.offsets: list[int] = []
        self.size = 0
        for aval in avals:
            room = 8 if in_register(aval) and bytes_of(aval) <= 8 else ALIGNMENT
            self.size = -(-self.size // room) * room
            self.offsets.append(self.size)
            self.size += max(8, bytes_of(aval))
        self.size = self.size if all(map(in_register, avals)) else rounded(self.size)


def zeroed(frame: Frame, place: str, aval: Aval) -> None:
    """Write zeros to a place."""
    called = frame.module.declare("llvm.memset.p0.i64", "void", "ptr", "i8", "i64", "i1")
    frame.function.line(f"call void {called}(ptr {place}, i8 0, i64 {bytes_of(aval)}, i1 false)")
