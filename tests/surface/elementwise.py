"""Calls of elementwise functions: real, complex, scalars, and the keywords of ufuncs."""

from .calls import Call, valued

# Where a function is defined, and whether NumPy has it for complex numbers.
_UNARY = {
    "abs": ("x", True),
    "absolute": ("x", True),
    "fabs": ("x", False),
    "negative": ("x", True),
    "positive": ("x", True),
    "square": ("x", True),
    "sqrt": ("p", True),
    "cbrt": ("x", False),
    "reciprocal": ("x", True),
    "exp": ("x", True),
    "exp2": ("x", True),
    "expm1": ("x", True),
    "log": ("p", True),
    "log2": ("p", True),
    "log10": ("p", True),
    "log1p": ("u", True),
    "sin": ("x", True),
    "cos": ("x", True),
    "tan": ("u", True),
    "arcsin": ("u", True),
    "asin": ("u", True),
    "arccos": ("u", True),
    "acos": ("u", True),
    "arctan": ("x", True),
    "atan": ("x", True),
    "sinh": ("x", True),
    "cosh": ("x", True),
    "tanh": ("x", True),
    "arcsinh": ("x", True),
    "asinh": ("x", True),
    "arccosh": ("(p + 1.0)", True),
    "acosh": ("(p + 1.0)", True),
    "arctanh": ("u", True),
    "atanh": ("u", True),
    "deg2rad": ("x", False),
    "radians": ("x", False),
    "degrees": ("x", False),
    "rad2deg": ("x", False),
    "conj": ("x", True),
    "conjugate": ("x", True),
    "frexp": ("x", False),
    "modf": ("x", False),
    "sign": ("x", False),
    "floor": ("x", False),
    "ceil": ("x", False),
    "rint": ("x", False),
    "trunc": ("x", False),
    "spacing": ("x", False),
}
_TWO_RESULTS = {"frexp", "modf"}


def _unary(name, point, is_complex):
    scalar = "s" if point in ("x", "p") else "(s / 2.0)" if point == "u" else "(s + 1.0)"
    made = [f"np.{name}({point})", f"np.{name}({scalar})", f"np.{name}(o / 2.0 + {scalar} / 2.0)"]
    if is_complex:
        made.append(f"np.{name}(z)")
    if name in _TWO_RESULTS:
        made.append(f"np.{name}({point}, out=(np.zeros(5), None))")
    else:
        made.append(f"np.{name}({point}, where=mask, out=np.ones(5))")
        made.append(f"y2 = np.empty(5); np.{name}({point}, out=y2, casting='same_kind'); y2 * y2")
        made.append(valued(f"np.{name}({point}, dtype=np.float32)"))
    return [entry if isinstance(entry, Call) else Call(entry) for entry in made]


_BINARY = {
    "add": ("x", "y", True),
    "subtract": ("x", "y", True),
    "multiply": ("x", "y", True),
    "divide": ("x", "y", True),
    "true_divide": ("x", "y", True),
    "power": ("p", "y", True),
    "pow": ("p", "y", True),
    "float_power": ("p", "y", True),
    "mod": ("x", "y", False),
    "remainder": ("x", "y", False),
    "fmod": ("x", "y", False),
    "floor_divide": ("x", "y", False),
    "divmod": ("x", "y", False),
    "maximum": ("x", "y", False),
    "minimum": ("x", "y", False),
    "fmax": ("x", "y", False),
    "fmin": ("x", "y", False),
    "arctan2": ("x", "y", False),
    "atan2": ("x", "y", False),
    "hypot": ("x", "y", False),
    "logaddexp": ("x", "y", False),
    "logaddexp2": ("x", "y", False),
    "copysign": ("x", "y", False),
    "nextafter": ("x", "y", False),
    "heaviside": ("x", "y", False),
}


def _binary(name, left, right, is_complex):
    made = [
        f"np.{name}({left}, {right})",
        f"np.{name}({left}[:, None], {right}[:3])",
        f"np.{name}({left}, 1.5)",
        f"np.{name}({2.45 if left == 'p' else -2.45}, {right})",
        f"np.{name}(s, f)",
    ]
    if is_complex:
        made.append(f"np.{name}(z, z[::-1] + 0.5)")
        made.append(f"np.{name}(z, {right}[:4])")
    if name == "float_power":  # its loops are double
        made.append(f"np.float_power({left}, {right}, dtype=np.complex128)")
    elif name != "divmod":
        made.append(f"np.{name}({left}, {right}, where=mask, out=np.ones(5))")
        made.append(f"y2 = np.empty(5); np.{name}({left}, {right}, out=y2); y2 * y2")
        made.append(valued(f"np.{name}({left}, {right}, dtype=np.float32)"))
    return [entry if isinstance(entry, Call) else Call(entry) for entry in made]


CALLS = {name: _unary(name, *entry) for name, entry in _UNARY.items()}
CALLS |= {name: _binary(name, *entry) for name, entry in _BINARY.items()}
CALLS |= {
    "sinc": ["np.sinc(x)", "np.sinc(x - x)", "np.sinc(s)", "np.sinc(z)"],
    "i0": ["np.i0(x)", "np.i0(4.0 * p)", "np.i0(s)", "np.i0(np.array([f, s]))"],
    "real": ["np.real(x)", "np.real(z)", "np.real(w[0, 0])"],
    "imag": ["np.imag(z)", "np.imag(x)", "np.imag(z[0])"],
    "angle": ["np.angle(z)", "np.angle(z, deg=True)", "np.angle(x)", "np.angle(z[1])"],
    "real_if_close": [
        "np.real_if_close(z)",
        "np.real_if_close(x + 0j)",
        "np.real_if_close(x, tol=10)",
        "np.real_if_close(x + 1e-15j, tol=1000)",
    ],
    "nan_to_num": [
        "np.nan_to_num(gaps)",
        "np.nan_to_num(gaps, nan=s)",
        "np.nan_to_num(x / np.array([1, 0, 1, 0, 1]), nan=0.0, posinf=1.5, neginf=-2.5)",
        "np.nan_to_num(z)",
        "x2 = gaps * 1.0; np.nan_to_num(x2, copy=False); x2",
    ],
    "fix": ["np.fix(x)", "np.fix(s)", "np.fix(x, out=np.zeros(5))"],
    "round": ["np.round(x)", "np.round(x, decimals=1)", "np.round(z, 1)", "np.round(x, out=x * 1)"],
    "around": ["np.around(x)", "np.around(x, 1, out=np.zeros(5))", "np.around(s, -1)"],
    "ldexp": ["np.ldexp(x, counts)", "np.ldexp(s, 3)", "np.ldexp(x, 2, out=np.zeros(5))"],
    "where": [
        "np.where(x > 0, x, y)",
        "np.where(mask, x, 0.0)",
        "np.where(a > 0, x[:4], s)",
        "np.where(x > 0, np.log(x), 0.0)",
        "np.where(mask, x, 1j * y)",
        "np.where(s > 0, s, f)",
    ],
    "clip": [
        "np.clip(x, -0.5, 1.0)",
        "np.clip(x, None, s)",
        "np.clip(x, -s, s)",
        "np.clip(x, a_min=y - 1.0, a_max=y + 0.5)",
        "np.clip(x, min=-0.5, max=f)",
        "np.clip(x, -0.5, 1.0, out=np.zeros(5))",
        "np.clip(s, f, 1.0)",
        "np.clip(a, y[:4] - 1.0, 1.0)",
    ],
}
ZERO = frozenset(
    ["sign", "floor", "ceil", "rint", "trunc", "fix", "round", "around", "spacing", "floor_divide"]
)
