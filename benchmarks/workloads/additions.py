"""A chain of additions of arrays: its derivative needs none of them, so a tape must keep none."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.model import Workload

LENGTH = 100_000
COUNTS = (10, 100, 1_000)


def additions(x: Any, c: Any, *, count: int) -> Any:
    """Add the same array `count` times, then sum."""
    y = x
    for _ in range(count):
        y = y + c
    return np.sum(y)


def additions_by_hand(x: Any, c: Any, *, count: int) -> Any:
    return np.ones_like(x)


def two_arrays(size: int) -> tuple[Any, Any]:
    generator = np.random.default_rng(5)
    return generator.standard_normal(size), generator.standard_normal(size)


WORKLOADS = tuple(
    Workload(
        name=f"additions-{count}",
        title=f"{count:,} additions of arrays of {LENGTH:,}",
        function=additions,
        inputs=two_arrays,
        by_hand=additions_by_hand,
        size=LENGTH,
        tiny=4,
        group="additions",
        static={"count": count},
        tiny_static={"count": 3},
        time_by_hand=False,
        memory=True,
    )
    for count in COUNTS
)
