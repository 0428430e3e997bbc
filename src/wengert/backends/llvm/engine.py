"""The LLVM engine: text of modules in, object code out, object code linked into this process.

One lock guards every use of llvmlite, and no signal handler runs while it is held: an exception
between two steps of llvmlite's own would free an object twice. What llvmlite owns is freed from a
queue, never from a finaliser, which may run while another thread holds llvmlite's own lock.
"""

from __future__ import annotations

import functools
import os
import weakref
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from ...config import config
from ...interrupts import UninterruptedLock
from .library import address_of, is_library_symbol

# Everything that calls llvmlite holds this lock, for one slice of work at a time.
lock = UninterruptedLock()

# How code is made; the disk cache tells code apart by it. Position-independent code of the small
# model reaches symbols through tables that the linker fills, and leaves fast instruction selection
# on (the large model turns it off).
TARGET = {"reloc": "pic", "codemodel": "small"}
TUNING = {"loop_vectorization": True, "slp_vectorization": True, "loop_unrolling": True}
PASSES = "whole pipeline, then always-inline"

# Addresses of symbols that are neither in this process's tables nor in the module itself: compiled
# helpers, BLAS and LAPACK. Object code refers to them by name.
symbols: dict[str, int] = {}

# The trackers of all code that is mapped, and the references to code that is gone. Trackers have
# finalisers of their own: none may be in a cycle that the garbage collector finds, which would run
# them in any thread at any time.
_mapped: dict[weakref.ref[Code], tuple[Any, Any]] = {}
_dead: deque[weakref.ref[Code]] = deque()

# A library costs time in proportion to those that its LLJIT had before (0.26 µs each).
_LIBRARIES_PER_JIT = 256


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=lock.hold, after_in_parent=lock.let_go, after_in_child=lock.let_go)


class Host:
    """The machine that code is made for: its triple, processor and features."""

    def __init__(self, llvmlite: Any, binding: Any) -> None:
        self.triple: str = binding.get_process_triple()
        self.cpu: str = binding.get_host_cpu_name()
        self.features: str = binding.get_host_cpu_features().flatten()
        self.llvm: tuple[int, ...] = tuple(binding.llvm_version_info)
        self.llvmlite: str = llvmlite.__version__


class _Engine:
    """LLVM, initialised once a process, at first need."""

    def __init__(self) -> None:
        import llvmlite
        import llvmlite.binding as binding

        self.binding = binding
        binding.initialize_native_target()
        binding.initialize_native_asmprinter()
        binding.initialize_native_asmparser()
        self.host = Host(llvmlite, binding)
        self.target = binding.Target.from_triple(self.host.triple)
        self.machines: dict[int, Any] = {}
        self.jit: Any = None
        self.libraries = 0

    def machine(self, level: int) -> Any:
        found = self.machines.get(level)
        if found is None:
            found = self.machines[level] = self.new_machine(level)
        return found

    def new_machine(self, level: int) -> Any:
        return self.target.create_target_machine(
            cpu=self.host.cpu, features=self.host.features, opt=level, **TARGET
        )

    def current_jit(self) -> Any:
        if self.jit is None or self.libraries % _LIBRARIES_PER_JIT == 0:
            self.jit = self.binding.create_lljit_compiler(self.new_machine(0), use_jit_link=True)
        self.libraries += 1
        return self.jit


@functools.cache
def _engine() -> _Engine:
    return _Engine()


def host() -> Host:
    """Return what code is made for."""
    with lock:
        return _engine().host


class Code:
    """Machine code in this process; it is unmapped some time after the last reference goes.

    Parameters
    ----------
    addresses : dict
        From the name of an exported function to its address.
    """

    __slots__ = ("__weakref__", "addresses")

    def __init__(self, addresses: dict[str, int], tracker: Any, jit: Any) -> None:
        self.addresses = addresses
        # No step of Python's runs when the code goes, so nothing can come between.
        _mapped[weakref.ref(self, _dead.append)] = tracker, jit


