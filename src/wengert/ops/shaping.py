"""Shape (thin slice)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ir.aval import Aval, aval_of
from ..ir.paths import resolved_shape
from ..tracing.core import bind, raw_of, to_user
from ..tracing.operators import install_builder
from ..tracing.protocols import implements
from .families import structural
from .samples import Fail, Sample, array
from . import projection


broadcast_primitive = structural(
    "broadcast_to",
    evaluate=lambda x, *, shape: np.broadcast_to(x, shape),
    infer=lambda x, *, shape: Aval(shape, x.dtype, "array"),
    transpose=lambda g, x_aval: projection.project(g, x_aval),
    moves_entries=True,
    samples=lambda: [Sample(array(3, 1), shape=(2, 3, 4)), Sample(1.5, shape=(3,))],
    fails=lambda: [Fail(ValueError, "broadcast", array(3), shape=(2,))],
)


@implements(np.broadcast_to)
def broadcast_to(a: Any, shape: Any, subok: bool = False) -> Any:
    return to_user(bind(broadcast_primitive, a, shape=shape))


reshape_primitive = structural(
    "reshape",
    evaluate=lambda x, *, shape, order: np.reshape(x, shape, order=order),
    infer=lambda x, *, shape, order: Aval(resolved_shape(x.shape, shape), x.dtype, "array"),
    transpose=lambda g, x_aval, order: np.reshape(g, x_aval.shape, order=order),
    moves_entries=True,
    samples=lambda: [Sample(array(3, 4), shape=(2, 6), order="C")],
    fails=lambda: [Fail(ValueError, "cannot reshape", array(3), shape=(2,), order="C")],
)


@implements(np.reshape)
def reshape(a: Any, shape: Any, order: str = "C", copy: Any = None) -> Any:
    return to_user(bind(reshape_primitive, a, shape=shape, order=order))
