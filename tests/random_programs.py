"""Random programs as plain NumPy source: what is drawn runs as it grows, so that it makes sense.

A draft holds the lines so far and the values they give at one point. A new piece of source is kept
if it runs there and leaves every number finite and of moderate size; otherwise it is forgotten.
Choices come from a `random.Random`, or from Hypothesis in its place, which then can shrink them.
"""

import math
import random
import warnings
from copy import copy
from dataclasses import dataclass

import numpy as np

LARGEST_NUMBER = 20.0
LARGEST_ARRAY = 36

UNARY = [
    "np.sin({a})", "np.cos({a})", "np.tanh({a})", "np.exp(-{a} * {a})", "np.arctan({a})",
    "np.log1p({a} ** 2)", "np.sqrt({a} * {a} + 0.5)", "({a} ** 2 + 1.0) ** 0.5", "-{a}",
    "1.0 / (1.0 + np.exp(-{a}))", "np.sinh(0.3 * {a})", "np.square({a})", "{a} ** 3 / 5",
    "np.expm1(0.2 * {a})", "2.0 ** (0.3 * {a})", "np.sinc({a})", "np.log({a} * {a} + 1.2)",
    "np.abs({a})", "abs({a} - 0.1)", "np.maximum({a}, 0.1)", "np.clip({a}, -0.8, 0.9)",
    "np.where({a} > 0.2, {a}, 0.5 * {a})", "np.sign({a}) * {a}", "np.floor({a}) + {a}",
    "{a} % 2.0", "np.nan_to_num({a})", "np.heaviside({a}, 0.5) * {a}", "np.fmax({a}, -{a})",
    "3 - {a}", "{a} * 2", "{a} / 4", "1 / ({a} ** 2 + 1)", "+{a}", "np.float64(0.7) * {a}",
    "np.positive({a})", "np.reciprocal({a} ** 2 + 2.0)", "np.where({a} > 50.0, np.nan, {a})",
    "np.where({a} < 30, np.sqrt(np.where({a} < 30, 31 - {a}, 1.0)), np.inf)",
    "np.sqrt(np.abs({a}) + 0.1)", "np.cosh({a} / 2)", "np.arcsinh({a})", "np.degrees({a}) / 90",
]  # fmt: skip

BINARY = [
    "{a} + {b}", "{a} - {b}", "{a} * {b}", "{a} / (1.5 + {b} ** 2)", "np.maximum({a}, {b})",
    "np.minimum({a}, {b})", "np.arctan2({a}, 2.0 + {b} ** 2)", "np.hypot({a}, {b} - 3.0)",
    "np.logaddexp({a}, {b})", "np.where({a} > {b}, {a}, {b} * 0.5)", "np.multiply({a}, {b})",
    "(np.abs({a}) + 0.5) ** (0.3 * {b})", "np.subtract({a}, {b})", "{a} * 0.5 + {b} * 0.5",
    "np.where(np.array({b}) > 0, {a}, 0.0) + {b}", "np.fmod({a}, 3.0) - {b}",
    "np.copysign({a}, {b})", "np.float_power(np.abs({a}) + 1.0, {b} / 4)",
]  # fmt: skip

REDUCTIONS = [
    "np.sum({a}, axis={k})", "{a}.sum(axis={k})", "{a}.mean(axis={k}, keepdims=True)",
    "np.max({a}, axis={k})", "{a}.min(axis={k})", "np.prod({a} * 0.3 + 1.0, axis={k})",
    "np.cumsum({a}, axis={j})", "np.cumprod({a} * 0.3 + 1.0, axis={j})", "np.sort({a}, axis={j})",
    "np.var({a}, axis={k})", "np.linalg.norm({a} + 2.0, axis={j})", "np.median({a}, axis={k})",
    "np.diff({a}, axis={j})", "np.ptp({a}, axis={j})", "np.logaddexp.reduce({a}, axis={j})",
    "np.maximum.accumulate({a}, axis={j})", "{a}.sum(axis={j}, where={a} > 0.1)",
    "np.max({a}, axis={j}, initial=0.2)", "np.nansum({a}, axis={k})", "np.add.reduce({a}, {j})",
    "np.average({a}, axis={k})", "np.trapezoid({a}, axis={j})", "np.std({a} * {a} + {a}, axis={k})",
    "np.partition({a}, 0, axis={j})", "np.mean({a} ** 2)", "np.sum({a})", "{a}.max()",
    "np.quantile({a}, 0.3, axis={k})", "{a}.cumsum()", "np.nanmax({a}, axis={j}, keepdims=True)",
]  # fmt: skip

