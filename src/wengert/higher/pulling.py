"""The derivatives of the pullback of a loop, which need no look inside.

Let F be the loop as a function of z (constants, carry, entries), J(z) its Jacobian and
P(z, c) = Jᵀ c its pullback. P is linear in c, with transpose w ↦ J w: the loop with tangents. And
because second derivatives commute, the derivative of P along t in z, as well as its transpose
applied to t, is the gradient of <c, J(z) t> in z: the pullback of the loop with tangents t, seeded
with c at the tangents and 0 at the values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from ..ir.aval import aval_of
from ..ir.primitive import Primitive
from ..ops.projection import add
from ..tracing.core import bind
from ..transforms.lists import fitted


class PullRules(NamedTuple):
    """The slots ``push`` and ``record`` of the equation of a pullback.

    Its operands are those of the loop, then the cotangents c of its outputs that vary; its
    parameters those of the loop, and ``varying``, which flags z; its outputs are the cotangents of
    what varies.
    """

    push: Callable[..., Any]
    record: Callable[..., Any]


def rules_of_pull(
    pull: Callable[[], Primitive],
    along: Callable[..., list[Any]],
    changes: Callable[..., Sequence[Any]],
    skipped: Callable[[dict[str, Any]], int],
) -> PullRules:
    """Return the rules of the pullback of a loop.

    Parameters
    ----------
    pull : callable
        Gives the primitive itself.
    along : callable
        ``along(values, tangents, wanted, varying, params)`` gives the gradient of <c, J(z) t> in
        the wanted parts of z, None for the others.
    changes : callable
        ``changes(values, tangents, varying, params)`` gives J(z) t for the outputs that vary.
    skipped : callable
        ``skipped(params)`` is how many operands stand before z: they have no derivative.
    """

    def push(primals: Sequence[Any], tangents: Sequence[Any], params: dict[str, Any]) -> Any:
        varying, others, start, end = _parted(params)
        ans = bind(pull(), *primals, **params)
        total: list[Any] = [None] * len(ans)
        if any(tangent is not None for tangent in tangents[end:]):
            seeds = [
                fitted(tangent, aval_of(value))
                for tangent, value in zip(tangents[end:], primals[end:], strict=True)
            ]
            total = list(bind(pull(), *primals[:end], *seeds, **params))
        if any(tangent is not None for tangent in tangents[start:end]):
            every = along(primals, tangents[start:end], varying, varying, others)
            terms = [term for term, flag in zip(every, varying, strict=True) if flag]
            total = [add(first, second) for first, second in zip(total, terms, strict=True)]
        return ans, tuple(total)

    def record(which: tuple[int, ...], values: Sequence[Any], params: dict[str, Any]) -> Any:
        return bind(pull(), *values, **params), pull_back, (which, values, params)

    def pull_back(cotangents: Sequence[Any], residuals: Any) -> Any:
        which, values, params = residuals
        varying, others, start, end = _parted(params)
        given = iter(cotangents)
        directions = [next(given) if flag else None for flag in varying]
        wanted = [index in which for index in range(start, end)]
        every: list[Any] = [None] * start
        every += along(values, directions, wanted, varying, others)
        every += changes(values, directions, varying, others)
        chosen = tuple(every[index] for index in which)
        return chosen[0] if len(chosen) == 1 else chosen

    def _parted(params: dict[str, Any]) -> tuple[tuple[bool, ...], dict[str, Any], int, int]:
        """Return what varies, the parameters of the loop, and where z stands."""
        others = dict(params)
        varying = others.pop("varying")
        start = skipped(others)
        return varying, others, start, start + len(varying)

    return PullRules(push, record)
