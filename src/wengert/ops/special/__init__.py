"""The functions of `scipy.special`; loaded when one of them meets a handle (SciPy takes 0.1 s)."""

from . import bessel, elementary, error_functions, gamma_functions, integrals  # noqa: F401
