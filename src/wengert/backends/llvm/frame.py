"""A function under construction that runs steps of a program, and how steps reach their values.

Every such function is ``i32 name(ptr inputs, ptr outputs, ptr workspace)``: tables of addresses of
the inputs (after the last of them the table of constants) and outputs, and memory to work in. It
returns 0, the number of a failed guard plus 1, or one of the codes here.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Protocol

from ...ir.equation import Equation, Literal, Operand, Variable
from ...ir.wengert_list import WengertList
from ...passes.keys import ListNumbers
from .emitter import TextEmitter
from .layout import Layout, in_register
from .values import Value, constant, load, store
from .writer import Module, offset

DONE = 0
RAISED = -1  # a Python exception is set
DECLINED = -2  # Python must evaluate: what it does here leaves machine numbers

ARGUMENTS = ("ptr noalias %inputs", "ptr noalias %outputs", "ptr noalias %workspace")


class Step(Protocol):
    """A part of a program that is carried out as one.

    A step asks the frame for the values or addresses of what it reads and writes. Array kernels
    emit a function of their own and call it from here; `scratch` bytes of workspace are theirs.
    With `numbers_only` it reads and writes registers alone, and the layout passes over it.
    """

    numbers_only: bool

    @property
    def reads(self) -> tuple[Operand, ...]: ...
    @property
    def writes(self) -> tuple[Variable, ...]: ...
    @property
    def scratch(self) -> int: ...
    def emit(self, frame: Frame) -> None: ...


class EquationStep:
    """What the steps of one equation are: they read its operands and write its results."""

    __slots__ = ("equation", "reads", "writes")

    numbers_only = False
    scratch = 0

    def __init__(self, equation: Equation) -> None:
        self.equation = equation
        self.reads: tuple[Operand, ...] = equation.operands
        self.writes: tuple[Variable, ...] = equation.outputs


class Spills:
    """Single numbers that are needed in another function: their slots in the workspace."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.slots: dict[Variable, int] = {}

    def slot(self, variable: Variable) -> int:
        found = self.slots.get(variable)
        if found is None:
            found = self.slots[variable] = self.layout.reserve(16)
        return found


class Shared:
    """What all functions of a program share.

    Attributes
    ----------
    loops : Module
        Takes functions that have loops; LLVM optimises them.
    plain : Module
        Takes long functions, which LLVM's passes would take too long for.
    arrange : callable
        Gives the steps of a list that stands in a parameter of an equation.
    called_back : dict
        Names of the primitives that run through NumPy, in order.
    kernels : dict
        The code of array kernels by what they compute.
    parts : dict
        The functions of lists within the program likewise, see `part_of`.
    lists : ListNumbers
        By which lists within the program are compared.
    """

    def __init__(self, arrange: Callable[[WengertList], list[Step]]) -> None:
        self.arrange = arrange
        self.loops = Module(level=3)
        self.plain = Module()
        self.called_back: dict[str, None] = {}
        self.kernels: dict[Hashable, Any] = {}
        self.parts: dict[Hashable, Any] = {}
        self.lists = ListNumbers()
        self._count = 0

    def name(self, hint: str) -> str:
        """Return a new name of a function."""
        self._count += 1
        return f"{hint}{self._count}"

    @property
    def modules(self) -> list[Module]:
        return [made for made in (self.loops, self.plain) if made.functions or made.definitions]


