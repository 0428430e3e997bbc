"""Programs that start arrays of their own and fill them, and in-place algorithms built that way.

Each takes one point. The buffers hold constants until a value that depends on the point is written;
every view taken before that write must see it.
"""

import functools
import itertools

import numpy as np

from aliasing_registry import POSITIVE, SHORT, SQUARE, VECTOR, WIDE, program

# Buffers by each creation function.


@program(SHORT)
def every_creation_function(x):
    buffers = [
        np.zeros(3),
        np.empty(3),
        np.ones(3),
        np.full(3, 0.5),
        np.zeros_like(x),
        np.empty_like(x),
        np.ones_like(x),
        np.full_like(x, -0.5),
        np.array([0.1, 0.2, 0.3]),
        np.asarray([0.1, 0.2, 0.3]),
        np.arange(3.0),
        np.linspace(0.0, 1.0, 3),
        np.copy(np.array([0.4, 0.5, 0.6])),
        np.eye(3)[1],
        np.identity(3)[:, 2],
        np.asanyarray([1.0, 2.0, 3.0]),
        np.ascontiguousarray([3.0, 2.0, 1.0]),
    ]
    total = np.zeros(3)
    for position, buffer in enumerate(buffers):
        buffer[1:] = x[:2] * (0.1 * position)
        buffer[0] = x[1]
        total += buffer * x
    return total


@program(SHORT)
def untouched_entries_stay_constant(x):
    grid = np.linspace(-1.0, 1.0, 5)
    grid[1] = x[0]
    table = np.full((2, 5), 3.0)
    table[1] = grid * x[1]
    return table * np.eye(2, 5) + grid * x[2]


@program(SHORT)
def fill_value_that_depends_on_the_point(x):
    block = np.full((2, 2), x[0] * x[1])
    block[1] = x[2]
    like = np.full_like(block, x[1])
    like[:, 0] *= block[:, 1]
    return block * like


@program(SHORT)
def view_of_a_buffer_taken_before_the_first_traced_write(x):
    table = np.zeros((2, 3))
    row, column, flat = table[0], table[:, 1], table.reshape(-1)
    row[:] = x
    column[1] = row[0] * x[1]
    flat[5] = column.sum()
    return table * row


@program(SHORT)
def view_written_while_the_whole_is_read(x):
    table = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    last = table[1]
    for i in range(3):
        last[i] = x[i] * table[0, i]
        table[0] = table[0] + last
    return table


@program(SHORT)
def list_of_items(x):
    a, b, c = x
    return np.array([a * b, a + b, c, 2.0, a])


@program(SHORT)
def nested_lists_of_items(x):
    a, b, c = x
    rotation = np.array([[np.cos(a), -np.sin(a), 0.0], [np.sin(a), np.cos(a), 0.0], [0.0, b, c]])
    rotation[2] = rotation[0] * c
    return rotation @ x


@program(SHORT)
def list_of_arrays(x):
    stacked = np.array([x, x * x, [1.0, 2.0, 3.0], np.sin(x)])
    stacked[1, 1] = stacked[3, 0]
    x[0] = 7.0
    return stacked


@program(SHORT)
def list_comprehension(x):
    values = np.array([value**power for power, value in enumerate(x, start=1)])
    table = np.array([[p * q for p in values] for q in x[:2]])
    values[0] = x[2]
    return table * values


@program(0.7)
def python_float_into_buffers(x):
    buffer = np.zeros((2, 2))
    buffer[0, 0] = x
    buffer[1] = x * x
    return np.array([x, 1.0]) * buffer


@program(np.float64(0.7))
def numpy_scalar_into_buffers(x):
    buffer = np.zeros((2, 2))
    buffer[:, 0] = x
    buffer[1] = np.array([x * x, np.exp(x)])
    return buffer * x


@program(np.array(0.7))
def zero_dimensional_into_buffers(x):
    buffer = np.zeros((2, 2))
    buffer[0, 0] = x
    buffer[1, ...] = np.array([x, x * x])
    cell = np.zeros(())
    cell[...] = x * 2.0
    return buffer * cell


@functools.lru_cache
def cached_weights(size):
    return np.linspace(0.5, 1.5, size)


@program(SHORT)
def cached_helper_read(x):
    weights = cached_weights(3)
    row = weights[1:]
    return np.array([weights * x, weights[::-1]]) * row[0]


@program(SHORT)
def cached_helper_copied_then_written(x):
    weights = np.array(cached_weights(3))
    again = np.copy(cached_weights(3))
    weights[0] = x[0]
    again[1:] *= x[1:]
    return weights * again * cached_weights(3)


