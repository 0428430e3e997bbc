"""Distinct entries or rows as NumPy's own search finds them, when the program runs.

For what `wengert.numpy.sets` does not make of sorting: rows, complex nan, an order not sorted.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.aval import Aval
from ..ir.primitive import Primitive
from .batch_rules import one_by_one
from .constant_family import constant
from .samples import Fail, Sample, array


def _search(x: Any, asked: tuple[bool, ...], axis: int | None, how: dict[str, bool]) -> Any:
    """Return what ``np.unique`` gives, as a tuple; NumPy before 2.3 sorts always."""
    if how["sorted"]:
        how = {"equal_nan": how["equal_nan"]}
    search: Any = np.unique  # the type of its result depends on the flags
    found = search(x, *asked, axis=axis, **how)
    return found if isinstance(found, tuple) else (found,)


def _evaluate_count(x: Any, *, asked: tuple[bool, ...], axis: int | None, **how: bool) -> Any:
    values, *_ = _search(x, asked, axis, how)
    return np.intp(values.shape[0 if axis is None else axis])


def _evaluate_distinct(
    x: Any, *, asked: tuple[bool, ...], axis: int | None, count: int, **how: bool
) -> Any:
    """Return where each distinct value comes first, and what else is asked for."""
    values, *others = _search(x, asked, axis, how)
    found = values.shape[0 if axis is None else axis]
    if found != count:
        raise ValueError(f"{count} distinct entries were to be found, there are {found}")
    if asked[0]:
        return (others[0], *others)
    if axis is None:
        return (_first_places(np.ravel(x), values), *others)
    return (np.unique(x, return_index=True, axis=axis)[1], *others)


def _first_places(flat: Any, values: Any) -> Any:
    """Return where each of the distinct `values` comes first; of several nan, where each comes."""
    order = np.argsort(flat, kind="stable")
    of_values = np.argsort(values, kind="stable")
    ordered = values[of_values]
    which = np.arange(ordered.size) - np.searchsorted(ordered, ordered)
    places = np.empty(values.size, np.intp)
    places[of_values] = order[np.searchsorted(flat[order], ordered) + which]
    return places


def _infer_distinct(
    x: Aval, *, asked: tuple[bool, ...], axis: int | None, count: int, **how: bool
) -> tuple[Aval, ...]:
    one_each = Aval((count,), np.intp)
    inverse = Aval(x.shape if axis is None else (x.shape[axis],), np.intp)
    return (
        one_each,
        *(aval for aval, given in zip((one_each, inverse, one_each), asked, strict=True) if given),
    )


_ROWS = np.array([[1, 2], [0, 3], [1, 2]])
_REPEATED = np.array([3, 2, 3, 0])
_ALL, _NONE = (True, True, True), (False, False, False)
_PLAIN: dict[str, Any] = {"equal_nan": True, "sorted": True}

distinct_count: Primitive = constant(
    "distinct_count",
    batching=one_by_one,
    evaluate=_evaluate_count,
    infer=lambda x, **params: Aval((), np.intp, "scalar"),
    samples=lambda: [
        Sample(_ROWS, asked=_NONE, axis=0, **_PLAIN),
        Sample(_REPEATED, asked=_NONE, axis=None, **_PLAIN),
        Sample(array(0), asked=_NONE, axis=None, **_PLAIN),
    ],
    fails=lambda: [Fail(ValueError, "out of bounds", array(3), asked=_NONE, axis=1, **_PLAIN)],
)

distinct: Primitive = constant(
    "distinct",
    batching=one_by_one,
    evaluate=_evaluate_distinct,
    infer=_infer_distinct,
    multiple=True,
    samples=lambda: [
        Sample(_ROWS, asked=_NONE, axis=0, count=2, **_PLAIN),
        Sample(_ROWS.T, asked=_ALL, axis=1, count=2, **_PLAIN),
        Sample(_REPEATED, asked=(False, True, False), axis=None, count=3, **_PLAIN),
        Sample(array(2, 3), asked=_ALL, axis=None, count=6, **_PLAIN),
        Sample(array(0), asked=_NONE, axis=None, count=0, **_PLAIN),
    ],
    fails=lambda: [
        Fail(ValueError, "there are 3", array(3), asked=_NONE, axis=None, count=2, **_PLAIN)
    ],
)
