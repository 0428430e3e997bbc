"""Errors of the native elementary functions in units in the last place, against mpmath.

`python -m tests.native.accuracy --points N` measures long; ``--speed`` times loops beside NumPy's.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import scipy.special

from wengert.backends.llvm import math

from .loops import loop

# Where functions turn, end or overflow; points are drawn near these.
TURNS = (
    0.0, 0.25, 0.5, 1.0, 2.0, 0.4142135623730951, 2.414213562373095, 0.7071067811865476,
    1.4142135623730951, 0.34657359027997264, 0.6931471805599453, 22.0, 27.226, 5.9, 40.0, 50.0,
    709.782712893384, 710.4758600739439, 745.1332191019411, 708.3964185322641, 1024.0, 1074.0,
    1022.0, 88.72283, 103.97, 1e16, 1e22, 2.0**30, 2.0**53, 2.0**500,
    2.2250738585072014e-308, 5e-324, 1.7976931348623157e308,
    *(n * np.pi / 4 for n in (1, 2, 3, 4, 5, 6, 7, 8, 100, 12345, 1e6, 355, 710, 1e9)),
)  # fmt: skip
# The double nearest to a multiple of π/2 relative to its size (Muller and others, Handbook).
WORST_ANGLE = 6381956970095103.0 * 2.0**797
SPECIAL = (0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, -3.0, 5e-324)


def _logaddexp(x: Any, y: Any) -> Any:
    return max(x, y) + mp.log1p(mp.exp(-abs(x - y)))


def _logaddexp2(x: Any, y: Any) -> Any:
    return max(x, y) + mp.log1p(mp.power(2, -abs(x - y))) / mp.log(2)


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + mp.exp(-x)) if x > 0 else mp.exp(x) / (1 + mp.exp(x))


def _cbrt(x: Any) -> Any:
    return mp.cbrt(x) if x >= 0 else -mp.cbrt(-x)


def _softplus(x: Any) -> Any:
    return max(x, mp.mpf(0)) + mp.log1p(mp.exp(-abs(x)))


def _log_hypot(x: Any, y: Any) -> Any:
    z = np.empty(np.shape(x), np.result_type(x, np.complex64))
    z.real, z.imag = x, y
    return np.log(z).real


REFERENCES: dict[str, Callable[..., Any]] = {
    "exp": mp.exp, "exp2": lambda x: mp.power(2, x), "expm1": mp.expm1,
    "sinh": mp.sinh, "cosh": mp.cosh, "tanh": mp.tanh, "sigmoid": _sigmoid,
    "log": mp.log, "log2": lambda x: mp.log(x) / mp.log(2), "log10": mp.log10,
    "log1p": mp.log1p, "arcsinh": mp.asinh, "arccosh": mp.acosh, "arctanh": mp.atanh,
    "log_hypot": lambda x, y: mp.log(x * x + y * y) / 2, "softplus": _softplus,
    "logaddexp": _logaddexp, "logaddexp2": _logaddexp2,
    "sin": mp.sin, "cos": mp.cos, "tan": mp.tan,
    "arcsin": mp.asin, "arccos": mp.acos, "arctan": mp.atan, "arctan2": mp.atan2,
    "power": mp.power, "cbrt": _cbrt, "hypot": mp.hypot, "sqrt": mp.sqrt,
    "erf": mp.erf, "erfc": lambda x: mp.erfc(min(x, mp.mpf(30))),
}  # fmt: skip

# NumPy's (or SciPy's) functions, whose special values ours have.
PEERS: dict[str, Callable[..., Any]] = {
    **{name: getattr(np, name) for name in REFERENCES if hasattr(np, name)},
    "sigmoid": scipy.special.expit,
    "softplus": lambda x: np.logaddexp(x, 0),
    "log_hypot": _log_hypot,
    "erf": scipy.special.erf,
    "erfc": scipy.special.erfc,
}


def points(rng: np.random.Generator, count: int, dtype: Any) -> np.ndarray[Any, Any]:
    """Return numbers of every size and sign, uniform ones, and neighbours of the turns."""
    limits = np.finfo(dtype)
    low, high = np.log2(limits.smallest_subnormal.astype(np.float64)), limits.maxexp
    turns = np.array(TURNS)
    with np.errstate(over="ignore"):
        near = rng.choice(turns, count) * (
            1 + rng.normal(size=count) * 2.0 ** rng.uniform(-52, -2, count)
        )
        found = np.concatenate(
            [
                2.0 ** rng.uniform(low, high, count // 4),
                2.0 ** rng.uniform(-12, 12, count // 4),
                rng.uniform(0, 2, count // 8),
                rng.uniform(0, 20, count // 8),
                rng.uniform(0, 800, count // 16),
                near[: count - count // 2 - count // 4 - count // 16],
            ]
        )
        found = (found * rng.choice([-1.0, 1.0], len(found))).astype(dtype)
    found[:2] = WORST_ANGLE if dtype == np.float64 else 16367173.0 * 2.0**72, 0.0
    return rng.permutation(found[np.isfinite(found)])


def operands(name: str, count: int, dtype: Any, seed: int = 0) -> list[np.ndarray[Any, Any]]:
    """Return finite operands inside the function's domain."""
    rng = np.random.default_rng([seed, len(name), *map(ord, name)])
    x = points(rng, count, dtype)
    if name in ("log", "log2", "log10", "sqrt"):
        return [np.abs(x)[x != 0]]
    if name == "arccosh":
        x = np.abs(x)
        return [np.where(x < 1, 1 + x, x)]
    with np.errstate(all="ignore"):
        inverse = (1 / x).astype(dtype)
    if name in ("arcsin", "arccos", "arctanh"):
        x = np.where(np.abs(x) > 1, inverse, x)
        near = (np.sign(x) - x).astype(dtype)
        x = np.where(rng.random(len(x)) < 0.3, near, x)
        return [x[np.abs(x) < 1]]
    if name == "log1p":
        x = np.where(x < -1, inverse, x)
        return [x[x > -1]]
    if math.FUNCTIONS[name][0] == 1:
        return [x]
    y = rng.permutation(points(rng, count, dtype))
    x, y = x[: min(len(x), len(y))], y[: min(len(x), len(y))]
    with np.errstate(all="ignore"):
        together = (x * rng.uniform(0.1, 10, len(x))).astype(dtype)
    y = np.where((rng.random(len(y)) < 0.5) & np.isfinite(together), together, y)
    if name == "power":
        return list(_powers(rng, x, y, dtype))
    keep = (x != 0) & (y != 0)  # mpmath has no signed zeros
    return [x[keep], y[keep]]


