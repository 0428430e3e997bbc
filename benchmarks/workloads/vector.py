"""Functions of one array: Rosenbrock's function and sums of elementwise expressions."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.model import Line, Workload
from benchmarks.workloads import handwritten


def rosenbrock(x: Any) -> Any:
    """Rosenbrock's function of n variables."""
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def rosenbrock_gradient(x: Any) -> Any:
    """Each term touches two neighbours, so two shifted arrays are added."""
    head = x[:-1]
    difference = x[1:] - head**2
    gradient = np.zeros_like(x)
    gradient[:-1] = -400 * head * difference - 2 * (1 - head)
    gradient[1:] += 200 * difference
    return gradient


def rosenbrock_value_and_gradient(x: Any) -> Any:
    return rosenbrock(x), rosenbrock_gradient(x)


def logarithm_sum(x: Any) -> Any:
    """Sum of log(1 + x^2) / x."""
    return np.sum(np.log(1 + x**2) / x)


def logarithm_sum_gradient(x: Any) -> Any:
    square = x**2
    return 2 / (1 + square) - np.log(1 + square) / square


def transcendental_sum(x: Any) -> Any:
    """Sum of exp(-x) sin x + tanh x sqrt x."""
    return np.sum(np.exp(-x) * np.sin(x) + np.tanh(x) * np.sqrt(x))


def transcendental_sum_gradient(x: Any) -> Any:
    tangent, root = np.tanh(x), np.sqrt(x)
    return (
        np.exp(-x) * (np.cos(x) - np.sin(x)) + (1 - tangent * tangent) * root + tangent / (2 * root)
    )


def normal_inputs(size: int) -> tuple[Any]:
    return (np.random.default_rng(1).standard_normal(size),)


def positive_inputs(size: int) -> tuple[Any]:
    """Away from zero, where both sums are smooth."""
    return (np.random.default_rng(2).uniform(0.25, 4.0, size),)


WORKLOADS = (
    Workload(
        name="rosenbrock-10",
        title="Rosenbrock, n = 10, value and gradient",
        function=rosenbrock,
        inputs=normal_inputs,
        by_hand=rosenbrock_value_and_gradient,
        size=10,
        tiny=5,
        with_value=True,
        lines=(
            Line(35e-6),
            # Where the line in seconds was set, autograd took 117 µs.
            Line(35 / 117, "autograd"),
            Line(0.5e-6, subject="wengert-jit"),
        ),
    ),
    Workload(
        name="rosenbrock-1e6",
        title="Rosenbrock, n = 10⁶, gradient",
        function=rosenbrock,
        inputs=normal_inputs,
        by_hand=rosenbrock_gradient,
        size=1_000_000,
        tiny=7,
        memory=True,
        c_source=handwritten.ROSENBROCK,
        lines=(
            Line(1.0, "autograd"),
            Line(2.0, "torch"),
            Line(1.0, "jax-jit", subject="wengert-jit"),
        ),
    ),
    Workload(
        name="logarithm-1e6",
        title="Σ log(1+x²)/x, n = 10⁶, gradient",
        function=logarithm_sum,
        inputs=positive_inputs,
        by_hand=logarithm_sum_gradient,
        size=1_000_000,
        tiny=6,
        memory=True,
        c_source=handwritten.LOGARITHM_SUM,
        lines=(Line(0.8, "jax-jit", subject="wengert-jit"),),
    ),
    Workload(
        name="transcendental-1e6",
        title="Σ exp(−x)·sin x + tanh x·√x, n = 10⁶, gradient",
        function=transcendental_sum,
        inputs=positive_inputs,
        by_hand=transcendental_sum_gradient,
        size=1_000_000,
        tiny=6,
        memory=True,
        c_source=handwritten.TRANSCENDENTAL_SUM,
        lines=(Line(0.25, "jax-jit", subject="wengert-jit"),),
    ),
)
