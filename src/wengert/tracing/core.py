"""Traces, traced values, the user's mutable array handle, and ``bind``, which dispatches.

`Traced` is immutable and is all that levels, rows and residuals ever hold. `Array` is the user's
handle on one: it gives arrays their in-place writes and views. Scalars are immutable in NumPy, so
the user holds their `Traced` itself. Operators and methods of both are filled by table (`ops`).
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from threading import get_ident
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import AliasingError, LeakedArrayError
from ..ir.aval import Aval, aval_of, register_aval_type
from ..ir.paths import Path, Step, follow, is_read_only
from ..ir.primitive import Primitive
from .aliases import refuse_unknown_alias
from .callsite import caller_is_user

REAL_SCALARS = frozenset({float, np.float64})
PLAIN_SCALARS = frozenset(
    {float, int, complex, np.float64, np.float32, np.complex128, np.int64, np.bool_, bool}
)


class Trace:
    """One active transformation in one thread. Subclasses say how it processes an operation.

    ``thread`` is the identity of the thread while the trace is alive and None afterwards, so that
    one comparison finds both leaked and foreign values.
    """

    __slots__ = ("description", "level", "scalar_rows", "thread", "warns")
    stages = False  # whether values are known by their Avals only
    batches = False  # whether a value stands for one value an example
    is_of_high_order = False  # whether derivatives beyond the first are taken

    def __init__(self, description: Callable[..., Any] | str = "a transformation") -> None:
        self.description = description
        self.level = 0
        self.thread: int | None = None
        self.warns = False  # whether rules may meet NumPy's floating-point warnings
        # The list of rows, to which the operators add ``x, y, ans, position, position, pull`` for
        # two real scalars: no row, so that the garbage collector has nothing to look at. The second
        # position is None for one traced operand; the output's is that of the pull. None where
        # every operation goes to `process`.
        self.scalar_rows: list[Any] | None = None

    def process(self, primitive: Primitive, args: list[Any], params: dict[str, Any]) -> Any:
        """Carry out `primitive`; at least one of `args` is a Traced of this trace."""
        raise NotImplementedError

    def pair(self, primitive: Primitive, x: Any, y: Any) -> Any:
        """Carry out an elementwise primitive of two operands.

        Each is of this trace, plain, or of a trace around it; one at least is of this trace.
        """
        return self.process(primitive, [x, y], {})

    def demand(self, traced: Traced, purpose: str) -> Any:
        """Answer a program that asks for the value of `traced`, a value of this trace.

        Derivatives know their values: what is one level down, which may be asked again.
        """
        return traced._below

    def peek(self, traced: Traced) -> Any:
        """Return what is shown of a value of this trace, which may be asked again."""
        return traced._below

    def before_derivative(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return what a derivative inside takes a function for: itself, unless it is staged."""
        return function

    def note_overlap(self, traced: Traced) -> None:
        """Take note that a copy of an argument is written, which must not overlap others."""

    def lower(self, value: Any) -> Any:
        """Return the value one level down of an operand: itself when it is a constant here."""
        if type(value) is Traced:
            trace = value._trace
            if trace is self:
                return value._below
            if trace.level >= self.level or trace.thread is None:
                raise leak_error(trace)
        return value


class Traced:
    """A value inside a transformation: its trace, its value one level down, and a payload.

    The payload is what the trace needs: a tangent, a position on a list, a variable. A length (the
    modulus of a number, say) may have ``_smooth_square``, a function that gives its square.
    """

    # The underscores hide these from the user's code alone, where ``getattr(x, "value", x)`` must
    # find what it finds on a number: nothing. The modules of this package read and set them.
    __slots__ = ("_below", "_payload", "_smooth_square", "_trace")

    if TYPE_CHECKING:  # filled by table

        def __getattr__(self, name: str) -> Any: ...

    def __init__(self, trace: Trace, value: Any, payload: Any) -> None:
        self._trace = trace
        self._below = value
        self._payload = payload

    def __hash__(self) -> int:  # a number has one; equal ones with different derivatives would mix
        raise TypeError(
            f"a traced value ({aval_of(self)}) cannot be a key: of a dictionary, a set, or a cache "
            "(functools.lru_cache, functools.cache). Use what it was computed from as the key, or "
            "take the cache off this function."
        )

    @property  # type: ignore[misc]
    def __class__(self) -> Any:  # what `isinstance` in the user's code asks
        return _class_of(innermost(self))


