"""Programs of dynamic programming, series and transforms: alignments, recursion, signals."""

from functools import cache, reduce
from itertools import accumulate, pairwise

import numpy as np

from .registry import normal, program, uniform


@program((normal(401, 4), normal(402, 5), 0.5))
def soft_time_warping(parameters):
    a, b, gamma = parameters
    n, m = len(a), len(b)
    table = np.full((n + 1, m + 1), 1e6)
    table[0, 0] = 0.0

    def soft_minimum(*values):
        values = np.array(values)
        low = values.min()
        return low - gamma * np.log(np.sum(np.exp(-(values - low) / gamma)))

    for i in range(1, n + 1):
        for j in range(1, m + 1):
            cost = (a[i - 1] - b[j - 1]) ** 2
            table[i, j] = cost + soft_minimum(table[i - 1, j], table[i, j - 1], table[i - 1, j - 1])
    return table[n, m]


@program((normal(403, 4), normal(404, 4)), "branches", step=0.001)
def hard_time_warping(parameters):
    """By recursion with a dictionary as memory."""
    a, b = parameters
    memory = {}

    def cost(i, j):
        if i < 0 and j < 0:
            return 0.0
        if i < 0 or j < 0:
            return np.inf
        if (i, j) not in memory:
            best = min(cost(i - 1, j), cost(i, j - 1), cost(i - 1, j - 1))
            memory[i, j] = abs(a[i] - b[j]) + best
        return memory[i, j]

    return cost(3, 3)


@program({"insert": 0.9, "delete": 1.1, "replace": normal(405, 4, 4) ** 2 + 0.3})
def soft_edit_distance(costs):
    """Strings in between: letters choose the cost."""
    alphabet = "abcd"
    first, second = "abcad", "acbd"
    row = [costs["insert"] * j for j in range(len(second) + 1)]
    for letter in first:
        new = [row[0] + costs["delete"]]
        for j, other in enumerate(second, start=1):
            here = costs["replace"][alphabet.index(letter), alphabet.index(other)]
            options = (
                row[j] + costs["delete"],
                new[-1] + costs["insert"],
                row[j - 1] + (0.0 if letter == other else here),
            )
            new.append(-reduce(np.logaddexp, [-option for option in options]))
        row = new
    return row[-1]


@program((normal(406, 5, 3), normal(407, 3, 3)))
def conditional_random_field(parameters):
    unary, between = parameters
    labels = [0, 1, 1, 2, 0]
    alpha = unary[0]
    for scores in unary[1:]:
        joined = alpha[:, None] + between + scores[None, :]
        top = joined.max(axis=0)
        alpha = top + np.log(np.exp(joined - top).sum(axis=0))
    log_partition = np.log(np.sum(np.exp(alpha)))
    score = sum(unary[t, label] for t, label in enumerate(labels))
    score += sum(between[i, j] for i, j in pairwise(labels))
    return score - log_partition


@program(normal(408, 6, 4))
def connectionist_classification(logits):
    """CTC: a lattice of labels with blanks between, in logarithms."""
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    extended = [0]
    for label in (1, 2, 2):
        extended += [label, 0]
    alpha = np.full((len(logits), len(extended)), -1e5)
    alpha[0, :2] = log_p[0, extended[:2]]
    for t in range(1, len(logits)):
        for s in range(len(extended)):
            total = alpha[t - 1, s]
            if s > 0:
                total = np.logaddexp(total, alpha[t - 1, s - 1])
            if s > 1 and extended[s] not in (0, extended[s - 2]):
                total = np.logaddexp(total, alpha[t - 1, s - 2])
            alpha[t, s] = total + log_p[t, extended[s]]
    return -np.logaddexp(alpha[-1, -1], alpha[-1, -2])


