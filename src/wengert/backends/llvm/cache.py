"""Object code kept on disk for later processes.

An entry is named by a digest of all that the code depends on, and carries a digest of itself. Only
a directory of the user's own that nobody else can enter is used; otherwise nothing is kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
import sys
import threading
import time
from pathlib import Path

import numpy as np

from ..._version import __version__
from ...config import config
from . import engine

# What is compiled faster than it is read is not kept: short straight-line code.
_SHORT = 20_000
_MAGIC = b"wengert object 1\n"
_MOST_BYTES = 256 * 2**20
_WRITES_PER_PRUNING = 64
_A_DAY = 86_400.0

# Of this process; tests and `info` read them.
statistics = {"compiled": 0, "read": 0, "written": 0}

_lock = threading.Lock()


def object_code(text: str, level: int) -> bytes:
    """Return the object code of a module, from disk if it was compiled before."""
    if level == 0 and len(text) < _SHORT:
        return _compiled(text, level)
    directory = _directory()
    if directory is None:
        return _compiled(text, level)
    path = directory / _key(text, level)
    found = _read(path)
    if found is not None:
        statistics["read"] += 1
        return found
    code = _compiled(text, level)
    _write(directory, path, code)
    return code


def _compiled(text: str, level: int) -> bytes:
    statistics["compiled"] += 1
    return engine.assemble(text, level)


def _key(text: str, level: int) -> str:
    """Return the name of an entry: a digest of the code's text, and of what turns it into code."""
    host = engine.host()
    described = (
        __version__,
        sys.version,
        np.__version__,
        host.llvmlite,
        str(host.llvm),
        host.triple,
        host.cpu,
        host.features,
        str((engine.TARGET, engine.TUNING, engine.PASSES)),
        str(level),
        text,
    )
    digest = hashlib.sha256()
    for part in described:
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(8, "little"))
        digest.update(encoded)
    return digest.hexdigest()


# ------------------------------------------------------------------ the directory


def default_directory() -> Path:
    """Return where entries are kept if no setting says otherwise."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
    return root / "wengert"


def _directory() -> Path | None:
    """Return the directory of entries; None where there is none that is the user's alone."""
    setting = config.cache_dir
    if setting.lower() in ("off", "none", "0"):
        return None
    try:
        directory = Path(setting).expanduser() if setting else default_directory()
    except RuntimeError:  # no home
        return None
    with contextlib.suppress(OSError):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if is_private(directory):
            return directory
    return None


def is_private(directory: Path) -> bool:
    """Return whether a directory belongs to the effective user, and nobody else can enter it."""
    found = os.lstat(directory)
    if not stat.S_ISDIR(found.st_mode):
        return False
    if not hasattr(os, "geteuid"):
        return False
    return found.st_uid == os.geteuid() and not found.st_mode & 0o077


# ------------------------------------------------------------------ entries


def _read(path: Path) -> bytes | None:
    """Return the code of an entry; None if there is none, or it is not as it was written."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid():
            return None
        data = file.read()
    start = len(_MAGIC) + 32
    if (
        not data.startswith(_MAGIC)
        or hashlib.sha256(data[start:]).digest() != data[len(_MAGIC) : start]
    ):
        with contextlib.suppress(OSError):
            path.unlink()
        return None
    if time.time() - found.st_mtime > _A_DAY:  # entries in use are pruned last
        with contextlib.suppress(OSError):
            os.utime(path)
    return data[start:]


def _write(directory: Path, path: Path, code: bytes) -> None:
    """Keep code; whoever reads sees all of it or nothing."""
    temporary = directory / f"{secrets.token_hex(8)}.part"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        handle = os.open(temporary, flags, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_MAGIC + hashlib.sha256(code).digest() + code)
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink()
            raise
    except OSError:  # a full disk, say: the code is there all the same
        return
    with _lock:
        statistics["written"] += 1
        due = statistics["written"] % _WRITES_PER_PRUNING == 1
    if due:
        prune(directory, _MOST_BYTES)


def prune(directory: Path, most: int) -> None:
    """Delete the entries that were used least recently until no more than `most` bytes are left."""
    entries = []
    with contextlib.suppress(OSError):
        for entry in os.scandir(directory):
            with contextlib.suppress(OSError):
                found = entry.stat(follow_symlinks=False)
                entries.append((found.st_mtime, found.st_size, entry.path))
    total = sum(size for _, size, _ in entries)
    for _, size, name in sorted(entries):
        if total <= most:
            return
        with contextlib.suppress(OSError):
            os.unlink(name)
            total -= size
