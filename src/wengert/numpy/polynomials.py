"""Polynomials by their coefficients, highest power first: ``np.poly`` to ``np.roots``."""

from __future__ import annotations

import operator
import warnings
from typing import Any

import numpy as np

from ..ops.shaping import as_array
from ..tracing.core import ndim_of, shape_of
from ..tracing.decisions import observed
from ..tracing.protocols import implements


def _coefficients(value: Any) -> Any:
    """Return the coefficients of a polynomial, also of a ``poly1d``, as an array."""
    if isinstance(value, np.poly1d):
        value = value.coeffs
    return np.atleast_1d(as_array(value))


def _as_given(result: Any, *given: Any) -> Any:
    """Return a ``poly1d`` where NumPy does: where one was given."""
    return np.poly1d(result) if any(isinstance(value, np.poly1d) for value in given) else result


# ------------------------------------------------------------------ arithmetic


def _aligned(a1: Any, a2: Any) -> tuple[Any, Any]:
    """Return two polynomials with as many coefficients."""
    first, second = _coefficients(a1), _coefficients(a2)
    missing = len(second) - len(first)
    if missing > 0:
        first = np.concatenate([np.zeros(missing, first.dtype), first])
    elif missing < 0:
        second = np.concatenate([np.zeros(-missing, second.dtype), second])
    return first, second


@implements(np.polyadd)
def polyadd(a1: Any, a2: Any) -> Any:
    first, second = _aligned(a1, a2)
    return _as_given(first + second, a1, a2)


@implements(np.polysub)
def polysub(a1: Any, a2: Any) -> Any:
    first, second = _aligned(a1, a2)
    return _as_given(first - second, a1, a2)


def _without_leading_zeros(value: Any) -> Any:
    coefficients = _coefficients(value)
    used = coefficients != 0
    if not np.any(used):
        return np.zeros(1, coefficients.dtype)
    return coefficients[int(np.argmax(used)) :]


@implements(np.polymul)
def polymul(a1: Any, a2: Any) -> Any:
    product = np.convolve(_without_leading_zeros(a1), _without_leading_zeros(a2))
    return _as_given(product, a1, a2)


@implements(np.polydiv)
def polydiv(u: Any, v: Any) -> Any:
    dividend, divisor = _coefficients(u) + 0.0, _coefficients(v) + 0.0
    dtype = np.result_type(dividend, divisor)
    degrees = len(dividend) - 1, len(divisor) - 1
    scale = 1.0 / divisor[0]
    remainder = dividend.astype(dtype)
    quotient = []
    for k in range(degrees[0] - degrees[1] + 1):
        factor = scale * remainder[k]
        quotient.append(factor)
        changed = remainder[k : k + degrees[1] + 1] - factor * divisor
        remainder = np.concatenate([remainder[:k], changed, remainder[k + degrees[1] + 1 :]])
    entries = np.stack(quotient) if quotient else np.zeros(1, dtype)
    while len(remainder) > 1 and np.allclose(remainder[0], 0, rtol=1e-14):
        remainder = remainder[1:]
    return _as_given(entries, u, v), _as_given(remainder, u, v)


# ------------------------------------------------------------------ calculus and values


@implements(np.polyder)
def polyder(p: Any, m: int = 1) -> Any:
    if operator.index(m) < 0:
        raise ValueError("Order of derivative must be positive (see polyint)")
    found = _coefficients(p)
    for _ in range(m):
        found = found[:-1] * np.arange(len(found) - 1, 0, -1)
    return _as_given(found, p)


@implements(np.polyint)
def polyint(p: Any, m: int = 1, k: Any = None) -> Any:
    if operator.index(m) < 0:
        raise ValueError("Order of integral must be positive (see polyder)")
    constants = np.zeros(m) if k is None else _coefficients(k)
    if len(constants) == 1 and m > 1:
        constants = constants[0] * np.ones(m)
    if len(constants) < m:
        raise ValueError("k must be a scalar or a rank-1 array of length 1 or >m.")
    found = _coefficients(p)
    for order in range(m):
        divided = found / np.arange(len(found), 0, -1)
        found = np.concatenate([divided, constants[order : order + 1]])
    return _as_given(found, p)


