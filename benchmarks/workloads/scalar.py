"""Functions of one or two numbers, where the cost of recording an operation is all there is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.model import BEST_EAGER_PEER, BEST_PEER, Line, Workload
from benchmarks.workloads import handwritten

DESCENT_STEPS = 1000
DESCENT_RATE = 0.001


def logistic_map(x: Any, *, steps: int) -> Any:
    """Iterate v = 4 v (1 - v) from x."""
    v = x
    for _ in range(steps):
        v = 4 * v * (1 - v)
    return v


def logistic_map_by_hand(x: float, *, steps: int) -> float:
    """The chain rule along the iteration: each step multiplies by 4 (1 - 2 v)."""
    v, slope = x, 1.0
    for _ in range(steps):
        slope = 4 * (1 - 2 * v) * slope
        v = 4 * v * (1 - v)
    return slope


def logistic_inputs(_: int) -> tuple[float]:
    return (0.25,)


def rosenbrock_plane(parameters: Any) -> Any:
    """Rosenbrock's function of two variables."""
    x, y = parameters
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


def descend(gradient: Callable[[Any], Any], parameters: Any, steps: int = DESCENT_STEPS) -> Any:
    """Plain gradient descent with a fixed rate."""
    for _ in range(steps):
        parameters = parameters - DESCENT_RATE * gradient(parameters)
    return parameters


def descent_by_hand(parameters: Any) -> Any:
    """The same descent with the gradient written out."""

    def gradient(point: Any) -> Any:
        x, y = point
        return np.array([-2 * (1 - x) - 400 * x * (y - x**2), 200 * (y - x**2)])

    return descend(gradient, parameters)


def descent_inputs(_: int) -> tuple[Any]:
    return (np.zeros(2),)


WORKLOADS = (
    Workload(
        name="logistic-4",
        title="logistic map, n = 4, gradient at 0.25 (Python floats)",
        function=logistic_map,
        inputs=logistic_inputs,
        by_hand=logistic_map_by_hand,
        size=1,
        tiny=1,
        static={"steps": 4},
        tiny_static={"steps": 4},
        c_source=handwritten.LOGISTIC_MAP,
        respelled={"casadi": logistic_map},
        lines=(
            Line(20e-6),
            # Where the line in seconds was set, autograd took 130 µs.
            Line(20 / 130, "autograd"),
            Line(0.25, BEST_EAGER_PEER),
            Line(0.15e-6, subject="wengert-jit"),
            Line(10e-3, subject="wengert-jit", measure="compile"),
        ),
    ),
    *(
        Workload(
            name=f"logistic-{steps}",
            title=f"logistic map, n = {steps} unrolled, gradient at 0.25 (Python floats)",
            function=logistic_map,
            inputs=logistic_inputs,
            by_hand=logistic_map_by_hand,
            size=1,
            tiny=1,
            static={"steps": steps},
            tiny_static={"steps": 4},
            c_source=handwritten.LOGISTIC_MAP,
            respelled={"casadi": logistic_map},
            cannot={"jax": "left out: a call takes seconds"} if steps > 100 else {},
            lines=(
                Line(compile_limit, subject="wengert-jit", measure="compile"),
                *([Line(4e-6, subject="wengert-jit")] if steps == 1000 else []),
                Line(1.0, BEST_PEER, subject="wengert-jit"),
            ),
        )
        for steps, compile_limit in ((100, 30e-3), (1000, 100e-3))
    ),
    Workload(
        name="descent",
        title=f"gradient descent on Rosenbrock, two variables, {DESCENT_STEPS} steps",
        function=rosenbrock_plane,
        inputs=descent_inputs,
        by_hand=descent_by_hand,
        size=2,
        tiny=2,
        driver=descend,
        time_value=False,
        lines=(
            Line(15e-3, subject="wengert-jit", measure="first call"),
            Line(1.0, BEST_PEER, subject="wengert-jit"),
        ),
    ),
)
