"""All calls of the surface by name, and the names whose derivative is identically zero."""

from . import (
    constants,
    elementwise,
    fourier,
    linear_algebra,
    operators,
    reductions,
    selecting,
    shaping,
)
from .calls import Call

_TABLES = (
    elementwise,
    reductions,
    selecting,
    shaping,
    linear_algebra,
    fourier,
    operators,
    constants,
)

CALLS = {
    name: [
        entry if isinstance(entry, Call) else Call(entry, orders=0 if table is constants else 2)
        for entry in calls
    ]
    for table in _TABLES
    for name, calls in table.CALLS.items()
}
ZERO = elementwise.ZERO | linear_algebra.ZERO | operators.ZERO