def _powers(rng: np.random.Generator, x: Any, y: Any, dtype: Any) -> tuple[Any, Any]:
    """Return positive bases with exponents whose powers are finite, and whole ones of any base."""
    with np.errstate(all="ignore"):
        size = np.abs(np.where(x == 0, dtype(0.5), x))
        limit = np.log(np.finfo(dtype).max.astype(np.float64))
        fitting = rng.uniform(-1.1, 1.0, len(x)) * limit / np.log(size.astype(np.float64))
        y = np.where(np.isfinite(fitting) & (rng.random(len(x)) < 0.8), fitting, y).astype(dtype)
        y = np.where(np.isfinite(y), y, dtype(1))
        whole = rng.random(len(x)) < 0.2
        y = np.where(whole, np.rint(y), y).astype(dtype)
        return np.where(whole, np.copysign(size, x), size), y


def exact(name: str, values: list[Any]) -> Any:
    result = REFERENCES[name](*(mp.mpf(float(value)) for value in values))
    return mp.re(result)


def errors(name: str, given: list[Any], result: Any, dtype: Any) -> np.ndarray[Any, Any]:
    """Return the error of each result in units in the last place of the exact one."""
    limits = np.finfo(dtype)
    largest, unit = float(limits.max), float(limits.smallest_subnormal)
    found = np.empty(len(result))
    with mp.workprec(160):
        for i in range(len(result)):
            values = [operand[i] for operand in given]
            true = exact(name, values)
            size = abs(float(true))
            if name in ("logaddexp", "logaddexp2"):
                size = max(size, abs(float(max(values))))  # what is added to may cancel
            if size > largest:
                found[i] = 0.0 if np.isinf(result[i]) or abs(result[i]) == largest else np.inf
                continue
            if not np.isfinite(result[i]):
                close = size >= largest * (1 - 4 * float(limits.eps))
                found[i] = 1.0 if close and np.isinf(result[i]) else np.inf
                continue
            with np.errstate(over="ignore"):  # NumPy's spacing of the largest numbers warns
                spacing = max(float(np.spacing(dtype(size))), unit)
            found[i] = float(abs(mp.mpf(float(result[i])) - true) / spacing)
    return found


