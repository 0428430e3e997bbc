"""The command ``wengert``: derivatives, traces, graphs and comparisons from a terminal.

Here its arguments are declared; `commands` carries the subcommands out.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from .._version import __version__
from ..errors import PACKAGE, CheckError, WengertError
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
from .output import clear_progress

# What a user can mistype: anything else that is raised by wengert itself is a bug, and shows its
# traceback.
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
    """Run the command and return its exit status: 0, 1 for a check that fails, 2 for bad input."""
    options = _parser().parse_args(arguments)
    name = f"wengert {options.command}"
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *rest: print(
            f"{name}: warning: {' '.join(str(message).split())}", file=sys.stderr
        )
        try:
            options.run(options)
        except BrokenPipeError:  # the reader has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        except Exception as error:
            clear_progress()
            message = _explained(error)
            if message is None:
                raise
            print(f"{name}: {message}", file=sys.stderr)
            return 1 if isinstance(error, CheckError) else 2
    return 0


def _explained(error: Exception) -> str | None:
    """Return one line on an error, None for one that is our own.

    What the user's function raises is told with its place.
    """
    message = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, WengertError):
        return message
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(PACKAGE)]
    last = own[-1] if own and frames[-1] is own[-1] else None
    if last is not None and os.path.isfile(last.filename):
        return f"{type(error).__name__}: {message} ({last.filename}, line {last.lineno})"
    return message if isinstance(error, _MISTAKES) else None


class _Parser(argparse.ArgumentParser):
    """A parser that says in one line what is wrong."""

    def error(self, message: str) -> NoReturn:
        """Print one line and exit with status 2."""
        print(f"{self.prog}: {message}; see {self.prog} --help", file=sys.stderr)
        raise SystemExit(2)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="wengert",
        description="Exact derivatives of NumPy code.",
        epilog='A function is "log(1 + x**2) / x" (^ is a power too) or the like, or FILE.py:NAME.',
    )
    parser.add_argument("--version", action="version", version=f"wengert {__version__}")
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
                help='where: "x=1.5", "y=pi/4", "z=[1, 2, 3]"; several may follow',
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
    made.set_defaults(run=run_completion, parser=parser)
    return parser