SHAPES = [
    "{a}.T", "{a}.reshape(-1)", "{a}.ravel()", "{a}[None]", "np.flip({a})", "{a}[::-1]",
    "np.roll({a}, 1, axis={j})", "np.tile({a}, 2)", "np.repeat({a}, 2, axis={j})", "{a}[..., None]",
    "np.moveaxis({a}, 0, -1)", "np.atleast_2d({a})", "np.squeeze({a})", "np.triu({a})",
    "np.swapaxes({a}, 0, -1)", "np.expand_dims({a}, {j})", "np.pad({a}, 1)", "{a}.flatten()",
    "np.pad({a}, 1, mode='edge')", "np.diag({a})", "np.array_split({a}, 2)[0]", "{a}.copy()",
    "np.concatenate([{a}, {a} * 2], axis={j})", "np.stack([{a}, 1 - {a}], axis={j})",
    "np.broadcast_to({a}, (2, *{a}.shape))", "np.hstack([{a}, {a}])", "np.rot90({a})",
    "np.append({a}, 0.5)", "np.delete({a}, 0, axis={j})", "np.array({a})", "{a}.astype(float)",
    "{a}.reshape({a}.shape[::-1], order='F')", "np.ascontiguousarray({a}.T)",
    "np.array([{a}, {a}])",
    "np.insert({a}, 0, 0.3, axis={j})", "np.column_stack([{a}, {a}])", "np.trace({a})",
    "np.take({a}, [0, -1, 0], axis={j})", "np.take_along_axis({a}, np.argsort({a}, {j}), {j})",
    "np.compress([True], {a}, axis={j})", "{a}.diagonal()", "{a}[{a} > 0.1]",
    "{a}[np.argsort({a})]",
    "np.extract({a} < 0.4, {a})", "{a}[np.ix_([0, -1], [0, 0])]", "{a}[np.nonzero({a} > 0)]",
]  # fmt: skip

PRODUCTS = [
    "{a} @ {b}", "np.dot({a}, {b})", "{a} @ {b}.T", "{a}.T @ {b}", "np.outer({a}, {b})",
    "np.einsum('i,j->ij', {a}, {b})", "np.einsum('ij,ij->i', {a}, {b})", "np.vdot({a}, {b})",
    "np.tensordot({a}, {b}, axes=1)", "np.inner({a}, {b})", "np.kron({a}, {b})",
    "np.cross({a}, [0.4, {b}[0], 1.0])",
    "np.linalg.solve({a} @ {a}.T + 3 * np.eye(len({a})), {b})", "np.concatenate([{a}, {b}])",
    "np.linalg.inv({a} @ {a}.T + 2 * np.eye(len({a})))", "np.linalg.det({a} @ {a}.T / 3)",
    "np.linalg.cholesky({a} @ {a}.mT + np.eye(len({a})))", "np.stack([{a}, {b}])",
    "np.array([{a}, {b}])", "np.where({a} > 0.3, {a}, {b})", "np.vstack([{a}, {b}])",
    "np.linalg.eigvalsh({a} @ {a}.mT + np.diag(np.arange(len({a}))))",
    "np.multiply.outer({a}, {b})",
]  # fmt: skip

COMPLEX = [
    "np.abs({a} + 1j * {b} + 3.0)", "(np.exp(1j * {a}) * {b}).imag",
    "np.angle({a} + 1j * {b} + 4.0)",
    "np.real(np.sqrt({a} + 1j + 0j * {b}))", "(({a} + 1j * {b}) * np.conj({b} - 1j * {a})).real",
    "np.abs({a} - 2j * {b}) ** 2", "((1.0 + 0.5j) ** 2 * {a}).imag + {b}",
]  # fmt: skip