class Batched:
    """What a traced value of a batching trace stands for: many examples along one axis.

    ``_below`` is one level down and has the batch axis at `axis`; `aval` is that of one example. It
    ends the way down to a plain value (`innermost`): like an Aval, it has no value of its own.
    """

    __slots__ = ("_below", "aval", "axis")

    def __init__(self, value: Any, axis: int, aval: Aval) -> None:
        self._below = value
        self.axis = axis
        self.aval = aval

    @property
    def shape(self) -> tuple[int, ...]:
        return self.aval.shape

    @property
    def ndim(self) -> int:
        return len(self.aval.shape)

    @property
    def dtype(self) -> Any:
        return self.aval.dtype

    def __repr__(self) -> str:
        return f"Batched({self.aval}, axis={self.axis})"


def innermost(value: Any) -> Any:
    """Return what is below all traces: the plain value, the Aval when staging, or a `Batched`."""
    while type(value) is Traced:
        value = value._below
    return value


def is_unknown(plain: Any) -> bool:
    """Return whether what `innermost` found is no plain value: an Aval or a `Batched`."""
    return type(plain) is Aval or type(plain) is Batched


def shape_of(value: Any) -> tuple[int, ...]:
    """Return ``np.shape(value)``, without a dispatch for handles and traced values."""
    if type(value) is Array:
        value = read_handle(value)
    while type(value) is Traced:
        value = value._below
    if type(value) is np.ndarray or type(value) is Aval or type(value) is Batched:
        return value.shape
    return np.shape(value)


def ndim_of(value: Any) -> int:
    """Return ``np.ndim(value)``, without a dispatch for handles and traced values."""
    return len(shape_of(value))


def _class_of(plain: Any) -> type:
    if type(plain) is Batched:
        plain = plain.aval
    if type(plain) is Aval:
        if plain.kind == "python":
            return {"f": float, "i": int, "c": complex, "b": bool}[plain.dtype.kind]
        return plain.dtype.type if plain.kind == "scalar" else np.ndarray
    return type(plain)


def is_array_kind(raw: Any) -> bool:
    """Return whether a raw value (Traced or plain) is of kind array."""
    while type(raw) is Traced:
        raw = raw._below
    plain = raw
    kind = type(plain)
    if kind is Aval:
        return bool(plain.kind == "array")
    if kind in PLAIN_SCALARS or isinstance(plain, np.generic):
        return False
    if kind is Batched:
        return bool(plain.aval.kind == "array")
    return True


class Array:
    """An array inside a transformation: a mutable handle on a traced or constant value.

    A handle is its own root, or a view: a root and a path to follow from it, with ``indices`` for
    the path's index operands. A view caches what it read in ``_below``; a write to the root takes
    that away from every view. A root whose value is a plain array is a *constant cell*.
    """

    __slots__ = (  # underscores for the reason that `Traced` gives
        *("__weakref__", "_below", "_indices", "_path", "_relatives"),
        *("_root", "_siblings", "_views"),
    )
    __hash__ = None  # type: ignore[assignment]

    if TYPE_CHECKING:  # filled by table

        def __getattr__(self, name: str) -> Any: ...

    def __init__(self, value: Any) -> None:
        self._below = value
        self._root: Array | None = None
        self._path: Path = ()
        self._indices: tuple[Any, ...] = ()
        self._views: list[weakref.ref[Array]] | None = None
        self._siblings: tuple[Any, ...] | None = None
        self._relatives: list[weakref.ref[Array]] | None = None

    @property  # type: ignore[misc]
    def __class__(self) -> Any:  # so that `isinstance(x, np.ndarray)` holds in the user's code
        return np.ndarray


