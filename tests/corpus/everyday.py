"""Programs of finance, graphics and everyday Python: strings, classes, closures, dispatch."""

import operator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import reduce
from itertools import product

import numpy as np

from .registry import normal, program, uniform


def normal_distribution(x):
    """By the error function of Abramowitz and Stegun, 7.1.26, good to 1e-7."""
    z = np.abs(x) / np.sqrt(2)
    t = 1 / (1 + 0.3275911 * z)
    series = [0.254829592, -0.284496736, 1.421413741, -1.453152027, 1.061405429]
    tail = reduce(lambda total, c: (total + c) * t, reversed(series), 0.0) * np.exp(-z * z)
    return 0.5 * (1 + np.sign(x) * (1 - tail))


@program(
    {"spot": 100.0, "strike": np.array([90.0, 105.0]), "rate": 0.03, "sigma": 0.3, "years": 1.2}
)
def black_scholes(m):
    root = m["sigma"] * np.sqrt(m["years"])
    d1 = (np.log(m["spot"] / m["strike"]) + (m["rate"] + m["sigma"] ** 2 / 2) * m["years"]) / root
    discounted = m["strike"] * np.exp(-m["rate"] * m["years"])
    return m["spot"] * normal_distribution(d1) - discounted * normal_distribution(d1 - root)


@program({"spot": 10.0, "strike": 10.3, "rate": 0.04, "sigma": 0.25}, step=0.001)
def american_option_on_a_tree(m):
    steps = 6
    dt = 1.0 / steps
    up = np.exp(m["sigma"] * np.sqrt(dt))
    chance = (np.exp(m["rate"] * dt) - 1 / up) / (up - 1 / up)
    prices = m["spot"] * up ** np.arange(-steps, steps + 1, 2.0)
    value = np.maximum(m["strike"] - prices, 0)
    for level in range(steps, 0, -1):
        prices = prices[:-1] * up
        held = np.exp(-m["rate"] * dt) * (chance * value[1:] + (1 - chance) * value[:-1])
        value = np.where(m["strike"] - prices > held, m["strike"] - prices, held)
        assert len(value) == level
    return value[0]


@program({"spot": 1.0, "drift": 0.05, "volatility": 0.2, "barrier": 0.7}, "branches", step=0.0005)
def barrier_option_by_simulation(m):
    draws = normal(601, 6, 5)
    total = 0.0
    for path in draws:
        price, alive = m["spot"], True
        for z in path:
            price *= np.exp(
                (m["drift"] - m["volatility"] ** 2 / 2) * 0.2 + m["volatility"] * 0.447 * z
            )
            if price < m["barrier"]:
                alive = False
                break
        if alive:
            total += np.log1p(np.exp(10 * (price - 1))) / 10
    return total / len(draws)


@program({"flows": np.array([-10.0, 3.0, 4.2, 5.1]), "guess": 0.1}, "loops", step=0.02)
def internal_rate_of_return(p):
    r = p["guess"]
    while True:
        discount = (1 + r) ** -np.arange(4.0)
        value = np.sum(p["flows"] * discount)
        if abs(value) < 1e-13:
            return r - value / np.sum(-np.arange(4) * p["flows"] * discount / (1 + r))
        r = r - value / np.sum(-np.arange(4) * p["flows"] * discount / (1 + r))


@dataclass
class Sphere:
    centre: np.ndarray
    radius: float


@program(
    [Sphere(np.array([0.2, 0.1, 3.0]), 1.0), Sphere(np.array([-0.9, 0.4, 4.5]), 1.3)],
    "branches",
    step=0.001,
)
def rays_and_spheres(scene):
    """Pixel by pixel: the nearest hit is shaded."""
    light = np.array([0.6, 0.6, -0.5])
    image = np.zeros((3, 3))
    for (i, y), (j, x) in product(enumerate((-0.3, 0.05, 0.3)), enumerate((-0.25, 0.0, 0.3))):
        direction = np.array([x, y, 1.0])
        direction /= np.linalg.norm(direction)
        nearest = np.inf
        for sphere in scene:
            b = direction @ sphere.centre
            discriminant = b * b - sphere.centre @ sphere.centre + sphere.radius**2
            if discriminant <= 0:
                continue
            t = b - np.sqrt(discriminant)
            if 0 < t < nearest:
                nearest = t
                outward = (t * direction - sphere.centre) / sphere.radius
                image[i, j] = 0.1 + max(0.0, outward @ light)
    return image


