"""Where the nodes of a graph stand: layers from the inputs down, by Sugiyama's method.

The layout itself is fast-sugiyama's (K. Sugiyama, S. Tagawa, M. Toda, 1981); here its layers
become pixels, and connected parts stand side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..errors import ArgumentError

WIDTH, HEIGHT = 168, 58
_GAP_ACROSS, _GAP_DOWN = 28, 62

Point = tuple[float, float]


class Layout(NamedTuple):
    """Centres of the nodes, the points that each edge runs through, and the size of the whole."""

    centres: list[Point]
    routes: list[list[Point]]
    width: float
    height: float


def lay_out(count: int, edges: Sequence[tuple[int, int]]) -> Layout:
    """Place `count` nodes so that every edge runs downwards.

    Raises
    ------
    ArgumentError
        fast-sugiyama is not installed.
    """
    try:
        from fast_sugiyama import from_edges
    except ModuleNotFoundError as error:
        raise ArgumentError(
            "pictures of graphs need the package fast-sugiyama: pip install 'wengert[show]'"
        ) from error

    centres: dict[int, Point] = {}
    offset = 0.0
    height = 0.0
    simple = sorted(set(edges))
    parts: list[Any] = []
    if simple:
        parts = list(
            from_edges(
                simple,
                vertex_spacing=WIDTH + _GAP_ACROSS,
                dummy_vertices=True,
                crossing_minimization="barycenter" if count < 1500 else "median",
                transpose=count < 600,
                check_layout=False,
            )
        )
    chains: dict[int, list[int]] = {}
    for positions, _, _, links in parts:
        rows = sorted({y for _, (_, y) in positions}, reverse=True)
        depth = {y: row for row, y in enumerate(rows)}
        left = min(x for _, (x, _) in positions)
        for node, (x, y) in positions:
            centres[node] = (
                offset + x - left + WIDTH / 2,
                depth[y] * (HEIGHT + _GAP_DOWN) + HEIGHT / 2,
            )
        right = max(centres[node][0] for node, _ in positions)
        height = max(height, max(centres[node][1] for node, _ in positions) + HEIGHT / 2)
        offset = right + WIDTH / 2 + _GAP_ACROSS
        for above, below in links:
            chains.setdefault(above, []).append(below)
    for node in range(count):
        if node not in centres:  # touched by no edge
            centres[node] = (offset + WIDTH / 2, HEIGHT / 2)
            offset += WIDTH + _GAP_ACROSS
    width = max((x for x, _ in centres.values()), default=0.0) + WIDTH / 2
    routes = _routes(count, edges, chains, centres)
    return Layout([centres[i] for i in range(count)], routes, width, max(height, HEIGHT))


def _routes(
    count: int,
    edges: Sequence[tuple[int, int]],
    chains: dict[int, list[int]],
    centres: dict[int, Point],
) -> list[list[Point]]:
    """Return the points of each edge, through the dummy vertices of the layers it crosses."""
    through: dict[tuple[int, int], list[Point]] = {}
    for start in range(count):
        for following in chains.get(start, ()):
            bends = []
            node = following
            while node >= count:
                bends.append(centres[node])
                node = chains[node][0]
            through[start, node] = bends
    routes = []
    for above, below in edges:
        (x0, y0), (x1, y1) = centres[above], centres[below]
        bends = through.get((above, below), [])
        routes.append([(x0, y0 + HEIGHT / 2), *bends, (x1, y1 - HEIGHT / 2)])
    return routes
