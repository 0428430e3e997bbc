"""Names of the values of a recording: the user's own where the source tells them."""

from __future__ import annotations

import re
from collections import Counter

from .record import Recording

_LETTERS = ("v", "t", "u", "w", "s", "z", "step")
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def names_of(recording: Recording, result: str) -> dict[int, str]:
    """Return a name for each position: inputs by argument, steps by assignment, else numbered.

    Of the steps of one call (``np.var`` is several on some paths) the last is what is assigned. A
    name that is assigned again gets an index: ``v₁``, ``v₂``. The output is called `result` where
    it has no name of its own.
    """
    assigned: dict[int, str] = {}
    steps = recording.steps
    for index, step in enumerate(steps):
        follows = index + 1 < len(steps) and steps[index + 1].place == step.place
        if step.assigned is not None and not follows and len(step.outputs) == 1:
            assigned[step.outputs[0]] = step.assigned
    times = Counter(assigned.values())
    taken = set(recording.names)
    found = dict(enumerate(recording.names))
    letter = _letter(taken | set(assigned.values()))
    seen: Counter[str] = Counter()
    unnamed = 0
    for step in steps:
        for position in step.outputs:
            name = assigned.get(position)
            if name is not None:
                seen[name] += 1
                if times[name] > 1 or name in taken:
                    name = name + str(seen[name]).translate(_SUBSCRIPTS)
            elif position == recording.output and result not in taken | set(times):
                name = result
            else:
                unnamed += 1
                name = f"{letter}{unnamed}"
            found[position] = name
    return found


def _letter(taken: set[str]) -> str:
    """Return the first letter whose numbered names cannot be taken for the user's."""
    for letter in _LETTERS:
        if not any(re.fullmatch(rf"{letter}\d*", name) for name in taken):
            return letter
    return "value"
