"""Gaps between eigenvalues: their reciprocals, and a warning of what is lost where they vanish.

Of the vectors of equal eigenvalues only the space that they span is determined. How a direction
turns them among themselves follows from no derivative, so that part is left out; functions that do
not depend on the basis chosen in the space do not need it. Those that combine vectors with
eigenvalues, V g(Λ) Vᴴ, do: its limit is their divided difference g'(λ).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...errors import DegenerateEigenvaluesWarning
from ...ir.aval import Aval, aval_of
from ...tracing.callsite import outside_frame
from ...tracing.core import Batched, Traced, bind, innermost, raw_of
from ..batch_rules import moved
from ..core_family import known
from ..families import irregular
from ..samples import Sample, array


def equal(values: Any) -> Any:
    """Return where two of the values are closer than rounding can tell, n ε max|v|."""
    plain = known(values)
    gaps = plain[..., None, :] - plain[..., :, None]
    return np.less_equal(np.abs(gaps), rounding(plain))


def rounding(values: Any) -> Any:
    """Return below which size values of a matrix, and their differences, are rounding error."""
    size = np.shape(values)[-1]
    largest = np.max(np.abs(values), axis=-1, initial=0)[..., None, None]
    return size * np.finfo(aval_of(raw_of(values)).dtype).eps * largest


def inverse_gaps(values: Any) -> Any:
    """Return F with F_ij = 1 / (v_j - v_i), and 0 where the two are equal."""
    gaps = values[..., None, :] - values[..., :, None]
    same = equal(values)
    return np.where(same, 0.0, 1.0 / np.where(same, 1.0, gaps))


def inverse_sums(values: Any) -> Any:
    """Return S with S_ij = 1 / (v_i + v_j); 0 on the diagonal and where both are 0."""
    sums = values[..., None, :] + values[..., :, None]
    left_out = np.less_equal(known(sums), rounding(known(values)))
    left_out = np.logical_or(left_out, np.eye(np.shape(values)[-1], dtype=bool))
    return np.where(left_out, 0.0, 1.0 / np.where(left_out, 1.0, sums))


# ------------------------------------------------------------------ the warning


def plain_or_none(x: Any) -> Any:
    """Return the plain array below all traces; None where it is not known (staging).

    Of batched values all examples, along axes in front.
    """
    if x is None:
        return None
    plain = innermost(raw_of(x))
    moves = []
    while type(plain) is Batched:
        moves.append(plain.axis)
        plain = innermost(plain._below)
    if type(plain) is Aval:
        return None
    for count, axis in enumerate(reversed(moves)):
        plain = moved(plain, axis + count, 0)
    return plain


def equal_pairs(values: Any) -> Any:
    """Return which pairs of different places hold equal values; None where there are none."""
    plain = plain_or_none(values)
    if plain is None or np.shape(plain)[-1] < 2:
        return None
    found = np.logical_and(equal(plain), ~np.eye(plain.shape[-1], dtype=bool))
    return found if found.any() else None


def exceeds(part: Any, whole: Any) -> Any:
    """Return where entries of matrices are more than rounding beside the largest of `whole`."""
    largest = np.max(np.abs(whole), axis=(-2, -1), keepdims=True, initial=0)
    return np.abs(part) > np.finfo(part.dtype).eps ** 0.75 * largest


def watch_cotangents(
    values: Any, of_values: Any, turning: Any, whole: Any, function: str, pairs: Any = None
) -> None:
    """Warn where a result depends on the vectors of equal eigenvalues, not on their space alone.

    Parameters
    ----------
    of_values : array or None
        Cotangent of the eigenvalues: together with that of one of their vectors, V g(Λ) Vᴴ cannot
        be told from a function of the space.
    turning, whole : array
        Cotangent of turns of the vectors among themselves, as a matrix, and what it is small
        beside if it is rounding.
    """
    pairs = equal_pairs(values) if pairs is None else pairs
    part, beside, of_values = map(plain_or_none, (turning, whole, of_values))
    if pairs is None or part is None:
        return
    lost = exceeds(part, beside)
    if of_values is not None:
        used = np.not_equal(of_values, 0)
        lost = lost | used[..., None, :] | used[..., :, None]
    warn_if_any(pairs & lost, values, function, "the result depends on")


def watch_tangent(values: Any, inner: Any, function: str, pairs: Any = None) -> None:
    """Warn where a direction P = V⁻¹ T V couples vectors of equal eigenvalues.

    Forward mode cannot see what becomes of the vectors, so that it warns in good cases too.
    """
    pairs = equal_pairs(values) if pairs is None else pairs
    plain = plain_or_none(inner)
    if pairs is not None and plain is not None:
        warn_if_any(pairs & exceeds(plain, plain), values, function, "the direction changes")


def watch_weights(values: Any, g: Any, function: str, pairs: Any = None) -> None:
    """Warn where a derivative V g Vᴴ of eigenvalues alone is differentiated and g may vary.

    Equal constants g belong to a function of the whole space.
    """
    pairs = equal_pairs(values) if pairs is None else pairs
    if pairs is None:
        return
    plain = plain_or_none(g)
    if plain is not None and type(raw_of(g)) is not Traced:
        pairs = pairs & exceeds(plain[..., None, :] - plain[..., :, None], plain[..., None])
    warn_if_any(pairs, values, function, "the second derivative depends on")


def warn_if_any(lost: Any, values: Any, function: str, seen: str) -> None:
    """Warn once of the first matrix of a stack in which some pair is `lost`."""
    if not np.any(lost):
        return
    plain = plain_or_none(values)
    extra = np.ndim(lost) - np.ndim(plain) - 1
    if extra > 0:  # directions in a batch, at one matrix
        lost = np.any(lost, axis=tuple(range(extra)))
    *batch, row, column = map(int, np.argwhere(np.broadcast_to(lost, equal(plain).shape))[0])
    first, second = sorted((row, column))
    what = "singular values" if function.startswith("svd") else "eigenvalues"
    others = {"eigh": ", or eigvalsh", "eig": ", or eigvals", "svd": ", or svdvals"}.get(function)
    message = (
        f"{function}: {what} {first} and {second} are equal ({plain[(*batch, first)]:.6g}), and "
        f"{seen} how their vectors turn among themselves, which is not determined and left out. "
        "That is right where only the space of these vectors is used, as in a projection on it, "
        f"and wrong where vectors meet {what}, as in V @ np.diag(np.sqrt(w)) @ V.T. Write the "
        f"function without vectors (inv, solve, cholesky, matrix_power{others or ''}), or move "
        f"the {what} of the m by n matrix apart first: A + 1e-8 * np.eye(m, n) * np.arange(n)."
    )
    frame = outside_frame()
    if frame is None:
        warnings.warn(message, DegenerateEigenvaluesWarning, stacklevel=2)
        return
    registry = frame.f_globals.setdefault("__warningregistry__", {})
    warnings.warn_explicit(
        message,
        DegenerateEigenvaluesWarning,
        frame.f_code.co_filename,
        frame.f_lineno,
        module=frame.f_globals.get("__name__", "<unknown>"),
        registry=registry,
    )


# ------------------------------------------------------------------ rules derived by transposing


def _report(cotangents: Sequence[Any], report: Callable[..., None]) -> Sequence[Any]:
    report(*cotangents)
    return cotangents


def _batch_reported(values: Any, axes: Any, params: dict[str, Any]) -> Any:
    return tuple(values), tuple(axes)


_reported = irregular(
    "reported",
    batch=_batch_reported,
    arguments=("x", "y"),
    evaluate=lambda *values, report: values,
    infer=lambda *avals, report: avals,
    jvp=lambda tangents: tuple(tangents),
    vjp=_report,
    multiple=True,
    linear=lambda which, params: True,
    samples=lambda: [Sample(array(3), array(3, 4), report=_nothing)],
)


def _nothing(*cotangents: Any) -> None:
    """Report nothing."""


def reported(tangents: Sequence[Any], report: Callable[..., None]) -> Sequence[Any]:
    """Return the tangents that a jvp gives; its transpose calls `report` with their cotangents."""
    return tuple(bind(_reported, *map(raw_of, tangents), report=report))
