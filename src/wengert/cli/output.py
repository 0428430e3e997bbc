"""What the command prints: values for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

from .. import tree


def shown(value: Any) -> str:
    """Return a value as people read it: every digit of a number, the leaves of a tree by name."""
    if isinstance(value, (dict, list, tuple)):
        names = tree.names(value, "")
        return ", ".join(
            f"{name}: {shown(leaf)}" for name, leaf in zip(names, tree.leaves(value), strict=True)
        )
    if np.ndim(value) == 0:
        number = value.item() if isinstance(value, (np.generic, np.ndarray)) else value
        return repr(number)
    return np.array2string(value, separator=", ")


def write_json(content: Any) -> None:
    """Write JSON; arrays become lists, complex numbers pairs."""
    json.dump(content, sys.stdout, default=_as_json, ensure_ascii=False, indent=2)
    print()


def _as_json(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return (
            value.tolist()
            if value.dtype.kind != "c"
            else [value.real.tolist(), value.imag.tolist()]
        )
    if isinstance(value, np.generic):
        return _as_json(value.item()) if isinstance(value.item(), complex) else value.item()
    if isinstance(value, complex):
        return [value.real, value.imag]
    return str(value)
