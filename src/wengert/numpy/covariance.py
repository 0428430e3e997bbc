"""Covariances and correlation coefficients, with every kind of weight."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..ir.aval import aval_of
from ..ops.core_family import conjugated
from ..ops.shaping import as_array
from ..tracing.core import raw_of
from ..tracing.decisions import certain, observed
from ..tracing.protocols import implements, plain_of


def _rows(m: Any, rowvar: bool, dtype: Any) -> Any:
    """Return variables as rows of a matrix."""
    rows = np.atleast_2d(m.astype(dtype))
    return rows if rowvar or rows.shape[0] == 1 else rows.T


def _checked_weights(given: Any, count: int, name: str) -> Any:
    weights = as_array(given).astype(np.float64)
    if weights.ndim > 1:
        raise RuntimeError(f"cannot handle multidimensional {name}")
    if weights.shape[0] != count:
        raise RuntimeError(f"incompatible numbers of samples and {name}")
    if observed(weights < 0):
        raise ValueError(f"{name} cannot be negative")
    return weights


@implements(np.cov)
def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    if ddof is not None and ddof != int(ddof):
        raise ValueError("ddof must be integer")
    given = [as_array(value) for value in (m, y) if value is not None]
    if any(value.ndim > 2 for value in given):
        raise ValueError("m has more than 2 dimensions")
    if dtype is None:
        dtype = np.result_type(*(value.dtype for value in given), np.float64)
    parts = [_rows(value, rowvar, dtype) for value in given]
    if not parts[0].shape[0]:
        return np.array([]).reshape(0, 0)
    rows = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=0)
    if ddof is None:
        ddof = 0 if bias else 1
    count = rows.shape[1]
    weights = None
    if fweights is not None:
        frequencies = np.asarray(plain_of(fweights, "fweights="), dtype=float)
        if not np.all(frequencies == np.around(frequencies)):
            raise TypeError("fweights must be integer")
        weights = _checked_weights(frequencies, count, "fweights")
    if aweights is not None:
        own = _checked_weights(aweights, count, "aweights")
        weights = own if weights is None else weights * own
    mean, total = np.average(rows, axis=1, weights=weights, returned=True)
    total = total[0]
    factor: Any
    if weights is None:
        factor = count - ddof
    elif ddof == 0:
        factor = total
    elif aweights is None:
        factor = total - ddof
    else:
        factor = total - ddof * np.sum(weights * own) / total
    if certain(factor <= 0):
        warnings.warn("Degrees of freedom <= 0 for slice", RuntimeWarning, stacklevel=2)
        factor = 0.0
    centred = rows - mean[:, None]
    other = centred.T if weights is None else (centred * weights).T
    return np.squeeze(np.dot(centred, conjugated(other)) * np.true_divide(1, factor))


@implements(np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    covariance = np.cov(x, y, rowvar, dtype=dtype)
    if not covariance.ndim:  # of a variable with itself: 1, or nan
        return covariance / covariance
    deviation = np.sqrt(np.real(np.diag(covariance)))
    found = covariance / deviation[:, None] / deviation[None, :]
    if not aval_of(raw_of(found)).is_complex:
        return np.clip(found, -1, 1)
    return np.clip(np.real(found), -1, 1) + 1j * np.clip(np.imag(found), -1, 1)
