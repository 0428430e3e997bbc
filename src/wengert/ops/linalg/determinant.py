"""Determinants: ``np.linalg.det``, right at singular matrices too, and ``slogdet``."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.aval import aval_of
from ...tracing.core import bind, innermost, is_unknown, raw_of, to_user
from ...tracing.protocols import implements
from ..core_family import core, linalg_dtype, operand, real_dtype, transposed
from ..samples import Sample, array
from .inverse import inv, inverse_or_nan, square_fails
from .solve import well_conditioned

# ------------------------------------------------------------------ cofactors


def _as_factor(scalars: Any) -> Any:
    """Return one number a matrix, shaped to multiply the matrices."""
    return scalars[..., None, None] if np.ndim(scalars) else scalars


def cofactors(a: Any, determinants: Any) -> Any:
    """Return the cofactor matrices, the derivative of the determinant, at any rank.

    det(a) a⁻ᵀ where a is far from singular (Giles 2008, section 2.2.4); elsewhere, and for small
    matrices, a polynomial in a, see `adjugate`. All of it differentiable, hence right to any order.
    """
    size = np.shape(a)[-1]
    plain = innermost(raw_of(a))
    if size == 1:
        return np.ones(np.shape(a), aval_of(plain).dtype)
    if size == 2:
        return a[..., ::-1, ::-1] * _SIGNS
    if is_unknown(plain) or not np.all(np.isfinite(plain)):
        return _as_factor(determinants) * transposed(inv(a))
    inverse = _reliable_inverse(plain)
    if inverse is not None:
        return _as_factor(determinants) * transposed(inverse if a is plain else inv(a))
    if plain.ndim == 2:
        return transposed(adjugate(a))
    flat = np.reshape(a, (-1, size, size))
    found = np.stack([transposed(adjugate(flat[i])) for i in range(np.shape(flat)[0])])
    return np.reshape(found, plain.shape)


_SIGNS = np.array([[1, -1], [-1, 1]], np.int8)


def _far_from_singular(dtype: np.dtype[Any]) -> float:
    """Return the condition number up to which inverses are used.

    The derivative of order k multiplies k + 1 inverses, whose rounding errors must not add up.
    """
    return float(np.finfo(dtype).eps ** -0.25)


def _reliable_inverse(plain: np.ndarray[Any, Any]) -> Any:
    """Return the inverses, or None where any matrix is singular or nearly so."""
    try:
        inverse = np.linalg.inv(plain)
    except np.linalg.LinAlgError:
        return None
    if not plain.size:
        return inverse
    with np.errstate(over="ignore", invalid="ignore"):
        condition = np.abs(plain).sum(-2).max(-1) * np.abs(inverse).sum(-2).max(-1)
    return inverse if np.all(condition < _far_from_singular(plain.dtype)) else None


def adjugate(a: Any, scale: float = 0.0) -> Any:
    """Return the adjugate of one square matrix of any rank, differentiable to any order.

    With constant unitary u and v from the singular value decomposition, m = uᴴ a vᴴ has a leading
    block p far from singular and a small rest. With the Schur complement c = s - r p⁻¹ q of the
    blocks m = [p q; r s],

        adj m = det p ([det c · p⁻¹, 0; 0, 0] + [p⁻¹ q; -1] adj c [r p⁻¹, -1]),

    which divides by nothing small; adj c is found likewise. A matrix that is rounding error beside
    `scale` counts as zero.
    """
    plain = innermost(raw_of(a))
    size = plain.shape[-1]
    if size <= 2:
        return transposed(cofactors(a, None))
    u, values, v = np.linalg.svd(plain)
    if values[0] <= 8 * size * np.finfo(plain.dtype).eps * scale:
        return _adjugate_polynomial(a)
    rank = int(np.sum(values * _far_from_singular(plain.dtype) > values[0]))
    if rank == size:
        return np.linalg.det(a) * inv(a)
    m = np.matmul(np.matmul(np.conj(u.T), a), np.conj(v.T))
    p, q, r, s = m[:rank, :rank], m[:rank, rank:], m[rank:, :rank], m[rank:, rank:]
    inverse = inv(p)
    complement = s - np.matmul(r, np.matmul(inverse, q))
    of_complement = adjugate(complement, max(float(values[0]), scale))
    determinant = np.sum(complement[0] * of_complement[:, 0])
    identity = np.eye(size, dtype=plain.dtype)
    first, last = identity[:, :rank], identity[:, rank:]
    left = np.matmul(first, np.matmul(inverse, q)) - last
    right = np.matmul(np.matmul(r, inverse), first.T) - last.T
    block = np.matmul(np.matmul(first, inverse), first.T) * determinant
    found = block + np.matmul(np.matmul(left, of_complement), right)
    phase = np.linalg.det(u) * np.linalg.det(v)
    found = (phase * np.linalg.det(p)) * found
    return np.matmul(np.matmul(np.conj(v.T), found), np.conj(u.T))


def _adjugate_polynomial(a: Any) -> Any:
    """Return the adjugate by the recursion of Faddeev and LeVerrier, for the zero matrix.

    Unstable in general; at zero every term is exact, and so are its derivatives.
    """
    size = np.shape(a)[-1]
    identity = np.eye(size, dtype=aval_of(raw_of(a)).dtype)
    term = identity
    for k in range(1, size):
        product = np.matmul(a, term)
        term = product - identity * (np.trace(product) / k)
    return term if size % 2 else -term


# ------------------------------------------------------------------ det


def _det_jvp(tangent: Any, a: Any, ans: Any) -> Any:
    return np.sum(cofactors(a, ans) * tangent, axis=(-2, -1))


def _det_vjp(g: Any, a: Any, ans: Any) -> Any:
    return _as_factor(g) * cofactors(a, ans)


def _square_samples() -> list[Sample]:
    return [
        Sample(well_conditioned(3, 3)),
        Sample(array(4, 4)),
        Sample(well_conditioned(4, 2, 2)),
        Sample(well_conditioned(5, 1, 3, 3)),
        Sample(well_conditioned(3, 3, dtype=np.float32)),
        Sample(array(3, 3, dtype=np.complex128)),
        Sample(array(1, 1)),
        Sample(np.ones((0, 0))),
        Sample(np.ones((0, 2, 2))),
    ]


def _singular_samples() -> list[Sample]:
    rank_two = array(4, 2) @ array(2, 4)
    return [
        Sample(np.ones((2, 2))),
        Sample(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])),
        Sample(np.zeros((2, 2))),
        Sample(np.zeros((3, 3))),
        Sample(rank_two),
        Sample(np.stack([np.ones((2, 2)), np.eye(2), np.zeros((2, 2))])),
        Sample(np.ones((2, 2), np.complex128)),
    ]


det_primitive = core(
    "det",
    "(n,n)->()",
    arguments=("a",),
    evaluate=np.linalg.det,
    jvp=(_det_jvp,),
    vjp=(_det_vjp,),
    samples=lambda: _square_samples() + _singular_samples(),
    fails=square_fails,
    numpy=np.linalg.det,
)


@implements(np.linalg.det)
def det(a: Any) -> Any:
    return to_user(bind(det_primitive, operand(a)))


# ------------------------------------------------------------------ slogdet


def _slogdet_jvp(tangent: Any, a: Any, ans: Any) -> Any:
    change = np.sum(transposed(inverse_or_nan(a)) * tangent, axis=(-2, -1))
    if not aval_of(raw_of(a)).is_complex:
        return None, change
    return ans[0] * (1j * np.imag(change)), np.real(change)


def _slogdet_vjp(cotangents: Any, a: Any, ans: Any) -> Any:
    """Pull back through log|det| and, for complex matrices, through the phase.

    The change of the phase is phase · i · Im tr(a⁻¹ t); its sign for real matrices is constant.
    """
    of_sign, of_logarithm = cotangents
    factor = of_logarithm
    if of_sign is not None and aval_of(raw_of(a)).is_complex:
        turned = 1j * np.imag(of_sign * ans[0])
        factor = turned if factor is None else factor + turned
    if factor is None:
        return (None,)
    return (_as_factor(factor) * transposed(inverse_or_nan(a)),)


def _slogdet_dtypes(avals: Any) -> Any:
    (dtype,) = linalg_dtype(avals)
    return dtype, real_dtype(dtype)


slogdet_primitive = core(
    "slogdet",
    "(n,n)->(),()",
    arguments=("a",),
    evaluate=lambda a: tuple(np.linalg.slogdet(a)),
    jvp=(_slogdet_jvp,),
    vjp=_slogdet_vjp,
    dtypes=_slogdet_dtypes,
    samples=lambda: [*_square_samples(), Sample(np.ones((2, 2)), differentiable=False)],
    fails=square_fails,
    numpy=np.linalg.slogdet,
)
_SlogdetResult: Any = type(np.linalg.slogdet(np.ones((1, 1))))


@implements(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    return _SlogdetResult(*to_user(bind(slogdet_primitive, operand(a))))
