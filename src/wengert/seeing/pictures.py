"""Pictures of a computational graph: DOT, SVG and PNG."""

from __future__ import annotations

import html
import io
from typing import TYPE_CHECKING, Any

from ..errors import ArgumentError
from .layout import HEIGHT, WIDTH, Point
from .rendering import short

if TYPE_CHECKING:
    from .graph import Edge, Graph, Node

_MARGIN = 24
_COLOURS = {
    "input": ("#e3f0fb", "#0b5cad"),
    "step": ("#ffffff", "#5a6876"),
    "output": ("#e6f6ea", "#1b7a3a"),
}
_LONGEST = 22
_SHORT_NAME = 3


def fitted(text: str, longest: int = _LONGEST) -> str:
    """Return a text that fits into a node."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def lines_of(graph: Graph, node: Node, digits: int = 6) -> list[str]:
    """Return what a node says: its name and operation, its value, its adjoint."""
    first = f"{node.name} = {node.formula}" if node.formula else node.name
    found = [first, short(node.value, digits=digits)]
    if node.adjoint is not None:
        result = graph.result if len(graph.result) <= _SHORT_NAME or digits > 6 else ""
        found.append(f"∂{result}/∂{node.name} = {short(node.adjoint, digits=digits)}")
    return found


def edge_text(edge: Edge) -> str:
    """Return what an edge says: its local derivative as a number, else as a formula."""
    return short(edge.local_value, digits=6) if edge.local_value is not None else edge.local


def edge_title(graph: Graph, edge: Edge) -> str:
    """Return all there is to say of an edge."""
    source, target = graph.nodes[edge.source].name, graph.nodes[edge.target].name
    text = f"∂{target}/∂{source} = {edge.local}"
    if edge.local_value is not None and edge.local != short(edge.local_value):
        text += f" = {short(edge.local_value)}"
    if edge.amount is not None:
        text += f"; adds {short(edge.amount)} to ∂{graph.result}/∂{source}"
    return text


# ------------------------------------------------------------------ DOT


def to_dot(graph: Graph) -> str:
    """Return the graph in Graphviz's language."""
    lines = ["digraph wengert {", f"  label={_quoted(graph.title)};", "  rankdir=TB;"]
    shapes = {"input": "oval", "step": "box", "output": "doubleoctagon"}
    for i, node in enumerate(graph.nodes):
        label = _quoted(r"\n".join(_escaped(line) for line in lines_of(graph, node)), raw=True)
        lines.append(f"  n{i} [label={label}, shape={shapes[node.kind]}];")
    for edge in graph.edges:
        lines.append(f"  n{edge.source} -> n{edge.target} [label={_quoted(edge_text(edge))}];")
    return "\n".join([*lines, "}"]) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _quoted(text: str, *, raw: bool = False) -> str:
    return f'"{text if raw else _escaped(text)}"'


# ------------------------------------------------------------------ SVG


SVG_STYLE = (
    "text{font:12px ui-monospace,Menlo,Consolas,monospace;fill:#16202c}"
    ".node rect{stroke-width:1.4}.node .name{font-weight:600}.node .adjoint{fill:#8a3b00}"
    + "".join(
        f".{kind} rect{{fill:{fill};stroke:{stroke}}}" for kind, (fill, stroke) in _COLOURS.items()
    )
    + ".edge path{fill:none;stroke:#8593a3;stroke-width:1.2}.edge text{font-size:11px;fill:#44525f;"
    "paint-order:stroke;stroke:#fff;stroke-width:3px}"
)


def to_svg(graph: Graph) -> str:
    """Return the graph as an SVG picture with its own style."""
    layout = graph.layout
    width, height = layout.width + 2 * _MARGIN, layout.height + 2 * _MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="{-_MARGIN} {-_MARGIN} {width:.0f} {height:.0f}" role="img">'
        f"<title>{html.escape(graph.title)}</title><style>{SVG_STYLE}</style>"
        f'<rect x="{-_MARGIN}" y="{-_MARGIN}" width="100%" height="100%" fill="#fff"/>'
        f"{svg_body(graph)}</svg>"
    )


def svg_body(graph: Graph) -> str:
    """Return the elements of the picture: edges below, nodes above."""
    parts = [
        (
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="9" '
            'markerHeight="9" markerUnits="userSpaceOnUse" orient="auto">'
            '<path d="M0 0L8 4L0 8z" fill="#8593a3"/></marker></defs>'
        )
    ]
    for i, (edge, route) in enumerate(zip(graph.edges, graph.layout.routes, strict=True)):
        x, y = _middle(route)
        title = html.escape(edge_title(graph, edge))
        text = html.escape(fitted(edge_text(edge), 14))
        parts.append(
            f'<g class="edge" id="e{i}"><title>{title}</title>'
            f'<path d="{curve(route)}" marker-end="url(#tip)"/>'
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{text}</text></g>'
        )
    for i, (node, (x, y)) in enumerate(zip(graph.nodes, graph.layout.centres, strict=True)):
        lines = lines_of(graph, node)
        said = lines_of(graph, node, digits=17)
        title = html.escape(
            "\n".join([*said, f"{node.line}: {node.source}"] if node.line else said)
        )
        texts = "".join(
            f'<text class="{kind}" x="0" y="{_baseline(len(lines), row):.1f}" '
            f'text-anchor="middle">{html.escape(fitted(line))}</text>'
            for row, (kind, line) in enumerate(
                zip(("name", "value", "adjoint"), lines, strict=False)
            )
        )
        parts.append(
            f'<g class="node {node.kind}" id="n{i}" transform="translate({x:.1f} {y:.1f})">'
            f'<title>{title}</title><rect x="{-WIDTH / 2}" y="{-HEIGHT / 2}" width="{WIDTH}" '
            f'height="{HEIGHT}" rx="{HEIGHT / 2 if node.kind == "input" else 6}"/>{texts}</g>'
        )
    return "".join(parts)


