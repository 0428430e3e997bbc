"""The ufuncs of `scipy.special` as elementwise primitives: what their blocks have in common.

Their names here are SciPy's with ``special_`` in front. Values are SciPy's, bit by bit,
in compiled code, too: it calls the scalar functions that SciPy exports.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np
from scipy import special as scipy_special

from ...errors import MissingRuleError
from ...ir.primitive import Primitive
from ...tracing.protocols import ufuncs
from ..elementwise_family import Partial, elementwise
from ..samples import Sample

# Points that most functions of one real argument can take; others give their own.
POINTS = (0.3, 0.75, 1.6, 2.4)


def special(
    name: str,
    *partials: Partial,
    at: Sequence[Any] = (POINTS,),
    wrt: tuple[int, ...] | None = None,
    arguments: tuple[str, ...] | None = None,
    ufunc: Any = None,
    complex_at: Sequence[complex] = (),
    **slots: Any,
) -> Primitive:
    """Make the primitive of a ufunc of `scipy.special`.

    Parameters
    ----------
    name : str
        SciPy's.
    partials : one an argument
        As for `elementwise`.
    at : sequence
        For each argument the points of its samples, or one number for all of them.
    wrt : tuple of int, optional
        The arguments that have a derivative, if not all of them.
    ufunc : ufunc, optional
        Where it has another name than SciPy's function.
    complex_at : sequence of complex
        Points of a sample of one complex argument.
    """
    columns = [np.array(points) if np.ndim(points) else points for points in at]

    def samples() -> list[Sample]:
        single = [_single(column) if np.ndim(column) else column for column in columns]
        first = [column[0] if np.ndim(column) else column for column in columns]
        found = [
            Sample(*columns, wrt=wrt),
            Sample(*single, wrt=wrt, second=False),
            Sample(*first, wrt=wrt, second=False),
        ]
        if complex_at:
            found.append(Sample(np.array(complex_at)))
        return found

    numpy = getattr(scipy_special, name) if ufunc is None else ufunc
    slots.setdefault("lower", lambda e, *x: e.math(f"special.{numpy.__name__}", *x))
    return elementwise(
        f"special_{name}",
        numpy=numpy,
        implements=numpy not in ufuncs,  # the user's own rule stays
        partials=partials,
        arguments=arguments,
        samples=samples,
        **slots,
    )


def _single(column: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return some of the points, in single precision and not contiguous."""
    return column.astype("F" if column.dtype.kind == "c" else "f")[::-2]


def without(name: str, argument: str) -> Callable[[], NoReturn]:
    """Return the partial of an argument by which a function has no derivative rule."""

    def partial() -> NoReturn:
        raise MissingRuleError(
            f"scipy.special.{name} has no derivative rule with respect to {argument}. Say "
            "wengert.stop_gradient(…) of it where it is a constant, or give the function a "
            "derivative by wengert.custom_jvp"
        )

    return partial
