"""Derivatives of a primitive by finite differences, where its block asks for them by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import RegistryError
from ..ir.aval import Aval, aval_of, is_differentiable
from ..tracing.core import Batched, innermost, raw_of
from .projection import project

# By name: the steps h of (Σ weight · f(x + step · h · t)) / h, and the power of the machine epsilon
# that balances truncation against rounding.
_METHODS: dict[str, tuple[tuple[tuple[float, float], ...], float]] = {
    "forward": (((1.0, 1.0), (0.0, -1.0)), 1 / 2),
    "central": (((1.0, 0.5), (-1.0, -0.5)), 1 / 3),
}


def check_method(name: str, method: str) -> None:
    """Raise unless `method` names a formula."""
    if method not in _METHODS:
        raise RegistryError(
            f"{name}: differences={method!r} names no method; there are "
            f"{', '.join(map(repr, _METHODS))}"
        )


def tangent_by_differences(method: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """Return a jvp slot that evaluates ``call(*values, **params)`` at neighbouring points."""

    def tangent(
        ans: Any, primals: Sequence[Any], tangents: Sequence[Any], params: dict[str, Any]
    ) -> Any:
        formula, power = _METHODS[method]
        given = [(x, t) for x, t in zip(primals, tangents, strict=True) if t is not None]
        step = min(_epsilon(x) for x, _ in given) ** power
        largest = max(_largest(t) for _, t in given)
        h = step * max(1.0, *(_largest(x) for x, _ in given)) / largest if largest else step
        total: Any = None
        for multiple, weight in formula:
            moved = [
                x if t is None else x + (multiple * h) * t
                for x, t in zip(primals, tangents, strict=True)
            ]
            found = call(*moved, **params)
            terms = found if isinstance(found, tuple) else (found,)
            scaled = [_scaled(term, weight / h) for term in terms]
            total = scaled if total is None else list(map(_added, total, scaled))
        return tuple(total) if isinstance(ans, tuple) else total[0]

    return tangent


def reverse_by_differences(tangent: Callable[..., Any]) -> Callable[..., Any]:
    """Return a vjp slot that differentiates along each entry: as many evaluations as entries."""

    def pull(cotangent: Any, residuals: Any) -> Any:
        which, values, ans, params = residuals
        cotangents = cotangent if isinstance(ans, tuple) else (cotangent,)
        found = []
        for index in which:
            aval = aval_of(values[index])
            entries = [
                _paired(tangent(ans, values, _along(values, index, unit), params), cotangents)
                for unit in _units(aval)
            ]
            found.append(_assembled(entries, aval))
        return found[0] if len(found) == 1 else tuple(found)

    def reverse(which: Any, values: Any, ans: Any, params: dict[str, Any]) -> Any:
        return pull, (which, tuple(values), ans, params)

    return reverse


def _units(aval: Aval) -> list[Any]:
    """Return the directions of a space: one an entry, and i times it where that is complex."""
    parts: tuple[Any, ...] = (1, 1j) if aval.is_complex else (1,)
    if not aval.shape:
        return [aval.dtype.type(part) for part in parts]
    basis = np.eye(aval.size, dtype=aval.dtype).reshape(-1, *aval.shape)
    return [unit * part for unit in basis for part in parts]


def _along(values: Sequence[Any], index: int, unit: Any) -> list[Any]:
    return [unit if i == index else None for i in range(len(values))]


def _paired(tangents: Any, cotangents: Sequence[Any]) -> Any:
    """Return Re Σ g t over all results."""
    every = tangents if isinstance(tangents, tuple) else (tangents,)
    pairs = zip(every, cotangents, strict=True)
    terms = [np.sum(np.real(g * t)) for t, g in pairs if t is not None and g is not None]
    return sum(terms[1:], terms[0])


def _assembled(entries: list[Any], aval: Aval) -> Any:
    if aval.is_complex:  # <g, i t> = -Im g t
        entries = [
            real - 1j * imaginary
            for real, imaginary in zip(entries[::2], entries[1::2], strict=True)
        ]
    if not aval.shape:
        return project(entries[0], aval)
    return project(np.reshape(np.stack(entries), aval.shape), aval)


def _epsilon(value: Any) -> float:
    return float(np.finfo(aval_of(raw_of(value)).dtype).eps)


def _largest(value: Any) -> float:
    plain = innermost(raw_of(value))
    while type(plain) is Batched:  # one step for all examples
        plain = innermost(plain._below)
    # While staging nothing is known of the size: numbers of about one are assumed.
    return 1.0 if type(plain) is Aval else float(np.max(np.abs(plain), initial=0.0))


def _scaled(term: Any, factor: float) -> Any:
    return term * factor if is_differentiable(aval_of(raw_of(term)).dtype) else None


def _added(first: Any, second: Any) -> Any:
    return None if first is None else first + second
