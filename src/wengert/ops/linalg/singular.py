"""Singular values: ``np.linalg.svd`` and ``svdvals``.

A singular value that is 0 has a kink there, as |x| has: its derivative is 0. Equal singular values
are treated as equal eigenvalues are by `eigh`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.aval import Aval, aval_of
from ...tracing.core import bind, raw_of, to_user
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
from .hermitian_eigen import inverse_gaps


def _sum_of_gaps(values: Any) -> Any:
    """Return 1 / (s_j + s_i), 0 where both are 0."""
    sums = values[..., None, :] + values[..., :, None]
    zero = np.equal(sums, 0)
    return np.where(zero, 0.0, 1.0 / np.where(zero, 1.0, sums))


def _svd_jvp(tangent: Any, ans: Any, full_matrices: bool, hermitian: bool) -> Any:
    """Push a tangent through u s v (Townsend 2016; complex: Wan and Zhang 2019).

    With P = uᴴ T vᴴ: ds = Re diag P, and du = u (F ∘ (P s + s Pᴴ)) + (1 - u uᴴ) T vᴴ / s with
    F_ij = 1 / (s_j² - s_i²); likewise dv. The phase that complex vectors leave free goes to u.
    """
    u, values, v = ans
    rows, columns = np.shape(tangent)[-2:]
    count = min(rows, columns)
    left, right = u[..., :, :count], v[..., :count, :]
    after = np.matmul(tangent, adjoint(right))
    before = np.matmul(adjoint(left), tangent)
    inner = np.matmul(adjoint(left), after)
    flipped = adjoint(inner)
    across, along = values[..., None, :], values[..., :, None]
    gaps = inverse_gaps(values) * _sum_of_gaps(values)
    zero = np.equal(values, 0)
    reciprocal = np.where(zero, 0.0, 1.0 / np.where(zero, 1.0, values))
    u_turn = gaps * (inner * across + along * flipped)
    v_turn = gaps * (along * inner + flipped * across)
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
    return u_change, change, v_change


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