register_aval_type(Batched)
register_aval_type(Traced, lambda traced: aval_of(innermost(traced)))
register_aval_type(Array, lambda handle: aval_of(innermost(read_handle(handle))))


def read_handle(handle: Array) -> Any:
    """Return the raw value (Traced or plain) that a handle stands for now."""
    value = handle._below
    if value is not None:  # not a view that was not read since its root was written
        return value
    root: Any = handle._root
    read = _path_primitives["read"]
    if handle._indices:
        handle._below = value = bind(read, root._below, *handle._indices, path=handle._path)
    else:
        handle._below = value = bind_one(read, root._below, {"path": handle._path})
    if root._views is None:
        root._views = []
    elif len(root._views) >= 32 and len(root._views) & (len(root._views) - 1) == 0:
        root._views = [reference for reference in root._views if reference() is not None]
    root._views.append(weakref.ref(handle))
    return value


def make_view(handle: Array, step: Step, indices: tuple[Any, ...] = ()) -> Array:
    """Return a handle on the part of `handle` that `step` leads to; it sees and makes writes.

    `indices` are the values of the step's index operands, numbered after those of `handle`.
    """
    root = handle if handle._root is None else handle._root
    path = (*handle._path, step) if handle._path else (step,)
    if handle._indices:
        indices = (*handle._indices, *indices)
    if type(root._below) is not Traced and not (indices or caller_is_user()):
        # Library code that was handed a constant cell goes on with NumPy's own arrays.
        return follow(root._below, path)  # type: ignore[no-any-return]
    view = Array(None)
    view._root = root
    view._path = path
    view._indices = indices
    read_handle(view)
    return view


_path_primitives: dict[str, Primitive] = {}


def install_path_primitives(read: Primitive, write: Primitive) -> None:
    """Give the handles the two primitives that views and writes are made of (called by `ops`)."""
    _path_primitives["read"] = read
    _path_primitives["write"] = write


def write_handle(handle: Array, steps: Path, value: Any, indices: tuple[Any, ...] = ()) -> None:
    """Write `value` to the part of `handle` that `steps` lead to.

    `indices` are the values of the steps' index operands, numbered after those of `handle`.
    """
    root = handle if handle._root is None else handle._root
    if handle._path and is_read_only(handle._path):
        raise ValueError(
            "assignment destination is read-only: it is a view made by diagonal or broadcasting; "
            "write to a copy, x.copy(), or to the array it was made from"
        )
    path = (*handle._path, *steps)
    raw = detached(raw_of(value))
    if root._views is not None:
        # Their cached values are views of the buffer and stale from now on: letting go of them
        # here is what allows the write in place.
        for reference in root._views:
            view = reference()
            if view is not None:
                view._below = None
        root._views = None
    if root._siblings is not None:
        refuse_overlap(root)
    if root._relatives is not None:
        refuse_unknown_alias(root)
    in_place = is_exclusive(root._below)
    write = _path_primitives["write"]
    if indices or handle._indices:
        indices = (*handle._indices, *indices)
        root._below = bind(write, root._below, raw, *indices, path=path, in_place=in_place)
    else:
        root._below = bind(write, root._below, raw, path=path, in_place=in_place)


def detached(raw: Any) -> Any:
    """Return `raw` with its innermost array copied if that is a view of some other buffer."""
    if type(raw) is Traced:
        lower = detached(raw._below)
        payload = raw._payload
        if type(payload) is Traced or type(payload) is np.ndarray:
            payload = detached(payload)
        if lower is raw._below and payload is raw._payload:
            return raw
        return Traced(raw._trace, lower, payload)
    if type(raw) is Batched:
        lower = detached(raw._below)
        return raw if lower is raw._below else Batched(lower, raw.axis, raw.aval)
    if type(raw) is np.ndarray and raw.base is not None:
        return raw.copy()
    return raw


