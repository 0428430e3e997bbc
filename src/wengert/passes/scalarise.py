"""Tiny arrays entry by entry: a state of two numbers becomes two numbers, which live in registers.

Where entries come from is asked of the primitives themselves: run on positions instead of values,
a structural primitive says which entry goes where.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..ir.aval import Aval
from ..ir.equation import Equation, Literal, Operand, Variable
from ..ir.paths import follow, is_basic_index
from ..ir.primitive import Primitive, registry
from ..ir.wengert_list import WengertList
from .complex_products import is_fused
from .contractions import contraction_of

# Arrays of so many entries are taken apart, in short programs somewhat larger ones.
LARGEST = 9
LARGEST_IN_SHORT = 16
SHORT = 200
# Sums of so many products are written out.
LONGEST = 8

_MOVING = frozenset(
    {
        "read",
        "reshape",
        "transpose",
        "broadcast_to",
        "concatenate",
        "stack",
        "array",
        "write",
        "roll",
        "shift",
        "tile",
        "repeat",
        "sliding_windows",
        "tril",
        "triu",
        "diagonal_matrix",
    }
)
_STEPS = frozenset({"index", "transpose", "reshape", "broadcast", "diagonal"})
_ELEMENTWISE = ("elementwise", "piecewise_constant", "selecting")
_FOLDS = {"sum": "add", "mean": "add", "prod": "multiply", "max": "maximum", "min": "minimum"}

# An array of operands, of the shape of what was taken apart; NumPy's stubs have no type for it.
Entries = Any


def scalarise(
    program: WengertList, has_code: Callable[[Equation], bool], largest: int | None = None
) -> WengertList:
    """Return a list in which equations of tiny arrays are equations of their entries.

    Parameters
    ----------
    has_code : callable
        Whether an equation of single numbers has native code; others stay as they are.
    """
    if largest is None:
        largest = LARGEST_IN_SHORT if len(program) <= SHORT else LARGEST
    if not any(_is_tiny(v, largest) for equation in program for v in equation.outputs):
        return program
    return _Scalarising(program, has_code, largest).run()


def _is_tiny(operand: Operand, largest: int) -> bool:
    aval = operand.aval
    return bool(aval.shape) and 0 < aval.size <= largest and aval.dtype.kind in "biufc"


class _Scalarising:
    def __init__(
        self, program: WengertList, has_code: Callable[[Equation], bool], largest: int
    ) -> None:
        self.program = program
        self.has_code = has_code
        self.largest = largest
        self.equations: list[Equation] = []
        self.entries: dict[Variable, Entries] = {}  # of arrays that were taken apart
        self.whole: set[Variable] = set(program.inputs)  # arrays that exist as such
        self.same: dict[Variable, Operand] = {}  # numbers that are another number
        self.codes: dict[Any, bool] = {}

    def run(self) -> WengertList:
        for equation in self.program.equations:
            operands = [self._resolved(operand) for operand in equation.operands]
            equation = Equation(equation.primitive, operands, equation.params, equation.outputs)
            if not self._taken_apart(equation):
                self._keep(equation)
        for operand in dict.fromkeys(self.program.outputs):
            self._make_whole(operand)
        return WengertList(self.program.inputs, self.equations, self.program.outputs)

    def _resolved(self, operand: Operand) -> Operand:
        return self.same.get(operand, operand) if isinstance(operand, Variable) else operand

    def _keep(self, equation: Equation) -> None:
        for operand in equation.operands:
            self._make_whole(operand)
        self.equations.append(equation)
        self.whole.update(equation.outputs)

    def _make_whole(self, operand: Operand) -> None:
        """Put an array that was taken apart together again; give a number its own name."""
        if isinstance(operand, Literal) or operand in self.whole:
            return
        if operand in self.same:
            params: dict[str, Any] = {"aval": operand.aval}
            convert = registry["convert"]
            self.equations.append(Equation(convert, [self.same[operand]], params, [operand]))
            self.whole.add(operand)
            return
        if operand not in self.entries:
            return
        aval = operand.aval
        params = {"shape": aval.shape, "dtype": aval.dtype}
        entries = self.entries[operand].ravel().tolist()
        self.equations.append(Equation(registry["array"], entries, params, [operand]))
        self.whole.add(operand)

    # -------------------------------------------------------------- entries

    def _entries(self, operand: Operand) -> Entries:
        """Return the entries of an operand, read from it where it is whole."""
        if isinstance(operand, Literal):
            if not operand.aval.shape:
                return _box(operand, ())
            array = np.asarray(operand.value)
            found = np.empty(array.shape, object)
            for index in np.ndindex(array.shape):
                found[index] = Literal(array[index])
            return found
        if not operand.aval.shape:
            return _box(operand, ())
        known = self.entries.get(operand)
        if known is None:
            known = self.entries[operand] = np.empty(operand.aval.shape, object)
            aval = Aval((), operand.aval.dtype, "scalar")
            for index in np.ndindex(known.shape):
                path = (("index", index),)
                known[index] = self._emit(registry["read"], [operand], {"path": path}, aval)
        return known

    def _emit(
        self, primitive: Any, operands: Sequence[Operand], params: dict[str, Any], aval: Aval
    ) -> Variable:
        variable = Variable(aval)
        self.equations.append(Equation(primitive, operands, params, [variable]))
        return variable

    def _as_scalar(self, operand: Operand, dtype: np.dtype[Any]) -> Operand:
        """Return a number as a NumPy scalar of a dtype."""
        aval = operand.aval
        if aval.kind == "scalar" and (aval.dtype is dtype or aval.dtype == dtype):
            return operand
        target = Aval((), dtype, "scalar")
        if isinstance(operand, Literal):
            return Literal(np.asarray(operand.value).astype(dtype)[()])
        return self._emit(registry["convert"], [operand], {"aval": target}, target)

    def _deliver(self, variable: Variable, entries: Entries) -> None:
        """Note the entries of a result; one that is a number is that number from now on."""
        if variable.aval.shape:
            self.entries[variable] = entries
        else:
            self.same[variable] = entries[()]

    # -------------------------------------------------------------- equations

    def _taken_apart(self, equation: Equation) -> bool:
        """Replace an equation by equations of entries, if it is one of tiny arrays."""
        arrays = [o for o in equation.operands if o.aval.shape]
        outputs = equation.outputs
        if not all(_is_tiny(o, self.largest) for o in arrays):
            return False
        if not all(_is_tiny(v, self.largest) or not v.aval.shape for v in outputs):
            return False
        if not outputs or not (arrays or any(v.aval.shape for v in outputs)):
            return False
        name = equation.primitive.name
        if name in _MOVING:
            return self._move(equation)
        if name == "convert":
            aval = equation.outputs[0].aval
            if aval.kind == "python" or (not aval.shape and aval.kind != "scalar"):
                return False
            entries = self._entries(equation.operands[0])
            made = np.empty(entries.shape, object)
            for index in np.ndindex(entries.shape):
                made[index] = self._as_scalar(entries[index], aval.dtype)
            self._deliver(outputs[0], made)
            return True
        if equation.primitive.family in _ELEMENTWISE:
            return self._each(equation)
        if name in _FOLDS:
            return self._fold(equation)
        if name == "indexed_add":
            return self._add_at(equation)
        return self._product(equation)

    def _each(self, equation: Equation) -> bool:
        primitive = equation.primitive
        given = [operand.aval for operand in equation.operands]
        if is_fused(primitive, given, equation.outputs[0].aval):  # products of entries are not
            return False
        if primitive.numpy is np.power:  # entries alone do not show what they are part of
            rooted = takes_root(primitive, given, equation.outputs[0].aval)
            primitive = registry["power" if rooted else "power_operator"]
        avals = [_entry_aval(operand.aval) for operand in equation.operands]
        if primitive.name == "power_operator":
            avals = [_scalar_aval(aval) for aval in avals]
        results = tuple(Aval((), v.aval.dtype, "scalar") for v in equation.outputs)
        if not self._is_known(primitive, avals, equation.params, results):
            return False
        shape = equation.outputs[0].aval.shape
        read = [self._entries(operand) for operand in equation.operands]
        entries: list[Entries] = [np.broadcast_to(own, shape) for own in read]
        made = [np.empty(shape, object) for _ in results]
        for index in np.ndindex(shape):
            variables = [Variable(aval) for aval in results]
            operands = [own[index] for own in entries]
            if primitive.name == "power_operator":
                operands = [
                    self._as_scalar(operand, aval.dtype) if aval.kind == "scalar" else operand
                    for operand, aval in zip(operands, avals, strict=True)
                ]
            self.equations.append(Equation(primitive, operands, equation.params, variables))
            for one, variable in zip(made, variables, strict=True):
                one[index] = variable
        for variable, one in zip(equation.outputs, made, strict=True):
            self._deliver(variable, one)
        return True

    def _is_known(
        self, primitive: Any, avals: Sequence[Aval], params: dict[str, Any], results: Any
    ) -> bool:
        """Return whether entries have native code, and the dtypes that the arrays have."""
        key = (primitive, tuple(avals), results, tuple(sorted(map(str, params.items()))))
        found = self.codes.get(key)
        if found is None:
            found = self.codes[key] = self._find_out(primitive, avals, params, results)
        return found

    def _find_out(
        self, primitive: Any, avals: Sequence[Aval], params: dict[str, Any], results: Any
    ) -> bool:
        try:
            inferred = primitive.infer(*avals, **params)
        except (TypeError, ValueError):
            return False
        if (inferred if isinstance(inferred, tuple) else (inferred,)) != results:
            return False
        operands = [Variable(aval) for aval in avals]
        outputs = [Variable(aval) for aval in results]
        return self.has_code(Equation(primitive, operands, params, outputs))

    def _move(self, equation: Equation) -> bool:
        aval = equation.outputs[0].aval
        if aval.kind == "python" or (not aval.shape and aval.kind != "scalar"):
            return False
        if not all(operand.aval.dtype.kind in "biufc" for operand in equation.operands):
            return False
        path = equation.params.get("path")
        if path is not None and not _moves_entries(path, equation):
            return False
        sources: list[Operand] = [Literal(aval.dtype.type(0))]
        positions = []
        for operand in equation.operands:
            entries = self._entries(operand)
            shape = operand.aval.shape
            count = int(np.prod(shape))
            positions.append(np.arange(len(sources), len(sources) + count).reshape(shape))
            sources += entries.ravel().tolist()
        params = {**equation.params}
        if "dtype" in params:
            params["dtype"] = np.dtype(np.int64)
        found = np.asarray(equation.primitive.evaluate(*positions, **params))
        made = np.empty(found.shape, object)
        for index in np.ndindex(found.shape):
            made[index] = self._as_scalar(sources[int(found[index])], aval.dtype)
        self._deliver(equation.outputs[0], made)
        return True

    def _add_at(self, equation: Equation) -> bool:
        base, value = equation.operands[:2]
        aval = equation.outputs[0].aval
        path = equation.params["path"]
        scalar = Aval((), aval.dtype, "scalar")
        add = registry["add"]
        if not base.aval.shape or not _moves_entries(path, equation):
            return False
        if not self._is_known(add, [scalar, scalar], {}, (scalar,)):
            return False
        places = np.asarray(follow(np.arange(aval.size).reshape(aval.shape), path))
        made = self._entries(base).flatten()
        addends: Entries = np.broadcast_to(self._entries(value), places.shape)
        for index in np.ndindex(places.shape):
            addend = self._as_scalar(addends[index], aval.dtype)
            place = places[index]
            made[place] = self._emit(add, [made[place], addend], {}, scalar)
        self._deliver(equation.outputs[0], made.reshape(aval.shape))
        return True

    def _fold(self, equation: Equation) -> bool:
        params = equation.params
        name = equation.primitive.name
        aval = equation.outputs[0].aval
        shape = equation.operands[0].aval.shape
        axes = params["axes"]
        axes = tuple(range(len(shape))) if axes is None else tuple(a % len(shape) for a in axes)
        if aval.dtype.kind == "b" or not all(shape):
            return False
        fold = registry[_FOLDS[name]]
        scalar = Aval((), aval.dtype, "scalar")
        if not self._is_known(fold, [scalar, scalar], {}, (scalar,)):
            return False
        entries = self._entries(equation.operands[0])
        made = np.empty(aval.shape, object)
        kept = [axis for axis in range(len(shape)) if axis not in axes]
        turned = entries.transpose(*kept, *axes).reshape(*(shape[a] for a in kept), -1)
        for index in np.ndindex(turned.shape[:-1]):
            terms = [self._as_scalar(entry, aval.dtype) for entry in turned[index]]
            total = self._folded(fold, terms, scalar)
            if name == "mean":
                count = Literal(aval.dtype.type(len(terms)))
                total = self._emit(registry["divide"], [total, count], {}, scalar)
            made.reshape(turned.shape[:-1])[index] = total
        self._deliver(equation.outputs[0], made)
        return True

    def _folded(self, fold: Any, terms: Sequence[Operand], aval: Aval) -> Operand:
        total = terms[0]
        if fold.name == "add":  # NumPy starts from zero: a sum of negative zeros is zero
            total = self._emit(fold, [Literal(aval.dtype.type(0)), total], {}, aval)
        for term in terms[1:]:
            total = self._emit(fold, [total, term], {}, aval)
        return total

    def _product(self, equation: Equation) -> bool:
        labels = contraction_of(equation)
        aval = equation.outputs[0].aval
        if labels is None or aval.dtype.kind not in "iufc":
            return False
        if not aval.shape and aval.kind != "scalar":
            return False
        sizes: dict[str, int] = {}
        for term, operand in zip((labels.first, labels.second), equation.operands, strict=True):
            for label, length in zip(term, operand.aval.shape, strict=True):
                if sizes.setdefault(label, length) != length:
                    return False
        lengths = [sizes[label] for label in labels.summed]
        if not 0 < int(np.prod(lengths)) <= LONGEST:
            return False
        first, second = (self._entries(operand) for operand in equation.operands)
        scalar = Aval((), aval.dtype, "scalar")
        multiply, add = registry["multiply"], registry["add"]
        made = np.empty(aval.shape, object)
        for index in np.ndindex(aval.shape):
            places = dict(zip(labels.result, index, strict=True))
            total: Operand | None = None
            for numbers in np.ndindex(*lengths):
                here = {**places, **dict(zip(labels.summed, numbers, strict=True))}
                factors = [
                    self._as_scalar(own[tuple(here[c] for c in term)], aval.dtype)
                    for own, term in ((first, labels.first), (second, labels.second))
                ]
                product = self._emit(multiply, factors, {}, scalar)
                total = product if total is None else self._emit(add, [total, product], {}, scalar)
            made[index] = total
        self._deliver(equation.outputs[0], made)
        return True


def takes_root(primitive: Primitive, operands: Sequence[Aval], result: Aval) -> bool:
    """Return whether NumPy raises to 0.5 by the root, which differs at -0.0 and at -inf.

    ``np.power`` does where one exponent serves a whole loop, the operator where it meets an array.
    """
    if primitive.numpy is not np.power:
        return False
    base, exponent = operands
    if exponent.size != 1 or (exponent.shape and result.size == 1):
        return False
    return primitive.name == "power" or "array" in (base.kind, exponent.kind)


def _box(operand: Operand, shape: tuple[int, ...]) -> Entries:
    found = np.empty(shape, object)
    found[()] = operand
    return found


def _entry_aval(aval: Aval) -> Aval:
    return Aval((), aval.dtype, "scalar") if aval.shape else aval


def _scalar_aval(aval: Aval) -> Aval:
    return Aval((), aval.dtype, "scalar") if aval.kind == "array" else aval


def _moves_entries(path: Any, equation: Equation) -> bool:
    """Return whether a path with no computed index leads to entries, each to one."""
    if len(equation.operands) > (1 if equation.primitive.name == "read" else 2):
        return False
    return all(step[0] in _STEPS for step in path)


def entry_position(equation: Equation) -> int | None:
    """Return the position, in C order, of the one entry that ``read`` reads, or None."""
    if equation.primitive.name != "read" or len(equation.operands) != 1:
        return None
    path = equation.params["path"]
    shape = equation.operands[0].aval.shape
    if equation.outputs[0].aval.shape or len(path) != 1 or path[0][0] != "index":
        return None
    key = path[0][1]
    entries: Iterator[Any] = iter(key if isinstance(key, tuple) else (key,))
    if not is_basic_index(key):
        return None
    places = list(entries)
    if len(places) != len(shape) or not all(isinstance(p, (int, np.integer)) for p in places):
        return None
    if any(not -n <= p < n for p, n in zip(places, shape, strict=True)):
        return None
    position = 0
    for place, length in zip(places, shape, strict=True):
        position = position * length + int(place) % length
    return position if shape else None
