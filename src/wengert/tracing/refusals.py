"""Refusals: what a traced value answers to code that asks it to become a plain number or array.

NumPy replaces an exception that is raised while it sets one item; `refusal_behind` finds ours.
"""

from __future__ import annotations

import dis
import threading
from threading import get_ident
from types import CodeType, FrameType
from typing import Any

from ..errors import TracedValueError, TracedWriteError, WengertError
from ..ir.aval import aval_of
from .callsite import is_user_frame, outside_frame
from .core import Traced, each_operand, leak_error


def _instructions_of(*texts: str) -> frozenset[tuple[str, int | None]]:
    """Return the instructions, with their arguments, that operators compile to."""
    return frozenset(
        (entry.opname, entry.arg)
        for text in texts
        for entry in dis.get_instructions(compile(text, "", "exec"))
        if entry.opname.startswith("BINARY_")
    )


_REMAINDERS = _instructions_of("a % b", "a %= b")
_POWERS = _instructions_of("a ** b", "a **= b")
_STORES = frozenset({"STORE_SUBSCR", "STORE_SLICE"})


class _Last(threading.local):
    """The last refusal in this thread: the instruction that met it, its class and its message."""

    code: CodeType | None = None
    instruction: int = -1
    kind: type[WengertError] = TracedValueError
    message: str = ""


_last = _Last()


def outside_line() -> str:
    """Return ``file:line`` of the code that asked."""
    frame = outside_frame()
    return "" if frame is None else f"{frame.f_code.co_filename}:{frame.f_lineno}"


def is_storing(frame: FrameType | None) -> bool:
    """Return whether a frame is executing ``A[i] = x``."""
    return _instruction(frame)[0] in _STORES


def is_augmenting(frame: FrameType | None) -> bool:
    """Return whether a frame executes the ``A[i]`` of ``A[i] += x``: both were copied before."""
    if frame is None:
        return False
    code = frame.f_code.co_code
    offset = _offset(frame)
    return offset >= 2 and dis.opname[code[offset - 2]] == "COPY"


def is_formatting(frame: FrameType | None) -> bool:
    """Return whether a frame is executing ``text % x``; a number's own ``%`` asks for no float."""
    return _instruction(frame) in _REMAINDERS


def is_raising(frame: FrameType | None) -> bool:
    """Return whether a frame is executing ``a ** b``, not a call of ``np.power``."""
    return _instruction(frame) in _POWERS


def _instruction(frame: FrameType | None) -> tuple[str, int | None]:
    """Return the name and the argument of the instruction that a frame is executing."""
    if frame is None:
        return "", 0
    code = frame.f_code.co_code
    offset = _offset(frame)
    return dis.opname[code[offset]], code[offset + 1]


def _offset(frame: FrameType) -> int:
    """Return where the instruction stands that a frame is executing: its caches follow it."""
    code = frame.f_code.co_code
    offset = frame.f_lasti
    while offset > 0 and dis.opname[code[offset]] == "CACHE":
        offset -= 2
    return offset


def refusal(raw: Traced, what: str, instead: str) -> WengertError:
    """Return the error for a traced value that `what` would make a plain one."""
    if raw._trace.thread != get_ident():
        return leak_error(raw._trace)
    frame = outside_frame()
    error: WengertError
    if is_storing(frame):
        error = write_refusal(raw)
    else:
        error = TracedValueError(
            f"{what} would drop the derivative of a value that is being differentiated "
            f"({aval_of(raw)}). {instead}"
        )
    if frame is not None:
        _last.code, _last.instruction = frame.f_code, frame.f_lasti
        _last.kind, _last.message = type(error), str(error)
    return error


# What to type instead of a function that makes plain arrays of its arguments, by its name, or by
# that of its module.
_INSTEAD = {
    "as_strided": "Say np.lib.stride_tricks.sliding_window_view(x, shape), or indices.",
    "nditer": "Say for v in x.flat, or for i in np.ndindex(x.shape).",
    "ndenumerate": "Say for i in np.ndindex(x.shape), with x[i].",
    "broadcast": "Say np.broadcast_arrays(a, b).",
    "polynomial": (
        "Say np.polyval(c[::-1], x), or numpy.polynomial.polynomial.polyval(x, p.coef) where the "
        "coefficients are constants."
    ),
}


def array_refusal(raw: Traced) -> WengertError:
    """Return the error for a traced value that code wants as a plain array, naming that code."""
    frame = called = outside_frame()
    while frame is not None and not is_user_frame(frame):
        called, frame = frame, frame.f_back
    if called is None or frame is called or frame is None:
        named = () if frame is None else frame.f_code.co_names
        hints = [_INSTEAD[name] for name in ("nditer", "broadcast") if name in named]
        return refusal(
            raw,
            "np.asarray(x), np.array([x, …]), np.exp([x, …]) of a list, or a write A[i] = x by "
            "code that is not traced",
            "For a list say np.exp(np.array([x, …])). If this is a write into an array made "
            "outside the function or by an operation on "
            "constants, make it one that can hold traced values: A = np.array(A), inside the "
            "function. If a library received x, call it on wengert.stop_gradient(x), or give it a "
            "rule (see docs/adding-a-primitive.md)." + "".join(f" {hint}" for hint in hints),
        )
    module = str(called.f_globals.get("__name__", "a library"))
    name = called.f_code.co_qualname.removesuffix(".__init__").removesuffix(".__new__")
    hints = [_INSTEAD[place] for place in (name, *module.split(".")) if place in _INSTEAD]
    hint = hints[0] if hints else "Write it with functions of NumPy."
    return refusal(
        raw,
        f"{module}.{name}, called at {frame.f_code.co_filename}:{frame.f_lineno}, makes a plain "
        "array of what it is given, which",
        f"{hint} Or call it on wengert.stop_gradient(x), or give it a rule (see "
        "docs/adding-a-primitive.md).",
    )


def write_refusal(*values: Any) -> TracedWriteError:
    """Return the error for values, one of them traced, written into a plain array."""
    traced = next(raw for raw in each_operand(values) if type(raw) is Traced)
    return TracedWriteError(
        f"a traced value ({aval_of(traced)}) was written into a plain NumPy array, which cannot "
        "hold it: its derivative would be dropped. Inside the function, before the write, make the "
        "array one that can: A = np.array(A), with dtype=float if it holds integers. This is "
        "needed for arrays from outside the function and for results of operations on constants "
        "(A @ B, -A, A.copy())."
    )


def refusal_behind(error: BaseException) -> WengertError | None:
    """Return our refusal where `error` is what NumPy, or other C code, made of it, else None.

    They are the same event if the instruction that raised is the one that was refused. C code that
    goes on after an error ends in a `SystemError`, whose cause is that error.
    """
    if isinstance(error, SystemError) and isinstance(error.__cause__, WengertError):
        return error.__cause__
    if _last.code is None or isinstance(error, WengertError):
        return None
    traceback = error.__traceback__
    if traceback is None:
        return None
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback.tb_frame.f_code is not _last.code or traceback.tb_lasti != _last.instruction:
        return None
    return _last.kind(_last.message)