def refuse_overlap(root: Array) -> None:
    """Raise when a root that is about to be written shares memory with another argument."""
    siblings, root._siblings = root._siblings, None
    inner = root._below
    while type(inner) is Traced and type(inner._below) is Traced:
        inner = inner._below
    plain = innermost(inner)
    if type(plain) is Aval:
        inner._trace.note_overlap(inner)
        return
    while type(plain) is Batched:
        plain = innermost(plain._below)
    if type(plain) is not np.ndarray:
        return
    others = [innermost(other) for other in siblings or ()]
    own = next((number for number, other in enumerate(others) if other is plain), None)
    for number, other in enumerate(others):
        if type(other) is not np.ndarray or number == own:
            continue
        if other is plain or np.may_share_memory(plain, other, max_work=1000):  # type: ignore[arg-type]
            raise AliasingError(
                "an argument that is written shares memory with another argument "
                f"(shapes {np.shape(plain)} and {np.shape(other)}); pass a copy of one: x.copy()"
            )


# ------------------------------------------------------------------ who else holds a buffer


def is_exclusive(value: Any) -> bool:
    """Return whether nobody but one attribute or list entry holds a value, all levels down.

    Call it on the attribute itself: ``is_exclusive(holder._below)``.
    """
    if sys.getrefcount(value) > _EXCLUSIVE_COUNT:
        return False
    if type(value) is Traced:
        if not is_exclusive(value._below):
            return False
        payload = type(value._payload)
        if payload is Traced or payload is np.ndarray:
            return is_exclusive(value._payload)
        return True
    if type(value) is Batched:
        return is_exclusive(value._below)
    return type(value) is np.ndarray and value.base is None and value.flags.writeable


def _measure_exclusive_count() -> int:
    """Count the references that `is_exclusive` sees on a value held by one attribute."""
    counts = []

    def probe(value: Any) -> None:
        counts.append(sys.getrefcount(value))

    root = Array(np.zeros(1))
    probe(root._below)
    return counts[0]


_EXCLUSIVE_COUNT = _measure_exclusive_count()


# ------------------------------------------------------------------ raw values and handles


def raw_of(value: Any) -> Any:
    """Return the Traced or plain value of anything the user may hold."""
    return read_handle(value) if type(value) is Array else value


def to_user(raw: Any) -> Any:
    """Return what the user gets for a raw result: a handle for a traced array.

    A plain array stays one, also where it was computed from constant cells: library code that was
    handed a cell by a call-back goes on with NumPy's own arrays. Tuples and lists of results are
    gone through. `bind` has an example.
    """
    kind = type(raw)
    if kind is Traced:
        return Array(raw) if is_array_kind(raw) else raw
    if kind is tuple or kind is list:
        return kind(to_user(entry) for entry in raw)
    if isinstance(raw, tuple) and hasattr(raw, "_fields"):
        return kind(*(to_user(entry) for entry in raw))
    return raw


def bind(primitive: Primitive, *args: Any, **params: Any) -> Any:
    """Apply a primitive to values at any level and return a raw result.

    The live trace of the highest level among the arguments processes the operation; without one it
    is evaluated at once.

    Parameters
    ----------
    primitive : Primitive
        What a family of `wengert.extend` has made.
    *args
        Its positional arguments: numbers, arrays, traced values.
    **params
        Its parameters, which are constants.

    Returns
    -------
    raw
        A plain value or a traced one, a tuple of them where the primitive gives several; `to_user`
        makes of it what the user holds.

    Raises
    ------
    LeakedArrayError
        If an argument belongs to a transformation that has ended, or to another thread.

    Examples
    --------
    >>> import wengert as wg
    >>> from wengert import extend
    >>> square = extend.primitive(
    ...     "square_by_hand",
    ...     arguments=("x",),
    ...     evaluate=lambda x: x * x,
    ...     infer=lambda x: x,
    ...     vjp=(lambda g, x: 2 * x * g,),
    ...     samples=lambda: [extend.Sample(3.0)],
    ... )
    >>> wg.grad(lambda x: extend.to_user(extend.bind(square, x)))(3.0)
    6.0
    """
    top: Trace | None = None
    raw = []
    for value in args:
        if type(value) is Array:
            value = read_handle(value)
        if type(value) is Traced and (top is None or value._trace.level > top.level):
            top = value._trace
        raw.append(value)
    if top is None:
        return primitive.evaluate(*raw, **params)
    if top.thread != get_ident():
        raise leak_error(top)
    return top.process(primitive, raw, params)


