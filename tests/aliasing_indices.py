"""Programs that write by mask and fancy index, into ``out=``, into complex parts, and in each kind.

Each takes one point and may write into it; a test hands it a fresh copy. ``y += 1`` writes into an
array and into a 0-d view; for a Python float or a NumPy scalar it gives the name a new value.
"""

import numpy as np

from aliasing_registry import POSITIVE, SHORT, SQUARE, VECTOR, WIDE, program

# Masks and fancy indices.


@program(VECTOR)
def boolean_mask_write(x):
    mask = x > 0.0
    x[mask] = x[mask] ** 2 * x[1]
    x[~mask] *= 3.0
    return x


@program(WIDE)
def boolean_mask_over_two_axes(a):
    b = a * a
    b[a < 0.0] = a[0, 0]
    b[:, np.array([True, False, True])] += a[0, 1]
    b[np.array([False, True])] *= a[0]
    return b


@program(VECTOR)
def mask_from_the_written_array(x):
    x[x > 1.0] -= 1.0
    x[x < 0.0] = -x[x < 0.0]
    return x * x


@program(VECTOR)
def fancy_write(x):
    x[[3, 0, 4]] = x[[0, 1, 2]] * x[4]
    x[np.array([1, 2])] += x[0]
    return x


@program(VECTOR)
def duplicate_fancy_write_keeps_the_last(x):
    u = np.zeros(4)
    u[[0, 2, 0, 2, 1]] = x * x
    return u


@program(VECTOR)
def duplicate_fancy_write_of_a_broadcast_value(x):
    u = x * 1.0
    u[[1, 1, 3]] = x[0] * x[1]
    return u


@program(VECTOR)
def duplicate_fancy_addition_counts_once(x):
    u = np.ones(3)
    u[[0, 1, 0, 2, 1]] += x * x
    return u


@program(VECTOR)
def unbuffered_addition(x):
    u = np.ones(3)
    np.add.at(u, [0, 1, 0, 2, 1], x * x)
    np.subtract.at(u, [2], x[0])
    return u


@program(WIDE)
def mixed_index_write(a):
    a[0, [2, 0]] = a[1, :2] * 2.0
    a[:, [1]] *= a[:, :1]
    a[[1, 0], [0, 2]] = a[[0, 1], [1, 1]]
    a[..., -1] += a[0, 0]
    return a


@program(np.linspace(-0.9, 1.3, 12).reshape(2, 3, 2))
def separated_fancy_indices(a):
    b = np.zeros((2, 3, 2))
    b[[0, 1], :, [1, 0]] = a[0, :, 0] * a[[1, 0], :, 1]
    b[np.ix_([0], [2, 0], [1])] *= a[1, 0, 0]
    b[np.array([[0], [1]]), 1] = a[1, :2, None]
    return b


@program(WIDE)
def duplicate_rows(a):
    b = np.zeros((3, 3))
    b[[0, 2, 0]] = np.sin(a[[0, 1, 1]])
    return b * a[0]


@program(SQUARE)
def lower_triangle_indices(a):
    b = np.zeros((3, 3))
    b[np.tril_indices(3)] = np.exp(a[np.tril_indices(3)])
    b.T[np.tril_indices(3, -1)] = b[np.tril_indices(3, -1)]
    return b


@program(VECTOR)
def slice_of_a_fancy_copy_is_no_view(x):
    picked = x[[0, 1, 2]]
    picked[0] = 8.0
    x[[3, 4]][0] = 8.0
    return x[:3] * picked


# out=, copyto and where=.


@program(VECTOR)
def out_into_a_view(x):
    u = np.zeros(7)
    np.multiply(x, x[::-1], out=u[1:6])
    np.sin(u[1:4], out=u[2:5])
    np.add(u[0], x[0], out=u[6, ...])
    return u


@program(VECTOR)
def out_into_an_operand(x):
    np.exp(x, x)
    np.add(x, x[::-1], out=x)
    np.divide(1.0, x, x)
    return x


