"""Eigenvalues and eigenvectors of general matrices: ``np.linalg.eig`` and ``eigvals``.

Eigenvectors are differentiated in LAPACK's own normalisation: length 1, largest entry real.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.aval import Aval, aval_of
from ...tracing.core import Traced, bind, raw_of, to_user
from ...tracing.protocols import implements
from ..core_family import core, diagonal_part, known, linalg_dtype, operand
from ..samples import Fail, Sample, array
from .gaps import (
    equal_pairs,
    inverse_gaps,
    reported,
    watch_cotangents,
    watch_tangent,
    watch_weights,
)
from .inverse import inverse_or_nan, square_fails


def _eig_jvp(tangent: Any, ans: Any, watched: bool) -> Any:
    """Return dw = diag(P) and dV = V (F ∘ P), P = V⁻¹ T V (Giles 2008), then normalised."""
    values, vectors = ans
    inner = np.matmul(np.matmul(inverse_or_nan(vectors), tangent), vectors)
    change, turn = diagonal_part(inner), inverse_gaps(values) * inner
    if watched and equal_pairs(values) is not None:
        watch_tangent(values, inner, "eig")

        def report(of_values: Any, of_turn: Any) -> None:
            watch_cotangents(values, of_values, of_turn, of_turn, "eig")

        change, turn = to_user(reported((change, turn), report))
    turn = np.matmul(vectors, turn)
    if not aval_of(raw_of(vectors)).is_complex:
        stretch = np.sum(vectors * turn, axis=-2)
        return change, turn - vectors * stretch[..., None, :]
    stretch = np.sum(np.real(np.conj(vectors) * turn), axis=-2)
    largest = np.argmax(np.abs(known(vectors)), axis=-2)[..., None, :]
    selected = np.equal(np.arange(np.shape(vectors)[-1])[:, None], largest)
    entry = np.sum(selected * np.real(vectors), axis=-2)
    angle = np.sum(selected * np.imag(turn), axis=-2) / entry
    return change, turn - vectors * (stretch + 1j * angle)[..., None, :]


def _eig_infer(a: Aval, *, watched: bool = True) -> tuple[Aval, Aval]:
    """Infer complex results; NumPy makes them real where all eigenvalues are."""
    if a.ndim < 2:
        raise np.linalg.LinAlgError(
            f"{a.ndim}-dimensional array given. Array must be at least two-dimensional"
        )
    if a.shape[-1] != a.shape[-2]:
        raise np.linalg.LinAlgError("Last 2 dimensions of the array must be square")
    (dtype,) = linalg_dtype((a,))
    complex_dtype = np.result_type(dtype, np.complex64)
    return Aval(a.shape[:-1], complex_dtype), Aval(a.shape, complex_dtype)


def rotation_like(*shape: int, dtype: Any = np.float64) -> Any:
    """Return reproducible real matrices with complex eigenvalues, for samples.

    The entries of their eigenvectors have different moduli, so that the largest stays the largest.
    """
    size = shape[-1]
    scales = 2.0 ** np.arange(size)
    turn = np.roll(np.eye(size), 1, axis=-1) * scales[:, None] / scales
    return (3 * turn + 0.2 * array(*shape)).astype(dtype)


def _samples(**params: Any) -> list[Sample]:
    return [
        Sample(rotation_like(3, 3), **params),
        Sample(rotation_like(4, 3, 3), **params),
        Sample(rotation_like(3, 3, dtype=np.float32), **params),
        Sample(array(3, 3, dtype=np.complex128), **params),
    ]


eig_primitive = core(
    "eig",
    "(n,n)->(n),(n,n)",
    arguments=("a",),
    evaluate=lambda a, *, watched: tuple(np.linalg.eig(a)),
    infer=_eig_infer,
    jvp=(_eig_jvp,),
    samples=lambda: _samples(watched=True),
    fails=lambda: [
        Fail(fail.error, fail.message, *fail.args, watched=True) for fail in square_fails()
    ],
    numpy=np.linalg.eig,
)
_EigResult: Any = type(np.linalg.eig(np.ones((1, 1))))


@implements(np.linalg.eig)
def eig(a: Any) -> Any:
    return _EigResult(*to_user(bind(eig_primitive, operand(a), watched=True)))


def _eigvals_jvp(tangent: Any, a: Any, ans: Any) -> Any:
    values, vectors = to_user(bind(eig_primitive, a, watched=False))
    inner = np.matmul(np.matmul(inverse_or_nan(vectors), tangent), vectors)
    change = diagonal_part(inner)
    if type(raw_of(a)) is Traced and equal_pairs(values) is not None:
        watch_tangent(values, inner, "eigvals")
        (change,) = to_user(reported((change,), lambda g: watch_weights(values, g, "eigvals")))
    return change


eigvals_primitive = core(
    "eigvals",
    "(n,n)->(n)",
    arguments=("a",),
    evaluate=np.linalg.eigvals,
    infer=lambda a: _eig_infer(a)[0],
    jvp=(_eigvals_jvp,),
    samples=_samples,
    fails=square_fails,
    numpy=np.linalg.eigvals,
)


@implements(np.linalg.eigvals)
def eigvals(a: Any) -> Any:
    return to_user(bind(eigvals_primitive, operand(a)))
