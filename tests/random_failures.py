"""Programs that were once wrong, each found by a random search and cut down; they stay right."""

import numpy as np

FOUND = {}


def found(*point):
    """Register a program with the arguments at which it failed."""

    def register(function):
        assert function.__name__ not in FOUND
        FOUND[function.__name__] = (function, point)
        return function

    return register


# vjp differed from jvp: a fancy write through `imag` took every entry for a duplicate.
@found(0.064)
def fancy_write_through_imaginary_part(x0):
    v1 = (1j * np.ones(2) * x0).imag
    v1[[0, -1]] = v1[[0]]
    return np.sum(np.sin(v1 + 4.0))


# The pullback raised: NumPy drops leading axes of one entry when it writes.
@found(np.array([0.638]))
def write_of_more_axes_than_the_part_has(x0):
    v1 = x0[[True]]
    v1[..., 0] = v1[::-1]
    v2 = np.zeros((2, 3))
    v2[1] = x0[:, None, None] * np.ones((1, 1, 3))
    return np.array([v1.sum(axis=-1), np.sum(np.sin(v2))])


# Forward mode raised: the tangent of a NumPy scalar was a Python float, which has no items.
@found(-0.018)
def item_of_a_scalar(x0):
    v1 = np.fmax(x0, -x0)
    return v1[...] + v1[()] + v1[None][0]


# The value differed in its last bit: NumPy's take lays its result out in C order.
@found(np.array([[1.075, -0.715, 0.774], [-1.009, -0.281, 0.134]]))
def sum_of_what_take_gives(x0):
    v1 = np.take(x0, [-1, 0], axis=-1)
    v2 = np.compress([True, False, True], x0, axis=1)
    return np.array([np.mean(np.sin(v1 + 3.0)), np.mean(np.cos(v2 + 3.0))])


# The value differed in its last bit: np.stack keeps the order of memory, np.array does not.
@found(np.array([[[-1.004, 0.162], [1.035, 1.015]], [[-0.795, 0.84], [0.786, 0.258]]]))
def stack_of_views_in_another_order(x0):
    for row in x0.T:
        row += 0.5
    v1 = np.stack([row, row])
    v2 = np.array([row, row])
    return np.array([np.mean(np.sin(v1 + 2.0)), np.mean(np.sin(v2 + 2.0))])


# The value differed in its last bit: np.delete copies slices, in the order of the array.
@found(np.array([[-0.596, 1.26, 0.962], [0.971, 1.172, -0.777]]))
def sum_of_what_delete_leaves(x0):
    v1 = np.delete(x0, 0, axis=-1)
    v2 = np.delete(x0.T, slice(0, 1), axis=0)
    v3 = np.delete(x0, [0, 1], axis=-1)
    return np.array([np.mean(np.sin(v1 + 9.0)), np.mean(np.cos(v2)), np.mean(np.sin(v3))])


# The value differed in its last bit: np.insert keeps the order of the array, too.
@found(np.array([[-0.783, -0.618, -0.359], [1.264, -0.717, -0.637]]))
def sum_of_what_insert_makes(x0):
    v1 = np.insert(np.cos(x0.T), 0, 0.3, axis=0)
    v2 = np.insert(x0, [0, 2], 0.1, axis=1)
    return np.array([np.mean(np.sin(v1 + 9.0)), np.mean(np.sin(v2 + 3.0))])


# The value differed in its last bit: NumPy weighs neighbours in double precision, then rounds.
@found(np.array([[-1.024, 0.849, 0.463], [-0.921, 1.208, 1.393]], dtype=np.float32))
def quantiles_in_single_precision(x0):
    return np.quantile(x0, 0.3, axis=1) + np.percentile(x0, 61.0)


# Compiling raised: the value of a write has more axes than the part that it is written to.
@found(np.array([[0.589], [-0.696]]))
def masked_value_written_into_a_row(x0):
    x0[np.argmax(x0)] = 0.5 * x0[[True, False]]
    return np.sin(x0)


# The gradient was -1/3 each: the mean of equal entries is rounded, and they deviate from it.
@found(np.array([1.398, -0.317, 1.368]))
def deviation_of_equal_numbers(x0):
    x0[[-3, -2]] = x0[2]
    return np.std(x0 * x0 + x0)


# Under vmap the write raised: the value has more axes than the part, the sum is read-only.
@found(np.array([[-0.686, 0.635, -1.092], [-1.018, -0.903, 0.576], [-0.3, 1.417, 0.151]]))
def written_rows_and_masked_sums(x0):
    v1 = x0[1:] * 1.0
    v1[-1, ...] = 0.5 * v1[1:]
    v2 = x0.sum(axis=-1, where=x0 > 0.1)
    for i in range(1, len(v2)):
        v2[i] = v2[i] * 0.5 + np.sin(v2[i - 1])
    return np.concatenate([v1.reshape(-1), v2])


# The dtype was float64: NumPy's linspace, choose and select take Python numbers as weak.
@found(np.array([1.249, 0.3], dtype=np.float32))
def single_precision_beside_python_numbers(x0):
    v1 = np.linspace(0.0, x0[1], 2)
    v2 = np.choose([0, 1], [x0[0], 0.5])
    v3 = np.select([np.array([True, False])], [x0], 0.5)
    return v1 + v2 * v3


