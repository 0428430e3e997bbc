"""``jit``: a function becomes a program, recorded while it runs and replayed afterwards.

Which program runs is decided by what is known of the arguments without their entries; values that
the function asks for are guarded, and another value takes, or makes, another path.
"""

from __future__ import annotations

import functools
import itertools
import types
import warnings
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import tree
from ..config import config
from ..errors import (
    ArgumentError,
    GuardFailed,
    PathLimitWarning,
    StagingError,
    WengertError,
    hide_own_frames,
)
from ..interrupts import uninterrupted
from ..tracing.core import bind, describe, innermost, is_unknown, levels
from ..tracing.creation import begin, end, settle
from ..transforms.arguments import check_callable
from ..transforms.watching import watched
from .arguments import Call, Static, integers
from .call import call as call_primitive
from .captures import Captures, Wrapper
from .error_handling import special_errors, stops_at_errors
from .explaining import explain
from .guarding import GuardingTrace
from .lowered import Lowered
from .paths import Path, Specialisation
from .randomness import Watch
from .rehearsal import RollingTrace
from .results import Results, constants_of

if TYPE_CHECKING:
    from ..backends.llvm import NativeProgram
    from .entering import Description

_NONE: frozenset[int] = frozenset()
# So many values of what is compared at each call are kept, and so many causes of recordings.
_VERSIONS, _CAUSES = 8, 100
_clock = itertools.count()
MODES = ("auto", "now", "background")


def jit(
    fun: Callable[..., Any],
    *,
    static_argnums: int | Iterable[int] = (),
    static_argnames: str | Iterable[str] = (),
    compile: str = "auto",
    donate_argnums: int | Iterable[int] = (),
) -> Jitted:
    """Return a function with the meaning of `fun` that records it once and then runs a program.

    The function runs as it is when arguments come whose tree, shapes, dtypes or kinds are new;
    while it runs, what it does is recorded, and later calls run the record. Values that it asks for
    (in `if`, `while`, an index) are guarded: a call that finds another value records another path.
    Whatever cannot be recorded runs through NumPy as ever.

    Parameters
    ----------
    fun : callable
        Takes trees and returns a tree. Arrays that it writes are written.
    static_argnums, static_argnames : int or str, or several
        Arguments that are constants of the program: hashable, and compared by equality.
    compile : {"auto", "now", "background"}
        When the record becomes machine code: at the second call that takes it (a long one later),
        at once, or meanwhile, in another thread, until when it is evaluated through NumPy.
    donate_argnums : int, or several
        Arguments that the caller does not need any more: results may be made in the memory of
        their arrays, which saves as much. They must be given by position.

    Returns
    -------
    Jitted
        A callable with the name, docstring and signature of `fun`.

    Examples
    --------
    >>> import numpy as np
    >>> import wengert as wg
    >>> f = wg.jit(wg.grad(lambda x: np.log(1 + x**2) / x))
    >>> f(1.0)
    0.3068528194400547
    """
    check_callable(fun, "jit")
    if compile not in MODES:
        raise ArgumentError(f"compile is one of {', '.join(map(repr, MODES))}, got {compile!r}")
    return Jitted(fun, static_argnums, static_argnames, compile, donate_argnums)


class Offer(NamedTuple):
    """A program that the native entry runs, and what it was compiled for."""

    known: Specialisation
    captures: Captures
    native: NativeProgram
    description: Description


# Compiled functions whose calls do not pass through Python.
_entered: weakref.WeakSet[Any] = weakref.WeakSet()


def _leave_entries() -> None:
    """Let all compiled functions pass through Python again."""
    for jitted in list(_entered):
        jitted._withdraw(lambda offer: True)
    _entered.clear()


config.before_debugging(_leave_entries)


