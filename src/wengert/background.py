"""Work for another thread: one at a time, in order, let go of when the interpreter ends.

The thread lives while there is work. It is no daemon: the interpreter waits for the job that runs,
which may hold a lock of LLVM; what has not been started then is not done.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable


class Job:
    """A function without arguments that another thread runs, after the jobs before it."""

    __slots__ = ("_error", "_function", "_is_over")

    def __init__(self, function: Callable[[], None]) -> None:
        self._function: Callable[[], None] | None = function
        self._error: BaseException | None = None
        self._is_over = False
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
_lock = threading.Lock()
_thread: threading.Thread | None = None


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
            job = _queue.popleft()
        except IndexError:
            return
        job.run()


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