def _baseline(count: int, row: int) -> float:
    return 4 + 16 * (row - (count - 1) / 2)


def curve(route: list[Point]) -> str:
    """Return an SVG path through the points of an edge, vertical at each of them."""
    x0, y0 = route[0]
    parts = [f"M{x0:.1f} {y0:.1f}"]
    for x1, y1 in route[1:]:
        bend = (y1 - y0) * 0.45
        parts.append(f"C{x0:.1f} {y0 + bend:.1f} {x1:.1f} {y1 - bend:.1f} {x1:.1f} {y1:.1f}")
        x0, y0 = x1, y1
    return "".join(parts)


def _middle(route: list[Point]) -> Point:
    (x0, y0), (x1, y1) = route[-2:]
    return x0 + 0.62 * (x1 - x0), y0 + 0.62 * (y1 - y0)


# ------------------------------------------------------------------ PNG

# A canvas has at most 2**16 dots a side.
_LARGEST = 60_000


def to_png(graph: Graph, dpi: int) -> bytes:
    """Return the graph as a PNG picture, drawn by matplotlib."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.patches import FancyBboxPatch, PathPatch
        from matplotlib.path import Path
    except ModuleNotFoundError as error:
        raise ArgumentError(
            "PNG pictures need matplotlib: pip install 'wengert[plot]', or save as .svg"
        ) from error

    layout = graph.layout
    width, height = layout.width + 2 * _MARGIN, layout.height + 2 * _MARGIN
    largest = max(width, height) / 72 * dpi
    if largest > _LARGEST:
        raise ArgumentError(
            f"the picture would be {largest:.0f} dots high or wide, PNG takes {_LARGEST}; pass "
            "a smaller dpi, or save as .svg or .html"
        )
    figure = Figure(figsize=(width / 72, height / 72), dpi=dpi)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(-_MARGIN, width - _MARGIN)
    axes.set_ylim(height - _MARGIN, -_MARGIN)
    axes.axis("off")
    font: dict[str, Any] = {"family": "monospace", "fontsize": 8.5, "va": "center", "ha": "center"}
    for edge, route in zip(graph.edges, layout.routes, strict=True):
        points, codes = _bezier(route)
        codes = [Path.MOVETO if code == "M" else Path.CURVE4 for code in codes]
        axes.add_patch(PathPatch(Path(points, codes), fill=False, edgecolor="#8593a3", lw=1))
        (x0, y0), (x, y) = points[-2:]
        axes.annotate("", (x, y), (x0, y0), arrowprops={"arrowstyle": "-|>", "color": "#8593a3"})
        x, y = _middle(route)
        label = axes.text(x, y, fitted(edge_text(edge), 14), color="#44525f", **font)
        label.set_fontsize(7.5)
        label.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1})
    for node, (x, y) in zip(graph.nodes, layout.centres, strict=True):
        fill, stroke = _COLOURS[node.kind]
        corner = (x - WIDTH / 2, y - HEIGHT / 2)
        style = f"round,pad=0,rounding_size={HEIGHT / 2 if node.kind == 'input' else 6}"
        axes.add_patch(
            FancyBboxPatch(corner, WIDTH, HEIGHT, boxstyle=style, facecolor=fill, edgecolor=stroke)
        )
        lines = lines_of(graph, node)
        for row, line in enumerate(lines):
            colour = "#8a3b00" if row == 2 else "#16202c"
            weight = "bold" if row == 0 else "normal"
            where = y + _baseline(len(lines), row) - 4
            text = fitted(line).replace("$", r"\$")
            axes.text(x, where, text, color=colour, weight=weight, **font)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, facecolor="white")
    return buffer.getvalue()


def _bezier(route: list[Point]) -> tuple[list[Point], list[Any]]:
    x0, y0 = route[0]
    points: list[Point] = [(x0, y0)]
    codes: list[Any] = ["M"]
    for x1, y1 in route[1:]:
        bend = (y1 - y0) * 0.45
        points += [(x0, y0 + bend), (x1, y1 - bend), (x1, y1)]
        codes += ["C", "C", "C"]
        x0, y0 = x1, y1
    return points, codes
