"""Compile very many fresh functions and show how memory grows.

    python tools/compile_many.py --count 100000

Memory is the resident set, read from Linux's /proc.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import wengert as wg


def resident() -> float:
    """Return the resident memory of this process in MiB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def fresh(number: int) -> Callable[..., Any]:
    """Return the compiled gradient of a function that nobody has seen before."""
    factor = float(number % 97) + 0.5

    def function(x: Any) -> Any:
        return factor * x * (1 - x) + np.sin(x)

    return wg.jit(wg.grad(function), compile="now")


def main() -> None:
    """Compile, call twice and let go, again and again."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000)
    count = parser.parse_args().count
    wg.config.cache_dir = "off"
    start = time.perf_counter()
    for number in range(1, count + 1):
        compiled = fresh(number)
        compiled(0.3), compiled(0.4)
        if number % max(1, count // 20) == 0:
            elapsed = time.perf_counter() - start
            print(f"{number:>8} functions {resident():>8.1f} MiB {elapsed:>8.1f} s", flush=True)


if __name__ == "__main__":
    main()