@program({"focal": 1.2, "angles": np.array([0.1, -0.2, 0.3]), "shift": np.array([0.1, 0.0, 4.0])})
def reprojection_error(camera):
    a, b, c = camera["angles"]
    one, zero = 1.0, 0.0
    rx = np.array([[one, zero, zero], [zero, np.cos(a), -np.sin(a)], [zero, np.sin(a), np.cos(a)]])
    ry = np.array([[np.cos(b), zero, np.sin(b)], [zero, one, zero], [-np.sin(b), zero, np.cos(b)]])
    rz = np.array([[np.cos(c), -np.sin(c), zero], [np.sin(c), np.cos(c), zero], [zero, zero, one]])
    points = normal(602, 5, 3) @ (rz @ ry @ rx).T + camera["shift"]
    seen = camera["focal"] * points[:, :2] / points[:, 2:]
    return np.sum((seen - normal(603, 5, 2, scale=0.1)) ** 2)


class Vector:
    """A user's own class with operators, over whatever numbers it is given."""

    __slots__ = ("components",)

    def __init__(self, *components):
        self.components = components

    def __add__(self, other):
        return Vector(*map(operator.add, self.components, other.components))

    def __mul__(self, factor):
        return Vector(*(factor * c for c in self.components))

    __rmul__ = __mul__

    def __matmul__(self, other):
        return sum(a * b for a, b in zip(self.components, other.components, strict=True))

    def __abs__(self):
        return np.sqrt(self @ self)


@program((0.3, [0.5, -1.2], np.array([0.7, 0.2])))
def own_vector_class(parameters):
    t, start, velocity = parameters
    place = Vector(*start) + t * Vector(*velocity)
    for _ in range(2):
        place = place + Vector(*velocity) * (t / abs(place))
    return np.array([*place.components, place @ place])


@program({"x": 1.3, "y": 0.4, "rate": 2.0})
def expression_evaluator(environment):
    """A parser of formulas: strings and recursion around the arithmetic."""
    operations = {
        "+": operator.add,
        "-": operator.sub,
        "*": operator.mul,
        "/": operator.truediv,
        "^": operator.pow,
    }
    functions = {"sin": np.sin, "exp": np.exp, "sqrt": np.sqrt}
    text = "sin ( x * rate ) + exp ( - y ) * x ^ 3 / ( sqrt ( y ) + 2 )"
    tokens = text.split()

    def atom():
        token = tokens.pop(0)
        if token == "(":
            value = expression()
            assert tokens.pop(0) == ")"
            return value
        if token == "-":
            return -atom()
        if token in functions:
            return functions[token](atom())
        return environment[token] if token.isalpha() else float(token)

    def chain(lower, symbols):
        value = lower()
        while tokens and tokens[0] in symbols:
            value = operations[tokens.pop(0)](value, lower())
        return value

    def expression():
        return chain(lambda: chain(lambda: chain(atom, "^"), "*/"), "+-")

    return expression()


@program({"weights": uniform(604, 0.2, 1.0, 3), "bias": 0.3})
def vectorised_function(p):
    """``np.vectorize`` over a function with a branch on data."""

    def response(x, w):
        if x > 0:
            return w * x + p["bias"]
        return np.exp(w * x) * p["bias"]

    return np.vectorize(response)(np.array([-1.0, 0.5, 2.0]), p["weights"])


@program(normal(605, 3, 4))
def rows_by_apply_along_axis(table):
    def softplus_range(row):
        return np.log1p(np.exp(row)).sum() - row[0] * row[-1]

    return np.apply_along_axis(softplus_range, 1, table)


@dataclass
class Network:
    layers: list = field(default_factory=list)
    scale: float = 1.0


@program({"network": Network([normal(606, 2, 3), normal(607, 3, 2)], 0.8), "x": (0.4, -0.9)})
def nested_containers(p):
    x = np.array(p["x"])
    sizes = {}
    for number, weights in enumerate(p["network"].layers):
        x = np.sin(x @ weights) * p["network"].scale
        sizes[f"layer {number}"] = x
    return {name.upper(): value for name, value in sizes.items()}["LAYER 1"]


@program(normal(608, 3, 3), "writes")
def writes_into_its_argument(a):
    a[0] = a[1] * 2
    a[:, 2] += a[:, 0] ** 2
    a *= 0.5
    b = a.T
    b[1, 1] = a[0, 0] * a[2, 2]
    return a


@program(normal(609, 6), "branches", step=0.002)
def insertion_sort(values):
    """Swaps by tuple assignment; the order is weighed so that it matters."""
    a = values.copy()
    for i in range(1, len(a)):
        j = i
        while j > 0 and a[j - 1] > a[j]:
            a[j - 1], a[j] = a[j], a[j - 1]
            j -= 1
    return a * np.arange(6)


