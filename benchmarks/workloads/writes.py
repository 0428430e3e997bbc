"""Loops of indexed writes into one buffer: each write must cost its own part, not the array's.

Two forms, at several numbers of writes and lengths of the buffer. jax has no writes: it is given
its functional update, in a plain loop when eager and in its own loop when compiled.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from benchmarks.model import Workload

LENGTHS = (1_000, 1_000_000)
WRITES = (1_000, 3_000, 10_000)
# Peers whose cost of a write grows with the buffer are shown at the small end only.
SMALL_WRITES = 1_000
SMALL_LENGTH = 1_000


def assign(x: Any, *, length: int, writes: int) -> Any:
    """Fill single entries of a fresh buffer, from its start again once it is full."""
    u = np.zeros(length)
    for i in range(writes):
        u[i % length] = x * (i + 1.0)
    return np.sum(u)


def assign_by_hand(x: float, *, length: int, writes: int) -> float:
    """The last write to an entry wins: only the last `length` writes count."""
    return float(np.sum(np.arange(max(0, writes - length), writes) + 1.0))


def assign_torch(x: Any, *, length: int, writes: int) -> Any:
    torch = importlib.import_module("torch")
    u = torch.zeros(length, dtype=torch.float64)
    for i in range(writes):
        u[i % length] = x * (i + 1.0)
    return torch.sum(u)


def assign_jax(x: Any, *, length: int, writes: int) -> Any:
    u: Any = np.zeros(length)
    for i in range(writes):
        u = u.at[i % length].set(x * (i + 1.0))
    return np.sum(u)


def assign_jax_loop(x: Any, *, length: int, writes: int) -> Any:
    lax = importlib.import_module("jax.lax")

    def body(i: Any, u: Any) -> Any:
        return u.at[i % length].set(x * (i + 1.0))

    return np.sum(lax.fori_loop(0, writes, body, np.zeros(length)))


def update(x: Any, *, length: int, writes: int) -> Any:
    """Square three neighbouring entries in place, again and again."""
    u = np.zeros(length)
    u[:] = x
    for j in range(writes):
        i = j % (length - 3)
        u[i : i + 3] = u[i : i + 3] ** 2
    return np.sum(u)


def update_by_hand(x: float, *, length: int, writes: int) -> float:
    """At x = 1 every entry stays 1, and each squaring doubles its derivative."""
    assert x == 1.0
    doubled = np.zeros(length)
    for j in range(writes):
        i = j % (length - 3)
        doubled[i : i + 3] += 1
    return float(np.sum(2.0**doubled))


def update_torch(x: Any, *, length: int, writes: int) -> Any:
    """Torch refuses to square a view of what is written next: the part is copied first."""
    torch = importlib.import_module("torch")
    u = torch.zeros(length, dtype=torch.float64)
    u[:] = x
    for j in range(writes):
        i = j % (length - 3)
        u[i : i + 3] = u[i : i + 3].clone() ** 2
    return torch.sum(u)


def update_jax(x: Any, *, length: int, writes: int) -> Any:
    u: Any = np.zeros(length)
    u = u.at[:].set(x)
    for j in range(writes):
        i = j % (length - 3)
        u = u.at[i : i + 3].set(u[i : i + 3] ** 2)
    return np.sum(u)


def update_jax_loop(x: Any, *, length: int, writes: int) -> Any:
    lax = importlib.import_module("jax.lax")

    def body(j: Any, u: Any) -> Any:
        i = j % (length - 3)
        part = lax.dynamic_slice(u, (i,), (3,))
        return lax.dynamic_update_slice(u, part**2, (i,))

    u: Any = np.zeros(length)
    return np.sum(lax.fori_loop(0, writes, body, u.at[:].set(x)))


def one(_: int) -> tuple[float]:
    return (1.0,)


FORMS = (
    (
        "assign",
        "u[i] = x * c",
        assign,
        assign_by_hand,
        {"torch": assign_torch, "jax": assign_jax, "jax-jit": assign_jax_loop},
    ),
    (
        "update",
        "u[i:i+3] = u[i:i+3]**2",
        update,
        update_by_hand,
        {"torch": update_torch, "jax": update_jax, "jax-jit": update_jax_loop},
    ),
)


def reasons(form: str, length: int, writes: int) -> dict[str, str]:
    """Who cannot take part, or is left out at this size, and why."""
    found = {"autograd": "cannot: no writes into arrays"}
    if form != "assign" or length > SMALL_LENGTH or writes > SMALL_WRITES:
        found["jax"] = "left out: seconds a call"
    if length > SMALL_LENGTH and writes > SMALL_WRITES:
        found["torch"] = "left out: its cost of a write grows with the buffer"
        found["jax-jit"] = found["torch"]
    return found


WORKLOADS = tuple(
    Workload(
        name=f"{name}-{length}-{writes}",
        title=f"`{text}`: {writes:,} writes, buffer of {length:,}",
        function=function,
        inputs=one,
        by_hand=by_hand,
        size=1,
        tiny=1,
        group="writes",
        static={"length": length, "writes": writes},
        tiny_static={"length": 7, "writes": 9},
        respelled=respelled,
        cannot=reasons(name, length, writes),
        time_value=False,
        time_by_hand=False,
    )
    for name, text, function, by_hand, respelled in FORMS
    for length in LENGTHS
    for writes in WRITES
)
