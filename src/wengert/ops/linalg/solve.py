"""Linear systems: ``np.linalg.solve`` and ``tensorsolve``.

Both rules solve with the matrix or its transpose again (Giles 2008, section 2.3.1).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.aval import Aval
from ...tracing.core import bind, to_user
from ...tracing.protocols import implements
from ..core_family import column, core, operand, transposed
from ..samples import Fail, Sample, array
from ..taylor_rules import solving


def well_conditioned(*shape: int, dtype: Any = np.float64, seed: int = 0) -> Any:
    """Return reproducible square matrices far from singular, for samples."""
    size = shape[-1]
    return array(*shape, dtype=dtype, seed=seed) + (size + 2) * np.eye(size, dtype=dtype)


def _solve_with(a: Any, right: Any, *, vector: bool) -> Any:
    """Solve with right-hand sides that are matrices, or vectors with batch axes in front."""
    if not vector or np.ndim(right) == 1:
        return np.linalg.solve(a, right)
    return np.linalg.solve(a, column(right))[..., 0]


def _jvp(tangents: Any, a: Any, ans: Any, b_aval: Aval) -> Any:
    a_tangent, b_tangent = tangents
    vector = b_aval.ndim == 1
    right = b_tangent
    if a_tangent is not None:
        if vector and np.ndim(ans) > 1:
            change = np.matmul(a_tangent, column(ans))[..., 0]
        else:
            change = np.matmul(a_tangent, ans)
        right = -change if right is None else right - change
    if vector and np.ndim(right) == 1 and np.ndim(a) > 2:
        return np.linalg.solve(a, right)
    return _solve_with(a, right, vector=vector)


def _vjp(g: Any, a: Any, ans: Any, b_aval: Aval, wanted: Any) -> Any:
    vector = b_aval.ndim == 1
    b_cotangent = _solve_with(transposed(a), g, vector=vector)
    if 0 not in wanted:
        return None, b_cotangent
    if vector:
        return -(column(b_cotangent) * ans[..., None, :]), b_cotangent
    return -np.matmul(b_cotangent, transposed(ans)), b_cotangent


def _samples() -> list[Sample]:
    a = well_conditioned(3, 3)
    return [
        Sample(a, array(3)),
        Sample(a, array(3, 2)),
        Sample(well_conditioned(4, 3, 3), array(3)),
        Sample(well_conditioned(4, 3, 3), array(3, 2)),
        Sample(a, array(5, 3, 2)),
        Sample(well_conditioned(4, 1, 3, 3), array(5, 3, 2)),
        Sample(well_conditioned(3, 3, dtype=np.float32), array(3, dtype=np.float32)),
        Sample(well_conditioned(3, 3, dtype=np.complex128), array(3, 2)),
        Sample(a, array(3, dtype=np.complex128)),
        Sample(a, array(3, 0)),
        Sample(np.ones((0, 0)), np.ones((0, 2))),
    ]


def _fails() -> list[Fail]:
    return [
        Fail(np.linalg.LinAlgError, "Singular matrix", np.ones((2, 2)), array(2)),
        Fail(np.linalg.LinAlgError, "must be square", array(2, 3), array(2)),
        Fail(ValueError, "core dimension", well_conditioned(3, 3), array(2, 3)),
    ]


solve_primitive = core(
    "solve",
    "(n,n),(n,p?)->(n,p?)",
    arguments=("a", "b"),
    tayloring=solving,
    evaluate=np.linalg.solve,
    jvp=_jvp,
    vjp=_vjp,
    linear=lambda which, params: which == (1,),
    samples=_samples,
    fails=_fails,
    numpy=np.linalg.solve,
)


@implements(np.linalg.solve)
def solve(a: Any, b: Any) -> Any:
    return to_user(bind(solve_primitive, operand(a), operand(b)))


@implements(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    x, right = operand(a), operand(b)
    ndim = np.ndim(x)
    if axes is not None:
        order = list(range(ndim))
        for axis in axes:
            order.remove(axis)
            order.insert(ndim, axis)
        x = np.transpose(x, order)
    shape = np.shape(x)[-(ndim - np.ndim(right)) :]
    size = int(np.prod(shape))
    if int(np.prod(np.shape(x))) != size**2:
        raise np.linalg.LinAlgError(
            "Input arrays must satisfy the requirement "
            "prod(a.shape[b.ndim:]) == prod(a.shape[:b.ndim])"
        )
    found = solve(np.reshape(x, (size, size)), np.reshape(right, (-1,)))
    return np.reshape(found, shape)
