"""Means over runs of equal neighbours, each run walked through once."""

from __future__ import annotations

import math

import numpy as np

from ....ir.equation import Equation
from ..emitter import TextEmitter
from ..frame import EquationStep, Frame
from ..values import Value, is_supported, load, store
from ..writer import Function, Module
from .emit import start_loop


class RunMeanStep(EquationStep):
    """The step of one ``run_mean``."""

    __slots__ = ()

    @staticmethod
    def serves(equation: Equation) -> bool:
        """Return whether an equation can be carried out this way."""
        if equation.primitive.name != "run_mean":
            return False
        dtype = equation.operands[0].aval.dtype
        return dtype.kind in "fc" and is_supported(dtype)

    def emit(self, frame: Frame) -> None:
        name = frame.shared.name("runs")
        _define(frame.loops, name, self.equation)
        frame.call(name, self.reads, self.writes[0])


class _Line:
    """The entries of an array along one axis."""

    def __init__(self, function: Function, dtype: np.dtype, stride: int, base: str) -> None:
        self.function = function
        self.dtype = dtype
        self.stride = stride
        self.base = base

    def at(self, pointer: str, place: str, size: int) -> str:
        """Return the address of an entry of so many bytes."""
        function = self.function
        if self.stride != 1:
            place = function.value(f"mul nsw i64 {place}, {self.stride}")
        position = function.value(f"add nsw i64 {self.base}, {place}")
        moved = function.value(f"mul nsw i64 {position}, {size}")
        return function.value(f"getelementptr inbounds i8, ptr {pointer}, i64 {moved}")

    def load(self, pointer: str, place: str, dtype: np.dtype | None = None) -> Value:
        dtype = dtype or self.dtype
        return load(self.function, dtype, self.at(pointer, place, dtype.itemsize))


def _define(module: Module, name: str, equation: Equation) -> None:
    aval = equation.operands[0].aval
    axis = equation.params["axis"] % len(aval.shape)
    length = aval.shape[axis]
    outer, inner = math.prod(aval.shape[:axis]), math.prod(aval.shape[axis + 1 :])
    function = module.function(
        name,
        "void",
        "ptr noalias nocapture readonly %x",
        "ptr noalias nocapture readonly %same",
        "ptr noalias nocapture %result",
    )
    if not aval.size:
        function.line("ret void")
        return
    block, end_outer = start_loop(function, "0", str(outer))
    column, end_inner = start_loop(function, "0", str(inner))
    start = function.value(f"mul nsw i64 {block}, {length * inner}")
    base = function.value(f"add nsw i64 {start}, {column}")
    _runs(function, _Line(function, aval.dtype, inner, base), length)
    end_inner()
    end_outer()
    function.line("ret void")


def _runs(function: Function, line: _Line, length: int) -> None:
    """Write the loop over the runs of a line."""
    emitter = TextEmitter(function)
    total = function.slot(16)
    labels = ("run", "look", "more", "add", "ended", "alone", "several", "following", "done")
    run, look, more, add, ended, alone, several, following, done = map(function.new_label, labels)
    before = function.block
    first, last, beyond = function.fresh(), function.fresh(), function.fresh()
    function.line(f"br label %{run}")
    function.start(run)
    function.line(f"{first} = phi i64 [ 0, %{before} ], [ {last}, %{following} ]")
    opening = line.load("%x", first)
    store(function, opening, total)
    second = function.value(f"add nsw i64 {first}, 1")
    function.line(f"br label %{look}")
    function.start(look)
    function.line(f"{last} = phi i64 [ {second}, %{run} ], [ {beyond}, %{add} ]")
    inside = function.value(f"icmp slt i64 {last}, {length}")
    function.line(f"br i1 {inside}, label %{more}, label %{ended}")
    function.start(more)
    same = line.load("%same", last, np.dtype(bool))
    function.line(f"br i1 {same.text}, label %{add}, label %{ended}")
    function.start(add)
    entry = line.load("%x", last)
    store(function, emitter.add(load(function, line.dtype, total), entry), total)
    function.line(f"{beyond} = add nsw i64 {last}, 1")
    function.line(f"br label %{look}")
    function.start(ended)
    count = function.value(f"sub nsw i64 {last}, {first}")
    single = function.value(f"icmp eq i64 {count}, 1")
    function.line(f"br i1 {single}, label %{alone}, label %{several}")
    function.start(alone)
    store(function, opening, line.at("%result", first, line.dtype.itemsize))
    function.line(f"br label %{following}")
    function.start(several)
    mean = _divided(emitter, load(function, line.dtype, total), count)
    place, end = start_loop(function, first, last)
    store(function, mean, line.at("%result", place, line.dtype.itemsize))
    end()
    function.line(f"br label %{following}")
    function.start(following)
    ongoing = function.value(f"icmp slt i64 {last}, {length}")
    function.line(f"br i1 {ongoing}, label %{run}, label %{done}")
    function.start(done)


def _divided(emitter: TextEmitter, total: Value, count: str) -> Value:
    part = emitter.real(total).dtype
    number = emitter.cast(Value(np.dtype(np.int64), count), part)
    if total.dtype.kind != "c":
        return emitter.divide(total, number)
    return emitter.complex(
        emitter.divide(emitter.real(total), number), emitter.divide(emitter.imag(total), number)
    )
