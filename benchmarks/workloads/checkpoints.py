"""Memory of the gradient of a long loop: all steps kept, or those of a checkpointed scan."""

from __future__ import annotations

import importlib
import math
from typing import Any

import numpy as np

from benchmarks.model import Workload

LENGTH = 20_000
STEPS = 400
RATE = 0.001


def relaxation(x: Any, *, steps: int, checkpoint: Any) -> Any:
    """Sum of an array after so many steps towards zero, written as a plain loop."""
    for _ in range(steps):
        x = x - RATE * np.sin(x)
    return np.sum(x)


def relaxation_by_hand(x: Any, *, steps: int, checkpoint: Any) -> Any:
    slope = np.ones_like(x)
    for _ in range(steps):
        slope = slope * (1 - RATE * np.cos(x))
        x = x - RATE * np.sin(x)
    return slope


def relaxation_scan(x: Any, *, steps: int, checkpoint: Any) -> Any:
    """The same with wengert's scan, which keeps what `checkpoint` says."""
    from wengert import scan

    step = lambda y, _: (y - RATE * np.sin(y), None)  # noqa: E731
    return np.sum(scan(step, x, None, steps, checkpoint=checkpoint)[0])


def relaxation_jax(x: Any, *, steps: int, checkpoint: Any) -> Any:
    """The same with jax's scan; checkpointed, in about √n parts of √n steps that run again."""
    jax = importlib.import_module("jax")

    def step(y: Any, _: Any) -> Any:
        return y - RATE * np.sin(y), None

    if checkpoint is None:
        return np.sum(jax.lax.scan(step, x, None, length=steps)[0])
    part = math.isqrt(steps)

    @jax.checkpoint
    def several(y: Any, _: Any) -> Any:
        return jax.lax.scan(step, y, None, length=part)[0], None

    return np.sum(jax.lax.scan(several, x, None, length=steps // part)[0])


def one_array(size: int) -> tuple[Any]:
    return (np.random.default_rng(8).standard_normal(size),)


NO_PLACEMENT = "left out: no scan that places checkpoints"

WORKLOADS = tuple(
    Workload(
        name=f"memory-{name}",
        title=f"{STEPS} steps of an array of {LENGTH:,}, {kept}",
        function=relaxation,
        inputs=one_array,
        by_hand=relaxation_by_hand,
        size=LENGTH,
        tiny=4,
        static={"steps": STEPS, "checkpoint": checkpoint},
        tiny_static={"steps": 9, "checkpoint": checkpoint},
        time_value=False,
        time_by_hand=False,
        memory=True,
        tolerance=1e-9,
        respelled={
            "wengert": relaxation_scan,
            "wengert-jit": relaxation_scan,
            "jax-jit": relaxation_jax,
        },
        cannot={
            "jax": "left out: a call takes seconds",
            **(dict.fromkeys(("autograd", "torch"), NO_PLACEMENT) if checkpoint else {}),
            **({"jax-jit": NO_PLACEMENT} if checkpoint == "log" else {}),
        },
    )
    for name, checkpoint, kept in (
        ("plain", None, "all of them kept"),
        ("sqrt", "sqrt", "√(2 n) of them kept"),
        ("log", "log", "log₄ n of them kept"),
    )
)
