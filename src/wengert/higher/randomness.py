"""Whether a random generator was advanced: a function that draws cannot be recorded."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np


class Watch:
    """The states of the random generators in sight, before a function runs."""

    __slots__ = ("_before", "_generators")

    def __init__(self, values: Sequence[Any]) -> None:
        self._generators = [value for value in values if hasattr(value, "bit_generator")]
        self._before = self._states()

    def _states(self) -> list[tuple[str, Any]]:
        shared = np.random.get_state(legacy=False)  # noqa: NPY002
        state = shared["state"]
        found: list[tuple[str, Any]] = [
            ("the generator of Python's random module", random.getstate()),
            ("the generator of numpy.random", (state["pos"], state["key"].tobytes())),
        ]
        for generator in self._generators:
            found.append((repr(generator), str(generator.bit_generator.state)))
        return found

    def advanced(self) -> str | None:
        """Return which generator was advanced since, None where none was."""
        for (name, before), (_, after) in zip(self._before, self._states(), strict=True):
            if before != after:
                return name
        return None
