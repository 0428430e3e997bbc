"""Constants on purpose: ``stop_gradient``."""

from __future__ import annotations

from typing import Any

from .. import tree
from ..ops.kinds import stop_gradient_of


def stop_gradient(x: Any) -> Any:
    """Return `x` with a derivative of zero.

    Parameters
    ----------
    x : tree of arrays or numbers

    Returns
    -------
    tree
        The same values; every transformation that is running takes them for constants.

    Examples
    --------
    >>> import wengert as wg
    >>> wg.grad(lambda x: x * wg.stop_gradient(x))(3.0)
    3.0
    """
    return tree.map(stop_gradient_of, x)