CREATED = [
    "np.zeros({shape})", "np.ones({shape})", "np.full({shape}, {s})", "np.array({a})", "{a}.copy()",
    "np.zeros_like({a})", "np.full_like({a}, 0.3)", "np.copy({a})", "np.linspace(0.2, 1.1, {n})",
    "np.array([{s}, {s2}])", "np.array([[{s}, 0.5], [1.0, {s2}]])", "np.eye({n}) * {s}",
    "np.array([{s} * i for i in range({n})])", "np.arange({n}) * {s}", "np.linspace(0.0, {s}, {n})",
]  # fmt: skip

WRITES = [
    "{t}[{i}] = {v}", "{t}[{i}] = {v}", "{t}[{i}] += {v}", "{t}[{i}] *= {v}", "{t} += {v}",
    "{t} *= 0.5", "{t} -= {v}", "{t} /= 1.5 + {t} ** 2", "np.add({t}, {v}, out={t})",
    "np.multiply({t}[{i}], {v}, out={t}[{i}])",
    # NumPy reads past the end of a value that has more axes than the part.
    "np.add.at({t}, np.s_[{i}], np.broadcast_to({v}, {t}[{i}].shape))",
    "{t}.T[{i}] = {v}",
    "{t}.flat[-1] = {v}", "np.copyto({t}, {v})", "{t}.fill(0.3)", "np.put({t}, [0, -1], {v})",
    "np.fill_diagonal({t}, {v})", "{t}[[0, -1]] = {t}[[-1, 0]]",
    "{t}[0], {t}[-1] = {t}[-1], {t}[0]",
    "{t}.sort()", "{t}[{t} > 0.2] = {v}", "{t}[{t} < 0.1] *= 0.5", "{t}[1:] = {t}[:-1]",
    "{t}[1:] += {t}[:-1]", "{t}[::-1] += {t}", "{t}[...] = {t} * {v}", "{t}.reshape(-1)[0] = {v}",
    "np.sin({t}, out={t})", "np.place({t}, {t} > 0.5, [0.1, 0.2])", "{t}.ravel()[::2] = {v}",
    "np.subtract.at({t}, [0, 0], np.broadcast_to({v}, {t}[[0, 0]].shape))",
    "{t}[..., 0] = {v}", "{t}[:, None][{i}] = {v}",
    "{t}[np.argmax({t})] = {v}", "np.putmask({t}, {t} > 0, {v})", "{t} **= 2", "{t} %= 1.7",
    "np.maximum({t}, {v}, out={t})", "np.add({t}, 1.0, out={t}, where={t} < 0.3)",
    "{t}[{i}] -= {t}",
    "np.clip({t}, -0.7, 0.8, out={t})", "np.cumsum({t}, axis=0, out={t})",
    "{t}[np.arange(1)] = {t}[-1]",
]  # fmt: skip

