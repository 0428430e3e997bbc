"""Calls of operators, methods, attributes, and of what NumPy's protocols hand over."""

from .calls import Call, refused, valued

CALLS = {
    "x + y": ["x + y", "x + 1", "2.5 + x", "s + f", "x + [1.0, 2.0, 3.0, 4.0, 5.0]", "z + x[:4]"],
    "x - y": ["x - y", "1 - x", "s - f", "z - 1j"],
    "x * y": ["x * y", "3 * x", "s * f", "a * v[:, None]", "z * z"],
    "x / y": ["x / y", "1 / x", "s / f", "z / (1 + z)"],
    "x % y": ["x % y", "x % 0.83", "5.3 % y", "s % f"],
    "x ** y": ["p ** y", "x ** 2", "2.0 ** x", "s ** f", "x ** 0", "p ** 0.5", "x ** -1", "z ** 2"],
    "x @ y": ["x @ y", "a @ b", "m @ v", "w @ z[:3]", "m @ [1.0, s, 2.0]"],
    "x // y": ["x // y", "x // 0.83", "s // f"],
    "divmod(x, y)": ["divmod(x, y)", "divmod(s, f)", "divmod(x, 0.83)", "divmod(5.3, y)"],
    "abs(x)": ["abs(x)", "abs(s)", "abs(z)"],
    "+x": ["+x", "+s"],
    "-x": ["-x", "-f"],
    "round(x)": ["round(s, 1)", "round(x[0], 1)", valued("round(s)"), valued("round(f)")],
    "x[i]": ["x[2]", "a[1]", "a[1, -2]", "t[0, 1]", "x[-1] * x"],
    "x[i:j]": ["x[1:4]", "a[:, ::2]", "x[::-1]", "t[..., 1:]", "x[4:1]"],
    "x[..., None]": ["x[..., None]", "a[:, None, 1]", "s[None]", "o[()]"],
    "x[mask]": ["x[mask]", "a[mask34]", "x[x > 0]", "a[a[:, 0] > 0]"],
    "x[indices]": ["x[[0, 3, 3]]", "a[[0, 2], [1, 1]]", "x[np.argsort(x)]", "a[:, order[:3] - 1]"],
    "for e in x": [
        "sum(e * e for e in x)",
        "np.stack([r * s for r in a])",
        "(lambda h, *r: h * r[0])(*x)",
    ],
    "x += y": [
        "y2 = x * 1; y2 += y; y2 *= s; y2 -= 1; y2 /= p; y2",
        "y2 = s; y2 += f; y2 **= 2; y2",
        "y2 = x * 1; y2 **= 2; y2 //= 0.31; y2",
        "y2 = x * 1; y2 %= 0.77; y2[1:] += y[1:]; y2",
        "y2 = m * 1; y2 @= m; y2",
    ],
    "x[i] = v": [
        "y2 = x * 1; y2[1] = s; y2[2:4] = y[:2] * y2[0]; y2",
        "y2 = a * 1; y2[:, 1] = v; y2[mask34] *= 2.0; y2",
        "y2 = x * 1; y2[[0, 0, 3]] = v; y2",
        "y2 = x * 1; view = y2[::2]; view[:] = v; y2 * y2",
    ],
    "np.zeros(n)[i] = x": [
        "y2 = np.zeros(5); y2[1] = s; y2[2:] = v; y2",
        "y2 = np.empty((2, 5)); y2[0] = x; y2[1] = x * y; y2",
        "y2 = np.zeros_like(a); y2[1:, :] = a[:-1]; y2",
    ],
    "out=": [
        "y2 = np.zeros(5); np.add(x, y, out=y2); y2",
        "y2 = np.ones(5); y3 = np.multiply(x, y, y2); y2 * y3",
        "y2 = a * 1; np.exp(y2[0], out=y2[1]); y2",
    ],
    "ufunc.reduce": [
        "np.add.reduce(a)",
        "np.multiply.reduce(a, axis=1, keepdims=True)",
        "np.maximum.reduce(a, axis=(0, 1), initial=0.5, where=mask34)",
        "np.logaddexp.reduce(x)",
        "np.hypot.reduce(x)",
        "np.subtract.reduce(x)",
    ],
    "ufunc.accumulate": [
        "np.add.accumulate(a, axis=1)",
        "np.multiply.accumulate(x)",
        "np.maximum.accumulate(x)",
        "np.logaddexp.accumulate(x)",
        "np.divide.accumulate(x)",
    ],
    "ufunc.outer": ["np.add.outer(x, v)", "np.power.outer(p, v)", "np.hypot.outer(a, v)"],
    "ufunc.reduceat": [
        "np.add.reduceat(x, [0, 2, 1])",
        "np.multiply.reduceat(a, [0, 2], axis=1)",
        "np.maximum.reduceat(x, [0, 3])",
    ],
    "ufunc.at": [
        "y2 = x * 1; np.add.at(y2, [0, 0, 2], v); y2",
        "y2 = x * 1; np.multiply.at(y2, [0, 0, 2], v); y2",
        "y2 = x * 1; np.negative.at(y2, [1, 2]); y2",
    ],
    "where=": [
        "np.add(x, y, where=mask, out=np.zeros(5))",
        "np.log(x, where=x > 0, out=np.full(5, s))",
        "np.divide(x, y, where=y > 0, out=np.zeros(5))",
    ],
    "initial=": ["np.sum(a, initial=s)", "np.max(x, initial=s)", "np.prod(x, initial=f)"],
    "dtype=": [
        "np.sum(single, dtype=np.float64)",
        "np.add(single, single, dtype=np.float64)",
        "np.exp(single, dtype='f8')",
        valued("np.add(x, y, dtype=np.float32)"),
        valued("np.exp(s, dtype=np.longdouble)"),
        valued("np.mean(x, dtype=np.float16)"),
    ],
    "np.sin of a number": ["np.sin(f)", "np.sin(s)", "np.sin(o)"],
    "np.sum of a list": ["np.sum([s, f, 2.0])", "np.max([[s, f], [1.0, s]], axis=0)"],
    "np.concatenate of numbers": [
        "np.concatenate([[s], [f, 1.0]])",
        "np.concatenate([np.atleast_1d(s), x])",
    ],
    "np.linalg.inv of a list": ["np.linalg.inv([[s, 0.5], [f, 2.0]])"],
    "math.sin": [
        refused("import math; math.sin(s)", "Use the function of the same name in numpy"),
        refused("float(x[0])", "numpy"),
    ],
    "x.T": ["a.T", "t.T", "x.T", "y2 = a * 1; y2.T[0] = v; y2"],
    "x.mT": ["a.mT", "t.mT"],
    "x.real": ["z.real", "x.real", "y2 = z * 1; y2.real = x[:4]; y2"],
    "x.imag": ["z.imag", "x.imag", "y2 = z * 1; y2.imag[1] = s; y2"],
    "x.flat": [
        "a.flat[5]",
        "a.flat[2:7]",
        "y2 = a * 1; y2.flat[[1, 4]] = s; y2",
        "np.sum(list(a.flat))",
    ],
    "at(x)[i].set": [
        "wg.at(x)[2].set(s)",
        "wg.at(a)[:, 1].set(v)",
        "wg.at(x)[mask].set(v)",
        "wg.at(x)[[0, 3]].min(0.1)",
        "wg.at(x)[1:].max(y[1:])",
    ],
    "at(x)[i].add": [
        "wg.at(x)[[0, 0, 2]].add(v)",
        "wg.at(a)[1].add(s)",
        "wg.at(x)[[1, 1]].multiply(s)",
    ],
}

