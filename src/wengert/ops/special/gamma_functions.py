"""Gamma functions: Γ and its logarithm, ψ and ζ, beta functions, incomplete ones, Student's t."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special as scipy
from scipy.special import _ufuncs

from ...ir.primitive import Primitive
from ...tracing.decisions import possible
from ..elementwise_family import piecewise_constant
from ..samples import Sample
from .family import POINTS, special, without

_SIGNED = (-2.3, -0.4, 0.7, 3.9)
_OF_PLANE = (0.3 - 0.8j, 1.2 + 0.5j)
_SHAPES = (0.8, 2.5, 1.4, 3.2)
_OTHER = (1.7, 0.6, 2.2, 0.9)
_WITHIN = (0.15, 0.4, 0.62, 0.9)

# ------------------------------------------------------------------ Γ, ψ and ζ

gamma = special("gamma", lambda x, ans: ans * scipy.psi(x), at=(_SIGNED,))
gammaln = special("gammaln", lambda x: scipy.psi(x), at=(_SIGNED,))
loggamma = special("loggamma", lambda x: scipy.psi(x))


def _slope_of_reciprocal(x: Any, ans: Any) -> Any:
    """Return -ψ/Γ, below ½ by reflection, which has no poles there: 1/Γ(x) = Γ(1-x) sin(πx)/π."""
    low = np.less(np.real(x), 0.5)
    if not possible(low):
        return -ans * scipy.psi(x)
    below = np.where(low, x, 0.25)
    turned = np.cos(np.pi * below) - scipy.psi(1 - below) * np.sin(np.pi * below) / np.pi
    above = np.where(low, 0.75, x)
    return np.where(low, scipy.gamma(1 - below) * turned, -scipy.rgamma(above) * scipy.psi(above))


rgamma = special("rgamma", _slope_of_reciprocal, at=((-2.0, -0.4, 0.7, 3.9),))
gammasgn = piecewise_constant(
    "special_gammasgn",
    numpy=scipy.gammasgn,
    lower=lambda e, x: e.math("special.gammasgn", x),
    samples=lambda: [Sample(np.array(_SIGNED)), Sample(np.float32(-0.5)), Sample(1.5)],
)
psi = special("psi", lambda x: scipy.zeta(2.0, x), at=(_SIGNED,))
zeta = special(
    "zeta",
    without("zeta", "its exponent"),
    lambda s, q: -s * scipy.zeta(s + 1.0, q),
    ufunc=_ufuncs._zeta,
    arguments=("s", "q"),
    at=((2.0, 3.0, 1.5, 2.5), (0.5, 1.3, 2.0, 4.0)),
    wrt=(1,),
)

# ------------------------------------------------------------------ beta functions and products

beta = special(
    "beta",
    lambda x, y, ans: ans * (scipy.psi(x) - scipy.psi(x + y)),
    lambda x, y, ans: ans * (scipy.psi(y) - scipy.psi(x + y)),
    at=(POINTS, _OTHER),
)
betaln = special(
    "betaln",
    lambda x, y: scipy.psi(x) - scipy.psi(x + y),
    lambda x, y: scipy.psi(y) - scipy.psi(x + y),
    at=(POINTS, _OTHER),
)
poch = special(
    "poch",
    lambda z, m, ans: ans * (scipy.psi(z + m) - scipy.psi(z)),
    lambda z, m, ans: ans * scipy.psi(z + m),
    arguments=("z", "m"),
    at=(POINTS, _OTHER),
)

# ------------------------------------------------------------------ incomplete functions


def _gamma_density(a: Any, x: Any) -> Any:
    """Return x^(a-1) e^(-x) / Γ(a)."""
    return np.exp(scipy.xlogy(a - 1, x) - x - scipy.gammaln(a))


def _beta_density(a: Any, b: Any, x: Any) -> Any:
    """Return x^(a-1) (1-x)^(b-1) / B(a, b)."""
    return np.exp(scipy.xlogy(a - 1, x) + scipy.xlog1py(b - 1, -x) - scipy.betaln(a, b))


def _of_gamma(name: str, partial: Any, points: tuple[float, ...]) -> Primitive:
    return special(
        name,
        without(name, "its shape a"),
        partial,
        arguments=("a", "x"),
        at=(_SHAPES, points),
        wrt=(1,),
    )


gammainc = _of_gamma("gammainc", _gamma_density, POINTS)
gammaincc = _of_gamma("gammaincc", lambda a, x: -_gamma_density(a, x), POINTS)
gammaincinv = _of_gamma("gammaincinv", lambda a, ans: 1 / _gamma_density(a, ans), _WITHIN)
gammainccinv = _of_gamma("gammainccinv", lambda a, ans: -1 / _gamma_density(a, ans), _WITHIN)


def _of_beta(name: str, partial: Any) -> Primitive:
    return special(
        name,
        without(name, "its shape a"),
        without(name, "its shape b"),
        partial,
        arguments=("a", "b", "x"),
        at=(_SHAPES, _OTHER, _WITHIN),
        wrt=(2,),
    )


betainc = _of_beta("betainc", _beta_density)
betaincinv = _of_beta("betaincinv", lambda a, b, ans: 1 / _beta_density(a, b, ans))
betaincc = _of_beta("betaincc", lambda a, b, x: -_beta_density(a, b, x))


def _student_density(df: Any, t: Any) -> Any:
    scale = scipy.gammaln(0.5 * (df + 1)) - scipy.gammaln(0.5 * df) - 0.5 * np.log(np.pi * df)
    return np.exp(scale - 0.5 * (df + 1) * np.log1p(t * t / df))


stdtr = special(
    "stdtr",
    without("stdtr", "the degrees of freedom df"),
    _student_density,
    arguments=("df", "t"),
    at=((3.0, 1.0, 7.5, 2.0), _SIGNED),
    wrt=(1,),
)
stdtrit = special(
    "stdtrit",
    without("stdtrit", "the degrees of freedom df"),
    lambda df, ans: 1 / _student_density(df, ans),
    arguments=("df", "p"),
    at=((3.0, 1.0, 7.5, 2.0), _WITHIN),
    wrt=(1,),
)
