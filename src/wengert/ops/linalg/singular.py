"""Singular values: ``np.linalg.svd`` and ``svdvals``.

A singular value that is 0 has a kink there, as |x| has: its derivative is 0. Equal singular values
are treated as equal eigenvalues are by `eigh`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.aval import Aval, aval_of
from ...tracing.core import Traced, bind, raw_of, to_user
from ...tracing.protocols import implements
from ..core_family import (
    adjoint,
    conjugated,
    core,
    diagonal_part,
    known,
    linalg_dtype,
    operand,
    real_dtype,
    real_part,
)
from ..samples import Fail, Sample, array
from .cholesky import hermitian as as_hermitian
from .gaps import (
    equal_pairs,
    inverse_gaps,
    inverse_sums,
    plain_or_none,
    reported,
    watch_cotangents,
    watch_tangent,
    watch_weights,
)


def _svd_jvp(
    tangent: Any, ans: Any, full_matrices: bool, hermitian: bool, watched: bool
) -> Any:
    """Push a tangent through u s v (Townsend 2016; complex: Wan and Zhang 2019).

    With P = uᴴ T vᴴ = H + K, Hermitian and not: ds = Re diag P, du = u (F ∘ H + S ∘ K) +
    (1 - u uᴴ) T vᴴ / s and dvᴴ = vᴴ (F ∘ H - S ∘ K) + …, with F_ij = 1 / (s_j - s_i) and
    S_ij = 1 / (s_j + s_i). Equal values lose F ∘ H, and the polar factor u v needs S ∘ K only.
    The phase that complex vectors leave free goes to u.
    """
    u, values, v = ans
    rows, columns = np.shape(tangent)[-2:]
    count = min(rows, columns)
    left, right = u[..., :, :count], v[..., :count, :]
    after = np.matmul(tangent, adjoint(right))
    before = np.matmul(adjoint(left), tangent)
    inner = np.matmul(adjoint(left), after)
    flipped = adjoint(inner)
    alike = inverse_gaps(values) * (0.5 * (inner + flipped))
    apart = inverse_sums(values) * (0.5 * (inner - flipped))
    zero = np.equal(values, 0)
    reciprocal = np.where(zero, 0.0, 1.0 / np.where(zero, 1.0, values))
    u_turn, v_turn = alike + apart, alike - apart
    if aval_of(raw_of(inner)).is_complex:
        phase = 1j * np.imag(diagonal_part(inner)) * reciprocal
        identity = np.eye(count, dtype=real_dtype(aval_of(raw_of(inner)).dtype))
        u_turn = u_turn + phase[..., None, :] * identity
    u_change = np.matmul(left, u_turn)
    v_change = np.matmul(adjoint(v_turn), right)
    if rows > count:
        rest = (after - np.matmul(left, inner)) * reciprocal[..., None, :]
        u_change = u_change + rest
        if full_matrices:  # the spare vectors turn too, to stay orthogonal to the others
            spare = u[..., :, count:]
            opposite = -np.matmul(left, np.matmul(adjoint(rest), spare))
            u_change = np.concatenate([u_change, opposite], axis=-1)
    if columns > count:
        rest = reciprocal[..., :, None] * (before - np.matmul(inner, right))
        v_change = v_change + rest
        if full_matrices:
            spare = v[..., count:, :]
            opposite = -np.matmul(np.matmul(spare, adjoint(rest)), right)
            v_change = np.concatenate([v_change, opposite], axis=-2)
    change = np.where(zero, 0.0, real_part(diagonal_part(inner)))
    if watched:
        watch_tangent(values, inner + flipped, "svd")
        return _watched((u_change, change, v_change), ans)
    return u_change, change, v_change


def _watched(changes: Any, ans: Any) -> Any:
    """Return the changes of u, s and v, whose transpose warns of what equal values lose.

    Vectors of equal values turn together; those of values 0, spare ones among them, turn alone.
    """
    u, values, v = map(plain_or_none, ans)
    if values is None:
        return changes
    pairs, of_zero_u, of_zero_v = equal_pairs(values), _zeros(values, u), _zeros(values, v)
    if pairs is None and not of_zero_u.any() and not of_zero_v.any():
        return changes
    count = values.shape[-1]

    def report(of_u: Any, of_values: Any, of_v: Any) -> None:
        if of_u is None and of_v is None:
            return
        of_u, of_v = plain_or_none(of_u), plain_or_none(of_v)
        first = 0 * u if of_u is None else np.matmul(transposed(u), of_u)
        second = 0 * v if of_v is None else np.matmul(of_v, transposed(v))
        both = (first[..., :count, :count], second[..., :count, :count])
        turning = both[0] - both[1]
        whole = np.abs(both[0]) + np.abs(both[1])
        if pairs is not None:
            watch_cotangents(values, of_values, turning - adjoint(turning), whole, "svd", pairs)
        for found, alone in ((of_zero_u, first), (of_zero_v, second)):
            watch_cotangents(values, None, alone - adjoint(alone), alone, "svd", found)

    return to_user(reported(changes, report))


def _zeros(values: Any, vectors: Any) -> Any:
    """Return which pairs of vectors, spare ones included, belong to singular values 0."""
    ...


def _infer_svd(a: Aval, *, full_matrices: bool, hermitian: bool) -> tuple[Aval, Aval, Aval]:
    if a.ndim < 2:
        raise np.linalg.LinAlgError(
            f"{a.ndim}-dimensional array given. Array must be at least two-dimensional"
        )
    (dtype,) = linalg_dtype((a,))
    *batch, rows, columns = a.shape
    count = min(rows, columns)
    return (
        Aval((*batch, rows, rows if full_matrices else count), dtype),
        Aval((*batch, count), real_dtype(dtype)),
        Aval((*batch, columns if full_matrices else count, columns), dtype),
    )


def _svd_samples() -> list[Sample]:
    return [
        Sample(array(4, 3), full_matrices=False, hermitian=False),
        Sample(array(3, 4), full_matrices=False, hermitian=False),
        Sample(array(3, 3), full_matrices=True, hermitian=False),
        Sample(array(5, 4, 2), full_matrices=False, hermitian=False),
        Sample(array(4, 3, dtype=np.float32, seed=1), full_matrices=False, hermitian=False),
        # The spare vectors, and complex phases, are chosen anew by LAPACK at every point.
        Sample(array(4, 2), full_matrices=True, hermitian=False, differentiable=False),
        Sample(
            array(3, 4, dtype=np.complex128),
            full_matrices=False,
            hermitian=False,
            differentiable=False,
        ),
        Sample(np.ones((0, 2)), full_matrices=False, hermitian=False),
    ]


def _fails() -> list[Fail]:
    return [
        Fail(
            np.linalg.LinAlgError,
            "dimensional array given",
            array(3),
            full_matrices=False,
            hermitian=False,
        )
    ]


svd_primitive = core(
    "svd",
    "(m,n)->(m,m),(k),(n,n)",
    arguments=("a",),
    evaluate=lambda a, *, full_matrices, hermitian: tuple(
        np.linalg.svd(a, full_matrices, hermitian=hermitian)
    ),
    infer=_infer_svd,
    jvp=(_svd_jvp,),
    samples=_svd_samples,
    fails=_fails,
    numpy=np.linalg.svd,
)
_SVDResult: Any = type(np.linalg.svd(np.ones((1, 1))))


@implements(np.linalg.svd)
def svd(
    a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Any:
    x = operand(a)
    if hermitian:
        x = as_hermitian(x)
    if not compute_uv:
        return to_user(bind(svdvals_primitive, x, hermitian=bool(hermitian)))
    found = bind(svd_primitive, x, full_matrices=bool(full_matrices), hermitian=bool(hermitian))
    return _SVDResult(*to_user(found))


@implements(np.linalg.svdvals)
def svdvals(x: Any, /) -> Any:
    return to_user(bind(svdvals_primitive, operand(x), hermitian=False))


# ------------------------------------------------------------------ singular values alone


def _factors(a: Any) -> Any:
    """Return u and v, and where the singular values are not 0."""
    u, values, v = np.linalg.svd(a, full_matrices=False)
    return u, np.not_equal(known(values), 0), v


def _svdvals_jvp(tangent: Any, a: Any) -> Any:
    u, smooth, v = _factors(a)
    change = np.sum(conjugated(u) * np.matmul(tangent, adjoint(v)), axis=-2)
    return np.where(smooth, real_part(change), 0.0)


def _svdvals_vjp(g: Any, a: Any) -> Any:
    u, smooth, v = _factors(a)
    kept = np.where(smooth, g, 0.0)
    return np.matmul(conjugated(u) * kept[..., None, :], conjugated(v))


def _infer_svdvals(a: Aval, *, hermitian: bool) -> Aval:
    return _infer_svd(a, full_matrices=False, hermitian=hermitian)[1]


svdvals_primitive = core(
    "svdvals",
    "(m,n)->(k)",
    arguments=("a",),
    evaluate=lambda a, *, hermitian: np.linalg.svd(a, compute_uv=False, hermitian=hermitian),
    infer=_infer_svdvals,
    jvp=(_svdvals_jvp,),
    vjp=(_svdvals_vjp,),
    samples=lambda: [
        Sample(array(4, 3), hermitian=False),
        Sample(array(3, 4), hermitian=False),
        Sample(array(5, 4, 2), hermitian=False),
        Sample(array(4, 3, dtype=np.float32, seed=1), hermitian=False),
        Sample(array(3, 4, dtype=np.complex128), hermitian=False),
        Sample(np.zeros((2, 3)), hermitian=False, differentiable=False),
        Sample(np.ones((0, 2)), hermitian=False),
    ],
    fails=lambda: [
        Fail(np.linalg.LinAlgError, "dimensional array given", array(3), hermitian=False)
    ],
    numpy=np.linalg.svdvals,
)
