"""Exact derivatives of plain NumPy code: forward and reverse mode, of any order.

``import wengert as wg``; see ``wengert.grad`` to start with.
"""

from . import errors, numerical, ops, testing, tree
from ._version import __version__
from .config import config
from .transforms.derivatives import elementwise_grad, grad, jvp, value_and_grad, vjp
from .transforms.jacobians import (
    gnvp,
    hessian,
    hvp,
    jacfwd,
    jacobian,
    jacrev,
    linear_transpose,
    linearize,
    value_and_jacobian,
    value_grad_hessian,
)
from .transforms.staged import eval_shape, trace
from .transforms.stopping import stop_gradient

__all__ = [
    "__version__",
    "config",
    "elementwise_grad",
    "errors",
    "eval_shape",
    "gnvp",
    "grad",
    "hessian",
    "hvp",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jvp",
    "linear_transpose",
    "linearize",
    "numerical",
    "ops",
    "stop_gradient",
    "testing",
    "trace",
    "tree",
    "value_and_grad",
    "value_and_jacobian",
    "value_grad_hessian",
    "vjp",
]
