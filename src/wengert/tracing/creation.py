"""NumPy's creation functions, answered by call site while a transformation runs.

User code that calls ``np.zeros`` by name gets a constant cell, which can hold traced values later;
everyone else, SciPy and NumPy's own Python code included, gets NumPy's own array. The calling
instruction decides: it must name the function and stand in a user's module.
"""

from __future__ import annotations

import contextlib
import dis
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from threading import get_ident
from types import CodeType, FrameType, ModuleType
from typing import Any

import numpy as np

from ..config import config
from .aliases import note_unknown_alias
from .callsite import is_user_code
from .core import (
    Array,
    Trace,
    Traced,
    can_hold_traced,
    innermost,
    is_unknown,
    levels,
    raw_of,
)
from .keys import build_array
from .protocols import array_function, loading

# Made of shapes and plain values: the result becomes a cell. Those that NumPy dispatches on a
# handle among the arguments (zeros_like, linspace) have their rules in `ops` and `numpy`.
_FRESH = [
    "zeros",
    "empty",
    "ones",
    "full",
    "eye",
    "identity",
    "tri",
    "arange",
    "linspace",
    "logspace",
    "geomspace",
    "zeros_like",
    "empty_like",
    "ones_like",
    "full_like",
    "fromfunction",
    "diag",
    "vander",
]
# Given an array or a nested list: cells of a list or of a copy; an ndarray itself passes through.
_CONVERTING = ["array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray", "copy"]
# Not creation at all, but not dispatched by NumPy on everything that may be traced: their rules see
# every call that holds a handle, those of `_ALWAYS` every call of the user.
_UNDISPATCHED = [
    *("select", "piecewise", "asarray_chkfinite", "require", "fromiter"),
    *("apply_along_axis", "apply_over_axes", "trim_zeros"),
]
_ALWAYS = frozenset({"piecewise", "fromiter", "apply_along_axis", "apply_over_axes"})
# NumPy asks arguments, not what lists hold: `np.mean([f(x), f(y)])` never reaches our rules. Of the
# functions that people call so, these look into lists, and at keywords that NumPy does not ask
# (`np.pad(…, constant_values=x)`).
_GIVEN_LISTS = {
    np: (
        *("sum", "prod", "mean", "std", "var", "max", "min", "amax", "amin", "median", "average"),
        *("dot", "cross", "outer", "cumsum", "sort", "argsort", "argmax", "argmin", "diff"),
        *("interp", "trapezoid", "polyval", "roots", "all", "any", "atleast_1d", "pad"),
    ),
    np.linalg: ("norm", "det", "inv", "solve", "eigvals", "eigvalsh"),
}
# Those that join what a list holds look one level further: `np.concatenate([[x], y])`.
_JOINING = ("concatenate", "hstack", "vstack")

traced_creation: dict[str, Callable[..., Any]] = {}