@implements(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    coefficients = _coefficients(p)
    if isinstance(x, np.poly1d):
        value: Any = np.poly1d(np.zeros(1))
    else:
        x = as_array(x)
        value = np.zeros(shape_of(x), x.dtype)[()]
    for i in range(len(coefficients)):
        value = value * x + coefficients[i]
    return value


# ------------------------------------------------------------------ roots and fits


def _from_roots(roots: Any) -> Any:
    found: Any = np.ones(1, roots.dtype)
    for i in range(len(roots)):
        found = np.convolve(found, np.stack([np.ones((), roots.dtype)[()], -roots[i]]))
    return found


@implements(np.poly)
def poly(seq_of_zeros: Any) -> Any:
    zeros = _coefficients(seq_of_zeros)
    shape = shape_of(zeros)
    if len(shape) == 2 and shape[0] == shape[1] and shape[0]:
        zeros = np.linalg.eigvals(zeros)
    elif len(shape) != 1:
        raise ValueError("input must be 1d or non-empty square 2d array.")
    zeros = zeros.astype(np.mintypecode(zeros.dtype.char))
    if not len(zeros):
        return 1.0
    found = _from_roots(zeros)
    if found.dtype.kind == "c" and np.all(np.sort(zeros) == np.sort(np.conj(zeros))):
        found = np.real(found) + 0.0
    return found


@implements(np.roots)
def roots(p: Any) -> Any:
    coefficients = _coefficients(p)
    if ndim_of(coefficients) != 1:
        raise ValueError("Input must be a rank-1 array.")
    used = coefficients != 0
    if not np.any(used):
        return np.array([])
    trailing = int(np.argmax(used[::-1]))
    kept = coefficients[int(np.argmax(used)) : shape_of(coefficients)[0] - trailing]
    if not np.issubdtype(kept.dtype, np.inexact):
        kept = kept.astype(float)
    degree = len(kept) - 1
    if not degree:
        return np.zeros(trailing)
    companion = np.concatenate(
        [(-kept[1:] / kept[0])[None], np.eye(degree - 1, degree, dtype=kept.dtype)]
    )
    found = np.linalg.eigvals(companion)
    return np.concatenate([found, np.zeros(trailing, found.dtype)]) if trailing else found


@implements(np.polyfit)
def polyfit(
    x: Any,
    y: Any,
    deg: int,
    rcond: float | None = None,
    full: bool = False,
    w: Any = None,
    cov: bool | str = False,
) -> Any:
    count = int(deg) + 1
    points, values = (as_array(value) + 0.0 for value in (x, y))
    if deg < 0:
        raise ValueError("expected deg >= 0")
    if ndim_of(points) != 1:
        raise TypeError("expected 1D vector for x")
    if not np.size(points):
        raise TypeError("expected non-empty vector for x")
    if not 1 <= ndim_of(values) <= 2:
        raise TypeError("expected 1D or 2D array for y")
    if len(points) != len(values):
        raise TypeError("expected x and y to have same length")
    if rcond is None:
        rcond = len(points) * np.finfo(points.dtype).eps
    matrix = np.vander(points, count)
    if w is not None:
        weights = as_array(w) + 0.0
        if ndim_of(weights) != 1:
            raise TypeError("expected a 1-d array for weights")
        if len(weights) != len(values):
            raise TypeError("expected w and y to have the same length")
        matrix = matrix * weights[:, None]
        values = values * (weights[:, None] if ndim_of(values) == 2 else weights)
    scale = np.sqrt(np.sum(matrix * matrix, axis=0))
    matrix = matrix / scale
    found, residuals, rank, singular_values = np.linalg.lstsq(matrix, values, rcond)
    found = (found.T / scale).T
    if not full and observed(np.not_equal(rank, count)):
        warnings.warn("Polyfit may be poorly conditioned", np.exceptions.RankWarning, stacklevel=2)
    if full:
        return found, residuals, rank, singular_values, rcond
    if not cov:
        return found
    base = np.linalg.inv(np.dot(matrix.T, matrix)) / np.outer(scale, scale)
    factor: Any = 1
    if cov != "unscaled":
        if len(points) <= count:
            raise ValueError(
                "the number of data points must exceed order to scale the covariance matrix"
            )
        factor = residuals / (len(points) - count)
    if ndim_of(values) == 1:
        return found, base * factor
    return found, base[:, :, None] * factor
