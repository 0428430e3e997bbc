"""Pictures of a comparison: error against step and time, cost against size, swell against depth."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError

if TYPE_CHECKING:
    from .compare import Comparison, MethodResult

_COLOURS = {
    "forward difference": "#b3261e",
    "central difference": "#a05a00",
    "complex step": "#6b3fa0",
    "Richardson": "#5a6876",
    "symbolic": "#1b7a3a",
    "forward mode": "#0b5cad",
    "reverse mode": "#083a6e",
    "compiled": "#0aa2a2",
}


def new_figure(columns: int, rows: int = 1) -> Any:
    """Return a matplotlib figure with room for so many panels."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ArgumentError("plots need matplotlib: pip install 'wengert[plot]'") from error
    return Figure(figsize=(6.4 * columns, 4.8 * rows), dpi=110, layout="constrained")


def plot(comparison: Comparison) -> Any:
    """Return a figure with one panel for each thing that was measured, three side by side."""
    panels: list[Callable[[Any, Comparison], None]] = [draw_steps, draw_methods]
    if comparison.scaling:
        panels += [draw_scaling, draw_operations, draw_errors]
    if comparison.swell:
        panels.append(draw_swell)
    columns = min(len(panels), 3)
    rows = -(-len(panels) // columns)
    figure = new_figure(columns, rows)
    places = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, draw in zip(places, panels, strict=False):
        draw(axes, comparison)
        axes.grid(visible=True, which="major", color="#e3e8ee")
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=8)
    for axes in places[len(panels) :]:
        axes.remove()
    return figure


def draw_steps(axes: Any, comparison: Comparison) -> None:
    """Draw the error of each difference formula against its step."""
    epsilon = np.finfo(float).eps
    for entry in comparison.steps:
        shown = np.maximum(entry.errors, epsilon / 8)
        axes.loglog(
            entry.steps, shown, ".-", label=entry.name, color=_COLOURS[entry.name], linewidth=1
        )
    if comparison.steps:
        steps = comparison.steps[0].steps
        axes.loglog(steps, steps, ":", color="#8593a3", label="truncation, slope 1")
        axes.loglog(steps, steps**2, "-.", color="#8593a3", label="truncation, slope 2")
        axes.loglog(steps, epsilon / steps, "--", color="#8593a3", label="rounding, slope −1")
    reverse = comparison["reverse mode"]
    if reverse.error is not None:
        axes.axhline(
            max(reverse.error, epsilon / 8), color=_COLOURS["reverse mode"], label="reverse mode"
        )
    axes.set_ylim(epsilon / 16, 30)
    axes.set_xlabel("step")
    axes.set_ylabel("relative error")
    axes.set_title("Error against step size")


def draw_methods(axes: Any, comparison: Comparison) -> None:
    """Draw what each method takes against how far it is off, at the point that was asked for."""
    floor = np.finfo(float).eps / 8
    for result in comparison.results:
        if result.error is None:
            continue
        shown = max(result.error, floor)
        axes.loglog(result.seconds, shown, "o", color=_COLOURS[result.name], markersize=8)
        axes.annotate(
            result.name, (result.seconds, shown), (7, 5), textcoords="offset points", fontsize=8
        )
    axes.margins(x=0.35)
    axes.set_ylim(floor / 4, None)
    axes.set_xlabel("seconds a derivative")
    axes.set_ylabel("error")
    axes.set_title("Error against time")


def _draw_by_size(
    axes: Any, comparison: Comparison, value: Callable[[MethodResult], float | int | None]
) -> None:
    for name in next(iter(comparison.scaling.values())):
        points = [
            (n, found)
            for n, row in comparison.scaling.items()
            if row[name].derivative is not None and (found := value(row[name])) is not None
        ]
        if points:
            axes.loglog(*zip(*points, strict=True), ".-", label=name, color=_COLOURS[name])
    axes.set_xlabel("variables")


def draw_scaling(axes: Any, comparison: Comparison) -> None:
    """Draw the time of a derivative against the number of variables."""
    _draw_by_size(axes, comparison, lambda result: result.seconds)
    axes.set_ylabel("seconds a derivative")
    axes.set_title("Time against the number of variables")


def draw_operations(axes: Any, comparison: Comparison) -> None:
    """Draw the operations of a derivative against the number of variables."""
    _draw_by_size(axes, comparison, lambda result: result.operations)
    axes.set_ylabel("operations a derivative")
    axes.set_title("Operations against the number of variables")


def draw_errors(axes: Any, comparison: Comparison) -> None:
    """Draw the error of a derivative against the number of variables."""
    floor = np.finfo(float).eps / 8
    _draw_by_size(axes, comparison, lambda r: None if r.error is None else max(r.error, floor))
    axes.set_ylabel("error")
    axes.set_title("Error against the number of variables")


def draw_swell(axes: Any, comparison: Comparison) -> None:
    """Draw the operations of a derivative against the depth of the program."""
    depths, symbolic, reverse = zip(*comparison.swell, strict=True)
    axes.semilogy(depths, symbolic, ".-", label="symbolic", color=_COLOURS["symbolic"])
    axes.semilogy(depths, reverse, ".-", label="reverse mode", color=_COLOURS["reverse mode"])
    axes.set_xlabel("depth")
    axes.set_ylabel("operations of the derivative")
    axes.set_title("Swell against depth")
