"""The slow functions that `rare` calls, ``wengert.large.sin`` and others, compiled once a process.

Each takes longer to compile than a short program around it, and no program changes it.
"""

from __future__ import annotations

from collections.abc import Iterable

from .. import engine
from ..cache import object_code
from ..writer import Module
from .arithmetic import Kernel, Number
from .circular import LARGE
from .rare import PURE, symbol
from .target import has_fma

_LEVEL = 3

_NAMES = {symbol(name): name for name in LARGE}
_held: dict[str, engine.Code] = {}


def text_of(name: str, *, fma: bool) -> str:
    """Return the module of a slow function: ``"sin"``, ``"cos"`` or ``"tan"``."""
    module = Module(level=_LEVEL)
    function = module.function(symbol(name), "double", "double %x", attributes=PURE)
    kernel = Kernel(function, single=False, fma=fma)
    function.line(f"ret double {LARGE[name](kernel, Number(kernel, '%x')).value}")
    return module.text()


def make_available(externals: Iterable[str]) -> None:
    """Make the slow functions among the names that code refers to known to the linker."""
    for name in externals:
        if name in _NAMES:
            _define(name)


def _define(name: str) -> None:
    with engine.lock:
        if name in _held:
            return
        text = text_of(_NAMES[name], fma=has_fma())
        code = engine.link([object_code(text, _LEVEL)], [name])
        engine.define_symbols({name: code.addresses[name]})
        _held[name] = code
