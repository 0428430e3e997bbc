"""The subcommands: each takes parsed options, lets the library work, and prints."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from ..environment import info
from ..errors import ArgumentError
from .arguments import function_and_point
from .output import clear_progress, progress, shown, write_json


def run_grad(options: Any) -> None:
    """Print the value of a function and its derivatives."""
    from ..transforms.derivatives import grad, value_and_grad

    function, args, names = function_and_point(options)
    if options.order != 1:
        if len(args) != 1 or np.ndim(args[0]):
            raise ArgumentError("--order is for functions of one number")
        if options.order < 1:
            raise ArgumentError(f"--order is at least 1, got {options.order}")
        derivative = function
        for _ in range(options.order):
            derivative = grad(derivative)
        value, gradients = function(*args), (derivative(*args),)
    else:
        value, gradients = value_and_grad(function, tuple(range(len(args))))(*args)
    if options.json:
        write_json({"value": value, "gradient": dict(zip(names, gradients, strict=True))})
        return
    primes = "'" * options.order if options.order <= 3 else f"({options.order})"
    print(f"value  {shown(value)}")
    for name, gradient in zip(names, gradients, strict=True):
        label = f"∂/∂{name}" if options.order == 1 else f"f{primes}"
        print(f"{label}  {shown(gradient)}")


def run_explain(options: Any) -> None:
    """Print the evaluation trace of a function."""
    from ..seeing import explain

    function, args, _ = function_and_point(options)
    shown = explain(function, *args, mode=options.mode, wrt=options.wrt)
    if options.json:
        fields = ("name", "formula", "value", "tangent", "adjoint", "line", "source")
        rows = [{field: getattr(row, field) for field in fields} for row in shown.rows]
        write_json({"result": shown.result, "value": shown.value, "rows": rows})
        return
    if options.format != "text":
        print(getattr(shown, f"to_{options.format}")(full=options.full))
    elif sys.stdout.isatty() and not options.full and _print_rich(shown):
        return
    else:
        print(shown.to_text(full=options.full))


def _print_rich(shown: Any) -> bool:
    """Print in colours where `rich` is installed; say whether it was."""
    try:
        from rich.console import Console
    except ModuleNotFoundError:
        return False
    Console().print(shown)
    return True


def run_draw(options: Any) -> None:
    """Write the computational graph of a function to a file."""
    from ..seeing import draw

    function, args, _ = function_and_point(options)
    graph = draw(function, *args)
    graph.save(options.output)
    counts = {"file": options.output, "nodes": len(graph.nodes), "edges": len(graph.edges)}
    if options.json:
        write_json(counts)
    else:
        print(f"{options.output}: {counts['nodes']} nodes, {counts['edges']} edges")


def run_compare(options: Any) -> None:
    """Print the ways to a derivative side by side."""
    from ..seeing import compare_methods

    function, args, _ = function_and_point(options)
    if len(args) != 1:
        raise ArgumentError(f"compare takes a function of one argument, got {len(args)}")
    found = compare_methods(function, args[0], progress=progress)
    clear_progress()
    if options.plot:
        found.plot().savefig(options.plot)
    if options.json:
        fields: tuple[str, ...] = (
            "name",
            "derivative",
            "error",
            "evaluations",
            "operations",
            "size",
        )
        fields += ("prepare_seconds", "seconds", "peak_bytes", "note")
        rows = [{field: getattr(result, field) for field in fields} for result in found.results]
        write_json({"reference": found.reference, "methods": rows})
    else:
        print(found)


def run_check(options: Any) -> None:
    """Check both modes against differences; an error says where they differ."""
    from ..testing import check_grads

    function, args, _ = function_and_point(options)
    progress(f"both modes and differences to order {options.order}")
    check_grads(function, args, order=options.order)
    clear_progress()
    if options.json:
        write_json({"checked": True, "order": options.order})
    else:
        print(f"both modes agree with differences to order {options.order}")


def run_info(options: Any) -> None:
    """Print versions, processor, libraries and settings."""
    found = info()
    if options.json:
        write_json(found)
    else:
        width = max(map(len, found))
        for name, value in found.items():
            print(f"{name.ljust(width)}  {value}")


def run_bench(options: Any) -> None:
    """Time a function and its gradient, plain and compiled."""
    from ..higher.jit import jit
    from ..transforms.derivatives import value_and_grad

    function, args, _ = function_and_point(options)
    positions = tuple(range(len(args)))
    ways: dict[str, Callable[..., Any]] = {
        "value": function,
        "value and gradient": value_and_grad(function, positions),
        "value, compiled": jit(function),
        "value and gradient, compiled": jit(value_and_grad(function, positions)),
    }
    seconds = {}
    for name, way in ways.items():
        progress(name)
        seconds[name] = _seconds(way, args)
    clear_progress()
    ratios = {name: taken / seconds["value"] for name, taken in seconds.items()}
    if options.json:
        write_json({"seconds": seconds, "ratio to value": ratios})
        return
    width = max(map(len, seconds))
    for name, taken in seconds.items():
        print(f"{name.ljust(width)}  {taken * 1e6:12.3f} µs  {ratios[name]:8.2f} × value")


def _seconds(way: Callable[..., Any], args: tuple[Any, ...]) -> float:
    """Return the median time of a call, from runs long enough to time."""
    for _ in range(3):  # the first calls of what is compiled record and compile
        way(*args)
    calls = 1
    while True:
        start = time.perf_counter()
        for _ in range(calls):
            way(*args)
        taken = time.perf_counter() - start
        if taken > 0.02:
            break
        calls *= 4
    found = [taken / calls]
    for _ in range(6):
        start = time.perf_counter()
        for _ in range(calls):
            way(*args)
        found.append((time.perf_counter() - start) / calls)
    return statistics.median(found)
