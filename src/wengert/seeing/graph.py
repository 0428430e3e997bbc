"""The computational graph of a function at a point, with values, adjoints and local derivatives.

`draw` records a run; `Graph` is its nodes and edges as data, and writes them as pictures: DOT, SVG,
PNG, and an HTML page in which one steps through the evaluation.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import ArgumentError
from ..ir.aval import aval_of
from ..transforms.arguments import check_callable, immediate
from .derivatives import adjoints
from .layout import Layout, lay_out
from .naming import names_of
from .record import record
from .table import result_name, step_formula, step_locals, title_of


@dataclass(frozen=True)
class Node:
    """An input or the result of a step: its name, operation, value, adjoint and source line.

    ``kind`` is ``"input"``, ``"step"`` or ``"output"``; ``adjoint`` None where it is zero or not
    asked for.
    """

    name: str
    formula: str
    value: Any
    adjoint: Any
    kind: str
    file: str
    line: int
    source: str


@dataclass(frozen=True)
class Edge:
    """A use of a value by a step, as indices of nodes.

    ``local`` is the local derivative as a formula, ``local_value`` its value where that is one
    number, ``amount`` what the edge adds to the adjoint of its source (None where nothing).
    """

    source: int
    target: int
    local: str
    local_value: Any
    amount: Any


class Graph:
    """A computational graph.

    Attributes
    ----------
    title : str
    result : str
        The name of the output.
    nodes : tuple of Node
        In the order of evaluation, inputs first.
    edges : tuple of Edge
    """

    def __init__(self, title: str, result: str, nodes: list[Node], edges: list[Edge]) -> None:
        self.title = title
        self.result = result
        self.nodes = tuple(nodes)
        self.edges = tuple(edges)
        self._layout: Layout | None = None

    def __repr__(self) -> str:
        return f"<graph of {self.title}: {len(self.nodes)} nodes, {len(self.edges)} edges>"

    def _repr_svg_(self) -> str:
        return self.to_svg()

    @property
    def layout(self) -> Layout:
        """Where the nodes stand; made once, at first need."""
        if self._layout is None:
            self._layout = lay_out(
                len(self.nodes), [(edge.source, edge.target) for edge in self.edges]
            )
        return self._layout

    def to_dot(self) -> str:
        """Return the graph in Graphviz's language."""
        from .pictures import to_dot

        return to_dot(self)

    def to_svg(self) -> str:
        """Return the graph as an SVG picture."""
        from .pictures import to_svg

        return to_svg(self)

    def to_png(self, *, dpi: int = 110) -> bytes:
        """Return the graph as a PNG picture (matplotlib draws it), `dpi` dots per inch."""
        from .pictures import to_png

        return to_png(self, dpi)

    def to_html(self) -> str:
        """Return a page that needs nothing else: step, zoom, fold, and hover for values."""
        from .page import to_html

        return to_html(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the graph to a file; its ending says how: .dot, .gv, .svg, .png or .html."""
        path = os.fspath(path)
        ending = os.path.splitext(path)[1].lower()
        writers: dict[str, Callable[[], str | bytes]] = {
            ".dot": self.to_dot,
            ".gv": self.to_dot,
            ".svg": self.to_svg,
            ".png": self.to_png,
            ".html": self.to_html,
        }
        if ending not in writers:
            raise ArgumentError(
                f"a graph is written as {', '.join(writers)}, got {ending or 'no ending'!r} "
                f"({path})"
            )
        content = writers[ending]()
        if isinstance(content, bytes):
            with open(path, "wb") as file:
                file.write(content)
        else:
            with open(path, "w", encoding="utf-8") as text_file:
                text_file.write(content)


@immediate
def draw(fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Graph:
    r"""Return the computational graph of a function at a point.

    Nodes are inputs and elementary steps, with their values and, where the result is one real
    number, their adjoints ∂f/∂v; edges carry the local derivatives. The numbers come from the same
    rules that `grad` uses.

    Parameters
    ----------
    fun : callable
        Returns one number or array.
    *args, **kwargs : trees
        The point. Every float, and every array of floats, is an input.

    Returns
    -------
    Graph
        ``save("graph.html")`` writes a page to step through, ``.svg``, ``.png`` and ``.dot`` a
        picture; notebooks show it. Needs ``pip install 'wengert[show]'`` for all but DOT.

    Raises
    ------
    ArgumentError
        There is no input, or the result is not one number or array.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> graph = wg.draw(lambda x, y: x * y + np.sin(x), 2.0, 3.0)
    >>> graph
    <graph of f at x = 2, y = 3: 5 nodes, 5 edges>
    >>> print(graph.to_dot().splitlines()[3])
      n0 [label="x\n2\n∂f/∂x = 2.58385", shape=oval];
    """
    check_callable(fun, "draw")
    recording = record(fun, args, kwargs)
    result = result_name(fun)
    names = names_of(recording, result)
    if recording.output is not None:
        result = names[recording.output]
    aval = aval_of(recording.value)
    totals, parts = ({}, {}) if aval.size != 1 or aval.is_complex else adjoints(recording)
    nodes = [
        Node(names[i], "", value, totals.get(i), _kind(recording.output, i, "input"), "", 0, "")
        for i, value in enumerate(recording.inputs)
    ]
    edges = []
    amounts = {(part.step, part.operand): part for found in parts.values() for part in found}
    for number, step in enumerate(recording.steps):
        formula = step_formula(step, names).text
        results = step.ans if step.primitive.multiple else (step.ans,)
        for position, value in zip(step.outputs, results, strict=True):
            kind = _kind(recording.output, position, "step")
            place = step.place
            nodes.append(
                Node(
                    names[position],
                    formula,
                    value,
                    totals.get(position),
                    kind,
                    place.file,
                    place.line,
                    place.text,
                )
            )
        by_operand = step_locals(step, names)
        for operand, source in step.sources:
            part = amounts.get((number, operand))
            local = by_operand[operand]
            edges += [
                Edge(
                    source,
                    target,
                    "1" if local is None else local.text,
                    None if part is None else part.local,
                    None if part is None else part.amount,
                )
                for target in step.outputs
            ]
    return Graph(title_of(result, recording), result, nodes, edges)


def _kind(output: int | None, position: int, otherwise: str) -> str:
    return "output" if position == output else otherwise
