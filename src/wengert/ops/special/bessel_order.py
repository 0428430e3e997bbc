"""Derivatives of the modified Bessel functions with respect to their order, for positive arguments.

By Schläfli's integrals (DLMF 10.32.4, 10.32.9), differentiated under the integral sign; where the
first cancels, by the power series (DLMF 10.38.1), whose terms are positive.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from scipy import special as scipy

from ...errors import MissingRuleError
from ...ir.aval import Aval, aval_of
from ...ir.primitive import Primitive
from ...tracing.core import bind, raw_of
from ..elementwise_family import elementwise, infer_elementwise
from ..samples import Sample

_AT_ONCE = 1000  # entries whose integrands are in memory together


@functools.cache
def _nodes(panels: int, points: int) -> tuple[Any, Any]:
    """Return abscissas and weights of Gauss's rule on each of equal panels of [0, 1]."""
    inner, weights = np.polynomial.legendre.leggauss(points)
    starts = np.arange(panels)[:, None]
    return ((starts + 0.5 + 0.5 * inner) / panels).ravel(), np.tile(weights, panels) / (2 * panels)


def _half_line(v: Any, x: Any, integrand: Any) -> Any:
    """Return ∫ e^(-x cosh t) f(t) dt from 0 on, where f grows as e^(|v| t) at most."""
    end = np.arccosh(1 + 750 / x)
    for _ in range(3):
        end = np.arccosh(1 + (750 + np.abs(v) * end) / x)
    nodes, weights = _nodes(24, 20)
    t = end * nodes
    return np.sum(integrand(t) * weights, axis=-1, keepdims=True) * end


def _turned_sine(angle: Any, quarters: int) -> Any:
    """Return sin(angle + quarters π/2), which is exactly 0 or ±1 where it is to be at 0."""
    turned = np.cos(angle) if quarters % 2 else np.sin(angle)
    return -turned if quarters % 4 > 1 else turned


def _by_integrals(v: Any, x: Any, times: int) -> Any:
    nodes, weights = _nodes(12, 20)
    theta = math.pi * nodes
    terms = np.exp(x * np.cos(theta)) * theta**times * _turned_sine(v * theta, times + 1)
    total = np.sum(terms * weights, axis=-1, keepdims=True)
    for k in range(times + 1):
        power = times - k
        part = _half_line(v, x, lambda t, n=power: (-t) ** n * np.exp(-x * np.cosh(t) - v * t))
        turned = _turned_sine(math.pi * v, k)
        total = total - math.comb(times, k) * math.pi ** (k - 1) * turned * part
    return total


def _by_series(v: Any, x: Any, times: int) -> Any:
    """Return the sum of the derivatives of (x/2)^(2k+v) / (k! Γ(k+v+1)) by v."""
    k = np.arange(int(1.5 * np.max(x)) + 40)
    half = np.log(0.5 * x)
    terms = np.exp((2 * k + v) * half - scipy.gammaln(k + 1.0) - scipy.gammaln(k + v + 1))
    rates = [half - scipy.psi(k + v + 1)]
    rates += [-scipy.polygamma(j, k + v + 1) / math.factorial(j) for j in range(1, times)]
    factors: list[Any] = [1.0]  # the Taylor coefficients of the term in v, over the term
    for m in range(1, times + 1):
        factors.append(sum(rates[j - 1] * factors[m - j] for j in range(1, m + 1)) / m)
    return math.factorial(times) * np.sum(terms * factors[times], axis=-1, keepdims=True)


def _first_kind(v: Any, x: Any, times: int) -> Any:
    found = np.empty_like(x)
    series = (v > 0) & (v * v > x)
    for method, chosen in ((_by_series, series), (_by_integrals, ~series)):
        if chosen.any():
            found[chosen] = method(v[chosen][:, None], x[chosen][:, None], times)[:, 0]
    return found


def _second_kind(v: Any, x: Any, times: int) -> Any:
    grown = np.sinh if times % 2 else np.cosh
    column, at = v[:, None], x[:, None]

    def integrand(t: Any) -> Any:
        # e^(-x cosh t) cosh(vt) without an intermediate result that overflows
        rise = np.exp(np.abs(column) * t - at * np.cosh(t))
        fall = np.exp(-np.abs(column) * t - at * np.cosh(t))
        sign = np.sign(column) if grown is np.sinh else 1.0
        return t**times * 0.5 * sign * (rise - fall if grown is np.sinh else rise + fall)

    return _half_line(column, at, integrand)[:, 0]


def _evaluate(v: Any, x: Any, method: Any, times: int) -> Any:
    """Return the derivatives entry by entry; nan where x is not positive and finite."""
    dtype = np.result_type(np.asarray(v), np.asarray(x), np.float32)
    orders, points = np.broadcast_arrays(np.asarray(v, float), np.asarray(x, float))
    found = np.full(points.size, np.nan)
    ready = np.flatnonzero((points > 0) & np.isfinite(points) & np.isfinite(orders))
    with np.errstate(all="ignore"):
        for start in range(0, ready.size, _AT_ONCE):
            part = ready[start : start + _AT_ONCE]
            found[part] = method(orders.ravel()[part], points.ravel()[part], times)
    return found.reshape(points.shape).astype(dtype)[()]


def _by_order(name: str, numpy: Any, method: Any, sign: float) -> Primitive:
    """Make the primitive of the derivatives of one of the functions by its order."""
    infer = infer_elementwise(numpy, False)

    def again(v: Any, x: Any, times: int) -> Any:
        return bind(primitive, v, x, times=times + 1)

    def along(v: Any, x: Any, times: int) -> Any:
        below = bind(primitive, v - 1, x, times=times)
        return sign * 0.5 * (below + bind(primitive, v + 1, x, times=times))

    def infer_real(v: Aval, x: Aval, *, times: int) -> Aval:
        if x.is_complex:
            raise MissingRuleError(
                f"scipy.special.{name} of a complex argument has no derivative rule with respect "
                "to its order. Say wengert.stop_gradient(…) of the order where it is a constant"
            )
        found: Aval = infer(v, x)
        return found

    primitive: Primitive = elementwise(
        f"{name}_by_order",
        numpy=lambda v, x, *, times: _evaluate(v, x, method, times),
        arguments=("v", "x"),
        parameters=("times",),
        infer=infer_real,
        partials=(again, along),
        samples=lambda: (
            [
                Sample(np.array([0.3, 2.5, 0.7]), np.array([2.0, 0.4, 9.0]), times=times)
                for times in (1, 2)
            ]
            + [Sample(np.float32(0.5), np.float32(1.5), times=1, second=False)]
        ),
    )
    return primitive


_iv_by_order = _by_order("iv", scipy.iv, _first_kind, 1.0)
_kv_by_order = _by_order("kv", scipy.kv, _second_kind, -1.0)


def slope_by_order(primitive: Primitive) -> Any:
    """Return the partial by the order of a function, from the primitive of its derivatives."""

    def partial(v: Any, x: Any) -> Any:
        if aval_of(raw_of(x)).is_complex:
            primitive.infer(aval_of(raw_of(v)), aval_of(raw_of(x)), times=1)
        return bind(primitive, v, x, times=1)

    return partial


by_order_of_iv = slope_by_order(_iv_by_order)
by_order_of_kv = slope_by_order(_kv_by_order)