COMPOUND = [
    """
    if np.sum({a}) > {c}:
        {new} = {e}
    else:
        {new} = {f}
    """,
    """
    if {s} > {c}:
        {w}
    else:
        {x}
    """,
    """
    for i in range(1, len({t})):
        {t}[i] = {t}[i] * 0.5 + np.sin({t}[i - 1])
    """,
    """
    for i in range(3):
        {w}
        {x}
    """,
    """
    {new} = {a}
    for _ in range(2):
        {new} = np.tanh({new}) + {b} * 0.5
    """,
    """
    for row in {t}:
        row[...] = np.cos(row) * {s}
    """,
    """
    for row in {t}.T:
        row += row[::-1] * 0.5
    """,
    """
    {new} = 0.0
    for i, entry in enumerate({a}):
        {new} = {new} + i * np.sin(entry)
    """,
    """
    {new} = {s}
    while np.abs({new}) > 0.3:
        {new} = {new} * 0.6
        {w}
    """,
    """
    {new} = {t}[{i}]
    {x}
    {new} = {new} + {s}
    """,
    """
    {new} = {t}[{i}]
    {new}[...] = {new} * 0.5 + {s}
    """,
    """
    {new} = {t}.reshape(-1)
    {new}[::2] *= {s}
    """,
    """
    {new} = {t}.T
    {w}
    {new}[0] = {s}
    """,
    """
    def {new}_of(u, k=2):
        u = u * {s}
        return u if k == 0 else np.sin({new}_of(u, k - 1)) + u

    {new} = {new}_of({a})
    """,
    """
    def {new}_of(u):
        u[0] = {s}
        return u

    {new} = {new}_of({t}) + {s}
    """,
    """
    {new} = sum(np.cos(entry) * k for k, entry in enumerate({a}))
    """,
    """
    {new} = np.array([np.sum(entry) * {s} for entry in {a}])
    """,
    """
    {new} = np.sum([{s}, {s2}, 1.0])
    """,
    """
    {new} = max({s}, {s2}) - min({s2}, 0.25)
    """,
    """
    {new} = {a}[int(np.argmax({a}))] * 2.0
    """,
    """
    for i in range(len({t})):
        for j in range(i):
            {t}[i] -= 0.3 * {t}[j] * {s}
    """,
    """
    {new} = np.zeros({shape}, dtype=complex)
    {new}[...] = {s} * (1.0 + 0.5j)
    {new}.real[0] = {s2}
    {new} = np.abs({new} + 2.0)
    """,
    """
    {new}, _ = {t}[0], {t}[-1]
    {t}[0] = {t}[-1]
    """,
    """
    *_, {new} = {a}
    """,
    """
    {new} = {{"k": {a}, "m": [{s}]}}
    {new}["m"].append({new}["k"] * {new}["m"][0])
    {new} = {new}["m"][1]
    """,
    """
    try:
        {new} = {a}[len({a})]
    except IndexError:
        {new} = {a}[0] * {s}
    """,
]

POINTS = [(), (2,), (3,), (4,), (2, 3), (3, 3), (3, 2), (2, 1), (1,), (2, 2, 2)]


@dataclass(frozen=True)
class RandomProgram:
    """Source of ``def program(x0, …)``, and the arguments to take it at."""

    source: str
    point: tuple

    def compiled(self):
        """The function; code from a string counts as the user's."""
        namespace = {"np": np}
        exec(compile(self.source, "<random program>", "exec"), namespace)
        return namespace["program"]

    def as_test(self, name, problem):
        """The source of a test of this program alone, to be pasted."""
        point = ", ".join(written_out(argument) for argument in self.point)
        body = self.source.replace("def program", f"def {name}", 1)
        return f"# {problem}\n@found({point})\n{body}"


def written_out(argument):
    if isinstance(argument, np.ndarray):
        backwards = argument.ndim and argument.strides[0] < 0
        listed = argument[::-1].tolist() if backwards else argument.tolist()
        single = "" if argument.dtype == float else f", dtype=np.{argument.dtype}"
        return f"np.array({listed!r}{single})" + ("[::-1]" if backwards else "")
    if isinstance(argument, np.generic):
        return f"np.{type(argument).__name__}({argument.item()!r})"
    return repr(argument)


