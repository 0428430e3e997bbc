"""Rules of Taylor mode: the coefficients of a result from those of the arguments.

A series is a list of raw coefficients, x(t) = Σ xₖ tᵏ, in which None stands for zero; the first is
a value. The recurrences are those of A. Griewank and A. Walther, Evaluating Derivatives (2nd
edition, 2008), table 13.2: each follows from a differential equation that the function satisfies.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..ir.aval import aval_of
from ..ir.primitive import Primitive
from ..tracing.core import bind, raw_of, to_user
from ..tracing.decisions import possible

Series = list[Any]
TaylorRule = Callable[[list[Series], dict[str, Any]], Series]


def plus(first: Any, second: Any) -> Any:
    """Return the sum of two coefficients, None being zero."""
    if first is None:
        return second
    return first if second is None else raw_of(first + second)


def minus(first: Any, second: Any) -> Any:
    """Return the difference of two coefficients, None being zero."""
    if second is None:
        return first
    return raw_of(-second) if first is None else raw_of(first - second)


def times(first: Any, second: Any) -> Any:
    """Return the product of two coefficients, None being zero."""
    return None if first is None or second is None else raw_of(first * second)


def scaled(factor: float, value: Any) -> Any:
    """Return a multiple of a coefficient, None being zero."""
    return None if value is None else raw_of(value * factor)


def convolved(x: Series, y: Series) -> Series:
    """Return the coefficients of a product of two series."""
    found: Series = []
    for order in range(len(x)):
        total = None
        for i in range(order + 1):
            total = plus(total, times(x[i], y[order - i]))
        found.append(total)
    return found


def slope_terms(y: Series, x: Series, order: int) -> Any:
    """Return Σ j xⱼ y₍ₖ₋ⱼ₎ over j from 1 to k: k times the coefficient k of ∫ y x'."""
    total = None
    for j in range(1, order + 1):
        total = plus(total, scaled(float(j), times(x[j], y[order - j])))
    return total


def quotient(x: Series, y: Series, value: Any) -> Series:
    """Return the coefficients of x / y, the value of which is given."""
    found = [value]
    for order in range(1, len(x)):
        total = x[order]
        for j in range(1, order + 1):
            total = minus(total, times(y[j], found[order - j]))
        found.append(None if total is None else raw_of(total / y[0]))
    return found


def multiplication(primitive: Primitive) -> TaylorRule:
    """Return the rule of a product."""

    def rule(series: list[Series], params: dict[str, Any]) -> Series:
        x, y = series
        value = bind(primitive, x[0], y[0], **params)
        return [value, *convolved(x, y)[1:]]

    return rule


def division(primitive: Primitive) -> TaylorRule:
    """Return the rule of a quotient."""

    def rule(series: list[Series], params: dict[str, Any]) -> Series:
        x, y = series
        return quotient(x, y, bind(primitive, x[0], y[0], **params))

    return rule


def by_equation(primitive: Primitive, slope: Callable[[Series, Series], Series]) -> TaylorRule:
    """Return the rule of a function with y' = s x'.

    ``slope(x, y)`` gives the coefficients of s from those of x and y that are known so far.
    """

    def rule(series: list[Series], params: dict[str, Any]) -> Series:
        (x,) = series
        found = [bind(primitive, x[0], **params)]
        for order in range(1, len(x)):
            known = slope(x[:order], found)
            found.append(scaled(1.0 / order, slope_terms(known, x, order)))
        return found

    return rule


# ------------------------------------------------------------------ slopes of functions of one


def slope_of_exponential(x: Series, y: Series) -> Series:
    """(eˣ)' = eˣ."""
    return y


def slope_of_logarithm(x: Series, y: Series) -> Series:
    """(log x)' = 1 / x."""
    return quotient([1.0, *[None] * (len(x) - 1)], x, raw_of(1.0 / x[0]))


def slope_of_root(x: Series, y: Series) -> Series:
    """(√x)' = 1 / (2 √x)."""
    return quotient([0.5, *[None] * (len(x) - 1)], y, raw_of(0.5 / y[0]))


