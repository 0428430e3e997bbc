"""Write `docs/coverage.md`: what of NumPy is covered, from the registry and the surface's calls.

`python tools/coverage.py` writes it; with `--check` it says whether it is stale; with `--counts` it
prints names done and names listed, group by group.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "coverage.md"
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "src")]

import numpy as np  # noqa: E402

import wengert as wg  # noqa: E402
import wengert.ops.special  # noqa: E402
from surface import CALLS, GAPS, GROUPS, NOTES, ZERO  # noqa: E402
from wengert.ir.primitive import Primitive, registry  # noqa: E402

# What is loaded at first use makes primitives too.
for _name in wg.__all__:
    getattr(wg, _name)

OPENING = """\
# What of NumPy is covered

Written by `python tools/coverage.py`; a stale page fails the checks. Every name below stands for
calls in `tests/surface/`, each run by `tests/test_surface.py`: inside forward mode, reverse mode
and both nested it has NumPy's value, dtype, shape and kind, and its derivatives agree with
differences of the plain call, in forward mode, in reverse mode, and to second order in every
nesting of the two.

- **exact**: derivatives of every order, in both modes. **zero**: the derivative is identically
  zero. **none**: the result has no derivative (truth values, indices, text); the value is NumPy's.
- **primitive**: a rule of its own; **composed**: made of primitives.
- Keywords are those that the calls pass; positional forms are checked besides.
"""


def done(name: str) -> bool:
    """Return whether a listed name has calls that are checked."""
    return bool(CALLS.get(name)) and name not in GAPS


def counts() -> list[tuple[str, int, int]]:
    """Return group, names done and names listed."""
    return [(group, sum(map(done, names)), len(names)) for group, names in GROUPS.items()]


def _function(name: str) -> Any:
    found: Any = np
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def _origin(name: str) -> str:
    function = _function(name)
    own = name.removeprefix("linalg.") in registry
    declared = any(p.numpy is function for p in registry if function is not None)
    return "primitive" if own or declared else "composed"


def _derivative(name: str, group: str) -> str:
    if name in GAPS:
        return "missing"
    if group.startswith("without derivative"):
        return "none"
    if name in ZERO:
        return "zero"
    if all(call.refusal for call in CALLS[name]):
        return "refused, with an error"
    return f"exact, {_origin(name)}"


def _code(text: str) -> str:
    return f"`{text}`"


def _row(name: str, group: str) -> str:
    calls = CALLS.get(name, ())
    keywords = sorted({keyword for call in calls for keyword in call.keywords_of(name)})
    note = GAPS.get(name) or NOTES.get(name, "")
    cells = [
        _code(name),
        _derivative(name, group),
        str(len(calls)),
        ", ".join(map(_code, keywords)),
        note.replace("``", "`"),
    ]
    return "| " + " | ".join(cells) + " |"


def page() -> str:
    """Return the text of the page."""
    lines = [OPENING, "| group | names done | names listed |", "| --- | --- | --- |"]
    found = counts()
    lines += [f"| {group} | {ready} | {listed} |" for group, ready, listed in found]
    total = [sum(column) for column in zip(*((ready, n) for _, ready, n in found), strict=True)]
    lines.append(f"| all | {total[0]} | {total[1]} |")
    for group, names in GROUPS.items():
        lines += ["", f"## {group[0].upper()}{group[1:]}", ""]
        lines += [
            "| name | derivative | calls | keywords | note |",
            "| --- | --- | --- | --- | --- |",
        ]
        lines += [_row(name, group) for name in names]
    lines += [_special_functions(), _primitives()]
    return "\n".join(lines) + "\n"


PRIMITIVES = """\

## The primitives

All that the registry holds, slot by slot (`tests/test_registry.py` says which slots are due; each
has samples, calls on which all of this is checked). **jvp** and **vjp**: *given* by a rule or by
the family; *derived* from the other one by transposition; *zero* where the derivative is.
**batch**: *rule*, or *loop* where examples are done one by one. **Taylor**: *rule*; of the others
linear ones act on each coefficient, the rest follow from their jvp. **lower**: *own* where the
primitive says itself what its native code is; of the others some are kernels of the backend or are
made of other primitives when they are compiled, the rest call NumPy or SciPy from native code.

| primitive | family | jvp | vjp | batch | Taylor | lower |
| --- | --- | --- | --- | --- | --- | --- |
"""


def _rule(primitive: Primitive, own: Any, other: Any) -> str:
    if primitive.zero_derivative:
        return "zero"
    return "given" if own is not None else "derived" if other is not None else "none"


def _slots(primitive: Primitive) -> str:
    """Return the row of a primitive."""
    forward = primitive.tangent or primitive.push
    backward = primitive.reverse or primitive.record
    batch = "" if primitive.batch is None else "rule"
    if hasattr(primitive.batch, "one_by_one"):
        batch = "loop"
    cells = [
        _code(primitive.name),
        primitive.family.replace("_", " "),
        _rule(primitive, forward, backward),
        _rule(primitive, backward, forward),
        batch,
        "rule" if primitive.taylor is not None else "",
        "own" if primitive.lower is not None else "",
    ]
    return "| " + " | ".join(cells) + " |"


def _primitives() -> str:
    named = sorted(registry, key=lambda primitive: primitive.name)
    return PRIMITIVES + "\n".join(map(_slots, named))


SPECIAL = """\

## scipy.special

Called by SciPy's own names. *No derivative* names the arguments that a derivative is refused for,
with an error; integers such as degrees have none anyway.

| name | no derivative with respect to |
| --- | --- |
"""


def _special_functions() -> str:
    rows = []
    for primitive in sorted(registry, key=lambda primitive: primitive.name):
        if not primitive.name.startswith("special_"):
            continue
        sample = next(iter(primitive.samples()))
        chosen = range(len(primitive.arguments)) if sample.wrt is None else sample.wrt
        if primitive.zero_derivative:
            refused = ["(the derivative is zero)"]
        else:
            names = enumerate(primitive.arguments)
            refused = [_code(argument) for i, argument in names if i not in chosen]
        name = _code(primitive.name.removeprefix("special_"))
        rows.append(f"| {name} | {', '.join(refused)} |")
    return SPECIAL + "\n".join(rows)


def main(arguments: list[str]) -> int:
    """Write the page, or say whether it is stale, or print the counts."""
    if "--counts" in arguments:
        for group, ready, listed in counts():
            print(f"{ready:4} / {listed:<4} {group}")
        return 0
    text = page()
    if "--check" in arguments:
        if PAGE.exists() and PAGE.read_text(encoding="utf-8") == text:
            return 0
        print("docs/coverage.md is stale; run: python tools/coverage.py")
        return 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
