"""What a gradient costs as the number of variables grows, by reverse mode, forward mode and
differences: the first a constant factor of the function, the others a factor that grows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.model import Operation, Workload
from benchmarks.workloads.vector import logarithm_sum, logarithm_sum_gradient, positive_inputs

SIZES = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000)
# Above this many variables one gradient by n evaluations takes too long to repeat.
LARGEST_COLUMNWISE = 1_000
STEP = 1e-7


def by_differences(x: Any) -> Any:
    """Forward differences: n + 1 evaluations."""
    base = logarithm_sum(x)
    gradient = np.empty_like(x)
    for i in range(x.size):
        moved = x.copy()
        moved[i] += STEP
        gradient[i] = (logarithm_sum(moved) - base) / STEP
    return gradient


def by_forward_mode(x: Any) -> Any:
    """Forward mode: one directional derivative for each variable."""
    from wengert import jvp

    gradient = np.empty_like(x)
    direction = np.zeros_like(x)
    for i in range(x.size):
        direction[i] = 1.0
        gradient[i] = jvp(logarithm_sum, (x,), (direction,))[1]
        direction[i] = 0.0
    return gradient


def difference_operation(x: Any) -> Mapping[str, Operation]:
    return {"differences": Operation(by_differences, (x,))}


def forward_operation(x: Any) -> Mapping[str, Operation]:
    return {"forward": Operation(by_forward_mode, (x,))}


WORKLOADS = tuple(
    Workload(
        name=f"cost-{size}",
        title=f"Σ log(1+x²)/x, n = {size:,}",
        function=logarithm_sum,
        inputs=positive_inputs,
        by_hand=logarithm_sum_gradient,
        size=size,
        tiny=3,
        group="cost",
        cannot=dict.fromkeys(
            ("wengert-jit", "autograd", "torch", "jax", "jax-jit"), "left out of this table"
        ),
        extras=(
            {"wengert": forward_operation, "numpy": difference_operation}
            if size <= LARGEST_COLUMNWISE
            else {}
        ),
        # A difference of sums of n terms of order one, divided by the step.
        loose={"differences": 1e-15 * size / STEP * 100},
    )
    for size in SIZES
)