def slope_of_logistic(x: Series, y: Series) -> Series:
    """σ' = σ (1 - σ)."""
    rest = [raw_of(1.0 - y[0]), *(minus(None, entry) for entry in y[1:])]
    return convolved(y, rest)


def slope_of_hyperbolic_tangent(x: Series, y: Series) -> Series:
    """Tanh' = 1 - tanh²."""
    square = convolved(y, y)
    return [raw_of(1.0 - square[0]), *(minus(None, entry) for entry in square[1:])]


def slope_of_tangent(x: Series, y: Series) -> Series:
    """Tan' = 1 + tan²."""
    square = convolved(y, y)
    return [raw_of(1.0 + square[0]), *square[1:]]


def circular(
    first: Callable[..., Any], second: Callable[..., Any], sign: float, *, wanted: int
) -> TaylorRule:
    """Return the rule of one of two functions with s' = c x' and c' = ± s x'."""

    def rule(series: list[Series], params: dict[str, Any]) -> Series:
        (x,) = series
        s, c = [raw_of(first(to_user(x[0])))], [raw_of(second(to_user(x[0])))]
        for order in range(1, len(x)):
            up = scaled(1.0 / order, slope_terms(c, x, order))
            across = scaled(sign / order, slope_terms(s, x, order))
            s.append(up)
            c.append(across)
        return (s, c)[wanted]

    return rule


# ------------------------------------------------------------------ powers


def raising(primitive: Primitive) -> TaylorRule:
    """Return the rule of a power.

    A whole exponent is repeated multiplication, right where the base is 0; any other one follows
    from x y' = a x' y, and where the base is 0 from the derivatives there, infinite ones among
    them; an exponent that varies follows from y = exp(a log x).
    """

    def rule(series: list[Series], params: dict[str, Any]) -> Series:
        x, exponent = series
        value = bind(primitive, x[0], exponent[0], **params)
        zero = np.equal(to_user(x[0]), 0)
        may_vanish = possible(zero)
        if any(entry is not None for entry in exponent[1:]):
            return _with_varying_exponent(x, exponent, value, zero if may_vanish else None)
        power = exponent[0]
        if isinstance(power, (int, float, complex, np.number)) or _is_number(power):
            whole = power.real == power and 0 <= power.real <= _MULTIPLIED
            if whole and power.real == int(power.real):
                found = _repeated(x, int(power.real))
                return [value, *(_in_dtype(entry, aval_of(value).dtype) for entry in found[1:])]
        found = [value]
        base = np.where(zero, np.nan, to_user(x[0])) if may_vanish else x[0]
        for order in range(1, len(x)):
            total = None
            for j in range(1, order + 1):
                factor = raw_of(power * j - (order - j))
                total = plus(total, times(factor, times(x[j], found[order - j])))
            found.append(None if total is None else raw_of(total / (float(order) * base)))
        return _where(zero, _power_at_zero(x, exponent, value), found) if may_vanish else found

    return rule


def _with_varying_exponent(x: Series, exponent: Series, value: Any, zero: Any) -> Series:
    """Return the coefficients of a power; `zero` says where the base is 0, None being nowhere."""
    base = x
    if zero is not None:
        # 0^a stays 0, as long as the base does.
        safe = 1.0 if all(entry is None for entry in x[1:]) else np.nan
        base = [raw_of(np.where(zero, safe, to_user(x[0]))), *x[1:]]
    logarithm = [raw_of(np.log(to_user(base[0])))]
    for order in range(1, len(x)):
        slope = slope_of_logarithm(base[:order], logarithm)
        logarithm.append(scaled(1.0 / order, slope_terms(slope, base, order)))
    inner = convolved(exponent, logarithm)
    found = [value]
    for order in range(1, len(x)):
        found.append(scaled(1.0 / order, slope_terms(found, inner, order)))
    if zero is None or all(entry is None for entry in x[1:]):
        return found
    return _where(zero, _power_at_zero(x, exponent, value), found)


