"""Random programs of views, writes and arithmetic, each determined by its seed.

Every step picks arrays from a pool whose members may be views of each other, so that sequences come
up that nobody would write down. Values are compared bit by bit, derivatives with differences.
"""

import random

import numpy as np
import pytest

import wengert as wg
from reference import close, fresh, hessian_product, irregular, jacobian, same, scalarised

POINT = np.array([[0.3, -0.8, 1.2], [0.9, 0.5, -1.1]])
SEEDS = range(60)


def slices(choose, length):
    """A basic index of one axis: a slice of either direction, never empty."""
    start, stop = sorted(choose.sample(range(length + 1), 2))
    step = choose.choice([1, 1, 2])
    if choose.random() < 0.3:
        return slice(stop - 1, start - 1 if start else None, -step)
    return slice(start, stop, step)


def view_of(choose, array):
    """A view of ``array`` as NumPy makes it, or a copy where it copies."""
    makers = [
        lambda: array[tuple(slices(choose, length) for length in array.shape)],
        lambda: array.T,
        lambda: array[::-1],
        lambda: array[..., None].swapaxes(0, -1),
        lambda: array.reshape(-1),
        lambda: array.ravel(),
        lambda: array.reshape(array.shape[::-1]),
        lambda: np.moveaxis(array, 0, -1),
        lambda: array[choose.randrange(len(array)), ...],
        lambda: array[..., choose.randrange(array.shape[-1]), None],
        lambda: np.flip(array),
        lambda: array[...],
    ]
    return choose.choice(makers)() if array.ndim else array[None]


def value_for(choose, pool, target):
    """A value of gentle slope that broadcasts to ``target``, made of an array of the pool."""
    source = choose.choice(pool)
    if source.shape == target.shape and choose.random() < 0.8:
        return choose.choice([lambda: source, lambda: np.sin(source), lambda: source * 0.5])()
    if source.ndim and choose.random() < 0.5:
        return 0.5 * np.cos(source.reshape(-1)[choose.randrange(source.size)])
    return np.sin(source.mean())


def write(choose, pool):
    """One write into an array of the pool, in one of NumPy's ways."""
    target = choose.choice(pool)
    value = value_for(choose, pool, target)
    way = choose.randrange(8)
    if way == 0:
        target[...] = value
    elif way == 1:
        target += 0.5 * value
    elif way == 2:
        target *= np.cos(value)
    elif way == 3:
        target[...] = target * 0.5 - value
    elif way == 4:
        np.multiply(target, 0.5 * np.sin(value), out=target)
    elif not target.ndim:
        target[()] = value
    elif way == 5:
        rows = [choose.randrange(len(target)) for _ in range(2)]
        target[rows] = np.sin(target[rows[::-1]])
    elif way == 6:
        mask = np.array([choose.random() < 0.6 for _ in range(target.size)]).reshape(target.shape)
        target[mask] = np.cos(target[mask]) * 0.5
    else:
        target[choose.randrange(len(target))] = np.mean(value)


def random_program(seed):
    def program(x):
        choose = random.Random(seed)
        buffer = np.full((3, 2), 0.25)
        pool = [x, buffer]
        for _ in range(14):
            step = choose.random()
            if step < 0.35:
                pool.append(view_of(choose, choose.choice(pool)))
            elif step < 0.45:
                pool.append(np.array(np.sin(choose.choice(pool)) * 0.5))
            elif step < 0.5:
                pool.append(np.array(choose.choice(pool)))
            else:
                write(choose, pool)
        return np.array([np.sum(irregular(member) * member) for member in pool])

    return program


@pytest.mark.parametrize("seed", SEEDS)
def test_random_program(seed):
    program = random_program(seed)
    expected = program(fresh(POINT))
    given = fresh(POINT)
    value, tangent = wg.jvp(program, (given,), (irregular(POINT),))
    same(value, expected)
    same(given, POINT)
    same(wg.vjp(program, given)[0], expected)
    same(given, POINT)
    by_differences = jacobian(program, POINT)
    close(wg.jacrev(program)(given), by_differences, 1e-10)
    close(tangent, np.tensordot(by_differences, irregular(POINT), 2), 1e-10)


@pytest.mark.parametrize("seed", SEEDS)
def test_second_derivatives_of_a_random_program(seed):
    scalar = scalarised(random_program(seed))
    expected = hessian_product(scalar, POINT, irregular(POINT))
    forward_over_reverse = wg.hvp(scalar, fresh(POINT), irregular(POINT))
    close(forward_over_reverse, expected, 1e-8)
    pulled = wg.grad(lambda x: np.sum(wg.grad(scalar)(x) * irregular(POINT)))(fresh(POINT))
    close(pulled, forward_over_reverse, 1e-12)
