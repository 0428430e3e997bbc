"""Peak memory of one call, above what the process held before it.

The resident set counts every allocator; `tracemalloc` counts NumPy's arrays to the byte, for the
systems that allocate through NumPy.
"""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.model import Memory

# glibc returns every block above this at once. Where it keeps blocks, as while timing, a peak that
# fits into what the warm-up call left behind would read as zero.
ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}

PROCESS = Path("/proc/self")


def peak_memory(call: Callable[[], Any], through_numpy: bool) -> Memory:
    """Peak bytes of `call`, which has to have run once before."""
    return Memory(resident=resident_peak(call), numpy=numpy_peak(call) if through_numpy else None)


def numpy_peak(call: Callable[[], Any]) -> int:
    """Peak of Python's and NumPy's allocations during `call`, in bytes."""
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        call()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak - before


def resident_peak(call: Callable[[], Any]) -> int | None:
    """Peak growth of the resident set during `call`, in bytes; None where the system has no way
    to reset the peak.
    """
    gc.collect()
    try:
        # Linux: this resets the high-water mark to the present size.
        (PROCESS / "clear_refs").write_text("5", encoding="ascii")
        before = status_bytes("VmRSS")
    except OSError:
        return None
    call()
    return max(0, status_bytes("VmHWM") - before)


def status_bytes(field: str) -> int:
    """One size from the process's status page, in bytes."""
    for line in (PROCESS / "status").read_text(encoding="ascii").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"no {field} in the status page")
