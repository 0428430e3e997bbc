"""Primitives, one block each: values, rules, samples. Importing this package registers them.

Those of namespaces, ``numpy.linalg`` and the like, and of what few programs need, are registered
when they are first asked for.
"""

from ..tracing.protocols import implement_later
from . import (  # noqa: F401
    arithmetic,
    complex_parts,
    constants,
    contraction,
    creating,
    cumulative,
    exponential,
    flipping,
    guards,
    handles,
    index_tricks,
    indexing,
    joining,
    kinds,
    logsumexp,
    places,
    predicates,
    quantiles,
    reductions,
    rounding,
    searching,
    selection,
    shaping,
    sorting,
    splitting,
    statistics,
    taking,
    tensor_products,
    tips,
    trigonometric,
    ufunc_methods,
)

implement_later(
    "numpy",
    *("wengert.ops.convolution", "wengert.ops.einsum", "wengert.ops.nan_statistics"),
    "wengert.ops.padding",
)
implement_later("numpy.fft", "wengert.ops.fft")
implement_later("numpy.lib.stride_tricks", "wengert.ops.windows")
implement_later("numpy.linalg", "wengert.ops.linalg")
implement_later("scipy.special", "wengert.ops.special")
