"""Running a Wengert list on numbers of another kind: SymPy expressions, or mpmath's long floats.

Elementary functions come from a table; what only moves or adds entries runs on arrays of objects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import MissingRuleError
from ..ir.evaluate import evaluate
from ..ir.primitive import Primitive
from ..ir.wengert_list import WengertList

Functions = Mapping[str, Callable[..., Any]]

# These run on arrays of objects as they are: they move entries, or add and multiply them.
_WORK_ON_OBJECTS = frozenset(
    ("read", "write", "indexed_add", "reshape", "transpose", "roll", "broadcast_to", "repeat")
    + ("tile", "concatenate", "stack", "array", "sum", "sum_selected", "prod", "cumsum", "trace")
    + ("dot", "vdot", "tensordot", "matmul", "vecdot", "matvec", "vecmat", "take_along_axis")
    + ("tril", "triu", "diagonal_matrix", "shift", "sum_repeats", "sliding_windows")
)
_IDENTITIES = frozenset({"convert", "positive", "stop_gradient", "real", "conjugate", "valued"})


def run(program: WengertList, args: Sequence[Any], functions: Functions, what: str) -> list[Any]:
    """Evaluate a list on foreign numbers, or arrays of them with dtype object.

    Parameters
    ----------
    functions : mapping
        For each elementwise primitive, by name, the function of foreign numbers.
    what : str
        The system that they belong to, for the error.

    Raises
    ------
    MissingRuleError
        The list holds an operation that has no counterpart.
    """

    def apply(primitive: Primitive, *values: Any, **params: Any) -> Any:
        name = primitive.name
        function = functions.get(name)
        if function is not None:
            return _elementwise(function, values)
        if name in _IDENTITIES or (name == "discretise" and params["dtype"] == np.bool_):
            return values[0]
        if name in _WORK_ON_OBJECTS:
            if "dtype" in params:
                params["dtype"] = None
            if "in_place" in params or name in ("write", "indexed_add"):
                params["in_place"] = False
                values = (np.array(values[0], dtype=object), *values[1:])
            found = primitive.evaluate(*values, **params)
            return found.item() if isinstance(found, np.ndarray) and found.ndim == 0 else found
        if name == "mean":
            return _mean(values[0], **params)
        raise MissingRuleError(
            f"{what} has no counterpart here of the operation {name!r}, so the function cannot "
            f"be run on its numbers"
        )

    return list(evaluate(program.inputs, program.equations, program.outputs, args, apply))


def _elementwise(function: Callable[..., Any], values: Sequence[Any]) -> Any:
    if not any(isinstance(value, np.ndarray) and value.ndim for value in values):
        return function(*(_number(value) for value in values))
    return np.frompyfunc(function, len(values), 1)(*values)


def _number(value: Any) -> Any:
    """Return NumPy's numbers as Python's, which foreign systems know."""
    return value.item() if isinstance(value, (np.generic, np.ndarray)) else value


def _mean(x: Any, *, axes: Any, keepdims: bool, dtype: Any) -> Any:
    total = np.sum(x, axis=axes, keepdims=keepdims)
    return total * np.size(total) / np.size(x)
