"""Small contractions, written out in kernels: products of few entries fuse with what stands around.

Larger ones are BLAS's, see `products`.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

from ....ir.equation import Equation, Operand
from ....passes.contractions import Contraction, contraction_of
from ..values import is_supported
from .affine import Affine, constant
from .nodes import Node

if TYPE_CHECKING:
    from .build import Build

# Sums of so many products, and results of so many entries, are written out; outer products all.
LONGEST = 8
LARGEST = 4096


def _summed_lengths(equation: Equation, labels: Contraction) -> dict[str, int] | None:
    """Return the lengths of the labels that are summed, or None where an axis broadcasts."""
    found: dict[str, int] = {}
    for term, operand in zip((labels.first, labels.second), equation.operands, strict=True):
        for c, length in zip(term, operand.aval.shape, strict=True):
            if c in labels.result:
                continue
            if found.setdefault(c, length) != length:
                return None
    return found


def is_small_product(equation: Equation) -> bool:
    """Return whether an equation is a contraction that is written out."""
    labels = contraction_of(equation)
    if labels is None:
        return False
    lengths = _summed_lengths(equation, labels)
    avals = [operand.aval for operand in equation.operands] + [equation.outputs[0].aval]
    if lengths is None or not all(is_supported(aval.dtype) for aval in avals):
        return False
    if avals[2].dtype.kind == "b":
        return False
    depth = math.prod(lengths.values())
    if depth == 1:
        return True  # an outer product: memory is all that it takes
    return depth <= LONGEST and avals[2].size <= LARGEST


def product_cost(equation: Equation) -> int:
    """Return what an entry costs, in additions."""
    labels = contraction_of(equation)
    assert labels is not None
    return 2 * max(1, math.prod((_summed_lengths(equation, labels) or {}).values()))


def inline_product(
    build: Build, equation: Equation, labels: Contraction, index: tuple[Affine, ...]
) -> Node:
    """Return one entry of a contraction, written out."""
    dtype = equation.outputs[0].aval.dtype
    lengths = _summed_lengths(equation, labels) or {}
    places = dict(zip(labels.result, index, strict=True))
    total: Node = build.zero(dtype)
    first_term = True
    for numbers in itertools.product(*(range(n) for n in lengths.values())):
        here = {**places, **dict(zip(lengths, map(constant, numbers), strict=True))}
        factors = [
            build.cast(_entry(build, operand, term, here), dtype)
            for term, operand in zip((labels.first, labels.second), equation.operands, strict=True)
        ]
        product = build.apply(lambda e, x, y: e.multiply(x, y), factors, dtype)
        if first_term:
            total, first_term = product, False
        else:
            total = build.apply(lambda e, x, y: e.add(x, y), (total, product), dtype)
    return total


def _entry(build: Build, operand: Operand, term: str, places: dict[str, Affine]) -> Node:
    own = tuple(
        constant(0) if length == 1 else places[c]
        for c, length in zip(term, operand.aval.shape, strict=True)
    )
    return build.value(operand, own)
