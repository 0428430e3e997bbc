"""The selecting family: each entry of the result is an entry of one argument, or shared by a few.

Cotangents carry the mask of what was selected, so that an entry that was not has no influence on
the result whatever a partial derivative says there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..ir.aval import Aval, aval_of
from ..ir.cotangent import Masked
from ..ir.primitive import Primitive
from ..tracing.core import ndim_of, shape_of
from ..tracing.decisions import truth
from . import projection
from .batch_rules import entrywise
from .elementwise_family import mask_result

# Of one argument: where it is selected (a truth value or an array of them), and its share there,
# None being all of it.
Choice = tuple[Any, Any]


def selecting(
    name: str,
    *,
    arguments: tuple[str, ...],
    evaluate: Callable[..., Any],
    infer: Callable[..., Any],
    choose: Callable[..., tuple[Choice | None, ...]],
    samples: Callable[[], Iterable[Any]],
    fails: Callable[[], Iterable[Any]] = tuple,
    linear: Callable[[tuple[int, ...], dict[str, Any]], bool] | None = None,
    numpy: Any = None,
    **slots: Any,
) -> Primitive:
    """Make a primitive that selects from what ``choose(*values, **params)`` says.

    Parameters
    ----------
    choose : callable
        Gives one `Choice` an argument, None for one that carries no derivative. Masks and shares
        come of comparisons: no derivative passes through them.
    """

    def tangent(ans: Any, primals: Any, tangents: Any, params: dict[str, Any]) -> Any:
        total = None
        for choice, change in zip(choose(*primals, **params), tangents, strict=True):
            if change is None or choice is None:
                continue
            mask, share = choice
            term = _chosen(mask, change if share is None else change * share)
            total = projection.add(total, term)
        return None if total is None else projection.expand(total, aval_of(ans))

    def reverse(which: tuple[int, ...], values: Any, ans: Any, params: dict[str, Any]) -> Any:
        choices = choose(*values, **params)
        chosen = tuple(choices[i] for i in which)
        return _pull, (chosen, tuple(aval_of(values[i]) for i in which))

    return Primitive(
        name,
        family="selecting",
        arguments=arguments,
        evaluate=evaluate,
        infer=infer,
        tangent=tangent,
        reverse=reverse,
        linear=linear,
        samples=samples,
        fails=fails,
        numpy=numpy,
        **{"batching": entrywise, **slots},
    )


def _chosen(mask: Any, change: Any) -> Any:
    """Return a tangent where it is selected, None for a number that is not."""
    if ndim_of(mask) == 0:
        flag = truth(mask)
        if flag is not None:
            return change if flag else None
    return projection.select(mask, change)


def _pull(cotangent: Any, residuals: Any) -> Any:
    choices, avals = residuals
    found = tuple(
        _part(cotangent, choice, None, aval) for choice, aval in zip(choices, avals, strict=True)
    )
    return found[0] if len(found) == 1 else found


def _pull_masked(cotangent: Masked, residuals: Any) -> Any:
    choices, avals = residuals
    found = tuple(
        _part(cotangent.value, choice, cotangent.mask, aval)
        for choice, aval in zip(choices, avals, strict=True)
    )
    return found[0] if len(found) == 1 else found


_pull.masked = _pull_masked  # type: ignore[attr-defined]


def _part(cotangent: Any, choice: Choice | None, incoming: Any, aval: Aval) -> Any:
    """Return one argument's cotangent with its mask; None where nothing of it was selected."""
    if choice is None:
        return None
    mask, share = choice
    value = cotangent if share is None else cotangent * share
    flag = None if ndim_of(mask) else truth(mask)
    if flag is False:
        return None
    if flag:
        if incoming is None:
            return projection.project(value, aval)
        mask = incoming
    else:
        shape = shape_of(cotangent)
        if shape_of(mask) != shape:
            mask = np.broadcast_to(mask, shape)
        mask = mask if incoming is None else mask & incoming
    return projection.project_or_none(mask_result(value, mask), aval)
