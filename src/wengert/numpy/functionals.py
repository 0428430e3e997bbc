"""Functions that call functions: along axes, over axes, and entry by entry.

``np.vectorize`` and ``np.frompyfunc`` run the user's Python function on every entry; here each
entry is a traced number, so that whatever the function does with it differentiates.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from ..errors import TracedWriteError
from ..ops.core_family import Signature
from ..ops.handles import as_python
from ..ops.shaping import as_array
from ..tracing.callsite import is_user_frame
from ..tracing.core import Array, Traced, is_array_kind, levels, ndim_of, raw_of, shape_of
from ..tracing.creation import carries_handles, implements_creation, originals, replace_method
from ..tracing.operators import as_operand
from ..tracing.protocols import has_traced, implements, object_ufunc

# ------------------------------------------------------------------ along and over axes


@implements_creation("apply_along_axis")
@implements(originals["apply_along_axis"])
def apply_along_axis(func1d: Any, axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    array = as_array(arr)
    ndim = ndim_of(array)
    axis = normalize_axis_index(axis, ndim)
    lanes = np.moveaxis(array, axis, -1)
    shape = shape_of(lanes)[:-1]
    if 0 in shape:
        raise ValueError("Cannot apply_along_axis when any iteration dimensions are 0")
    found = [as_array(func1d(lanes[index], *args, **kwargs)) for index in np.ndindex(shape)]
    joined = np.stack([_as_first(entry, found[0]) for entry in found])
    inner = shape_of(found[0])
    joined = np.reshape(joined, (*shape, *inner))
    places = range(axis, axis + len(inner))
    return np.moveaxis(joined, range(len(shape), len(shape) + len(inner)), places)


def _as_first(entry: Any, first: Any) -> Any:
    """Return a result in the dtype of the first one, which NumPy's buffer has."""
    wanted = first.dtype
    if entry.dtype == wanted:
        return entry
    if has_traced(entry) and wanted.kind not in "fc":
        raise TracedWriteError(
            f"the function's first result has dtype {wanted}, so NumPy stores all of them in that; "
            f"a later one is a traced {entry.dtype}, whose derivative would be dropped. Return "
            "floats each time: float literals (0.0 for 0), or otypes=[float] for np.vectorize."
        )
    return entry.astype(wanted)


@implements_creation("apply_over_axes")
@implements(originals["apply_over_axes"])
def apply_over_axes(func: Any, a: Any, axes: Any) -> Any:
    value = as_array(a)
    ndim = ndim_of(value)
    for axis in np.atleast_1d(axes):
        number = int(axis) + ndim if axis < 0 else int(axis)
        result = func(value, number)
        if ndim_of(result) != ndim_of(value):
            result = np.expand_dims(result, number)
            if ndim_of(result) != ndim_of(value):
                raise ValueError("function is not returning an array of the correct shape")
        value = result
    return value


# ------------------------------------------------------------------ entry by entry


def _entries(value: Any, keep_scalars: bool = False) -> np.ndarray[Any, Any]:
    """Return an object array of the entries as Python numbers, traced ones as traced numbers.

    With `keep_scalars`, a NumPy scalar stays one, as where NumPy makes an object array of it.
    """
    if keep_scalars and not isinstance(value, (list, tuple, str)):
        raw = raw_of(as_operand(value))
        if not is_array_kind(raw):
            made = np.empty((), object)
            made[()] = raw
            return made
    array = as_array(value)
    if not has_traced(array):
        return np.asarray(raw_of(array)).astype(object)
    made = np.empty(shape_of(array), object)
    for index in np.ndindex(made.shape):
        made[index] = as_python(array[index] if index else array)
    return made


def _collected(entries: Any, dtype: Any = None) -> Any:
    """Return an array of results, given one by one in an object array."""
    if dtype is None:
        dtype = as_array(entries.flat[0]).dtype
    if dtype.kind not in "biufc":  # texts, as long as the longest; objects
        return entries.astype(dtype.char)
    first = np.zeros((), dtype)
    found = [_as_first(as_array(entry), first) for entry in entries.ravel().tolist()]
    return np.reshape(np.stack(found), entries.shape)


def _of_objects(ufunc: np.ufunc, method: str, inputs: Sequence[Any], kwargs: Any) -> Any:
    """Run a ufunc made by ``np.frompyfunc``: traced results become an array of numbers.

    Others stay objects, as NumPy leaves them.
    """
    given = [_entries(value) if type(value) in (Array, Traced) else value for value in inputs]
    found = getattr(ufunc, method)(*given, **kwargs)
    results = tuple(
        _collected(entry)
        if isinstance(entry, np.ndarray) and has_traced(entry.ravel().tolist())
        else entry
        for entry in (found if isinstance(found, tuple) else (found,))
    )
    return results if isinstance(found, tuple) else results[0]


object_ufunc(_of_objects)


# ------------------------------------------------------------------ vectorize


def _arranged(
    vectorised: Any, args: Sequence[Any], kwargs: dict[str, Any]
) -> tuple[Callable[..., Any], list[Any]]:
    """Return the function of the arguments that vary, and these."""
    excluded = vectorised.excluded
    function = vectorised.pyfunc
    if not kwargs and not excluded:
        return function, list(args)
    names = [name for name in kwargs if name not in excluded]
    places = [i for i in range(len(args)) if i not in excluded]
    all_args = list(args)
    all_kwargs = dict(kwargs)

    def called(*varying: Any) -> Any:
        for place, value in zip(places, varying, strict=False):
            all_args[place] = value
        all_kwargs.update(zip(names, varying[len(places) :], strict=True))
        return function(*all_args, **all_kwargs)

    return called, [args[i] for i in places] + [kwargs[name] for name in names]


