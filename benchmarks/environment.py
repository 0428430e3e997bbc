"""What the numbers depend on besides the code: threads, allocator, machine and versions.

Threads and allocator are set through the environment before anything is imported, for all alike.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "WENGERT_NUM_THREADS",
)
# glibc gives large blocks back to the system and faults their pages in again, or keeps them, by a
# threshold that moves with what a process happened to free before: the same NumPy expression on
# 10⁶ numbers took 4.6 ms in one process and 9.7 ms in another. Fixed, every system keeps them.
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "33554432", "MALLOC_TRIM_THRESHOLD_": "4294967296"}
PACKAGES = ("wengert", "numpy", "scipy", "autograd", "jax", "jaxlib", "torch", "llvmlite", "optree")


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def child_environment(threads: int) -> dict[str, str]:
    """Environment of a measuring process: the same threads and the same allocator for every
    system, jax on the CPU with float64.
    """
    environment = dict(os.environ)
    # Bytecode is cached, as after any installation.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    environment.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
    environment.update(ALLOCATOR)
    environment.update(JAX_ENABLE_X64="1", JAX_PLATFORMS="cpu")
    return environment


def limit_cores(threads: int) -> None:
    """Pin this process to `threads` cores where the system can: jax sizes its pool by the cores
    that it sees, and has no variable for it.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def processor() -> str:
    """Model name of the processor."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def vector_extensions() -> str:
    """The widest vector extension that the processor lists, which decides elementwise speed."""
    information = Path("/proc/cpuinfo")
    flags = information.read_text(encoding="utf-8").split() if information.exists() else []
    for flag, name in (("avx512f", "AVX-512"), ("avx2", "AVX2"), ("asimd", "NEON")):
        if flag in flags:
            return name
    return "unknown"


def versions() -> dict[str, str]:
    """Versions of the packages that take part; those not installed are left out."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def describe(threads: int) -> dict[str, Any]:
    """Everything about the machine that a reader of the table needs."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": processor(),
        "vector extensions": vector_extensions(),
        "cores": available_cores(),
        "threads": threads,
        "system": f"{platform.system()} {platform.machine()}",
        "load average at start": round(os.getloadavg()[0], 2),
        "versions": versions(),
    }
