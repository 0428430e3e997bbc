"""Equations that native code does not know: they call back into NumPy, on the program's memory."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from ...ir.aval import Aval, aval_of
from ...ir.equation import Equation, Literal, Variable
from .frame import DECLINED, RAISED, EquationStep, Frame
from .writer import Module

_DONE, _DECLINES = None, NotImplemented


def view_at(address: int, aval: Aval) -> np.ndarray[Any, Any]:
    """Return an array on memory that somebody else keeps."""
    size = aval.size * aval.dtype.itemsize
    if size == 0:
        return np.empty(aval.shape, aval.dtype)
    memory: Any = (ctypes.c_char * size).from_address(address)
    return np.ndarray(aval.shape, aval.dtype, memory)


def _sort_into(x: Any, out: np.ndarray[Any, Any], *, axis: int, kind: Any) -> None:
    out[...] = x
    out.sort(axis=axis, kind=kind)


# What NumPy can do in the program's memory, without an array of its own.
_FILLING: dict[str, Callable[..., None]] = {"sort": _sort_into}


# Families whose primitives may hand what they read to functions of the user, which may keep it.
_KEEPERS = frozenset({"callback", "effect", "custom", "control"})


class _Helper:
    """What native code calls for one equation, with the address of a table of addresses."""

    __slots__ = ("equation", "readers", "table")

    def __init__(self, equation: Equation) -> None:
        self.equation = equation
        copied = equation.primitive.family in _KEEPERS
        read = [operand for operand in equation.operands if isinstance(operand, Variable)]
        self.table = ctypes.c_size_t * (len(read) + len(equation.outputs))
        self.readers: list[Callable[[Any], Any]] = []
        for operand in equation.operands:
            if isinstance(operand, Literal):
                self.readers.append(_constant(operand.value))
            else:
                self.readers.append(_reader(operand.aval, read.index(operand), copied))

    def __call__(self, address: int) -> Any:
        table = self.table.from_address(address)
        equation = self.equation
        values = [reader(table) for reader in self.readers]
        first = len(table) - len(equation.outputs)
        fill = _FILLING.get(equation.primitive.name)
        if fill is not None and equation.outputs[0].aval.shape:
            fill(*values, view_at(table[first], equation.outputs[0].aval), **equation.params)
            return _DONE
        results = equation.primitive.evaluate(*values, **equation.params)
        if not equation.primitive.multiple:
            results = (results,)
        for number, (variable, result) in enumerate(zip(equation.outputs, results, strict=True)):
            if aval_of(result) != variable.aval:
                return _DECLINES  # Python's numbers change type where they leave a range
            try:
                view_at(table[first + number], variable.aval)[...] = result
            except OverflowError:
                return _DECLINES  # an integer of Python beyond 64 bits
        return _DONE


def _constant(value: Any) -> Callable[[Any], Any]:
    return lambda table: value


def _reader(aval: Aval, position: int, copied: bool) -> Callable[[Any], Any]:
    """Return what reads an operand: the program's memory itself, or a copy that may be kept."""
    if aval.kind == "python":
        return lambda table: view_at(table[position], aval).item()
    if aval.kind == "scalar":
        return lambda table: view_at(table[position], aval)[()]

    def read(table: Any) -> Any:
        found = view_at(table[position], aval)
        if copied:
            return found.copy()
        found.flags.writeable = False
        return found

    return read


class CallBack(EquationStep):
    """The step of one equation that NumPy carries out."""

    __slots__ = ()

    def emit(self, frame: Frame) -> None:
        frame.settle()
        frame.shared.called_back[self.equation.primitive.name] = None
        read = [operand for operand in self.reads if isinstance(operand, Variable)]
        pointers = [frame.pointer(operand) for operand in read]
        targets = [frame.target(variable) for variable in self.writes]
        write_call_back(frame, self.equation, pointers, targets)
        for variable, pointer in zip(self.writes, targets, strict=True):
            frame.arrived(variable, pointer)


def write_call_back(
    frame: Frame, equation: Equation, pointers: list[str], targets: list[str]
) -> None:
    """Write the call of NumPy for an equation; its variables lie at `pointers`."""
    table = frame.table([*pointers, *targets])
    helper = frame.object(_Helper(equation))
    called = _define_call_back(frame.module)
    status = frame.function.value(f"call i32 {called}(ptr {helper}, ptr {table})")
    frame.leave_unless_done(status)


def _define_call_back(module: Module) -> str:
    """Define the function that calls a Python helper with the interpreter's lock held."""
    ensure = module.declare("PyGILState_Ensure", "i32")
    release = module.declare("PyGILState_Release", "void", "i32")
    from_pointer = module.declare("PyLong_FromVoidPtr", "ptr", "ptr")
    call = module.declare("PyObject_CallOneArg", "ptr", "ptr", "ptr")
    forget = module.declare("Py_DecRef", "void", "ptr")
    refused = module.declare_data("_Py_NotImplementedStruct")
    return module.define(
        "call_back",
        f"""define internal i32 @call_back(ptr %helper, ptr %table) noinline {{
  %state = call i32 {ensure}()
  %address = call ptr {from_pointer}(ptr %table)
  %none = icmp eq ptr %address, null
  br i1 %none, label %raised, label %go
go:
  %result = call ptr {call}(ptr %helper, ptr %address)
  call void {forget}(ptr %address)
  %failed = icmp eq ptr %result, null
  br i1 %failed, label %raised, label %answered
answered:
  %declined = icmp eq ptr %result, {refused}
  call void {forget}(ptr %result)
  %status = select i1 %declined, i32 {DECLINED}, i32 0
  br label %leave
raised:
  br label %leave
leave:
  %returned = phi i32 [ {RAISED}, %raised ], [ %status, %answered ]
  call void {release}(i32 %state)
  ret i32 %returned
}}""",
    )


def define_signals(module: Module) -> str:
    """Define the function that lets Python handle its signals; its status says if one raised."""
    ensure = module.declare("PyGILState_Ensure", "i32")
    release = module.declare("PyGILState_Release", "void", "i32")
    check = module.declare("PyErr_CheckSignals", "i32")
    return module.define(
        "check_signals",
        f"""define internal i32 @check_signals() noinline {{
  %state = call i32 {ensure}()
  %found = call i32 {check}()
  call void {release}(i32 %state)
  %raised = icmp ne i32 %found, 0
  %status = select i1 %raised, i32 {RAISED}, i32 0
  ret i32 %status
}}""",
    )
