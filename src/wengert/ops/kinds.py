"""Changes of dtype and of kind: ``convert`` (astype), ``with_kind`` and ``stop_gradient``."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.aval import Aval, aval_of
from ..ir.emitter import PerEntry
from ..ir.primitive import Primitive
from ..tracing.aliases import note_unknown_alias
from ..tracing.core import Array, Traced, bind, innermost, raw_of, to_user
from ..tracing.operators import install_method
from .batch_rules import entrywise
from .families import structural
from .projection import cast
from .samples import Fail, Sample, array

# ------------------------------------------------------------------ convert


def _evaluate_convert(x: Any, *, aval: Aval) -> Any:
    """Return `x` with the dtype and kind of `aval` (its shape stays)."""
    if aval.kind == "python":
        return {"f": float, "c": complex, "i": int, "b": bool}[aval.dtype.kind](x)
    if aval.kind == "scalar":
        return aval.dtype.type(x)
    return np.array(x, dtype=aval.dtype)


def _infer_convert(x: Aval, *, aval: Aval) -> Aval:
    return Aval(x.shape, aval.dtype, aval.kind)


def _batch_convert(values: Any, axes: Any, params: dict[str, Any]) -> Any:
    aval = Aval((), params["aval"].dtype, "array")  # examples of any kind stand in an array
    return bind(convert, values[0], aval=aval), axes[0]


convert: Primitive = structural(
    "convert",
    batch=_batch_convert,
    evaluate=_evaluate_convert,
    infer=_infer_convert,
    transpose=lambda g, x_aval: cast(g, x_aval.dtype),
    moves_entries=True,
    lower=PerEntry(lambda e, x, aval: e.cast(x, aval.dtype)),
    samples=lambda: [
        Sample(array(3, 4), aval=Aval((3, 4), np.float32), differentiable=False),
        Sample(array(3, 4, dtype=np.float32), aval=Aval((3, 4), np.float64)),
        Sample(array(3), aval=Aval((3,), np.complex128)),
        Sample(1.5, aval=Aval((), np.float64, "scalar")),
        Sample(np.float64(1.5), aval=Aval((), np.float64, "python")),
        Sample(np.float64(1.5), aval=Aval((), np.float64, "array")),
        Sample(np.int64(3), aval=Aval((), np.int64, "python")),
        Sample(np.bool_(True), aval=Aval((), np.bool_, "python")),
    ],
    fails=lambda: [Fail(TypeError, "", array(3), aval=Aval((), np.float64, "python"))],
)


def with_kind(raw: Any, aval: Aval) -> Any:
    """Return a raw value of the same shape with the dtype and kind of `aval`."""
    given = aval_of(raw)
    if given.dtype == aval.dtype and given.kind == aval.kind:
        return raw
    if given.dtype.kind == "c" and aval.dtype.kind != "c":
        raw = raw_of(np.real(raw))
    return bind(convert, raw, aval=aval)


def astype(
    x: Any,
    dtype: Any,
    order: str = "K",
    casting: Any = "unsafe",
    subok: bool = True,
    copy: bool = True,
) -> Any:
    """Answer ``x.astype(dtype)``; converting to integers or booleans drops the derivative."""
    raw = raw_of(x)
    given = aval_of(raw)
    target = np.dtype(dtype)
    if not np.can_cast(given.dtype, target, casting):
        raise TypeError(
            f"Cannot cast array data from {given.dtype} to {target} "
            f"according to the rule {casting!r}"
        )
    if not copy and target == given.dtype and given.kind != "python":
        return x if type(x) is not Array else _in_order(x, order)
    if target.kind == "O" and type(raw) is Traced:
        return _objects(x)
    if target.kind not in "fc":
        return bind(discretise, raw, dtype=target)
    if given.dtype.kind == "c" and target.kind == "f":
        raw = raw_of(np.real(raw))
    kind = "scalar" if given.kind == "python" else given.kind
    return to_user(bind(convert, raw, aval=Aval(given.shape, target, kind)))


def _in_order(x: Array, order: str) -> Any:
    """Return an array itself where it is laid out as asked, else a copy."""
    plain = innermost(raw_of(x))
    if order in ("K", "A") or plain.ndim < 2:
        return x
    if type(plain) is np.ndarray:
        return x if plain.flags["C" if order == "C" else "F"] else x.copy(order)
    result = x.copy()
    note_unknown_alias(x, result, "asarray", (order,))
    return result


def _objects(x: Any) -> Any:
    """Return an array of Python objects, which holds the traced numbers as they are."""
    if type(x) is Traced:
        return x
    made = np.ndarray(x.shape, dtype=object)
    for position in np.ndindex(x.shape):
        made[position] = x[position]
    return made


discretise = Primitive(
    "discretise",
    batching=entrywise,
    family="piecewise_constant",
    arguments=("x",),
    evaluate=lambda x, *, dtype: np.asarray(x).astype(dtype)[()],
    infer=lambda x, *, dtype: Aval(x.shape, dtype, "scalar" if x.kind == "python" else x.kind),
    zero_derivative=True,
    lower=lambda e, x, dtype: e.cast(x, dtype),
    samples=lambda: [Sample(array(3, 4), dtype=np.dtype(int)), Sample(2.5, dtype=np.dtype(bool))],
    fails=tuple,
)


# ------------------------------------------------------------------ stop_gradient


_stop = Primitive(
    "stop_gradient",
    batching=entrywise,
    family="piecewise_constant",
    arguments=("x",),
    # A copy: the user may write the result, which must not reach the traced value's buffer.
    evaluate=lambda x: np.array(x) if isinstance(x, np.ndarray) else x,
    infer=lambda x: x,
    zero_derivative=True,
    lower=lambda e, x: x,
    samples=lambda: [Sample(array(3, 4)), Sample(2.5)],
    fails=tuple,
)


def stop_gradient_of(leaf: Any) -> Any:
    """Return a leaf as a constant for every transformation that is running."""
    if type(leaf) is Traced or type(leaf) is Array:
        return to_user(bind(_stop, leaf))
    return leaf


install_method("astype", astype)