def errors_of_single(name: str, given: list[Any], result: Any) -> np.ndarray[Any, Any]:
    """Return the errors of float32 results in units, against the float64 functions of NumPy."""
    limits = np.finfo(np.float32)
    with np.errstate(all="ignore"):
        wide = [operand.astype(np.float64) for operand in given]
        true = PEERS[name](*wide)
        size = np.abs(true)
        if name in ("logaddexp", "logaddexp2"):
            size = np.maximum(size, np.abs(np.maximum(*wide)))
        spacing = np.spacing(np.minimum(size, float(limits.max)).astype(np.float32))
        found = np.abs(result.astype(np.float64) - true) / spacing.astype(np.float64)
    top = (size > float(limits.max)) & (np.isinf(result) | (np.abs(result) == limits.max))
    return np.where(top, 0.0, np.where(np.isnan(found), np.inf, found))


def worst(name: str, dtype: Any, count: int, seed: int = 0) -> tuple[float, list[float]]:
    """Return the largest error among random operands, and the operands that have it."""
    given = operands(name, count, dtype, seed)
    result = loop(name, np.dtype(dtype).char)(*given)
    found = errors(name, given, result, dtype)
    i = int(np.argmax(found))
    return float(found[i]), [float(operand[i]) for operand in given]


def speed(name: str, dtype: Any, count: int = 4096) -> tuple[float, float]:
    """Return nanoseconds an entry: ours, and NumPy's or SciPy's (best of interleaved repeats)."""
    arity = math.FUNCTIONS[name][0]
    x = np.random.default_rng(0).uniform(0.1, 0.9, count).astype(dtype)
    x = x + dtype(1) if name == "arccosh" else x
    out = np.empty_like(x)
    made = loop(name, np.dtype(dtype).char)
    addresses = [array.ctypes.data for array in [*[x] * arity, out]]
    best = [np.inf, np.inf]
    for _ in range(60):
        for i, run in enumerate(
            (lambda: made.call(addresses, count), lambda: PEERS[name](*[x] * arity))
        ):
            start = time.perf_counter()
            run()
            best[i] = min(best[i], time.perf_counter() - start)
    return best[0] / count * 1e9, best[1] / count * 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=sorted(REFERENCES))
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--speed", action="store_true")
    chosen = parser.parse_args()
    for name in chosen.names or sorted(REFERENCES):
        for dtype in (np.float64, np.float32):
            label = f"{name:12}{np.dtype(dtype).name:9}"
            if chosen.speed:
                ours, theirs = speed(name, dtype)
                print(f"{label}{ours:6.2f} ns, NumPy {theirs:6.2f} ns")
            else:
                error, where = worst(name, dtype, chosen.points, chosen.seed)
                print(f"{label}{error:7.3f} ulp at {', '.join(map(repr, where))}", flush=True)


if __name__ == "__main__":
    main()
