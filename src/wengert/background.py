"""Work for another thread: one at a time, in order, let go of when the interpreter ends.

The thread lives while there is work. It is no daemon: the interpreter waits for the job that runs,
which may hold a lock of LLVM; what has not been started then is not done.
"""

from __future__ import annotations

import functools
import os
import threading
from collections import deque
from collections.abc import Callable

from .interrupts import UninterruptedLock


class Job:
    """A function without arguments that another thread runs, after the jobs before it."""

    __slots__ = ("_error", "_function", "_is_over")

    def __init__(self, function: Callable[[], None]) -> None:
        self._function: Callable[[], None] | None = function
        self._error: BaseException | None = None
        self._is_over = False
        _guard_forks()
        _queue.append(self)
        _start()

    def is_done(self) -> bool:
        """Return whether the function has run; what it raised is raised here, once."""
        if not self._is_over:
            _start()  # after a fork there is no thread
            return False
        error, self._error = self._error, None
        if error is not None:
            raise error
        return True

    def run(self) -> None:
        """Run the function."""
        function = self._function
        assert function is not None
        try:
            function()
        except BaseException as error:  # whoever asks for the job gets it
            self._error = error
        self._function = None
        self._is_over = True


_queue: deque[Job] = deque()
_lock = UninterruptedLock()
_thread: threading.Thread | None = None
# Held while a job runs. A fork waits for its end: the child would find modules half imported.
_running = threading.RLock()


def _before_fork() -> None:
    _running.acquire()
    _lock.hold()


def _after_fork() -> None:
    _lock.let_go()
    _running.release()


@functools.cache
def _guard_forks() -> None:
    """Have forks wait, from the first job on.

    What was registered last is called first: a job must end before the locks that it takes are
    held by the fork, so whoever makes a job has imported what owns them.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork
        )


def _start() -> None:
    """Start the thread, if there is work and none runs."""
    global _thread
    with _lock:
        if _queue and (_thread is None or not _thread.is_alive()):
            _thread = threading.Thread(target=_work, name="wengert compiles")
            _thread.start()


def _work() -> None:
    main = threading.main_thread()
    while main.is_alive():
        try:
            with _running:  # a job that is taken is run on this side of a fork
                _queue.popleft().run()
        except IndexError:
            return


def wait() -> None:
    """Wait until all jobs are done."""
    while True:
        with _lock:
            thread = _thread
        if thread is None or not thread.is_alive():
            if not _queue:
                return
            _start()
            continue
        thread.join()