def _power_at_zero(x: Series, exponent: Series, value: Any) -> Series:
    """Return the coefficients of xᵃ where x is 0, from those of xᵃ⁻¹: (xᵃ)' = a xᵃ⁻¹ x'.

    There a has no influence, and 0⁰ stays 1, in whichever direction they move.
    """
    found: Series = []
    for fallen in range(len(x) - 1, -1, -1):
        power = to_user(exponent[0]) - fallen
        slope = convolved([raw_of(power), *exponent[1 : len(found)]], found) if found else []
        found = [raw_of(np.power(to_user(x[0]), power)) if fallen else value]
        still = np.equal(power, 0)
        for order in range(1, len(slope) + 1):
            term = scaled(1.0 / order, slope_terms(slope, x, order))
            found.append(None if term is None else raw_of(np.where(still, 0.0, to_user(term))))
    return found


def _where(flags: Any, first: Series, second: Series) -> Series:
    """Return a series with the entries of one where flags hold, else of the other."""

    def chosen(one: Any, other: Any) -> Any:
        if one is None and other is None:
            return None
        either = (0.0 if entry is None else to_user(entry) for entry in (one, other))
        return raw_of(np.where(flags, *either))

    rest = zip(first[1:], second[1:], strict=True)
    return [first[0], *(chosen(one, other) for one, other in rest)]


# Whole exponents up to this one are multiplied out.
_MULTIPLIED = 64


def _is_number(value: Any) -> bool:
    return type(value) is np.ndarray and value.ndim == 0 and value.dtype.kind in "iufc"


def _in_dtype(entry: Any, dtype: np.dtype[Any]) -> Any:
    """Return a coefficient in the dtype of a power: NumPy's numbers as exponents promote."""
    if entry is None or aval_of(entry).dtype == dtype:
        return entry
    return raw_of(to_user(entry) * dtype.type(1))


def _repeated(x: Series, power: int) -> Series:
    """Return the coefficients of a whole power, by squaring."""
    result: Series | None = None
    square = x
    while power:
        if power & 1:
            result = square if result is None else convolved(result, square)
        power >>= 1
        if power:
            square = convolved(square, square)
    return [None] * len(x) if result is None else result


# ------------------------------------------------------------------ linear systems


def solving(primitive: Primitive) -> TaylorRule:
    """Return the rule of a linear system a y = b: one system a₀ yₖ = bₖ - Σ aⱼ y₍ₖ₋ⱼ₎ an order."""

    def rule(series: list[Series], params: dict[str, Any]) -> Series:
        a, b = series
        vector = np.ndim(b[0]) == 1
        product = np.matvec if vector else np.matmul
        found = [bind(primitive, a[0], b[0], **params)]
        for order in range(1, len(a)):
            total = b[order]
            for j in range(1, order + 1):
                if a[j] is not None and found[order - j] is not None:
                    total = minus(total, raw_of(product(to_user(a[j]), to_user(found[order - j]))))
            if total is not None and vector:  # a stack of matrices gives a stack of vectors
                column = raw_of(to_user(total)[..., None])
                total = raw_of(to_user(bind(primitive, a[0], column, **params))[..., 0])
            elif total is not None:
                total = bind(primitive, a[0], total, **params)
            found.append(total)
        return found

    return rule


def inverting(primitive: Primitive) -> TaylorRule:
    """Return the rule of an inverse: a y = 1."""

    def rule(series: list[Series], params: dict[str, Any]) -> Series:
        (a,) = series
        found = [bind(primitive, a[0], **params)]
        for order in range(1, len(a)):
            total = None
            for j in range(1, order + 1):
                if a[j] is not None and found[order - j] is not None:
                    total = minus(
                        total, raw_of(np.matmul(to_user(a[j]), to_user(found[order - j])))
                    )
            if total is not None:
                total = raw_of(np.matmul(to_user(found[0]), to_user(total)))
            found.append(total)
        return found

    return rule
