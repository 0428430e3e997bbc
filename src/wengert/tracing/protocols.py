"""NumPy's dispatch protocols: ufuncs and functions called on handles find our implementations.

The tables are filled by `ops` and `numpy`; nothing here knows a primitive.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from threading import RLock, get_ident
from types import FunctionType
from typing import Any

import numpy as np

from ..errors import MissingRuleError
from ..ir.aval import Aval, aval_of, promotion_operand
from ..ir.loading import load, put
from ..ir.primitive import registry
from .callsite import caller_is_user, is_user_code
from .core import Array, Traced, bind, bind_one, raw_of, read_handle, to_user, write_handle
from .keys import known_value
from .operators import as_operand, process_pair
from .refusals import write_refusal

ufuncs: dict[np.ufunc, Callable[..., Any]] = {}
ufunc_methods: dict[str, Callable[..., Any]] = {}
functions: dict[Any, Callable[..., Any]] = {}
# Functions that write to their first argument.
_WRITERS = frozenset({np.copyto, np.put, np.place, np.putmask, np.put_along_axis, np.fill_diagonal})
constant_functions: set[Any] = set()

# By the module that implements functions, the module that has them.
_later: dict[str, str] = {}
# Threads that import such modules now, to which NumPy is as it always is.
loading: set[int] = set()
# One thread loads at a time: another one would meet functions whose modules run yet.
_turn = RLock()


def implement_later(module: str, *implementing: str) -> None:
    """Have modules imported when an unknown function of `module` is met, which has been by then."""
    _later.update(dict.fromkeys(implementing, module))


def load_later(wanted: str | None = None) -> bool:
    """Import what implements functions of NumPy and of modules imported by now, or of one module.

    Return whether there was anything to import. What a module registered that fails is taken back,
    and the module is imported again the next time.
    """
    thread = get_ident()
    ready = _ready(wanted)
    if not ready or thread in loading:
        return False
    with _turn:
        try:
            loading.add(thread)
            for name in ready:
                load(name)
                _later.pop(name, None)
        finally:
            loading.discard(thread)
    return True


def _ready(wanted: str | None) -> list[str]:
    """Return the modules that `load_later` imports."""
    return [
        name
        for name, module in tuple(_later.items())
        if (wanted == module if wanted is not None else module in sys.modules or "numpy" in module)
    ]


registry.completed_by(load_later)


def implements(*numpy_functions: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate the implementation of NumPy functions; it gets and gives user-level values.

    Parameters
    ----------
    *numpy_functions : callable
        Functions that dispatch by ``__array_function__``; ufuncs are answered by
        `wengert.extend.elementwise`.

    Returns
    -------
    callable
        A decorator that returns the function as it is. It is called in place of NumPy's whenever
        an argument is traced, with the arguments as the user gave them.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> from numpy.polynomial import polynomial
    >>> from wengert import extend
    >>> @extend.implements(polynomial.polyval2d)
    ... def polyval2d(x, y, c):
    ...     rows, columns = np.shape(c)
    ...     return x ** np.arange(rows) @ c @ y ** np.arange(columns)
    >>> c = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> wg.grad(polynomial.polyval2d, argnums=(0, 1))(2.0, 3.0, c)
    (15.0, 10.0)
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        for numpy_function in numpy_functions:
            put(functions, numpy_function, function)
        return function

    return decorate


def implements_constant(*numpy_functions: Any) -> None:
    """Declare functions whose result carries no derivative: they run on the plain values."""
    constant_functions.update(numpy_functions)


def has_traced(value: Any) -> bool:
    """Return whether a value, or an entry of a list, tuple or dictionary, is traced."""
    kind = type(value)
    if kind is Array or kind is Traced:
        return type(raw_of(value)) is Traced
    if kind is list or kind is tuple:
        return any(has_traced(entry) for entry in value)
    if kind is dict:
        return any(has_traced(entry) for entry in value.values())
    return False


def plain_of(value: Any, purpose: str = "a NumPy function without derivative") -> Any:
    """Return `value` with handles and traced values replaced by their plain values."""
    kind = type(value)
    if kind is Array or kind is Traced:
        return known_value(value, purpose)
    if kind is list or kind is tuple:
        return kind(plain_of(entry, purpose) for entry in value)
    if kind is dict:
        return {key: plain_of(entry, purpose) for key, entry in value.items()}
    return value


def _missing(name: str, signature: str) -> MissingRuleError:
    return MissingRuleError(
        f"{name} was called on traced values ({signature}) and has no derivative rule. Write it "
        "with functions that have one, or add a rule (see docs/adding-a-primitive.md), or say "
        f"wengert.stop_gradient(x) for its arguments if they are constants here."
    )


def _ufunc_name(ufunc: np.ufunc) -> str:
    """Return the name of a ufunc, with its module where that is NumPy."""
    name = ufunc.__name__
    return f"numpy.{name}" if getattr(np, name, None) is ufunc else f"the ufunc {name}"


def _signature(values: tuple[Any, ...]) -> str:
    return ", ".join(
        str(aval_of(raw_of(value))) if type(value) in (Array, Traced) else type(value).__name__
        for value in values
    )


def array_function(
    self: Any, function: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Answer a NumPy function called on a handle."""
    implementation = functions.get(function)
    if implementation is None and load_later(getattr(function, "__module__", "numpy")):
        implementation = functions.get(function)
    if implementation is None and isinstance(
        own := getattr(function, "_implementation", None), FunctionType
    ):
        # Code that may run on traced values as it is, as the user's does (numpy.polynomial).
        implementation = own if is_user_code(own.__code__) else None
    if implementation is not None and (
        type(raw_of(self)) is Traced  # it is one of the arguments
        or has_traced(args)
        or has_traced(kwargs)
        or caller_is_user()
    ):
        return implementation(*args, **kwargs)
    name = f"{getattr(function, '__module__', 'numpy')}.{function.__name__}"
    if function in constant_functions or not (has_traced(args) or has_traced(kwargs)):
        purpose = f"{name} (which has no derivative)"
        return to_user(function(*plain_of(args, purpose), **plain_of(kwargs, purpose)))
    if function in _WRITERS and type(args[0]) is not Array:
        raise write_refusal(*args)
    raise _missing(name, _signature(args))