@program(SHORT)
def constant_changed_after_use(x):
    factors = np.array([1.0, 2.0, 3.0])
    product = np.sin(x * factors)
    factors[:] = 100.0
    factors[1] = x[0]
    return product * product + factors[1]


@program(VECTOR)
def slice_widened_by_steps(x):
    u = np.zeros((4, 6))
    u[::3, 1::2] = x[:3]
    u[1:3, ::-2] = x[2:5] * x[0]
    return u * u


@program(SHORT)
def outer_product_by_rows(x):
    table = np.empty((3, 3))
    for i, row in enumerate(table):
        np.multiply(x[i], x, out=row)
    table[np.arange(3), np.arange(3)] += x
    return table


# Buffers kept in objects, closures and generators.


class Oscillator:
    """Position and velocity as two views of one buffer."""

    def __init__(self, state):
        self.state = np.zeros(4)
        self.state[:] = state
        self.position, self.velocity = self.state[:2], self.state[2:]

    def step(self, interval):
        self.velocity -= interval * np.sin(self.position)
        self.position += interval * self.velocity


@program(POSITIVE)
def attributes_that_are_views(x):
    oscillator = Oscillator(x)
    for _ in range(4):
        oscillator.step(0.3)
    return oscillator.state


@program(VECTOR)
def dictionary_of_views(x):
    storage = np.zeros(6)
    fields = {"mass": storage[:2], "speed": storage[2:4], "energy": storage[4:]}
    fields["mass"][:] = np.exp(x[:2])
    fields["speed"] += x[2:4]
    fields["energy"][...] = 0.5 * fields["mass"] * fields["speed"] ** 2
    return storage * x[4]


@program(SHORT)
def closure_accumulates(x):
    history = np.zeros((4, 3))
    count = 0

    def record(value):
        nonlocal count
        history[count] = value
        count += 1

    record(x)
    for _ in range(3):
        record(np.sin(history[count - 1]) * x[0])
    return history


@program(SHORT)
def generator_yields_one_buffer(x):
    def windows():
        window = np.zeros(2)
        for left, right in itertools.pairwise(x):
            window[0], window[1] = left, right
            yield window

    total = 0.0
    for window in windows():
        total = total + window.prod() * window[0]
    return total


# Algorithms.


@program(SQUARE)
def elimination_in_place(a):
    for k in range(2):
        for i in range(k + 1, 3):
            a[i, k] /= a[k, k]
            a[i, k + 1 :] -= a[i, k] * a[k, k + 1 :]
    return a


@program(SQUARE)
def elimination_with_pivoting(a):
    swaps = []
    for k in range(2):
        pivot = k + int(np.argmax(np.abs(a[k:, k])))
        swaps.append(pivot)
        a[[k, pivot]] = a[[pivot, k]]
        a[k + 1 :, k] /= a[k, k]
        a[k + 1 :, k + 1 :] -= a[k + 1 :, k, None] * a[k, k + 1 :]
    return a * (1.0 + len(swaps))


@program(SQUARE)
def cholesky_by_columns(a):
    a = a @ a.T + 2.0 * np.eye(3)
    factor = np.zeros_like(a)
    for j in range(3):
        factor[j, j] = np.sqrt(a[j, j] - factor[j, :j] @ factor[j, :j])
        factor[j + 1 :, j] = (a[j + 1 :, j] - factor[j + 1 :, :j] @ factor[j, :j]) / factor[j, j]
    return factor


@program(SQUARE)
def orthogonal_columns(a):
    q = a.copy()
    for j in range(3):
        column = q[:, j]
        for i in range(j):
            column -= (q[:, i] @ column) * q[:, i]
        column /= np.sqrt(np.sum(column * column))
    return q * a


@program(SQUARE)
def plane_rotations_of_rows(a):
    for i, j in [(0, 1), (0, 2), (1, 2)]:
        radius = np.hypot(a[i, i], a[j, i])
        cosine, sine = a[i, i] / radius, a[j, i] / radius
        upper = cosine * a[i] + sine * a[j]
        a[j] = cosine * a[j] - sine * a[i]
        a[i] = upper
    return a


@program(VECTOR)
def tridiagonal_solve(x):
    diagonal = np.full(5, 4.0)
    right = x.copy()
    for i in range(1, 5):
        factor = x[i - 1] / diagonal[i - 1]
        diagonal[i] -= factor * x[i]
        right[i] -= factor * right[i - 1]
    right[-1] /= diagonal[-1]
    for i in range(3, -1, -1):
        right[i] = (right[i] - x[i + 1] * right[i + 1]) / diagonal[i]
    return right


