"""Exponential, elliptic and other integrals, hypergeometric functions, polynomials, Lambert's W."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special as scipy
from scipy.special import _ufuncs

from ...ir.aval import Aval, aval_of, kind_of_result
from ...ir.primitive import Primitive
from ...tracing.core import bind, raw_of
from ..elementwise_family import elementwise
from ..samples import Sample, unary_samples
from .family import POINTS, special, without

_SIGNED = (-2.3, -0.4, 0.7, 1.9)
_OF_PLANE = (0.3 - 0.8j, 1.2 + 0.5j)
_WITHIN = (0.15, 0.4, -0.62, 0.9)

# ------------------------------------------------------------------ exponential integrals

exp1 = special("exp1", lambda x: -np.exp(-x) / x, complex_at=_OF_PLANE)
expi = special("expi", lambda x: np.exp(x) / x, at=(_SIGNED,), complex_at=_OF_PLANE)
expn = special(
    "expn",
    without("expn", "its order"),
    lambda n, x: -scipy.expn(n - 1, x),
    arguments=("n", "x"),
    at=(3, POINTS),
    wrt=(1,),
)

# ------------------------------------------------------------------ ln(1 + w)/w, the dilogarithm


def _log1p_ratio(w: Any, *, order: int) -> Any:
    """Return the n-th derivative of f = ln(1 + w)/w, n = `order`, to full precision everywhere.

    w f⁽ⁿ⁾ = ln⁽ⁿ⁾(1 + w) - n f⁽ⁿ⁻¹⁾ loses digits near 0, where the series is short.
    """
    given = np.asarray(w)
    flat = np.atleast_1d(given)
    near = np.abs(flat) < 0.5
    found = np.empty_like(flat)
    found[near] = _series(flat[near], order)
    far = flat[~near]
    value = np.log1p(far) / far
    for n in range(1, order + 1):
        value = (math.factorial(n - 1) * (-1.0) ** (n - 1) / (1 + far) ** n - n * value) / far
    found[~near] = value
    return found.reshape(given.shape)[()]


def _series(w: Any, order: int) -> Any:
    """Return Σ (-1)ᵏ k! / ((k - n)! (k + 1)) w^(k-n), by Horner's rule."""
    total = np.zeros_like(w)
    for k in range(order + 60, order - 1, -1):
        total = total * w + (-1.0) ** k * math.perm(k, order) / (k + 1)
    return total


log1p_ratio: Primitive = elementwise(
    "log1p_ratio",
    numpy=_log1p_ratio,
    arguments=("x",),
    parameters=("order",),
    infer=lambda x, *, order: Aval(x.shape, x.dtype, kind_of_result(x.shape)),
    partials=(lambda x, order: bind(log1p_ratio, x, order=order + 1),),
    samples=lambda: (
        [Sample(np.array([0.0, 1e-9, -0.3, 0.45, 2.5, -0.8]), order=order) for order in (0, 1, 3)]
        + [Sample(*sample.args, order=1) for sample in unary_samples(_above_minus_one)]
    ),
)


def _above_minus_one(*shape: int, dtype: Any = np.float64, seed: int = 0) -> Any:
    drawn = np.random.default_rng([seed, *shape]).uniform(-0.6, 2.5, shape)
    return (drawn + 0.5j if np.dtype(dtype).kind == "c" else drawn).astype(dtype)


# The derivative of Spence's integral of ln t / (1 - t) from 1 is ln x / (1 - x), which is -1 at 1.
spence = special(
    "spence",
    lambda x: -bind(log1p_ratio, x - 1, order=0),
    at=((0.2, 1.0, 1.6, 7.5),),
    complex_at=_OF_PLANE,
)

# ------------------------------------------------------------------ elliptic integrals

# dK/dm = (E - (1-m) K) / (2m(1-m)) and dE/dm = (E - K) / (2m) cancel near 0; as hypergeometric
# functions (DLMF 19.5.1, 19.5.2) they do not.
_MODULI = (-1.5, 0.0, 0.4, 0.85)


def _slope(x: Any, factor: float, a: float) -> Any:
    """Return a multiple of 2F1(a, 3/2; 2; x); SciPy answers single precision with double."""
    found = factor * scipy.hyp2f1(a, 1.5, 2.0, x)
    return found.astype(aval_of(raw_of(x)).dtype)


_EIGHTH = math.pi / 8