@program(normal(409, 8))
def fourier_transform_by_recursion(signal):
    def transform(x):
        n = len(x)
        if n == 1:
            return x.astype(complex)
        even, odd = transform(x[::2]), transform(x[1::2])
        twisted = np.exp(-2j * np.pi * np.arange(n // 2) / n) * odd
        return np.concatenate([even + twisted, even - twisted])

    spectrum = transform(signal)
    return np.abs(spectrum) ** 2


@program(normal(410, 8))
def fourier_transform_in_place(signal):
    """Bit reversal and butterflies on a complex buffer."""
    n = len(signal)
    bits = n.bit_length() - 1
    buffer = np.empty(n, dtype=complex)
    for i in range(n):
        buffer[int(format(i, f"0{bits}b")[::-1], 2)] = signal[i]
    half = 1
    while half < n:
        for start in range(0, n, 2 * half):
            for k in range(half):
                twist = np.exp(-1j * np.pi * k / half)
                upper = buffer[start + k]
                lower = twist * buffer[start + k + half]
                buffer[start + k] = upper + lower
                buffer[start + k + half] = upper - lower
        half *= 2
    return np.concatenate([buffer.real, buffer.imag[1:4]])


@program({"signal": normal(411, 8), "low": normal(412, 4)})
def wavelet_cascade(p):
    """A filter bank applied to ever shorter approximations."""
    low = p["low"] / np.sqrt((p["low"] ** 2).sum())
    high = low[::-1] * np.array([1, -1, 1, -1])
    coefficients = []
    approximation = p["signal"]
    while approximation.size >= 4:
        n = approximation.size
        positions = (2 * np.arange(n // 2)[:, None] + np.arange(4)) % n
        windows = approximation[positions]
        coefficients.append(windows @ high)
        approximation = windows @ low
    return np.concatenate([*coefficients, approximation])


@program({"gain": 0.3, "pole": 0.8, "drive": normal(413, 7)})
def recursive_filter(p):
    """``itertools.accumulate`` runs the filter, and a generator its input."""

    def windowed():
        for k, sample in enumerate(p["drive"]):
            yield sample * (0.54 - 0.46 * np.cos(2 * np.pi * k / 6))

    out = accumulate(windowed(), lambda state, x: p["pole"] * state + p["gain"] * x, initial=0.0)
    return np.fromiter(out, dtype=float)


@program((0.4, normal(414, 6)))
def clenshaw_recurrence(parameters):
    x, coefficients = parameters
    later, latest = 0.0, 0.0
    for c in coefficients[:0:-1]:
        latest, later = 2 * x * latest - later + c, latest
    return coefficients[0] + x * latest - later


@program(np.array([0.7, 2.5]))
def catalogue_of_polynomials(x):
    """Legendre by memoised recursion over the degree, Hermite by a loop over pairs."""

    @cache
    def ratio(n):
        return (2 * n - 1) / n, (n - 1) / n

    def legendre(n, x):
        if n < 2:
            return x if n else np.ones_like(x)
        a, b = ratio(n)
        return a * x * legendre(n - 1, x) - b * legendre(n - 2, x)

    previous, current = 1.0, 2 * x
    for k in range(1, 4):
        previous, current = current, 2 * x * current - 2 * k * previous
    return np.array([legendre(4, x), current])


@program(normal(415, 5, 2))
def curve_by_de_casteljau(control):
    def point(points, t):
        if len(points) == 1:
            return points[0]
        return point([(1 - t) * a + t * b for a, b in zip(points, points[1:], strict=False)], t)  # noqa: RUF007

    curve = np.array([point(list(control), t) for t in np.linspace(0, 1, 5)])
    return np.sum(np.sqrt(np.sum(np.diff(curve, axis=0) ** 2, axis=1)))


@program({"knots": np.cumsum(uniform(416, 0.5, 1.0, 8)), "weights": normal(417, 4)}, "branches")
def basis_splines_by_recursion(p):
    knots = p["knots"]

    def basis(i, k, x):
        if k == 0:
            return 1.0 if knots[i] <= x < knots[i + 1] else 0.0
        left = (x - knots[i]) / (knots[i + k] - knots[i]) * basis(i, k - 1, x)
        right = (knots[i + k + 1] - x) / (knots[i + k + 1] - knots[i + 1]) * basis(i + 1, k - 1, x)
        return left + right

    x = 0.4 * knots[3] + 0.6 * knots[4]
    return sum(w * basis(i, 3, x) for i, w in enumerate(p["weights"]))


@program((normal(418, 3, 3), normal(419, 5, 3), 0.8), step=0.005)
def spectrogram_distance(parameters):
    """Frames by striding, energies by band with masks, a soft alignment of the two."""
    first, second, temperature = parameters
    band = np.array([[True, True, False], [False, True, True]])
    energies = [
        np.stack([np.where(mask, frames**2, 0.0).sum(axis=1) for mask in band], axis=1)
        for frames in (first, second)
    ]
    cost = np.abs(energies[0][:, None, :] - energies[1][None, :, :] + 0.01).sum(axis=-1)
    weights = np.exp(-cost / temperature)
    return (weights * cost).sum(axis=1) / weights.sum(axis=1)


@program(
    {"signal": normal(420, 9), "kernel": uniform(421, 0.2, 1.0, 3), "warp": uniform(422, 0, 0.4, 9)}
)
def smoothed_and_resampled(p):
    """``np.convolve``, ``np.interp`` at moved points, and a straight line by ``np.polyfit``."""
    smooth = np.convolve(p["signal"], p["kernel"] / p["kernel"].sum(), mode="same")
    t = np.arange(9.0)
    resampled = np.interp(t + p["warp"], t, smooth)
    slope, offset = np.polyfit(t, resampled, 1)
    return resampled - slope * t - offset
