"""Orthogonal triangular factors: ``np.linalg.qr``."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import MissingRuleError
from ...ir.aval import Aval, aval_of
from ...tracing.core import Traced, bind, raw_of, to_user
from ...tracing.protocols import implements
from ..core_family import adjoint, core, diagonal_part, linalg_dtype, operand, real_dtype
from ..samples import Fail, Sample, array
from .inverse import inverse_or_nan


def _jvp(tangent: Any, ans: Any, mode: str) -> Any:
    """Push a tangent through q r (Walter and Lehmann 2018; complex: diagonal of r kept real).

    With B = qᴴ T r⁻¹ and X the antihermitian matrix that has B's lower triangle, dq = q X +
    (1 - q qᴴ) T r⁻¹ and dr = (B - X) r. A wide matrix is [a b]: the first columns give q.
    """
    q, r = ans
    rows, columns = np.shape(tangent)[-2:]
    count = min(rows, columns)
    square = r[..., :, :count]
    shift = np.matmul(tangent[..., :, :count], inverse_or_nan(square))
    inner = np.matmul(adjoint(q), shift)
    real = real_dtype(aval_of(raw_of(inner)).dtype)
    strict = np.tri(count, k=-1, dtype=real) * inner
    turn = strict - adjoint(strict)
    if aval_of(raw_of(inner)).is_complex:
        phases = 1j * np.imag(diagonal_part(inner))[..., None, :]
        turn = turn + phases * np.eye(count, dtype=real)
    q_change = np.matmul(q, turn) + shift - np.matmul(q, inner)
    r_change = np.matmul(np.triu(inner - turn), square)
    if columns > count:
        rest = np.matmul(adjoint(q), tangent[..., :, count:]) - np.matmul(turn, r[..., :, count:])
        r_change = np.concatenate([r_change, rest], axis=-1)
    return q_change, r_change


def _infer(a: Aval, *, mode: str) -> tuple[Aval, Aval]:
    if a.ndim < 2:
        raise np.linalg.LinAlgError(
            f"{a.ndim}-dimensional array given. Array must be at least two-dimensional"
        )
    (dtype,) = linalg_dtype((a,))
    *batch, rows, columns = a.shape
    count = rows if mode == "complete" else min(rows, columns)
    return Aval((*batch, rows, count), dtype), Aval((*batch, count, columns), dtype)


qr_primitive = core(
    "qr",
    "(m,n)->(m,k),(k,n)",
    arguments=("a",),
    evaluate=lambda a, *, mode: tuple(np.linalg.qr(a, mode)),
    infer=_infer,
    jvp=(_jvp,),
    samples=lambda: [
        Sample(array(4, 3), mode="reduced"),
        Sample(array(3, 4), mode="reduced"),
        Sample(array(3, 3), mode="complete"),
        Sample(array(5, 4, 2), mode="reduced"),
        Sample(array(4, 3, dtype=np.float32, seed=1), mode="reduced"),
        Sample(array(4, 3, dtype=np.complex128), mode="reduced"),
    ],
    fails=lambda: [
        Fail(np.linalg.LinAlgError, "dimensional array given", array(3), mode="reduced")
    ],
    numpy=np.linalg.qr,
)
_QRResult: Any = type(np.linalg.qr(np.ones((1, 1))))


@implements(np.linalg.qr)
def qr(a: Any, mode: str = "reduced") -> Any:
    x = operand(a)
    raw = raw_of(x)
    if mode not in ("reduced", "complete", "r"):
        raise MissingRuleError(
            f"np.linalg.qr(mode={mode!r}) has no derivative rule; use mode='reduced'"
        )
    shape = np.shape(x)
    if mode == "complete" and type(raw) is Traced and len(shape) > 1 and shape[-2] > shape[-1]:
        raise MissingRuleError(
            f"np.linalg.qr(mode='complete') of a matrix of shape {shape}, which is taller than "
            "wide, has no derivative: the columns beyond the first are any basis of the rest. Use "
            "mode='reduced'."
        )
    chosen = "complete" if mode == "complete" else "reduced"
    found = to_user(bind(qr_primitive, x, mode=chosen))
    return found[1] if mode == "r" else _QRResult(*found)
