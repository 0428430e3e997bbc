"""The family `constant`: functions whose derivative is zero everywhere, as primitives.

Eager derivative modes see NumPy's own answer, a plain value; while a program is staged or batched
the result is a traced value of integers or truth values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..ir.primitive import Primitive
from .samples import Fail, Sample


def constant(
    name: str,
    *,
    evaluate: Callable[..., Any],
    infer: Callable[..., Any],
    samples: Callable[[], Iterable[Sample]],
    arguments: tuple[str, ...] = ("x",),
    fails: Callable[[], Iterable[Fail]] = tuple,
    multiple: bool = False,
    numpy: Any = None,
    **slots: Any,
) -> Primitive:
    """Make a primitive without derivative.

    Parameters
    ----------
    name : str
    evaluate, infer : callable
        The slots of the record; ``infer`` follows NumPy's own rules.
    samples, fails : callable
    arguments : tuple of str
    """
    return Primitive(
        name,
        family="constant",
        arguments=arguments,
        evaluate=evaluate,
        infer=infer,
        zero_derivative=True,
        multiple=multiple,
        samples=samples,
        fails=fails,
        numpy=numpy,
        **slots,
    )
