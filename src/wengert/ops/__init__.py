"""Primitives, one block each: values, rules, samples. Importing this package registers them all."""

from . import arithmetic, indexing, kinds, reductions, shaping  # noqa: F401
from . import contraction, einsum  # noqa: F401
from . import creating, handles, joining  # noqa: F401
