"""Compiled code of other libraries that native code calls, by address.

Functions of BLAS and LAPACK are those that SciPy exports, loaded at first need (230 ms); code names
them ``scipy.blas.dgemm`` and the like, and those of ``scipy.special`` likewise. The loops behind
``np.linalg`` stand in its ufuncs; code names them ``numpy.solve.dd``, with the letters of the
inputs.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import platform
import re
import sys
from typing import Any

import numpy as np

_MODULES = {
    "blas": "scipy.linalg.cython_blas",
    "lapack": "scipy.linalg.cython_lapack",
    "special": "scipy.special.cython_special",
}

# Where the flag of invalid operations is bit 0, and its functions stand in the process.
_MACHINES = frozenset({"x86_64", "AMD64", "arm64", "aarch64"})


def symbol(library: str, routine: str) -> str:
    """Return the name by which code refers to a routine, such as ``("blas", "dgemm")``."""
    return f"scipy.{library}.{routine}"


def loop_symbol(name: str, letters: str) -> str:
    """Return the name by which code refers to a loop of ``np.linalg``."""
    return f"numpy.{name}.{letters}"


def address_symbol(address: int) -> str:
    """Return the name by which code refers to a function of the caller's, of this process alone."""
    return f"address.{address:x}.function"


def is_library_symbol(name: str) -> bool:
    """Return whether a name that code refers to is one of those that this module gives."""
    return name.startswith(("scipy.", "numpy.", "address."))


@functools.cache
def address_of(name: str) -> int:
    """Return the address of a routine or loop."""
    library, group, routine = name.split(".")
    if library == "address":
        return int(group, 16)
    if library == "numpy":
        address = _loop_address(group, routine)
        assert address is not None, name
        return address
    capsule = _exported(group)[routine]
    pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
    pointer_of.restype, pointer_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    found: int = pointer_of(capsule, _signature(capsule))
    return found


def _exported(group: str) -> dict[str, Any]:
    module: Any = importlib.import_module(_MODULES[group])
    found: dict[str, Any] = module.__pyx_capi__
    return found


def _signature(capsule: Any) -> bytes:
    name_of = ctypes.pythonapi.PyCapsule_GetName
    name_of.restype, name_of.argtypes = ctypes.c_char_p, [ctypes.py_object]
    found: bytes = name_of(capsule)
    return found


# How SciPy names the versions of a function for several types.
_VERSIONS = ("{}", *(f"__pyx_fuse_{n}{{}}" for n in ("0", "1", "2", "0_1", "1_1", "2_1")))


@functools.cache
def special_symbol(name: str, kind: str, count: int) -> str | None:
    """Return the name of a function of `scipy.special` of `count` numbers, None if there is none.

    `kind` is ``"double"`` or ``"float"``. Behind the numbers stands an integer of no meaning.
    """
    wanted = f"{kind} ({f'{kind}, ' * count}int __pyx_skip_dispatch)".encode()
    exported = _exported("special")
    for version in _VERSIONS:
        routine = version.format(name)
        if routine in exported and _signature(exported[routine]) == wanted:
            return symbol("special", routine)
    return None


# ------------------------------------------------------------------ loops of ufuncs

Cores = tuple[tuple[str, ...], ...]


@functools.cache
def loop_signature(name: str, letters: str) -> tuple[Cores, Cores, str] | None:
    """Return the names of the sizes of a loop's inputs and outputs, and its outputs' letters.

    None where this NumPy has no such loop, or lays out its ufuncs otherwise than is known.
    """
    if _loop_address(name, letters) is None:
        return None
    ufunc = _ufunc(name)
    given, made = (
        tuple(tuple(re.findall(r"\w+", core)) for core in re.findall(r"\(([^)]*)\)", side))
        for side in ufunc.signature.split("->")
    )
    (types,) = (types for types in ufunc.types if types.startswith(f"{letters}->"))
    return given, made, types.partition("->")[2]


def _ufunc(name: str) -> Any:
    return getattr(importlib.import_module("numpy.linalg._umath_linalg"), name)


def _loop_address(name: str, letters: str) -> int | None:
    """Return the address of a loop, read from the ufunc once its fields are what they should be."""
    if (
        sys.implementation.name != "cpython"
        or sys.platform == "win32"
        or platform.machine() not in _MACHINES
        or ctypes.sizeof(ctypes.c_void_p) != 8
        or not hasattr(ctypes.CDLL(None), "fetestexcept")
    ):
        return None
    try:
        ufunc = _ufunc(name)
    except (ImportError, AttributeError):
        return None
    inputs = [types.partition("->")[0] for types in ufunc.types]
    if not isinstance(ufunc, np.ufunc) or letters not in inputs:
        return None
    number, base = inputs.index(letters), id(ufunc)
    counts = [ctypes.c_int.from_address(base + offset).value for offset in (16, 20, 24, 48)]
    if counts != [ufunc.nin, ufunc.nout, ufunc.nargs, ufunc.ntypes]:
        return None
    functions, data, types = (
        int(ctypes.c_size_t.from_address(base + offset).value) for offset in (32, 40, 64)
    )
    codes = ctypes.string_at(types + number * ufunc.nargs, ufunc.nargs)
    if list(codes) != [np.dtype(c).num for c in ufunc.types[number].replace("->", "")]:
        return None
    if data and ctypes.c_size_t.from_address(data + 8 * number).value:
        return None
    return int(ctypes.c_size_t.from_address(functions + 8 * number).value) or None
