"""Updates that leave the array as it is: ``at(x)[index].set(value)`` and its kin."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..ops.creating import cell_of
from ..ops.shaping import as_array
from ..tracing.protocols import has_traced


class At:
    """An array whose entries are named next: ``at(x)[index]``."""

    __slots__ = ("_array",)

    def __init__(self, array: Any) -> None:
        self._array = array

    def __getitem__(self, index: Any) -> Update:
        return Update(self._array, index)


class Update:
    """Some entries of an array; each method returns a copy in which they are changed.

    An entry that the index names more than once is changed each time by `add`, `multiply`, `min`
    and `max`; `set` gives it the last value.
    """

    __slots__ = ("_array", "_index")

    def __init__(self, array: Any, index: Any) -> None:
        self._array = array
        self._index = index

    def _copy(self, value: Any) -> Any:
        array = self._array
        if not has_traced(array) and has_traced(value):
            return cell_of(np.array(array))
        return np.copy(array)

    def _changed(self, ufunc: np.ufunc, value: Any) -> Any:
        made = self._copy(value)
        ufunc.at(made, self._index, value)
        return made

    def set(self, value: Any) -> Any:
        """Return a copy in which the entries are `value`."""
        made = self._copy(value)
        made[self._index] = value
        return made

    def add(self, value: Any) -> Any:
        """Return a copy in which `value` is added to the entries."""
        return self._changed(np.add, value)

    def multiply(self, value: Any) -> Any:
        """Return a copy in which the entries are multiplied by `value`."""
        return self._changed(np.multiply, value)

    def min(self, value: Any) -> Any:
        """Return a copy in which the entries are at most `value`."""
        return self._changed(np.minimum, value)

    def max(self, value: Any) -> Any:
        """Return a copy in which the entries are at least `value`."""
        return self._changed(np.maximum, value)


def at(x: Any) -> At:
    """Name entries of an array to get an updated copy: ``at(x)[index].set(value)``.

    Parameters
    ----------
    x : array_like
        Stays as it is. Traced, plain, or inside any transformation.

    Returns
    -------
    At
        ``at(x)[index]`` takes any index of NumPy and has the methods ``set``, ``add``,
        ``multiply``, ``min`` and ``max``, each of one value that broadcasts to the entries.

    Raises
    ------
    IndexError, ValueError
        As NumPy's own indexed writes.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> x = np.array([1.0, 2.0, 3.0])
    >>> wg.at(x)[1].set(9.0), wg.at(x)[[0, 0]].add(1.0), x
    (array([1., 9., 3.]), array([3., 2., 3.]), array([1., 2., 3.]))
    >>> wg.grad(lambda v: np.sum(wg.at(x)[1:].multiply(v) ** 2))(2.0)
    52.0
    """
    return At(as_array(x))
