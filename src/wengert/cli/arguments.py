"""What the command's arguments mean: functions of files or expressions, and points."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..transforms.arguments import positional_names
from .expressions import parse_constant, parse_expression


def load_function(text: str) -> Callable[..., Any]:
    """Return the function that an argument names: an expression, or a function of a file."""
    path, colon, name = text.rpartition(":")
    if not colon or not path.endswith(".py"):
        return parse_expression(text)
    if not os.path.isfile(path):
        raise ArgumentError(f"there is no file {path}")
    spec = importlib.util.spec_from_file_location("wengert_user_file", path)
    if spec is None or spec.loader is None:
        raise ArgumentError(f"{path} cannot be read as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    folder = os.path.dirname(os.path.abspath(path))
    sys.path.insert(0, folder)
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(folder)
    found = getattr(module, name, None)
    if not callable(found):
        known = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
        listed = f"; it has {', '.join(sorted(known)[:12])}" if known else ""
        raise ArgumentError(f"{path} has no function {name!r}{listed}")
    return found  # type: ignore[no-any-return]


# Between two assignments of one word: "x=1,y=2".
_BETWEEN = re.compile(r",\s*(?=[A-Za-z_]\w*\s*=(?!=))")


def parse_point(groups: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Return the arguments that ``--at x=1 y=[1,2]`` says: floats, arrays, trees of them."""
    point: dict[str, Any] = {}
    words = (entry for group in groups for entry in group)
    for assignment in (part for word in words for part in _BETWEEN.split(word)):
        name, equals, text = assignment.partition("=")
        name = name.strip()
        if not equals or not name.isidentifier():
            raise ArgumentError(f"--at takes NAME=VALUE, such as x=1.5, got {assignment!r}")
        if name in point:
            raise ArgumentError(f"--at gives {name} twice")
        point[name] = _as_argument(name, _value(name, text.strip()))
    return point


def _value(name: str, text: str) -> Any:
    """Return a literal, or what an expression without variables comes to: ``pi / 4``."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        pass
    try:
        return parse_constant(text)
    except ArgumentError:
        raise ArgumentError(
            f"the value of {name} is a number (1.5, pi/4), a list of numbers, or a dictionary of "
            f"these; got {text!r}"
        ) from None


def _as_argument(name: str, value: Any) -> Any:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        raise ArgumentError(f"the value of {name} is {value!r}, which is not a number")
    if isinstance(value, int):
        return float(value)
    if isinstance(value, (float, complex)):
        return value
    if isinstance(value, dict):
        return {key: _as_argument(f"{name}[{key!r}]", entry) for key, entry in value.items()}
    array = np.array(value)
    if array.dtype.kind not in "biufc":
        raise ArgumentError(f"the value of {name} is not an array of numbers")
    return array if array.dtype.kind == "c" else array.astype(float)


def function_and_point(
    options: Any,
) -> tuple[Callable[..., Any], tuple[Any, ...], tuple[str, ...]]:
    """Return the function, and its arguments in the order of its parameters, with their names."""
    function = load_function(options.function)
    point = parse_point(options.at)
    names = positional_names(function)
    if not names:
        return function, tuple(point.values()), tuple(point)
    needed = positional_names(function, required=True)
    missing = [name for name in needed if name not in point]
    unknown = [name for name in point if name not in names]
    if unknown:
        raise ArgumentError(
            f"the function has no argument {', '.join(unknown)}; it has {', '.join(names)}"
        )
    if missing:
        values = " ".join(f"{name}=1.0" for name in missing)
        raise ArgumentError(f"no value for {', '.join(missing)}; add --at {values}")
    chosen = [name for name in names if name in point]
    if chosen != names[: len(chosen)]:
        gap = next(name for name in names if name not in point)
        raise ArgumentError(f"give {gap} too: it comes before {chosen[-1]}")
    return function, tuple(point[name] for name in chosen), tuple(chosen)
