"""The linear recurrence in which derivatives of running reductions are written, and shifts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..ir.aval import Aval, aval_of
from ..ir.primitive import Primitive
from ..tracing.core import bind
from . import projection
from .axes import along
from .batch_rules import along_axis
from .families import structural
from .samples import Fail, Sample, array

# ------------------------------------------------------------------ shift


def _evaluate_shift(x: Any, *, axis: int, step: int) -> Any:
    moved = np.zeros_like(x)
    source, target = slice(None, -step), slice(step, None)
    if step < 0:
        source, target = slice(-step, None), slice(None, step)
    moved[along(axis, target)] = x[along(axis, source)]
    return moved


shift_primitive = structural(
    "shift",
    batching=along_axis,
    evaluate=_evaluate_shift,
    infer=lambda x, *, axis, step: x,
    transpose=lambda g, axis, step: shift(g, axis, -step),
    moves_entries=True,
    samples=lambda: [
        Sample(array(5), axis=0, step=1),
        Sample(array(3, 4), axis=0, step=-1),
        Sample(array(4, 3).T[:, ::-2], axis=1, step=1),
        Sample(array(3, 0), axis=1, step=1),
        Sample(array(3, dtype=np.float32), axis=0, step=-1),
        Sample(array(2, 3, dtype=np.complex128), axis=1, step=1),
    ],
    fails=lambda: [Fail(IndexError, "", array(3), axis=1, step=1)],
)


def shift(x: Any, axis: int, step: int) -> Any:
    """Return a value with its entries moved by one place along an axis; a zero enters."""
    return bind(shift_primitive, x, axis=axis, step=step)


# ------------------------------------------------------------------ linear recurrences

# With fewer columns than this, Python's own numbers (60 ns a step and column) beat NumPy's calls on
# rows (2 µs a step).
_FEW_COLUMNS = 24


def _evaluate_recurrence(factor: Any, addend: Any, *, axis: int, reverse: bool) -> Any:
    made = np.empty(addend.shape, np.result_type(factor, addend))
    if not made.size:
        return made
    factors, addends, rows = (np.moveaxis(entry, axis, 0) for entry in (factor, addend, made))
    if reverse:
        factors, addends, rows = factors[::-1], addends[::-1], rows[::-1]
    if addends[0].size < _FEW_COLUMNS and made.dtype.itemsize <= 16 and made.dtype.char != "g":
        for column in np.ndindex(addends.shape[1:]):
            where = (slice(None), *column)
            rows[where] = _run(factors[where].tolist(), addends[where].tolist())
        return made
    running = addends[0]
    rows[0] = running
    for i in range(1, len(rows)):
        running = factors[i] * running + addends[i]
        rows[i] = running
    return made


def _run(factors: list[Any], addends: list[Any]) -> list[Any]:
    running = addends[0]
    found = [running]
    for i in range(1, len(addends)):
        running = factors[i] * running + addends[i]
        found.append(running)
    return found


def _infer_recurrence(factor: Aval, addend: Aval, *, axis: int, reverse: bool) -> Aval:
    if factor.shape != addend.shape:
        raise ValueError(f"factor {factor} and addend {addend} of a recurrence differ in shape")
    return Aval(addend.shape, np.result_type(factor.dtype, addend.dtype))


def _tangent_recurrence(
    ans: Any, primals: Sequence[Any], tangents: Sequence[Any], params: dict[str, Any]
) -> Any:
    change = tangents[1]
    if tangents[0] is not None:
        previous = shift(ans, params["axis"], -1 if params["reverse"] else 1)
        change = projection.add(change, tangents[0] * previous)
    return bind(recurrence_primitive, primals[0], change, **params)


def _reverse_recurrence(
    which: tuple[int, ...], values: Sequence[Any], ans: Any, params: dict[str, Any]
) -> Any:
    avals = tuple(aval_of(values[i]) for i in which)
    return _pull_recurrence, (which, avals, values[0], ans if 0 in which else None, params)


def _pull_recurrence(cotangent: Any, residuals: Any) -> Any:
    which, avals, factor, ans, params = residuals
    axis, reverse = params["axis"], params["reverse"]
    step = -1 if reverse else 1
    back = recurrence(shift(factor, axis, -step), cotangent, axis, reverse=not reverse)
    found = []
    if 0 in which:
        found.append(projection.project(back * shift(ans, axis, step), avals[0]))
    if 1 in which:
        found.append(projection.project(back, avals[-1]))
    return found[0] if len(found) == 1 else tuple(found)


recurrence_primitive = Primitive(
    "recurrence",
    batching=along_axis,
    family="irregular",
    arguments=("factor", "addend"),
    evaluate=_evaluate_recurrence,
    infer=_infer_recurrence,
    tangent=_tangent_recurrence,
    reverse=_reverse_recurrence,
    linear=lambda which, params: which == (1,),
    samples=lambda: [
        Sample(array(5), array(5, seed=2), axis=0, reverse=False),
        Sample(array(3, 4), array(3, 4, seed=2), axis=0, reverse=True),
        Sample(array(4, 3).T, array(3, 4)[:, ::-1], axis=1, reverse=False),
        Sample(array(3, 30), array(3, 30, seed=2), axis=0, reverse=True),
        Sample(array(2, 3), array(2, 3, dtype=np.complex128), axis=1, reverse=False),
        Sample(array(3, dtype=np.float32), array(3, dtype=np.float32), axis=0, reverse=False),
        Sample(array(0, 3), array(0, 3), axis=0, reverse=False),
        Sample(array(1), array(1), axis=0, reverse=True),
    ],
    fails=lambda: [Fail(ValueError, "", array(3), array(3), axis=1, reverse=False)],
)


def recurrence(factor: Any, addend: Any, axis: int, *, reverse: bool = False) -> Any:
    """Return r with rᵢ = bᵢ + aᵢ rᵢ₋₁ along an axis; with `reverse`, rᵢ = bᵢ + aᵢ rᵢ₊₁.

    Stepwise: nothing is divided, and a factor of zero cuts off what comes before it.
    """
    return bind(recurrence_primitive, factor, addend, axis=axis, reverse=reverse)
