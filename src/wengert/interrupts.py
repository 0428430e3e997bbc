"""Sections of code between whose steps no signal handler runs: it runs when the section is left.

Python calls the handlers of signals in the main thread, between any two of its steps, and what they
raise (``KeyboardInterrupt``, the ``TimeoutError`` of an alarm) comes out there. An exception that
one thread sets in another through Python's C interface is not held back.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import sys
import threading
from threading import get_ident
from types import FrameType
from typing import Any

# What `signal` wraps; its conversions to enumerations cost ten times as much.
_signal: Any = importlib.import_module("_signal")
_SIGNALS = tuple(
    sorted({int(number) for number in _signal.valid_signals()})
    if hasattr(_signal, "valid_signals")
    else range(1, _signal.NSIG)
)

# The system's own record of a handler, which may have been set without Python and has flags that
# `signal.signal` does not keep; larger than any system's.
_Action = ctypes.c_char * 512
_system: Any = getattr(ctypes.PyDLL(None), "sigaction", None) if os.name == "posix" else None

# How many sections the main thread is in, and who that is. While there are some, every handler that
# is a Python function has given way to `_defer`.
_depth = 0
_owner = 0
# The handlers that gave way, by signal, with the system's records; how often they were put back.
_originals: dict[int, tuple[Any, Any]] = {}
_returns = 0
# What came meanwhile, in order.
_waiting: list[int] = []


def _defer(number: int, frame: FrameType | None) -> None:
    """Note a signal; outside of sections, where putting handlers back was cut short, pass it on."""
    if _depth:
        _waiting.append(number)
        return
    original = _originals.get(number)
    if original is not None:
        original[0](number, frame)


def _give_way() -> None:
    """Put `_defer` in the place of every handler that is a Python function."""
    for number, handler in zip(_SIGNALS, map(_signal.getsignal, _SIGNALS), strict=True):
        if not callable(handler) or handler is _defer:
            continue
        action = None
        if _system is not None:
            action = _Action()
            _system(number, None, action)
        _originals[number] = handler, action
        try:
            _signal.signal(number, _defer)
        except ValueError:  # not the main interpreter, which alone handles signals
            del _originals[number]
            return


def _put_back() -> None:
    """Put the handlers back that gave way, but for those that were replaced meanwhile."""
    global _returns
    _returns += 1
    while _originals:
        number, (handler, action) = next(reversed(_originals.items()))
        if _signal.getsignal(number) is _defer:
            _signal.signal(number, handler)
            if action is not None:
                _system(number, action, None)
        _originals.pop(number, None)


def _deliver() -> None:
    """Call the handlers of the signals that came, all of them, also if some raise."""
    if not _waiting:
        return
    number = _waiting.pop(0)
    try:
        handler = _signal.getsignal(number)
        if callable(handler):
            handler(number, sys._getframe(1))
    finally:
        _deliver()


def _leave() -> None:
    """Let handlers run again, and those run whose signals came."""
    global _depth
    try:
        _depth = 0  # from here on handlers may raise
        _put_back()
    finally:
        try:
            _put_back()  # what was cut short
        finally:
            _deliver()


class Uninterrupted:
    """A context in which no signal handler runs; handlers of signals that came run at its end.

    It may be entered again inside. In threads other than the main one, to which signals never
    come, it does nothing.
    """

    def __enter__(self) -> None:
        # A handler may raise before `_depth` is 1: until then `_defer` passes signals on.
        global _depth, _owner
        if get_ident() != threading.main_thread().ident:
            return
        if _depth:
            _depth += 1
            return
        _owner = get_ident()
        try:
            while True:
                before = _returns
                _give_way()
                _depth = 1
                if before == _returns:
                    return
                _depth = 0  # a handler that ran meanwhile had a section of its own
        except BaseException:
            _leave()
            raise

    def __exit__(self, *_: object) -> None:
        global _depth
        if get_ident() != threading.main_thread().ident:
            return
        if _depth > 1:
            _depth -= 1
            return
        _leave()


uninterrupted = Uninterrupted()


class UninterruptedLock:
    """A re-entrant lock whose holder is not interrupted; who waits for it is."""

    # A signal that comes while the main thread waits is handled after this time at most.
    _PATIENCE = 0.02

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        uninterrupted.__enter__()
        while not self._lock.acquire(timeout=self._PATIENCE):
            uninterrupted.__exit__()  # raises what a handler raises
            uninterrupted.__enter__()

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        uninterrupted.__exit__()

    def hold(self) -> None:
        """Take the lock, and be interrupted meanwhile: for forks, which let go of it afterwards."""
        with uninterrupted:
            self._lock.acquire()

    def let_go(self) -> None:
        """Let go of the lock after `hold`."""
        with uninterrupted:
            self._lock.release()

    def is_held(self) -> bool:
        """Return whether this thread holds the lock."""
        return bool(self._lock._is_owned())  # type: ignore[attr-defined]


def _after_fork_in_child() -> None:
    """Put handlers back that a thread took which the child does not have."""
    global _depth
    if get_ident() != _owner:
        _depth = 0
        _waiting.clear()
        _put_back()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
