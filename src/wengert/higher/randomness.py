"""Whether a random generator was advanced: a function that draws cannot be recorded."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np

# Generators besides those of `numpy.random.default_rng`.
GENERATORS = (random.Random, np.random.RandomState)

_PYTHON = "the generator of Python's random module"
_SHARED = "the generator of numpy.random"


def draws(value: Any) -> bool:
    """Return whether a value is a random generator."""
    return isinstance(value, (np.random.Generator, *GENERATORS))


class Watch:
    """The states of the random generators in sight, before a function runs."""

    __slots__ = ("_before", "_generators", "_kept")

    def __init__(self, values: Sequence[Any]) -> None:
        self._generators = [value for value in values if draws(value)]
        self._before = self._states()
        self._kept = [_state(generator) for generator in self._generators]

    def _states(self) -> list[tuple[str, Any]]:
        shared = np.random.get_state(legacy=False)  # noqa: NPY002
        state = shared["state"]
        found: list[tuple[str, Any]] = [
            (_PYTHON, random.getstate()),
            (_SHARED, (state["pos"], state["key"].tobytes(), shared)),
        ]
        for generator in self._generators:
            found.append((repr(generator), str(_state(generator))))
        return found

    def advanced(self) -> str | None:
        """Return which generator was advanced since, None where none was."""
        for (name, before), (_, after) in zip(self._before, self._states(), strict=True):
            if before[:2] != after[:2] if name == _SHARED else before != after:
                return name
        return None

    def restore(self) -> None:
        """Put all generators back to where they were."""
        states = dict(self._before)
        random.setstate(states[_PYTHON])
        np.random.set_state(states[_SHARED][2])  # noqa: NPY002
        for generator, state in zip(self._generators, self._kept, strict=True):
            if isinstance(generator, random.Random):
                generator.setstate(state)
            elif isinstance(generator, np.random.RandomState):
                generator.set_state(state)
            else:
                generator.bit_generator.state = state


def _state(generator: Any) -> Any:
    if isinstance(generator, random.Random):
        return generator.getstate()
    if isinstance(generator, np.random.RandomState):
        state = generator.get_state(legacy=False)
        return state | {"state": state["state"] | {"key": state["state"]["key"].tolist()}}
    return generator.bit_generator.state
