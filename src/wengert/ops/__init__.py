"""Primitives, one block each: values, rules, samples. Importing this package registers them all."""

from . import arithmetic, indexing, kinds, reductions, shaping  # noqa: F401
