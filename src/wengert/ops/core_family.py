"""The family `core`: primitives that act on the last axes and repeat over batch axes in front.

One signature in NumPy's gufunc notation, such as ``"(m?,n),(n,p?)->(m?,p?)"``, gives the Aval of
the result; broadcasting of the batch axes is undone here, never in a rule.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..ir.aval import Aval, aval_of, kind_of_result, result_dtype
from ..ir.primitive import Primitive
from ..tracing.core import Array, Traced, bind, innermost, is_unknown, raw_of
from ..tracing.keys import build_array
from ..tracing.operators import as_operand
from .batch_rules import BatchRule, by_signature
from .families import irregular

Dtypes = Callable[[Sequence[Aval]], "tuple[np.dtype[Any], ...]"]
Transposes = tuple[Callable[..., Any], Callable[..., Any]]


class Signature:
    """A gufunc signature, taken apart.

    Attributes
    ----------
    inputs, outputs : tuple of tuples of str
        The names of the core dimensions of each operand and result.
    optional : set of str
        Dimensions marked ``?``: absent where an operand has too few axes, then absent everywhere.
    """

    __slots__ = ("inputs", "optional", "outputs", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        left, right = text.replace(" ", "").split("->")
        self.optional = set(re.findall(r"(\w+)\?", text))
        self.inputs = _groups(left)
        self.outputs = _groups(right)

    def match(self, name: str, avals: Sequence[Aval], *, linalg: bool) -> list[tuple[int, ...]]:
        """Return the shapes of the results, or raise the error that NumPy raises."""
        absent: set[str] = set()
        for names, aval in zip(self.inputs, avals, strict=True):
            missing = len(names) - aval.ndim
            for dimension in names:
                if missing > 0 and dimension in self.optional:
                    absent.add(dimension)
                    missing -= 1
            if missing > 0:
                raise self._too_few(name, aval, linalg=linalg)
        sizes: dict[str, int] = {}
        batches = []
        for index, (names, aval) in enumerate(zip(self.inputs, avals, strict=True)):
            present = [dimension for dimension in names if dimension not in absent]
            split = aval.ndim - len(present)
            batches.append(aval.shape[:split])
            core = aval.shape[split:]
            if linalg and len(set(present)) < len(present) and len(set(core)) > 1:
                raise np.linalg.LinAlgError("Last 2 dimensions of the array must be square")
            for dimension, size in zip(present, core, strict=True):
                if sizes.setdefault(dimension, size) != size:
                    raise ValueError(
                        f"{name}: Input operand {index} has a mismatch in its core dimension "
                        f"{dimension!r}, with gufunc signature {self.text} "
                        f"(size {size} is different from {sizes[dimension]})"
                    )
        batch = np.broadcast_shapes(*batches)
        return [
            (*batch, *(sizes[dimension] for dimension in names if dimension not in absent))
            for names in self.outputs
        ]

    def _too_few(self, name: str, aval: Aval, *, linalg: bool) -> ValueError:
        if linalg:
            return np.linalg.LinAlgError(
                f"{aval.ndim}-dimensional array given. Array must be at least two-dimensional"
            )
        return ValueError(
            f"{name}: an operand of {aval.ndim} dimensions does not have enough "
            f"(gufunc signature {self.text})"
        )


def _groups(text: str) -> tuple[tuple[str, ...], ...]:
    return tuple(
        tuple(entry.rstrip("?") for entry in group.split(",") if entry)
        for group in re.findall(r"\(([^)]*)\)", text)
    )


# ------------------------------------------------------------------ dtypes of results


def promoted(avals: Sequence[Aval]) -> tuple[np.dtype[Any], ...]:
    """Return the dtype to which NumPy promotes the operands."""
    return (result_dtype(*avals),)


def linalg_dtype(avals: Sequence[Aval]) -> tuple[np.dtype[Any], ...]:
    """Return the dtype of numpy.linalg: integers count as float64, float16 is refused."""
    dtype = np.result_type(*(aval.dtype for aval in avals))
    if dtype.char not in "fdFD":
        if dtype.kind not in "biu":
            raise TypeError(f"array type {dtype.name} is unsupported in linalg")
        dtype = np.dtype(np.float64)
    return (dtype,)


def real_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of real and imaginary parts."""
    return np.empty(0, dtype).real.dtype


# ------------------------------------------------------------------ the family