class Jitted(Wrapper):
    """A function that `jit` made: call it as the function that it was made of."""

    def __init__(
        self,
        fun: Callable[..., Any],
        static_argnums: int | Iterable[int],
        static_argnames: str | Iterable[str],
        mode: str,
        donate_argnums: int | Iterable[int],
    ) -> None:
        functools.update_wrapper(self, fun, updated=())
        self.__wengert_function__ = fun
        self.mode = mode
        self._static = Static(fun, static_argnums, static_argnames)
        self.donated = integers(donate_argnums, "donate_argnums")
        # What is read from outside, by the functions that read; the version found last is first.
        self.captures: dict[tuple[int, ...], tuple[Captures, ...]] = {}
        # Functions that are recorded on the objects themselves: clones of them would not do.
        self._unlifted: set[tuple[int, ...]] = set()
        self.known: dict[Any, Specialisation] = {}
        self.causes: list[str] = []
        self._offers: list[Offer] = []
        self._entry: Any = None
        self._unsettled = 0  # so many recordings in a row changed what the function reads
        self.restless: str | None = None  # why it is not recorded any more

    # The trace that records the function; `seeing` notes source lines in its own.
    tracing: Callable[..., GuardingTrace] = GuardingTrace

    def __repr__(self) -> str:
        return f"<jit of {self.__wengert_function__!r}>"

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function: run a program that was recorded, or record one."""
        depth = levels.depth
        try:
            return self._call(args, kwargs)
        except BaseException as error:
            if levels.depth != depth:  # an interrupt came when a trace was about to end
                settle(depth)
            if isinstance(error, Exception) and not config.full_tracebacks:
                hide_own_frames(error)
            raise

    def _call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if config.debug_nans:
            return watched(self.__wengert_function__, args, kwargs)
        if stops_at_errors() or self.restless is not None:
            return self.__wengert_function__(*args, **kwargs)
        call = Call(args, kwargs, self._static, self._capture)
        if call.refused is not None:
            return self.__wengert_function__(*args, **kwargs)
        known = self._specialisation(call)
        if known.eager is not None:
            return self.__wengert_function__(*args, **kwargs)
        if call.inside:
            return self._inside(known, call)
        if call.overlap(known.written):
            return self.__wengert_function__(*args, **kwargs)
        for path in known.paths:
            if not path.suits_errors():
                return self.__wengert_function__(*args, **kwargs)
            if not path.is_offered and path.executable.prepare():
                self._offer(known, path, call)
            try:
                result = path.run(call.values)
            except GuardFailed:
                continue
            except Exception as error:
                known.note(error)
                # The function may handle what went wrong, or raise it from its own line. Nothing
                # outside has been written.
                return self.__wengert_function__(*args, **kwargs)
            if path is not known.paths[0]:
                known.promote(path)
            return result
        return self._record(known, call)

    def explain(self) -> str:
        """Return what was recorded, why, and what runs as it is.

        Returns
        -------
        str
            For each signature of arguments: how often the function ran to be recorded, each path
            with the values that it is guarded by, and why the function runs uncompiled where it
            does; then the causes of new recordings.

        Examples
        --------
        >>> import wengert as wg
        >>> f = wg.jit(lambda x: x if x > 0 else -x)
        >>> f(-2.0), f(3.0)
        (2.0, 3.0)
        >>> print(f.explain().splitlines()[1])
        (float64*): 2 recordings, 2 paths
        """
        return explain(self)

    def lower(self, *args: Any, **kwargs: Any) -> Lowered:
        """Record the path that the function takes for these arguments, and return its program.

        Nothing outside is written. The path is kept: calls that take it run the program.

        Returns
        -------
        Lowered
            With ``compile()``, ``as_text("list" / "llvm" / "asm")`` and ``cost()``.

        Examples
        --------
        >>> import wengert as wg
        >>> wg.jit(lambda x: x * x).lower(3.0).compile()(3.0)
        9.0
        """
        call = Call(args, kwargs, self._static, self._capture)
        if call.refused is not None or call.inside:
            raise ArgumentError(
                "lower takes plain numbers and arrays"
                + (f": {call.refused}" if call.refused else ", not values of a transformation")
            )
        known = self._specialisation(call)
        watch = Watch([*call.leaves, *call.captures.generators])
        path = self._recorded(known, call, call.values)
        if watch.advanced() is not None:
            watch.restore()
            raise ArgumentError("lower: the function draws random numbers, so it is not compiled")
        path.results.values = []
        if path.changes is None and not path.heard:
            known.add(path)
        return Lowered(self, path.executable)

    def _specialisation(self, call: Call) -> Specialisation:
        """Return what is known for calls like this one; let go of what was used least recently."""
        known = self.known.get(call.key)
        if known is None:
            known = self.known[call.key] = Specialisation(call.describe())
            known.used = next(_clock)
            if len(self.known) > 1:
                self._note_cause(f"new arguments: {known.signature}")
            if len(self.known) > max(2, config.max_specialisations):
                others = [(other.used, key) for key, other in list(self.known.items())]
                oldest = min(others, key=lambda entry: entry[0])[1]
                self._forget(lambda key: key is oldest)
        known.used = next(_clock)
        return known

    def _capture(self, functions: Sequence[Any]) -> Captures:
        """Return what the function, and functions among its arguments, read from outside."""
        roots = (self.__wengert_function__, *functions)
        key = tuple(map(id, roots))
        versions = self.captures.get(key, ())
        cause = None
        for position, known in enumerate(versions):
            changed = known.changed()
            if changed is None:
                if position:  # what changed has changed back
                    others = [other for other in versions if other is not known]
                    self.captures[key] = (known, *others)
                return known
            cause = cause or f"another value of {changed}"
        if cause is not None:
            self._note_cause(cause)
        found = Captures(roots, key not in self._unlifted)
        self.captures[key] = (found, *versions[: _VERSIONS - 1])
        stale = versions[_VERSIONS - 1 :]
        while len(self.captures) > max(1, config.max_specialisations):
            stale = (*stale, *self.captures.pop(next(iter(self.captures))))
        if stale:
            self._forget(lambda k: k[0] in stale)
        return found

    def _note_cause(self, cause: str) -> None:
        self.causes.append(cause)
        del self.causes[:-_CAUSES]

    def _forget(self, is_stale: Callable[[Any], bool]) -> None:
        """Let go of the specialisations whose keys are stale."""
        gone = [self.known.pop(key) for key in list(self.known) if is_stale(key)]
        self._withdraw(lambda offer: offer.known in gone)

    def _inside(self, known: Specialisation, call: Call) -> Any:
        """Answer a call on values of transformations around it.

        Where they are known, the program becomes one operation of theirs; otherwise (staged,
        batched), the function runs as a part of theirs.
        """
        plain = [innermost(value) for value in call.values]
        if any(map(is_unknown, plain)):
            return self.__wengert_function__(*call.args, **call.kwargs)
        for path in known.paths:
            if not path.is_pure or not path.suits_errors():
                break
            try:
                return self._as_operation(path, call)
            except GuardFailed:
                continue
        else:
            watch = Watch([*call.leaves, *call.captures.generators])
            try:
                path = self._recorded(known, call, plain)
            except Exception as error:
                if not self._unlift(call.captures):
                    if not isinstance(error, WengertError):
                        raise
                    known.eager = f"it cannot be recorded: {error}"
            else:
                drawn = watch.advanced()
                if drawn is not None:
                    watch.restore()
                    known.eager = f"{drawn} was advanced while the function ran"
                elif path.is_pure and not path.heard:
                    path.results.values = []
                    if self._settles(path):
                        known.add(path)
                    if len(known.paths) > config.max_paths:
                        self._give_up(known)
                    return self._as_operation(path, call)
        return self.__wengert_function__(*call.args, **call.kwargs)

    def _as_operation(self, path: Path, call: Call) -> Any:
        """Return the result of a path as an operation on values of transformations."""
        outputs = bind(call_primitive, *call.values, program=path.executable.staged)
        return path.results.user_level(call.users, outputs)

    def _record(self, known: Specialisation, call: Call) -> Any:
        """Run the function and record it."""
        watch = Watch([*call.leaves, *call.captures.generators])
        try:
            path = self._recorded(known, call, call.values)
        except Exception as error:
            return self._without(known, call, error)
        results = path.results
        if call.overlap(results.exclusive):
            return self.__wengert_function__(*call.args, **call.kwargs)
        found = results.finish(call.values, results.values, constants_of(results.operands))
        results.values = []
        drawn = watch.advanced()
        if drawn is not None:
            known.eager = f"{drawn} was advanced while the function ran"
            return found
        if path.heard or not self._settles(path):
            return found
        known.add(path)
        if self.mode == "now":
            path.executable.compile()
            self._offer(known, path, call)
        elif self.mode == "background":
            path.executable.compile_meanwhile()
        if len(known.paths) > config.max_paths:
            self._give_up(known)
        return found

    def _recorded(self, known: Specialisation, call: Call, values: Sequence[Any]) -> Path:
        """Return the path that the function takes for plain values of its staged arguments."""
        known.traces += 1
        if known.rehearses and self.tracing is GuardingTrace:
            watch = Watch([*call.leaves, *call.captures.generators])
            try:
                return self._recorded_by(RollingTrace, call, values)
            except Exception:
                known.rehearses = None  # something in it is not rehearsed
                if watch.advanced() is not None:
                    watch.restore()
        return self._recorded_by(self.tracing, call, values)

    def _recorded_by(
        self, tracing: Callable[..., GuardingTrace], call: Call, values: Sequence[Any]
    ) -> Path:
        fun = self.__wengert_function__
        trace = tracing(fun, values)
        outside = call.outside(fun)
        recorded = closed = False

        def close() -> None:
            nonlocal closed
            end(trace)
            trace.release()
            trace.visits = []  # they hold frames
            if not recorded:  # the function runs again, as it is
                outside.restore()
            closed = True

        begin(trace)
        try:
            program, args, kwargs = call.replaced(fun, trace.attach())
            value = program(*args, **kwargs)
            if trace.stops:
                raise StagingError(
                    "it works under np.errstate(...='raise') or its kin, and compiled code sees no "
                    "floating-point errors"
                )
            if trace.heard and special_errors.are_ignored:
                raise StagingError(
                    "it works under scipy.special.errstate, of which compiled code hears nothing"
                )
            call.refuse_mutation()
            outside.refuse_traced(trace.owns)
            stores = call.stores()
            call.refuse_clones(value, stores)
            outside.refuse_results(tree.leaves(value), trace.owns)
            results = Results(trace, call.handles, value, stores)
            donated = call.values_of(self.donated) if self.donated else _NONE
            path = Path(trace, results, call.captures.refresh(), donated)
            recorded = True
            return path
        finally:
            try:
                close()
            finally:
                if not closed:  # an interrupt came
                    close()

    def _offer(self, known: Specialisation, path: Path, call: Call) -> None:
        """Let the native entry run a path, if it can match calls like this one."""
        with uninterrupted:
            self._offer_once(known, path, call)

    def _offer_once(self, known: Specialisation, path: Path, call: Call) -> None:
        path.is_offered = True
        native = path.executable.native
        if native is None or native.donations:
            return
        from .entering import describe_call  # with the backend, at first need

        description = describe_call(path, call)
        if description is not None:
            offer = Offer(known, call.captures, native, description)
            self._offers.append(offer)
            self._enter([offer])

    def _enter(self, offers: Sequence[Offer]) -> None:
        """Add programs to the entry; make one where there is none."""
        from ..backends.llvm.entry import Entry, attach, is_available

        if not is_available():
            return
        if self._entry is None:
            self._entry = Entry(types.MethodType(Jitted.__call__, self))
        for offer in offers:
            self._entry.add(
                offer.native,
                offer.description.arguments,
                offer.description.result,
                sources=offer.description.sources,
                retries=True,
            )
        attach(self, self._entry)
        _entered.add(self)

    def _withdraw(self, stale: Callable[[Offer], bool]) -> None:
        """Take programs out of the entry."""
        kept = [offer for offer in self._offers if not stale(offer)]
        if len(kept) < len(self._offers):
            with uninterrupted:
                self._offers = kept
                self._entry = None
                self._enter(kept)

    def _without(self, known: Specialisation, call: Call, error: Exception) -> Any:
        """Run the function as it is after recording it has failed, and note why."""
        try:
            found = self.__wengert_function__(*call.args, **call.kwargs)
        except Exception:
            known.note(error)
            raise
        if not self._unlift(call.captures):
            known.eager = f"it cannot be recorded: {error}"
        return found

    def _settles(self, path: Path) -> bool:
        """Return whether a path may be taken again: its run changed nothing that is read."""
        if path.changes is None:
            self._unsettled = 0
            return True
        self._unsettled += 1
        if self._unsettled > config.max_paths:
            self.restless = f"each call changes {path.changes}, which the next one reads"
        return False

    def _unlift(self, captures: Captures) -> bool:
        """Record on the objects themselves from now on; return whether clones were used so far."""
        if not captures.lifted:
            return False
        key = tuple(map(id, captures.roots))
        self._unlifted.add(key)
        gone = self.captures.pop(key, ())
        self._forget(lambda k: k[0] in gone)
        return True

    def _give_up(self, known: Specialisation) -> None:
        """Run the function as it is from now on: it takes ever new paths."""
        last = known.paths[0].decisions[-1]
        known.eager = (
            f"it took more than {config.max_paths} paths; the last one parted at {last.line} "
            f"({last.purpose})"
        )
        known.paths = []
        self._withdraw(lambda offer: offer.known is known)
        warnings.warn(
            f"jit: {describe(self.__wengert_function__)} took more than config.max_paths = "
            f"{config.max_paths} paths for arguments of one signature; it runs uncompiled from now "
            f"on. The last path parted at {last.line}, which asks for {last.purpose}. Write the "
            "loop as wengert.while_loop, the choice as numpy.where or wengert.cond.",
            PathLimitWarning,
            stacklevel=5,
        )
