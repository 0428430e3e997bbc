"""In numpy.linalg, what is made of products and views: multi_dot, diagonal, matrix_transpose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...tracing.protocols import implements
from ..contraction import dot
from ..core_family import operand


@implements(np.linalg.multi_dot)
def multi_dot(arrays: Sequence[Any], *, out: Any = None) -> Any:
    factors = [operand(entry) for entry in arrays]
    if len(factors) < 2:
        raise ValueError("Expecting at least two arrays.")
    if len(factors) == 2:
        return dot(factors[0], factors[1], out)
    first, last = np.ndim(factors[0]) == 1, np.ndim(factors[-1]) == 1
    if first:
        factors[0] = np.reshape(factors[0], (1, -1))
    if last:
        factors[-1] = np.reshape(factors[-1], (-1, 1))
    for factor in factors:
        if np.ndim(factor) != 2:
            raise np.linalg.LinAlgError(
                f"{np.ndim(factor)}-dimensional array given. Array must be two-dimensional"
            )
    sizes = [np.shape(factors[0])[0], *(np.shape(factor)[1] for factor in factors)]
    splits = _cheapest_splits(sizes)

    def product(start: int, stop: int) -> Any:
        if start == stop:
            return factors[start]
        split = splits[start, stop]
        whole = (start, stop) == (0, len(factors) - 1)
        left, right = product(start, split), product(split + 1, stop)
        return dot(left, right, out if whole else None)

    found = product(0, len(factors) - 1)
    if first and last:
        return found[0, 0]
    return np.ravel(found) if first or last else found


def _cheapest_splits(sizes: Sequence[int]) -> dict[tuple[int, int], int]:
    """Return where to split each chain of factors (Cormen et al., matrix-chain order)."""
    count = len(sizes) - 1
    if count == 3:  # NumPy's own comparison, which prefers the second split at a tie
        early = sizes[0] * sizes[2] * (sizes[1] + sizes[3])
        late = sizes[1] * sizes[3] * (sizes[0] + sizes[2])
        return {(0, 2): 1 if early < late else 0, (0, 1): 0, (1, 2): 1}
    costs = {(i, i): 0 for i in range(count)}
    splits = {}
    for length in range(1, count):
        for start in range(count - length):
            stop = start + length
            best = None
            for split in range(start, stop):
                cost = (
                    costs[start, split]
                    + costs[split + 1, stop]
                    + sizes[start] * sizes[split + 1] * sizes[stop + 1]
                )
                if best is None or cost < best:
                    best = cost
                    splits[start, stop] = split
            costs[start, stop] = best or 0
    return splits


@implements(np.linalg.diagonal)
def diagonal(x: Any, /, *, offset: int = 0) -> Any:
    return np.diagonal(operand(x), offset, -2, -1)


@implements(np.linalg.matrix_transpose)
def matrix_transpose(x: Any, /) -> Any:
    value = operand(x)
    if np.ndim(value) < 2:
        raise ValueError(f"Input array must be at least 2-dimensional, but it is {np.ndim(value)}")
    return np.swapaxes(value, -1, -2)