ellipk = special("ellipk", lambda x: _slope(x, _EIGHTH, 1.5), at=(_MODULI,))
ellipkm1 = special("ellipkm1", lambda x: _slope(1 - x, -_EIGHTH, 1.5), at=((2.5, 1.0, 0.6, 0.15),))
ellipe = special("ellipe", lambda x: _slope(x, -_EIGHTH, 0.5), at=(_MODULI,))
ellipkinc = special(
    "ellipkinc",
    lambda phi, m: 1 / np.sqrt(1 - m * np.sin(phi) ** 2),
    without("ellipkinc", "m"),
    arguments=("phi", "m"),
    at=(_SIGNED, _MODULI),
    wrt=(0,),
)
ellipeinc = special(
    "ellipeinc",
    lambda phi, m: np.sqrt(1 - m * np.sin(phi) ** 2),
    without("ellipeinc", "m"),
    arguments=("phi", "m"),
    at=(_SIGNED, _MODULI),
    wrt=(0,),
)

# ------------------------------------------------------------------ hypergeometric functions

hyp0f1 = special(
    "hyp0f1",
    without("hyp0f1", "v"),
    lambda v, x: scipy.hyp0f1(v + 1, x) / v,
    arguments=("v", "x"),
    at=((1.0, 2.5, 0.7, 3.0), _SIGNED),
    wrt=(1,),
)
hyp1f1 = special(
    "hyp1f1",
    without("hyp1f1", "a"),
    without("hyp1f1", "b"),
    lambda a, b, x: a / b * scipy.hyp1f1(a + 1, b + 1, x),
    arguments=("a", "b", "x"),
    at=((1.0, 0.5, 2.0, 1.5), (2.0, 1.5, 3.0, 0.7), _SIGNED),
    wrt=(2,),
)
hyp2f1 = special(
    "hyp2f1",
    without("hyp2f1", "a"),
    without("hyp2f1", "b"),
    without("hyp2f1", "c"),
    lambda a, b, c, z: a * b / c * scipy.hyp2f1(a + 1, b + 1, c + 1, z),
    arguments=("a", "b", "c", "z"),
    at=((0.5, 1.0, 1.5, 2.0), (0.5, 1.2, 1.5, 0.3), (1.0, 2.0, 2.5, 1.7), _WITHIN),
    wrt=(3,),
)

# ------------------------------------------------------------------ polynomials


def _polynomial(name: str, partial: Any, **others: float) -> Primitive:
    """Make the primitive of a family of polynomials; `others` are values of its parameters."""
    parameters = [without(name, argument) for argument in others]
    return special(
        name,
        without(name, "its degree"),
        *parameters,
        partial,
        arguments=("n", *others, "x"),
        at=(3, *others.values(), _WITHIN),
        wrt=(1 + len(others),),
    )


def _below(n: Any) -> Any:
    """Return n - 1, but no degree below 0, which SciPy has none of."""
    return np.maximum(n - 1, 0)


eval_legendre = _polynomial("eval_legendre", lambda n, x: scipy.eval_gegenbauer(n - 1, 1.5, x))
eval_chebyt = _polynomial("eval_chebyt", lambda n, x: n * scipy.eval_chebyu(n - 1, x))
eval_chebyu = _polynomial("eval_chebyu", lambda n, x: 2 * scipy.eval_gegenbauer(n - 1, 2.0, x))
eval_hermite = _polynomial("eval_hermite", lambda n, x: 2 * n * scipy.eval_hermite(_below(n), x))
eval_hermitenorm = _polynomial(
    "eval_hermitenorm", lambda n, x: n * scipy.eval_hermitenorm(_below(n), x)
)
eval_laguerre = _polynomial("eval_laguerre", lambda n, x: -scipy.eval_genlaguerre(n - 1, 1.0, x))
eval_genlaguerre = _polynomial(
    "eval_genlaguerre",
    lambda n, alpha, x: -scipy.eval_genlaguerre(n - 1, alpha + 1, x),
    alpha=0.5,
)
eval_gegenbauer = _polynomial(
    "eval_gegenbauer",
    lambda n, alpha, x: 2 * alpha * scipy.eval_gegenbauer(n - 1, alpha + 1, x),
    alpha=0.5,
)
eval_jacobi = _polynomial(
    "eval_jacobi",
    lambda n, a, b, x: 0.5 * (n + a + b + 1) * scipy.eval_jacobi(n - 1, a + 1, b + 1, x),
    a=0.5,
    b=1.2,
)

# ------------------------------------------------------------------ Lambert's W

lambertw = special(
    "lambertw",
    lambda ans: np.exp(-ans) / (1 + ans),
    without("lambertw", "its branch"),
    without("lambertw", "its tolerance"),
    ufunc=_ufuncs._lambertw,
    arguments=("z", "k", "tol"),
    at=((0.5 + 0.2j, 2.0 - 0.3j), 0, 1e-8),
    wrt=(0,),
)
