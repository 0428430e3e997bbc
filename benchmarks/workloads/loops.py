"""Loops: a pendulum unrolled, scans with their states carried, and Newton's iteration."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.model import BEST_PEER, Line, Operation, Workload

STEP = 0.01


def pendulum_slope(angle: Any, speed: Any) -> tuple[Any, Any]:
    """The motion of a pendulum of unit frequency."""
    return speed, -np.sin(angle)


def runge_kutta(angle: Any, speed: Any) -> tuple[Any, Any]:
    """One step of the classical method of fourth order."""
    half = STEP / 2
    a1, s1 = pendulum_slope(angle, speed)
    a2, s2 = pendulum_slope(angle + half * a1, speed + half * s1)
    a3, s3 = pendulum_slope(angle + half * a2, speed + half * s2)
    a4, s4 = pendulum_slope(angle + STEP * a3, speed + STEP * s3)
    return (
        angle + STEP / 6 * (a1 + 2 * a2 + 2 * a3 + a4),
        speed + STEP / 6 * (s1 + 2 * s2 + 2 * s3 + s4),
    )


def pendulum(angle: Any, *, steps: int) -> Any:
    """Angle after so many steps, from rest."""
    speed = 0.0 * angle
    for _ in range(steps):
        # Written out, so that a peer's namespace reaches every call.
        half = STEP / 2
        a1, s1 = speed, -np.sin(angle)
        a2, s2 = speed + half * s1, -np.sin(angle + half * a1)
        a3, s3 = speed + half * s2, -np.sin(angle + half * a2)
        a4, s4 = speed + STEP * s3, -np.sin(angle + STEP * a3)
        angle = angle + STEP / 6 * (a1 + 2 * a2 + 2 * a3 + a4)
        speed = speed + STEP / 6 * (s1 + 2 * s2 + 2 * s3 + s4)
    return angle


def pendulum_by_hand(angle: float, *, steps: int) -> Any:
    """Value and slope: the step applied to complex numbers with a tiny imaginary part."""
    moved, tiny = complex(angle, 1e-200), 1e-200
    found = pendulum(moved, steps=steps)
    return found.real, found.imag / tiny


def pendulum_inputs(_: int) -> tuple[float]:
    return (1.0,)


def pendulum_scan(angle: Any, *, steps: int) -> Any:
    """The same with wengert's scan."""
    from wengert import scan

    return scan(lambda carry, _: (runge_kutta(*carry), None), (angle, 0.0 * angle), None, steps)[0][
        0
    ]


def pendulum_scan_jax(angle: Any, *, steps: int) -> Any:
    """The same with jax's scan; `np` means jax.numpy here, in the step too."""
    lax = importlib.import_module("jax").lax

    def step(carry: Any, _: Any) -> Any:
        half = STEP / 2
        angle, speed = carry
        a1, s1 = speed, -np.sin(angle)
        a2, s2 = speed + half * s1, -np.sin(angle + half * a1)
        a3, s3 = speed + half * s2, -np.sin(angle + half * a2)
        a4, s4 = speed + STEP * s3, -np.sin(angle + STEP * a3)
        angle = angle + STEP / 6 * (a1 + 2 * a2 + 2 * a3 + a4)
        speed = speed + STEP / 6 * (s1 + 2 * s2 + 2 * s3 + s4)
        return (angle, speed), None

    return lax.scan(step, (angle, 0.0 * angle), None, length=steps)[0][0]


# --- sixteen numbers carried ----------------------------------------------------------------------

LEAVES = 16


def chain_step(state: Any) -> Any:
    """Each number moves by its neighbours' products, which stay bounded."""
    return tuple(
        state[i] + STEP * (state[i - 1] * (1 - state[i]) - 0.5 * state[i - 2] * state[i])
        for i in range(LEAVES)
    )


def chain(x: Any, *, steps: int) -> Any:
    """Sum of sixteen coupled numbers after so many steps."""
    state = tuple(x * (1 + 0.01 * i) for i in range(LEAVES))
    for _ in range(steps):
        state = chain_step(state)
    return sum(state)


def chain_by_hand(x: float, *, steps: int) -> float:
    """The slope by an imaginary step, of polynomials."""
    return float(chain(complex(x, 1e-200), steps=steps).imag / 1e-200)


def chain_inputs(_: int) -> tuple[float]:
    return (0.3,)


def chain_scan(x: Any, *, steps: int) -> Any:
    """The same with wengert's scan."""
    from wengert import scan

    state = tuple(x * (1 + 0.01 * i) for i in range(LEAVES))
    return sum(scan(lambda carry, _: (chain_step(carry), None), state, None, steps)[0])