class Frame:
    """Writes the steps of one function.

    Parameters
    ----------
    input_count : int
        Inputs of the program; the table of constants stands behind them.
    spills : Spills
        Shared by the functions of a program.
    shared : Shared
    crossing : set of Variable
        Numbers that functions after this one read.
    """

    def __init__(
        self,
        module: Module,
        name: str,
        layout: Layout,
        input_count: int,
        spills: Spills,
        shared: Shared,
        crossing: frozenset[Variable] | set[Variable] = frozenset(),
    ) -> None:
        self.module = module
        self.function = module.function(name, "i32", *ARGUMENTS)
        self.emitter = TextEmitter(self.function)
        self.layout = layout
        self.input_count = input_count
        self.spills = spills
        self.shared = shared
        self.crossing = crossing
        self._values: dict[Variable, Value] = {}
        self._pointers: dict[object, str] = {}
        self._exits: dict[int, str] = {}

    @property
    def loops(self) -> Module:
        return self.shared.loops

    # -------------------------------------------------------------- values

    def value(self, operand: Operand) -> Value:
        """Return a single number."""
        if isinstance(operand, Literal):
            aval = operand.aval
            return constant(operand.value, aval.dtype)
        found = self._values.get(operand)
        if found is None:
            found = self._values[operand] = load(
                self.function, operand.aval.dtype, self._number_pointer(operand)
            )
        return found

    def values_of(self, operands: Sequence[Operand]) -> list[Value | None]:
        """Return single numbers; None for literals."""
        known = self._values
        found: list[Value | None] = []
        for operand in operands:
            if type(operand) is Variable:
                value = known.get(operand)
                found.append(self.value(operand) if value is None else value)
            else:
                found.append(None)
        return found

    def assign(self, variable: Variable, value: Value) -> None:
        """Give a single number to a variable."""
        self._values[variable] = value
        place = self.layout.places.get(variable)
        if place is not None:
            store(self.function, value, self._place(place.where, place.number))
        if variable in self.crossing:
            store(self.function, value, self._spilled(variable))

    def _number_pointer(self, variable: Variable) -> str:
        place = self.layout.places.get(variable)
        if place is not None and place.where == "inputs":
            return self._place(place.where, place.number)
        return self._spilled(variable)

    def _spilled(self, variable: Variable) -> str:
        return self._place("workspace", self.spills.slot(variable))

    def pointer(self, operand: Operand) -> str:
        """Return the address of an array's entries, or of a number, put there for the purpose."""
        if isinstance(operand, Literal):
            place = self.layout.constant(operand)
            return self._place(place.where, place.number)
        found = self.layout.places.get(operand)
        if not in_register(operand.aval):
            assert found is not None
            return self._place(found.where, found.number)
        if found is not None and found.where == "inputs":
            return self._place(found.where, found.number)
        key = ("number", operand)
        pointer = self._pointers.get(key)
        if pointer is None:
            pointer = self._pointers[key] = self.function.slot(16)
            store(self.function, self.value(operand), pointer)
        return pointer

    def set(self, variable: Variable, value: Value) -> None:
        """Say what a single number is, without storing it anywhere."""
        self._values[variable] = value

    def bind(self, where: str, number: int, pointer: str) -> None:
        """Say at which address a place lies that only this function knows."""
        self._pointers[where, number] = pointer

    def output(self, position: int, where: str = "outputs") -> str:
        """Return the address of an output of the program."""
        return self._place(where, position)

    def input(self, position: int) -> str:
        """Return the address of an input of the program."""
        return self._place("inputs", position)

    def table(self, pointers: Sequence[str]) -> str:
        """Return the address of a table of addresses."""
        found = self.function.slot(8 * max(1, len(pointers)))
        for number, pointer in enumerate(pointers):
            entry = offset(self.function, found, 8 * number)
            self.function.line(f"store ptr {pointer}, ptr {entry}")
        return found

    def constants(self) -> str:
        """Return the address of the table of constants."""
        return self._place("inputs", self.input_count)

    def copy(self, target: str, source: str, size: int) -> None:
        """Copy bytes between places that do not overlap."""
        if size:
            called = self.module.declare("llvm.memcpy.p0.p0.i64", "void", "ptr", "ptr", "i64", "i1")
            self.function.line(
                f"call void {called}(ptr {target}, ptr {source}, i64 {size}, i1 false)"
            )

    def target(self, variable: Variable) -> str:
        """Return the address at which a step writes a variable; `arrived` must follow."""
        if not in_register(variable.aval):
            return self.pointer(variable)
        return self.function.slot(16)

    def arrived(self, variable: Variable, pointer: str) -> None:
        """Take up what a step wrote at the address from `target`."""
        if in_register(variable.aval):
            self.assign(variable, load(self.function, variable.aval.dtype, pointer))

    def call(self, name: str, reads: Sequence[Operand], result: Variable) -> None:
        """Call a function without status on the addresses of what it reads, then of its result."""
        pointers = [self.pointer(operand) for operand in reads]
        target = self.target(result)
        arguments = [*pointers, target]
        called = self.module.declare(name, "void", *["ptr"] * len(arguments))
        listed = ", ".join(f"ptr {argument}" for argument in arguments)
        self.function.line(f"call void {called}({listed})")
        self.arrived(result, target)

    def scratch(self, size: int) -> str:
        """Return the address of workspace that is this step's alone."""
        return self._place("workspace", self.layout.reserve(size))

    def scratch_of_part(self, size: int) -> str:
        """Return the address of workspace for a function that this step calls.

        One step runs after the other, so these functions share it where they can.
        """
        return self._place("workspace", self.layout.reserve_for_part(size))

    def object(self, held: object) -> str:
        """Return a Python object that the program keeps alive, as an address."""
        number = self.layout.hold(held)
        return self._place("objects", number)

    def _place(self, where: str, number: int) -> str:
        """Return the address of a place, computed once at the top of the function."""
        key = (where, number)
        found = self._pointers.get(key)
        if found is not None:
            return found
        if where == "workspace":
            found = self._top(f"getelementptr i8, ptr %workspace, i64 {number}")
        elif where in ("inputs", "outputs"):
            entry = self._top(f"getelementptr ptr, ptr %{where}, i64 {number}")
            found = self._top(f"load ptr, ptr {entry}")
        else:
            assert where in ("constants", "objects"), where
            table = self._place("inputs", self.input_count)
            index = number if where == "constants" else -1 - number
            entry = self._top(f"getelementptr ptr, ptr {table}, i64 {index}")
            found = self._top(f"load ptr, ptr {entry}")
        self._pointers[key] = found
        return found

    def _top(self, instruction: str) -> str:
        name = self.function.fresh()
        self.function.slots.append(f"{name} = {instruction}")
        return name

    # -------------------------------------------------------------- leaving

    def exit_label(self, status: int) -> str:
        """Return the block that returns a status."""
        found = self._exits.get(status)
        if found is None:
            found = self._exits[status] = f"exit{len(self._exits)}"
        return found

    def leave_if(self, condition: str, status: int) -> None:
        """Return a status where a bit is set."""
        following = self.function.new_label("go")
        self.function.line(
            f"br i1 {condition}, label %{self.exit_label(status)}, label %{following}"
        )
        self.function.start(following)

    def leave_unless_done(self, status: str) -> None:
        """Return a status that a call gave, unless it is 0."""
        failed = self.function.value(f"icmp ne i32 {status}, 0")
        leaving, following = self.function.new_label("leave"), self.function.new_label("go")
        self.function.line(f"br i1 {failed}, label %{leaving}, label %{following}")
        self.function.start(leaving)
        self.function.line(f"ret i32 {status}")
        self.function.start(following)

    def settle(self) -> None:
        """Decline now, if anything up to here asked for it: before what cannot be undone."""
        declined = self.emitter.take_declined()
        if declined is not None:
            self.leave_if(declined, DECLINED)

    def finish(self) -> None:
        """End the function."""
        self.settle()
        self.function.line(f"ret i32 {DONE}")
        for status, label in self._exits.items():
            self.function.start(label)
            self.function.line(f"ret i32 {status}")