class Draft:
    """A program that grows line by line; ``values`` are those of its names at the point."""

    def __init__(self, choose, point):
        self.choose = choose
        self.point = point
        self.pieces = []
        self.names = 0
        self.restart()

    def restart(self):
        self.values = {"np": np}
        for number, argument in enumerate(self.point):
            self.values[f"x{number}"] = copy(argument)
        for piece in self.pieces:
            exec(piece, self.values)

    def attempt(self, piece):
        """Keep a piece of source if it runs, changes something, and stays in bounds."""
        try:
            exec(compile(piece, "<draft>", "exec"), self.values)
            kept = all(in_bounds(self.values[name]) for name in self.values if name[0] != "_")
        except (ValueError, IndexError, TypeError, AttributeError, KeyError, ArithmeticError):
            kept = False
        except (Warning, np.linalg.LinAlgError, SyntaxError):
            kept = False
        if kept:
            self.pieces.append(piece)
        else:
            self.restart()
        return kept

    def names_of(self, wanted):
        """Names of float values that ``wanted`` holds for, the later ones more often."""
        found = [
            name
            for name, value in self.values.items()
            if is_float(value) and np.size(value) and wanted(value)
        ]
        return found + found[-3:]

    def array(self):
        return self.pick(lambda value: np.ndim(value) > 0) or "np.ones(2)"

    def scalar(self):
        """A name of a scalar, an item of an array, or a constant."""
        found = self.names_of(lambda value: np.ndim(value) == 0)
        kind = self.choose.randrange(4)
        if found and kind < 2:
            return self.choose.choice(found)
        array = self.pick(lambda value: np.ndim(value) > 0)
        if array and kind < 3:
            shape = np.shape(self.values[array])
            return f"{array}[{', '.join(str(self.choose.randrange(n)) for n in shape)}]"
        return self.choose.choice(["0.7", "-0.4", "1.3", "2"])

    def any(self):
        return self.pick(lambda value: True) or "0.5"

    def pick(self, wanted):
        found = self.names_of(wanted)
        return self.choose.choice(found) if found else None

    def like(self, name):
        """Something that broadcasts with ``name``, most of the time."""
        shape = np.shape(self.values.get(name, 0.0))
        same = self.names_of(lambda value: np.shape(value) == shape)
        if same and self.choose.random() < 0.6:
            return self.choose.choice(same)
        return self.scalar() if self.choose.random() < 0.5 else self.any()

    def subscript(self, name):
        """An index of an array, basic or advanced, that names at least one entry."""
        shape = np.shape(self.values.get(name, np.ones(2)))
        entries = []
        for n in shape[: self.choose.randint(1, max(1, len(shape)))]:
            ways = [
                lambda n=n: str(self.choose.randrange(-n, n)),
                lambda n=n: ":",
                lambda n=n: f"{self.choose.randrange(n)}:",
                lambda n=n: f":{self.choose.randint(1, n)}",
                lambda n=n: "::-1",
                lambda n=n: "::2",
                lambda n=n: str([self.choose.randrange(-n, n) for _ in range(2)]),
                lambda n=n: str([True] + [self.choose.random() < 0.5 for _ in range(n - 1)]),
            ]
            entries.append(self.choose.choice(ways)())
        if self.choose.random() < 0.1:
            entries.append("...")
        if self.choose.random() < 0.05:
            entries.insert(0, "None")
        return ", ".join(entries) or "..."

    def new(self):
        self.names += 1
        return f"v{self.names}"

    def write(self, target=None):
        """A statement that writes into an array."""
        template = self.choose.choice(WRITES)
        t = target or self.array()
        if not getattr(self.values.get(t), "flags", np.ones(1).flags).writeable:  # at() would write
            t = "x0"
        i = self.subscript(t)
        v = self.choose.choice(
            [self.scalar(), self.like(t), f"np.sin({t}[{i}])", f"0.5 * {self.like(t)}", f"{t}[{i}]"]
        )
        unchecked = (" > ", " < ", "ravel", "flat", "fill_diagonal")
        if "True" in i or any(part in template for part in unchecked):
            v = f"1.0 * ({v})"  # NumPy does not look whether these overlap what they write
        return template.format(t=t, i=i, v=v)

    def expression(self):
        """An expression of names, of one operation."""
        kind = self.choose.randrange(15)
        a = self.array() if kind > 4 else self.any()
        axis = max(1, np.ndim(self.values.get(a, 0.0)))
        j = self.choose.randrange(-axis, axis)
        k = self.choose.choice(["None", str(j), f"({j},)"])
        tables = [
            *[UNARY] * 3,
            *[BINARY] * 3,
            *[REDUCTIONS] * 3,
            *[SHAPES] * 3,
            *[PRODUCTS] * 2,
            COMPLEX,
        ]
        if self.choose.random() < 0.15:
            return f"{a}[{self.subscript(a)}]"
        template = self.choose.choice(tables[kind])
        b = self.array() if tables[kind] is PRODUCTS else self.like(a)
        return template.format(a=a, b=b, j=j, k=k)

    def created(self):
        shape = self.choose.choice(POINTS[1:])
        return self.choose.choice(CREATED).format(
            a=self.array(), s=self.scalar(), s2=self.scalar(), shape=shape, n=shape[0]
        )

    def compound(self):
        t = self.array()
        a = self.array()
        text = self.choose.choice(COMPOUND).format(
            new=self.new(), a=a, b=self.like(a), t=t, s=self.scalar(), s2=self.scalar(),
            i=self.subscript(t), c=self.choose.choice(["0.1", "-0.5", "0.8", "-9.0"]),
            e=self.expression(), f=self.expression(), w=self.write(), x=self.write(t),
            shape=self.choose.choice(POINTS[1:5]),
        )  # fmt: skip
        lines = [line[4:] for line in text.strip("\n").split("\n")]
        return "\n".join(lines).rstrip()

    def piece(self):
        kind = self.choose.random()
        if kind < 0.4:
            return f"{self.new()} = {self.expression()}"
        if kind < 0.5:
            return f"{self.new()} = {self.created()}"
        return self.write() if kind < 0.75 else self.compound()

    def result(self):
        """The last line: a number or an array made of what was computed."""
        found = list(dict.fromkeys(self.names_of(lambda value: np.size(value) > 0)))
        if self.choose.random() < 0.3:
            return f"return {self.choose.choice(found[-4:])} + 0.0"
        terms = [f"np.mean(np.sin({name} + {k}.0))" for k, name in enumerate(found)]
        if self.choose.random() < 0.5:
            return f"return {' + '.join(terms)}"
        return f"return np.array([{', '.join(terms)}])"


