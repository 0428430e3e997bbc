"""Exact derivatives of plain NumPy code: forward and reverse mode, of any order.

``import wengert as wg``; see ``wengert.grad`` to start with. What a program of derivatives does
without (compiling, control flow, Jacobians, pictures, checks) is loaded when it is first asked for.
"""

from typing import TYPE_CHECKING, Any

from . import errors, numpy, ops, tree
from ._version import __version__
from .config import config
from .numpy.updates import at
from .transforms.derivatives import elementwise_grad, grad, jvp, value_and_grad, vjp
from .transforms.stopping import no_grad, stop_gradient

if TYPE_CHECKING:
    from . import numerical, symbolic, testing
    from .environment import info
    from .higher.branches import cond, switch
    from .higher.callbacks import debug, pure_callback
    from .higher.checkpoint import checkpoint, checkpoint_name
    from .higher.custom import custom_jvp, custom_vjp
    from .higher.implicit import implicit
    from .higher.jit import jit
    from .higher.linear import linear_solve
    from .higher.loops import (
        associative_scan,
        checkpointed_loop,
        fori_loop,
        map,  # noqa: A004
        scan,
        while_loop,
    )
    from .higher.solvers import argmin, fixed_point, root
    from .seeing import compare_methods, draw, explain, profile
    from .transforms.batching import vmap
    from .transforms.jacobians import (
        gnvp,
        hessian,
        hvp,
        jacfwd,
        jacobian,
        jacrev,
        linearize,
        value_and_jacobian,
        value_grad_hessian,
    )
    from .transforms.linear_transpose import linear_transpose
    from .transforms.staged import eval_shape, trace
    from .transforms.taylor import derivative, jet

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

# By module, the names that it is loaded for; modules that are public themselves have none.
_LOADED_AT_FIRST_USE: dict[str, tuple[str, ...]] = {
    "environment": ("info",),
    "higher.branches": ("cond", "switch"),
    "higher.callbacks": ("debug", "pure_callback"),
    "higher.checkpoint": ("checkpoint", "checkpoint_name"),
    "higher.custom": ("custom_jvp", "custom_vjp"),
    "higher.implicit": ("implicit",),
    "higher.jit": ("jit",),
    "higher.linear": ("linear_solve",),
    "higher.loops": (
        *("associative_scan", "checkpointed_loop", "fori_loop"),
        *("map", "scan", "while_loop"),
    ),
    "higher.solvers": ("argmin", "fixed_point", "root"),
    "numerical": (),
    "seeing": ("compare_methods", "draw", "explain", "profile"),
    "symbolic": (),
    "testing": (),
    "transforms.batching": ("vmap",),
    "transforms.linear_transpose": ("linear_transpose",),
    "transforms.jacobians": (
        *("gnvp", "hessian", "hvp", "jacfwd", "jacobian", "jacrev"),
        *("linearize", "value_and_jacobian", "value_grad_hessian"),
    ),
    "transforms.staged": ("eval_shape", "trace"),
    "transforms.taylor": ("derivative", "jet"),
}
_MODULES = {name: module for module, names in _LOADED_AT_FIRST_USE.items() for name in names}


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name, name)
    if name not in __all__ or module not in _LOADED_AT_FIRST_USE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .ir.loading import load

    found: Any = load(f"{__name__}.{module}")
    if name in _MODULES:
        found = getattr(found, name)
        globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
