"""The systems that are measured, each one record: how it starts and how it spells a workload.

A peer is imported only in the process that measures it. A further system (a compiled wengert,
another peer) is one more record in `SYSTEMS`.
"""

from __future__ import annotations

import ctypes
import importlib
import shutil
import subprocess
import tempfile
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.comparison import leaves, map_leaves
from benchmarks.model import DERIVATIVE, VALUE, NotAvailable, Operation, Prepared, Workload


@dataclass(frozen=True)
class System:
    """How one system takes part.

    `start` imports the system and makes it ready with a derivative of its own, so that what
    happens once a process stays out of the first call. `prepare` turns a workload and its NumPy
    inputs into calls. `peer` systems compete; "numpy" is there as the reference.
    """

    name: str
    package: str
    start: Callable[[], None]
    prepare: Callable[[Workload, tuple[Any, ...]], Prepared]
    peer: bool = True
    compiled: bool = False
    allocates_through_numpy: bool = False


def respell(function: Callable[..., Any], namespace: Any) -> Callable[..., Any]:
    """The same code with the global name `np` meaning `namespace`; a new function each time."""
    spelled = types.FunctionType(
        function.__code__,
        {**function.__globals__, "np": namespace},
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    spelled.__kwdefaults__ = function.__kwdefaults__
    return spelled


def bind_static(function: Callable[..., Any], workload: Workload) -> Callable[..., Any]:
    """Give `function` its static arguments; the function itself where there are none."""
    if not workload.static:
        return function
    static = dict(workload.static)

    def bound(*arguments: Any) -> Any:
        return function(*arguments, **static)

    return bound


def driven(derivative: Callable[..., Any], workload: Workload) -> Callable[..., Any]:
    """The derivative, or the workload's loop around it."""
    if workload.driver is None:
        return derivative
    driver = workload.driver

    def drive(*inputs: Any) -> Any:
        return driver(derivative, *inputs)

    return drive


def of_examples(derivative: Callable[..., Any], vmap: Any, workload: Workload) -> Any:
    """The derivative, or that of each example of the data by a system's `vmap`."""
    if not workload.per_example:
        return derivative
    axes = (None, *(0,) * (workload.function.__code__.co_argcount - 1))
    return vmap(derivative, axes)


def operations(
    workload: Workload,
    derivative: Callable[..., Any],
    value: Callable[..., Any],
    inputs: tuple[Any, ...],
) -> dict[str, Operation]:
    """The operations every system has: the derivative and, where it is asked for, the value."""
    found = {DERIVATIVE: Operation(derivative, inputs)}
    if workload.time_value:
        found[VALUE] = Operation(value, inputs)
    return found


def eager(workload: Workload, inputs: tuple[Any, ...], package: Any, namespace: Any) -> Prepared:
    """Spell a workload for a library with `grad` and `value_and_grad` on NumPy's own arrays."""
    function = workload.function if namespace is None else respell(workload.function, namespace)
    if namespace is None:
        function = workload.respelled.get("wengert", function)
    function = bind_static(function, workload)
    transform = package.value_and_grad if workload.with_value else package.grad
    derivative = of_examples(transform(function), getattr(package, "vmap", None), workload)
    return Prepared(operations(workload, driven(derivative, workload), function, inputs))


# --- NumPy alone: the value, and the derivative written by hand -----------------------------------


def start_numpy() -> None:
    importlib.import_module("numpy")


def prepare_numpy(workload: Workload, inputs: tuple[Any, ...]) -> Prepared:
    by_hand = bind_static(workload.by_hand, workload)
    value = bind_static(workload.function, workload)
    found = operations(workload, by_hand, value, inputs)
    if not workload.time_by_hand:
        del found[DERIVATIVE]
    return Prepared(found)


# --- wengert --------------------------------------------------------------------------------------


def square(x: Any) -> Any:
    """The function whose derivative makes a system ready."""
    return x * x


def start_wengert() -> None:
    importlib.import_module("wengert").grad(square)(1.5)


def prepare_wengert(workload: Workload, inputs: tuple[Any, ...]) -> Prepared:
    return eager(workload, inputs, importlib.import_module("wengert"), None)


def start_wengert_jit() -> None:
    wengert = importlib.import_module("wengert")
    if not hasattr(wengert, "jit"):
        raise NotAvailable("this version of wengert has no jit")
    wengert.jit(wengert.grad(square), compile="now")(1.5)


def prepare_wengert_jit(workload: Workload, inputs: tuple[Any, ...]) -> Prepared:
    wengert = importlib.import_module("wengert")
    transform = wengert.value_and_grad if workload.with_value else wengert.grad
    function = workload.respelled.get("wengert-jit", workload.function)

    def fresh(mode: str = "auto") -> Any:
        # A respelled function is a new one, so that nothing cached for the last one is found.
        namespace = importlib.import_module("numpy")
        spelled = bind_static(respell(function, namespace), workload)
        derivative = of_examples(transform(spelled), wengert.vmap, workload)
        return wengert.jit(derivative, compile=mode)

    # In a loop of calls the program is compiled meanwhile; else what is timed is the compiled one.
    mode = "now" if workload.driver is None else "auto"
    derivative = driven(fresh(mode), workload)
    value = wengert.jit(bind_static(function, workload), compile="now")
    return Prepared(
        operations(workload, derivative, value, inputs),
        # Recording runs the function once, so that one run is in it.
        compile=lambda: fresh("now")(*inputs),
    )


# --- autograd -------------------------------------------------------------------------------------


def start_autograd() -> None:
    importlib.import_module("autograd").grad(square)(1.5)


def prepare_autograd(workload: Workload, inputs: tuple[Any, ...]) -> Prepared:
    namespace = importlib.import_module("autograd.numpy")
    return eager(workload, inputs, importlib.import_module("autograd"), namespace)


# --- torch ----------------------------------------------------------------------------------------


def start_torch() -> None:
    torch = importlib.import_module("torch")
    leaf = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    torch.autograd.grad(square(leaf), leaf)


def prepare_torch(workload: Workload, inputs: tuple[Any, ...]) -> Prepared:
    """Leaves are made once, outside the timing; `torch.autograd.grad` spares `.grad` fields."""
    numpy = importlib.import_module("numpy")
    torch = importlib.import_module("torch")
    function = bind_static(
        workload.respelled.get("torch") or respell(workload.function, torch), workload
    )

    def make_constant(leaf: Any) -> Any:
        # Through NumPy, because torch makes a float32 tensor of a Python float.
        return torch.as_tensor(numpy.asarray(leaf))

    constants = tuple(map_leaves(make_constant, part) for part in inputs)

    def make_leaf(tensor: Any) -> Any:
        return tensor.detach().to(torch.float64).requires_grad_()

    def gradient(value: Any, tree: Any) -> Any:
        found = iter(torch.autograd.grad(value, leaves(tree)))
        return map_leaves(lambda _: next(found), tree)

    def derivative(point: Any, *data: Any) -> Any:
        value = function(point, *data)
        if isinstance(point, tuple):
            found = gradient(value, point)
        else:
            (found,) = torch.autograd.grad(value, point)
        return (value.detach(), found) if workload.with_value else found

    if workload.per_example:
        derivative = of_examples(torch.func.grad(function), torch.func.vmap, workload)
        return Prepared({DERIVATIVE: Operation(derivative, constants)})

    def derivative_at(point: Any, *data: Any) -> Any:
        return derivative(make_leaf(point), *data)

    value = Operation(function, constants)
    if workload.driver is None:
        started = (map_leaves(make_leaf, constants[0]), *constants[1:])
        found = {DERIVATIVE: Operation(derivative, started)}
    else:
        # The point moves from step to step, so each step makes its own leaf.
        found = {DERIVATIVE: Operation(driven(derivative_at, workload), constants)}
    if workload.time_value:
        found[VALUE] = value
    return Prepared(found)


# --- jax ------------------------------------------------------------------------------------------


def start_jax() -> None:
    jax = importlib.import_module("jax")
    jax.block_until_ready(jax.grad(square)(1.5))


def blocking(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wait for the result, by the cheapest call that its structure allows."""
    jax = importlib.import_module("jax")

    def block(*arguments: Any) -> Any:
        result = function(*arguments)
        if isinstance(result, tuple):
            for part in result:
                if isinstance(part, tuple):
                    return jax.block_until_ready(result)
                part.block_until_ready()
            return result
        return result.block_until_ready()

    return block


def jax_function(workload: Workload, system: str) -> Callable[..., Any]:
    """The workload in jax's spelling: a new function each time, so that nothing compiled before
    is found for it.
    """
    spelled = workload.respelled.get(system) or workload.respelled.get("jax", workload.function)
    return bind_static(respell(spelled, importlib.import_module("jax.numpy")), workload)


def jax_derivative(workload: Workload, system: str) -> Callable[..., Any]:
    jax = importlib.import_module("jax")
    transform = jax.value_and_grad if workload.with_value else jax.grad
    derivative: Callable[..., Any] = transform(jax_function(workload, system))
    return of_examples(derivative, jax.vmap, workload)  # type: ignore[no-any-return]


def jax_inputs(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """The inputs on jax's device. Floats too: jax calls a compiled function faster that way."""
    namespace = importlib.import_module("jax.numpy")
    return tuple(map_leaves(namespace.asarray, part) for part in inputs)


def prepare_jax(workload: Workload, inputs: tuple[Any, ...]) -> Prepared:
    derivative = blocking(driven(jax_derivative(workload, "jax"), workload))
    value = blocking(jax_function(workload, "jax"))
    return Prepared(operations(workload, derivative, value, jax_inputs(inputs)))


def prepare_jax_jit(workload: Workload, inputs: tuple[Any, ...]) -> Prepared:
    jax = importlib.import_module("jax")
    arrays = jax_inputs(inputs)
    derivative = blocking(driven(jax.jit(jax_derivative(workload, "jax-jit")), workload))
    value = blocking(jax.jit(jax_function(workload, "jax-jit")))
    return Prepared(
        operations(workload, derivative, value, arrays),
        compile=lambda: jax.jit(jax_derivative(workload, "jax-jit")).lower(*arrays).compile(),
    )


# --- casadi ---------------------------------------------------------------------------------------


def start_casadi() -> None:
    casadi = importlib.import_module("casadi")
    x = casadi.SX.sym("x")
    casadi.Function("f", [x], [casadi.gradient(square(x), x)])(1.5)


def prepare_casadi(workload: Workload, inputs: tuple[Any, ...]) -> Prepared:
    """Scalar expressions, where a workload says that they fit; its virtual machine runs them."""
    spelled = workload.respelled.get("casadi")
    if spelled is None:
        raise NotAvailable("left out: not a scalar expression")
    casadi = importlib.import_module("casadi")
    function = bind_static(respell(spelled, casadi), workload)

    def compile_derivative() -> Any:
        x = casadi.SX.sym("x")
        value = function(x)
        slope = casadi.gradient(value, x)
        return casadi.Function("d", [x], [value, slope] if workload.with_value else [slope])

    def plain(made: Any) -> Callable[[Any], Any]:
        def call(x: Any) -> Any:
            found = made(x)
            return tuple(map(float, found)) if isinstance(found, tuple) else float(found)

        return call

    x = casadi.SX.sym("x")
    value = plain(casadi.Function("f", [x], [function(x)]))
    derivative = driven(plain(compile_derivative()), workload)
    return Prepared(operations(workload, derivative, value, inputs), compile=compile_derivative)


# --- C, written by hand ---------------------------------------------------------------------------


def start_c() -> None:
    if shutil.which("gcc") is None:
        raise NotAvailable("gcc is not installed")


def prepare_c(workload: Workload, inputs: tuple[Any, ...]) -> Prepared:
    """Compile a workload's C and call it by ctypes, which takes about a microsecond of its own."""
    if not workload.c_source:
        raise NotAvailable("left out: not written by hand")
    numpy = importlib.import_module("numpy")
    function = compile_c(workload)
    x = numpy.array(inputs[0], dtype=float, order="C")
    source, size = ctypes.c_void_p(x.ctypes.data), ctypes.c_long(x.size)

    def derivative(_: Any) -> Any:
        result = numpy.empty_like(x)
        function(source, size, result.__array_interface__["data"][0])
        return result if x.ndim else float(result)

    return Prepared({DERIVATIVE: Operation(derivative, (x,))}, compile=lambda: compile_c(workload))


def compile_c(workload: Workload) -> Any:
    """Return the function `derivative` of a workload's source."""
    macros = [f"-D{name.upper()}={value}" for name, value in workload.static.items()]
    with tempfile.TemporaryDirectory() as folder:
        source, library = Path(folder) / "derivative.c", Path(folder) / "derivative.so"
        source.write_text(workload.c_source)
        command = ["gcc", "-O3", "-march=native", "-shared", "-fPIC", *macros]
        subprocess.run([*command, str(source), "-o", str(library), "-lm"], check=True)
        function = ctypes.CDLL(str(library)).derivative
    function.argtypes = [ctypes.c_void_p, ctypes.c_long, ctypes.c_void_p]
    function.restype = None
    return function


SYSTEMS: dict[str, System] = {
    system.name: system
    for system in (
        System(
            "wengert",
            "wengert",
            start_wengert,
            prepare_wengert,
            peer=False,
            allocates_through_numpy=True,
        ),
        System(
            "wengert-jit",
            "wengert",
            start_wengert_jit,
            prepare_wengert_jit,
            peer=False,
            compiled=True,
        ),
        System(
            "autograd",
            "autograd",
            start_autograd,
            prepare_autograd,
            allocates_through_numpy=True,
        ),
        System("torch", "torch", start_torch, prepare_torch),
        System("jax", "jax", start_jax, prepare_jax),
        System("jax-jit", "jax", start_jax, prepare_jax_jit, compiled=True),
        System("casadi", "casadi", start_casadi, prepare_casadi, compiled=True),
        System("c", "ctypes", start_c, prepare_c, peer=False, compiled=True),
        System(
            "numpy",
            "numpy",
            start_numpy,
            prepare_numpy,
            peer=False,
            allocates_through_numpy=True,
        ),
    )
}
