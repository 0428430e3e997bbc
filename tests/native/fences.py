"""Native programs run on fenced memory: a read or write beyond a buffer ends the process at once.

Every input, output, constant and the workspace is followed (or preceded) by a page that nobody may
touch, and what no program has written yet holds a pattern.
"""

from __future__ import annotations

import ctypes
import mmap
from typing import Any

import numpy as np

from wengert.backends.llvm.frame import DONE

PAGE = mmap.PAGESIZE

_protect = ctypes.CDLL(None, use_errno=True).mprotect
_protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


class Fenced:
    """Memory of `size` bytes between two pages without access.

    Parameters
    ----------
    at_end : bool
        The memory ends where the second page starts (up to `alignment`), else it begins where the
        first one ends.
    """

    def __init__(self, size: int, pattern: int, *, at_end: bool, alignment: int = 1) -> None:
        pages = max(1, -(-size // PAGE))
        self._map = mmap.mmap(-1, (pages + 2) * PAGE)
        anchor = ctypes.c_char.from_buffer(self._map)
        self._base = ctypes.addressof(anchor)
        del anchor
        first = self._base + PAGE
        last = first + pages * PAGE
        ctypes.memset(first, pattern, pages * PAGE)
        rounded = -(-size // alignment) * alignment
        self.address = last - rounded if at_end else first
        self._fences = (self._base, last)
        for fence in self._fences:
            assert _protect(fence, PAGE, 0) == 0

    def close(self) -> None:
        for fence in self._fences:
            _protect(fence, PAGE, mmap.PROT_READ | mmap.PROT_WRITE)
        self._map.close()


def run_fenced(
    native: Any, leaves: Any, *, pattern: int, at_end: bool
) -> tuple[int, list[bytes | None]]:
    """Run a program on fenced memory; return its status and the bytes of its outputs."""
    program = native.program
    opened: list[Fenced] = []

    def place(data: bytes | None, size: int, alignment: int) -> int:
        made = Fenced(size, pattern, at_end=at_end, alignment=alignment)
        opened.append(made)
        if data is not None:
            ctypes.memmove(made.address, data, size)
        return made.address

    def place_array(value: Any, dtype: np.dtype[Any]) -> int:
        array = np.require(value, dtype, ["C"])
        return place(array.tobytes(), array.nbytes, max(1, dtype.alignment))

    inputs = [
        place_array(leaf, variable.aval.dtype)
        for leaf, variable in zip(leaves, program.inputs, strict=True)
    ]
    _, constants, objects = native._held
    table = [*(id(held) for held in reversed(objects))]
    table += [place_array(held, held.dtype) for held in constants]
    words = np.array([*table, 0], np.uintp)
    inputs.append(words.ctypes.data + 8 * len(objects))
    sizes = [
        operand.aval.size * operand.aval.dtype.itemsize if operand.aval.dtype.kind in "biufc" else 0
        for operand in program.outputs
    ]
    outputs = [
        place(None, size, max(1, operand.aval.dtype.alignment))
        for size, operand in zip(sizes, program.outputs, strict=True)
    ]
    workspace = place(None, native.workspace, 64)
    given = np.array(inputs, np.uintp)
    taken = np.array([*outputs, 0], np.uintp)
    status = native._run(given.ctypes.data, taken.ctypes.data, workspace)
    found = [
        ctypes.string_at(address, size) if status == DONE else None
        for address, size in zip(outputs, sizes, strict=True)
    ]
    for made in opened:
        made.close()
    return status, found


def same_on_fenced_memory(native: Any, leaves: Any) -> None:
    """Assert that nothing is touched beyond a buffer, nor read before it is written.

    A fence on either side, and two patterns in memory: the results may not depend on them.
    """
    first = run_fenced(native, leaves, pattern=0x00, at_end=True)
    second = run_fenced(native, leaves, pattern=0xFF, at_end=False)
    assert first == second, "results depend on memory that was not written"