def core(
    name: str,
    signature: str,
    *,
    arguments: tuple[str, ...],
    evaluate: Callable[..., Any],
    jvp: Callable[..., Any] | tuple[Callable[..., Any] | None, ...] | None = None,
    vjp: Callable[..., Any] | tuple[Callable[..., Any] | None, ...] | None = None,
    transposes: Transposes | None = None,
    dtypes: Dtypes | None = None,
    infer: Callable[..., Any] | None = None,
    linear: Callable[[tuple[int, ...], dict[str, Any]], bool] | None = None,
    samples: Callable[[], Iterable[Any]] | None = None,
    fails: Callable[[], Iterable[Any]] = tuple,
    numpy: Any = None,
    **slots: Any,
) -> Primitive:
    """Make a primitive of the last axes of its operands.

    Parameters
    ----------
    name : str
    signature : str
        Core dimensions in NumPy's gufunc notation; ``?`` marks one that may be absent.
    evaluate : callable
        Takes whole arrays, batch axes included; several results come as a tuple.
    jvp, vjp : callable or tuple
        As for `irregular`, written for the core axes with any batch axes in front. A cotangent may
        come with the batch axes of the result: they are summed here.
    transposes : pair of callables, instead of `jvp` and `vjp`
        For a bilinear primitive: its two transposes.
    dtypes : callable, optional
        ``dtypes(avals)`` gives the dtypes of the results; by default those of numpy.linalg.
    infer : callable, optional
        For results whose shape the signature cannot tell.
    """
    taken_apart = Signature(signature)
    in_linalg = dtypes is None
    dtypes_of: Dtypes = dtypes or linalg_dtype

    def infer_core(*avals: Aval, **params: Any) -> Any:
        shapes = taken_apart.match(name, avals, linalg=in_linalg)
        found = tuple(
            Aval(shape, dtype, kind_of_result(shape))
            for shape, dtype in zip(shapes, dtypes_of(avals), strict=True)
        )
        return found if multiple else found[0]

    def by_core(made: Primitive) -> BatchRule:
        parts = taken_apart
        return by_signature(made, parts.inputs, parts.outputs, parts.optional)

    tangent = None
    multiple = len(taken_apart.outputs) > 1
    if transposes is not None:
        vjp = transposes
        linear = linear or _linear_in_one

        def tangent(
            ans: Any, primals: Sequence[Any], tangents: Sequence[Any], params: dict[str, Any]
        ) -> Any:
            first, second = tangents
            if second is None:
                return bind(primitive, first, primals[1], **params)
            term = bind(primitive, primals[0], second, **params)
            if first is None:
                return term
            return bind(primitive, first, primals[1], **params) + term

    primitive = irregular(
        name,
        family="core",
        arguments=arguments,
        evaluate=evaluate,
        infer=infer or infer_core,
        jvp=jvp,
        vjp=vjp,
        tangent=tangent,
        multiple=multiple,
        linear=linear,
        samples=samples,
        fails=fails,
        numpy=numpy,
        **{"batching": by_core, **slots},
    )
    return primitive


def _linear_in_one(which: tuple[int, ...], params: dict[str, Any]) -> bool:
    return len(which) == 1


# ------------------------------------------------------------------ operands and rules


def operand(value: Any) -> Any:
    """Return what a NumPy function makes of an argument: lists become arrays."""
    kind = type(value)
    if kind is Array or kind is Traced or kind is np.ndarray:
        return value
    if kind is list or kind is tuple:
        return build_array(value)
    found = as_operand(value)
    return np.asarray(value) if found is NotImplemented else found


def transposed(x: Any) -> Any:
    """Return a matrix, or a stack of them, with its last two axes swapped."""
    return x.swapaxes(-1, -2) if type(x) is np.ndarray else np.swapaxes(x, -1, -2)


def conjugated(x: Any) -> Any:
    """Return the complex conjugate; real values as they are, without a copy."""
    return np.conj(x) if aval_of(raw_of(x)).is_complex else x


def real_part(x: Any) -> Any:
    """Return the real part; real values as they are."""
    return np.real(x) if aval_of(raw_of(x)).is_complex else x


def adjoint(x: Any) -> Any:
    """Return the conjugate transpose of a matrix or a stack of them."""
    return conjugated(transposed(x))


def known(x: Any) -> Any:
    """Return the plain value below all traces; `x` itself where it is not known (staging)."""
    plain = innermost(raw_of(x))
    return x if is_unknown(plain) else plain


def column(x: Any) -> Any:
    """Return a vector, or a stack of them, as matrices of one column."""
    return x[..., None]


def diagonal_part(x: Any) -> Any:
    """Return the diagonals of a stack of square matrices."""
    places = np.arange(np.shape(x)[-1])
    return x[..., places, places]
