"""What the command prints: values for people, JSON for programs, progress on a terminal."""

from __future__ import annotations

import json
import math
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
    """Write JSON: arrays as lists, complex numbers as pairs, nan and infinities as strings."""
    json.dump(_plain(content), sys.stdout, ensure_ascii=False, allow_nan=False, indent=2)
    print()


def _plain(value: Any) -> Any:
    """Return what JSON has for a value; it has no number that is not finite."""
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return _plain(value.tolist())
    if isinstance(value, complex):
        return [_plain(value.real), _plain(value.imag)]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def progress(text: str) -> None:
    """Say what is being done, on a terminal only: the next text or `clear_progress` replaces it."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text} …", end="", file=sys.stderr, flush=True)


def clear_progress() -> None:
    """Remove what `progress` has said."""
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
