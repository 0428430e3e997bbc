"""Determinants: ``np.linalg.det``, right at singular matrices too, and ``slogdet``."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.aval import aval_of
from ...tracing.core import bind, raw_of, to_user
from ...tracing.protocols import implements
from ..core_family import core, linalg_dtype, operand, real_dtype, transposed
from ..samples import Sample, array
from .cofactors import as_factor, cofactors
from .inverse import inverse_or_nan, square_fails
from .solve import well_conditioned

# ------------------------------------------------------------------ det


def _det_jvp(tangent: Any, a: Any, ans: Any) -> Any:
    return np.sum(cofactors(a, ans) * tangent, axis=(-2, -1))


def _det_vjp(g: Any, a: Any, ans: Any) -> Any:
    return as_factor(g) * cofactors(a, ans)


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
    return (as_factor(factor) * transposed(inverse_or_nan(a)),)


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
