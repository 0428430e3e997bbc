"""Functions that float32 loops compute in float32: float32 in even steps, against float64."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special

from wengert.backends.llvm.math.narrow import FUNCTIONS

from .loops import loop

WIDE = {
    **{name: getattr(np, name) for name in ("exp", "expm1", "log", "log1p", "tanh")},
    "sigmoid": scipy.special.expit,
}
STEP = 4099  # a prime: every exponent, and fractions without a pattern


def test_all_of_them_are_here():
    assert FUNCTIONS.keys() == WIDE.keys()


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_the_error_is_small_over_all_of_float32(name):
    x = np.arange(0, 2**32, STEP, dtype=np.uint32).view(np.float32)
    edges = np.float32([0.0, -0.0, np.inf, -np.inf, 1.0, -1.0, 88.72283, 88.72284, -103.97, 0.75])
    neighbours = [np.nextafter(edges, np.float32(side)) for side in (-np.inf, np.inf)]
    x = np.concatenate([x, edges, *neighbours])
    found = loop(name, "float32")(x)
    with np.errstate(all="ignore"):
        exact = WIDE[name](x.astype(np.float64))
        rounded = exact.astype(np.float32)
    assert found.dtype == np.float32
    finite = np.isfinite(rounded)
    np.testing.assert_array_equal(found[~finite], rounded[~finite])
    unit = np.spacing(np.abs(rounded[finite])).astype(np.float64)
    assert np.max(np.abs(found[finite] - exact[finite]) / unit) < 1.6
    zero = exact == 0
    np.testing.assert_array_equal(np.signbit(found[zero]), np.signbit(exact[zero]))
