"""Functions of BLAS and LAPACK that native code calls, by the addresses that SciPy exports.

They are loaded at first need (230 ms). Code names them ``scipy.blas.dgemm`` and the like.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
from typing import Any

_PREFIX = "scipy."
_MODULES = {"blas": "scipy.linalg.cython_blas", "lapack": "scipy.linalg.cython_lapack"}


def symbol(library: str, routine: str) -> str:
    """Return the name by which code refers to a routine, such as ``("blas", "dgemm")``."""
    return f"{_PREFIX}{library}.{routine}"


def is_library_symbol(name: str) -> bool:
    """Return whether a name that code refers to is one of `symbol`."""
    return name.startswith(_PREFIX)


@functools.cache
def address_of(name: str) -> int:
    """Return the address of a routine."""
    _, library, routine = name.split(".")
    module: Any = importlib.import_module(_MODULES[library])
    capsule = module.__pyx_capi__[routine]
    name_of = ctypes.pythonapi.PyCapsule_GetName
    name_of.restype, name_of.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
    pointer_of.restype, pointer_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    found: int = pointer_of(capsule, name_of(capsule))
    return found
