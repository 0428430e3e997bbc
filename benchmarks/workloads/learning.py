"""Losses of small models: logistic regression and a network of three layers."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.model import BEST_PEER, BLAS_PAUSE, Line, Workload

LAYERS = (784, 256, 256, 10)
TINY_LAYERS = (5, 4, 4, 3)


def logistic_regression(weights: Any, features: Any, labels: Any) -> Any:
    """Mean log-loss for labels of -1 and 1."""
    margins = labels * (features @ weights)
    return np.mean(np.log1p(np.exp(-margins)))


def logistic_regression_gradient(weights: Any, features: Any, labels: Any) -> Any:
    margins = labels * (features @ weights)
    return features.T @ (-labels / (1 + np.exp(margins))) / labels.size


def regression_inputs(rows: int) -> tuple[Any, Any, Any]:
    """Features of unit variance, weights small enough that no margin overflows."""
    columns = 100 if rows > 100 else 4
    generator = np.random.default_rng(3)
    features = generator.standard_normal((rows, columns))
    labels = np.where(generator.standard_normal(rows) > 0, 1.0, -1.0)
    return 0.1 * generator.standard_normal(columns), features, labels


def network_loss(parameters: Any, images: Any, labels: Any) -> Any:
    """Cross-entropy of a network with two hidden layers, ReLU between them."""
    (first, first_bias), (second, second_bias), (third, third_bias) = parameters
    hidden = np.maximum(images @ first + first_bias, 0)
    hidden = np.maximum(hidden @ second + second_bias, 0)
    scores = hidden @ third + third_bias
    shifted = scores - np.max(scores, axis=1, keepdims=True)
    normaliser = np.log(np.sum(np.exp(shifted), axis=1))
    return np.mean(normaliser - shifted[np.arange(labels.shape[0]), labels])


def network_loss_torch(parameters: Any, images: Any, labels: Any) -> Any:
    """The spelling of a torch user: `linear` layers and the library's own cross-entropy."""
    from torch.nn.functional import cross_entropy, relu

    (first, first_bias), (second, second_bias), (third, third_bias) = parameters
    hidden = relu(images @ first + first_bias)
    hidden = relu(hidden @ second + second_bias)
    return cross_entropy(hidden @ third + third_bias, labels)


def network_gradient(parameters: Any, images: Any, labels: Any) -> Any:
    """Back-propagation written out."""
    (first, first_bias), (second, second_bias), (third, third_bias) = parameters
    one = np.maximum(images @ first + first_bias, 0)
    two = np.maximum(one @ second + second_bias, 0)
    scores = two @ third + third_bias
    share = np.exp(scores - np.max(scores, axis=1, keepdims=True))
    share /= np.sum(share, axis=1, keepdims=True)
    share[np.arange(labels.size), labels] -= 1
    share /= labels.size
    two_share = (share @ third.T) * (two > 0)
    one_share = (two_share @ second.T) * (one > 0)
    return (
        (images.T @ one_share, one_share.sum(axis=0)),
        (one.T @ two_share, two_share.sum(axis=0)),
        (two.T @ share, share.sum(axis=0)),
    )


def network_inputs(batch: int) -> tuple[Any, Any, Any]:
    widths = LAYERS if batch > 16 else TINY_LAYERS
    generator = np.random.default_rng(4)
    parameters = tuple(
        (
            generator.standard_normal((inputs, outputs)) * np.sqrt(2 / inputs),
            0.1 * generator.standard_normal(outputs),
        )
        for inputs, outputs in pairwise(widths)
    )
    images = generator.uniform(0, 1, (batch, widths[0]))
    return parameters, images, generator.integers(0, widths[-1], batch)


WORKLOADS = (
    Workload(
        name="logistic-regression",
        title="logistic regression, 10⁵ × 100, gradient",
        function=logistic_regression,
        inputs=regression_inputs,
        by_hand=logistic_regression_gradient,
        size=100_000,
        tiny=9,
        memory=True,
        pause=BLAS_PAUSE,
        lines=(Line(0.9, BEST_PEER, subject="wengert-jit"),),
    ),
    Workload(
        name="network",
        title="MLP 784-256-256-10, batch 128, gradient",
        function=network_loss,
        inputs=network_inputs,
        by_hand=network_gradient,
        size=128,
        tiny=6,
        memory=True,
        pause=BLAS_PAUSE,
        respelled={"torch": network_loss_torch},
        lines=(Line(1.0, "jax-jit", subject="wengert-jit"),),
    ),
)