@program({"x": normal(610, 7), "width": 0.8}, "positions", step=0.002)
def order_statistics(p):
    order = np.argsort(p["x"])
    ranked = p["x"][order]
    gaps = np.diff(ranked) / p["width"]
    middle = np.median(p["x"])
    spread = np.median(np.abs(p["x"] - middle))
    return np.concatenate([np.tanh(gaps), [middle, spread, np.ptp(p["x"])]])


class Recorder:
    """A log of what was computed, filled by a context manager."""

    def __init__(self):
        self.entries = {}

    @contextmanager
    def section(self, name):
        values = []
        yield values
        self.entries[name] = np.mean(np.array(values), axis=0)


@program((normal(611, 3), 0.7))
def context_managers_and_logs(parameters):
    x, factor = parameters
    recorder = Recorder()
    for name, function in {"first": np.sin, "second": np.cosh}.items():
        with recorder.section(name) as values:
            for k in range(3):
                try:
                    values.append(function(x * factor**k) * (1 / (k - 1)))
                except ZeroDivisionError:
                    values.append(x)
    return recorder.entries["first"] * recorder.entries["second"]


@program(
    {"rgb": uniform(612, 0.1, 0.9, 2, 2, 3), "gamma": 2.2, "contrast": 1.3}, "positions", step=0.002
)
def colour_grading(p):
    """Masks, channels by view, and a matrix of integers."""
    image = np.array(p["rgb"])
    image[..., 0] *= 1.1
    linear = image ** p["gamma"]
    grey = linear @ np.array([2126, 7152, 722]) / 10_000
    bright = grey > 0.12
    linear[bright] = 1 - np.exp(-p["contrast"] * linear[bright])
    linear[~bright] *= p["contrast"]
    return np.clip(linear, 0.0, 1.5).swapaxes(0, 2)


@program({"price": np.array([3.0, 1.5, 4.2]), "elasticity": 1.7})
def orders_from_text(p):
    """Lines are parsed, grouped in a dictionary, and sorted by integer keys."""
    lines = ["2024-03 apples 4", "2024-01 pears 2", "2024-03 plums 1", "2024-02 apples 3"]
    catalogue = {"apples": 0, "pears": 1, "plums": 2}
    revenue = {}
    for line in lines:
        month, item, count = line.split()
        key = int(month.replace("-", ""))
        amount = int(count) * p["price"][catalogue[item]] ** (1 - p["elasticity"])
        revenue[key] = revenue.get(key, 0.0) + amount
    return np.array([revenue[key] for key in sorted(revenue)])


@program({"a": normal(613, 2, 3), "b": normal(614, 3, 4), "c": normal(615, 4, 2)})
def tensor_network(p):
    """Contractions by ``einsum``, ``tensordot``, ``reduce`` and ``kron``."""
    ring = np.einsum("ij,jk,ki->", p["a"], p["b"], p["c"])
    chain = reduce(np.matmul, [p["a"], p["b"], p["c"]])
    pair = np.kron(chain, np.eye(2))[1::2, 1::2]
    return ring + np.trace(pair) * np.tensordot(p["a"], p["c"], axes=([0], [1])).sum()


@program(uniform(616, 0.3, 1.4, 4))
def match_on_shapes(x):
    def area(shape):
        match shape:
            case {"kind": "circle", "radius": r}:
                return np.pi * r**2
            case ("rectangle", width, height):
                return width * height
            case [*corners] if len(corners) == 3:
                (ax, ay), (bx, by), (cx, cy) = corners
                return 0.5 * np.abs((bx - ax) * (cy - ay) - (cx - ax) * (by - ay))
            case _:
                raise ValueError(shape)

    shapes = [
        {"kind": "circle", "radius": x[0]},
        ("rectangle", x[1], x[2] ** 2),
        [(0.0, 0.0), (x[3], 0.1), (0.2, x[0] * x[1])],
    ]
    return np.array([area(shape) for shape in shapes])


@program({"heights": normal(617, 4, 4), "place": np.array([1.3, 2.2])})
def gradient_noise(p):
    """Perlin's fade on a lattice of numbers; the cell is fixed."""
    cell = np.array([1, 2])
    local = p["place"] - cell
    fade = local**3 * (local * (local * 6 - 15) + 10)
    corners = p["heights"][1:3, 2:4]
    rows = corners[0] + fade[0] * (corners[1] - corners[0])
    return rows[0] + fade[1] * (rows[1] - rows[0])
