"""Einstein summation: ``np.einsum`` in all its forms, one primitive linear in every operand.

The value is NumPy's own; a transpose is again an einsum, of the cotangent and the other operands.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..ir.aval import Aval, aval_of, kind_of_result
from ..ir.primitive import Primitive
from ..tracing.core import Array, Traced, bind, make_view, to_user
from ..tracing.protocols import implements, store_results
from . import projection
from .batch_rules import logical_ndim
from .core_family import operand
from .indexing import indexed_add
from .samples import Fail, Sample, array

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
# Above this many products a contraction is worth the search for a good order of its operands.
_SEARCHED = 20_000


class Labels(NamedTuple):
    """The labels of every operand and of the result, ellipses spelt out."""

    operands: tuple[str, ...]
    result: str


@lru_cache(maxsize=1024)
def parse(subscripts: str, ndims: tuple[int, ...]) -> Labels:
    """Spell out the ellipses and the implicit result of `subscripts`."""
    left, arrow, right = subscripts.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(ndims):
        raise ValueError(
            f"einsum: {subscripts!r} has {len(terms)} operands, {len(ndims)} were given"
        )
    widths = [
        ndim - len(term.replace("...", "")) if "..." in term else 0
        for term, ndim in zip(terms, ndims, strict=True)
    ]
    for term, width, ndim in zip(terms, widths, ndims, strict=True):
        if width < 0 or ("..." not in term and len(term) != ndim):
            raise ValueError(f"einsum: {term!r} does not fit an operand of {ndim} dimensions")
    width = max(widths, default=0)
    free = [letter for letter in _LETTERS if letter not in subscripts]
    if width > len(free):
        raise ValueError("einsum: too many dimensions for the letters of the alphabet")
    batch = "".join(free[:width])
    operands = tuple(
        term.replace("...", batch[width - own :]) for term, own in zip(terms, widths, strict=True)
    )
    if not arrow:
        named = "".join(term.replace("...", "") for term in terms)
        right = "..." + "".join(sorted(letter for letter in set(named) if named.count(letter) == 1))
    return Labels(operands, right.replace("...", batch))


def _sizes(labels: Labels, shapes: Sequence[tuple[int, ...]]) -> dict[str, int]:
    """Return the length of every label; a length of 1 broadcasts, as NumPy allows."""
    sizes: dict[str, int] = {}
    for term, shape in zip(labels.operands, shapes, strict=True):
        for label, size in zip(term, shape, strict=True):
            known = sizes.setdefault(label, size)
            if known == 1:
                sizes[label] = size
            elif size not in (1, known):
                raise ValueError(f"einsum: the label {label!r} has the lengths {known} and {size}")
    return sizes


def _evaluate(*operands: Any, subscripts: str, **keywords: Any) -> Any:
    return np.einsum(subscripts, *operands, **keywords)


def _infer(*avals: Aval, subscripts: str, **keywords: Any) -> Aval:
    labels = parse(subscripts, tuple(aval.ndim for aval in avals))
    sizes = _sizes(labels, [aval.shape for aval in avals])
    shape = tuple(sizes[label] for label in labels.result)
    dtype = np.result_type(*(aval.dtype for aval in avals))
    if keywords.get("dtype") is not None:
        dtype = np.dtype(keywords["dtype"])
    # Neither contraction by matrix products nor a mere view makes a scalar of a 0-d result.
    kind = kind_of_result(shape)
    if not shape and keywords.get("optimize"):
        stand_ins = [np.zeros(aval.shape, aval.dtype) for aval in avals]
        kind = aval_of(np.einsum(subscripts, *stand_ins, **keywords)).kind
    return Aval(shape, dtype, kind)


def _tangent(
    ans: Any, primals: Sequence[Any], tangents: Sequence[Any], params: dict[str, Any]
) -> Any:
    total = None
    for index, change in enumerate(tangents):
        if change is None:
            continue
        changed = [*primals[:index], change, *primals[index + 1 :]]
        total = projection.add(total, bind(einsum_primitive, *changed, **params))
    return total


def _reverse(
    which: tuple[int, ...], values: Sequence[Any], ans: Any, params: dict[str, Any]
) -> Any:
    avals = tuple(aval_of(value) for value in values)
    # An operand is needed by the cotangents of the others only.
    kept = tuple(None if which == (index,) else value for index, value in enumerate(values))
    return _pull, (which, params["subscripts"], avals, kept)


def _pull(g: Any, residuals: Any) -> Any:
    which, subscripts, avals, values = residuals
    shapes = tuple(aval.shape for aval in avals)
    found = tuple(
        _cotangent(g, _plan(subscripts, shapes, index), index, avals[index], values)
        for index in which
    )
    return found[0] if len(found) == 1 else found


class Plan(NamedTuple):
    """How to make the cotangent of one operand.

    ``subscripts`` (None where there is nothing to multiply or sum) give the axes ``target`` from
    the result's cotangent and the other operands; ``unique`` are the operand's axes without
    repetition, of lengths ``lengths``; ``term`` its axes.
    """

    subscripts: str | None
    searched: bool
    target: str
    unique: str
    lengths: tuple[int, ...]
    term: str


@lru_cache(maxsize=1024)
def _plan(subscripts: str, shapes: tuple[tuple[int, ...], ...], index: int) -> Plan:
    labels = parse(subscripts, tuple(len(shape) for shape in shapes))
    term = labels.operands[index]
    others = [*labels.operands[:index], *labels.operands[index + 1 :]]
    reached = set(labels.result).union(*others)
    unique = "".join(dict.fromkeys(term))
    target = "".join(label for label in unique if label in reached)
    text = None
    if target != labels.result or others:
        text = ",".join([labels.result, *others]) + "->" + target
    work = math.prod(_sizes(labels, shapes).values())
    own = dict(zip(term, shapes[index], strict=True))
    lengths = tuple(own[label] for label in unique)
    return Plan(text, len(others) > 1 or work > _SEARCHED, target, unique, lengths, term)


def _cotangent(g: Any, plan: Plan, index: int, aval: Aval, values: tuple[Any, ...]) -> Any:
    """Return the einsum of `g` with all operands but one, spread over that one's axes.

    A label that only this operand has was summed over: its axis is broadcast. A label that it
    has twice took a diagonal: the result is put on that diagonal.
    """
    if plan.subscripts is not None:
        operands = (g, *values[:index], *values[index + 1 :])
        keywords: dict[str, Any] = {"optimize": True} if plan.searched else {}
        g = to_user(bind(einsum_primitive, *operands, subscripts=plan.subscripts, **keywords))
    if plan.target != plan.unique:
        g = np.reshape(g, _with_ones(np.shape(g), plan.target, plan.unique))
        g = np.broadcast_to(g, np.broadcast_shapes(np.shape(g), plan.lengths))
    # Labels that were broadcast from length 1 are summed by the projection.
    g = projection.project(g, Aval(plan.lengths, aval.dtype))
    if plan.unique == plan.term:
        return g
    return _on_diagonal(g, plan.term, plan.unique, aval)


def _with_ones(shape: tuple[int, ...], target: str, unique: str) -> tuple[int, ...]:
    lengths = dict(zip(target, shape, strict=True))
    return tuple(lengths.get(label, 1) for label in unique)


def _on_diagonal(g: Any, term: str, unique: str, aval: Aval) -> Any:
    places = []
    for label, size in zip(term, aval.shape, strict=True):
        shape = [1] * len(unique)
        shape[unique.index(label)] = size
        places.append(np.arange(size).reshape(shape))
    zeros = np.zeros(aval.shape, aval.dtype)
    return bind(indexed_add, zeros, g, path=(("index", tuple(places)),), in_place=True)


def _samples() -> list[Sample]:
    x, y, z = array(3, 4), array(4, 2), array(2, 5)
    return [
        Sample(x, y, subscripts="ij,jk->ik"),
        Sample(x, y, subscripts="ij,jk"),
        Sample(x, y, subscripts="ij,jk->ki", optimize=True),
        Sample(x, y, z, subscripts="ij,jk,kl->il"),
        Sample(x, y, z, subscripts="ij,jk,kl->li", optimize="greedy"),
        Sample(x, y, z, subscripts="ij,jk,kl->", optimize=["einsum_path", (0, 1), (0, 1)]),
        Sample(array(3, 3), subscripts="ii->"),
        Sample(array(3, 3), subscripts="ii->i"),
        Sample(array(3, 3, 2), subscripts="iij->ji"),
        Sample(array(2, 2, 2), subscripts="iii->i"),
        Sample(array(3, 3), array(3), subscripts="ii,i->i"),
        Sample(x, subscripts="ij->"),
        Sample(x, subscripts="ij->i"),
        Sample(x, subscripts="ij->ji"),
        Sample(x, array(5), subscripts="ij,k->ik"),
        Sample(array(2, 3, 4), array(4, 5), subscripts="...j,jk->...k"),
        Sample(array(2, 3, 4), array(3, 5, 4), subscripts="i...j,...kj->...ki"),
        Sample(array(2, 3), array(3), subscripts="...,..."),
        Sample(array(2, 3, 3), subscripts="...ii->...i"),
        Sample(array(3, 1), y, subscripts="ij,jk->ik"),
        Sample(array(4), array(4, seed=1), subscripts="i,i"),
        Sample(array(4), array(4, seed=1), subscripts="i,i", optimize=True),
        Sample(1.5, array(3), subscripts=",i->i"),
        Sample(array(3, 4, dtype=np.complex128), y, subscripts="ij,jk->ik"),
        Sample(
            array(3, 4, dtype=np.float32), array(4, 2, dtype=np.float32), subscripts="ij,jk->ik"
        ),
        Sample(array(0, 4), y, subscripts="ij,jk->ik"),
    ]


def _fails() -> list[Fail]:
    return [
        Fail(ValueError, "", array(3, 4), array(3, 2), subscripts="ij,jk->ik"),
        Fail(ValueError, "", array(3, 4), subscripts="ijk->i"),
        Fail(ValueError, "", array(3, 4), subscripts="ij->k"),
    ]


def _batch(values: Any, axes: Any, params: dict[str, Any]) -> Any:
    ndims = tuple(map(logical_ndim, values, axes))
    labels = parse(params["subscripts"], ndims)
    used = "".join(labels.operands)
    letter = next(entry for entry in _LETTERS if entry not in used)
    terms = [
        term if axis is None else term[:axis] + letter + term[axis:]
        for term, axis in zip(labels.operands, axes, strict=True)
    ]
    subscripts = f"{','.join(terms)}->{letter}{labels.result}"
    return bind(einsum_primitive, *values, **{**params, "subscripts": subscripts}), 0


einsum_primitive: Primitive = Primitive(
    "einsum",
    batch=_batch,
    family="multilinear",
    arguments=("operands",),
    evaluate=_evaluate,
    infer=_infer,
    tangent=_tangent,
    reverse=_reverse,
    linear=lambda which, params: len(which) == 1,
    samples=_samples,
    fails=_fails,
    numpy=np.einsum,
)


# ------------------------------------------------------------------ the function


def _from_sublists(arguments: Sequence[Any]) -> tuple[str, list[Any]]:
    """Return subscripts and operands of the form ``einsum(x, [0, 1], y, [1, 2], [0, 2])``."""
    operands = list(arguments[0::2])
    sublists = list(arguments[1::2])
    result = None
    if len(operands) > len(sublists):
        result = operands.pop()
    known = sorted({entry for sub in sublists for entry in sub if entry is not Ellipsis})
    # An implicit result is in the order of the labels, and capitals sort before small letters.
    letters = dict(zip(known, _LETTERS if len(known) <= 26 else sorted(_LETTERS), strict=False))

    def text(sublist: Any) -> str:
        return "".join("..." if entry is Ellipsis else letters[entry] for entry in sublist)

    subscripts = ",".join(text(sublist) for sublist in sublists)
    return (subscripts if result is None else f"{subscripts}->{text(result)}"), operands


def _viewed(x: Array, subscripts: str) -> Any:
    """Return a view of one operand where nothing is summed, as NumPy does; else None."""
    shape = np.shape(x)
    (term,), result = parse(subscripts, (len(shape),))
    if set(term) != set(result) or len(set(zip(term, shape, strict=True))) != len(result):
        return None
    view, labels = make_view(x, ("index", Ellipsis)), list(term)
    for label in result:
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            view = make_view(view, ("diagonal", 0, first, second, "writeable"))
            labels = [*labels[:first], *labels[first + 1 : second], *labels[second + 1 :], label]
    axes = tuple(labels.index(label) for label in result)
    return view if axes == tuple(range(len(axes))) else make_view(view, ("transpose", axes))


@implements(np.einsum)
def einsum(*operands: Any, out: Any = None, optimize: Any = False, **keywords: Any) -> Any:
    if isinstance(operands[0], str):
        subscripts, values = operands[0], list(operands[1:])
    else:
        subscripts, values = _from_sublists(operands)
    values = [operand(value) for value in values]
    if optimize is not False:
        keywords["optimize"] = optimize
    if out is None and len(values) == 1 and type(values[0]) is Array:
        view = _viewed(values[0], subscripts)
        if view is not None:
            return view
    result = to_user(bind(einsum_primitive, *values, subscripts=subscripts, **keywords))
    if out is None:
        return result
    return store_results((out,), (result,), keywords.get("casting", "safe"))


@implements(np.einsum_path)
def einsum_path(*operands: Any, **keywords: Any) -> Any:
    """Answer ``np.einsum_path``, which looks at the shapes only."""
    stand_ins: list[Any] = [
        np.broadcast_to(np.float64(0), np.shape(entry)) if type(entry) in (Array, Traced) else entry
        for entry in operands
    ]
    return np.einsum_path(*stand_ins, **keywords)
