"""Cofactor matrices, the derivative of the determinant, at any rank and to any order.

Where values are known, by a differentiable formula that suits them; while a program is staged or
batched by primitives, whose value is made of singular values and divides by nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.aval import aval_of
from ...ir.primitive import Primitive
from ...tracing.core import bind, innermost, is_unknown, raw_of
from ..core_family import core, transposed
from ..samples import Fail, Sample, array
from .inverse import inv, square_fails
from .solve import well_conditioned


def as_factor(scalars: Any) -> Any:
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
    if is_unknown(plain):
        return bind(cofactors_primitive, raw_of(a))
    if not np.all(np.isfinite(plain)):
        return as_factor(determinants) * transposed(inv(a))
    inverse = _reliable_inverse(plain)
    if inverse is not None:
        return as_factor(determinants) * transposed(inverse if a is plain else inv(a))
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


# ------------------------------------------------------------------ where values are not known


def _leave_one_out(values: Any) -> tuple[Any, Any]:
    """Return the products of the values before, and after, each place."""
    ones = np.ones_like(values[..., :1])
    before = np.cumprod(np.concatenate([ones, values[..., :-1]], axis=-1), axis=-1)
    after = np.cumprod(np.concatenate([ones, values[..., :0:-1]], axis=-1), axis=-1)[..., ::-1]
    return before, after


def _between(values: Any) -> Any:
    """Return B with B_ij the product of the values strictly between the places i < j, else 1."""
    size = values.shape[-1]
    places = np.arange(size)
    inside = places[:, None] < places[None, :] - 1
    shifted = np.concatenate([np.ones_like(values[..., :1]), values[..., :-1]], axis=-1)
    return np.cumprod(np.where(inside, shifted[..., None, :], 1), axis=-1)


def _products_without_two(values: Any) -> Any:
    """Return P with P_ij the product of all values but the i-th and the j-th, 0 where i = j."""
    before, after = _leave_one_out(values)
    upper = np.triu(before[..., :, None] * _between(values) * after[..., None, :], 1)
    return upper + transposed(upper)


def _products_without_three(values: Any) -> Any:
    """Return P with P_ijk the product of all values but three, 0 where two of i, j, k are equal."""
    size = values.shape[-1]
    before, after = _leave_one_out(values)
    between = _between(values)
    found = np.zeros((*values.shape, size, size), values.dtype)
    i, j, k = (
        np.array([[i, j, k] for k in range(size) for j in range(k) for i in range(j)], int)
        .reshape(-1, 3)
        .T
    )
    product = before[..., i] * between[..., i, j] * between[..., j, k] * after[..., k]
    for places in ((i, j, k), (i, k, j), (j, i, k), (j, k, i), (k, i, j), (k, j, i)):
        found[(..., *places)] = product
    return found


def _decomposed(a: Any) -> tuple[Any, Any, Any, Any]:
    """Return u, s, v with a = u s vᴴ, and det u · det vᴴ."""
    u, values, vh = np.linalg.svd(a)
    phase = np.linalg.det(u) * np.linalg.det(vh)
    return u, values, np.conj(transposed(vh)), as_factor(phase)


def _cofactors_of_values(a: Any) -> Any:
    """Return conj(u) diag(Π_{j≠i} s_j) vᵀ det u det vᴴ, which is adj(a)ᵀ at any rank."""
    _check_square(a)
    inverse = _reliable_inverse(a) if np.all(np.isfinite(a)) else None
    if inverse is not None:
        return as_factor(np.linalg.det(a)) * transposed(inverse)
    if not np.all(np.isfinite(a)):
        return np.full_like(a, np.nan)
    u, values, v, phase = _decomposed(a)
    before, after = _leave_one_out(values)
    return phase * np.matmul(np.conj(u) * (before * after)[..., None, :], transposed(v))


def _in_singular_basis(a: Any, *changes: Any) -> Any:
    """Return singular values, the changes uᴴ t v, and the way back: K to conj(u) K vᵀ, by phase."""
    u, values, v, phase = _decomposed(a)
    turned = [np.matmul(np.matmul(np.conj(transposed(u)), t), v) for t in changes]

    def back(adjugate: Any) -> Any:
        return phase * np.matmul(np.matmul(np.conj(u), transposed(adjugate)), transposed(v))

    return values, turned, back


def _with_diagonal(matrix: Any, diagonal: Any) -> Any:
    return matrix + diagonal[..., None] * np.eye(diagonal.shape[-1], dtype=diagonal.dtype)


def _change_of_values(a: Any, t: Any) -> Any:
    """Return the change of the cofactors along t.

    Of a diagonal matrix s the adjugate changes by -t_ij Π_{k≠i,j} s_k beside the diagonal, and on
    it by Σ_k t_kk Π_{l≠i,k} s_l.
    """
    _check_square(a)
    if not np.all(np.isfinite(a)):
        return np.full(np.broadcast_shapes(a.shape, t.shape), np.nan, np.result_type(a, t))
    values, (m,), back = _in_singular_basis(a, t)
    products = _products_without_two(values)
    diagonal = np.matmul(products, np.diagonal(m, axis1=-2, axis2=-1)[..., None])[..., 0]
    return back(_with_diagonal(-products * m, diagonal))


def _second_change_of_values(a: Any, t: Any, r: Any) -> Any:
    """Return the change along r of the change of the cofactors along t: minors of three rows."""
    _check_square(a)
    if not np.all(np.isfinite(a)):
        shape = np.broadcast_shapes(a.shape, t.shape, r.shape)
        return np.full(shape, np.nan, np.result_type(a, t, r))
    values, (m, n), back = _in_singular_basis(a, t, r)
    products = _products_without_three(values)
    of_m, of_n = (np.einsum("...ijk,...kk->...ij", products, x) for x in (m, n))
    across = np.einsum("...ijk,...ik,...kj->...ij", products, m, n)
    across = across + np.einsum("...ijk,...ik,...kj->...ij", products, n, m)
    diagonal = np.einsum("...ikl,...kk,...ll->...i", products, m, n)
    diagonal = diagonal - np.einsum("...ikl,...kl,...lk->...i", products, m, n)
    return back(_with_diagonal(across - m * of_n - n * of_m, diagonal))


def _third_change(change: Any, a: Any, t: Any, r: Any) -> Any:
    """Return the change of the second change along `change`, by the inverse: of regular matrices.

    With X = a⁻¹, P = X t, Q = X r the second change of the adjugate is det a · E X with
    E = tr P tr Q - tr PQ - tr P Q - tr Q P + PQ + QP, and each of X, P, Q changes by -X c times it.
    """
    x = inv(a)
    p, q, c = np.matmul(x, t), np.matmul(x, r), np.matmul(x, change)

    def trace(m: Any) -> Any:
        return as_factor(np.trace(m, axis1=-2, axis2=-1))

    def of(*factors: Any) -> Any:
        found = factors[0]
        for factor in factors[1:]:
            found = np.matmul(found, factor)
        return found

    cp, cq = of(c, p), of(c, q)
    one = np.eye(np.shape(a)[-1])
    inner = (trace(p) * trace(q) - trace(of(p, q))) * one
    inner = inner - trace(p) * q - trace(q) * p + of(p, q) + of(q, p)
    changed = trace(of(cp, q)) + trace(of(p, cq)) - trace(cp) * trace(q) - trace(p) * trace(cq)
    changed = changed * one + trace(cp) * q + trace(p) * cq + trace(cq) * p + trace(q) * cp
    changed = changed - of(cp, q) - of(p, cq) - of(cq, p) - of(q, cp)
    total = trace(c) * of(inner, x) + of(changed, x) - of(inner, c, x)
    return as_factor(np.linalg.det(a)) * transposed(total)


def _linear(which: tuple[int, ...], params: dict[str, Any]) -> bool:
    return len(which) == 1 and which != (0,)


def _check_square(a: Any) -> None:
    if a.ndim < 2:
        raise np.linalg.LinAlgError(f"{a.ndim}-dimensional array given")
    if a.shape[-1] != a.shape[-2]:
        raise np.linalg.LinAlgError("Last 2 dimensions of the array must be square")


def _singular(*shape: int, dtype: Any = np.float64) -> Any:
    """Return reproducible matrices of half the full rank, for samples."""
    *stack, size = shape
    rank = size // 2
    left, right = array(*stack, size, rank, dtype=dtype), array(*stack, rank, size, dtype=dtype)
    return np.matmul(left, right)


second_change: Primitive = core(
    "cofactors_second_change",
    "(n,n),(n,n),(n,n)->(n,n)",
    arguments=("a", "t", "r"),
    evaluate=_second_change_of_values,
    jvp=(
        _third_change,
        lambda change, a, r: bind(second_change, a, change, r),
        lambda change, a, t: bind(second_change, a, t, change),
    ),
    vjp=(
        _third_change,
        lambda g, a, r: bind(second_change, a, g, r),
        lambda g, a, t: bind(second_change, a, t, g),
    ),
    linear=_linear,
    samples=lambda: [
        Sample(well_conditioned(3, 4, 4), array(4, 4), array(3, 4, 4)),
        Sample(_singular(4), array(4, 4), array(4, 4, seed=1), wrt=(1, 2)),
        Sample(well_conditioned(4, 4, dtype=np.complex128), array(4, 4), array(4, 4, seed=1)),
        Sample(array(0, 0), array(0, 0), array(0, 0)),
    ],
    fails=lambda: [Fail(np.linalg.LinAlgError, "must be square", *(array(2, 3),) * 3)],
)

# The cofactors are the gradient of a polynomial: their derivatives are symmetric, each its own
# transpose.
change: Primitive = core(
    "cofactors_change",
    "(n,n),(n,n)->(n,n)",
    arguments=("a", "t"),
    evaluate=_change_of_values,
    jvp=(
        lambda change_of_a, a, t: bind(second_change, a, t, change_of_a),
        lambda change_of_t, a: bind(change, a, change_of_t),
    ),
    vjp=(lambda g, a, t: bind(second_change, a, t, g), lambda g, a: bind(change, a, g)),
    linear=_linear,
    samples=lambda: [
        Sample(well_conditioned(4, 3, 3), array(3, 3)),
        Sample(_singular(4), array(5, 4, 4), wrt=(1,)),
        Sample(np.zeros((3, 3)), array(3, 3), wrt=(1,)),
        Sample(_singular(3, dtype=np.complex128), array(3, 3, dtype=np.complex128), wrt=(1,)),
        Sample(array(3, 3, dtype=np.float32), array(3, 3, dtype=np.float32)),
        Sample(array(0, 0), array(0, 0)),
    ],
    fails=lambda: [Fail(np.linalg.LinAlgError, "must be square", array(2, 3), array(2, 3))],
)

cofactors_primitive = core(
    "cofactors",
    "(n,n)->(n,n)",
    arguments=("a",),
    evaluate=_cofactors_of_values,
    jvp=(lambda tangent, a: bind(change, a, tangent),),
    vjp=(lambda g, a: bind(change, a, g),),
    samples=lambda: [
        Sample(well_conditioned(4, 3, 3)),
        Sample(array(4, 4)),
        Sample(_singular(4), second=False),
        Sample(_singular(2, 5), second=False),
        Sample(np.zeros((3, 3)), second=False),
        Sample(np.stack([np.eye(3), np.zeros((3, 3)), np.ones((3, 3))]), second=False),
        Sample(_singular(3, dtype=np.complex128), second=False),
        Sample(array(3, 3, dtype=np.float32)),
        Sample(array(0, 0)),
    ],
    fails=square_fails,
)
