"""The names of ``numpy.linalg``, to import."""

from typing import TYPE_CHECKING

import numpy.linalg

from .namespace import offering

if TYPE_CHECKING:
    from numpy.linalg import *  # noqa: F403

__getattr__, __all__ = offering(numpy.linalg, globals())


def __dir__() -> list[str]:
    return __all__
