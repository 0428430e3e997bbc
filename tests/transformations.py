"""Every transformation that runs a user's function at once, as ``run(function, point)``."""

import wengert as wg

TRANSFORMS = {
    "grad": lambda f, x: wg.grad(f)(x),
    "jvp": lambda f, x: wg.jvp(f, (x,), (x,)),
    "vjp": lambda f, x: wg.vjp(f, x),
    "jacobian": lambda f, x: wg.jacobian(f)(x),
    "hessian": lambda f, x: wg.hessian(f)(x),
    "hvp": lambda f, x: wg.hvp(f, x, x),
    "linearize": lambda f, x: wg.linearize(f, x),
    "trace": lambda f, x: wg.trace(f)(x),
    "grad in jvp": lambda f, x: wg.jvp(wg.grad(f), (x,), (x,)),
}
