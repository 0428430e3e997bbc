"""The iterations of solvers, written once: on plain vectors, and on vectors that are staged.

Each takes a `loop`: Python's own, `plain_loop`, or the equation of one, `while_loop`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Function = Callable[[Any], Any]
Loop = Callable[[Callable[[Any], Any], Callable[[Any], Any], Any], Any]

_RESTART = 50  # directions that GMRES keeps
_HALVINGS = 30


def plain_loop(go: Function, step: Function, state: Any) -> Any:
    """Return what becomes of a state by ``while go(state): state = step(state)``."""
    while go(state):
        state = step(state)
    return state


# ------------------------------------------------------------------ linear systems


def neumann_series(
    matvec: Function, b: Any, tolerance: float, limit: int, loop: Loop
) -> tuple[Any, Any]:
    """Return Σ (1 - A)ᵏ b, and whether the last term is small."""
    target = tolerance * np.max(np.abs(b))

    def go(state: Any) -> Any:
        k, _, _, size = state
        return (k == 0) | ((k < limit) & (size > target) & np.isfinite(size))

    def step(state: Any) -> Any:
        k, x, term, _ = state
        term = term - matvec(term)
        return k + 1, x + term, term, np.max(np.abs(term))

    _, x, _, size = loop(go, step, (0, b, b, target))
    return x, size <= target


def conjugate_gradients(matvec: Function, b: Any, tolerance: float, limit: int, loop: Loop) -> Any:
    """Return x with A x = b, A symmetric and positive definite (Hestenes and Stiefel, 1952)."""
    square = b @ b
    target = tolerance * tolerance * square

    def go(state: Any) -> Any:
        k, _, _, _, left = state
        return (k < limit) & (left > target) & np.isfinite(left)

    def step(state: Any) -> Any:
        k, x, residual, direction, left = state
        image = matvec(direction)
        rate = left / (direction @ image)
        residual = residual - rate * image
        following = residual @ residual
        next_direction = residual + (following / left) * direction
        return k + 1, x + rate * direction, residual, next_direction, following

    return loop(go, step, (0, b * 0.0, b, b, square))[1]


def gmres(matvec: Function, b: Any, tolerance: float, limit: int, loop: Loop) -> Any:
    """Return x with A x = b by restarted minimal residuals (Saad and Schultz, 1986).

    The directions are made orthogonal twice by the classical scheme, which is as good as the
    modified one and a product of matrices; the rotations of the small system are kept multiplied.
    """
    kept = min(b.shape[-1], _RESTART)
    norm = np.sqrt(b @ b)
    target = tolerance * norm
    restarts = max(limit // kept, 1)

    def go(state: Any) -> Any:
        k, _, _, size = state
        return (k < restarts) & (size > target) & np.isfinite(size)

    def step(state: Any) -> Any:
        k, x, residual, size = state
        change = _minimal_residual(matvec, residual, size, target, kept, loop)
        x = x + change
        residual = b - matvec(x)
        return k + 1, x, residual, np.sqrt(residual @ residual)

    return loop(go, step, (0, b * 0.0, b, norm))[1]


def _minimal_residual(
    matvec: Function, residual: Any, size: Any, target: Any, kept: int, loop: Loop
) -> Any:
    """Return what is to be added to a solution: the best of the first Krylov spaces."""

    def go(state: Any) -> Any:
        k, _, _, _, left = state
        return (k < kept) & (left > target) & np.isfinite(left)

    def step(state: Any) -> Any:
        k, basis, triangle, turned, _ = state
        made = matvec(basis[k])
        parts = basis @ made
        made = made - parts @ basis
        again = basis @ made
        made = made - again @ basis
        column = parts + again
        length = np.sqrt(made @ made)
        column[k + 1] = length
        basis[k + 1] = made / np.where(length > 0.0, length, 1.0)
        column = turned @ column
        upper, lower = column[k], column[k + 1]
        radius = np.hypot(upper, lower)
        safe = np.where(radius > 0.0, radius, 1.0)
        cosine, sine = np.where(radius > 0.0, upper / safe, 1.0), lower / safe
        first, second = turned[k], turned[k + 1]
        first, second = cosine * first + sine * second, cosine * second - sine * first
        turned[k] = first
        turned[k + 1] = second
        column[k] = safe
        column[k + 1] = 0.0
        triangle[:, k] = column[:-1]
        return k + 1, basis, triangle, turned, size * np.abs(turned[k + 1, 0])

    basis = np.concatenate(
        [np.reshape(residual / size, (1, -1)), np.zeros((kept, residual.shape[-1]))]
    )
    start = (0, basis, np.eye(kept), np.eye(kept + 1), size)
    count, basis, triangle, turned, _ = loop(go, step, start)
    right = np.where(np.arange(kept) < count, size * turned[:-1, 0], 0.0)
    return np.linalg.solve(triangle, right) @ basis[:-1]


# ------------------------------------------------------------------ equations


def contract(
    condition: Function, x: Any, tolerance: float, most: int, loop: Loop
) -> tuple[Any, Any, Any, Any]:
    """Return the end of ``x = x - condition(x)``, the last change, the size of x, what goes on.

    Vectors lie along the last axis; each stays where it has converged.
    """

    def go(state: Any) -> Any:
        k, _, last, _, going = state
        return (k < most) & np.any(going) & np.all(np.isfinite(last))

    def step(state: Any) -> Any:
        k, x, last, _, going = state
        change = condition(x)
        x = np.where(going, x - change, x)
        last = np.where(going, np.max(np.abs(change), axis=-1, keepdims=True), last)
        size = np.max(np.abs(x), axis=-1, keepdims=True)
        done = np.isfinite(last) & (last <= tolerance * np.maximum(1.0, size))
        return k + 1, x, last, size, ~done

    zeros = np.zeros((*x.shape[:-1], 1))
    _, x, last, size, going = loop(go, step, (0, x, zeros, zeros, zeros == 0.0))
    return x, last, size, going


def newton(
    condition: Function,
    solve: Callable[[Any, Any, Any], tuple[Any, Any]],
    x: Any,
    tolerance: float,
    most: int,
    loop: Loop,
    rounding: float,
) -> tuple[Any, Any, Any]:
    """Return the end of Newton's method, damped, what is left there, and whether it is a root.

    ``solve(x, value, left)`` gives the step and whether there is one. A step is halved until it
    leaves less, as far as rounding, relative, allows to tell.
    """
    value = condition(x)
    scale = np.max(np.abs(value))
    no, yes = np.bool_(False), np.bool_(True)

    def go(state: Any) -> Any:
        k, _, _, left, moving, _ = state
        return (k < most) & moving & (left > tolerance) & np.isfinite(left)

    def step(state: Any) -> Any:
        k, x, value, left, _, _ = state
        direction, exists = solve(x, value, left)

        def trial(halvings: Any, factor: Any) -> Any:
            there = x + factor * direction
            found = condition(there)
            return halvings + 1, factor * 0.5, there, found, np.max(np.abs(found))

        _, _, there, found, size = loop(
            lambda tried: ~(tried[4] < left) & (tried[0] < _HALVINGS),
            lambda tried: trial(tried[0], tried[1]),
            trial(0, np.float64(1.0)),
        )
        better = (size < left) & exists
        least = 8 * rounding * np.maximum(1.0, np.max(np.abs(x)))
        nothing = np.max(np.abs(direction)) <= least
        near = exists & ~better & (nothing | (left <= 1e-9 * np.maximum(1.0, scale)))
        x, value = np.where(better, there, x), np.where(better, found, value)
        return k + 1, x, value, np.where(better, size, left)[()], better, near

    _, x, _, left, _, near = loop(go, step, (0, x, value, scale, yes, no))
    return x, left, (left <= tolerance) | near


def descend(slope_at: Function, x: Any, until: Any, most: int, loop: Loop) -> Any:
    """Go down along the gradient with steps of Barzilai and Borwein (1988), made monotone."""

    def go(state: Any) -> Any:
        k, _, _, _, size = state
        return (k < most) & (size > until) & np.isfinite(size)

    def step(state: Any) -> Any:
        k, x, slope, rate, _ = state
        move = -rate * slope
        following = slope_at(x + move)
        # Too far where the slope along the step has turned up.
        short = np.all(np.isfinite(following)) & (move @ following <= -0.5 * (move @ slope))
        curvature = move @ (following - slope)
        longer = np.where(curvature > 0.0, (move @ move) / curvature, 2.0 * rate)
        x, slope = np.where(short, x + move, x), np.where(short, following, slope)
        return k + 1, x, slope, np.where(short, longer, 0.5 * rate)[()], np.max(np.abs(slope))

    slope = slope_at(x)
    size = np.max(np.abs(slope))
    return loop(go, step, (0, x, slope, 1.0 / np.maximum(1.0, size), size))[1]
