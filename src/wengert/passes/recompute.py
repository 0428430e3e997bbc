"""Recomputing: what a loop stacks for a later one is computed again there where that is cheap.

A reverse sweep reads residuals of every iteration. One that is a sum, a difference or a product of
others costs a store and a load, which take longer than the operation does.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..ir.aval import Aval
from ..ir.equation import Equation, Literal, Operand, Variable
from ..ir.primitive import registry
from ..ir.wengert_list import WengertList

_CHEAP = frozenset({"add", "subtract", "multiply", "negative"})
_DEPTH = 3  # operations one after the other that are still cheap


class Use(NamedTuple):
    """An array that a loop reads entry by entry: which input of its body, and the part it is of."""

    reader: Equation
    number: int
    path: Any  # of the part, None for the whole


def recompute(program: WengertList) -> WengertList:
    """Return the list with fewer stacked results of loops."""
    for number in range(len(scans_of(program))):
        found = _without_cheap(program, scans_of(program)[number])
        if found is not None:
            program = found
    return program


def scans_of(program: WengertList) -> list[Equation]:
    """Return the loops of a list whose results may be stacked."""
    return [equation for equation in program if equation.primitive.name == "scan"]


def uses_of_stacks(program: WengertList, maker: Equation) -> dict[Variable, list[Use]]:
    """Return the uses of each stacked result that later loops alone read."""
    stacks = maker.outputs[maker.params["carry"] :]
    parts: dict[Variable, tuple[Variable, Any]] = {stack: (stack, None) for stack in stacks}
    found: dict[Variable, list[Use]] = {stack: [] for stack in stacks}
    for equation in program:
        first = len(equation.operands)
        if equation.primitive.name == "scan":
            first = equation.params["constants"] + equation.params["carry"]
        whole = equation.primitive.name == "read" and len(equation.operands) == 1
        for number, operand in enumerate(equation.operands):
            if not isinstance(operand, Variable) or operand not in parts:
                continue
            stack, path = parts[operand]
            if whole and path is None and _is_part(equation.outputs[0].aval, stack.aval):
                parts[equation.outputs[0]] = stack, equation.params["path"]
                continue
            if number >= first:
                found.get(stack, []).append(Use(equation, number, path))
            else:
                found.pop(stack, None)
    for operand in program.outputs:
        if isinstance(operand, Variable) and operand in parts:
            found.pop(parts[operand][0], None)
    return {stack: uses for stack, uses in found.items() if uses}


def _is_part(part: Aval, whole: Aval) -> bool:
    """Return whether an array may hold some of the entries, along the first axis, of another."""
    return len(part.shape) == len(whole.shape) and part.shape[1:] == whole.shape[1:]


class _Sources:
    """What values of a body are made of, going back through cheap operations."""

    def __init__(self, body: WengertList, constants: int, carry: int) -> None:
        self.makers = {e.outputs[0]: e for e in body if e.primitive.name in _CHEAP}
        self.numbers = {variable: number for number, variable in enumerate(body.inputs)}
        self.constants = constants
        self.carry = carry

    def leaves(self, operand: Operand, depth: int = _DEPTH) -> set[Variable] | None:
        """Return the inputs that a value is made of, None where that is not cheap."""
        if isinstance(operand, Literal):
            return set()
        if operand in self.numbers:
            return {operand}
        maker = self.makers.get(operand)
        if maker is None or not depth:
            return None
        found: set[Variable] = set()
        for each in maker.operands:
            below = self.leaves(each, depth - 1)
            if below is None:
                return None
            found |= below
        return found

    def is_carried(self, variable: Variable) -> bool:
        return self.constants <= self.numbers[variable] < self.constants + self.carry


def _without_cheap(program: WengertList, maker: Equation) -> WengertList | None:
    """Return the list with what is cheap recomputed by the readers of a loop."""
    params = maker.params
    count = params["carry"]
    body: WengertList = params["body"]
    sources = _Sources(body, params["constants"], count)
    made = dict(zip(maker.outputs[count:], body.outputs[count:], strict=True))
    stacked = {operand: stack for stack, operand in made.items() if isinstance(operand, Variable)}
    cheap: dict[Variable, set[Variable]] = {}
    for stack in uses_of_stacks(program, maker):
        operand = made[stack]
        leaves = None if operand in sources.numbers else sources.leaves(operand)
        if leaves:
            cheap[stack] = leaves
    needed = {leaf for leaves in cheap.values() for leaf in leaves if sources.is_carried(leaf)}
    added = [leaf for leaf in body.inputs if leaf in needed and leaf not in stacked]
    if len(added) >= len(cheap):
        return None
    for leaf in added:
        aval = Aval((params["length"], *leaf.aval.shape), leaf.aval.dtype, "array")
        stacked[leaf] = Variable(aval)
    kept = [stack for stack in maker.outputs[count:] if stack not in cheap]
    results = [made[stack] for stack in kept] + list(added)
    smaller = Equation(
        maker.primitive,
        maker.operands,
        params
        | {"body": WengertList(body.inputs, body.equations, [*body.outputs[:count], *results])},
        [*maker.outputs[:count], *kept, *(stacked[leaf] for leaf in added)],
    )
    rewriter = _Readers(maker, sources, made, stacked, cheap)
    equations: list[Equation] = []
    for equation in program:
        if equation is maker:
            equations.append(smaller)
        elif equation.primitive.name == "read" and equation.operands[0] in cheap:
            rewriter.parts[equation.outputs[0]] = equation.operands[0], equation.params["path"]
        elif equation.primitive.name == "scan":
            equations += rewriter.rewritten(equation)
        else:
            equations.append(equation)
    return WengertList(program.inputs, equations, program.outputs)


class _Readers:
    """Loops that read what is not stacked any more, and compute it instead."""

    def __init__(
        self,
        maker: Equation,
        sources: _Sources,
        made: dict[Variable, Operand],
        stacked: dict[Variable, Variable],
        cheap: dict[Variable, set[Variable]],
    ) -> None:
        self.maker = maker
        self.sources = sources
        self.made = made
        self.stacked = stacked
        self.parts: dict[Any, tuple[Any, Any]] = {stack: (stack, None) for stack in cheap}

    def rewritten(self, reader: Equation) -> list[Equation]:
        """Return a loop, after the reads of what it needs."""
        params = reader.params
        start = params["constants"] + params["carry"]
        wanted = [n for n, o in enumerate(reader.operands) if n >= start and o in self.parts]
        if not wanted:
            return [reader]
        before: list[Equation] = []
        body: WengertList = params["body"]
        fresh = _Fresh()
        replaced: dict[Variable, Operand] = {}
        for number in wanted:
            stack, path = self.parts[reader.operands[number]]
            value = self._computed(self.made[stack], path, fresh, before, {})
            old = body.inputs[number]
            if value.aval != old.aval:
                converted = Variable(old.aval)
                fresh.equations.append(
                    Equation(registry["convert"], [value], {"aval": old.aval}, [converted])
                )
                value = converted
            replaced[old] = value

        def renamed(operand: Operand) -> Operand:
            return operand if isinstance(operand, Literal) else replaced.get(operand, operand)

        equations = [
            Equation(e.primitive, [renamed(o) for o in e.operands], e.params, e.outputs)
            for e in body
        ]
        kept = [n for n in range(len(reader.operands)) if n not in wanted]
        constants = params["constants"]
        inner = WengertList(
            [
                *body.inputs[:constants],
                *fresh.constants.values(),
                *(body.inputs[n] for n in kept if n >= constants),
                *fresh.entries.values(),
            ],
            [*fresh.equations, *equations],
            [renamed(operand) for operand in body.outputs],
        )
        operands = [
            *reader.operands[:constants],
            *fresh.constants,
            *(reader.operands[n] for n in kept if n >= constants),
            *fresh.entries,
        ]
        changed = params | {"body": inner, "constants": constants + len(fresh.constants)}
        return [*before, Equation(reader.primitive, operands, changed, reader.outputs)]

    def _computed(
        self,
        operand: Operand,
        path: Any,
        fresh: _Fresh,
        before: list[Equation],
        known: dict[Variable, Operand],
    ) -> Operand:
        """Return a value of the maker's body in the reader's."""
        if isinstance(operand, Literal):
            return operand
        if operand in known:
            return known[operand]
        number = self.sources.numbers.get(operand)
        if number is None:
            equation = self.sources.makers[operand]
            given = [self._computed(o, path, fresh, before, known) for o in equation.operands]
            found: Operand = Variable(operand.aval)
            assert isinstance(found, Variable)
            fresh.equations.append(Equation(equation.primitive, given, equation.params, [found]))
        elif number < self.sources.constants:
            outer = self.maker.operands[number]
            found = fresh.constants.setdefault(outer, Variable(operand.aval))
        else:
            carried = self.sources.is_carried(operand)
            entries = self.stacked[operand] if carried else self.maker.operands[number]
            found = fresh.entries.setdefault(
                self._part(entries, path, fresh, before), Variable(operand.aval)
            )
        known[operand] = found
        return found

    @staticmethod
    def _part(entries: Operand, path: Any, fresh: _Fresh, before: list[Equation]) -> Operand:
        if path is None:
            return entries
        key = (entries, repr(path))
        if key not in fresh.parts:
            read = registry["read"]
            part = Variable(read.infer(entries.aval, path=path))
            before.append(Equation(read, [entries], {"path": path}, [part]))
            fresh.parts[key] = part
        return fresh.parts[key]


class _Fresh:
    """What a reader needs besides its own: constants, entries and equations."""

    def __init__(self) -> None:
        self.constants: dict[Operand, Variable] = {}
        self.entries: dict[Operand, Variable] = {}
        self.parts: dict[Any, Variable] = {}
        self.equations: list[Equation] = []