@program(VECTOR)
def heat_with_exchanged_buffers(x):
    u, v = x.copy(), np.zeros(5)
    for _ in range(4):
        v[1:-1] = u[1:-1] + 0.2 * np.sin(u[2:] - 2.0 * u[1:-1] + u[:-2])
        v[0], v[-1] = u[0], 0.0
        u, v = v, u
    return u * v


@program(WIDE)
def relaxation_by_colour(a):
    u = np.zeros((4, 5))
    u[1:-1, 1:-1] = a
    for _ in range(2):
        u[1:-1:2, 1:-1] = 0.25 * (u[:-2:2, 1:-1] + u[2::2, 1:-1]) + np.sin(u[1:-1:2, 2:])
        u[2:-1:2, 1:-1] *= u[2:-1:2, :-2] + 1.0
    return u


@program(VECTOR)
def sweep_that_reads_new_values(x):
    u = x.copy()
    for _ in range(2):
        for i in range(1, 4):
            u[i] = 0.4 * (u[i - 1] + u[i + 1]) + 0.1 * u[i] * x[i]
    return u


@program(VECTOR)
def sliding_window_squares(x):
    u = x.copy()
    for i in range(3):
        u[i : i + 3] = u[i : i + 3] ** 2
    return u


@program(VECTOR)
def prefix_products(x):
    u = np.ones(6)
    for i in range(5):
        u[i + 1] = u[i] * x[i]
    return u[1:] + u[:-1]


@program(POSITIVE)
def halving_in_place(x):
    def transform(part):
        if len(part) == 1:
            part[0] = part[0] ** 2
            return
        low, high = part[0::2], part[1::2]
        product = low * high
        low -= high
        high[:] = product
        transform(low)
        transform(high)

    transform(x)
    return x


@program(POSITIVE)
def fourier_by_butterflies(x):
    z = np.zeros(4, dtype=complex)
    z.real[:] = x
    z.imag[:] = x[::-1] ** 2

    def transform(part):
        half = len(part) // 2
        if half == 0:
            return
        even, odd = part[::2].copy(), part[1::2].copy()
        transform(even)
        transform(odd)
        odd *= np.exp(-1j * np.pi * np.arange(half) / half)
        part[:half] = even + odd
        part[half:] = even - odd

    transform(z)
    return np.abs(z) ** 2


@program(POSITIVE)
def sorting_network(x):
    for i, j in [(0, 1), (2, 3), (0, 2), (1, 3), (1, 2)]:
        x[i], x[j] = np.minimum(x[i], x[j]), np.maximum(x[i], x[j])
    return x * np.arange(1.0, 5.0)


@program(WIDE)
def alignment_table(a):
    table = np.zeros((3, 4))
    for i in range(1, 3):
        for j in range(1, 4):
            paths = np.array([table[i - 1, j], table[i, j - 1], table[i - 1, j - 1]])
            table[i, j] = a[i - 1, j - 1] + np.log(np.sum(np.exp(paths)))
    return table


@program(np.array([0.4, 0.9]))
def runge_kutta_with_history(start):
    def slope(state):
        out = np.empty(2)
        out[0] = state[1]
        out[1] = -np.sin(state[0])
        return out

    history = np.zeros((4, 2))
    history[0] = start
    stages = np.zeros((4, 2))
    for n in range(3):
        stages[0] = slope(history[n])
        stages[1] = slope(history[n] + 0.1 * stages[0])
        stages[2] = slope(history[n] + 0.1 * stages[1])
        stages[3] = slope(history[n] + 0.2 * stages[2])
        history[n + 1] = history[n] + 0.2 * np.array([1.0, 2.0, 2.0, 1.0]) @ stages / 6.0
    return history


@program(POSITIVE)
def horner_in_a_buffer(x):
    value = np.zeros(3)
    for coefficient in x[::-1]:
        value *= x[:3]
        value += coefficient
    return value


@program(SQUARE)
def power_by_two_buffers(a):
    current, following = np.eye(3), np.empty((3, 3))
    for _ in range(3):
        np.matmul(current, a, out=following)
        current, following = following, current
    return current


@program(WIDE)
def block_assembly(a):
    block = np.zeros((5, 5))
    block[:2, 2:] = a
    block[2:, :2] = a.T
    block[2:, 2:] = a.T @ a
    block[np.arange(2), np.arange(2)] = a[:, 0]
    return block


@program(VECTOR)
def scatter_into_cells(x):
    edges = np.array([0, 2, 1, 2, 0])
    cells = np.zeros((3, 2))
    for edge, value in zip(edges, x, strict=True):
        cells[edge, 0] += value
        cells[edge] *= 1.0 + 0.1 * value
        cells[edge, 1] = cells[edge, 0] ** 2
    return cells
