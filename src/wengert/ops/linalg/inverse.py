"""Inverses and powers of square matrices: ``np.linalg.inv``, ``tensorinv``, ``matrix_power``."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ...tracing.core import bind, to_user
from ...tracing.protocols import implements
from ..core_family import core, operand, transposed
from ..samples import Fail, Sample, array
from ..taylor_rules import inverting
from .solve import well_conditioned


def _jvp(tangent: Any, ans: Any) -> Any:
    return -np.matmul(np.matmul(ans, tangent), ans)


def _vjp(g: Any, ans: Any) -> Any:
    flipped = transposed(ans)
    return -np.matmul(np.matmul(flipped, g), flipped)


def square_fails() -> list[Fail]:
    """Return the calls that numpy.linalg refuses for any function of a square matrix."""
    return [
        Fail(np.linalg.LinAlgError, "must be square", array(2, 3)),
        Fail(np.linalg.LinAlgError, "dimensional array given", array(3)),
    ]


inv_primitive = core(
    "inv",
    "(n,n)->(n,n)",
    arguments=("a",),
    tayloring=inverting,
    evaluate=np.linalg.inv,
    jvp=(_jvp,),
    vjp=(_vjp,),
    samples=lambda: [
        Sample(well_conditioned(3, 3)),
        Sample(well_conditioned(4, 2, 2)),
        Sample(well_conditioned(3, 3).T),
        Sample(well_conditioned(3, 3, dtype=np.float32)),
        Sample(well_conditioned(2, 2, dtype=np.complex128)),
        Sample(np.ones((0, 0))),
        Sample(np.ones((0, 2, 2))),
    ],
    fails=lambda: [
        *square_fails(),
        Fail(np.linalg.LinAlgError, "Singular matrix", np.ones((2, 2))),
    ],
    numpy=np.linalg.inv,
)


@implements(np.linalg.inv)
def inv(a: Any) -> Any:
    return to_user(bind(inv_primitive, operand(a)))


def _evaluate_or_nan(a: Any) -> Any:
    try:
        return np.linalg.inv(a)
    except np.linalg.LinAlgError:
        singular = (np.linalg.slogdet(a)[0] == 0)[..., None, None]
        safe = np.where(singular, np.eye(a.shape[-1], dtype=a.dtype), a)
        return np.where(singular, a.dtype.type(np.nan), np.linalg.inv(safe))


regular_inverse = core(
    "regular_inverse",
    "(n,n)->(n,n)",
    arguments=("a",),
    tayloring=inverting,
    evaluate=_evaluate_or_nan,
    jvp=(_jvp,),
    vjp=(_vjp,),
    samples=lambda: [
        Sample(well_conditioned(3, 3)),
        Sample(well_conditioned(4, 2, 2)),
        Sample(well_conditioned(2, 2, dtype=np.complex128)),
        Sample(np.ones((2, 2)), differentiable=False),
        Sample(np.stack([np.eye(2), np.ones((2, 2))]), differentiable=False),
        Sample(np.ones((0, 2, 2))),
    ],
    fails=square_fails,
)


def inverse_or_nan(a: Any) -> Any:
    """Return the inverses of a stack of matrices, nan for the singular ones.

    For rules of functions that have a value at singular matrices, but no derivative there.
    """
    return to_user(bind(regular_inverse, operand(a)))


@implements(np.linalg.tensorinv)
def tensorinv(a: Any, ind: int = 2) -> Any:
    x = operand(a)
    if ind <= 0:
        raise ValueError("Invalid ind argument.")
    shape = np.shape(x)
    rows = int(np.prod(shape[ind:], dtype=int))
    return np.reshape(inv(np.reshape(x, (rows, -1))), shape[ind:] + shape[:ind])


@implements(np.linalg.matrix_power)
def matrix_power(a: Any, n: Any) -> Any:
    x = operand(a)
    shape = np.shape(x)
    if len(shape) < 2:
        raise np.linalg.LinAlgError(
            f"{len(shape)}-dimensional array given. Array must be at least two-dimensional"
        )
    if shape[-1] != shape[-2]:
        raise np.linalg.LinAlgError("Last 2 dimensions of the array must be square")
    try:
        exponent = operator.index(n)
    except TypeError as error:
        raise TypeError("exponent must be an integer") from error
    if exponent == 0:
        return np.zeros_like(x) + np.eye(shape[-1], dtype=x.dtype)
    if exponent < 0:
        x, exponent = inv(x), -exponent
    if exponent == 3:  # in NumPy's order, for the same rounding
        return np.matmul(np.matmul(x, x), x)
    square = result = None
    while exponent:
        square = x if square is None else np.matmul(square, square)
        exponent, bit = divmod(exponent, 2)
        if bit:
            result = square if result is None else np.matmul(result, square)
    return result
