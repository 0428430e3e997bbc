"""A call of the surface: its text, the points it is differentiated at, and how to run it."""

import ast
import functools

import numpy as np

import wengert as wg

from .points import CONSTANTS, POINTS


class Call:
    """A few statements and a last expression, whose value is the result.

    Parameters
    ----------
    text : str
        Names of `points.POINTS` are what is differentiated, together.
    rounding : bool
        The value agrees with NumPy's up to rounding; otherwise bit by bit.
    orders : int
        The highest order of derivative that is compared with differences.
    refusal : str, optional
        The call would drop a derivative: inside a transformation it must raise, and say this.
    """

    def __init__(self, text, *, rounding=False, orders=2, refusal=None):
        self.text = text
        self.refusal = refusal
        self.rounding = rounding
        self.orders = orders

    def __repr__(self):
        return self.text

    @functools.cached_property
    def tree(self):
        return ast.parse(self.text)

    @functools.cached_property
    def variables(self):
        """The names of points in the text, in order of appearance."""
        loaded = [node for node in ast.walk(self.tree) if isinstance(node, ast.Name)]
        loaded.sort(key=lambda node: (node.lineno, node.col_offset))
        return tuple(dict.fromkeys(node.id for node in loaded if node.id in POINTS))

    def keywords_of(self, name):
        """The keywords that the text passes to the function of that name."""
        last = name.rsplit(".", 1)[-1]
        found = [
            keyword.arg
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Call) and _name_of(node.func) == last
            for keyword in node.keywords
            if keyword.arg is not None
        ]
        return tuple(dict.fromkeys(found))

    @functools.cached_property
    def _code(self):
        tree = ast.parse(self.text)
        last = tree.body.pop()
        result = ast.Assign([ast.Name("result", ast.Store())], last.value)
        tree.body.append(ast.copy_location(result, last))
        return compile(ast.fix_missing_locations(tree), "<surface>", "exec")

    @property
    def points(self):
        """Fresh points, one a variable."""
        return [fresh(POINTS[name]) for name in self.variables]

    def run(self, *points, namespace=np):
        """The result at points, one a variable, given in the order of `variables`."""
        names = {key: fresh(value) for key, value in CONSTANTS.items()}
        names |= {"np": namespace, "wg": wg, **dict(zip(self.variables, points, strict=True))}
        exec(self._code, names)
        return names["result"]


def _name_of(function):
    """The name that a function is called by, or None."""
    return getattr(function, "attr", getattr(function, "id", None))


def fresh(value):
    """A copy of an array, so that a program may write it."""
    return value.copy() if isinstance(value, np.ndarray) else value


def rounded(text, **options):
    """A call whose value agrees with NumPy's up to rounding."""
    return Call(text, rounding=True, **options)


def valued(text, **options):
    """A call of which only the value, inside transformations, is compared."""
    return Call(text, orders=0, **options)


def refused(text, message):
    """A call that would drop a derivative, and what the error says."""
    return Call(text, orders=0, refusal=message)
