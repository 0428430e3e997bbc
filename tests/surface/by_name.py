"""Calls of the surface again, with every argument passed by its name."""

import ast
import inspect

import numpy as np

from .calls import Call

# Their signatures do not say that the argument has no name.
_NAMELESS = (np.unique_all, np.unique_counts, np.unique_inverse, np.unique_values)


def by_name(call):
    """The call with the positional arguments of NumPy's functions by name; None if none has any."""
    tree = ast.parse(call.text)
    changed = [_name_arguments(node) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    if not any(changed):
        return None
    return Call(ast.unparse(ast.fix_missing_locations(tree)), rounding=call.rounding)


def _name_arguments(node):
    """Whether the arguments of one call could be named, which they are then."""
    parameters = _parameters(_function(node.func))
    given = len(node.args)
    if not given or given > len(parameters):
        return False
    if any(isinstance(argument, ast.Starred) for argument in node.args):
        return False
    if any(p.kind is not p.POSITIONAL_OR_KEYWORD for p in parameters[:given]):
        return False
    named = zip(parameters, node.args, strict=False)
    node.keywords = [ast.keyword(p.name, value) for p, value in named] + node.keywords
    node.args = []
    return True


def _function(node):
    """The function of NumPy that an expression such as ``np.linalg.norm`` names, or None."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    found = np if isinstance(node, ast.Name) and node.id == "np" and parts else None
    for part in reversed(parts):
        found = getattr(found, part, None)
    return None if isinstance(found, np.ufunc) or found in _NAMELESS else found


def _parameters(function):
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # none, or one that says nothing of its arguments
        return []