def array_ufunc(self: Any, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """Answer a ufunc, or one of its methods, called on a handle."""
    if method == "__call__":
        implementation = ufuncs.get(ufunc)
        if implementation is None and load_later():
            implementation = ufuncs.get(ufunc)
        if implementation is not None:
            if kwargs:
                return _call_with_keywords(ufunc, implementation, inputs, kwargs)
            found = implementation(*inputs)
            return found if type(found) is Array else to_user(found)
        if _is_of_objects(ufunc):
            return object_ufuncs[0](ufunc, method, inputs, kwargs)
    elif _is_of_objects(ufunc):
        return object_ufuncs[0](ufunc, method, inputs, kwargs)
    elif method in ufunc_methods and (method == "at" or has_traced((inputs, kwargs))):
        return ufunc_methods[method](ufunc, *inputs, **kwargs)
    if has_traced(inputs) or has_traced(kwargs):
        name = _ufunc_name(ufunc)
        raise _missing(name if method == "__call__" else f"{name}.{method}", _signature(inputs))
    return _call_on_constants(getattr(ufunc, method), inputs, kwargs)


object_ufuncs: list[Callable[..., Any]] = []


def object_ufunc(run: Callable[..., Any]) -> None:
    """Answer ufuncs that ``np.frompyfunc`` made: ``run(ufunc, method, inputs, keywords)``."""
    object_ufuncs[:] = [run]


def _is_of_objects(ufunc: np.ufunc) -> bool:
    return len(ufunc.types) == 1 and not ufunc.types[0].strip("O->")


def _call_on_constants(
    function: Callable[..., Any], inputs: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Run NumPy on constant cells; results written to ``out=`` go through its handle."""
    out = kwargs.pop("out", None)
    result = function(*plain_of(inputs), **plain_of(kwargs))
    if out is None:
        if function.__name__ == "at" and type(inputs[0]) is Array:
            return None
        return to_user(result)
    targets = out if isinstance(out, tuple) else (out,)
    return store_results(targets, result if isinstance(result, tuple) else (result,))


def _call_with_keywords(
    ufunc: np.ufunc,
    implementation: Callable[..., Any],
    inputs: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Apply ``out=``, ``where=``, ``dtype=`` and ``casting=`` around a rule that knows none."""
    out = kwargs.pop("out", None)
    where = kwargs.pop("where", True)
    dtype = kwargs.pop("dtype", None)
    signature = kwargs.pop("signature", kwargs.pop("sig", None))
    casting = kwargs.pop("casting", "same_kind")
    kwargs.pop("subok", None)
    kwargs.pop("order", None)
    own = {key: kwargs.pop(key) for key in getattr(implementation, "keywords", ()) if key in kwargs}
    if kwargs:
        raise _missing(f"{_ufunc_name(ufunc)} with {', '.join(kwargs)}=", _signature(inputs))
    if dtype is not None or signature is not None:
        inputs = _cast_to_loop(ufunc, inputs, dtype, signature, casting)
    if where is True:
        result = to_user(implementation(*inputs, **own))
    else:
        with np.errstate(all="ignore"):  # NumPy does not compute the entries that are left out
            result = to_user(implementation(*inputs, **own))
    results = result if isinstance(result, tuple) else (result,)
    targets = out if out is not None else (None,) * len(results)
    if where is not True:
        results = tuple(
            _where_asked(where, value, target)
            for value, target in zip(results, targets, strict=True)
        )
    if out is None:
        return results if isinstance(result, tuple) else results[0]
    return store_results(targets, results, casting)


def _where_asked(where: Any, value: Any, target: Any) -> Any:
    """Return `value` where it was asked for, elsewhere `target`, or zeros where there is none."""
    found = getattr(where, "dtype", np.dtype(bool))
    if found != np.bool_:
        raise TypeError(
            f"Cannot cast array data from {found!r} to dtype('bool') according to the rule 'safe'"
        )
    chosen = np.where(where, value, np.zeros_like(value) if target is None else target)
    return chosen[()] if target is None and not np.ndim(chosen) else chosen


def _cast_to_loop(
    ufunc: np.ufunc, inputs: tuple[Any, ...], dtype: Any, signature: Any, casting: Any
) -> tuple[Any, ...]:
    """Return the operands in the dtypes of the loop that ``dtype=`` or ``signature=`` asks for."""
    results = (None,) * ufunc.nout
    if isinstance(signature, str):
        signature = tuple(signature.replace("->", ""))
    elif signature is None:
        signature = (None,) * ufunc.nin + (dtype,) * ufunc.nout
    signature = tuple(None if entry is None else np.dtype(entry) for entry in signature)
    operands = [as_operand(value) for value in inputs]
    avals = [aval_of(raw_of(operand)) for operand in operands]
    given = tuple(promotion_operand(aval) for aval in avals)
    loop = ufunc.resolve_dtypes((*given, *results), signature=signature, casting=casting)
    return tuple(
        operand if aval.dtype == wanted and aval.kind != "python" else _cast(operand, wanted)
        for operand, aval, wanted in zip(operands, avals, loop, strict=False)
    )


def _cast(operand: Any, dtype: np.dtype[Any]) -> Any:
    if type(operand) is Array or type(operand) is Traced:
        return operand.astype(dtype)
    return np.asarray(operand).astype(dtype)[()]


def store_results(
    targets: tuple[Any, ...], results: tuple[Any, ...], casting: Any = "same_kind"
) -> Any:
    """Write results into the arrays given as ``out=`` and return those."""
    given = []
    for target, value in zip(targets, results, strict=True):
        if target is None:
            given.append(value)
            continue
        if type(target) is not Array:
            if has_traced(value):
                raise write_refusal(value)
            np.copyto(target, plain_of(value), casting=casting)
            given.append(target)
            continue
        found = aval_of(raw_of(value)).dtype
        if not np.can_cast(found, target.dtype, casting):
            raise TypeError(
                f"Cannot cast output from {found} to {target.dtype} with casting rule {casting!r}"
            )
        write_handle(target, (("index", Ellipsis),), value)
        given.append(target)
    return given[0] if len(given) == 1 else tuple(given)


def implement_ufunc(ufunc: np.ufunc, implementation: Callable[..., Any]) -> None:
    """Answer calls of `ufunc`; the implementation gets user-level operands, gives raw results."""
    put(ufuncs, ufunc, implementation)


def primitive_call(primitive: Any, as_numpy: Callable[[Any], Any]) -> Callable[..., Any]:
    """Return the implementation of a ufunc by one primitive.

    A ufunc makes NumPy scalars of Python numbers where an operator would keep them; `as_numpy`
    does that when every operand is a Python number.
    """

    def call(*inputs: Any) -> Any:
        # The short ways: one traced value, or two operands of which one is an array.
        if len(inputs) == 1:
            only = inputs[0]
            raw = read_handle(only) if type(only) is Array else only
            if type(raw) is Traced:
                kind = type(raw._below)
                if kind is np.ndarray or kind is np.float64:
                    found = bind_one(primitive, raw, {})
                    if type(found) is Traced and type(found._below) is np.ndarray:
                        return Array(found)
                    return found
                if not _is_python(raw):
                    return bind_one(primitive, raw, {})
        elif len(inputs) == 2 and (type(inputs[0]) is Array or type(inputs[1]) is Array):
            found = process_pair(primitive, *inputs)
            if found is not None:
                return found
        operands = [as_operand(value) for value in inputs]
        python = True
        for operand in operands:
            if operand is NotImplemented:
                raise TypeError(
                    f"{primitive.name} does not take operands of type "
                    f"{', '.join(type(value).__name__ for value in inputs)}"
                )
            python = python and _is_python(operand)
        if python:
            operands = [as_numpy(operand) for operand in operands]
        return bind(primitive, *operands)

    return call


def _is_python(operand: Any) -> bool:
    kind = type(operand)
    if kind is float or kind is int:
        return True
    if kind is Traced:
        while type(operand) is Traced:
            operand = operand._below
        kind = type(operand)
        return kind is float or kind is complex or (kind is Aval and bool(operand.kind == "python"))
    return kind in (complex, bool)


@implements(np.shape)
def shape(a: Any) -> tuple[int, ...]:
    return aval_of(raw_of(a)).shape


@implements(np.ndim)
def ndim(a: Any) -> int:
    return aval_of(raw_of(a)).ndim


@implements(np.size)
def size(a: Any, axis: int | None = None) -> int:
    known = aval_of(raw_of(a))
    return known.size if axis is None else known.shape[axis]


for _kind in (Array, Traced):
    setattr(_kind, "__array_ufunc__", array_ufunc)  # noqa: B010
    setattr(_kind, "__array_function__", array_function)  # noqa: B010
