"""Contractions: products of two arrays summed over shared axes, whatever function asks for them.

`contraction_of` gives matmul, dot, tensordot, einsum and their kin one form: a label for each axis.
`absorb_transposes` lets them read an array as it lies, instead of a transposed copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..ir.equation import Equation, Operand, Variable
from ..ir.primitive import registry
from ..ir.wengert_list import WengertList
from ..ops.einsum import parse

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Contraction(NamedTuple):
    """``result = Σ first · second`` over the labels that the result does not have.

    Attributes
    ----------
    first, second, result : str
        One letter an axis; an axis of length 1 may stand for a longer one (it broadcasts).
    """

    first: str
    second: str
    result: str

    @property
    def batch(self) -> str:
        """The labels that all three have."""
        return "".join(c for c in self.result if c in self.first and c in self.second)

    @property
    def rows(self) -> str:
        """The result's labels that only the first operand has."""
        return "".join(c for c in self.result if c not in self.second)

    @property
    def columns(self) -> str:
        """The result's labels that only the second operand has."""
        return "".join(c for c in self.result if c not in self.first)

    @property
    def summed(self) -> str:
        """The labels that only the operands have."""
        return "".join(c for c in self.first if c not in self.result)


def contraction_of(equation: Equation) -> Contraction | None:
    """Return the labels of an equation that contracts two arrays, or None for every other."""
    if len(equation.operands) != 2 or equation.primitive.name not in _LABELS:
        return None
    first, second = (operand.aval for operand in equation.operands)
    if first.is_complex and equation.primitive.name in ("vecdot", "vecmat", "vdot"):
        return None  # the first operand is conjugated
    found = _LABELS[equation.primitive.name](equation, first.ndim, second.ndim)
    if found is None:
        return None
    labels = Contraction(*found)
    repeated = any(len(set(term)) < len(term) for term in labels)
    given = set(labels.first) | set(labels.second)
    if repeated or not set(labels.result) <= given:
        return None
    for term, other in ((labels.first, labels.second), (labels.second, labels.first)):
        if any(c not in labels.result and c not in other for c in term):
            return None  # summed within one operand
    return labels


def _matmul(equation: Equation, ndim: int, other: int) -> tuple[str, str, str] | None:
    if not ndim or not other:
        return None
    batch = _LETTERS[3 : 3 + max(ndim, other, 2) - 2]
    first = batch[len(batch) - max(ndim - 2, 0) :] + ("ab" if ndim > 1 else "b")
    second = batch[len(batch) - max(other - 2, 0) :] + ("bc" if other > 1 else "b")
    return first, second, batch + ("a" if ndim > 1 else "") + ("c" if other > 1 else "")


def _dot(equation: Equation, ndim: int, other: int) -> tuple[str, str, str] | None:
    if not ndim or not other:
        return None
    rows = _LETTERS[1:ndim]
    columns = _LETTERS[ndim : ndim + other - 1]
    second = f"a{columns}" if other == 1 else f"{columns[:-1]}a{columns[-1]}"
    return f"{rows}a", second, rows + columns


def _vecdot(equation: Equation, ndim: int, other: int) -> tuple[str, str, str]:
    batch = _LETTERS[1 : max(ndim, other)]
    return (
        batch[len(batch) - ndim + 1 :] + "a",
        batch[len(batch) - other + 1 :] + "a",
        batch,
    )


def _vdot(equation: Equation, ndim: int, other: int) -> tuple[str, str, str] | None:
    return ("a", "a", "") if ndim == other == 1 else None


def _matvec(equation: Equation, ndim: int, other: int) -> tuple[str, str, str]:
    batch = _LETTERS[2 : 2 + max(ndim - 2, other - 1)]
    return (
        batch[len(batch) - ndim + 2 :] + "ab",
        batch[len(batch) - other + 1 :] + "b",
        batch + "a",
    )