def is_float(value):
    if isinstance(value, (float, np.floating)):
        return True
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def in_bounds(value):
    """Whether a value is one that programs may go on with."""
    if isinstance(value, (list, dict)):
        return False
    if isinstance(value, np.ndarray) and value.size > LARGEST_ARRAY:
        return False
    if isinstance(value, (int, float, complex, np.number, np.ndarray)):
        array = np.asarray(value)
        if array.dtype.kind not in "fciub" or array.ndim > 4:
            return False
        return bool(np.all(np.abs(array.astype(complex)) <= LARGEST_NUMBER))
    return True


def random_argument(choose):
    """A float of any kind: Python's, NumPy's, or an array of one of several shapes and layouts."""
    shape = choose.choice(POINTS)
    size = math.prod(shape)
    draw = random.Random(choose.randrange(10_000))
    numbers = [round(draw.uniform(-1.5, 1.5), 3) for _ in range(size)]
    if not shape:
        kind = choose.randrange(4)
        makers = (float, np.float64, np.array, float)
        return makers[kind](numbers[0])
    array = np.array(numbers).reshape(shape)
    return array[::-1] if choose.random() < 0.15 else array


def random_program(choose, length=None):
    """A program of about ``length`` pieces of source; NumPy has nothing to say against it."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("error")
        return drawn(choose, length or choose.randint(3, 14))


def drawn(choose, length):
    point = tuple(random_argument(choose) for _ in range(choose.randint(1, 3)))
    if choose.random() < 0.07:
        point = tuple(
            argument.astype(np.float32) if isinstance(argument, np.ndarray) else argument
            for argument in point
        )
    draft = Draft(choose, point)
    for _ in range(length):
        for _ in range(4):
            if draft.attempt(draft.piece()):
                break
    last = draft.result()
    assert draft.attempt(last.replace("return", "result =", 1)), last
    body = "\n".join(draft.pieces[:-1] + [last])
    arguments = ", ".join(f"x{number}" for number in range(len(point)))
    indented = "\n".join("    " + line if line else "" for line in body.split("\n"))
    return RandomProgram(f"def program({arguments}):\n{indented}\n", point)
