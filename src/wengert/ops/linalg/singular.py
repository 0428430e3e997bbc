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
    transposed,
)
from ..kinds import stop_gradient_of
from ..samples import Fail, Sample, array
from .cholesky import hermitian as as_hermitian
from .gaps import (
    equal_pairs,
    inverse_gaps,
    inverse_sums,
    plain_or_none,
    reported,
    rounding,
    watch_cotangents,
    watch_tangent,
    watch_weights,
)


def _svd_jvp(tangent: Any, ans: Any, full_matrices: bool, hermitian: bool, watched: bool) -> Any:
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
    of_u, of_v = _with_spare(values, u.shape[-1]), _with_spare(values, v.shape[-2])
    if equal_pairs(of_u) is None and equal_pairs(of_v) is None:
        return changes
    count = values.shape[-1]

    def report(g_u: Any, g_values: Any, g_v: Any) -> None:
        g_u, g_v = plain_or_none(g_u), plain_or_none(g_v)
        if g_u is None and g_v is None:
            return
        left = np.matmul(transposed(u), np.zeros_like(u) if g_u is None else g_u)
        right = np.matmul(np.zeros_like(v) if g_v is None else g_v, transposed(v))
        first, second = left[..., :count, :count], right[..., :count, :count]
        both, whole = first - second, np.abs(first) + np.abs(second)
        watch_cotangents(values, g_values, both - adjoint(both), whole, "svd")
        for padded, one in ((of_u, left), (of_v, right)):
            pairs = equal_pairs(padded)
            if pairs is not None:
                pairs = pairs & _of_zeros(padded)
                watch_cotangents(padded, None, one - adjoint(one), one, "svd", pairs)

    return to_user(reported(changes, report))


def _with_spare(values: Any, size: int) -> Any:
    """Return singular values with 0 for each vector that has none."""
    spare = np.zeros((*values.shape[:-1], size - values.shape[-1]), values.dtype)
    return np.concatenate([values, spare], axis=-1)


def _of_zeros(values: Any) -> Any:
    """Return which pairs of equal values are 0."""
    return np.less_equal(values[..., None, :] + values[..., :, None], 2 * rounding(values))


def _infer_svd(
    a: Aval, *, full_matrices: bool, hermitian: bool, watched: bool = True
) -> tuple[Aval, Aval, Aval]:
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
    reduced: dict[str, Any] = {"full_matrices": False, "hermitian": False, "watched": True}
    full = {**reduced, "full_matrices": True}
    return [
        Sample(array(4, 3), **reduced),
        Sample(array(3, 4), **reduced),
        Sample(array(3, 3), **full),
        Sample(array(5, 4, 2), **reduced),
        Sample(array(4, 3, dtype=np.float32, seed=1), **reduced),
        # The spare vectors, and complex phases, are chosen anew by LAPACK at every point.
        Sample(array(4, 2), differentiable=False, **(full | {"watched": False})),
        Sample(array(3, 4, dtype=np.complex128), differentiable=False, **reduced),
        Sample(np.ones((0, 2)), **reduced),
    ]


def _fails() -> list[Fail]:
    return [
        Fail(
            np.linalg.LinAlgError,
            "dimensional array given",
            array(3),
            full_matrices=False,
            hermitian=False,
            watched=True,
        )
    ]


svd_primitive = core(
    "svd",
    "(m,n)->(m,m),(k),(n,n)",
    arguments=("a",),
    evaluate=lambda a, *, full_matrices, hermitian, watched: tuple(
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
    return _SVDResult(*_decomposed(x, bool(full_matrices), bool(hermitian), watched=True))


def _decomposed(x: Any, full_matrices: bool, hermitian: bool, *, watched: bool) -> Any:
    return to_user(
        bind(svd_primitive, x, full_matrices=full_matrices, hermitian=hermitian, watched=watched)
    )


@implements(np.linalg.svdvals)
def svdvals(x: Any, /) -> Any:
    return to_user(bind(svdvals_primitive, operand(x), hermitian=False))


# ------------------------------------------------------------------ singular values alone


def svdvals_jvp(tangent: Any, a: Any) -> Any:
    u, values, v = _decomposed(a, False, False, watched=False)
    pushed = np.matmul(tangent, adjoint(v))
    if type(raw_of(a)) is Traced:
        inner = np.matmul(adjoint(u), pushed)
        watch_tangent(values, inner + adjoint(inner), "svdvals", _smooth_pairs(values))
    change = np.sum(conjugated(u) * pushed, axis=-2)
    return np.where(np.not_equal(known(values), 0), real_part(change), 0.0)


def _smooth_pairs(values: Any) -> Any:
    """Return which pairs of values are equal and not 0: at 0, each has a kink of its own."""
    pairs = equal_pairs(values)
    return None if pairs is None else np.logical_and(pairs, ~_of_zeros(plain_or_none(values)))


def _svdvals_vjp(g: Any, a: Any) -> Any:
    u, values, v = _decomposed(a, False, False, watched=False)
    if type(raw_of(a)) is Traced:
        watch_weights(values, g, "svdvals", _smooth_pairs(values))
    kept = np.where(np.not_equal(known(values), 0), g, 0.0)
    return np.matmul(conjugated(u) * kept[..., None, :], conjugated(v))


def _infer_svdvals(a: Aval, *, hermitian: bool) -> Aval:
    return _infer_svd(a, full_matrices=False, hermitian=hermitian)[1]


svdvals_primitive = core(
    "svdvals",
    "(m,n)->(k)",
    arguments=("a",),
    evaluate=lambda a, *, hermitian: np.linalg.svd(a, compute_uv=False, hermitian=hermitian),
    infer=_infer_svdvals,
    jvp=(svdvals_jvp,),
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


# ------------------------------------------------------------------ rank


@implements(np.linalg.matrix_rank)
def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    if rtol is not None and tol is not None:
        raise ValueError("`tol` and `rtol` can't be both set.")
    matrix = operand(stop_gradient_of(A))
    shape = np.shape(matrix)
    if len(shape) < 2:
        return np.any(matrix != 0).astype(int)
    values = np.linalg.svd(matrix, compute_uv=False, hermitian=hermitian)
    if tol is None:
        if rtol is None:
            share: Any = max(shape[-2:]) * np.finfo(values.dtype).eps
        else:
            share = operand(rtol)[..., None] if np.ndim(rtol) else rtol
        limit = np.max(values, axis=-1, keepdims=True) * share
    else:
        limit = operand(tol)[..., None] if np.ndim(tol) else tol
    return np.count_nonzero(values > limit, axis=-1)