def implements_creation(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate the implementation of a creation function for traced arguments."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        traced_creation[name] = function
        return function

    return decorate


# ------------------------------------------------------------------ whose call is it

_decisions: dict[tuple[int, int], tuple[CodeType, str, tuple[str, ...], bool]] = {}
_LOADS = frozenset({"LOAD_ATTR", "LOAD_METHOD", "LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF"})


def _called_name(code: CodeType, offset: int) -> str | None:
    """Return the name that the call at a bytecode offset loads its function by.

    The function's load starts where the call expression starts and is the last such load before
    the call; arguments start later. Without column positions (``-X no_debug_ranges``) the load is
    found by what the instructions between leave on the stack.
    """
    # The offset may be that of an inline cache behind the call: take the instruction it follows.
    instructions = [entry for entry in dis.get_instructions(code) if entry.offset <= offset]
    call = len(instructions) - 1
    position = instructions[call].positions
    if position is None or position.lineno is None or position.col_offset is None:
        return _name_below_arguments(instructions[: call + 1])
    start = (position.lineno, position.col_offset)
    for entry in reversed(instructions[:call]):
        where = entry.positions
        at_start = where is not None and (where.lineno, where.col_offset) == start
        if at_start and entry.opname in _LOADS:
            return str(entry.argval)
    return None


def _name_below_arguments(instructions: list[dis.Instruction]) -> str | None:
    call = instructions[-1]
    if not call.opname.startswith("CALL") or call.arg is None or call.opname == "CALL_FUNCTION_EX":
        return None
    missing = call.arg + (call.opname == "CALL_KW")
    before = instructions[:-1]
    while before and before[-1].opname in ("PRECALL", "KW_NAMES"):
        before.pop()
    for entry in reversed(before):
        if not missing:
            if entry.opname in _LOADS:
                return str(entry.argval)
            if entry.opname == "PUSH_NULL":
                continue
        missing -= dis.stack_effect(entry.opcode, entry.arg, jump=False)
    return None


def _is_user_call(frame: FrameType, name: str) -> bool:
    code = frame.f_code
    key = (id(code), frame.f_lasti)
    known = _decisions.get(key)
    if (
        known is not None
        and known[0] is code
        and known[1] == name
        and known[2] is config.traced_packages
    ):
        return known[3]
    decision = is_user_code(code) and _called_name(code, frame.f_lasti) == name
    if len(_decisions) > 100_000:  # functions made by exec without end
        _decisions.clear()
    _decisions[key] = (code, name, config.traced_packages, decision)
    return decision


# ------------------------------------------------------------------ the replacements


def carries_handles(value: Any) -> bool:
    """Return whether a handle or traced value occurs in a nested list."""
    kind = type(value)
    if kind is Traced or kind is Array:
        return True
    if kind is list or kind is tuple:
        return any(carries_handles(entry) for entry in value)
    return False


def _as_cell(result: Any) -> Any:
    if type(result) is np.ndarray and can_hold_traced(result.dtype):
        return Array(result)
    return result


# The functions below make the replacements. With `any_caller` they make those that people import
# from `wengert.numpy`: who calls such a function means it, wherever the call stands.


def _fresh(name: str, original: Callable[..., Any], any_caller: bool = False) -> Callable[..., Any]:
    def create(*args: Any, **kwargs: Any) -> Any:
        if not levels.depth or not (any_caller or _is_user_call(sys._getframe(1), name)):
            return original(*args, **kwargs)
        rule = traced_creation.get(name)
        if rule is not None and (
            any(map(carries_handles, args)) or any(map(carries_handles, kwargs.values()))
        ):
            return rule(*args, **kwargs)
        return _as_cell(original(*map(_built, args), **kwargs))

    return create


_LAYOUTS: dict[str, dict[str, Any]] = {
    "ascontiguousarray": {"order": "C", "ndmin": 1},
    "asfortranarray": {"order": "F"},
}


def _converting(
    name: str, original: Callable[..., Any], any_caller: bool = False
) -> Callable[..., Any]:
    copies = name in ("array", "copy")
    layout = _LAYOUTS.get(name, {})

    def create(*args: Any, **kwargs: Any) -> Any:
        if not levels.depth or not (any_caller or _is_user_call(sys._getframe(1), name)):
            return original(*args, **kwargs)
        if not args:
            first = "object" if name == "array" else "a"
            if first not in kwargs:
                return original(**kwargs)  # refuses
            args = (kwargs.pop(first),)
        given = args[0]
        if not carries_handles(given):
            result = original(*args, **kwargs)
            return result if result is given or not _owns(result) else _as_cell(result)
        return convert_traced(given, *args[1:], **{"copies": copies, **layout, **kwargs})

    return create


def _undispatched(
    name: str, original: Callable[..., Any], any_caller: bool = False
) -> Callable[..., Any]:
    def answer(*args: Any, **kwargs: Any) -> Any:
        if not levels.depth or not (any_caller or _is_user_call(sys._getframe(1), name)):
            return original(*args, **kwargs)
        if name in _ALWAYS or carries_handles((*args, *kwargs.values())):
            return traced_creation[name](*args, **kwargs)
        return original(*args, **kwargs)

    return answer


def looking_into_lists(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return a NumPy function that also finds handles in lists and in any keyword."""

    def answer(*args: Any, **kwargs: Any) -> Any:
        for value in args:
            kind = type(value)
            if kind is Array or kind is Traced:  # what NumPy would find out
                return array_function(value, original, (), args, kwargs)
            if (kind is list or kind is tuple) and levels.depth and carries_handles(value):
                return original(*map(_built, args), **kwargs)
        for value in kwargs.values():  # it does not look at all of these: pad(…, end_values=x)
            kind = type(value)
            if kind is Array or kind is Traced:
                return array_function(value, original, (), args, kwargs)
            if (kind is list or kind is tuple) and levels.depth and carries_handles(value):
                return original(*args, **{key: _built(entry) for key, entry in kwargs.items()})
        return original(*args, **kwargs)

    return answer


def _built(value: Any) -> Any:
    """Return an array for a list or tuple with handles in it, anything else as it is."""
    kind = type(value)
    if (kind is list or kind is tuple) and carries_handles(value):
        return build_array(value)
    return value


def joining(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return a NumPy function of a sequence that finds handles in lists in the sequence."""

    def answer(*args: Any, **kwargs: Any) -> Any:
        if args and levels.depth and type(args[0]) in (list, tuple):
            return original([_built(entry) for entry in args[0]], *args[1:], **kwargs)
        return original(*args, **kwargs)

    return answer


def replace_object(name: str, made: Any) -> None:
    """Put `made` in the place of an object of NumPy while a transformation runs."""
    originals[name] = getattr(np, name)
    _replacements[name] = made
    _replace(np, name, made)


_methods: list[tuple[type, str, Any, Any]] = []


def replace_method(owner: type, name: str, made: Any) -> None:
    """Put `made` in the place of a method of a class of NumPy while a transformation runs."""
    _methods.append((owner, name, made, getattr(owner, name)))


def _owns(result: Any) -> bool:
    """Return whether a result is fresh memory: a view must go on sharing with its base."""
    return type(result) is np.ndarray and result.base is None


def _is_laid_out(made: Any, order: str) -> bool:
    plain = innermost(raw_of(made))
    if type(plain) is not np.ndarray or order not in ("C", "F"):
        return True
    return plain.flags.c_contiguous if order == "C" else plain.flags.f_contiguous


_UNSAID: Any = object()


def convert_traced(
    given: Any,
    dtype: Any = None,
    *,
    copies: bool = True,
    copy: Any = _UNSAID,
    order: str | None = None,
    ndmin: int = 0,
    subok: bool = False,
    like: Any = None,
) -> Any:
    """Return what ``np.array`` (copies) or ``np.asarray`` makes of traced content."""
    made = given
    if copy is not _UNSAID:
        copies = bool(copy)
    if type(made) is not Array:
        listed = type(made) in (list, tuple) and not any(map(_is_sequence, made))
        if listed and dtype is not None and np.dtype(dtype).kind == "O":
            objects = np.ndarray(len(made), dtype=object)  # whatever they are, traced or not
            for position, entry in enumerate(made):
                objects[position] = entry
            return objects
        made = build_array(made)
        copies = False
    if dtype is not None and made.dtype != np.dtype(dtype):
        made = made.astype(dtype)
        copies = False
    if copies or (order is not None and not _is_laid_out(made, order)):
        made = made.copy(order or "K")
    elif order in ("C", "F") and type(made) is Array and is_unknown(innermost(raw_of(made))):
        given, made = made, made.copy(order)
        note_unknown_alias(given, made, "asarray", (order,))
    if ndmin:
        while made.ndim < ndmin:
            made = made[None]
    return _as_cell(made)


def _is_sequence(value: Any) -> bool:
    return type(value) in (list, tuple, Array) or isinstance(value, np.ndarray)


def _made(originals: dict[str, Any], any_caller: bool) -> dict[str, Any]:
    """Return the replacement of each function of ``numpy`` that has one."""
    made = {name: _fresh(name, originals[name], any_caller) for name in _FRESH}
    made |= {name: _converting(name, originals[name], any_caller) for name in _CONVERTING}
    made |= {name: _undispatched(name, originals[name], any_caller) for name in _UNDISPATCHED}
    made |= {name: looking_into_lists(originals[name]) for name in _GIVEN_LISTS[np]}
    made |= {name: joining(originals[name]) for name in _JOINING}
    for name, function in made.items():
        pass_for(function, originals[name])
    return made


def pass_for(function: Any, original: Any) -> Any:
    """Give a replacement the name and documentation of NumPy's function."""
    for attribute in ("__name__", "__qualname__", "__doc__", "__module__"):
        setattr(function, attribute, getattr(original, attribute))
    function.__wrapped__ = original
    return function


def _of_the_same_layout(module: ModuleType) -> type[ModuleType]:
    """Return a class that a module can be given for a while, to which `_replace` adds names."""
    base = type(module)
    return type(base.__name__, (base,), {"__slots__": (), "__module__": base.__module__})


# While a transformation runs the two modules have classes of their own, whose properties answer for
# the names that are replaced: what a module holds comes second to a property of its class. That is
# one assignment, whatever the number of names (80 ns, against 60 ns for each in an update of the
# module's dictionary), and what the modules hold stays as it is.
_numpy: Any = np
_linalg: Any = np.linalg
_PLAIN, _PLAIN_LINALG = type(np), type(np.linalg)
_REPLACING, _REPLACING_LINALG = _of_the_same_layout(np), _of_the_same_layout(np.linalg)


def _replace(module: ModuleType, name: str, made: Any) -> None:
    """Let `made` be what ``module.name`` is while a transformation runs.

    A name that somebody else has set, before or meanwhile, stays what they set it to.
    """
    held = vars(module)
    original = held[name]

    def get(module: ModuleType) -> Any:
        found = held[name]
        if found is not original or (loading and get_ident() in loading):
            return found
        return made

    def put(module: ModuleType, value: Any) -> None:
        held[name] = original if value is made else value

    setattr(_REPLACING if module is np else _REPLACING_LINALG, name, property(get, put))


originals = {
    name: getattr(np, name)
    for name in (*_FRESH, *_CONVERTING, *_UNDISPATCHED, *_GIVEN_LISTS[np], *_JOINING)
}
_replacements = _made(originals, any_caller=False)
for _name, _function in _replacements.items():
    _replace(np, _name, _function)
for _name in _GIVEN_LISTS[np.linalg]:
    _function = getattr(np.linalg, _name)
    _replace(np.linalg, _name, pass_for(looking_into_lists(_function), _function))
_lock = threading.Lock()
# The threads that have live traces.
_active: set[int] = set()


def begin(trace: Trace) -> None:
    """Make `trace` the innermost live trace of this thread; pair with `end` in a finally.

    The first trace anywhere puts the replacements in place. An interrupt, which may come between
    any two steps, leaves all as it was.
    """
    trace.level = level = levels.depth + 1
    try:
        if level == 1:
            with _lock:
                if not _active:
                    _numpy.__class__ = _REPLACING
                    _linalg.__class__ = _REPLACING_LINALG
                    for owner, name, method, _ in _methods:
                        setattr(owner, name, method)
                _active.add(get_ident())
        levels.depth = level
        levels.traces.append(trace)
        trace.thread = get_ident()
    except BaseException:
        end(trace)
        raise


def end(trace: Trace) -> None:
    """End the life of `trace`; the last trace anywhere puts NumPy's own functions back.

    What an interrupt cut short is done by calling it again.
    """
    trace.thread = None
    level = trace.level - 1
    if not level:
        with _lock:
            _active.discard(get_ident())
            if not _active:
                _numpy.__class__ = _PLAIN
                _linalg.__class__ = _PLAIN_LINALG
                for owner, name, _, method in _methods:
                    setattr(owner, name, method)
    del levels.traces[level:]
    levels.depth = level


def settle(depth: int) -> None:
    """End the traces beyond `depth` whose `end` was interrupted before its first step."""
    if levels.depth > depth:
        for trace in reversed(levels.traces[depth:]):
            end(trace)


def to_import() -> dict[str, Any]:
    """Return the replacements of ``numpy``'s names in the form that people import."""
    return {**_replacements, **_made(originals, any_caller=True)}


@contextlib.contextmanager
def resumed(traces: Sequence[Trace]) -> Iterator[None]:
    """Let traces, most of which have ended, live again: to run a function as they saw it."""
    traces_before, depth_before = levels.traces, levels.depth
    threads = [trace.thread for trace in traces]
    guard = Trace("a function that runs again")
    begin(guard)
    levels.traces = list(traces)
    levels.depth = max([guard.level, *(trace.level for trace in traces)])
    for trace in traces:
        trace.thread = get_ident()
    try:
        yield
    finally:
        for trace, thread in zip(traces, threads, strict=True):
            trace.thread = thread
        levels.traces, levels.depth = traces_before, depth_before + 1
        end(guard)


def is_patched() -> bool:
    """Return whether the replacements are in place (for tests)."""
    return type(np) is not _PLAIN
