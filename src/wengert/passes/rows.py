"""Rows: numbers that a loop stacks for the same later loops lie side by side in memory.

An iteration that stacks n numbers writes to n places, each with an address of its own, and later
loops read as many; one row of them has one address, and a processor moves it as vectors.
"""

from __future__ import annotations

from typing import Any

from ..ir.aval import Aval
from ..ir.equation import Equation, Operand, Variable
from ..ir.primitive import registry
from ..ir.wengert_list import WengertList
from .recompute import Use, scans_of, uses_of_stacks

# Numbers of one row: arrays of so few entries are taken apart into registers.
_LONGEST = 16


def stack_rows(program: WengertList) -> WengertList:
    """Return the list with rows of numbers in place of stacks that are read together."""
    for number in range(len(scans_of(program))):
        maker = scans_of(program)[number]
        rows = _rows(program, maker)
        if rows:
            program = _Rows(maker, rows).rewritten(program)
    return program


def _rows(program: WengertList, maker: Equation) -> list[list[Variable]]:
    """Return the stacks of numbers of a loop that the same loops read in the same order."""
    together: dict[Any, list[Variable]] = {}
    for stack, uses in uses_of_stacks(program, maker).items():
        if len(stack.aval.shape) == 1 and all(_is_range(use) for use in uses):
            readers = sorted((id(use.reader), repr(use.path)) for use in uses)
            together.setdefault((stack.aval.dtype, *readers), []).append(stack)
    return [
        stacks[start : start + _LONGEST]
        for stacks in together.values()
        for start in range(0, len(stacks), _LONGEST)
        if len(stacks) - start > 1
    ]


def _is_range(use: Use) -> bool:
    """Return whether the whole or a slice is read: the same of a stack and of one of rows."""
    path = use.path
    return path is None or (len(path) == 1 and path[0][0] == "index" and type(path[0][1]) is slice)


class _Rows:
    """A list while the stacks of one loop become rows."""

    def __init__(self, maker: Equation, rows: list[list[Variable]]) -> None:
        self.maker = maker
        self.rows = rows
        length: int = maker.params["length"]
        # By stack: the stack of rows, and the place in a row.
        self.places: dict[Variable, tuple[Variable, int]] = {}
        for stacks in rows:
            whole = Variable(Aval((length, len(stacks)), stacks[0].aval.dtype))
            self.places.update((stack, (whole, k)) for k, stack in enumerate(stacks))
        # By a part of a stack: the stack and the path of the part.
        self.parts: dict[Operand, tuple[Variable, Any]] = {
            stack: (stack, None) for stack in self.places
        }
        self.read: dict[Any, Variable] = {}

    def rewritten(self, program: WengertList) -> WengertList:
        equations: list[Equation] = []
        for equation in program:
            if equation is self.maker:
                equations.append(self._making())
            elif equation.primitive.name == "read" and equation.operands[0] in self.places:
                stack: Any = equation.operands[0]
                self.parts[equation.outputs[0]] = stack, equation.params["path"]
            elif self.parts.keys().isdisjoint(equation.operands):
                equations.append(equation)
            else:
                equations += self._reading(equation)
        return WengertList(program.inputs, equations, program.outputs)

    def _making(self) -> Equation:
        """Return the loop that stacks rows."""
        maker = self.maker
        count: int = maker.params["carry"]
        body: WengertList = maker.params["body"]
        made = dict(zip(maker.outputs[count:], body.outputs[count:], strict=True))
        kept = [stack for stack in made if stack not in self.places]
        gathered: list[Equation] = []
        for stacks in self.rows:
            aval = Aval((len(stacks),), stacks[0].aval.dtype)
            params = {"shape": aval.shape, "dtype": aval.dtype}
            operands = [made[stack] for stack in stacks]
            gathered.append(Equation(registry["array"], operands, params, [Variable(aval)]))
        inner = WengertList(
            body.inputs,
            [*body.equations, *gathered],
            [
                *body.outputs[:count],
                *(made[stack] for stack in kept),
                *(equation.outputs[0] for equation in gathered),
            ],
        )
        wholes = [self.places[stacks[0]][0] for stacks in self.rows]
        outputs = [*maker.outputs[:count], *kept, *wholes]
        return Equation(maker.primitive, maker.operands, maker.params | {"body": inner}, outputs)

    def _reading(self, reader: Equation) -> list[Equation]:
        """Return a loop that reads rows, after the equations that it needs."""
        body: WengertList = reader.params["body"]
        before: list[Equation] = []
        rows: dict[Variable, Variable] = {}  # by what is read, the row in the body
        entries: list[Equation] = []
        operands: list[Operand] = []
        inputs: list[Variable] = []
        for operand, given in zip(reader.operands, body.inputs, strict=True):
            if operand not in self.parts:
                operands.append(operand)
                inputs.append(given)
                continue
            stack, path = self.parts[operand]
            whole, place = self.places[stack]
            if path is not None:
                whole = self._part(whole, path, before)
            row = rows.get(whole)
            if row is None:
                row = rows[whole] = Variable(Aval(whole.aval.shape[1:], whole.aval.dtype))
            entries += _entry(row, place, given)
        operands += rows
        inner = WengertList([*inputs, *rows.values()], [*entries, *body.equations], body.outputs)
        changed = reader.params | {"body": inner}
        return [*before, Equation(reader.primitive, operands, changed, reader.outputs)]

    def _part(self, whole: Variable, path: Any, before: list[Equation]) -> Variable:
        key = (whole, repr(path))
        found = self.read.get(key)
        if found is None:
            read = registry["read"]
            found = self.read[key] = Variable(read.infer(whole.aval, path=path))
            before.append(Equation(read, [whole], {"path": path}, [found]))
        return found


def _entry(row: Variable, place: int, given: Variable) -> list[Equation]:
    """Return equations that give a body's input as an entry of a row."""
    params = {"path": (("index", place),)}
    scalar = Aval((), row.aval.dtype, "scalar")
    if given.aval == scalar:
        return [Equation(registry["read"], [row], params, [given])]
    entry = Variable(scalar)
    return [
        Equation(registry["read"], [row], params, [entry]),
        Equation(registry["convert"], [entry], {"aval": given.aval}, [given]),
    ]
