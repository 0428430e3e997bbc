"""Eigenvalues and eigenvectors of Hermitian matrices: ``np.linalg.eigh`` and ``eigvalsh``.

As for Cholesky factors, the argument is differentiated as a Hermitian matrix (see `hermitian`).
Directions within a space of equal eigenvalues turn no eigenvector of it; see `gaps`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...tracing.core import Traced, bind, raw_of, to_user
from ...tracing.protocols import implements
from ..core_family import (
    adjoint,
    conjugated,
    core,
    diagonal_part,
    linalg_dtype,
    operand,
    real_dtype,
    real_part,
    transposed,
)
from ..samples import Fail, Sample, array
from .cholesky import from_triangle, hermitian, positive_definite, to_triangle
from .gaps import inverse_gaps, watch_cotangents, watch_tangent, watch_weights
from .inverse import square_fails


def _dtypes(avals: Any) -> Any:
    (dtype,) = linalg_dtype(avals)
    return real_dtype(dtype), dtype


def _eigh_jvp(tangent: Any, ans: Any, UPLO: str, watched: bool) -> Any:
    """Return dw = diag(P) and dV = V (F ∘ P), P = Vᴴ T V (Giles 2008, section 2.3.1)."""
    values, vectors = ans
    change = from_triangle(tangent, lower=UPLO == "L")
    inner = np.matmul(np.matmul(adjoint(vectors), change), vectors)
    if watched:
        watch_tangent(values, inner, "eigh")
    turn = np.matmul(vectors, inverse_gaps(values) * inner)
    return real_part(diagonal_part(inner)), turn


def _eigh_vjp(cotangents: Any, ans: Any, UPLO: str, watched: bool) -> Any:
    """Return the transpose of `_eigh_jvp`; cotangents pair unconjugated."""
    of_values, of_vectors = cotangents
    values, vectors = ans
    size = np.shape(values)[-1]
    inner: Any = None
    if of_vectors is not None:
        inner = np.matmul(transposed(vectors), of_vectors)
        if watched:
            watch_cotangents(values, of_values, inner - adjoint(inner), inner, "eigh")
        inner = inverse_gaps(values) * inner
    if of_values is not None:
        diagonal = of_values[..., None, :] * np.eye(size, dtype=real_dtype(values.dtype))
        inner = diagonal if inner is None else inner + diagonal
    if inner is None:
        return (None,)
    full = np.matmul(np.matmul(conjugated(vectors), inner), transposed(vectors))
    return (_to_triangle(full, UPLO),)


def _to_triangle(full: Any, UPLO: str) -> Any:
    return to_triangle(full, lower=UPLO == "L")


def _hermitian_samples(**params: Any) -> list[Sample]:
    return [
        Sample(positive_definite(3, 3), UPLO="L", **params),
        Sample(positive_definite(3, 3), UPLO="U", **params),
        Sample(positive_definite(3, 3) + np.triu(array(3, 3), 1), UPLO="L", **params),
        Sample(positive_definite(4, 2, 2), UPLO="L", **params),
        Sample(positive_definite(3, 3).astype(np.float32), UPLO="L", **params),
        Sample(np.ones((0, 0)), UPLO="L", **params),
    ]


def _fails(**params: Any) -> list[Fail]:
    return [
        Fail(fail.error, fail.message, *fail.args, UPLO="L", **params) for fail in square_fails()
    ]


eigh_primitive = core(
    "eigh",
    "(n,n)->(n),(n,n)",
    arguments=("a",),
    evaluate=lambda a, *, UPLO, watched: tuple(np.linalg.eigh(a, UPLO)),
    jvp=(_eigh_jvp,),
    vjp=_eigh_vjp,
    dtypes=_dtypes,
    samples=lambda: [
        *_hermitian_samples(watched=True),
        # LAPACK chooses the phases of complex eigenvectors anew at every point.
        Sample(
            positive_definite(3, 3, dtype=np.complex128),
            UPLO="L",
            watched=True,
            differentiable=False,
        ),
        Sample(np.eye(3), UPLO="L", watched=False, differentiable=False),
    ],
    fails=lambda: _fails(watched=True),
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
    x = hermitian(operand(a))
    return _EighResult(*to_user(bind(eigh_primitive, x, UPLO=name, watched=True)))


# ------------------------------------------------------------------ eigvalsh


def _eigvalsh_jvp(tangent: Any, a: Any, UPLO: str) -> Any:
    values, vectors = to_user(bind(eigh_primitive, a, UPLO=UPLO, watched=False))
    change = from_triangle(tangent, lower=UPLO == "L")
    pushed = np.matmul(change, vectors)
    if type(raw_of(a)) is Traced:
        watch_tangent(values, np.matmul(adjoint(vectors), pushed), "eigvalsh")
    return real_part(np.sum(conjugated(vectors) * pushed, axis=-2))


def _eigvalsh_vjp(g: Any, a: Any, UPLO: str) -> Any:
    values, vectors = to_user(bind(eigh_primitive, a, UPLO=UPLO, watched=False))
    if type(raw_of(a)) is Traced:
        watch_weights(values, g, "eigvalsh")
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
