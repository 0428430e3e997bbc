"""Whose code is it: the user's, or a library's."""

from __future__ import annotations

import os
import sys
from types import CodeType, FrameType

from ..config import config
from ..errors import PACKAGE

# Where the standard library is: asking `sysconfig` takes as long as importing ten modules.
_LIBRARY_PREFIX = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
_SITE = (os.sep + "site-packages" + os.sep, os.sep + "dist-packages" + os.sep)
# Library code that is written with NumPy's functions alone, and made of nothing that is cached.
_WRITTEN_IN_NUMPY = os.path.join("numpy", "polynomial", "")


def is_user_code(code: CodeType) -> bool:
    """Return whether code belongs to the user: not ours, the standard library's or a package's."""
    filename = code.co_filename
    if filename.startswith("<frozen"):
        return False
    if filename.startswith("<"):  # exec, the interactive prompt, a notebook
        return True
    path = os.path.abspath(filename)
    for marker in _SITE:
        if marker in path:
            inside = path.split(marker, 1)[1]
            package = inside.split(os.sep, 1)[0].removesuffix(".py")
            return package in config.traced_packages or inside.startswith(_WRITTEN_IN_NUMPY)
    return not path.startswith((_LIBRARY_PREFIX, PACKAGE))


def outside_frame() -> FrameType | None:
    """Return the innermost frame that is not ours: the code that asked."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
    return frame


_verdicts: dict[int, tuple[CodeType, tuple[str, ...], bool]] = {}


def caller_is_user() -> bool:
    """Return whether the first frame outside this package is the user's."""
    frame = outside_frame()
    return frame is None or is_user_frame(frame)


def is_user_frame(frame: FrameType) -> bool:
    """Return whether a frame runs the user's code; each piece of code is looked at once."""
    code = frame.f_code
    known = _verdicts.get(id(code))
    if known is not None and known[0] is code and known[1] is config.traced_packages:
        return known[2]
    if len(_verdicts) > 100_000:  # functions made by exec without end
        _verdicts.clear()
    verdict = is_user_code(code)
    _verdicts[id(code)] = (code, config.traced_packages, verdict)
    return verdict
