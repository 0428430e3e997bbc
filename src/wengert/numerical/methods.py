"""The formulas of the numerical methods, one record a method, and the steps each is accurate with.

A formula sees a function of one or two numbers; what these numbers are is left to `problem`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ArgumentError

# Richardson extrapolation combines this many central differences, at h, h/2, h/4 and h/8: an error
# of order h**8. More levels gain little, since each one doubles the rounding error of the last.
_LEVELS = 4

# `line(value)` is the function with one coordinate set to `value`, `plane(value, other)` with two.
# Each formula divides by the step as the computer took it, `(x + h) - x` rather than `h`, so that
# no digit is lost to the rounding of `x + h`.


def _forward_first(line: Any, x: Any, h: Any, base: Any) -> Any:
    up = x + h
    return (line(up) - base) / (up - x)


def _forward_repeated(line: Any, x: Any, h: Any, base: Any) -> Any:
    up = x + h
    return (line(up + (up - x)) - 2 * line(up) + base) / (up - x) ** 2


def _forward_mixed(plane: Any, x: Any, y: Any, h: Any, k: Any, base: Any) -> Any:
    up, right = x + h, y + k
    change = plane(up, right) - plane(up, y) - plane(x, right) + base
    return change / ((up - x) * (right - y))


def _central_first(line: Any, x: Any, h: Any, base: Any) -> Any:
    up, down = x + h, x - h
    return (line(up) - line(down)) / (up - down)


def _central_repeated(line: Any, x: Any, h: Any, base: Any) -> Any:
    up, down = x + h, x - h
    return 4 * (line(up) - 2 * base + line(down)) / (up - down) ** 2


def _central_mixed(plane: Any, x: Any, y: Any, h: Any, k: Any, base: Any) -> Any:
    up, down, right, left = x + h, x - h, y + k, y - k
    change = plane(up, right) - plane(up, left) - plane(down, right) + plane(down, left)
    return change / ((up - down) * (right - left))


def _complex_first(line: Any, x: Any, h: Any, base: Any) -> Any:
    return line(x + 1j * h).imag / h


def _complex_repeated(line: Any, x: Any, h: Any, base: Any) -> Any:
    tiny = _imaginary_step(x, np.finfo(x.dtype).eps)
    up, down = x + h, x - h
    return (line(up + 1j * tiny) - line(down + 1j * tiny)).imag / ((up - down) * tiny)


def _complex_mixed(plane: Any, x: Any, y: Any, h: Any, k: Any, base: Any) -> Any:
    tiny = _imaginary_step(y, np.finfo(y.dtype).eps)
    up, down, above = x + h, x - h, y + 1j * tiny
    return (plane(up, above) - plane(down, above)).imag / ((up - down) * tiny)


def _richardson_first(line: Any, x: Any, h: Any, base: Any) -> Any:
    return _extrapolate(lambda scale: _central_first(line, x, h * scale, base))


def _richardson_repeated(line: Any, x: Any, h: Any, base: Any) -> Any:
    return _extrapolate(lambda scale: _central_repeated(line, x, h * scale, base))


def _richardson_mixed(plane: Any, x: Any, y: Any, h: Any, k: Any, base: Any) -> Any:
    return _extrapolate(lambda scale: _central_mixed(plane, x, y, h * scale, k * scale, base))


def _extrapolate(central: Callable[[float], Any]) -> Any:
    """Richardson's tableau over halved steps; entry by entry, its most self-consistent number.

    The error of a central difference has even powers of the step only, so column k is
    ``(4**k * finer - coarser) / (4**k - 1)``. As in Ridders (1982), an estimate is judged by its
    distance from the two it was made of. A nan from a step that left the domain never wins.
    """
    previous = [central(1.0)]
    best: Any = previous[0]
    best_error: Any = np.inf
    for level in range(1, _LEVELS):
        row = [central(0.5**level)]
        for order in range(1, level + 1):
            factor = 4.0**order
            with np.errstate(invalid="ignore", over="ignore"):
                refined = (factor * row[-1] - previous[order - 1]) / (factor - 1)
                error = np.maximum(abs(refined - row[-1]), abs(refined - previous[order - 1]))
            better = error < best_error
            best = np.where(better, refined, best)
            best_error = np.where(better, error, best_error)
            row.append(refined)
        previous = row
    return best


def _power_step(exponent: float) -> Callable[[Any, Any], Any]:
    """Return the rule ``eps**exponent * max(1, |x|)`` for the automatic step."""
    return lambda x, eps: eps**exponent * np.maximum(1, abs(x))


def _imaginary_step(x: Any, eps: Any) -> Any:
    """Return ``eps**2 * |x|`` (``eps**2`` at zero): no cancellation, so far below rounding.

    The floor keeps the product of step and derivative away from the smallest numbers there are.
    """
    size = np.where(x == 0, 1, abs(x))
    step = np.maximum(eps**2 * size, np.finfo(x.dtype).tiny ** (2 / 3))
    return step.astype(x.dtype)[()]


@dataclass(frozen=True)
class Method:
    """Formulas for first, repeated second and mixed second derivatives, and their best steps."""

    first: Callable[..., Any]
    repeated: Callable[..., Any]
    mixed: Callable[..., Any]
    first_step: Callable[[Any, Any], Any]
    second_step: Callable[[Any, Any], Any]
    # The smallest step along the real axis as a part of the first; 0 for a first derivative that
    # steps along the imaginary one.
    finest: float = 1.0


# The exponents balance truncation against rounding: an error C*h**p against eps/h (first order) or
# eps/h**2 (second) is least near eps**(1/(p+1)) or eps**(1/(p+2)). Dennis & Schnabel (1983), 5.4
# and 5.6, have p = 1; central differences have p = 2, extrapolated ones p = 2 * _LEVELS.
METHODS = {
    "forward": Method(
        first=_forward_first,
        repeated=_forward_repeated,
        mixed=_forward_mixed,
        first_step=_power_step(1 / 2),
        second_step=_power_step(1 / 3),
    ),
    "central": Method(
        first=_central_first,
        repeated=_central_repeated,
        mixed=_central_mixed,
        first_step=_power_step(1 / 3),
        second_step=_power_step(1 / 4),
    ),
    "complex-step": Method(
        first=_complex_first,
        repeated=_complex_repeated,
        mixed=_complex_mixed,
        first_step=_imaginary_step,
        second_step=_power_step(1 / 3),
        finest=0.0,
    ),
    "richardson": Method(
        first=_richardson_first,
        repeated=_richardson_repeated,
        mixed=_richardson_mixed,
        first_step=_power_step(1 / (2 * _LEVELS + 1)),
        second_step=_power_step(1 / (2 * _LEVELS + 2)),
        finest=0.5 ** (_LEVELS - 1),
    ),
}


def sized_step(
    rule: Callable[[Any, Any], Any], x: Any, eps: float, step: float | None, finest: float
) -> Any:
    """Return the step at `x`, in its dtype: `step` if given, else what `rule` says.

    `finest` is the smallest part of it that is added to `x`, or 0 if none is.
    """
    h = x.dtype.type(step) if step is not None else np.asarray(rule(x, eps)).astype(x.dtype)[()]
    unmoved = np.ravel(x)[np.ravel(x + finest * h == x)]
    if finest and unmoved.size:
        raise ArgumentError(
            f"a step of {step if step is not None else h} does not change x = {unmoved[0]} in "
            f"{x.dtype}; pass a larger `step` or a wider dtype"
        )
    return h
