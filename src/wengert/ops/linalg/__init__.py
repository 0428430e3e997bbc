"""numpy.linalg, one module a decomposition; importing this package registers all of them."""

from . import (  # noqa: F401
    cholesky,
    determinant,
    general_eigen,
    hermitian_eigen,
    inverse,
    norm,
    orthogonal,
    products,
    pseudoinverse,
    singular,
    solve,
)
