"""Settings, as attributes, as a context and as environment variables ``WENGERT_…``.

Holds only options that something reads.
"""

from __future__ import annotations

import os
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
    full_tracebacks : bool
        Keep the frames of wengert itself in tracebacks. Environment: ``WENGERT_FULL_TRACEBACKS``.
    max_paths : int
        So many paths through a function, taken for values that it asks for, are compiled for
        arguments of one signature; beyond them it runs as it is. Environment:
        ``WENGERT_MAX_PATHS``.
    native : bool
        Run compiled functions as machine code; otherwise their lists are evaluated through NumPy.
        Environment: ``WENGERT_NATIVE``.
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

    __slots__ = ("cache_dir", "full_tracebacks", "max_paths", "native", "traced_packages", "verify")

    def __init__(self) -> None:
        self.cache_dir: str = os.environ.get("WENGERT_CACHE_DIR", "").strip()
        self.full_tracebacks: bool = _environment_flag("WENGERT_FULL_TRACEBACKS")
        self.max_paths: int = _environment_integer("WENGERT_MAX_PATHS", 16)
        self.native: bool = _environment_flag("WENGERT_NATIVE", default=True)
        self.traced_packages: tuple[str, ...] = _environment_names("WENGERT_TRACED_PACKAGES")
        self.verify: bool = _environment_flag("WENGERT_VERIFY")

    def __call__(self, **changes: object) -> _Override:
        """Change settings now, and restore them when used as a context."""
        unknown = [name for name in changes if name not in self.__slots__]
        if unknown:
            raise ArgumentError(
                f"config has no setting {unknown[0]!r}; it has {', '.join(self.__slots__)}"
            )
        previous = {name: getattr(self, name) for name in changes}
        for name, value in changes.items():
            setattr(self, name, value)
        return _Override(self, previous)


config = Config()
