"""Bessel functions of every kind, and Struve's function.

Derivatives are half sums and differences of neighbouring orders (DLMF 10.6.1, 10.29.1), which hold
at 0 too. Those of scaled functions add the derivative of the scale.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special as scipy

from ...ir.primitive import Primitive
from ...tracing.decisions import possible
from .bessel_order import by_order_of_iv, by_order_of_kv
from .family import POINTS, special, without

_SIGNED = (-2.3, -0.4, 0.7, 3.9)
_ORDERS = (0.0, 1.5, 2.0, -0.5)

j0 = special("j0", lambda x: -scipy.j1(x), at=(_SIGNED,))
j1 = special("j1", lambda x: 0.5 * (scipy.j0(x) - scipy.jv(2.0, x)), at=(_SIGNED,))
y0 = special("y0", lambda x: -scipy.y1(x))
y1 = special("y1", lambda x: 0.5 * (scipy.y0(x) - scipy.yv(2.0, x)))
i0 = special("i0", lambda x: scipy.i1(x), at=(_SIGNED,))
i1 = special("i1", lambda x: 0.5 * (scipy.i0(x) + scipy.iv(2.0, x)), at=(_SIGNED,))


def _far_slope(x: Any, order: int, sign: float, factor: float) -> Any:
    """Return the derivative of x^(-1/2) Σ aₖ (±1/x)ᵏ, the series of e^-x I and e^x K (DLMF 10.40).

    Digits are full from 30 on; the coefficients aₖ are those of DLMF 10.17.1.
    """
    coefficients = [1.0]
    for k in range(1, 22):
        odd = (2 * k - 1) ** 2
        coefficients.append(coefficients[-1] * (4 * order**2 - odd) / (8 * k))
    step = sign / x
    total: Any = 0.0
    for k in range(21, -1, -1):
        total = total * step - (k + 0.5) * coefficients[k]
    return factor * total / (x * np.sqrt(x))


def _slope(near: Any, x: Any, order: int, sign: float, factor: float) -> Any:
    """Return `near`, or where its terms cancel the derivative of the asymptotic series."""
    size = np.abs(x)
    far = np.greater(size, 30.0)
    if not possible(far):
        return near
    outside = _far_slope(np.where(far, size, 40.0), order, sign, factor)
    return np.where(far, outside if sign > 0 or order else outside * np.sign(x), near)


_OF_I, _OF_K = 1 / math.sqrt(2 * math.pi), math.sqrt(math.pi / 2)
i0e = special(
    "i0e",
    lambda x, ans: _slope(scipy.i1e(x) - np.sign(x) * ans, x, 0, -1.0, _OF_I),
    at=((-50.0, -0.4, 0.7, 40.0),),
)
i1e = special(
    "i1e",
    lambda x, ans: _slope(
        0.5 * (scipy.i0e(x) + scipy.ive(2.0, x)) - np.sign(x) * ans, x, 1, -1.0, _OF_I
    ),
    at=((-50.0, -0.4, 0.7, 40.0),),
)
k0 = special("k0", lambda x: -scipy.k1(x))
k1 = special("k1", lambda x: -0.5 * (scipy.k0(x) + scipy.kv(2.0, x)))
k0e = special(
    "k0e",
    lambda x, ans: _slope(ans - scipy.k1e(x), x, 0, 1.0, _OF_K),
    at=((0.3, 1.6, 3.0, 40.0),),
)
k1e = special(
    "k1e",
    lambda x, ans: _slope(ans - 0.5 * (scipy.k0e(x) + scipy.kve(2.0, x)), x, 1, 1.0, _OF_K),
    at=((0.3, 1.6, 3.0, 40.0),),
)


def _of_order(
    name: str, partial: Any, *, integers: bool = False, by_order: Any = None
) -> Primitive:
    return special(
        name,
        without(name, "its order") if by_order is None else by_order,
        partial,
        arguments=("v", "x"),
        at=(2 if integers else _ORDERS, POINTS),
        wrt=(1,) if by_order is None else None,
    )


def _difference(function: Any) -> Any:
    return lambda v, x: 0.5 * (function(v - 1, x) - function(v + 1, x))


jv = _of_order("jv", _difference(scipy.jv))
yv = _of_order("yv", _difference(scipy.yv))
yn = _of_order("yn", _difference(scipy.yn), integers=True)
kn = _of_order(
    "kn", lambda v, x: -0.5 * (scipy.kn(abs(v - 1), x) + scipy.kn(v + 1, x)), integers=True
)
kv = _of_order(
    "kv",
    lambda v, x: -0.5 * (scipy.kv(v - 1, x) + scipy.kv(v + 1, x)),
    by_order=by_order_of_kv,
)
kve = _of_order("kve", lambda v, x, ans: ans - 0.5 * (scipy.kve(v - 1, x) + scipy.kve(v + 1, x)))
iv = _of_order(
    "iv",
    lambda v, x: 0.5 * (scipy.iv(v - 1, x) + scipy.iv(v + 1, x)),
    by_order=by_order_of_iv,
)
ive = _of_order(
    "ive",
    lambda v, x, ans: 0.5 * (scipy.ive(v - 1, x) + scipy.ive(v + 1, x)) - np.sign(x) * ans,
)


def _by_struve(v: Any, x: Any) -> Any:
    """Return the derivative of H_v (DLMF 11.4.23 and 11.4.24, added)."""
    rest = (0.5 * x) ** v * scipy.rgamma(v + 1.5) / (2 * math.sqrt(math.pi))
    return 0.5 * (scipy.struve(v - 1, x) - scipy.struve(v + 1, x)) + rest


struve = _of_order("struve", _by_struve)
