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

from typing import TYPE_CHECKING

import numpy

from ..tracing.creation import to_import

# The modules that implement NumPy's functions.
from . import (  # noqa: F401
    covariance,
    differences,
    functionals,
    histograms,
    interpolation,
    polynomials,
    sets,
    updates,
)
from .namespace import offering

if TYPE_CHECKING:
    from numpy import *  # noqa: F403
else:
    from . import fft, linalg  # noqa: F401

__getattr__, __all__ = offering(numpy, globals(), to_import)


def __dir__() -> list[str]:
    return __all__
