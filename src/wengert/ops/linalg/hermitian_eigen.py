"""Eigenvalues and eigenvectors of Hermitian matrices: ``np.linalg.eigh`` and ``eigvalsh``.

As for Cholesky factors, the argument is differentiated as a Hermitian matrix (see `hermitian`).
Directions within an eigenspace of equal eigenvalues change no eigenvector here: that is right for
functions that do not depend on the basis chosen in the eigenspace, such as a projection on it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.aval import aval_of
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
    transposed,
)
from ..samples import Fail, Sample, array
from .cholesky import from_triangle, hermitian, positive_definite, to_triangle
from .inverse import square_fails


def inverse_gaps(values: Any) -> Any:
    """Return F with F_ij = 1 / (v_j - v_i), and 0 where the two are equal.

    Values closer than rounding can tell apart, n ε max|v|, count as equal.
    """
    gaps = values[..., None, :] - values[..., :, None]
    plain = known(values)
    rounding = np.shape(plain)[-1] * np.finfo(aval_of(raw_of(values)).dtype).eps
    largest = np.max(np.abs(plain), axis=-1, initial=0)[..., None, None]
    equal = np.less_equal(np.abs(known(gaps)), rounding * largest)
    return np.where(equal, 0.0, 1.0 / np.where(equal, 1.0, gaps))


def _dtypes(avals: Any) -> Any:
    (dtype,) = linalg_dtype(avals)
    return real_dtype(dtype), dtype


def _eigh_jvp(tangent: Any, ans: Any, UPLO: str) -> Any:
    """Return dw = diag(P) and dV = V (F ∘ P), P = Vᴴ T V (Giles 2008, section 2.3.1)."""
    values, vectors = ans
    change = from_triangle(tangent, lower=UPLO == "L")
    inner = np.matmul(np.matmul(adjoint(vectors), change), vectors)
    turn = np.matmul(vectors, inverse_gaps(values) * inner)
    return real_part(diagonal_part(inner)), turn


def _eigh_vjp(cotangents: Any, ans: Any, UPLO: str) -> Any:
    """Return the transpose of `_eigh_jvp`; cotangents pair unconjugated."""
    of_values, of_vectors = cotangents
    values, vectors = ans
    size = np.shape(values)[-1]
    inner: Any = None
    if of_vectors is not None:
        inner = inverse_gaps(values) * np.matmul(transposed(vectors), of_vectors)
    if of_values is not None:
        diagonal = of_values[..., None, :] * np.eye(size, dtype=real_dtype(values.dtype))
        inner = diagonal if inner is None else inner + diagonal
    if inner is None:
        return (None,)
    full = np.matmul(np.matmul(conjugated(vectors), inner), transposed(vectors))
    return (_to_triangle(full, UPLO),)


def _to_triangle(full: Any, UPLO: str) -> Any:
    return to_triangle(full, lower=UPLO == "L")


def _hermitian_samples() -> list[Sample]:
    return [
        Sample(positive_definite(3, 3), UPLO="L"),
        Sample(positive_definite(3, 3), UPLO="U"),
        Sample(positive_definite(3, 3) + np.triu(array(3, 3), 1), UPLO="L"),
        Sample(positive_definite(4, 2, 2), UPLO="L"),
        Sample(positive_definite(3, 3).astype(np.float32), UPLO="L"),
        Sample(np.ones((0, 0)), UPLO="L"),
    ]


def _fails() -> list[Fail]:
    return [Fail(fail.error, fail.message, *fail.args, UPLO="L") for fail in square_fails()]


eigh_primitive = core(
    "eigh",
    "(n,n)->(n),(n,n)",
    arguments=("a",),
    evaluate=lambda a, *, UPLO: tuple(np.linalg.eigh(a, UPLO)),
    jvp=(_eigh_jvp,),
    vjp=_eigh_vjp,
    dtypes=_dtypes,
    samples=lambda: [
        *_hermitian_samples(),
        # LAPACK chooses the phases of complex eigenvectors anew at every point.
        Sample(positive_definite(3, 3, dtype=np.complex128), UPLO="L", differentiable=False),
        Sample(np.eye(3), UPLO="L", differentiable=False),
    ],
    fails=_fails,
    numpy=np.linalg.eigh,
)
_EighResult: Any = type(np.linalg.eigh(np.ones((1, 1))))


def _triangle_name(UPLO: str) -> str:
    name = UPLO.upper()
    if name not in ("L", "U"):
        raise ValueError("UPLO argument must be 'L' or 'U'")
    return name


@implements(np.linalg.eigh)
def eigh(a: Any, UPLO: str = "L") -> Any:
    name = _triangle_name(UPLO)
    return _EighResult(*to_user(bind(eigh_primitive, hermitian(operand(a)), UPLO=name)))


# ------------------------------------------------------------------ eigvalsh


def _eigvalsh_jvp(tangent: Any, a: Any, UPLO: str) -> Any:
    vectors = to_user(bind(eigh_primitive, a, UPLO=UPLO))[1]
    change = from_triangle(tangent, lower=UPLO == "L")
    return real_part(np.sum(conjugated(vectors) * np.matmul(change, vectors), axis=-2))


def _eigvalsh_vjp(g: Any, a: Any, UPLO: str) -> Any:
    vectors = to_user(bind(eigh_primitive, a, UPLO=UPLO))[1]
    full = np.matmul(conjugated(vectors) * g[..., None, :], transposed(vectors))
    return _to_triangle(full, UPLO)


eigvalsh_primitive = core(
    "eigvalsh",
    "(n,n)->(n)",
    arguments=("a",),
    evaluate=lambda a, *, UPLO: np.linalg.eigvalsh(a, UPLO),
    jvp=(_eigvalsh_jvp,),
    vjp=(_eigvalsh_vjp,),
    dtypes=lambda avals: (real_dtype(linalg_dtype(avals)[0]),),
    samples=lambda: [
        *_hermitian_samples(),
        Sample(positive_definite(3, 3, dtype=np.complex128), UPLO="L"),
    ],
    fails=_fails,
    numpy=np.linalg.eigvalsh,
)


@implements(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    name = _triangle_name(UPLO)
    return to_user(bind(eigvalsh_primitive, hermitian(operand(a)), UPLO=name))
