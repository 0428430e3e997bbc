"""Samples: calls of a primitive that every test of every subsystem loops over.

`Sample` is a call that works, `Fail` one that must raise. Inputs come from a fixed generator, with
pairwise different dimensions, away from kinks unless a sample is about the kink.
"""

from __future__ import annotations

from typing import Any

import numpy as np


class Sample:
    """One call ``primitive(*args, **params)`` and what may be tested of it.

    Parameters
    ----------
    *args
        The positional arguments: arrays and numbers.
    differentiable : bool
        Derivatives at this point are compared with differences; False for kinks and for points
        where only the value is defined. Value, dtype, kind and infer are always compared.
    second : bool
        Second derivatives are compared too.
    wrt : tuple of int, optional
        The arguments that are differentiated; by default all of floating-point dtype.
    **params
        The parameters of the primitive.

    Examples
    --------
    >>> import numpy as np
    >>> from wengert import extend
    >>> extend.Sample(np.zeros((2, 3)), axis=1)
    Sample(float64(2, 3), axis=1)
    """

    __slots__ = ("args", "differentiable", "params", "second", "wrt")

    def __init__(
        self,
        *args: Any,
        differentiable: bool = True,
        second: bool = True,
        wrt: tuple[int, ...] | None = None,
        **params: Any,
    ) -> None:
        self.args = args
        self.params = params
        self.wrt = wrt
        self.differentiable = differentiable
        self.second = second and differentiable

    def __repr__(self) -> str:
        shown = [
            f"{a.dtype.name}{a.shape}" if isinstance(a, np.ndarray) else repr(a) for a in self.args
        ]
        shown += [f"{key}={value!r}" for key, value in self.params.items()]
        return f"Sample({', '.join(shown)})"


class Fail:
    """One call ``primitive(*args, **params)`` that must raise an error.

    Parameters
    ----------
    error : type
        The class of the exception.
    message : str
        What its message contains.
    *args, **params
        The arguments and parameters of the call.

    Examples
    --------
    >>> import numpy as np
    >>> from wengert import extend
    >>> extend.Fail(ValueError, "broadcast", np.zeros(2), np.zeros(3)).error.__name__
    'ValueError'
    """

    __slots__ = ("args", "error", "message", "params")

    def __init__(self, error: type[Exception], message: str, *args: Any, **params: Any) -> None:
        self.error = error
        self.message = message
        self.args = args
        self.params = params


def array(
    *shape: int, dtype: Any = np.float64, low: float = -2.0, high: float = 2.0, seed: int = 0
) -> np.ndarray[Any, Any]:
    """Return reproducible random numbers of a shape, uniform between `low` and `high`."""
    generator = np.random.default_rng([seed, *shape])
    drawn = generator.uniform(low, high, shape)
    if np.dtype(dtype).kind == "c":
        drawn = drawn + 1j * generator.uniform(low, high, shape)
    return drawn.astype(dtype)


def positive(*shape: int, dtype: Any = np.float64, seed: int = 1) -> np.ndarray[Any, Any]:
    """Return reproducible random numbers between 0.3 and 2.5."""
    return array(*shape, dtype=dtype, low=0.3, high=2.5, seed=seed)


def unary_samples(
    make: Any = array, *, complex_too: bool = True, extra: tuple[Any, ...] = ()
) -> list[Sample]:
    """Return the samples that every unary elementwise primitive has, and `extra` points."""
    scalar = make(1, seed=5)[0]
    found = [
        Sample(make(3, 4)),
        Sample(make(2, 3, 4)[::-1, :, ::2]),
        Sample(make(0, 3)),
        Sample(make(3, dtype=np.float32, seed=4)),
        Sample(float(scalar)),
        Sample(scalar),
        Sample(np.float32(scalar)),
        Sample(np.array(scalar)),
    ]
    if complex_too:
        found += [
            Sample(make(2, 3, dtype=np.complex128, seed=6)),
            Sample(make(4, dtype=np.complex64, seed=7)[::2]),
            Sample(complex(make(1, dtype=np.complex128, seed=8)[0])),
        ]
    return found + [Sample(point) for point in extra]
