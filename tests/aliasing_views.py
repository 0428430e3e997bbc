"""Programs that write through slices, rows, transposes, flips, splits, reshapes and ``flat``.

Each takes one point and may write into it; a test hands it a fresh copy. None uses anything but
NumPy, so the same function gives the expected value and the expected differences.
"""

import copy

import numpy as np

from aliasing_registry import SQUARE, VECTOR, WIDE, program

# Slices of the argument itself.


@program(VECTOR)
def item_write(x):
    x[1] = x[0] * x[2]
    x[-1] = np.sin(x[1])
    return x


@program(VECTOR)
def self_assignment_upwards(x):
    x[1:] = x[:-1]
    return x * np.arange(1.0, 6.0)


@program(VECTOR)
def self_assignment_downwards(x):
    x[:-1] = x[1:] * x[:-1]
    return x


@program(VECTOR)
def self_assignment_reversed(x):
    x[:] = x[::-1]
    return x * np.arange(1.0, 6.0)


@program(VECTOR)
def overlapping_augmented(x):
    x[1:] += x[:-1]
    x[:-2] *= x[2:]
    return x


@program(VECTOR)
def augmented_operators(x):
    x[0:2] += 0.5
    x[1:3] -= x[0]
    x[2:4] *= x[1]
    x[3:5] /= 2.0 + x[2:4] ** 2
    x[4:] **= 2
    return x


@program(VECTOR)
def negative_strides(x):
    backwards = x[::-1]
    backwards[:2] = x[:2] * 3.0
    backwards[2::2] += np.sin(x[0])
    return x * backwards


@program(VECTOR)
def every_second_entry_of_every_second_entry(x):
    x[::2][::2] = x[1] * x[3]
    x[1:][::-2][0] = x[0] ** 2
    return x


@program(VECTOR)
def view_of_view_of_view(x):
    inner = x[1:][::-1][1:3]
    inner[0] = inner[1] * x[0]
    inner *= 2.0
    return x


@program(VECTOR)
def value_taken_before_the_write(x):
    u = np.sin(x)
    squares = u * u
    u[:] = x
    u[1:3] = 0.0
    return squares + u * squares


@program(VECTOR)
def view_taken_before_the_write_sees_it(x):
    tail = x[2:]
    product = tail * x[:3]
    x[3] = x[0] * 2.0
    return product + tail


@program(VECTOR)
def copies_do_not_alias(x):
    copies = [x.copy(), np.array(x), np.copy(x), x + 0.0, x.flatten(), copy.copy(x)]
    copies += [copy.deepcopy(x), x[[0, 1, 2, 3, 4]], x[x == x], x.astype(float), +x, np.roll(x, 0)]
    for position, duplicate in enumerate(copies):
        duplicate[position % 5] = x[0] * position
    total = x * 1.0
    for duplicate in copies:
        total = total * 0.5 + duplicate
    return total


@program(VECTOR)
def whole_array_aliases(x):
    aliases = [x[...], x[:], x[()], np.asarray(x), x.view(), x.reshape(5), x.ravel(), x.T]
    aliases += [x.astype(float, copy=False), np.array(x, copy=None), np.ascontiguousarray(x)]
    aliases += [np.atleast_1d(x), np.squeeze(x), x.real]
    for position, alias in enumerate(aliases):
        alias[position % 5] += np.sin(x[(position + 2) % 5])
    return x


@program(VECTOR)
def broadcast_write(x):
    block = np.zeros((3, 2))
    block[:] = x[0]
    block[1] = x[1:3]
    block[:, 1:] *= x[2:5, None]
    return block


@program(VECTOR)
def fill_method(x):
    x[1:3].fill(2.5)
    x[4:].fill(x[0] * x[3])
    return x * x


# Rows, columns and transposes.


@program(SQUARE)
def row_swap_by_copy(a):
    a[0], a[1] = a[1].copy(), a[0].copy()
    return a * np.arange(1.0, 4.0)


@program(SQUARE)
def row_swap_through_views_loses_a_row(a):
    a[0], a[1] = a[1], a[0]
    return a * a


