"""Primitives, one block each: values, rules, samples. Importing this package registers them all."""

from . import arithmetic, indexing, kinds, reductions, shaping  # noqa: F401
from . import contraction, einsum, linalg, tensor_products  # noqa: F401
from . import constants, creating, handles, index_tricks, joining, padding, splitting, taking  # noqa: F401
from . import complex_parts, exponential, rounding, selection, trigonometric  # noqa: F401
from . import cumulative, logsumexp, nan_statistics, quantiles, sorting, statistics  # noqa: F401
from . import ufunc_methods  # noqa: F401
