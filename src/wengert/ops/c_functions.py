"""Functions of C on numbers as lowerings: called entry by entry from native code, by address."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..ir.aval import Aval
from ..ir.emitter import Emitter

_DTYPES: dict[np.dtype[Any], Any] = {
    np.dtype(name): kind
    for name, kind in {
        "float64": ctypes.c_double,
        "float32": ctypes.c_float,
        "int64": ctypes.c_int64,
        "int32": ctypes.c_int32,
        "uint64": ctypes.c_uint64,
        "uint32": ctypes.c_uint32,
    }.items()
}


class CFunction:
    """A function of C on numbers: its values on arrays, its Avals, its native code.

    Made by `c_function`.

    Attributes
    ----------
    function : object
        What it was made of: the library, say, stays as long as its code may be called.
    address : int
        Of its machine code.
    result : dtype
    arguments : tuple of dtype
    """

    def __init__(self, function: Any, address: int, result: Any, arguments: Sequence[Any]) -> None:
        self.function = function
        self.__name__ = name = _name_of(function)
        self.address = address
        self.result = np.dtype(result)
        self.arguments = tuple(map(np.dtype, arguments))
        for dtype in (self.result, *self.arguments):
            if dtype not in _DTYPES:
                raise ArgumentError(
                    f"c_function: {name} takes or returns {dtype}; native code passes "
                    f"{', '.join(map(str, _DTYPES))}"
                )
        kinds = [_DTYPES[dtype] for dtype in (self.result, *self.arguments)]
        called = ctypes.CFUNCTYPE(*kinds)(address)
        self._on_each = np.frompyfunc(called, len(self.arguments), 1)

    def __repr__(self) -> str:
        taken = ", ".join(map(str, self.arguments))
        return f"<function of C {self.__name__}({taken}) -> {self.result}>"

    def __call__(self, *values: Any) -> Any:
        """Return the values on plain numbers or arrays, broadcast, as a ufunc does."""
        given = [
            np.asarray(value).astype(dtype)
            for value, dtype in zip(values, self.arguments, strict=True)
        ]
        return np.asarray(self._on_each(*given)).astype(self.result)[()]

    def infer(self, *avals: Aval) -> Aval:
        """Return the Aval of the result for those of the arguments."""
        shape = np.broadcast_shapes(*(aval.shape for aval in avals))
        return Aval(shape, self.result, "array" if shape else "scalar")

    def lower(self, e: Emitter, *operands: Any) -> Any:
        """Call the function for one entry: the rule for the slot ``lower``."""
        given = [e.cast(x, dtype) for x, dtype in zip(operands, self.arguments, strict=True)]
        return e.call(self.address, self.result, *given)


def c_function(
    function: Any, result: Any = None, arguments: Sequence[Any] | None = None
) -> CFunction:
    """Return a function of C on numbers, ready to be a primitive.

    Its `CFunction.lower` calls it from native code, entry by entry, without Python.

    Parameters
    ----------
    function : ctypes function, object with an ``address``, or int
        From a library that `ctypes` loaded, made by ``numba.cfunc``, or the address itself, such as
        ``int(ffi.cast("uintptr_t", f))``. It must be code that does not call Python: it runs in
        several threads at once, without the interpreter's lock.
    result : dtype, optional
        What it returns; by default what the ``restype`` of a ctypes function says.
    arguments : sequence of dtype, optional
        What it takes, by value; by default the ``argtypes``.

    Returns
    -------
    CFunction
        Callable on arrays, with the slots ``infer`` and ``lower``.

    Raises
    ------
    ArgumentError
        The types are not known, or not numbers of 32 or 64 bits.

    Examples
    --------
    >>> import ctypes, ctypes.util
    >>> import numpy as np
    >>> import wengert as wg
    >>> from wengert import extend
    >>> library = ctypes.CDLL(ctypes.util.find_library("m"))
    >>> cbrt = extend.c_function(library.cbrt, "float64", ["float64"])
    >>> cbrt_of_c = extend.elementwise(
    ...     "cbrt_of_c", numpy=cbrt, arguments=("x",), implements=False,
    ...     infer=cbrt.infer, lower=cbrt.lower,
    ...     partials=(lambda ans: 1 / (3 * ans**2),),
    ...     samples=lambda: [extend.Sample(np.array([1.0, 8.0]))])
    >>> def total(x):
    ...     return np.sum(extend.to_user(extend.bind(cbrt_of_c, x)))
    >>> wg.jit(wg.grad(total))(np.array([1.0, 8.0]))
    array([0.33333333, 0.08333333])
    """
    name = _name_of(function)
    address = getattr(function, "address", function)
    if hasattr(function, "argtypes"):  # of ctypes
        address = ctypes.cast(function, ctypes.c_void_p).value
        if result is None:
            result = _dtype_of(function.restype)
        if arguments is None and function.argtypes is not None:
            arguments = [_dtype_of(kind) for kind in function.argtypes]
    if isinstance(address, bool) or not isinstance(address, (int, np.integer)) or not address:
        raise ArgumentError(
            f"c_function takes a function of ctypes, an object with an address, or an address, got "
            f"{function!r}"
        )
    if result is None or arguments is None:
        raise ArgumentError(
            f"c_function: what {name} takes and returns is not known; say c_function(f, "
            '"float64", ["float64"]), or set restype and argtypes of a function of ctypes'
        )
    return CFunction(function, int(address), result, arguments)


def _name_of(function: Any) -> str:
    return str(getattr(function, "__name__", "f"))


def _dtype_of(kind: Any) -> Any:
    try:
        return np.dtype(kind)
    except TypeError:
        raise ArgumentError(f"c_function: {kind!r} is not a type of numbers") from None
