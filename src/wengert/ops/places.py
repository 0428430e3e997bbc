"""Where truth values hold: ``nonzero`` and its kin, and indices by truth values.

How many places there are decides on a shape. Of values that are not known only that number is asked
for: compiled code runs again while it stays the same.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.aval import Aval
from ..ir.primitive import Primitive
from ..tracing.core import bind, raw_of, shape_of, to_user
from ..tracing.keys import MASK_LENGTH, Length, install_places, known_value
from ..tracing.operators import install_method
from ..tracing.protocols import has_traced, implements
from .axes import operand_of
from .batch_rules import one_by_one
from .constant_family import constant
from .samples import Fail, Sample, array


def _evaluate_places(x: Any, *, count: int) -> Any:
    found = np.flatnonzero(x)
    if found.size != count:
        raise ValueError(f"{count} entries that are not 0 were to be found, there are {found.size}")
    return found


places: Primitive = constant(
    "places",
    batching=one_by_one,
    evaluate=_evaluate_places,
    infer=lambda x, *, count: Aval((count,), np.intp),
    samples=lambda: [
        Sample(array(3, 4) > 10.0, count=0),
        Sample(np.array([True, False, True]), count=2),
        Sample(np.array([[0, 3, 0], [1, 0, 2]])[:, ::-1], count=3),
        Sample(np.zeros((0, 3), bool), count=0),
    ],
    fails=lambda: [Fail(ValueError, "there are 2", np.array([True, True]), count=1)],
)


_AS_MANY = "numpy.{}, whose result has as many entries as the values say,"


def places_of(flags: Any, purpose: str) -> Any:
    """Return ``np.flatnonzero(flags)``; of unknown values the number is asked for."""
    if not has_traced(flags):
        return np.flatnonzero(flags)
    count = int(
        known_value(
            np.count_nonzero(flags), purpose if isinstance(purpose, Length) else Length(purpose)
        )
    )
    return to_user(bind(places, raw_of(flags), count=count))


def _axes_of(flags: Any, purpose: str) -> tuple[Any, ...]:
    """Return the places of true entries, one vector an axis, in the order of the entries."""
    shape = shape_of(flags)
    found = places_of(flags, purpose)
    return (found,) if len(shape) == 1 else np.unravel_index(found, shape)


install_places(lambda mask: tuple(map(raw_of, _axes_of(to_user(mask), MASK_LENGTH))))


# ------------------------------------------------------------------ NumPy's functions


@implements(np.nonzero)
def nonzero(a: Any) -> tuple[Any, ...]:
    flags = to_user(operand_of(a))
    if not shape_of(flags):
        raise ValueError(
            "Calling nonzero on 0d arrays is not allowed. Use np.atleast_1d(scalar).nonzero() "
            "instead."
        )
    return _axes_of(flags, _AS_MANY.format("nonzero"))


install_method("nonzero", nonzero)


@implements(np.flatnonzero)
def flatnonzero(a: Any) -> Any:
    return places_of(np.ravel(to_user(operand_of(a))), _AS_MANY.format("flatnonzero"))


@implements(np.argwhere)
def argwhere(a: Any) -> Any:
    flags = to_user(operand_of(a))
    if not shape_of(flags):  # NumPy: one row without entries, or none
        return np.argwhere(np.atleast_1d(flags))[:, :0]
    return np.transpose(np.stack(_axes_of(flags, _AS_MANY.format("argwhere"))))