def _vecmat(equation: Equation, ndim: int, other: int) -> tuple[str, str, str]:
    batch = _LETTERS[2 : 2 + max(ndim - 1, other - 2)]
    return (
        batch[len(batch) - ndim + 1 :] + "b",
        batch[len(batch) - other + 2 :] + "ba",
        batch + "a",
    )


def _tensordot(equation: Equation, ndim: int, other: int) -> tuple[str, str, str]:
    axes, others = equation.params["axes"]
    first = list(_LETTERS[:ndim])
    second = list(_LETTERS[ndim : ndim + other])
    for axis, partner in zip(axes, others, strict=True):
        second[partner] = first[axis]
    kept = [c for i, c in enumerate(first) if i not in axes]
    kept += [c for i, c in enumerate(second) if i not in others]
    return "".join(first), "".join(second), "".join(kept)


def _einsum(equation: Equation, ndim: int, other: int) -> tuple[str, str, str] | None:
    if equation.params.get("dtype") is not None:
        return None
    labels = parse(equation.params["subscripts"], (ndim, other))
    return (*labels.operands, labels.result)  # type: ignore[return-value]


_LABELS = {
    "matmul": _matmul,
    "dot": _dot,
    "vecdot": _vecdot,
    "vdot": _vdot,
    "matvec": _matvec,
    "vecmat": _vecmat,
    "tensordot": _tensordot,
    "einsum": _einsum,
}


# ------------------------------------------------------------------ transposes


def absorb_transposes(program: WengertList) -> WengertList:
    """Return a list whose contractions read arrays as they lie, not transposed."""
    moved: dict[Variable, tuple[Operand, tuple[int, ...]]] = {}
    equations = []
    changed = False
    for equation in program.equations:
        axes = _transposed_axes(equation)
        if axes is not None:
            moved[equation.outputs[0]] = (equation.operands[0], axes)
        elif any(operand in moved for operand in equation.operands):
            found = _reading(equation, moved)
            changed = changed or found is not equation
            equations.append(found)
            continue
        equations.append(equation)
    if not changed:
        return program
    return WengertList(program.inputs, equations, program.outputs)


def _transposed_axes(equation: Equation) -> tuple[int, ...] | None:
    """Return the axes of an equation that transposes and does nothing else."""
    ndim = len(equation.operands[0].aval.shape) if equation.operands else 0
    if equation.primitive.name == "transpose":
        axes = equation.params["axes"]
    elif equation.primitive.name == "read":
        path = equation.params["path"]
        if len(path) != 1 or path[0][0] != "transpose":
            return None
        axes = path[0][1]
    else:
        return None
    if axes is None:
        return tuple(reversed(range(ndim)))
    return tuple(int(axis) % ndim for axis in axes)


def _reading(
    equation: Equation, moved: dict[Variable, tuple[Operand, tuple[int, ...]]]
) -> Equation:
    """Return a contraction of the arrays that its operands are transposes of."""
    labels = contraction_of(equation)
    if labels is None:
        return equation
    terms: list[str] = []
    operands: list[Operand] = []
    for operand, term in zip(equation.operands, (labels.first, labels.second), strict=True):
        found = moved.get(operand) if isinstance(operand, Variable) else None
        if found is None:
            operands.append(operand)
            terms.append(term)
            continue
        source, axes = found
        back = [""] * len(axes)
        for letter, axis in zip(term, axes, strict=True):
            back[axis] = letter
        operands.append(source)
        terms.append("".join(back))
    return _as_einsum(equation, operands, terms, labels.result)


def _as_einsum(
    equation: Equation, operands: Sequence[Operand], terms: Sequence[str], result: str
) -> Equation:
    einsum = registry["einsum"]
    params = {"subscripts": f"{terms[0]},{terms[1]}->{result}", "optimize": False}
    aval = einsum.infer(*(operand.aval for operand in operands), **params)
    if aval != equation.outputs[0].aval:
        return equation
    return Equation(einsum, operands, params, equation.outputs)