_METHODS = {
    "sum": ("", "axis=1", "axis=0, keepdims=True", "initial=s", "where=mask34", "out=np.zeros(())"),
    "prod": ("", "axis=1", "initial=s, where=mask34"),
    "mean": ("", "axis=1", "0, keepdims=True", "where=mask34"),
    "std": ("", "axis=1", "ddof=1"),
    "var": ("", "axis=1", "ddof=1, keepdims=True"),
    "max": ("", "axis=1", "0, initial=s"),
    "min": ("", "axis=1", "0, initial=s"),
    "cumsum": ("", "axis=1"),
    "cumprod": ("", "0"),
    "ravel": ("", "'F'", "order='K'"),
    "flatten": ("", "'F'"),
    "reshape": ("2, 6", "(4, -1)", "-1, order='F'"),
    "transpose": ("", "1, 0", "(0, 1)"),
    "squeeze": ("",),
    "swapaxes": ("0, 1",),
    "repeat": ("2", "[1, 0, 2], axis=0"),
    "take": ("[1, 5]", "[0, 2], axis=1, mode='wrap'"),
    "diagonal": ("", "1"),
    "trace": ("", "offset=1"),
    "clip": ("-0.5, 1.0", "max=s", "min=-s"),
    "round": ("", "1", "decimals=1"),
    "dot": ("b", "x[:4]", "s"),
    "copy": ("", "order='F'"),
    "astype": ("complex", "np.float64, copy=False"),
    "compress": ("[True, False, True]", "[False, True], axis=1"),
    "item": ("5", "1, 2", "(1, 2)"),
    "tolist": ("",),
    "view": ("", "np.float64"),
}
for _name, _arguments in _METHODS.items():
    CALLS[f"x.{_name}"] = [f"a.{_name}({arguments})" for arguments in _arguments]
CALLS["x.squeeze"] += ["a[:1].squeeze()", "t[:, :1].squeeze(axis=1)"]
CALLS["x.astype"] += ["single.astype(float)", valued("x.astype('f4')"), valued("x.astype(int)")]
CALLS["x.view"] += ["z.view(float)", "x[:4].copy().view(complex)"]
CALLS["x.item"] += ["s.item()", "o.item()"]
CALLS["x.sum"] += ["z.sum()", "s.sum()"]
CALLS["x.conj"] = ["z.conj()", "x.conj()", "s.conj()"]
CALLS["x.conjugate"] = ["z.conjugate()", "x.conjugate()", "f.conjugate()"]
CALLS = {
    name: [entry if isinstance(entry, Call) else Call(entry) for entry in calls]
    for name, calls in CALLS.items()
}
ZERO = frozenset({"x // y", "round(x)", "x.round"})
