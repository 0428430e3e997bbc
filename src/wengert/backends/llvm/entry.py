"""The native entry: a builtin that stands before a Python function and runs compiled programs.

A call that no program fits, or whose guards fail, goes to the Python function with the original
arguments. Tables say what fits (see `signature`); `entry_code` reads them.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ...interrupts import uninterrupted
from ...ir.aval import Aval
from . import engine, numpy_abi, signature
from . import entry_code as code
from .cache import object_code
from .entry_calls import ENTRY_SYMBOL, FORGET_SYMBOL, TEXT

if TYPE_CHECKING:
    from .program import NativeProgram

_FASTCALL_WITH_KEYWORDS = 0x0080 | 0x0002

_NUMBERS = {"f": code.FLOAT, "i": code.INTEGER, "b": code.BOOL, "c": code.COMPLEX}


class _MethodDefinition(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    ]


class _Shared:
    """What all entries share: the compiled functions and the definition of one as a method."""

    def __init__(self) -> None:
        externals = [name for name in engine.symbols if name in TEXT]
        self.code = engine.link([object_code(TEXT, 0)], [ENTRY_SYMBOL, FORGET_SYMBOL], externals)
        self.definition = _MethodDefinition(
            b"__call__", self.code.addresses[ENTRY_SYMBOL], _FASTCALL_WITH_KEYWORDS, None
        )
        self.make = ctypes.pythonapi.PyCFunction_NewEx
        self.make.restype = ctypes.py_object
        self.make.argtypes = [ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p]
        self._new = ctypes.pythonapi.PyCapsule_New
        self._new.restype = ctypes.py_object
        self._new.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        self._give = ctypes.pythonapi.PyCapsule_SetContext
        self._give.argtypes = [ctypes.py_object, ctypes.py_object]
        self._refer = ctypes.pythonapi.Py_IncRef
        self._refer.argtypes = [ctypes.py_object]

    def keeper(self, words: np.ndarray[Any, Any]) -> Any:
        """Return an object whose end frees the workspace that a program has to spare.

        No step of Python's runs then, so that no interrupt is lost in a finaliser.
        """
        with uninterrupted:
            self._refer(words)
            made = self._new(words.ctypes.data, None, self.code.addresses[FORGET_SYMBOL])
            self._give(made, words)
        return made


_shared: list[_Shared] = []


def _the_shared() -> _Shared:
    with engine.lock:
        if not _shared:
            _shared.append(_Shared())
        return _shared[0]


def is_available() -> bool:
    """Return whether this interpreter can have native entries."""
    return numpy_abi.is_known()


class _Nodes:
    """A table under construction: words, and the objects that they point at."""

    def __init__(self) -> None:
        self.words: list[int] = []
        self.held: list[Any] = []
        self.inputs = 0

    def node(
        self,
        operation: int,
        count: int = 0,
        first: Any = None,
        second: Any = None,
        ndim: int = 0,
        address: int = 0,
    ) -> None:
        for held in (first, second):
            if held is not None:
                self.held.append(held)
        self.words += [
            operation,
            count,
            0 if first is None else id(first),
            0 if second is None else id(second),
            ndim,
            address,
        ]

    def value(self, aval: Aval, count: int) -> None:
        """Add the node of a number or array."""
        if aval.kind == "python":
            self.node(_NUMBERS[aval.dtype.kind], count)
        elif aval.kind == "scalar":
            self.node(code.SCALAR, count, aval.dtype.type)
        else:
            lengths = np.array([*aval.shape, 0], np.intp)
            self.held.append(lengths)
            dtype = np.dtype(aval.dtype.char) if aval.dtype.isnative else aval.dtype
            self.node(code.ARRAY, aval.ndim, dtype, None, aval.ndim, lengths.ctypes.data)

    def matched(self, tree: Any) -> None:
        """Add the nodes of a tree of arguments."""
        match tree:
            case signature.Leaf(aval):
                self.value(aval, self.inputs)
                if aval.kind == "array":
                    self.words[-code.NODE_WORDS + 1] = aval.ndim
                self.inputs += 1
            case signature.Same(value):
                self.held.append(value)
                self.node(code.SAME, 0, value)
                self.words[-code.NODE_WORDS + 2] = id(value)
            case signature.Equal(value):
                self.node(code.EQUAL, 0, value)
            case signature.Entries(value):
                # The lengths, then the entries.
                lengths = np.array(value.shape, np.intp).view(np.uint8)
                entries = np.ascontiguousarray(value).reshape(-1).view(np.uint8)
                copy = np.concatenate([lengths, entries])
                self.held.append(copy)
                self.node(
                    code.ENTRIES, value.nbytes, value, value.dtype, value.ndim, copy.ctypes.data
                )
            case signature.Items(kind, children):
                self.node(code.TUPLE if kind is tuple else code.LIST, len(children))
                for child in children:
                    self.matched(child)
            case signature.Fields(keys, children):
                self.node(code.DICT, len(keys))
                for key, child in zip(keys, children, strict=True):
                    self.node(code.KEY, 0, key)
                    self.matched(child)
            case signature.Cell(cell, child):
                self.node(code.CELL, 0, cell)
                self.matched(child)
            case signature.Item(holder, key, child):
                self.node(code.ITEM, 0, holder, key)
                self.matched(child)
            case signature.Code(function, held):
                self.member(function, numpy_abi.code_place(), held)
            case signature.Kind(value, kind):
                self.member(value, numpy_abi.TYPE_PLACE, kind)
            case signature.Absent(holder, key):
                self.node(code.ABSENT, 0, holder, key)
            case signature.Attribute(holder, name, child):
                self.node(code.ATTRIBUTE, 0, holder, name)
                self.matched(child)
            case _:
                raise TypeError(f"{tree!r} describes no argument")

    def member(self, holder: Any, place: int, held: Any) -> None:
        """Add the nodes of an object that lies some bytes behind the address of another one."""
        self.held.append(holder)
        self.node(code.CELL)  # what a cell holds lies there
        self.words[-code.NODE_WORDS + 2] = id(holder) + place - numpy_abi.CELL_PLACE
        self.matched(signature.Same(held))

    def made(self, tree: Any, outputs: Sequence[Aval]) -> None:
        """Add the nodes of a tree of results."""
        match tree:
            case signature.Output(position):
                aval = outputs[position]
                if aval.kind == "scalar":
                    self.node(code.SCALAR, position, np.dtype(aval.dtype.char))
                elif aval.kind == "array":
                    self.node(code.ARRAY, position)
                else:
                    self.value(aval, position)
            case signature.Input(position):
                self.node(code.INPUT, position)
            case signature.Same(value):
                self.held.append(value)
                self.node(code.SAME)
                self.words[-code.NODE_WORDS + 2] = id(value)
            case signature.Items(kind, children):
                self.node(code.TUPLE if kind is tuple else code.LIST, len(children))
                for child in children:
                    self.made(child, outputs)
            case signature.Fields(keys, children):
                self.node(code.DICT, len(keys))
                for key, child in zip(keys, children, strict=True):
                    self.node(code.KEY, 0, key)
                    self.made(child, outputs)
            case signature.Call(function, child):
                self.node(code.CALL, 0, function)
                self.made(child, outputs)
            case _:
                raise TypeError(f"{tree!r} describes no result")

    def most_kept(self) -> int:
        """Return how many objects matching may have to hold besides the inputs."""
        keeping = (code.ARRAY, code.ATTRIBUTE)
        return sum(operation in keeping for operation in self.words[:: code.NODE_WORDS])

    def table(self) -> np.ndarray[Any, Any]:
        return np.array(self.words or [0], np.uintp)


class _Variant:
    """One program with its tables, in the memory that native code reads."""

    def __init__(
        self,
        native: NativeProgram,
        arguments: Sequence[Any],
        sources: Sequence[Any],
        result: Any,
        flags: int,
        declined: Callable[..., Any] | None,
        guarded: Callable[..., Any] | None,
    ) -> None:
        outputs = [operand.aval for operand in native.program.outputs]
        nodes = [_Nodes() for _ in range(4)]
        for tree in arguments:
            nodes[0].matched(tree)
        nodes[1].inputs = nodes[0].inputs
        for tree in sources:
            nodes[1].matched(tree)
        expected = len(native.program.inputs)
        if nodes[1].inputs != expected:
            raise ValueError(f"{nodes[1].inputs} leaves are described, {expected} inputs expected")
        for position, aval in enumerate(outputs):
            if aval.kind == "array":
                nodes[2].value(aval, position)
            else:
                nodes[2].node(code.SAME)
        nodes[3].made(result, outputs)
        tables = [made.table() for made in nodes]
        self.native = native
        self._held = (tables, [made.held for made in nodes], declined, guarded)
        addresses = [int(table.ctypes.data) for table in tables]
        fields = {
            "address": native.address,
            "argument_count": len(arguments),
            "arguments": addresses[0],
            "source_count": len(sources),
            "sources": addresses[1],
            "input_count": expected,
            "constants": native.constants,
            "output_count": len(outputs),
            "outputs": addresses[2],
            "result": addresses[3],
            "most_kept": nodes[0].most_kept() + nodes[1].most_kept(),
            "workspace": native.workspace,
            "flags": flags,
            "declined": 0 if declined is None else id(declined),
            "guarded": 0 if guarded is None else id(guarded),
        }
        self.words = np.array([fields.get(name, 0) for name in code.VARIANT_FIELDS], np.uintp)
        self._keeper = _shared[0].keeper(self.words)

    @property
    def address(self) -> int:
        return int(self.words.ctypes.data)


class Entry:
    """A builtin before a Python function.

    Parameters
    ----------
    fallback : callable
        Takes what no program takes.
    any_errors : bool
        Run programs under any error state of NumPy's, not only the one that processes start with.

    Attributes
    ----------
    call : builtin
        Call this. It holds the fallback and the programs.
    """

    __slots__ = ("_holder", "_variants", "call")

    def __init__(self, fallback: Callable[..., Any], *, any_errors: bool = False) -> None:
        if not is_available():
            raise RuntimeError(
                "this interpreter lays out objects otherwise than the entry reads them"
            )
        shared = _the_shared()
        variable, usual = numpy_abi.error_state()
        self._holder = np.array([0, 0 if any_errors else id(usual), id(variable)], np.uintp)
        self._variants: list[Any] = [usual]
        self.call: Callable[..., Any] = shared.make(
            ctypes.addressof(shared.definition), (fallback, self._holder, self._variants), None
        )

    def add(
        self,
        native: NativeProgram,
        arguments: Sequence[Any],
        result: Any,
        *,
        sources: Sequence[Any] = (),
        retries: bool = False,
        releases: bool | None = None,
        declined: Callable[..., Any] | None = None,
        guarded: Callable[..., Any] | None = None,
    ) -> None:
        """Let calls that match run a program, after those that are there already.

        A program of thousands of inputs and outputs is left to the fallback.

        Parameters
        ----------
        arguments : sequence of trees
            One for each positional argument, of `signature.Leaf`, `Items`, `Fields`, `Same`, ….
        result : tree
            Of `signature.Output`, `Items`, `Fields`, `Same`, `Input`, `Call`.
        sources : sequence of trees
            What is read besides: `signature.Cell`, `Item`, `Attribute`. Their leaves are the inputs
            after those of the arguments.
        retries : bool
            An exception in a call-back is dropped, and the fallback called instead.
        releases : bool, optional
            Other threads run meanwhile; by default where the program takes long enough for that
            to pay. Call-backs take the interpreter's lock themselves.
        declined : callable, optional
            Takes the arguments of a call that the program declines, instead of the fallback.
        guarded : callable, optional
            Takes the position of a guard that failed, and answers instead of the fallback.
        """
        if len(native.program.inputs) + len(native.program.outputs) > code.MOST_LEAVES:
            return
        if releases is None:
            releases = native.is_long
        flags = (code.RELEASES if releases else 0) | (code.RETRIES if retries else 0)
        variant = _Variant(native, arguments, sources, result, flags, declined, guarded)
        with uninterrupted:
            last = self._variants[-1]
            self._variants.append(variant)
            if isinstance(last, _Variant):
                last.words[0] = variant.address
            else:
                self._holder[0] = variant.address


def attach(instance: Any, entry: Entry) -> None:
    """Make the calls of an object go through an entry: its class gets a subclass of its own.

    The subclass has the builtin as ``__call__``, which costs 20 ns more than the builtin alone and
    leaves the object all its attributes.
    """
    base = type(instance)
    with contextlib.suppress(AttributeError):
        base = base.__wengert_base__
    made = type(
        base.__name__,
        (base,),
        {
            "__call__": entry.call,
            "__slots__": (),
            "__module__": base.__module__,
            "__doc__": base.__doc__,
            "__wengert_base__": base,
        },
    )
    instance.__class__ = made
