"""Error functions and the normal distribution: erf and its kin, their inverses, Owen's T."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special as scipy

from ...tracing.decisions import possible
from .family import special

_SIGNED = (-2.3, -0.4, 0.7, 1.9)
_OF_PLANE = (0.3 - 0.8j, 1.2 + 0.5j)
_WITHIN = (-0.85, -0.3, 0.4, 0.9)
_PROBABILITIES = (0.05, 0.35, 0.6, 0.97)
_TWO_BY_ROOT = 2 / math.sqrt(math.pi)
_ROOT_OF_TWO_PI = math.sqrt(2 * math.pi)

erf = special("erf", lambda x: _TWO_BY_ROOT * np.exp(-x * x), at=(_SIGNED,), complex_at=_OF_PLANE)
erfc = special(
    "erfc", lambda x: -_TWO_BY_ROOT * np.exp(-x * x), at=(_SIGNED,), complex_at=_OF_PLANE
)
erfi = special("erfi", lambda x: _TWO_BY_ROOT * np.exp(x * x), at=(_SIGNED,), complex_at=_OF_PLANE)


def _tail(x: Any, sign: float) -> Any:
    """Return Σ (±1)ᵏ (2k - 1)!! / (2x²)ᵏ from k = 1 on, to full precision for |x| from 10 on.

    The asymptotic series of 1 - √π x erfcx(x) and 2x dawsn(x) - 1 (DLMF 7.12.1), which cancel.
    """
    step = sign / (2 * x * x)
    total: Any = 1.0
    for k in range(17, 1, -1):
        total = 1 + (2 * k - 1) * step * total
    return step * total


def _slope(x: Any, near: Any, sign: float, factor: float) -> Any:
    """Return `near`, or where it cancels its asymptotic series."""
    large = np.greater(np.real(x), 10.0)
    if sign > 0:  # dawsn is odd
        large = np.greater(np.abs(np.real(x)), 10.0)
    if not possible(large):
        return near
    return np.where(large, factor * _tail(np.where(large, x, 20.0), sign), near)


erfcx = special(
    "erfcx",
    lambda x, ans: _slope(x, 2 * x * ans - _TWO_BY_ROOT, -1.0, _TWO_BY_ROOT),
    at=((-2.3, -0.4, 1.9, 14.0),),
    complex_at=_OF_PLANE,
)
dawsn = special(
    "dawsn",
    lambda x, ans: _slope(x, 1 - 2 * x * ans, 1.0, -1.0),
    at=((-12.0, -0.4, 1.9, 14.0),),
    complex_at=_OF_PLANE,
)
wofz = special(
    "wofz", lambda x, ans: 1j * _TWO_BY_ROOT - 2 * x * ans, at=(_OF_PLANE,), complex_at=()
)
erfinv = special("erfinv", lambda ans: np.exp(ans * ans) / _TWO_BY_ROOT, at=(_WITHIN,))
erfcinv = special(
    "erfcinv", lambda ans: -np.exp(ans * ans) / _TWO_BY_ROOT, at=((0.05, 0.7, 1.2, 1.9),)
)


def _density(x: Any) -> Any:
    return np.exp(-0.5 * x * x) / _ROOT_OF_TWO_PI


ndtr = special("ndtr", _density, at=(_SIGNED,), complex_at=_OF_PLANE)
# φ/Φ: nothing in this overflows or cancels, however far below 0.
log_ndtr = special(
    "log_ndtr",
    lambda x: math.sqrt(2 / math.pi) / scipy.erfcx(x * -math.sqrt(0.5)),
    at=((-40.0, -2.3, 0.7, 1.9),),
)
ndtri = special(
    "ndtri", lambda ans: _ROOT_OF_TWO_PI * np.exp(0.5 * ans * ans), at=(_PROBABILITIES,)
)
ndtri_exp = special(
    "ndtri_exp",
    lambda x, ans: _ROOT_OF_TWO_PI * np.exp(x + 0.5 * ans * ans),
    at=((-3.0, -0.9, -0.3, -0.05),),
)

# T(h, a), Owen (1956).
owens_t = special(
    "owens_t",
    lambda h, a: -0.5 * _density(h) * scipy.erf(a * h / math.sqrt(2)),
    lambda h, a: np.exp(-0.5 * h * h * (1 + a * a)) / (2 * math.pi * (1 + a * a)),
    arguments=("h", "a"),
    at=(_SIGNED, (0.5, 1.2, -0.8, 2.0)),
)