def bind_effect(primitive: Primitive, *args: Any, **params: Any) -> Any:
    """Apply a primitive of family ``effect``: of constants too it is staged, not carried out."""
    if not any(type(raw_of(value)) is Traced for value in args):
        for trace in reversed(levels.traces):
            if trace.stages:
                return trace.process(primitive, [raw_of(value) for value in args], params)
    return bind(primitive, *args, **params)


def bind_one(primitive: Primitive, value: Any, params: dict[str, Any]) -> Any:
    """Apply a primitive of one argument as `bind` does, 0.5 µs sooner."""
    if type(value) is Array:
        value = read_handle(value)
    if type(value) is not Traced:
        return primitive.evaluate(value, **params)
    trace = value._trace
    if trace.thread != get_ident():
        raise leak_error(trace)
    return trace.process(primitive, [value], params)


# ------------------------------------------------------------------ levels


class Levels(threading.local):
    """The live traces of this thread, outermost first, and the level of the innermost."""

    depth = 0

    def __init__(self) -> None:
        self.traces: list[Trace] = []


levels = Levels()


def can_hold_traced(dtype: np.dtype[Any]) -> bool:
    """Return whether a fresh array of a dtype may receive traced values, and so becomes a cell.

    Integers and booleans carry no derivative; staging and batching trace them all the same.
    """
    if dtype.kind in "fc":
        return True
    return dtype.kind in "biu" and any(trace.stages or trace.batches for trace in levels.traces)


def depth() -> int:
    """Return the number of live traces in this thread."""
    return levels.depth


def is_staging() -> bool:
    """Return whether a program is being staged in this thread."""
    return any(trace.stages for trace in levels.traces)


def is_decided(value: Any) -> bool:
    """Return whether one plain value stands below a raw value: not staged, not batched."""
    while type(value) is Traced:
        if value._trace.batches:
            return False
        value = value._below
    return type(value) is not Aval


def describe(function: Callable[..., Any] | str) -> str:
    """Return a short name of a user's function with the line that defines it."""
    if isinstance(function, str):
        return function
    code = getattr(function, "__code__", None)
    name = getattr(function, "__qualname__", None) or repr(function)
    if code is None:
        return f"the transformation of {name}"
    return f"the transformation of {name} ({code.co_filename}:{code.co_firstlineno})"


def leak_error(trace: Trace) -> LeakedArrayError:
    """Return the error for a value used outside the life or the thread of its trace."""
    where = describe(trace.description)
    if trace.thread is None:
        return LeakedArrayError(
            f"a value traced by {where} was used after that transformation had ended. It was "
            "probably stored in a global, an attribute or a default. Return it from the function "
            "instead (has_aux=True passes extra results out), or store wengert.stop_gradient(x)."
        )
    if trace.thread != get_ident():
        return LeakedArrayError(
            f"a value traced by {where} was used in another thread than the one that traces. "
            "Apply the transformation inside each thread instead of sharing traced values."
        )
    return LeakedArrayError(
        f"a value traced by {where} was used in a transformation where it does not belong"
    )


def each_operand(args: tuple[Any, ...]) -> Iterator[Any]:
    """Yield the raw values among arguments, looking into lists and tuples."""
    for value in args:
        if isinstance(value, (list, tuple)):
            yield from each_operand(tuple(value))
        else:
            yield raw_of(value)
