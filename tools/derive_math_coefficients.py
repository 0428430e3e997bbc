"""Derive the tables of `wengert.backends.llvm.math.coefficients` and write that file.

Each polynomial is the best weighted one on its interval, by Remez's exchange in mpmath; the degree
is the least that reaches the error asked for. ``--check`` compares with the committed file.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mpmath as mp
import numpy as np

TARGET = Path(__file__).parent.parent / "src/wengert/backends/llvm/math/coefficients.py"
mp.mp.dps = 60
LN2 = mp.log(2)


@dataclass(frozen=True)
class Approximation:
    """A polynomial in t on [low, high] that stands for `function`, with its error weighted.

    `bits` and `single_bits` are the accuracies asked of the table for float64, and of the shorter
    one with which float32 is computed in float64.
    """

    name: str
    meaning: str
    function: Callable[[Any], Any]
    weight: Callable[[Any], Any]
    low: Any
    high: Any
    bits: int = 57
    single_bits: int = 31


def root(t: Any) -> Any:
    """Return the x that odd functions are polynomials of t = x² in."""
    return mp.sqrt(t)


def _scaled_complementary(t: Any) -> Any:
    """Return erfcx x, with t = (x - 4)/(x + 4), times 1 + 2 x."""
    x = 4 * (1 + t) / (1 - t)
    return (1 + 2 * x) * mp.exp(x * x) * mp.erfc(x)


HALF_LN2 = LN2 / 2 * mp.mpf("1.001")
S = (mp.sqrt(2) - 1) / (mp.sqrt(2) + 1) * mp.mpf("1.0001")
QUARTER = mp.pi / 4 * mp.mpf("1.0001")
OCTANT = (mp.sqrt(2) - 1) * mp.mpf("1.0001")

APPROXIMATIONS = [
    Approximation(
        "EXPONENTIAL", "(eᵗ - 1 - t)/t²; the error relative to t",
        lambda t: (mp.expm1(t) - t) / t**2, lambda t: t, -HALF_LN2, HALF_LN2,
    ),
    Approximation(
        "LOGARITHM", "(2 artanh √t - 2 √t - ⅔ √t³)/√t⁵; the error relative to 2 √t",
        lambda t: (2 * mp.atanh(root(t)) - 2 * root(t) - 2 * root(t) ** 3 / 3) / root(t) ** 5,
        lambda t: t**2 / 2, mp.mpf(0), S**2, bits=66, single_bits=33,
    ),
    Approximation(
        "SINE", "(sin √t - √t)/√t³ to √t = π/4; the error relative to √t",
        lambda t: (mp.sin(root(t)) - root(t)) / root(t) ** 3, lambda t: t, mp.mpf(0), QUARTER**2,
    ),
    Approximation(
        "COSINE", "(cos √t - 1 + t/2)/t² to √t = π/4; the absolute error",
        lambda t: (mp.cos(root(t)) - 1 + t / 2) / t**2, lambda t: t**2, mp.mpf(0), QUARTER**2,
    ),
    Approximation(
        "ARCTANGENT", "(arctan √t - √t)/√t³ to √t = tan π/8; the error relative to √t",
        lambda t: (mp.atan(root(t)) - root(t)) / root(t) ** 3, lambda t: t, mp.mpf(0), OCTANT**2,
    ),
    Approximation(
        "ARCSINE", "(arcsin √t - √t)/√t³ to √t = ½; the error relative to √t",
        lambda t: (mp.asin(root(t)) - root(t)) / root(t) ** 3, lambda t: t,
        mp.mpf(0), mp.mpf("0.2501"),
    ),
    Approximation(
        "HYPERBOLIC_SINE", "(sinh √t - √t)/√t³ to √t = 1; the error relative to √t",
        lambda t: (mp.sinh(root(t)) - root(t)) / root(t) ** 3, lambda t: t,
        mp.mpf(0), mp.mpf("1.0001"),
    ),
    Approximation(
        "CUBE_ROOT", "t^(-1/3) from ½ to 1, a start for one step of fourth order; relative error",
        lambda t: 1 / mp.cbrt(t), lambda t: mp.cbrt(t), mp.mpf("0.4999"), mp.mpf("1.0001"),
        bits=15, single_bits=9,
    ),
    Approximation(
        "ERROR_FUNCTION", "erf √t/√t - 2/√π to √t = 1; the error relative to erf √t",
        lambda t: (mp.erf(root(t)) / root(t) - 2 / mp.sqrt(mp.pi)) / t,
        lambda t: t * root(t) / mp.erf(root(t)), mp.mpf(0), mp.mpf("1.0001"),
    ),
    Approximation(
        "COMPLEMENTARY", "(1 + 2 x) exp(x²) erfc x, t = (x - 4)/(x + 4), x from 0 to 28; relative",
        _scaled_complementary, lambda t: 1 / _scaled_complementary(t), mp.mpf("-1"),
        mp.mpf(24) / 32,
    ),
]  # fmt: skip


# Of functions that are computed in float32; the coefficients are float32 numbers.
NARROW = [
    Approximation(
        "EXPONENTIAL_NARROW", "(eᵗ - 1 - t)/t²; the error relative to 1",
        lambda t: (mp.expm1(t) - t) / t**2, lambda t: t**2, -HALF_LN2, HALF_LN2, bits=29,
    ),
    Approximation(
        "LOGARITHM_NARROW", "(log(1 + t) - t + t²/2)/t³; the error relative to log(1 + t)",
        lambda t: (mp.log1p(t) - t + t * t / 2) / t**3, lambda t: t**3 / mp.log1p(t),
        mp.sqrt(mp.mpf("0.5")) - mp.mpf("1.0001"), mp.sqrt(2) - mp.mpf("0.9999"), bits=27,
    ),
    Approximation(
        "TANGENT_NARROW", "(tanh √t - √t)/√t³ to √t = ¾; the error relative to √t",
        lambda t: (mp.tanh(root(t)) - root(t)) / root(t) ** 3,
        lambda t: t * root(t) / mp.tanh(root(t)),
        mp.mpf(0), mp.mpf("0.5626"), bits=27,
    ),
]  # fmt: skip


def remez(task: Approximation, degree: int) -> tuple[list[Any], Any]:
    """Return the coefficients, lowest first, of the best polynomial, and its weighted error."""
    points = _grid(task, 40 * (degree + 2))
    nodes = [points[round(i * (len(points) - 1) / (degree + 1))][0] for i in range(degree + 2)]
    values = {t: (g, w) for t, g, w in points}
    coefficients: list[Any] = []
    for _ in range(12):
        system, right = mp.matrix(degree + 2), mp.matrix(degree + 2, 1)
        for i, t in enumerate(nodes):
            g, w = values[t]
            for j in range(degree + 1):
                system[i, j] = t**j
            system[i, degree + 1] = (-1) ** i / w
            right[i] = g
        solution = mp.lu_solve(system, right)
        coefficients = [solution[j] for j in range(degree + 1)]
        errors = [(mp.polyval(coefficients[::-1], t) - g) * w for t, g, w in points]
        peaks = _alternating_peaks(errors)
        worst = max(abs(error) for error in errors)
        if len(peaks) < degree + 2 or worst < abs(solution[degree + 1]) * mp.mpf("1.01"):
            return coefficients, worst
        nodes = [points[i][0] for i in _strongest_run(peaks, errors, degree + 2)]
    return coefficients, worst


_grids: dict[tuple[str, int], list[tuple[Any, Any, Any]]] = {}


def _grid(task: Approximation, count: int) -> list[tuple[Any, Any, Any]]:
    key = (task.name, count)
    if key not in _grids:
        middle, half = (task.low + task.high) / 2, (task.high - task.low) / 2
        made = []
        for i in range(count):
            t = middle - half * mp.cos(mp.pi * (i + mp.mpf("0.5")) / count)
            if abs(t) > mp.mpf(10) ** -12:
                made.append((t, task.function(t), task.weight(t)))
        _grids[key] = made
    return _grids[key]


def _alternating_peaks(errors: list[Any]) -> list[int]:
    """Return the index of the largest error in each run of one sign."""
    peaks: list[int] = []
    for i, error in enumerate(errors):
        if peaks and (errors[peaks[-1]] > 0) == (error > 0):
            if abs(error) > abs(errors[peaks[-1]]):
                peaks[-1] = i
        else:
            peaks.append(i)
    return peaks


def _strongest_run(peaks: list[int], errors: list[Any], count: int) -> list[int]:
    while len(peaks) > count:
        peaks = peaks[1:] if abs(errors[peaks[0]]) < abs(errors[peaks[-1]]) else peaks[:-1]
    return peaks


def rounded_error(task: Approximation, coefficients: list[float]) -> Any:
    """Return the largest weighted error of rounded coefficients."""
    exact = [mp.mpf(c) for c in coefficients][::-1]
    return max(
        abs((mp.polyval(exact, t) - g) * w) for t, g, w in _grid(task, 40 * (len(exact) + 1))
    )


def table(
    task: Approximation, bits: int, rounding: Callable[[Any], float] = float
) -> tuple[list[float], Any]:
    """Return the coefficients of least degree that reach the accuracy, rounded."""
    for degree in range(1, 32):
        coefficients, worst = remez(task, degree)
        if worst < mp.mpf(2) ** -bits:
            rounded = [rounding(c) for c in coefficients]
            return rounded, rounded_error(task, rounded)
    raise SystemExit(f"{task.name}: no polynomial of degree below 32 is that accurate")


# ------------------------------------------------------------------ constants in several parts


def parts(value: Any, *widths: int) -> list[float]:
    """Return float64 parts whose sum is `value`, each of `widths` bits at most."""
    found = []
    rest = mp.mpf(value)
    for width in widths:
        if rest == 0:
            found.append(0.0)
            continue
        exponent = mp.floor(mp.log(abs(rest), 2)) + 1
        unit = mp.mpf(2) ** (exponent - width)
        part = mp.nint(rest / unit) * unit
        found.append(float(part))
        rest -= part
    return found


CONSTANTS = [
    ("LN2", "ln 2; whole multiples below 2¹¹ of the first part are exact", LN2, (42, 53)),
    ("LN2_NARROW", "ln 2; whole multiples below 2⁹ of the first part are exact in float32",
     LN2, (15, 24)),
    ("LN2_ROUNDED", "ln 2", LN2, (53, 53)),
    ("LOG2_E", "1/ln 2", 1 / LN2, (53, 53)),
    ("LOG10_E", "1/ln 10", 1 / mp.log(10), (53, 53)),
    ("LOG10_2", "log₁₀ 2; whole multiples below 2¹¹ of the first part are exact",
     mp.log(2, 10), (42, 53)),
    ("TWO_THIRDS", "2/3", mp.mpf(2) / 3, (53, 53)),
    ("PI", "π", mp.pi, (53, 53, 53, 53)),
    ("TWO_OVER_PI", "2/π", 2 / mp.pi, (53,)),
    ("HALF_PI", "π/2", mp.pi / 2, (53, 53, 53)),
    ("QUARTER_PI", "π/4", mp.pi / 4, (53, 53)),
    ("CUBE_ROOT_OF_2", "2^(1/3)", mp.cbrt(2), (53,)),
    ("CUBE_ROOT_OF_4", "2^(2/3)", mp.cbrt(4), (53,)),
    ("TWO_OVER_ROOT_PI", "2/√π", 2 / mp.sqrt(mp.pi), (53, 53)),
]  # fmt: skip

WORDS = 20  # 64-bit words of the binary digits of 2/π: the widest exponent, 1024, and 192 more


def two_over_pi_words() -> list[int]:
    """Return the binary digits of 2/π, 64 a word."""
    mp.mp.prec = 64 * WORDS + 64
    digits = int(mp.floor(2 / mp.pi * mp.mpf(2) ** (64 * WORDS)))
    mp.mp.dps = 60
    return [(digits >> (64 * (WORDS - 1 - i))) & (2**64 - 1) for i in range(WORDS)]


# ------------------------------------------------------------------ the file


def rows(numbers: list[str]) -> str:
    """Return the lines of a tuple."""
    return "".join(f"    {number},\n" for number in numbers)


def text() -> str:
    """Return the text of the whole file."""
    lines = [
        '"""Coefficients of elementary functions, made by `tools/derive_math_coefficients.py`.',
        "",
        "Lowest degree first. Each polynomial says what it stands for, on which interval, and the",
        "largest error that its rounded coefficients have there.",
        '"""',
        "",
        "from __future__ import annotations",
        "",
    ]
    for task in APPROXIMATIONS:
        for suffix, bits in (("", task.bits), ("_SINGLE", task.single_bits)):
            coefficients, error = table(task, bits)
            print(f"{task.name}{suffix}: degree {len(coefficients) - 1}", file=sys.stderr)
            low, high = float(task.low), float(task.high)
            lines += [
                f"# {task.meaning}.",
                f"# t from {low:.6g} to {high:.6g}, error 2^{float(mp.log(error, 2)):.1f}.",
                f"{task.name}{suffix} = (",
                rows([repr(c) for c in coefficients]) + ")",
                "",
            ]
    for task in NARROW:
        coefficients, error = table(task, task.bits, lambda c: float(np.float32(float(c))))
        print(f"{task.name}: degree {len(coefficients) - 1}", file=sys.stderr)
        low, high = float(task.low), float(task.high)
        lines += [
            f"# {task.meaning}.",
            f"# t from {low:.6g} to {high:.6g}, error 2^{float(mp.log(error, 2)):.1f}.",
            f"{task.name} = (",
            rows([repr(c) for c in coefficients]) + ")",
            "",
        ]
    for name, meaning, value, widths in CONSTANTS:
        found = ", ".join(repr(part) for part in parts(value, *widths))
        if len(widths) == 1:
            lines += [f"# {meaning}.", f"{name} = {found}", ""]
        else:
            lines += [f"# {meaning}, in parts.", f"{name} = ({found})", ""]
    lines += [
        "# The binary digits of 2/π after the point, 64 a word, for arguments of any size.",
        "TWO_OVER_PI_WORDS = (",
        rows([f"0x{word:016X}" for word in two_over_pi_words()]) + ")",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Write the file, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    made = text()
    if not parser.parse_args().check:
        TARGET.write_text(made)
    elif made != TARGET.read_text():
        raise SystemExit("the committed coefficients differ from the derived ones")


if __name__ == "__main__":
    main()
