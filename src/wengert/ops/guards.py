"""Guards: what a compiled program must find again of the values it was compiled for.

``guard`` has no result: it lets a program go on, or ends it with `GuardFailed`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import GuardFailed
from ..ir.aval import Aval
from ..ir.primitive import Primitive
from .samples import Fail, Sample, array


def is_same_value(found: Any, expected: Any) -> bool:
    """Return whether two values of one Aval are the same: nan is nan, and zeros have signs."""
    if isinstance(expected, np.ndarray):
        return _has_same_entries(np.asarray(found), expected)
    if found != expected:
        return bool(found != found and expected != expected)
    if found or isinstance(expected, (int, np.integer, np.bool_)):
        return True
    return bool(_has_same_entries(np.asarray(found), np.asarray(expected)))


def _has_same_entries(found: Any, expected: Any) -> bool:
    if expected.dtype.kind not in "fc":
        return bool(np.array_equal(found, expected))
    if not np.array_equal(found, expected, equal_nan=True):
        return False
    zero = expected == 0
    parts = [(found.real, expected.real)]
    if expected.dtype.kind == "c":
        parts.append((found.imag, expected.imag))
        zero = np.ones(expected.shape, bool)
    return all(
        bool(np.all((np.signbit(mine) == np.signbit(other)) | ~zero | np.isnan(other)))
        for mine, other in parts
    )


def _evaluate_guard(value: Any, *, expected: Any, position: int) -> tuple[()]:
    if not is_same_value(value, expected):
        raise GuardFailed(position)
    return ()


def _infer_guard(value: Aval, *, expected: Any, position: int) -> tuple[()]:
    return ()


guard = Primitive(
    "guard",
    family="guard",
    arguments=("value",),
    evaluate=_evaluate_guard,
    infer=_infer_guard,
    zero_derivative=True,
    multiple=True,
    samples=lambda: [
        Sample(True, expected=True, position=0),
        Sample(np.bool_(False), expected=np.bool_(False), position=1),
        Sample(np.int64(3), expected=np.int64(3), position=2),
        Sample(float("nan"), expected=float("nan"), position=3),
        Sample(array(3), expected=array(3), position=4),
    ],
    fails=lambda: [
        Fail(GuardFailed, "guard 2", 1.5, expected=2.5, position=2),
        Fail(GuardFailed, "guard 0", 0.0, expected=-0.0, position=0),
        Fail(GuardFailed, "guard 1", np.array([1, 2]), expected=np.array([1, 3]), position=1),
    ],
)
