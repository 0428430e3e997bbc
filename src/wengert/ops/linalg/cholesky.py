"""Cholesky factors of Hermitian positive definite matrices.

NumPy reads one triangle of its argument. Derivatives here are those of a function of Hermitian
matrices: directions are averaged with their adjoints, cotangents come out Hermitian (see
`hermitian`), so that a step along the gradient stays Hermitian.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.aval import aval_of
from ...tracing.core import bind, raw_of, to_user
from ...tracing.protocols import implements
from ..batch_rules import unchanged
from ..core_family import adjoint, conjugated, core, operand
from ..families import structural
from ..samples import Fail, Sample, array
from .inverse import square_fails

# ------------------------------------------------------------------ Hermitian arguments


def positive_definite(*shape: int, dtype: Any = np.float64, seed: int = 0) -> Any:
    """Return reproducible Hermitian positive definite matrices, for samples."""
    root = array(*shape, dtype=dtype, seed=seed)
    return root @ np.conj(np.swapaxes(root, -1, -2)) + 2 * np.eye(shape[-1], dtype=dtype)


def _mean_with_adjoint(g: Any) -> Any:
    return 0.5 * (g + adjoint(g))


hermitian_primitive = structural(
    "hermitian",
    batching=unchanged,
    evaluate=lambda x: x,
    infer=lambda x: x,
    transpose=_mean_with_adjoint,
    samples=lambda: [
        Sample(positive_definite(3, 3), differentiable=False),
        Sample(positive_definite(4, 2, 2, dtype=np.complex128), differentiable=False),
    ],
)


def _hermitian_tangent(ans: Any, primals: Any, tangents: Any, params: Any) -> Any:
    return _mean_with_adjoint(tangents[0])


# Its value is its argument, which the caller takes for Hermitian; its derivative averages.
hermitian_primitive.tangent = _hermitian_tangent


def hermitian(a: Any) -> Any:
    """Return `a`, from here on differentiated as a Hermitian matrix."""
    shape = np.shape(a)
    if len(shape) < 2 or shape[-1] != shape[-2]:
        return a  # the function to come refuses it in NumPy's words
    return bind(hermitian_primitive, a)


def triangle_weights(size: int, dtype: Any, *, lower: bool) -> Any:
    """Return 1 in a strict triangle, ½ on the diagonal, 0 elsewhere."""
    weights = np.tri(size, k=-1, dtype=dtype) + 0.5 * np.eye(size, dtype=dtype)
    return weights if lower else weights.T


def half(x: Any, *, lower: bool) -> Any:
    """Return Φ(x): one triangle of x, its diagonal halved."""
    dtype = np.abs(np.empty(0, aval_of(raw_of(x)).dtype)).dtype
    return x * triangle_weights(np.shape(x)[-1], dtype, lower=lower)


def from_triangle(x: Any, *, lower: bool) -> Any:
    """Return the Hermitian matrix of which one triangle is given, as LAPACK reads it."""
    part = half(x, lower=lower)
    return part + adjoint(part)


def to_triangle(g: Any, *, lower: bool) -> Any:
    """Return the transpose of `from_triangle`, applied to a cotangent."""
    return half(g + adjoint(g), lower=lower)


# ------------------------------------------------------------------ cholesky


def _jvp(tangent: Any, ans: Any, upper: bool) -> Any:
    """Return L Φ(L⁻¹ T L⁻ᴴ) (Murray 2016, equation 8), its adjoint for the upper factor."""
    change = from_triangle(tangent, lower=not upper)
    factor = adjoint(ans) if upper else ans
    inner = np.linalg.solve(factor, adjoint(np.linalg.solve(factor, change)))
    found = np.matmul(factor, half(inner, lower=True))
    return adjoint(found) if upper else found


def _vjp(g: Any, ans: Any, upper: bool) -> Any:
    """Return the transpose of `_jvp` (Murray 2016, equation 9).

    Cotangents pair unconjugated, so the adjoint map is applied to the conjugate of g.
    """
    factor = adjoint(ans) if upper else ans
    conjugate = conjugated(g)
    if upper:
        conjugate = adjoint(conjugate)
    flipped = adjoint(factor)
    inner = half(np.matmul(flipped, conjugate), lower=True)
    found = np.linalg.solve(flipped, inner)
    found = adjoint(np.linalg.solve(flipped, adjoint(found)))
    return conjugated(to_triangle(found, lower=not upper))


def _samples() -> list[Sample]:
    return [
        Sample(positive_definite(3, 3), upper=False),
        Sample(positive_definite(3, 3), upper=True),
        Sample(positive_definite(4, 2, 2), upper=False),
        Sample(positive_definite(3, 3) + np.triu(array(3, 3), 1), upper=False),
        Sample(positive_definite(3, 3) + np.tril(array(3, 3), -1), upper=True),
        Sample(positive_definite(3, 3).astype(np.float32), upper=False),
        Sample(positive_definite(3, 3, dtype=np.complex128), upper=False),
        Sample(positive_definite(3, 3, dtype=np.complex128), upper=True),
        Sample(np.ones((0, 0)), upper=False),
    ]


cholesky_primitive = core(
    "cholesky",
    "(n,n)->(n,n)",
    arguments=("a",),
    evaluate=lambda a, *, upper: np.linalg.cholesky(a, upper=upper),
    jvp=(_jvp,),
    vjp=(_vjp,),
    samples=_samples,
    fails=lambda: (
        [Fail(fail.error, fail.message, *fail.args, upper=False) for fail in square_fails()]
        + [Fail(np.linalg.LinAlgError, "not positive definite", -np.eye(2), upper=False)]
    ),
    numpy=np.linalg.cholesky,
)


@implements(np.linalg.cholesky)
def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    return to_user(bind(cholesky_primitive, hermitian(operand(a)), upper=bool(upper)))
