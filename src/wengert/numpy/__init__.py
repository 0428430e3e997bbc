"""NumPy's functions on traced values, as far as they are composed of primitives."""

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
