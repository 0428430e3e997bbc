"""Pictures of a comparison: error against step size, cost against size, swell against depth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ArgumentError

if TYPE_CHECKING:
    from .compare import Comparison

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


def new_figure(panels: int) -> Any:
    """Return a matplotlib figure with room for so many panels side by side."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ArgumentError("plots need matplotlib: pip install 'wengert[plot]'") from error
    return Figure(figsize=(6.4 * panels, 4.8), dpi=110, layout="constrained")


def plot(comparison: Comparison) -> Any:
    """Return a figure with one panel for each thing that was measured."""
    panels = [draw_steps]
    if comparison.scaling:
        panels.append(draw_scaling)
    if comparison.swell:
        panels.append(draw_swell)
    figure = new_figure(len(panels))
    for axes, draw in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        draw(axes, comparison)
        axes.grid(visible=True, which="major", color="#e3e8ee")
        axes.legend(fontsize=8)
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


def draw_scaling(axes: Any, comparison: Comparison) -> None:
    """Draw the time of a derivative against the number of variables."""
    names = list(dict.fromkeys(name for row in comparison.scaling.values() for name in row))
    for name in names:
        points = [(n, row[name]) for n, row in comparison.scaling.items() if name in row]
        axes.loglog(*zip(*points, strict=True), ".-", label=name, color=_COLOURS[name])
    axes.set_xlabel("variables")
    axes.set_ylabel("seconds a derivative")
    axes.set_title("Cost against the number of variables")


def draw_swell(axes: Any, comparison: Comparison) -> None:
    """Draw the operations of a derivative against the depth of the program."""
    depths, symbolic, reverse = zip(*comparison.swell, strict=True)
    axes.semilogy(depths, symbolic, ".-", label="symbolic", color=_COLOURS["symbolic"])
    axes.semilogy(depths, reverse, ".-", label="reverse mode", color=_COLOURS["reverse mode"])
    axes.set_xlabel("depth")
    axes.set_ylabel("operations of the derivative")
    axes.set_title("Swell against depth")
