"""Decompositions of linear algebra: norms, pseudoinverses, systems of mixed dtypes and batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .expand_searches import NotExpanded


def norm(x: Any, *, ord: Any, axis: Any, keepdims: bool) -> Any:
    """Return a norm by sums and powers of entries; those of singular values are no such sums."""
    axes = (axis,) if isinstance(axis, (int, np.integer)) else axis
    if axes is None and ord is not None:
        if np.ndim(x) != 1:
            raise NotExpanded
        axes = (0,)
    vector = axes is not None and len(axes) == 1
    if ord is None or ord == "fro" or (vector and ord == 2):
        return np.sqrt(np.sum(x * x, axes, keepdims=keepdims))
    if not vector:
        raise NotExpanded
    if ord == 1:
        return np.sum(np.abs(x), axes, keepdims=keepdims)
    if ord == np.inf:
        return np.max(np.abs(x), axes, keepdims=keepdims)
    if ord == -np.inf:
        return np.min(np.abs(x), axes, keepdims=keepdims)
    if ord == 0:
        return np.sum((x != x.dtype.type(0)).astype(x.dtype), axes, keepdims=keepdims)
    if isinstance(ord, str):
        raise NotExpanded
    order = x.dtype.type(ord)
    total = np.sum(np.power(np.abs(x), order), axes, keepdims=keepdims)
    return np.power(total, np.reciprocal(order))


def _pinv(a: Any, *, rcond: Any = None, hermitian: bool = False, **keywords: Any) -> Any:
    """Invert the singular values that are not small, as NumPy does."""
    if hermitian or keywords or a.dtype.kind not in "fc":
        raise NotExpanded
    if np.ndim(rcond):
        raise NotExpanded
    u, s, v = np.linalg.svd(np.conjugate(a), full_matrices=False)
    # A tolerance is double precision also where the matrix is single.
    limit = np.full(1, 1e-15 if rcond is None else rcond) * np.max(s, axis=-1, keepdims=True)
    large = s > limit
    inverse = np.where(large, s.dtype.type(1) / np.where(large, s, s.dtype.type(1)), 0)
    inverse = inverse.astype(s.dtype)
    return np.matmul(np.swapaxes(v, -1, -2), inverse[..., np.newaxis] * np.swapaxes(u, -1, -2))


def _solve(a: Any, b: Any) -> Any:
    """Give both operands one dtype and the same batches, for one loop of LAPACK."""
    column = b.ndim == 1
    core = 1 if column else 2
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-core])
    dtype = np.result_type(a.dtype, b.dtype)
    if dtype.kind in "iu":
        dtype = np.dtype(np.float64)
    whole = (*batch, *a.shape[-2:]), (*batch, *b.shape[-core:])
    if (a.dtype, b.dtype) == (dtype, dtype) and (column or whole == (a.shape, b.shape)):
        raise NotExpanded
    if column and batch:
        raise NotExpanded
    same = [
        np.broadcast_to(x if x.dtype == dtype else x.astype(dtype), shape)
        for x, shape in zip((a, b), whole, strict=True)
    ]
    return np.linalg.solve(*same)


# What takes operands of every dtype of numbers.
systems: dict[str, Callable[..., Any]] = {"pinv": _pinv, "solve": _solve}
OF_SYSTEMS = frozenset(systems)
