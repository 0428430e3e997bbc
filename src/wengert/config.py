"""Settings, as attributes, as a context and as environment variables ``WENGERT_…``.

Holds only options that something reads.
"""

from __future__ import annotations

import array
import os
from collections.abc import Callable
from types import TracebackType

from .errors import ArgumentError


def _environment_flag(name: str, *, default: bool = False) -> bool:
    given = os.environ.get(name, "").strip().lower()
    return given in {"1", "true", "yes", "on"} if given else default


def _environment_integer(name: str, default: int) -> int:
    given = os.environ.get(name, "").strip()
    if not given:
        return default
    if not given.isdigit():
        raise ArgumentError(f"the environment variable {name} holds {given!r}, not an integer")
    return int(given)


def _environment_names(name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in os.environ.get(name, "").split(",") if part.strip())


def _usable_cores() -> int:
    """Return how many processors this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_COUNTS = frozenset({"max_paths", "max_specialisations", "num_threads"})


def _checked(name: str, value: object) -> object:
    """Return the value of a setting, or say what it may be."""
    if name in _COUNTS:
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ArgumentError(f"{name} is a whole number of at least 1, got {value!r}")
        return value
    if name == "cache_dir":
        if not isinstance(value, (str, os.PathLike)):
            raise ArgumentError(f"cache_dir is a path, 'off', or empty, got {value!r}")
        return os.fspath(value)
    if name == "traced_packages":
        if not isinstance(value, (tuple, list)) or not all(isinstance(n, str) for n in value):
            raise ArgumentError(
                f"traced_packages is a tuple of names, such as ('a',), got {value!r}"
            )
        return tuple(value)
    if not isinstance(value, bool):
        raise ArgumentError(f"{name} is True or False, got {value!r}")
    return value


class _Override:
    """The context returned by ``config(…)``: restores the previous values on exit."""

    def __init__(self, settings: Config, previous: dict[str, object]) -> None:
        self._settings = settings
        self._previous = previous

    def __enter__(self) -> Config:
        return self._settings

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for name, value in self._previous.items():
            setattr(self._settings, name, value)


class Config:
    """The settings of wengert.

    Attributes
    ----------
    cache_dir : str
        Where machine code is kept for later processes: a directory of yours, or ``"off"``. Empty,
        as at first: ``wengert`` in the user's directory for caches. Environment:
        ``WENGERT_CACHE_DIR``.
    debug_nans : bool
        Stop at the first operation, forward or backward, that makes a nan or an infinity of finite
        numbers in a function or transformation of wengert, and say where it stands; compiled
        functions run as they are meanwhile.
        Environment: ``WENGERT_DEBUG_NANS``.
    full_tracebacks : bool
        Keep the frames of wengert itself in tracebacks. Environment: ``WENGERT_FULL_TRACEBACKS``.
    max_paths : int
        So many paths through a function, taken for values that it asks for, are compiled for
        arguments of one signature; beyond them it runs as it is. Environment:
        ``WENGERT_MAX_PATHS``.
    max_specialisations : int
        Programs for so many signatures of arguments are kept for each compiled function; beyond
        them, the one that was looked up least recently goes. Environment:
        ``WENGERT_MAX_SPECIALISATIONS``.
    native : bool
        Run compiled functions as machine code; otherwise their lists are evaluated through NumPy.
        Environment: ``WENGERT_NATIVE``.
    num_threads : int
        So many threads at most share the work of a compiled loop over large arrays; 1 for none
        besides the caller's. At first, the number of processors that the process may use. Results
        are the same bits for every number. Environment: ``WENGERT_NUM_THREADS``.
    traced_packages : tuple of str
        Installed packages (top-level names) whose calls of ``np.zeros`` and its kin are treated as
        the user's own. Environment: ``WENGERT_TRACED_PACKAGES``, names separated by commas.
    verify : bool
        Check every list against its specification, after every pass. Environment:
        ``WENGERT_VERIFY``.

    Examples
    --------
    >>> import wengert as wg
    >>> with wg.config(full_tracebacks=True):
    ...     wg.config.full_tracebacks
    True
    >>> wg.config.full_tracebacks
    False
    """

    __slots__ = (
        "_before_debugging",
        "_threads",
        "cache_dir",
        "debug_nans",
        "full_tracebacks",
        "max_paths",
        "max_specialisations",
        "native",
        "traced_packages",
        "verify",
    )

    def __init__(self) -> None:
        self.cache_dir: str = os.environ.get("WENGERT_CACHE_DIR", "").strip()
        self._before_debugging: list[Callable[[], None]] = []
        self.debug_nans: bool = _environment_flag("WENGERT_DEBUG_NANS")
        self.full_tracebacks: bool = _environment_flag("WENGERT_FULL_TRACEBACKS")
        self.max_paths: int = _environment_integer("WENGERT_MAX_PATHS", 16)
        self.max_specialisations: int = _environment_integer("WENGERT_MAX_SPECIALISATIONS", 256)
        self.native: bool = _environment_flag("WENGERT_NATIVE", default=True)
        self._threads = array.array("q", [_environment_integer("WENGERT_NUM_THREADS", 0)])
        self.num_threads = self._threads[0] or _usable_cores()
        self.traced_packages: tuple[str, ...] = _environment_names("WENGERT_TRACED_PACKAGES")
        self.verify: bool = _environment_flag("WENGERT_VERIFY")

    def __setattr__(self, name: str, value: object) -> None:
        if name.startswith("_"):
            object.__setattr__(self, name, value)
            return
        if name not in self.names:
            raise AttributeError(f"config has no setting {name!r}; it has {', '.join(self.names)}")
        checked = _checked(name, value)
        if name == "debug_nans" and value:
            for function in self._before_debugging:
                function()
        object.__setattr__(self, name, checked)

    def before_debugging(self, function: Callable[[], None]) -> None:
        """Have a function called before `debug_nans` takes effect: machine code cannot ask."""
        self._before_debugging.append(function)

    @property
    def num_threads(self) -> int:
        """How many threads may share the work of a compiled loop."""
        return self._threads[0]

    @num_threads.setter
    def num_threads(self, value: int) -> None:
        self._threads[0] = value

    @property
    def threads_address(self) -> int:
        """Where machine code reads the number of threads, eight bytes."""
        return self._threads.buffer_info()[0]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the settings."""
        own = [name for name in self.__slots__ if not name.startswith("_")]
        return tuple(sorted([*own, "num_threads"]))

    def __call__(self, **changes: object) -> _Override:
        """Change settings now, and restore them when used as a context."""
        known = self.names
        unknown = [name for name in changes if name not in known]
        if unknown:
            raise ArgumentError(f"config has no setting {unknown[0]!r}; it has {', '.join(known)}")
        for name, value in changes.items():
            _checked(name, value)
        previous = {name: getattr(self, name) for name in changes}
        for name, value in changes.items():
            setattr(self, name, value)
        return _Override(self, previous)


config = Config()
