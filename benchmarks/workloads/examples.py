"""Gradients of each example: a small network under `vmap`, beside jax's and torch.func's."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.model import BEST_PEER, BLAS_PAUSE, Line, Workload

LAYERS = (64, 64, 10)
TINY_LAYERS = (5, 4, 3)


def loss_of_example(parameters: Any, image: Any, target: Any) -> Any:
    """Cross-entropy of one example, its class given as a vector of zeros and a one."""
    (first, first_bias), (second, second_bias) = parameters
    hidden = np.tanh(image @ first + first_bias)
    scores = hidden @ second + second_bias
    return np.log(np.sum(np.exp(scores))) - np.sum(scores * target)


def gradients_of_examples(parameters: Any, images: Any, targets: Any) -> Any:
    """Back-propagation written out, without the sum over the examples."""
    (first, first_bias), (second, second_bias) = parameters
    hidden = np.tanh(images @ first + first_bias)
    share = np.exp(hidden @ second + second_bias)
    share = share / np.sum(share, axis=1, keepdims=True) - targets
    inner = (share @ second.T) * (1 - hidden * hidden)
    return (
        (images[:, :, None] * inner[:, None, :], inner),
        (hidden[:, :, None] * share[:, None, :], share),
    )


def network_inputs(batch: int) -> tuple[Any, Any, Any]:
    widths = LAYERS if batch > 16 else TINY_LAYERS
    generator = np.random.default_rng(6)
    parameters = tuple(
        (
            generator.standard_normal((inputs, outputs)) / np.sqrt(inputs),
            0.1 * generator.standard_normal(outputs),
        )
        for inputs, outputs in pairwise(widths)
    )
    images = generator.uniform(0, 1, (batch, widths[0]))
    return parameters, images, np.eye(widths[-1])[generator.integers(0, widths[-1], batch)]


WORKLOADS = (
    Workload(
        name="per-example",
        title="MLP 64-64-10, the gradient of each of 256 examples",
        function=loss_of_example,
        inputs=network_inputs,
        by_hand=gradients_of_examples,
        size=256,
        tiny=6,
        per_example=True,
        time_value=False,
        memory=True,
        cannot={"autograd": "cannot: no vmap"},
        pause=BLAS_PAUSE,
        lines=(Line(1.0, BEST_PEER, subject="wengert-jit"),),
    ),
)
