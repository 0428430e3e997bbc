"""The command ``wengert``: derivatives, traces, graphs and comparisons from a terminal.

Here its arguments are declared; `commands` carries the subcommands out.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import WengertError
from .commands import (
    run_bench,
    run_check,
    run_compare,
    run_draw,
    run_explain,
    run_grad,
    run_info,
)
from .completion import run_completion

# What a user can mistype: everything else is a bug, and shows its traceback.
_MISTAKES = (
    WengertError,
    ArithmeticError,
    LookupError,
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, or 2 for bad input."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except BrokenPipeError:  # the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except _MISTAKES as error:
        message = " ".join(str(error).split()) or type(error).__name__
        print(f"wengert {options.command}: {message}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wengert",
        description="Exact derivatives of NumPy code.",
        epilog='A function is "log(1 + x**2) / x" (^ is a power too) or the like, or FILE.py:NAME.',
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(
        name: str,
        run: Callable[[Any], None],
        text: str,
        *,
        function: bool = True,
        point: bool = True,
    ) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(run=run)
        if function:
            made.add_argument("function", help="an expression, or FILE.py:NAME")
        if point:
            made.add_argument(
                "--at",
                action="append",
                default=[],
                metavar="NAME=VALUE",
                nargs="+",
                help='where: "x=1.5", "x=[1, 2, 3]"; several may follow',
            )
        made.add_argument("--json", action="store_true", help="write JSON")
        return made

    made = add("grad", run_grad, "value and gradient of a function at a point")
    made.add_argument("--order", type=int, default=1, help="order of the derivative (one number)")
    made = add("explain", run_explain, "each elementary step with its value and derivative")
    made.add_argument("--mode", choices=("reverse", "forward"), default="reverse")
    made.add_argument("--wrt", help="forward mode: the input to differentiate by")
    made.add_argument("--full", action="store_true", help="unfold loops, show arrays whole")
    made.add_argument("--format", choices=("text", "html", "latex", "markdown"), default="text")
    made = add("draw", run_draw, "the computational graph, as a picture or a page")
    made.add_argument("-o", "--output", required=True, help="a .html, .svg, .png or .dot file")
    made = add("compare", run_compare, "numerical, symbolic, forward and reverse mode side by side")
    made.add_argument("--plot", metavar="FILE", help="write the picture of errors to a file")
    made = add("check", run_check, "compare both modes with differences")
    made.add_argument("--order", type=int, default=2, help="the highest order that is checked")
    add("bench", run_bench, "time of a function and of its gradient")
    add(
        "info", run_info, "versions, processor, libraries and settings", function=False, point=False
    )
    made = commands.add_parser("completion", help="completions for a shell: eval its output")
    made.add_argument("shell", choices=("bash", "zsh", "fish"))
    made.set_defaults(run=run_completion)
    return parser