@program(WIDE)
def out_of_reductions_and_products(a):
    u = np.zeros((3, 3))
    np.sum(a, axis=0, out=u[0])
    np.matmul(a.T, a, out=u[:, ::-1])
    a.mean(axis=0, out=u[1])
    np.add.reduce(a, axis=0, out=u[:, 2])
    return u


@program(POSITIVE)
def ufunc_where_keeps_the_rest(x):
    u = x * 3.0
    np.log(x, out=u, where=x > 1.0)
    np.divide(u, x, out=u[...], where=[True, True, False, False])
    return u


@program(WIDE)
def copyto_a_view(a):
    np.copyto(a[:, 1:], a[:, :-1])
    np.copyto(a, a[1, 1], where=a > 1.0)
    return a * a


@program(SQUARE)
def sorted_in_place(a):
    a[1].sort()
    a[:, 2].sort()
    return a * np.arange(1.0, 4.0)


# Complex buffers and their parts.


@program(SHORT)
def real_and_imaginary_parts(x):
    z = np.zeros(3, dtype=complex)
    z.real[...] = x
    z.imag[1:] = x[:2] * x[2]
    z.real *= x[0]
    z[::-1].imag[0] += x[1]
    w = z * z
    return w.real + 2.0 * w.imag


@program(SHORT)
def parts_assigned_as_attributes(x):
    z = np.ones((2, 3), dtype=complex)
    z.real = x
    z.imag[0] = np.sin(x)
    z.T.imag[1] = 2.0 * x[0]
    return (z * z.conj()).real * z.imag


@program(SHORT)
def pairs_of_a_complex_buffer(x):
    z = np.zeros(3, dtype=complex)
    pairs = z.view(float)
    pairs[::2] = x
    pairs.reshape(3, 2)[:, 1] = x[::-1]
    return np.abs(z * z)


@program(SHORT)
def real_part_of_a_real_array_is_itself(x):
    part = x.real
    part[0] = x[1] * 2.0
    x.conj()[1] *= x[2]
    return x


# Zero-dimensional views and the kinds under +=.


@program(SHORT)
def zero_dimensional_view(x):
    cell = x[0, ...]
    cell[...] = x[1] * x[2]
    x[1, ...] += cell
    cell[()] *= 2.0
    return x


@program(WIDE)
def ellipsis_views(a):
    a[..., 0][...] = a[..., 1] * 2.0
    a[1, ..., 2][...] = a[0, 0]
    a[...][0][1] = a[0, 2] ** 2
    return a


@program(0.7)
def augmented_python_float_rebinds(x):
    y = x
    y += 1.0
    y *= x
    return x * y


@program(np.float64(0.7))
def augmented_numpy_scalar_rebinds(x):
    y = x
    y += 1.0
    y *= x
    return x * y


@program(SHORT)
def augmented_item_rebinds(x):
    item = x[0]
    same_item = item
    same_item += x[1]
    same_item *= 2.0
    total = x.sum()
    total -= x[2]
    return x * item * same_item + total


@program(SHORT)
def augmented_zero_dimensional_view_writes(x):
    cell = x[0, ...]
    alias = cell
    alias += x[1]
    alias *= 2.0
    return x * cell


@program(np.array(0.7))
def augmented_zero_dimensional_argument_writes(x):
    y = x
    y += 1.0
    y[...] = y * y
    return x * 3.0


@program(np.array(0.7))
def arithmetic_on_zero_dimensional_gives_a_scalar(x):
    y = x + 0.0
    z = y
    z += 1.0
    return x * y * z


@program(SHORT)
def augmented_array_writes(x):
    y = x
    y += 1.0
    y *= x[0]
    return x * y


@program(SHORT)
def plain_addition_rebinds(x):
    y = x
    y = y + 1.0
    y *= x[0]
    return x * y