def assemble(text: str, level: int = 0) -> bytes:
    """Return the object code of a module given as text.

    Parameters
    ----------
    level : int
        0 for straight-line code: no passes of LLVM, which cost more than they bring there. 3 for
        loops: LLVM's whole pipeline, with vectorisation.
    """
    with lock:
        return _assembled(text, level)


# What llvmlite made must be gone when the lock is left: its finalisers take many steps, too. So
# those who hold the lock call functions, whose variables end inside.


def _assembled(text: str, level: int) -> bytes:
    engine = _engine()
    module = _parsed(engine, text, level)
    try:
        code: bytes = engine.machine(level).emit_object(module)
    finally:
        module.close()
    return code


def optimised(text: str, level: int) -> str:
    """Return the text of a module after LLVM's passes."""
    with lock:
        return _optimised_text(text, level)


def _optimised_text(text: str, level: int) -> str:
    module = _parsed(_engine(), text, level)
    try:
        return str(module)
    finally:
        module.close()


def assembly(text: str, level: int = 0) -> str:
    """Return the assembly of a module given as text."""
    with lock:
        return _assembly(text, level)


def _assembly(text: str, level: int) -> str:
    engine = _engine()
    module = _parsed(engine, text, level)
    try:
        found: str = engine.machine(level).emit_assembly(module)
    finally:
        module.close()
    return found


def _parsed(engine: _Engine, text: str, level: int) -> Any:
    module = engine.binding.parse_assembly(text)
    if config.verify:
        module.verify()
    module.triple = engine.host.triple
    if level:
        _optimise(engine, module, level)
    return module


def _optimise(engine: _Engine, module: Any, level: int) -> None:
    binding = engine.binding
    options = binding.create_pipeline_tuning_options(speed_level=level)
    for name, value in TUNING.items():
        setattr(options, name, value)
    builder = binding.create_pass_builder(engine.machine(level), options)
    try:
        passes = builder.getModulePassManager()
        passes.run(module, builder)
        passes.close()
        # Variants for vectors of functions with a rare slow path, called since loops vectorised.
        inlining = binding.create_new_module_pass_manager()
        inlining.add_always_inliner_pass()
        inlining.run(module, builder)
        inlining.close()
    finally:
        builder.close()
        options.close()


def link(objects: Iterable[bytes], exports: Iterable[str], externals: Iterable[str] = ()) -> Code:
    """Map object code into this process.

    Parameters
    ----------
    exports : iterable of str
        The functions whose addresses are wanted.
    externals : iterable of str
        What the code refers to; names that `symbols` knows are bound to its addresses, all others
        to the symbols of this process.
    """
    with lock:
        return _linked(objects, exports, externals)


def _linked(objects: Iterable[bytes], exports: Iterable[str], externals: Iterable[str]) -> Code:
    engine = _engine()
    free_dead()
    library = engine.binding.JITLibraryBuilder()
    for data in objects:
        library.add_object_img(data)
    for name in externals:
        if is_library_symbol(name):
            library.import_symbol(name, address_of(name))
        elif name in symbols:
            library.import_symbol(name, symbols[name])
    library.add_current_process()
    names = tuple(exports)
    for name in names:
        library.export_symbol(name)
    jit = engine.current_jit()
    tracker = library.link(jit, f"library{engine.libraries}")
    return Code({name: tracker[name] for name in names}, tracker, jit)


def free_dead() -> None:
    """Unmap code that nobody refers to any more."""
    with lock:
        while _dead:
            _mapped.pop(_dead.popleft())[0].close()


def waiting() -> int:
    """Return how many pieces of dead code are still mapped."""
    return len(_dead)


def define_symbols(found: Mapping[str, int]) -> None:
    """Make addresses known to the linker under names."""
    with lock:
        symbols.update(found)