# The dtype was float32: NumPy's kron makes arrays of Python numbers.
@found(np.array([1.249, 0.3], dtype=np.float32))
def kronecker_product_with_a_python_number(x0):
    return np.kron(x0, 0.5)


# The compiled program took a copy for the array itself: whether np.ascontiguousarray copies
# depends on strides, which are not known while a program is staged.
@found(np.array([[1.424, 0.25, 1.4], [0.658, 0.989, -0.282]]))
def contiguous_copy_that_is_written(x0):
    v1 = np.ascontiguousarray(x0.T)
    v1 *= 0.5
    return np.sum(np.sin(v1)) + np.sum(np.cos(x0))


# Raised: the only entry of an array without axes was named by an array of positions.
@found(np.array(-0.578))
def put_into_an_array_without_axes(x0):
    np.put(x0, [0, -1], [np.sin(x0), np.cos(x0)])
    return x0 * x0


# The value differed in its last digit: for np.add.at, Python numbers are arrays, hence not weak.
@found(np.array([[-0.444, 0.034], [0.141, -0.686], [-1.227, -1.447]], dtype=np.float32))
def number_added_at_single_precision(x0):
    v1 = x0.reshape(-1)
    v1[v1 > 0.2] = 1.0 * v1[4]
    np.add.at(x0, np.s_[:, 1], 0.7)
    np.multiply.at(x0, [0, 0, 2], 1.1)
    return x0 * v1[0]


# Forward over forward was nan: the norm of a row that is 0 and stays it has no curvature.
@found(np.array([0.9, -0.4]))
def norms_of_rows_of_which_one_is_always_zero(x0):
    v1 = np.zeros((3, 2))
    v1[0] = x0
    v1[2] = np.sin(x0)
    return np.linalg.norm(v1, axis=1) @ np.linalg.norm(v1.T, axis=0)


# Second derivatives were too small: the modulus has a kink where it is 0, its square has none.
@found(np.array([[0.564, -0.25, -0.36], [1.095, 0.0, -0.108]]))
def squared_moduli_of_which_one_is_zero(x0):
    v1 = np.abs(x0 - 2j * x0) ** 2
    v2 = np.abs(x0)
    x0 += 1.0
    return np.sum(np.sin(v1 + 1.0)) + np.sum(v2 * v2 * x0) + np.sum(np.square(v2))


# The slope at 0 was 0: zeros have signs, and the number with its own sign is the number.
@found(np.array([-1.423, -0.0, 0.0, 0.163]))
def number_with_its_own_sign(x0):
    v1 = np.copysign(x0, x0)
    return np.array([np.sum(np.sin(v1)), np.sum(v1 * v1)])


# Raised: NumPy drops axes of one entry that a value has and the part has not, here too.
@found(np.array([[0.31], [1.169]]))
def value_of_more_axes_is_added_at(x0):
    v1 = x0[[True, False], :1]
    np.add.at(v1, np.s_[::2, -1], 0.5 * v1)
    np.multiply.at(x0, np.s_[1:, 0], v1)
    return np.sum(np.sin(x0)) + np.sum(v1)


# Under vmap and jit the value was wrong: the new array is in the layout of the other, so that
# whether a reshaped form of it is a view is not known.
@found(np.array([[0.059, 0.337, -1.347], [0.536, 1.217, 0.263]]))
def raveled_array_in_the_layout_of_another(x0):
    v1 = np.zeros_like(x0.T)
    v1.ravel()[::2] = 1.0
    v2 = np.ones_like(np.sin(x0))
    v2.reshape(-1)[1] = 5.0
    return np.sum(v1 * x0.T) + np.sum(v2 * x0)


# Infinite: NumPy divides by complex numbers through a reciprocal, which denormal ones have not.
@found(np.array([1e-42, 3e-44, 0.5], dtype=np.float32))
def squared_modulus_of_denormal_numbers(x0):
    return np.abs(x0 - 2j * x0) ** 2


# Reverse over reverse was nan: entries that stay equal are apart by 0, not by rounded means.
@found(np.array([0.2, 0.3, 0.9]))
def deviation_of_entries_that_stay_equal(x0):
    v1 = np.zeros((3,), dtype=complex)
    v1[...] = x0.sum() * (1.0 + 0.5j)
    v2 = np.abs(v1 + 2.0)
    return np.array([np.std(v2 * v2 + v2), np.sum(np.std(x0[:, None] * np.ones(3), axis=1) * x0)])


# Compiled, memory that nothing had been written to: an array without axes, and empty parts of it.
@found(np.array(0.742))
def empty_parts_of_an_array_without_axes(x0):
    v1 = x0[None]
    for _ in range(3):
        v1[::-1] += v1
        v1[1:] += v1[:-1]
    return np.array([np.mean(np.sin(x0 + 0.0)), np.mean(np.sin(v1 + 1.0))])


# Refused: what is written to the entries of a NumPy scalar goes nowhere.
@found(np.float64(-1.15))
def entries_of_a_scalar_written(x0):
    x0.flat[-1] = 1.0 / x0
    return np.array([x0, x0.flat[0] * x0, sum(x0.flat)])