@program(SQUARE)
def row_swap_by_fancy_index(a):
    a[[0, 2]] = a[[2, 0]]
    a[:, [1, 0]] = a[:, [0, 1]]
    return a * np.arange(1.0, 4.0)


@program(WIDE)
def transposed_name(x):
    x = x.T
    x[0] = x[1] * x[2]
    return x


@program(WIDE)
def write_through_transpose(a):
    a.T[1] = a[:, 0] * 2.0
    a.T[2, 0] = a[1, 1]
    return np.exp(a)


@program(WIDE)
def rows_of_a_loop(a):
    for row in a:
        row[:] = row[::-1] * row.sum()
    return a


@program(WIDE)
def columns_of_a_loop(a):
    for j, column in enumerate(a.T):
        column *= j + column[0]
    return a


@program(WIDE)
def entries_of_a_loop(a):
    for row in a:
        for j in range(len(row)):
            row[j] = row[j] * row[j - 1]
    return a


@program(WIDE)
def unpacked_rows(a):
    first, second = a
    first[1:] = second[:-1]
    second *= first
    return a


@program(WIDE)
def starred_unpacking(a):
    (_, *rest), second = a
    rest[0] = 5.0
    second[0] = rest[1] * second[2]
    return a


@program(SQUARE)
def rows_kept_in_a_list(a):
    rows = list(a)
    rows.reverse()
    rows[0][:2] = rows[1][1:]
    rows[2] += rows[0]
    return a


@program(SQUARE)
def rows_zipped(a):
    for row, column in zip(a, a.T, strict=True):
        row[:] = column * 0.5 + row
    return a


@program(SQUARE)
def interior_and_border(a):
    a[1:-1, 1:-1] = a[:-2, 1:-1] + a[2:, 1:-1]
    a[0] = 0.0
    a[:, -1] = a[:, 0] * a[:, 1]
    return a


@program(WIDE)
def callee_writes(a):
    def halve(row, factor):
        row /= 2.0
        row[0] = factor

    def descend(block, factor):
        halve(block[0], factor)
        halve(block.T[2], factor * 2.0)

    descend(a, np.sin(a[1, 1]))
    return a


@program(WIDE)
def added_axes(a):
    a[:, None][1, 0] = a[0] * 2.0
    a[None, ..., 1:][0, 0] *= a[1, 0]
    np.expand_dims(a, 2)[0, 2] = a[1, 2]
    return a


@program(np.array([[[0.3], [-0.8], [1.2]], [[0.9], [0.5], [-1.1]]]))
def removed_axes(a):
    flat = a.squeeze(2)
    flat[1] *= flat[0]
    np.squeeze(a, axis=-1)[:, 0] = flat[:, 2]
    return flat


@program(np.linspace(-0.9, 1.3, 6).reshape(1, 2, 3))
def moved_axes(a):
    np.swapaxes(a, 0, 2)[1] = a[0, 0, 0] * 2.0
    np.moveaxis(a, 0, -1)[:, 2] *= a[0, :, :1]
    a.transpose(2, 0, 1)[0, 0] += a[0, :, 2]
    np.transpose(a, (1, 2, 0))[0, 1] = a[0, 1, 1] ** 2
    np.rollaxis(a, 2)[2, 0, 1] -= 1.0
    return a


@program(WIDE)
def flipped_and_rotated(a):
    np.flip(a)[0] = a[0] * a[1]
    np.fliplr(a)[:, 0] += 1.0
    np.flipud(a)[0, 1] = a[1, 1] ** 2
    np.rot90(a)[0] *= 0.5
    return a


@program(VECTOR)
def split_parts(x):
    left, right = np.split(x, [2])
    left[:] = right[:2] * left
    for part in np.array_split(x, 3):
        part[0] *= 2.0
    return x


# Reshape, ravel, flat: a view where NumPy gives a view, a copy where it copies.


@program(WIDE)
def ravel_of_contiguous_is_a_view(a):
    flat = a.ravel()
    flat[1:3] = flat[3:5] * 2.0
    a[1, 2] = flat[0]
    return a * flat[5]


