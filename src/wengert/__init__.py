"""Exact derivatives of plain NumPy code: forward and reverse mode, of any order.

``import wengert as wg``; see ``wengert.grad`` to start with. What shows and compares is loaded when
it is first asked for.
"""

from typing import TYPE_CHECKING, Any

from . import errors, numerical, numpy, ops, testing, tree
from ._version import __version__
from .config import config
from .higher.branches import cond, switch
from .higher.callbacks import debug, pure_callback
from .higher.checkpoint import checkpoint, checkpoint_name
from .higher.custom import custom_jvp, custom_vjp
from .higher.implicit import implicit
from .higher.jit import jit
from .higher.linear import linear_solve
from .higher.loops import associative_scan, checkpointed_loop, fori_loop, map, scan, while_loop  # noqa: A004
from .higher.solvers import argmin, fixed_point, root
from .numpy.updates import at
from .transforms.batching import vmap
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
from .transforms.stopping import no_grad, stop_gradient
from .transforms.taylor import derivative, jet

if TYPE_CHECKING:
    from . import symbolic
    from .environment import info
    from .seeing import compare_methods, draw, explain, profile

__all__ = [
    "__version__",
    "argmin",
    "associative_scan",
    "at",
    "checkpoint",
    "checkpoint_name",
    "checkpointed_loop",
    "compare_methods",
    "cond",
    "config",
    "custom_jvp",
    "custom_vjp",
    "debug",
    "derivative",
    "draw",
    "elementwise_grad",
    "errors",
    "eval_shape",
    "explain",
    "fixed_point",
    "fori_loop",
    "gnvp",
    "grad",
    "hessian",
    "hvp",
    "implicit",
    "info",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jet",
    "jit",
    "jvp",
    "linear_solve",
    "linear_transpose",
    "linearize",
    "map",
    "no_grad",
    "numerical",
    "numpy",
    "ops",
    "profile",
    "pure_callback",
    "root",
    "scan",
    "stop_gradient",
    "switch",
    "symbolic",
    "testing",
    "trace",
    "tree",
    "value_and_grad",
    "value_and_jacobian",
    "value_grad_hessian",
    "vjp",
    "vmap",
    "while_loop",
]

_LOADED_AT_FIRST_USE = {
    "compare_methods": "seeing",
    "draw": "seeing",
    "explain": "seeing",
    "info": "environment",
    "profile": "seeing",
    "symbolic": "",
}


def __getattr__(name: str) -> Any:
    if name not in _LOADED_AT_FIRST_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    package = _LOADED_AT_FIRST_USE[name]
    module = importlib.import_module(f".{package or name}", __name__)
    found = getattr(module, name) if package else module
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
