"""Loops over arrays, compiled by LLVM, around one elementary function: what its tests measure."""

from __future__ import annotations

import ctypes
import functools
from typing import Any

import numpy as np

from wengert.backends.llvm import engine, math
from wengert.backends.llvm.math import large
from wengert.backends.llvm.values import type_of
from wengert.backends.llvm.writer import Module


class Loop:
    """An elementary function over arrays, compiled as a loop that LLVM vectorises."""

    def __init__(self, name: str, dtype: Any) -> None:
        self.dtype = np.dtype(dtype)
        self.arity = math.FUNCTIONS[name][0]
        module = loop_module(name, self.dtype)
        self.text = module.text()
        large.make_available(module.externals)
        self._code = engine.link([engine.assemble(self.text, 3)], ["loop"], module.externals)
        pointers = [ctypes.c_void_p] * (self.arity + 1)
        self._function = ctypes.CFUNCTYPE(None, *pointers, ctypes.c_int64)(
            self._code.addresses["loop"]
        )

    def __call__(self, *operands: Any) -> Any:
        arrays = [
            np.ascontiguousarray(operand, self.dtype) for operand in np.broadcast_arrays(*operands)
        ]
        result = np.empty_like(arrays[0])
        self.run(arrays, result)
        return result

    def run(self, arrays: list[Any], result: Any) -> None:
        self.call([array.ctypes.data for array in [*arrays, result]], result.size)

    def call(self, addresses: list[int], length: int) -> None:
        self._function(*addresses, length)


@functools.cache
def loop(name: str, dtype: str) -> Loop:
    return Loop(name, dtype)


def loop_text(name: str, dtype: np.dtype[Any]) -> str:
    """Return the text of the module of a loop over the entries of arrays."""
    return loop_module(name, dtype).text()


def loop_module(name: str, dtype: np.dtype[Any]) -> Module:
    """Return the module of a loop over the entries of arrays."""
    kind, arity = type_of(dtype), math.FUNCTIONS[name][0]
    module = Module(level=3)
    sources = [f"ptr noalias %source{i}" for i in range(arity)]
    function = module.function(
        "loop", "void", *sources, "ptr noalias %target", "i64 %length",
        attributes='nounwind "prefer-vector-width"="512"',
    )  # fmt: skip
    positive = function.value("icmp sgt i64 %length, 0")
    function.line(f"br i1 {positive}, label %body, label %done")
    function.start("body")
    function.line("%index = phi i64 [0, %entry], [%following, %body]")
    operands = []
    for i in range(arity):
        place = function.value(f"getelementptr {kind}, ptr %source{i}, i64 %index")
        operands.append(function.value(f"load {kind}, ptr {place}"))
    result = math.emit(function, name, dtype, operands)
    place = function.value(f"getelementptr {kind}, ptr %target, i64 %index")
    function.line(f"store {kind} {result}, ptr {place}")
    function.line("%following = add i64 %index, 1")
    function.line("%more = icmp slt i64 %following, %length")
    function.line("br i1 %more, label %body, label %done")
    function.start("done")
    function.line("ret void")
    return module