@program(WIDE)
def ravel_of_transposed_is_a_copy(a):
    flat = a.T.ravel()
    flat[1:3] = flat[3:5] * 2.0
    a[1, 2] *= 3.0
    return a.sum() * flat


@program(WIDE)
def ravel_in_column_order(a):
    columns = a.ravel(order="F")
    columns[0] = 9.0
    of_transposed = a.T.ravel(order="F")
    of_transposed[1] *= columns[1]
    return a + columns.reshape(2, 3)


@program(WIDE)
def reshape_of_contiguous_is_a_view(a):
    tall = a.reshape(3, 2)
    tall[1] = tall[0] * tall[2]
    a.reshape(-1)[0] = a[1, 1]
    np.reshape(a, (6, 1))[5] *= 2.0
    return a


@program(SQUARE)
def reshape_of_strided_is_a_copy(a):
    block = a[:, :2].reshape(3, 2).reshape(6)
    block[:2] = a[0, 2]
    return block * a[2, 1]


@program(WIDE)
def reshape_of_negative_strides(a):
    both = a[::-1, ::-1].reshape(6)
    both[0] = both[1] * 4.0
    rows = a[::-1].reshape(6)
    rows[0] = rows[5] * 7.0
    return a * both[2] + rows.reshape(2, 3)


@program(WIDE)
def view_of_reshape_of_transpose(a):
    a.T.reshape(3, 2, 1)[1, :, 0][::-1][0] = a[0, 0] * 2.0
    a.T[:, None, :].swapaxes(0, 2)[0, 0] *= a[1]
    return a


@program(SQUARE)
def diagonal_by_flat_stride(a):
    diagonal = a.reshape(-1)[::4]
    diagonal[:] = a[0] * diagonal
    a.ravel()[2:7:2] += 1.5
    return a


@program(WIDE)
def flat_iterator(a):
    a.flat[1] = a[0, 0] * 2.0
    a.flat[3:5] = a[0, 1:]
    a.flat[[0, 5]] = a[1, :2]
    return a * a.flat[4]


@program(WIDE)
def flat_of_transposed(a):
    a.T.flat[1:3] = a[0, :2] * a[1, 1]
    a.T.flat = a.flat[::-1] * 0.5
    return a


# Functions whose result is a view in some cases only.


@program(SQUARE)
def diagonal_by_einsum(a):
    diagonal = np.einsum("ii->i", a)
    diagonal *= a[0]
    a[1, 1] = 3.0 * a[0, 1]
    return np.concatenate([a.ravel(), diagonal])


@program(SQUARE)
def transpose_by_einsum(a):
    np.einsum("ij->ji", a)[0] = a[1] * 2.0
    np.einsum(a, [1, 0])[:, 1] += 1.0
    np.einsum("...j->j...", a, optimize=True)[1] *= a[0, 0]
    return a.ravel()


@program(SQUARE)
def diagonals_of_a_stack_by_einsum(a):
    stack = np.array([a, a * 2.0])
    np.einsum("kii->ki", stack)[...] = a[:2]
    summed = np.einsum("kij->ij", stack)
    summed[0] = 7.0
    return np.concatenate([stack.ravel(), summed.ravel()])


@program(VECTOR)
def zeros_trimmed_off(x):
    padded = np.zeros(8)
    padded[2:7] = x
    inner = np.trim_zeros(padded)
    inner[0] = inner[1] * 2.0
    padded[3] *= x[0]
    return np.concatenate([padded, inner])


@program(SQUARE)
def conversions_that_copy_only_for_the_order(a):
    b = a.astype(float, copy=False)
    b[0] *= 2.0
    c = a.astype(float, order="C", copy=False)
    c[1] *= a[0]
    d = a.T.astype(float, order="F", copy=False)
    d[2] += 1.0
    e = a.astype(float, order="F", copy=False)
    e[0] = 5.0
    return np.concatenate([a.ravel(), e.ravel()])
