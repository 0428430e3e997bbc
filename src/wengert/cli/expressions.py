"""Expressions typed by people, read safely: numbers, names and mathematical functions, no more.

Python's own parser reads the text; each node of its tree must be one of the few that mathematics
needs, so that nothing else can be reached or run.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import numpy as numpy_for_traced
from ..errors import ArgumentError

_FUNCTIONS = (
    ("sin", "cos", "tan", "arcsin", "arccos", "arctan", "arctan2", "sinh", "cosh", "tanh")
    + ("arcsinh", "arccosh", "arctanh", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p")
    + ("sqrt", "cbrt", "square", "abs", "hypot", "logaddexp", "maximum", "minimum", "where")
    + ("sum", "prod", "mean", "var", "std", "max", "min", "dot", "vdot", "cumsum", "diff", "clip")
    + ("sign", "floor", "ceil", "sinc", "deg2rad", "rad2deg")
)
NAMESPACE: dict[str, Any] = {name: getattr(np, name) for name in _FUNCTIONS}
NAMESPACE |= {
    "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "atan2": np.arctan2,
    "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh, "ln": np.log,
    "norm": np.linalg.norm, "det": np.linalg.det, "inv": np.linalg.inv,
    "array": numpy_for_traced.array, "pi": np.pi, "e": np.e, "inf": np.inf,
}  # fmt: skip

_NODES = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.Call, ast.Name, ast.Constant, ast.Load,
    ast.Compare, ast.IfExp, ast.Subscript, ast.Slice, ast.Tuple, ast.List,
    ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.Mod, ast.FloorDiv, ast.MatMult,
    ast.USub, ast.UAdd, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq,
)  # fmt: skip
_LONGEST = 10_000
_LARGEST_POWER = 1_000


def parse_expression(text: str) -> Callable[..., Any]:
    """Return the function that an expression is, of its free names in alphabetical order.

    Raises
    ------
    ArgumentError
        The text is no expression, or holds more than mathematics: attributes, strings, keywords.

    Examples
    --------
    >>> from wengert.cli.expressions import parse_expression
    >>> parse_expression("y * x**2")(3.0, 2.0)
    18.0
    """
    tree, names = _parsed(text)
    free = sorted(names)
    if not free:
        raise ArgumentError(f"{text!r} has no variable to differentiate by")
    arguments = ast.arguments([], [ast.arg(name) for name in free], None, [], [], None, [])
    function = _evaluated(ast.Lambda(arguments, tree.body))
    function.__name__ = function.__qualname__ = "f"
    return function  # type: ignore[no-any-return]


def parse_constant(text: str) -> Any:
    """Return the value of an expression without variables, such as ``pi / 4``."""
    tree, names = _parsed(text)
    if names:
        raise ArgumentError(f"{text!r} holds {', '.join(sorted(names))}, which has no value")
    return _evaluated(tree.body)


class _Arrays(ast.NodeTransformer):
    """Lists become arrays, which can be multiplied and traced; those in an index stay."""

    def visit_List(self, node: ast.List) -> ast.AST:
        """Wrap the outermost brackets: ``[[1, x], [2, y]]`` is one array."""
        return ast.Call(ast.Name("array", ast.Load()), [node], [])

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """Leave the index as it is."""
        node.value = self.visit(node.value)
        return node


def _parsed(text: str) -> tuple[ast.Expression, set[str]]:
    """Return the tree of an expression and its free names."""
    if len(text) > _LONGEST:
        raise ArgumentError(f"the expression is longer than {_LONGEST} characters; use a file")
    source = text.strip().replace("^", "**")
    try:
        tree = ast.parse(source, "<expression>", "eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = getattr(error, "msg", None) or "it is nested too deeply"
        raise ArgumentError(f"{text!r} is not an expression: {reason}") from None
    return tree, _checked_names(tree, text)


def _evaluated(node: ast.expr) -> Any:
    """Return the value of a tree that was checked."""
    tree = ast.fix_missing_locations(ast.Expression(_Arrays().visit(node)))
    return eval(compile(tree, "<expression>", "eval"), {"__builtins__": {}, **NAMESPACE})


def _checked_names(tree: ast.AST, text: str) -> set[str]:
    """Return the free names; an error where the text is more than mathematics."""
    free = set()
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if not isinstance(node, _NODES):
            raise ArgumentError(
                f"{text!r} holds {_described(node)}; expressions are numbers, names, operators "
                f"and functions such as sin or sqrt. Use FILE.py:NAME for anything else"
            )
        if isinstance(node, ast.Constant) and type(node.value) not in (int, float, complex):
            raise ArgumentError(f"{text!r} holds {node.value!r}, which is not a number")
        if isinstance(node, ast.Call) and (node.keywords or not isinstance(node.func, ast.Name)):
            raise ArgumentError(f"{text!r} holds a call with keywords or of something unnamed")
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            _check_power(node, text)
        if isinstance(node, ast.Name) and node.id not in NAMESPACE:
            if id(node) in called:
                raise ArgumentError(_unknown_function(node.id))
            if node.id.startswith("__"):
                raise ArgumentError(f"{node.id} is not a name for a variable")
            free.add(node.id)
    return free


def _unknown_function(name: str) -> str:
    known = sorted(n for n, v in NAMESPACE.items() if callable(v))
    close = difflib.get_close_matches(name, known, 3)
    meant = f"; is {' or '.join(close)} meant?" if close else ""
    return f"{name} is not a function here{meant or ': there are ' + ', '.join(known)}"


def _check_power(node: ast.BinOp, text: str) -> None:
    """Refuse towers of whole numbers, which would fill the memory before anything is traced."""
    if any(isinstance(part, ast.Name) for part in ast.walk(node.left)):
        return
    for part in ast.walk(node.right):
        if isinstance(part, ast.Constant) and abs(part.value) > _LARGEST_POWER:  # type: ignore[arg-type]
            raise ArgumentError(
                f"{text!r} holds a power of a constant by more than {_LARGEST_POWER}"
            )
        if isinstance(part, ast.Pow):
            raise ArgumentError(f"{text!r} holds a tower of powers of constants")


def _described(node: ast.AST) -> str:
    names = {
        "Attribute": "an attribute (a dot)",
        "Lambda": "a lambda",
        "NamedExpr": "an assignment",
        "ListComp": "a comprehension",
        "GeneratorExp": "a comprehension",
        "JoinedStr": "a string",
        "Starred": "a star",
        "Dict": "a dictionary",
    }
    kind = type(node).__name__
    return names.get(kind, f"Python's {kind}")
