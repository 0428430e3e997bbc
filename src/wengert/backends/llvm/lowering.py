"""Equations of single entries in native code: dtypes of NumPy's loop, the ``lower`` slot, the cast.

Serves scalar programs and the bodies of array kernels alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...ir.aval import Aval, promotion_operand
from ...ir.emitter import CannotLower
from ...ir.primitive import Primitive
from ...passes.complex_products import is_fused
from ...passes.scalarise import takes_root
from .emitter import TextEmitter
from .values import Value

Dtypes = tuple[np.dtype[Any], ...]

_loops: dict[Any, tuple[Dtypes, Dtypes]] = {}


def loop_dtypes(
    primitive: Primitive, operands: Sequence[Aval], outputs: Sequence[Aval]
) -> tuple[Dtypes, Dtypes]:
    """Return the dtypes in which an elementwise primitive computes: operands and results.

    A ufunc's are those of its loop. Other functions select among their arguments: booleans stay,
    numbers come in the dtype of the result.
    """
    key = (
        primitive,
        *[(aval.dtype, aval.kind == "python") for aval in operands],
        *[aval.dtype for aval in outputs],
    )
    found = _loops.get(key)
    if found is None:
        found = _loops[key] = _find_loop(primitive, operands, outputs)
    return found


def _find_loop(
    primitive: Primitive, operands: Sequence[Aval], outputs: Sequence[Aval]
) -> tuple[Dtypes, Dtypes]:
    ufunc = primitive.numpy
    results = tuple(aval.dtype for aval in outputs)
    if isinstance(ufunc, np.ufunc) and ufunc.nin == len(operands) and ufunc.nout == len(outputs):
        if all(aval.kind == "python" for aval in operands):
            given = [aval.dtype for aval in operands]
        else:
            given = [promotion_operand(aval) for aval in operands]
        dtypes = ufunc.resolve_dtypes((*given, *(None,) * ufunc.nout))
        return tuple(dtypes[: ufunc.nin]), tuple(dtypes[ufunc.nin :])
    if len(operands) == 1:
        return (operands[0].dtype,), results
    return (
        tuple(
            aval.dtype if aval.dtype.kind == "b" and results[0].kind != "b" else results[0]
            for aval in operands
        ),
        results,
    )


def lower(
    emitter: TextEmitter,
    primitive: Primitive,
    params: dict[str, Any],
    operands: Sequence[Value],
    operand_avals: Sequence[Aval],
    output_avals: Sequence[Aval],
) -> tuple[Value, ...]:
    """Emit one elementwise operation on single entries and return its results.

    Raises
    ------
    CannotLower
        There is no native code for it; nothing of what was emitted may be used.
    """
    rule = primitive.lower
    if rule is None:
        raise CannotLower(f"{primitive.name} has no lowering rule")
    inputs, loop_results = loop_dtypes(primitive, operand_avals, output_avals)
    emitter.python = output_avals[0].kind == "python"
    emitter.rooted = takes_root(primitive, operand_avals, output_avals[0])
    emitter.fused = is_fused(primitive, operand_avals, output_avals[0])
    # Quotients of two integers, and comparisons with floats, are exact in Python.
    compares = output_avals[0].dtype.kind == "b"
    emitter.exact = emitter.python and (compares or primitive.numpy is np.divide)
    try:
        cast = [emitter.cast(x, dtype) for x, dtype in zip(operands, inputs, strict=True)]
        result = rule(emitter, *cast, **params)
        results = result if isinstance(result, tuple) else (result,)
        for value, dtype in zip(results, loop_results, strict=True):
            if value.dtype != dtype:
                raise CannotLower(f"{primitive.name} gave {value.dtype} instead of {dtype}")
        return tuple(
            emitter.cast(value, aval.dtype)
            for value, aval in zip(results, output_avals, strict=True)
        )
    finally:
        emitter.python = emitter.exact = emitter.rooted = emitter.fused = False
