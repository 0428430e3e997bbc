"""Elementary functions of `scipy.special`: logistic, powers, entropies, Box–Cox, Huber, degrees."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special as scipy

from .family import POINTS, special

_SIGNED = (-2.3, -0.4, 0.7, 1.9)
_WITHIN = (0.15, 0.4, 0.62, 0.9)
_OTHER = (1.7, 0.6, 2.2, 0.9)
_DEGREE = math.pi / 180

# ------------------------------------------------------------------ logistic functions

expit = special("expit", lambda x, ans: ans * scipy.expit(-x), at=(_SIGNED,))
log_expit = special("log_expit", lambda x: scipy.expit(-x), at=(_SIGNED,))
logit = special("logit", lambda x: 1 / (x * (1 - x)), at=(_WITHIN,))

# ------------------------------------------------------------------ powers and logarithms

_POINTS_OF_PLANE = (0.3 - 0.8j, 1.2 + 0.5j)
exp10 = special("exp10", lambda ans: ans * math.log(10), at=(_SIGNED,))
exp2 = special("exp2", lambda ans: ans * math.log(2), at=(_SIGNED,))
expm1 = special("expm1", lambda x: np.exp(x), at=(_SIGNED,), complex_at=_POINTS_OF_PLANE)
log1p = special("log1p", lambda x: 1 / (1 + x), complex_at=_POINTS_OF_PLANE)
cbrt = special("cbrt", lambda ans: 1 / (3 * ans * ans), at=(_SIGNED,))
# (eˣ - 1)/x is M(1, 2, x) of Kummer: its derivative has no cancellation there (DLMF 13.3.15).
exprel = special("exprel", lambda x: 0.5 * scipy.hyp1f1(2.0, 3.0, x), at=(_SIGNED,))

# ------------------------------------------------------------------ angles

cosm1 = special("cosm1", lambda x: -np.sin(x), at=(_SIGNED,))
sindg = special("sindg", lambda x: _DEGREE * scipy.cosdg(x), at=((20.0, -75.0, 140.0, 300.0),))
cosdg = special("cosdg", lambda x: -_DEGREE * scipy.sindg(x), at=((20.0, -75.0, 140.0, 300.0),))
tandg = special("tandg", lambda ans: _DEGREE * (1 + ans * ans), at=((20.0, -75.0, 140.0, 300.0),))
cotdg = special("cotdg", lambda ans: -_DEGREE * (1 + ans * ans), at=((20.0, -75.0, 140.0, 300.0),))

# ------------------------------------------------------------------ entropies

entr = special("entr", lambda x: -np.log(x) - 1)
rel_entr = special(
    "rel_entr", lambda x, y: np.log(x / y) + 1, lambda x, y: -x / y, at=(POINTS, _OTHER)
)
kl_div = special("kl_div", lambda x, y: np.log(x / y), lambda x, y: 1 - x / y, at=(POINTS, _OTHER))
xlogy = special("xlogy", lambda y: np.log(y), lambda x, y: x / y, at=(_SIGNED, _OTHER))
xlog1py = special("xlog1py", lambda y: np.log1p(y), lambda x, y: x / (1 + y), at=(_SIGNED, _OTHER))

# ------------------------------------------------------------------ Box and Cox

_EXPONENTS = (0.5, -0.7, 0.0, 1.3)


def _by_exponent(logarithm: Any, exponent: Any) -> Any:
    """Return the derivative by λ of (e^{λL} - 1)/λ at any λ, 0 included."""
    return 0.5 * logarithm**2 * scipy.hyp1f1(2.0, 3.0, exponent * logarithm)


boxcox = special(
    "boxcox",
    lambda x, y: x ** (y - 1),
    lambda x, y: _by_exponent(np.log(x), y),
    at=(POINTS, _EXPONENTS),
)
boxcox1p = special(
    "boxcox1p",
    lambda x, y: (1 + x) ** (y - 1),
    lambda x, y: _by_exponent(np.log1p(x), y),
    at=(POINTS, _EXPONENTS),
)
inv_boxcox = special(
    "inv_boxcox",
    lambda y, ans: ans ** (1 - y),
    lambda y, ans: -_by_exponent(np.log(ans), y) * ans ** (1 - y),
    at=(_WITHIN, _EXPONENTS),
)
inv_boxcox1p = special(
    "inv_boxcox1p",
    lambda y, ans: (1 + ans) ** (1 - y),
    lambda y, ans: -_by_exponent(np.log1p(ans), y) * (1 + ans) ** (1 - y),
    at=(_WITHIN, _EXPONENTS),
)

# ------------------------------------------------------------------ Huber's losses

huber = special(
    "huber",
    lambda delta, r: np.maximum(np.abs(r) - delta, 0.0),
    lambda delta, r: np.clip(r, -delta, delta),
    arguments=("delta", "r"),
    at=((1.0, 1.5, 0.4, 0.8), _SIGNED),
)


def _root(delta: Any, r: Any) -> Any:
    return np.sqrt(1 + (r / delta) ** 2)


def _by_width(delta: Any, r: Any) -> Any:
    """Return δ (s - 1)² / s with s = √(1 + (r/δ)²), s - 1 without cancellation."""
    root = _root(delta, r)
    return delta * ((r / delta) ** 2 / (root + 1)) ** 2 / root


pseudo_huber = special(
    "pseudo_huber",
    _by_width,
    lambda delta, r: r / _root(delta, r),
    arguments=("delta", "r"),
    at=((1.0, 1.5, 0.4, 0.8), _SIGNED),
)
