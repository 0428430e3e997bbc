"""NumPy and Python as native code sees them: fields of their objects, functions of their C API.

The offsets are those of the stable layouts of CPython and NumPy; they are checked on real objects
before anything relies on them. Where they do not hold, programs are called through Python.
"""

from __future__ import annotations

import contextvars
import ctypes
import functools
import importlib
import sys
import sysconfig
from types import FunctionType
from typing import Any

import numpy as np

from . import engine

# Positions in NumPy's table of functions, fixed by its binary interface.
_ARRAY_TYPE, _SCALAR, _NEW_COPY, _EMPTY = 2, 60, 85, 184


def _word(address: int) -> int:
    return int(ctypes.c_size_t.from_address(address).value)


def _api_table() -> int:
    capsule = importlib.import_module("numpy._core._multiarray_umath")._ARRAY_API
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype = ctypes.c_void_p
    pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    found = pointer(capsule, None)
    assert found is not None
    return int(found)


@functools.cache
def error_state() -> tuple[Any, Any]:
    """Return the context variable of NumPy's error state, and what it holds at first."""
    variable = importlib.import_module("numpy._core.umath")._extobj_contextvar
    return variable, contextvars.Context().run(variable.get)


@functools.cache
def is_known() -> bool:
    """Return whether objects of this interpreter lie in memory as the native entry reads them.

    On first success the functions of NumPy that it calls are made known to the linker.
    """
    if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        return False
    if ctypes.sizeof(ctypes.c_void_p) != 8 or not _objects_lie_as_expected():
        return False
    try:
        table = _api_table()
        error_state()
    except (ImportError, AttributeError):
        return False
    if _word(table + 8 * _ARRAY_TYPE) != id(np.ndarray):
        return False
    engine.define_symbols(
        {
            "wengert_array_type": id(np.ndarray),
            "wengert_array_scalar": _word(table + 8 * _SCALAR),
            "wengert_array_copy": _word(table + 8 * _NEW_COPY),
            "wengert_array_empty": _word(table + 8 * _EMPTY),
        }
    )
    return True


# How far behind an object's address its type is, and what a cell holds.
TYPE_PLACE, CELL_PLACE = 8, 16


@functools.cache
def code_place() -> int:
    """Return how far behind a function's address the address of its code is; 0 if it is unknown."""
    function = code_place.__wrapped__
    places = range(CELL_PLACE, FunctionType.__basicsize__, 8)
    return next((n for n in places if _word(id(function) + n) == id(function.__code__)), 0)


def _objects_lie_as_expected() -> bool:
    array = np.arange(6, dtype=np.int32).reshape(2, 3)
    at = id(array)
    lengths = _word(at + 32)
    right = _word(at + 8) == id(np.ndarray) and _word(at + 16) == array.ctypes.data
    right = right and ctypes.c_int.from_address(at + 24).value == 2
    right = right and (_word(lengths), _word(lengths + 8)) == (2, 3)
    right = right and _word(at + 56) == id(array.dtype)
    right = right and ctypes.c_int.from_address(at + 64).value & 0x101 == 0x101
    turned = array.T
    right = right and ctypes.c_int.from_address(id(turned) + 64).value & 0x101 == 0x100
    pair, both = (1.5, None), [1.5, None]
    right = right and (_word(id(pair) + 16), _word(id(pair) + 24)) == (2, id(pair[0]))
    right = right and (_word(id(both) + 16), _word(_word(id(both) + 24))) == (2, id(both[0]))
    right = right and ctypes.c_double.from_address(id(pair[0]) + 16).value == 1.5
    z = complex(1.5, -2.5)
    right = right and ctypes.c_double.from_address(id(z) + 24).value == -2.5
    scalars: list[Any] = [
        np.float32(1.5),
        np.float64(1.5),
        np.int8(-3),
        np.uint64(7),
        np.bool_(True),
    ]
    scalars += [np.complex64(1.5 - 2j), np.complex128(1.5 - 2j), np.int32(5), np.longlong(5)]
    for scalar in scalars:
        held = ctypes.string_at(id(scalar) + 16, scalar.itemsize)
        right = right and held == scalar.tobytes()
    cell = (lambda: array).__closure__[0]  # type: ignore[index]
    right = right and code_place() > 0
    return right and _word(id(cell) + CELL_PLACE) == id(array)
