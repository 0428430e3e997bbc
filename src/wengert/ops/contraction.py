"""Matrix products: matmul (the operator @), dot, inner, vdot, vecdot, matvec, vecmat.

Every transpose of a product is a product again. `tensor_products` and `einsum` have the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..ir.aval import Aval, aval_of, kind_of_result
from ..ir.primitive import Primitive
from ..tracing.core import bind, raw_of, to_user
from ..tracing.operators import install_binary, install_method
from ..tracing.protocols import implement_ufunc, implements, store_results
from .batch_products import dot_rule, matmul_rule, vdot_rule
from .core_family import Signature, column, conjugated, core, operand, promoted, transposed
from .families import bilinear
from .samples import Fail, Sample, array


def leading(count: int) -> list[int]:
    return list(range(count))


# ------------------------------------------------------------------ matmul


def _matmul_first(g: Any, y: Any, x_aval: Aval) -> Any:
    """Return the cotangent of x in x @ y: g @ yᵀ, without an outer product larger than x."""
    y_ndim = np.ndim(y)
    if y_ndim == 1:
        return g * y if x_aval.ndim == 1 else column(g) * y
    if x_aval.ndim == 1:
        if y_ndim == 2:
            return np.matmul(y, g)
        kept = [i for i in range(y_ndim) if i != y_ndim - 2]
        return np.tensordot(y, g, (kept, leading(y_ndim - 1)))
    if x_aval.ndim == 2 and y_ndim > 2:
        summed = [*range(y_ndim - 2), y_ndim - 1]
        return np.tensordot(g, y, (summed, summed))
    return np.matmul(g, transposed(y))


def _matmul_second(g: Any, x: Any, y_aval: Aval) -> Any:
    """Return the cotangent of y in x @ y: xᵀ @ g, without an outer product larger than y."""
    x_ndim = np.ndim(x)
    if x_ndim == 1:
        return g * x if y_aval.ndim == 1 else column(x) * g[..., None, :]
    if y_aval.ndim == 1:
        if x_ndim == 2:
            return np.matmul(g, x)
        return np.tensordot(g, x, (leading(x_ndim - 1), leading(x_ndim - 1)))
    if y_aval.ndim == 2 and x_ndim > 2:
        return np.tensordot(x, g, (leading(x_ndim - 1), leading(x_ndim - 1)))
    return np.matmul(transposed(x), g)


def _product_samples() -> list[Sample]:
    single = array(4, dtype=np.float32)
    z = array(4, 2, dtype=np.complex128)
    return [
        Sample(array(3, 4), array(4, 2)),
        Sample(array(3, 4), array(4)),
        Sample(array(4), array(4, 2)),
        Sample(array(4), array(4, seed=1)),
        Sample(array(5, 3, 4), array(4)),
        Sample(array(5, 3, 4), array(4, 2)),
        Sample(array(4), array(5, 4, 2)),
        Sample(array(3, 4), array(5, 4, 2)),
        Sample(array(4, 3).T, array(2, 4).T),
        Sample(array(3, 4, dtype=np.float32), single),
        Sample(array(3, 4, dtype=np.float32), array(4, 2)),
        Sample(array(3, 4, dtype=np.complex128), z),
        Sample(array(3, 4), z),
        Sample(array(0, 4), array(4, 2)),
        Sample(array(3, 0), array(0, 2)),
    ]


def _matmul_fails() -> list[Fail]:
    return [
        Fail(ValueError, "mismatch in its core dimension", array(3, 4), array(3, 2)),
        Fail(ValueError, "enough dimensions", 2.0, array(3, 2)),
        Fail(ValueError, "broadcast", array(5, 3, 4), array(2, 4, 3)),
    ]


matmul = core(
    "matmul",
    "(m?,n),(n,p?)->(m?,p?)",
    arguments=("x", "y"),
    evaluate=np.matmul,
    transposes=(_matmul_first, _matmul_second),
    batching=matmul_rule,
    dtypes=promoted,
    samples=lambda: [
        *_product_samples(),
        Sample(array(5, 3, 4), array(5, 4, 2)),
        Sample(array(6, 1, 3, 4), array(5, 4, 2)),
        Sample(array(0, 3, 4), array(4, 2)),
    ],
    fails=_matmul_fails,
    numpy=np.matmul,
)


# Vectors and matrices of one real dtype are the common operands: their pullbacks are chosen once,
# need no projection, and keep only the other operand.
def _outer_with_row(g: Any, residuals: Any) -> Any:
    return g[:, None] * residuals


def _outer_with_column(g: Any, residuals: Any) -> Any:
    return residuals[:, None] * g


def _times_kept(g: Any, residuals: Any) -> Any:
    return g * residuals


def _kept_matmul(g: Any, residuals: Any) -> Any:
    return residuals @ g


def _matmul_kept(g: Any, residuals: Any) -> Any:
    return g @ residuals


def _matmul_kept_transposed(g: Any, residuals: Any) -> Any:
    return g @ residuals.T


def _kept_transposed_matmul(g: Any, residuals: Any) -> Any:
    return residuals.T @ g


_SMALL_PULLS = {
    (1, 1): (_times_kept, _times_kept),
    (1, 2): (_kept_matmul, _outer_with_column),
    (2, 1): (_outer_with_row, _matmul_kept),
    (2, 2): (_matmul_kept_transposed, _kept_transposed_matmul),
}


def _pull_both(g: Any, residuals: Any) -> Any:
    first, second, x, y = residuals
    return first(g, y), second(g, x)


def _with_fast_pulls(primitive: Primitive) -> None:
    """Put the pullbacks of plain vectors and matrices in front of the general ones."""
    general = primitive.reverse
    assert general is not None

    def reverse(
        which: tuple[int, ...], values: Sequence[Any], ans: Any, params: dict[str, Any]
    ) -> Any:
        x, y = values
        if type(x) is np.ndarray and type(y) is np.ndarray and x.dtype == y.dtype:
            pulls = _SMALL_PULLS.get((x.ndim, y.ndim))
            if pulls is not None and x.dtype.kind in "fc":
                if len(which) == 2:
                    return _pull_both, (*pulls, x, y)
                return pulls[which[0]], (y if which[0] == 0 else x)
        return general(which, values, ans, params)

    primitive.reverse = reverse


_with_fast_pulls(matmul)
install_binary("__matmul__", matmul, "__rmatmul__")


# ------------------------------------------------------------------ gufuncs with axes


def _gufunc(primitive: Primitive, signature: str) -> Callable[..., Any]:
    """Return the implementation of a gufunc: ``axes=``, ``axis=`` and ``keepdims=`` move axes."""
    parts = Signature(signature)

    def call(*inputs: Any, axes: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
        operands = [operand(value) for value in inputs]
        if axes is None and axis is None and not keepdims:
            return bind(primitive, *operands)
        given = [as_tuple(entry) for entry in axes or ()]
        if axis is not None:
            given = [(axis,)] * len(operands)
        for names in parts.inputs[len(given) :]:
            given.append(tuple(range(-len(names), 0)))
        moved = [
            np.moveaxis(value, entry, tuple(range(-len(entry), 0)))
            for value, entry in zip(operands, given, strict=False)
        ]
        result = to_user(bind(primitive, *moved))
        if keepdims:
            return np.expand_dims(result, given[-1] if len(given) > len(operands) else given[0])
        if len(given) > len(operands) and given[-1]:
            places = tuple(range(-len(given[-1]), 0))
            return np.moveaxis(result, places, given[-1])
        return result

    call.keywords = ("axes", "axis", "keepdims")  # type: ignore[attr-defined]
    return call


def as_tuple(entry: Any) -> tuple[int, ...]:
    return tuple(entry) if isinstance(entry, Iterable) else (entry,)


implement_ufunc(np.matmul, _gufunc(matmul, "(m?,n),(n,p?)->(m?,p?)"))


def _vector_samples() -> list[Sample]:
    z = array(4, dtype=np.complex128)
    return [
        Sample(array(4), array(4, seed=1)),
        Sample(z, array(4, dtype=np.complex128, seed=1)),
        Sample(z, array(4)),
        Sample(array(4), z),
        Sample(array(4, dtype=np.float32), array(4, dtype=np.float32, seed=1)),
        Sample(array(0), array(0)),
    ]


def _batched_vector_samples() -> list[Sample]:
    return [
        *_vector_samples(),
        Sample(array(5, 4), array(4)),
        Sample(array(3, 1, 4), array(5, 4)),
    ]


def _mismatch(message: str = "mismatch in its core dimension") -> list[Fail]:
    return [Fail(ValueError, message, array(4), array(3))]


vecdot = core(
    "vecdot",
    "(n),(n)->()",
    arguments=("x", "y"),
    evaluate=np.vecdot,
    transposes=(lambda g, y: conjugated(column(g) * y), lambda g, x: column(g) * conjugated(x)),
    dtypes=promoted,
    samples=_batched_vector_samples,
    fails=_mismatch,
    numpy=np.vecdot,
)
_vecdot_along = _gufunc(vecdot, "(n),(n)->()")
implement_ufunc(np.vecdot, _vecdot_along)

if hasattr(np, "matvec"):  # NumPy 2.2 and later
    matvec = core(
        "matvec",
        "(m,n),(n)->(m)",
        arguments=("x", "y"),
        evaluate=np.matvec,
        transposes=(
            lambda g, y: column(g) * y[..., None, :],
            lambda g, x: np.matvec(transposed(x), g),
        ),
        dtypes=promoted,
        samples=lambda: [
            Sample(array(3, 4), array(4)),
            Sample(array(3, 4), array(5, 4)),
            Sample(array(2, 1, 3, 4), array(5, 4)),
            Sample(array(3, 4, dtype=np.complex128), array(4, dtype=np.complex128)),
            Sample(array(3, 4, dtype=np.float32), array(4, dtype=np.float32)),
            Sample(array(3, 0), array(0)),
        ],
        fails=lambda: [Fail(ValueError, "core dimension", array(3, 4), array(3))],
        numpy=np.matvec,
    )
    vecmat = core(
        "vecmat",
        "(n),(n,p)->(p)",
        arguments=("x", "y"),
        evaluate=np.vecmat,
        transposes=(
            lambda g, y: conjugated(np.matvec(y, g)),
            lambda g, x: column(conjugated(x)) * g[..., None, :],
        ),
        dtypes=promoted,
        samples=lambda: [
            Sample(array(4), array(4, 3)),
            Sample(array(5, 4), array(4, 3)),
            Sample(array(5, 4), array(2, 1, 4, 3)),
            Sample(array(4, dtype=np.complex128), array(4, 3, dtype=np.complex128)),
            Sample(array(4, dtype=np.complex128), array(4, 3)),
            Sample(array(0), array(0, 3)),
        ],
        fails=lambda: [Fail(ValueError, "core dimension", array(3), array(4, 3))],
        numpy=np.vecmat,
    )
    implement_ufunc(np.matvec, _gufunc(matvec, "(m,n),(n)->(m)"))
    implement_ufunc(np.vecmat, _gufunc(vecmat, "(n),(n,p)->(p)"))


# ------------------------------------------------------------------ dot and vdot


def _dot_shape(x: Aval, y: Aval) -> tuple[int, ...]:
    if not x.shape or not y.shape:
        return x.shape + y.shape
    axis = max(y.ndim - 2, 0)
    if x.shape[-1] != y.shape[axis]:
        raise ValueError(
            f"shapes {x.shape} and {y.shape} not aligned: {x.shape[-1]} (dim {x.ndim - 1}) != "
            f"{y.shape[axis]} (dim {axis})"
        )
    return x.shape[:-1] + y.shape[:axis] + y.shape[axis + 1 :]


def _infer_dot(x: Aval, y: Aval) -> Aval:
    shape = _dot_shape(x, y)
    # np.dot is no ufunc: a Python number counts with its own dtype, float64.
    return Aval(shape, np.result_type(x.dtype, y.dtype), kind_of_result(shape))


def _dot_first(g: Any, y: Any, x_aval: Aval) -> Any:
    y_ndim = np.ndim(y)
    if not x_aval.shape or not y_ndim:
        return g * y
    if x_aval.ndim == 1 or y_ndim <= 2:
        return _matmul_first(g, y, x_aval)
    kept = [i for i in range(y_ndim) if i != y_ndim - 2]
    return np.tensordot(g, y, (list(range(1 - y_ndim, 0)), kept))


def _dot_second(g: Any, x: Any, y_aval: Aval) -> Any:
    x_ndim = np.ndim(x)
    if not x_ndim or not y_aval.shape:
        return g * x
    if x_ndim == 1 or y_aval.ndim <= 2:
        return _matmul_second(g, x, y_aval)
    free = leading(x_ndim - 1)
    return np.moveaxis(np.tensordot(x, g, (free, free)), 0, -2)


dot_primitive = bilinear(
    "dot",
    batching=dot_rule,
    evaluate=np.dot,
    infer=_infer_dot,
    transposes=(_dot_first, _dot_second),
    samples=lambda: [
        *_product_samples(),
        Sample(array(6, 3, 4), array(5, 4, 2)),
        Sample(1.5, array(3, 4)),
        Sample(array(3, 4), np.float64(0.5)),
        Sample(1.5, 2.5),
        Sample(2.5, array(3, dtype=np.float32)),
    ],
    fails=lambda: [Fail(ValueError, "not aligned", array(3, 4), array(3, 2))],
    numpy=np.dot,
)
_with_fast_pulls(dot_primitive)


def stored(out: Any, result: Any) -> Any:
    """Write a product into ``out=``, which has to be of its very dtype."""
    if out is None:
        return result
    found = aval_of(raw_of(result)).dtype
    if out.dtype != found:
        raise ValueError(
            f"output array is not acceptable: it has dtype {out.dtype}, and the product {found}"
        )
    return store_results((out,), (result,), "no")


@implements(np.dot)
def dot(a: Any, b: Any, out: Any = None) -> Any:
    return stored(out, to_user(bind(dot_primitive, operand(a), operand(b))))


def _infer_vdot(x: Aval, y: Aval) -> Aval:
    if x.size != y.size:
        raise ValueError("cannot reshape array: vdot takes operands of one size")
    return Aval((), np.result_type(x.dtype, y.dtype), "scalar")


vdot_primitive = bilinear(
    "vdot",
    batching=vdot_rule,
    evaluate=np.vdot,
    infer=_infer_vdot,
    transposes=(
        lambda g, y, x_aval: conjugated(g * np.reshape(y, x_aval.shape)),
        lambda g, x, y_aval: g * np.reshape(conjugated(x), y_aval.shape),
    ),
    samples=lambda: [
        *_vector_samples(),
        Sample(array(3, 4), array(3, 4, seed=1)),
        Sample(array(3, 4, dtype=np.complex128), array(12)),
        Sample(1.5, 2.5),
    ],
    fails=lambda: [Fail(ValueError, "", array(4), array(3))],
    numpy=np.vdot,
)


@implements(np.vdot)
def vdot(a: Any, b: Any) -> Any:
    return to_user(bind(vdot_primitive, operand(a), operand(b)))


@implements(np.inner)
def inner(a: Any, b: Any) -> Any:
    first, second = operand(a), operand(b)
    if np.ndim(first) and np.ndim(second) > 1:
        second = transposed(second)  # what NumPy's own C function does
    return to_user(bind(dot_primitive, first, second))


@implements(np.linalg.vecdot)
def linalg_vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    return to_user(_vecdot_along(x1, x2, axis=axis))


@implements(np.linalg.matmul)
def linalg_matmul(x1: Any, x2: Any, /) -> Any:
    return to_user(bind(matmul, operand(x1), operand(x2)))


install_method("dot", dot)