def _entrywise(vectorised: Any, function: Callable[..., Any], varying: list[Any]) -> Any:
    if not varying:
        return function()
    inputs = np.broadcast_arrays(*(_entries(value, True) for value in varying))
    shape = inputs[0].shape
    otypes = vectorised.otypes
    if not inputs[0].size and otypes is None:
        raise ValueError("cannot call `vectorize` on size 0 inputs unless `otypes` is set")
    if otypes is None and not vectorised.cache:
        otypes = _types_of(function(*(as_array(value)[_first(value)] for value in varying)))
    outputs = [function(*(entry[index] for entry in inputs)) for index in np.ndindex(shape)]
    count = len(otypes) if otypes is not None else 1
    if outputs:
        count = len(outputs[0]) if isinstance(outputs[0], tuple) else 1
    if otypes is not None and len(otypes) != count:
        raise ValueError("mismatch between the number of results and otypes")
    columns = (
        [outputs] if count == 1 and not _are_tuples(outputs) else list(zip(*outputs, strict=True))
    )
    results = []
    for i in range(count):
        dtype = None if otypes is None else np.dtype(otypes[i])
        if not outputs:
            results.append(np.empty(shape, dtype))
            continue
        entries = np.empty(len(outputs), object)
        for place, value in enumerate(columns[i]):
            entries[place] = value
        results.append(np.reshape(_collected(entries, dtype), shape))
    return tuple(results) if _are_tuples(outputs) or count > 1 else results[0]


def _first(value: Any) -> tuple[int, ...]:
    return (0,) * ndim_of(as_array(value))


def _types_of(results: Any) -> list[Any]:
    """Return the dtypes of a call on the first entries: NumPy makes it for these alone."""
    parts = results if isinstance(results, tuple) else (results,)
    return [as_array(part).dtype for part in parts]


def _are_tuples(outputs: list[Any]) -> bool:
    return bool(outputs) and isinstance(outputs[0], tuple)


def _by_signature(vectorised: Any, function: Callable[..., Any], varying: list[Any]) -> Any:
    """Call the function on the core dimensions that the signature names, over all others."""
    signature = Signature(vectorised.signature)
    if len(varying) != len(signature.inputs):
        raise TypeError(
            f"wrong number of positional arguments: expected {len(signature.inputs)}, "
            f"got {len(varying)}"
        )
    arrays = [as_array(value) for value in varying]
    sizes: dict[str, int] = {}
    batches = []
    for array, names in zip(arrays, signature.inputs, strict=True):
        split = ndim_of(array) - len(names)
        if split < 0:
            raise ValueError(
                f"{ndim_of(array)}-dimensional argument does not have enough dimensions for all "
                f"core dimensions {names!r}"
            )
        batches.append(shape_of(array)[:split])
        _match_sizes(sizes, names, shape_of(array)[split:])
    batch = np.broadcast_shapes(*batches)
    spread = [
        np.broadcast_to(array, batch + shape_of(array)[len(own) :])
        for array, own in zip(arrays, batches, strict=True)
    ]
    rows = []
    for index in np.ndindex(batch):
        found = function(*(array[index] for array in spread))
        parts = found if isinstance(found, tuple) else (found,)
        if len(parts) != len(signature.outputs):
            raise ValueError(
                "wrong number of outputs from pyfunc: expected "
                f"{len(signature.outputs)}, got {len(parts)}"
            )
        parts = tuple(as_array(part) for part in parts)
        for part, names in zip(parts, signature.outputs, strict=True):
            _match_sizes(sizes, names, shape_of(part))
        rows.append(parts)
    if not rows and vectorised.otypes is None:
        raise ValueError("cannot call `vectorize` on size 0 inputs unless `otypes` is set")
    results = []
    for i, names in enumerate(signature.outputs):
        dtype = rows[0][i].dtype if vectorised.otypes is None else np.dtype(vectorised.otypes[i])
        inner = tuple(sizes[name] for name in names)
        if not rows:
            results.append(np.empty((*batch, *inner), dtype))
            continue
        first = np.zeros((), dtype)
        joined = np.stack([_as_first(parts[i], first) for parts in rows])
        results.append(np.reshape(joined, (*batch, *inner)))
    return results[0] if len(results) == 1 else tuple(results)


def _match_sizes(sizes: dict[str, int], names: Sequence[str], shape: tuple[int, ...]) -> None:
    if len(names) != len(shape):
        raise ValueError(f"{len(shape)}-dimensional, but its core dimensions are {names!r}")
    for name, size in zip(names, shape, strict=True):
        if sizes.setdefault(name, size) != size:
            raise ValueError(
                f"inconsistent size for core dimension {name!r}: {size} vs {sizes[name]}"
            )


_call_of_numpy = np.vectorize.__call__


def _call_vectorised(self: Any, *args: Any, **kwargs: Any) -> Any:
    """Answer the call of an ``np.vectorize`` object, whenever it was made."""
    wanted = (
        levels.depth
        and callable(self.pyfunc)
        and (carries_handles((*args, *kwargs.values())) or is_user_frame(sys._getframe(1)))
    )
    if not wanted:
        return _call_of_numpy(self, *args, **kwargs)
    function, varying = _arranged(self, args, kwargs)
    if self.signature is not None:
        return _by_signature(self, function, varying)
    return _entrywise(self, function, varying)


replace_method(np.vectorize, "__call__", _call_vectorised)
