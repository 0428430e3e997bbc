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
from .callsite import outside_frame
from .core import Traced, each_operand, leak_error

_REMAINDERS = frozenset(
    (entry.opname, entry.arg)
    for text in ("a % b", "a %= b")
    for entry in dis.get_instructions(compile(text, "", "exec"))
    if entry.opname.startswith("BINARY_")
)
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
    if raw.trace.thread != get_ident():
        return leak_error(raw.trace)
    frame = outside_frame()
    error: WengertError
    if is_storing(frame):
        error = write_refusal(raw)
    else:
        error = TracedValueError(
            f"{what} would drop the derivative of a value that is being differentiated "
            f"({raw.aval}). {instead}"
        )
    if frame is not None:
        _last.code, _last.instruction = frame.f_code, frame.f_lasti
        _last.kind, _last.message = type(error), str(error)
    return error


def write_refusal(*values: Any) -> TracedWriteError:
    """Return the error for values, one of them traced, written into a plain array."""
    traced = next(raw for raw in each_operand(values) if type(raw) is Traced)
    return TracedWriteError(
        f"a traced value ({traced.aval}) was written into a plain NumPy array, which cannot hold "
        "it: its derivative would be dropped. Inside the function, before the write, make the "
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
