"""Programs that use many of NumPy's less common functions together."""

import operator
from functools import partial
from itertools import accumulate, combinations, groupby, pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from .registry import normal, program, uniform

# ------------------------------------------------------------------ tables and groups


@program({"beta": np.array([0.4, -0.7]), "covariates": normal(901, 9, 2)})
def proportional_hazards(m):
    """Cox's partial likelihood with Breslow's treatment of ties."""
    times = np.array([5, 3, 9, 3, 7, 5, 2, 8, 3])
    died = np.array([1, 1, 0, 1, 1, 0, 1, 1, 0], bool)
    order = np.lexsort((~died, times))[::-1]
    risk = (m["covariates"] @ m["beta"])[order]
    at_risk = np.logaddexp.accumulate(risk)
    distinct, first, counts = np.unique(times[order][::-1], return_index=True, return_counts=True)
    last = len(times) - 1 - first  # where in the descending order a time was seen last
    total = np.sum(np.compress(died[order], risk))
    for time, place, _ in zip(distinct, last, counts, strict=True):
        total -= np.count_nonzero(died & (times == time)) * at_risk[place]
    return total / np.sum(died)


@program({"values": uniform(902, -1, 1, 12), "scale": 1.3}, step=0.002)
def group_statistics(m):
    keys = np.array(["b", "a", "c", "a", "b", "c", "a", "a", "b", "c", "c", "a"])
    names, groups = np.unique(keys, return_inverse=True)
    sums = np.bincount(groups, weights=m["values"] * m["scale"])
    counts = np.bincount(groups)
    largest = np.full(len(names), -np.inf)
    np.maximum.at(largest, groups, m["values"])
    products = np.ones(len(names))
    np.multiply.at(products, groups, 1 + m["values"] ** 2)
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    spans = np.add.reduceat(np.square(m["values"])[order], starts)
    table = np.rec.fromarrays([names, counts], names="name,count")
    by_name = {row.name: s for row, s in zip(table, sums, strict=True)}
    runs = [
        sum(m["values"][i] for i in places) for _, places in groupby(range(12), lambda i: i // 5)
    ]
    return by_name["a"] / counts[0] + np.sum(largest * spans) + np.sum(np.log(products)) + runs[1]


@program(
    {"y": normal(903, 8) + np.arange(8) * 0.3, "weights": uniform(904, 0.5, 2, 8)},
    "branches",
    step=0.001,
)
def isotonic_regression(m):
    """By pooling adjacent violators."""
    blocks = []
    for y, w in zip(m["y"], m["weights"], strict=True):
        blocks.append([y * w, w, 1])
        while len(blocks) > 1 and blocks[-2][0] / blocks[-2][1] >= blocks[-1][0] / blocks[-1][1]:
            top = blocks.pop()
            blocks[-1] = list(map(operator.add, blocks[-1], top))
    means, counts = zip(*((total / w, n) for total, w, n in blocks), strict=True)
    return np.sum(np.repeat(np.stack(means), counts) ** 2)


@program({"x": normal(905, 9), "weights": uniform(906, 0.5, 1.5, 9)}, "positions", step=0.001)
def weighted_quantiles(m):
    order = np.argsort(m["x"])
    x, w = np.take(m["x"], order), np.take(m["weights"], order)
    height = (np.cumsum(w) - 0.5 * w) / np.sum(w)
    median = np.interp([0.25, 0.5, 0.75], height, x)
    lower = x[np.searchsorted(np.cumsum(w), 0.5 * np.sum(w))]
    return np.concatenate([median, lower[None], np.percentile(x, [10, 90], method="hazen")])


# ------------------------------------------------------------------ signals


@program({"signal": normal(907, 15)})
def savitzky_golay(m):
    half = 2
    basis = np.vander(np.arange(-half, half + 1.0), 3, increasing=True)
    weights = np.linalg.pinv(basis)[0]
    windows = sliding_window_view(m["signal"], 2 * half + 1)
    smooth = windows @ weights
    edges = np.polyfit(np.arange(5.0), m["signal"][:5], 2)
    slope = np.convolve(smooth, [0.5, 0, -0.5], mode="valid")
    return np.sum(slope**2) + edges @ np.array([1.0, 2.0, 0.5])


@program({"signal": normal(908, 16)}, step=0.002)
def instantaneous_frequency(m):
    """The phase of the analytic signal, unwrapped."""
    spectrum = np.fft.fft(m["signal"])
    gain = np.zeros(16)
    gain[[0, 8]] = 1
    gain[1:8] = 2
    analytic = np.fft.ifft(spectrum * gain)
    phase = np.unwrap(np.angle(analytic))
    envelope = np.abs(analytic)
    return np.trapezoid(envelope * np.gradient(phase), dx=0.5) / np.ptp(envelope)


@program({"image": uniform(909, 0.0, 1.0, 5, 5)})
def tomography(m):
    """Sums along four directions, and the image smeared back along them."""
    image = np.pad(m["image"], 1, mode="linear_ramp", end_values=0.1)
    back = np.zeros_like(image)
    views = [image, np.rot90(image), image.T[::-1], np.flipud(image)]
    for turns, view in enumerate(views):
        profile = np.apply_along_axis(np.sum, 0, view) / view.shape[0]
        diagonal = np.array([np.trace(view, k) for k in range(-2, 3)])
        back += np.rot90(np.tile(profile, (view.shape[0], 1)), -turns)
        back += np.mean(diagonal) * np.eye(7)[:, ::-1]
    inner = back[np.ix_([1, 3, 5], range(1, 6, 2))]
    return np.einsum("ij,ij->", inner, inner) - 0.1 * np.linalg.norm(back - image, "fro")


# ------------------------------------------------------------------ geometry and matrices


@program({"points": normal(910, 5, 2)}, step=0.002)
def scaling_of_distances(m):
    """Classical multidimensional scaling: the points are found again up to a rotation."""
    points = m["points"]
    squares = np.zeros((5, 5))
    for (i, p), (j, q) in combinations(enumerate(points), 2):
        squares[i, j] = squares[j, i] = np.dot(p - q, p - q)
    centre = np.eye(5) - np.full((5, 5), 0.2)
    gram = np.linalg.multi_dot([centre, squares, centre]) * -0.5 + np.diag(np.arange(5) * 0.1)
    values, vectors = np.linalg.eigh(gram)
    found = vectors[:, -2:] * np.sqrt(values[-2:])
    upper = np.triu_indices(5, 1)
    distances = np.hypot(*np.moveaxis(found[upper[0]] - found[upper[1]], -1, 0))
    np.fill_diagonal(gram, 1.0)
    return np.sum(distances) + np.log(np.linalg.det(gram @ gram + np.eye(5)))


@program({"corners": np.array([[0.0, 0.1], [2.0, -0.2], [2.4, 1.5], [1.0, 2.2], [-0.3, 1.2]])})
def polygon_moments(m):
    x, y = m["corners"].T
    following = np.roll(m["corners"], -1, axis=0)
    cross = x * following[:, 1] - y * following[:, 0]
    area = 0.5 * np.sum(cross)
    centroid = np.sum((m["corners"] + following) * cross[:, None], axis=0) / (6 * area)
    sides = np.diff(m["corners"], axis=0, append=m["corners"][:1])
    perimeter = sum(np.linalg.norm(b - a) for a, b in pairwise([*m["corners"], m["corners"][0]]))
    spread = np.cov(m["corners"], rowvar=False, aweights=np.linalg.norm(sides, axis=1))
    return area + centroid @ centroid + 0.1 * perimeter + np.linalg.slogdet(spread)[1]


@program({"a": normal(911, 2, 2), "b": normal(912, 2, 2)})
def matrix_equations(m):
    """A Sylvester equation by Kronecker products, a tensor equation, a power."""
    a, b = m["a"] + 3 * np.eye(2), m["b"] - 3 * np.eye(2)
    system = np.kron(np.eye(2), a) - np.kron(b.T, np.eye(2))
    x = np.linalg.solve(system, np.ravel(a @ b, order="F")).reshape(2, 2, order="F")
    tensor = np.multiply.outer(a, b) + np.eye(4).reshape(2, 2, 2, 2) * 20
    y = np.linalg.tensorsolve(tensor, x)
    power = np.linalg.matrix_power(y / 3, 3)
    blocks = np.block([[x, power], [np.zeros((2, 2)), y]])
    return np.trace(blocks @ blocks) + np.vdot(blocks[:2], blocks[:2])


# ------------------------------------------------------------------ functions of functions


@program({"x": uniform(913, -1.5, 1.5, 6), "slope": 0.2}, "positions", step=0.005)
def pieces_of_functions(m):
    x = m["x"]
    leaky = np.piecewise(
        x, [x < 0, x > 1], [lambda v: m["slope"] * v, lambda v: 2 * v - 1, np.array(0.5)]
    )
    chosen = np.select([x < -0.5, x < 0.5], [np.sin(x), np.cos(x)], default=m["slope"])
    among = np.choose(np.array([0, 1, 2, 1, 0, 2]), [x, x**2, x**3])
    buffer = np.array(x)
    np.putmask(buffer, x > 0.7, x * m["slope"])
    np.place(buffer, x < -0.7, [m["slope"], 1.0])
    np.copyto(buffer, 0.25, where=np.abs(x) < 0.1)
    clipped = np.nan_to_num(np.where(x > 0, np.log(np.where(x > 0, x, 1.0)), -np.inf), neginf=-1.0)
    return np.sum(leaky * chosen) + np.sum(among * buffer) + np.sum(np.clip(clipped, -0.9, None))


@program({"c": normal(914, 4), "x": 0.4}, "branches")
def classes_of_polynomials(m):
    p = np.poly1d(m["c"])
    q = p.deriv() * np.poly1d([0.5, 2.0, 1.0]) + 3
    derived = np.polyder(m["c"])
    area = np.polyval(np.polyint(m["c"]), m["x"])
    quotient, remainder = np.polydiv(np.polymul(m["c"], m["c"][:2]), np.array([1.0, m["x"]]))
    rest = np.polyval(quotient, 0.5) * remainder[0]
    return p(m["x"]) * q(m["x"]) + np.polyval(derived, m["x"]) + area + rest


@program({"rates": uniform(915, 0.1, 0.9, 4), "start": 1.0})
def accumulated_by_functions(m):
    discount = np.frompyfunc(lambda total, rate: total * (1 - rate) + rate**2, 2, 1)
    by_ufunc = discount.reduce(m["rates"])
    by_tools = list(accumulate(m["rates"], lambda total, rate: total * (1 - rate) + rate**2))
    power = np.vectorize(lambda base, n: base**n, excluded={1})
    halves = np.vectorize(partial(np.dot, np.array([0.5, 0.5])), signature="(n)->()")
    grid = np.fromfunction(lambda i, j: (i + 1.0) * m["start"] + j, (2, 3))
    pairs = sliding_window_view(m["rates"], 2)
    over = np.apply_over_axes(np.sum, np.multiply.outer(m["rates"], m["rates"]), [0, 1])
    return (
        by_ufunc
        + by_tools[-1]
        + np.sum(power(m["rates"], 2))
        + np.sum(halves(pairs))
        + (np.sum(np.sqrt(grid)) + over.item())
    )


@program({"data": normal(916, 6, 3)}, "positions", step=0.01)
def gaps_in_a_table(m):
    """Missing entries: statistics that leave them out, filled in by means and by neighbours."""
    gaps = np.zeros((6, 3), bool)
    gaps[[1, 4, 5], [0, 2, 1]] = True
    table = np.where(gaps, np.nan, m["data"])
    means = np.nanmean(table, axis=0)
    spread = np.nanstd(table, axis=0, ddof=1)
    middle = np.nanmedian(table, axis=1)
    filled = np.where(np.isnan(table), means, table)
    column = table[:, 2]
    known = ~np.isnan(column)
    times = np.arange(6.0)
    between = np.interp(times, times[known], column[known])
    high = np.nanquantile(table, 0.8, axis=0)
    correlation = np.corrcoef(filled, rowvar=False)[np.tril_indices(3, -1)]
    return np.sum(spread) + middle @ between + np.sum(high) + np.sum(np.arctanh(0.9 * correlation))
