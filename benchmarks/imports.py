"""What `import X` adds to the start of a bare interpreter, by wall clock, in fresh processes."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence

from benchmarks.environment import child_environment
from benchmarks.model import ImportTime
from benchmarks.runner import ROOT

NAME = "import-time"
MODULES = ("numpy", "wengert", "autograd", "jax", "torch")


def run_interpreter(code: str, environment: dict[str, str]) -> tuple[float, str]:
    """Seconds of one interpreter running `code`, and its last line of complaint if it failed."""
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - begin
    complaint = done.stderr.strip().splitlines()[-1:] if done.returncode else []
    return seconds, "".join(complaint) or ("failed" if done.returncode else "")


def measure_imports(
    repeats: int, threads: int, modules: Sequence[str] = MODULES
) -> list[ImportTime]:
    """Time the imports in turn; each repeat subtracts the bare interpreter of its own round."""
    environment = child_environment(threads)
    found = {name: ImportTime(name, "measured") for name in modules}
    for entry in found.values():
        # The first import writes byte code and fills the page cache; it is not counted.
        _, complaint = run_interpreter(f"import {entry.name}", environment)
        if complaint:
            missing = complaint.startswith("ModuleNotFoundError")
            entry.status, entry.note = ("absent" if missing else "error"), complaint
    for _ in range(repeats):
        bare, _ = run_interpreter("pass", environment)
        for entry in found.values():
            if entry.status == "measured":
                seconds, _ = run_interpreter(f"import {entry.name}", environment)
                entry.repeats.append(seconds - bare)
    return list(found.values())
