"""The names of ``numpy.fft``, to import."""

from typing import TYPE_CHECKING

import numpy.fft

from .namespace import offering

if TYPE_CHECKING:
    from numpy.fft import *  # noqa: F403

__getattr__, __all__ = offering(numpy.fft, globals())


def __dir__() -> list[str]:
    return __all__
