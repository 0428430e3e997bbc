"""Functions of arrays in which memory is what counts: sorting, and distances between points."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.model import Line, Workload


def weighted_sort(x: Any, weights: Any) -> Any:
    """Sum of the sorted numbers, weighted by their rank."""
    return np.sum(np.sort(x) * weights)


def weighted_sort_torch(x: Any, weights: Any) -> Any:
    """The spelling of torch, whose sort gives the order too."""
    import torch

    return torch.sum(torch.sort(x).values * weights)


def weighted_sort_gradient(x: Any, weights: Any) -> Any:
    gradient = np.empty_like(x)
    gradient[np.argsort(x)] = weights
    return gradient


def sort_inputs(size: int) -> tuple[Any, Any]:
    generator = np.random.default_rng(5)
    return generator.standard_normal(size), generator.uniform(0.5, 1.5, size)


def distances(x: Any, y: Any) -> Any:
    """Sum of the distances between each point of one set and each of another."""
    return np.sum(np.sqrt(np.sum((x[:, None, :] - y[None, :, :]) ** 2, axis=2)))


def distances_gradient(x: Any, y: Any) -> Any:
    """Unit vectors added up, a row of points at a time."""
    gradient = np.empty_like(x)
    for i, point in enumerate(x):
        apart = point - y
        gradient[i] = np.sum(apart / np.sqrt(np.sum(apart**2, axis=1, keepdims=True)), axis=0)
    return gradient


def point_inputs(size: int) -> tuple[Any, Any]:
    generator = np.random.default_rng(6)
    return generator.standard_normal((size, 3)), generator.standard_normal((size + 1, 3))


WORKLOADS = (
    Workload(
        name="sort-1e6",
        title="Σ wᵢ sort(x)ᵢ, n = 10⁶, gradient",
        function=weighted_sort,
        inputs=sort_inputs,
        by_hand=weighted_sort_gradient,
        size=1_000_000,
        tiny=7,
        memory=True,
        respelled={"torch": weighted_sort_torch},
        lines=(
            Line(1.2, "numpy", subject="wengert-jit", measure="value"),
            Line(1.0, "jax-jit", subject="wengert-jit"),
        ),
    ),
    Workload(
        name="distances-2000",
        title="Σ |xᵢ - yⱼ|, 2000 × 2001 points of 3, gradient",
        function=distances,
        inputs=point_inputs,
        by_hand=distances_gradient,
        size=2_000,
        tiny=4,
        memory=True,
        lines=(Line(1 / 3, "jax-jit", subject="wengert-jit"),),
    ),
)
