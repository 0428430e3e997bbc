"""The pipeline: a staged Wengert list becomes a program that runs, by ONE ordered list of passes.

Each pass takes a list and returns one that means the same; `verify` holds them to it in tests and
under ``config.verify``.
"""

from __future__ import annotations

from collections.abc import Callable

from .config import config
from .ir.verify import verify
from .ir.wengert_list import WengertList
from .passes.dead_code import remove_dead_code

Pass = Callable[[WengertList], WengertList]

PASSES: tuple[tuple[Pass, str], ...] = (
    (remove_dead_code, "what no output and no guard needs is not computed"),
)


def optimise(program: WengertList) -> WengertList:
    """Return a list with the outputs of `program` that does less to get them."""
    for transform, _reason in PASSES:
        program = transform(program)
        if config.verify:
            verify(program)
    return program
