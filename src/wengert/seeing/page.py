"""The page of a computational graph: one HTML file that needs no network.

The picture is drawn here; `page.js` steps through it, zooms and folds, `page.css` is its style.
"""

from __future__ import annotations

import html
import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from .pictures import SVG_STYLE, edge_title, svg_body
from .rendering import short

if TYPE_CHECKING:
    from .graph import Graph

_CONTROLS = (
    ("first", "|◀", "To the start (Home)"),
    ("previous", "◀", "One step back (left arrow)"),
    ("next", "▶", "One step on (right arrow)"),
    ("last", "▶|", "To the end (End)"),
)
_ZOOM = (("out", "−", "Smaller (-)"), ("in", "+", "Larger (+)"), ("fit", "Fit", "Fit (0)"))


def to_html(graph: Graph) -> str:
    """Return the page of a graph."""
    folder = files("wengert.seeing")
    style = folder.joinpath("page.css").read_text(encoding="utf-8")
    script = folder.joinpath("page.js").read_text(encoding="utf-8")
    title = html.escape(graph.title)
    # "</" must not end the element that holds the data.
    data = json.dumps(_data(graph), ensure_ascii=False).replace("</", "<\\/")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>{style}{SVG_STYLE}</style>
</head>
<body>
<header>
<h1>{title}</h1>
{_buttons(_CONTROLS)}
<button id="play" title="Play or pause">Play</button>
<input id="slider" type="range" min="0" step="1" aria-label="Step of the evaluation">
<span id="status" role="status"></span>
{_buttons(_ZOOM)}
</header>
<main>
<div id="picture"><svg role="img" aria-label="Computational graph of {title}">
<g id="view">{svg_body(graph)}</g></svg></div>
<aside id="panel" tabindex="0" aria-label="The current step" aria-live="polite"></aside>
</main>
<script id="data" type="application/json">{data}</script>
<script>{script}</script>
</body>
</html>
"""


def _buttons(entries: tuple[tuple[str, str, str], ...]) -> str:
    return "\n".join(
        f'<button id="{name}" title="{title}" aria-label="{title}">{sign}</button>'
        for name, sign, title in entries
    )


def _data(graph: Graph) -> dict[str, Any]:
    layout = graph.layout
    groups, group_of = _groups(graph)
    nodes = [
        {
            "name": node.name,
            "formula": node.formula,
            "value": short(node.value),
            "adjoint": None if node.adjoint is None else short(node.adjoint),
            "line": node.line,
            "source": node.source,
            "x": round(x, 1),
            "y": round(y, 1),
            "group": group_of.get(i),
        }
        for i, (node, (x, y)) in enumerate(zip(graph.nodes, layout.centres, strict=True))
    ]
    edges = [
        {
            "source": edge.source,
            "target": edge.target,
            "amount": None if edge.amount is None else short(edge.amount),
            "title": edge_title(graph, edge),
        }
        for edge in graph.edges
    ]
    return {
        "result": graph.result,
        "nodes": nodes,
        "edges": edges,
        "groups": groups,
        "width": layout.width,
        "height": layout.height,
    }


def _groups(graph: Graph) -> tuple[list[dict[str, Any]], dict[int, int]]:
    """Return the groups that can be folded: the steps of one source line, if it has several."""
    by_line: dict[tuple[str, int], list[int]] = {}
    for i, node in enumerate(graph.nodes):
        if node.line:
            by_line.setdefault((node.file, node.line), []).append(i)
    groups: list[dict[str, Any]] = []
    group_of = {}
    for (_, line), members in by_line.items():
        if 1 < len(members) < len(graph.nodes):
            for i in members:
                group_of[i] = len(groups)
            groups.append({"line": line, "members": members})
    return groups, group_of
