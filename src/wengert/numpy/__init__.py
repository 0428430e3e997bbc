"""NumPy's names, to import: ``import wengert.numpy as np``.

Plain ``import numpy as np`` differentiates as well. The difference is in what NumPy does not ask
about: inside a transformation, creation functions from here give arrays that can hold traced values
whoever calls them and however (``from wengert.numpy import zeros``, ``map(zeros, …)``, in an
installed package), and functions from here find traced numbers in lists. Outside they are NumPy's.

Examples
--------
>>> import wengert as wg
>>> import wengert.numpy as np
>>> def filled(x):
...     make = np.zeros
...     table = make(3)
...     table[1:] = x
...     return np.percentile([x, table[2], 0.0], 60.0)
>>> wg.grad(filled)(2.0)
1.0
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy

from ..tracing.creation import to_import
from ..tracing.protocols import implement_later

# The modules that implement NumPy's functions; others are imported when first asked for.
from . import differences, functionals, sets, updates  # noqa: F401
from .namespace import offering

if TYPE_CHECKING:
    from numpy import *  # noqa: F403

implement_later(
    "numpy",
    *("wengert.numpy.covariance", "wengert.numpy.histograms"),
    *("wengert.numpy.interpolation", "wengert.numpy.polynomials"),
)
_find, __all__ = offering(numpy, globals(), to_import)


def __getattr__(name: str) -> Any:
    return import_module(f".{name}", __name__) if name in ("fft", "linalg") else _find(name)


def __dir__() -> list[str]:
    return __all__
