"""The pipeline: a staged Wengert list becomes a program that runs, by ONE ordered list of passes.

Each pass takes a list and returns one that means the same; `verify` holds them to it in tests and
under ``config.verify``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .config import config
from .ir.verify import verify
from .ir.wengert_list import WengertList
from .passes.common import share_common
from .passes.dead_code import remove_dead_code
from .passes.fold import fold_constants
from .passes.simplify import simplify

if TYPE_CHECKING:
    from .backends.llvm import NativeProgram

Pass = Callable[[WengertList], WengertList]

PASSES: tuple[tuple[Pass, str], ...] = (
    (simplify, "derivative rules leave signs, ones and changes of kind behind"),
    (fold_constants, "literals meet once the rest is simple"),
    (share_common, "a value and its derivative compute the same things"),
    (remove_dead_code, "what no output and no guard needs is not computed"),
)


def optimise(program: WengertList) -> WengertList:
    """Return a list with the outputs of `program` that does less to get them."""
    for transform, _reason in PASSES:
        program = transform(program)
        if config.verify:
            verify(program)
    return program


def compiled(program: WengertList) -> NativeProgram | None:
    """Return an optimised list as machine code, or None where it is better evaluated.

    A list whose equations mostly have no native code is evaluated: calling back costs more than it
    spares.
    """
    if not config.native:
        return None
    from .backends.llvm import compile_program  # 15 ms of imports that most processes never need

    native = compile_program(program)
    if 2 * len(native.called_back) > len(program):
        return None
    return native
