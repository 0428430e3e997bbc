"""Pseudoinverses and least squares: ``np.linalg.pinv`` and ``lstsq``.

Derivatives hold where small changes leave the rank as it is (Golub and Pereyra 1973).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.aval import Aval, aval_of, kind_of_result
from ...ir.primitive import Primitive
from ...tracing.core import bind, raw_of, to_user
from ...tracing.keys import known_value
from ...tracing.protocols import implements
from ..batch_rules import one_by_one
from ..core_family import adjoint, column, core, linalg_dtype, operand, real_dtype
from ..families import irregular
from ..samples import Fail, Sample, array
from .cholesky import hermitian as as_hermitian
from .cholesky import positive_definite
from .singular import svdvals_jvp

# ------------------------------------------------------------------ pinv


def _pinv_jvp(tangent: Any, a: Any, ans: Any) -> Any:
    """Return -P T P + P Pᴴ Tᴴ (1 - a P) + (1 - P a) Tᴴ Pᴴ P, P the pseudoinverse."""
    change = -np.matmul(np.matmul(ans, tangent), ans)
    flipped, own = adjoint(tangent), adjoint(ans)
    spread = np.matmul(ans, np.matmul(own, flipped))
    change = change + spread - np.matmul(np.matmul(spread, a), ans)
    spread = np.matmul(np.matmul(flipped, own), ans)
    return change + spread - np.matmul(ans, np.matmul(a, spread))


def _infer_pinv(a: Aval, **keywords: Any) -> Aval:
    if a.ndim < 2:
        raise np.linalg.LinAlgError("Array must be at least two-dimensional")
    (dtype,) = linalg_dtype((a,))
    return Aval((*a.shape[:-2], a.shape[-1], a.shape[-2]), dtype)


pinv_primitive = core(
    "pinv",
    "(m,n)->(n,m)",
    arguments=("a",),
    evaluate=np.linalg.pinv,
    infer=_infer_pinv,
    jvp=(_pinv_jvp,),
    samples=lambda: [
        Sample(array(4, 3)),
        Sample(array(3, 4)),
        Sample(array(3, 3)),
        Sample(array(5, 4, 2)),
        Sample(array(4, 3, dtype=np.float32, seed=1), rcond=1e-6),
        Sample(array(4, 3, dtype=np.complex128)),
        Sample(np.ones((3, 2)), differentiable=False),
        Sample(np.ones((0, 2))),
    ],
    fails=lambda: [Fail(np.linalg.LinAlgError, "", array(3))],
    numpy=np.linalg.pinv,
)


@implements(np.linalg.pinv)
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, **keywords: Any) -> Any:
    x = operand(a)
    if rcond is not None:
        keywords["rcond"] = known_value(rcond, "the tolerance of pinv")
    if hermitian:
        x = as_hermitian(x)
        keywords["hermitian"] = True
    return to_user(bind(pinv_primitive, x, **keywords))


# ------------------------------------------------------------------ lstsq


def _lstsq_jvp(tangents: Any, a: Any, b: Any, ans: Any, rcond: Any) -> Any:
    """Return the changes of solution, squared residuals and singular values."""
    a_change, b_change = tangents
    vector = np.ndim(b) == 1
    solution, residuals, _, _ = ans
    x, right = (column(solution), column(b)) if vector else (solution, b)
    inverse = np.linalg.pinv(a) if rcond is None else np.linalg.pinv(a, rcond=rcond)
    left_over = right - np.matmul(a, x)
    shift: Any = 0.0
    extra: Any = 0.0
    if b_change is not None:
        shift = column(b_change) if vector else b_change
    if a_change is not None:
        shift = shift - np.matmul(a_change, x)
        flipped = adjoint(a_change)
        extra = np.matmul(inverse, np.matmul(adjoint(inverse), np.matmul(flipped, left_over)))
        spread = np.matmul(flipped, np.matmul(adjoint(inverse), x))
        extra = extra + spread - np.matmul(inverse, np.matmul(a, spread))
    x_change = np.matmul(inverse, shift) + extra
    of_residuals = None
    if np.shape(residuals)[0]:
        # The residual is orthogonal to the range of a: the change of x drops out.
        product = np.conj(left_over) * shift if _is_complex(left_over) else left_over * shift
        of_residuals = 2 * np.sum(np.real(product), axis=0)
    of_values = None
    if a_change is not None:
        of_values = svdvals_jvp(a_change, a)
    return (x_change[:, 0] if vector else x_change), of_residuals, None, of_values


def _is_complex(x: Any) -> bool:
    return aval_of(raw_of(x)).is_complex


def _infer_lstsq(a: Aval, b: Aval, *, rcond: Any) -> tuple[Aval, ...]:
    """Infer for matrices of full rank; whether there are residuals depends on the values."""
    if a.ndim != 2 or b.ndim not in (1, 2):
        raise np.linalg.LinAlgError("Array must be two-dimensional")
    rows, columns = a.shape
    if b.shape[0] != rows:
        raise np.linalg.LinAlgError("Incompatible dimensions")
    (dtype,) = linalg_dtype((a, b))
    real = real_dtype(dtype)
    found = b.shape[1] if b.ndim == 2 else 1
    return (
        Aval((columns, *b.shape[1:]), dtype),
        Aval((found,) if rows > columns else (0,), real),
        Aval((), np.int32, kind_of_result(())),
        Aval((min(rows, columns),), real),
    )


lstsq_primitive: Primitive = irregular(
    "lstsq",
    batching=one_by_one,
    arguments=("a", "b"),
    evaluate=lambda a, b, *, rcond: np.linalg.lstsq(a, b, rcond),
    infer=_infer_lstsq,
    jvp=_lstsq_jvp,
    multiple=True,
    samples=lambda: [
        Sample(array(4, 3), array(4), rcond=None),
        Sample(array(4, 3), array(4, 2), rcond=None),
        Sample(array(3, 4), array(3), rcond=None),
        Sample(positive_definite(3, 3), array(3, 2), rcond=1e-10),
        Sample(array(4, 3, dtype=np.complex128), array(4, 2, dtype=np.complex128), rcond=None),
        Sample(array(4, 3, dtype=np.float32, seed=1), array(4, dtype=np.float32), rcond=None),
    ],
    fails=lambda: [
        Fail(np.linalg.LinAlgError, "Incompatible dimensions", array(4, 3), array(3), rcond=None)
    ],
    numpy=np.linalg.lstsq,
)


@implements(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    if rcond is not None:
        rcond = known_value(rcond, "the tolerance of lstsq")
    return to_user(bind(lstsq_primitive, operand(a), operand(b), rcond=rcond))