def chain_scan_jax(x: Any, *, steps: int) -> Any:
    """The same with jax's scan."""
    lax = importlib.import_module("jax").lax
    state = tuple(x * (1 + 0.01 * i) for i in range(LEAVES))
    return sum(lax.scan(lambda carry, _: (chain_step(carry), None), state, None, length=steps)[0])


# --- Newton's iteration ---------------------------------------------------------------------------

TOLERANCE = 1e-12
SCALES = tuple(10.0**k for k in range(7))


def newton(a: Any) -> Any:
    """Square root of `a`: as many steps as it takes, 5 to 15 for the numbers used here."""
    x = a
    while abs(x * x - a) > TOLERANCE * a:
        x = 0.5 * (x + a / x)
    return x


def newton_by_hand(a: float) -> float:
    return float(0.5 / np.sqrt(a))


def newton_inputs(_: int) -> tuple[float]:
    return (2.0,)


def newton_everywhere(derivative: Callable[[Any], Any], a: Any) -> Any:
    """The derivative at numbers that take different numbers of steps."""
    return sum(derivative(a * scale) for scale in SCALES)


def newton_everywhere_by_hand(a: float) -> Any:
    return newton_everywhere(newton_by_hand, a)


def newton_loop(a: Any) -> Any:
    """The same with wengert's while_loop."""
    from wengert import while_loop

    return while_loop(lambda x: abs(x * x - a) > TOLERANCE * a, lambda x: 0.5 * (x + a / x), a)


def newton_operations(a: Any) -> Mapping[str, Operation]:
    wengert = importlib.import_module("wengert")
    derivative = wengert.jit(wengert.grad(newton_loop))
    return {"while_loop": Operation(lambda x: newton_everywhere(derivative, x), (a,))}


TOO_LONG = "left out: a call takes seconds"

WORKLOADS = (
    *(
        Workload(
            name=f"pendulum-{steps}",
            title=f"pendulum, {steps} unrolled Runge–Kutta steps, value and gradient",
            function=pendulum,
            inputs=pendulum_inputs,
            by_hand=pendulum_by_hand,
            size=1,
            tiny=1,
            static={"steps": steps},
            tiny_static={"steps": 3},
            with_value=True,
            time_by_hand=False,
            respelled={"casadi": pendulum},
            cannot={"jax": TOO_LONG} if steps > 5 else {},
            lines=(
                Line(0.4 * steps / 40, subject="wengert-jit", measure="compile"),
                Line(1.0, BEST_PEER, subject="wengert-jit"),
            ),
        )
        for steps in (5, 20, 40)
    ),
    Workload(
        name="scan-16",
        title="scan of 600 steps, 16 numbers carried, gradient",
        function=chain,
        inputs=chain_inputs,
        by_hand=chain_by_hand,
        size=1,
        tiny=1,
        static={"steps": 600},
        tiny_static={"steps": 4},
        time_by_hand=False,
        respelled={"wengert-jit": chain_scan, "jax": chain_scan_jax},
        cannot={"jax": TOO_LONG},
        lines=(
            Line(3.0, subject="wengert-jit", measure="gradient ÷ value"),
            Line(1.0, BEST_PEER, subject="wengert-jit"),
        ),
    ),
    Workload(
        name="scan-pendulum",
        title="scan of 10,000 Runge–Kutta steps of a pendulum, value and gradient",
        function=pendulum,
        inputs=pendulum_inputs,
        by_hand=pendulum_by_hand,
        size=1,
        tiny=1,
        static={"steps": 10_000},
        tiny_static={"steps": 3},
        with_value=True,
        time_by_hand=False,
        tolerance=1e-9,
        respelled={"wengert-jit": pendulum_scan, "jax": pendulum_scan_jax},
        cannot=dict.fromkeys(("wengert", "autograd", "torch", "jax"), TOO_LONG),
        lines=(Line(1.0, "jax-jit", subject="wengert-jit"),),
    ),
    Workload(
        name="newton",
        title="Newton's square root, a `while` of 5 to 15 steps, gradients at 7 numbers",
        function=newton,
        inputs=newton_inputs,
        by_hand=newton_everywhere_by_hand,
        size=1,
        tiny=1,
        driver=newton_everywhere,
        time_value=False,
        time_by_hand=False,
        extras={"wengert-jit": newton_operations},
        cannot={"jax-jit": "cannot: a while on a traced value", "jax": TOO_LONG},
        lines=(Line(2.0, "while_loop", subject="wengert-jit"),),
    ),
)
