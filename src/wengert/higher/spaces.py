"""Spaces of solutions: trees of leaves as vectors of real numbers, and how systems on them end."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..ir.aval import Aval
from ..ops.kinds import with_kind
from ..tracing.core import raw_of, to_user

Method = str | Callable[..., Any]
METHODS = ("auto", "dense", "gmres", "cg", "neumann")

# Up to this size a matrix is written out: n evaluations and n³ / 3 operations.
_DENSE_SIZE = 256


class Space:
    """Leaves as one vector of real numbers, and back; complex numbers are two.

    With ``batch_axes`` in front of every leaf there is one vector an example.
    """

    def __init__(self, avals: Sequence[Aval], batch_axes: int = 0) -> None:
        self.avals = list(avals)
        self.examples = self.avals[0].shape[:batch_axes] if self.avals else ()
        entries = [math.prod(aval.shape[batch_axes:]) for aval in self.avals]
        self.sizes = [
            size * (1 + aval.is_complex) for size, aval in zip(entries, self.avals, strict=True)
        ]
        self.size = sum(self.sizes)
        # The coarsest rounding of a leaf: less cannot be asked for.
        self.rounding = max((float(np.finfo(aval.dtype).eps) for aval in self.avals), default=0.0)

    def pack(self, leaves: Sequence[Any]) -> np.ndarray[Any, Any]:
        """Return the vectors of plain leaves, along the last axis."""
        parts = []
        for leaf, aval, size in zip(leaves, self.avals, self.sizes, strict=True):
            flat = np.reshape(np.asarray(leaf), (*self.examples, size // (1 + aval.is_complex)))
            if aval.is_complex:
                flat = np.concatenate([np.real(flat), np.imag(flat)], axis=-1)
            parts.append(flat.astype(np.float64))
        return np.concatenate(parts, axis=-1) if parts else np.zeros(0)

    def unpack(self, vector: np.ndarray[Any, Any]) -> tuple[Any, ...]:
        """Return the plain leaves of vectors."""
        found = []
        start = 0
        for aval, size in zip(self.avals, self.sizes, strict=True):
            flat: Any = vector[..., start : start + size]
            start += size
            if aval.is_complex:
                flat = flat[..., : size // 2] + 1j * flat[..., size // 2 :]
            shaped = flat.reshape(aval.shape).astype(aval.dtype)
            found.append(shaped if aval.kind == "array" else with_kind(shaped[()], aval))
        return tuple(found)


class StagedSpace(Space):
    """Leaves as one vector of real numbers, and back, while a list is staged."""

    def pack(self, leaves: Sequence[Any]) -> Any:
        """Return the vectors of raw leaves, along the last axis."""
        parts = []
        for leaf, aval, size in zip(leaves, self.avals, self.sizes, strict=True):
            flat = np.reshape(to_user(leaf), (*self.examples, size // (1 + aval.is_complex)))
            if aval.is_complex:
                flat = np.concatenate([np.real(flat), np.imag(flat)], axis=-1)
            parts.append(flat.astype(np.float64))
        return np.concatenate(parts, axis=-1)

    def unpack(self, vector: Any) -> tuple[Any, ...]:
        """Return the raw leaves of vectors."""
        found = []
        start = 0
        for aval, size in zip(self.avals, self.sizes, strict=True):
            flat = vector[..., start : start + size]
            start += size
            if aval.is_complex:
                flat = flat[..., : size // 2] + 1j * flat[..., size // 2 :]
            shaped = np.reshape(flat, aval.shape).astype(aval.dtype)
            found.append(with_kind(raw_of(shaped if aval.kind == "array" else shaped[()]), aval))
        return tuple(found)


def most_iterations(asked: int | None, size: int) -> int:
    """Return how many iterations a method may take for a system of a size."""
    return max(10 * size, 100) if asked is None else int(asked)


def left_over(
    matvec: Callable[[Any], Any], x: Any, b: Any, tolerance: float, rounding: float
) -> tuple[Any, Any]:
    """Return the largest entries of A x - b, and how large they may be."""
    residuals = np.max(np.abs(matvec(x) - b), axis=-1)
    # Rounding alone leaves that much of large solutions of ill-conditioned systems.
    least = 64 * b.shape[-1] * rounding * np.max(np.abs(x), axis=-1)
    return residuals, 100 * np.maximum(tolerance * np.max(np.abs(b), axis=-1), least)


def is_dense(method: Method, size: int) -> bool:
    """Return whether a system of `size` equations is solved by its matrix."""
    return method == "dense" or (method == "auto" and size <= _DENSE_SIZE)
