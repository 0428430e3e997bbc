"""Looking at a program without computing it: its Wengert list, and the Avals of its result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import tree
from ..errors import ArgumentError
from ..ir.aval import Aval, aval_of
from ..ir.wengert_list import WengertList
from ..tracing.core import Array, Traced, raw_of
from ..tracing.staging import stage
from .arguments import check_callable, immediate, transformed


def trace(fun: Callable[..., Any]) -> Callable[..., WengertList]:
    """Return a function that gives the Wengert list of `fun` for arguments like the given ones.

    The values of the arguments are not used, only their shapes, dtypes and kinds. The inputs of the
    list are the leaves of the arguments that are numbers or arrays, in order; its outputs are the
    leaves of the result.

    Parameters
    ----------
    fun : callable
        Takes trees and returns a tree. It is run once, on abstract values.

    Returns
    -------
    callable
        Takes what `fun` takes and returns a `WengertList`: ``str`` of it is one line an equation,
        ``[i]`` the i-th equation, ``evaluate(*leaves)`` the tuple of outputs.

    Raises
    ------
    StagingError
        The function asks for a value (in ``if``, ``int(x)``, an index): the message names the line.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> program = wg.trace(lambda x, y: (x + y) * x)(2.0, np.zeros(3))
    >>> program
    inputs  x1: float64*, x2: float64[3]
    v1: float64[3] = add(x1, x2)
    v2: float64[3] = multiply(v1, x1)
    outputs v2
    >>> program.evaluate(2.0, np.ones(3))
    (array([6., 6., 6.]),)
    """
    check_callable(fun, "trace")

    def call(*args: Any, **kwargs: Any) -> WengertList:
        return _staged(fun, args, kwargs)[0]

    return transformed(fun, call)


@immediate
def eval_shape(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Return the Avals of the result of a function, without computing it.

    Parameters
    ----------
    fun : callable
        Takes trees and returns a tree. It is run once, on abstract values.
    *args, **kwargs : trees
        The arguments; only shapes, dtypes and kinds of their leaves are used, and an `Aval` stands
        for a value that does not exist.

    Returns
    -------
    tree of Aval
        With ``shape``, ``dtype`` and ``kind``; leaves that are not numbers stay as they are.

    Raises
    ------
    StagingError
        The function asks for a value; the message names the line.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> wg.eval_shape(lambda x: {"first": x[0], "square": x * x}, np.zeros(1000))
    {'first': Aval(float64), 'square': Aval(float64[1000])}
    """
    check_callable(fun, "eval_shape")
    program, structure = _staged(fun, args, kwargs)
    return tree.unflatten(
        structure,
        [
            operand.aval if _is_number(getattr(operand, "value", operand)) else operand.value  # type: ignore[union-attr]
            for operand in program.outputs
        ],
    )


def _staged(
    fun: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[WengertList, tree.Structure]:
    """Return the list of `fun` and the structure of its result."""
    leaves, given = tree.flatten((args, kwargs))
    which = [i for i, leaf in enumerate(leaves) if _is_number(leaf)]
    found: list[tree.Structure] = []

    def program(*values: Any) -> list[Any]:
        full = list(leaves)
        for i, value in zip(which, values, strict=True):
            full[i] = value
        new_args, new_kwargs = tree.unflatten(given, full)
        results, structure = tree.flatten(fun(*new_args, **new_kwargs))
        found.append(structure)
        return results

    staged = stage(program, [_aval(leaves[i]) for i in which], fun)
    return staged, found[0]


def _aval(leaf: Any) -> Aval:
    aval = aval_of(raw_of(leaf))
    if aval.dtype.kind not in "biufc":
        raise ArgumentError(
            f"an array of dtype {aval.dtype} cannot be staged; convert it, or hold it fixed: "
            "lambda x: fun(x, array)"
        )
    return aval


def _is_number(leaf: Any) -> bool:
    kinds = (bool, int, float, complex, np.ndarray, np.generic, Aval)
    return type(leaf) in (Traced, Array) or isinstance(leaf, kinds) or hasattr(leaf, "aval")
