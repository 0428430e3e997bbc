"""What is loaded when it is first used: found by dispatch, in the registry, whoever asks first."""

import subprocess
import sys
import threading

import numpy as np
import pytest

import wengert as wg
from wengert.errors import RegistryError
from wengert.ir.primitive import registry
from wengert.tracing import protocols

CASES = [
    ("wengert.ops.linalg", "np.linalg.det(np.array([[x, 2.0], [3.0, x]]))"),
    ("wengert.ops.fft", "np.abs(np.fft.fft(np.array([x, 2.0, 1.0]))[1])"),
    ("wengert.ops.einsum", "np.einsum('i,i', np.array([x, 2.0]), np.array([x, 3.0]))"),
    ("wengert.ops.padding", "np.sum(np.pad(np.array([x, 2.0]), 1, mode='edge'))"),
    ("wengert.ops.nan_statistics", "np.nansum(np.array([x, np.nan]))"),
    ("wengert.ops.convolution", "np.sum(np.convolve(np.array([x, 2.0]), [1.0, 3.0]))"),
    ("wengert.numpy.covariance", "np.cov(np.array([x, 2.0, 5.0]))[()]"),
    ("wengert.numpy.interpolation", "np.interp(x, [0.0, 1.0, 4.0], [0.0, 2.0, 3.0])"),
    ("wengert.numpy.polynomials", "np.polyval([1.0, 2.0, 3.0], x)"),
]


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.fixture(scope="module")
def found_in_a_fresh_process():
    """For each case whether its module was loaded before and after, and the gradient at 1.5."""
    lines = ["import sys, numpy as np, wengert as wg", "start = set(sys.modules)"]
    for module, expression in CASES:
        lines.append(f"found = wg.grad(lambda x: {expression})(1.5)")
        lines.append(f"print({module!r} in start, {module!r} in sys.modules, float(found))")
    lines.append("from wengert.ir.primitive import registry")
    lines.append("print(registry['inv'].evaluate is np.linalg.inv, registry['inv'].numpy.__name__)")
    return run("\n".join(lines))


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case[0] for case in CASES])
def test_what_implements_a_function_is_loaded_when_it_is_met(number, found_in_a_fresh_process):
    before, after, found = found_in_a_fresh_process[3 * number : 3 * number + 3]
    assert (before, after) == ("False", "True")

    def f(x):
        return eval(CASES[number][1], {"np": np, "x": x})

    step = 1e-6
    expected = (float(f(1.5 + step)) - float(f(1.5 - step))) / (2 * step)
    assert abs(float(found) - expected) < 1e-6


def test_modules_loaded_inside_a_transformation_see_numpy_as_it_is(found_in_a_fresh_process):
    assert found_in_a_fresh_process[-2:] == ["True", "inv"]


def test_the_registry_is_whole_for_whoever_asks():
    assert {"inv", "fourier", "einsum", "odd_reflection", "convolve"} <= {
        primitive.name for primitive in registry
    }
    counts = run(
        "from wengert.ir.primitive import registry; import wengert\n"
        "print('det' in registry, registry['qr'].name, len(registry))\n"
        "import wengert.ops.linalg, numpy.fft, wengert.ops.fft\n"
        "print(len(registry) - len(list(registry)))"
    )
    assert counts[:2] == ["True", "qr"]
    assert counts[3] == "0"


def test_names_of_what_is_not_loaded_yet_are_taken():
    code = (
        "from wengert import extend\n"
        "try:\n"
        "    extend.primitive('det', arguments=('x',), evaluate=lambda x: x, infer=lambda x: x,\n"
        "        jvp=(lambda t: t,), samples=lambda: [])\n"
        "except Exception as error:\n"
        "    print(type(error).__name__)"
    )
    assert run(code) == [RegistryError.__name__]


def test_every_function_is_found_by_the_module_that_it_says_it_is_of():
    protocols.load_later()
    namespaces = {
        "wengert.ops.linalg": "numpy.linalg",
        "wengert.ops.fft": "numpy.fft",
        **{module: "numpy" for module, _ in CASES[2:]},
        "wengert.ops.windows": "numpy.lib.stride_tricks",
        "wengert.numpy.histograms": "numpy",
    }
    looked_at = 0
    for function, implementation in protocols.functions.items():
        for module, namespace in namespaces.items():
            if f"{implementation.__module__}.".startswith(f"{module}."):
                assert function.__module__ == namespace, function
                looked_at += 1
    assert looked_at > 60


def test_while_one_thread_loads_others_see_the_replacements():
    seen = []

    def f(x):
        protocols.loading.add(threading.get_ident() + 1)  # some other thread
        try:
            seen.append(np.zeros is not _zeros)
        finally:
            protocols.loading.clear()
        protocols.loading.add(threading.get_ident())
        try:
            seen.append(np.zeros is _zeros)
        finally:
            protocols.loading.clear()
        return x * x

    assert wg.grad(f)(3.0) == 6.0
    assert seen == [True, True]


_zeros = np.zeros


# ------------------------------------------------------------------ loads that fail halfway

# The primitive at which the load fails, and what runs it. Modules before it in a package stay.
FAILING = """
import sys
import numpy as np, wengert as wg
from wengert.ir.primitive import Registry
from wengert.tracing import protocols
add, count, at = Registry.add, 0, {at}

def fail(self, primitive):
    global count
    count += 1
    add(self, primitive)
    if count == at:
        raise {error}("halfway")

def f(x):
    return {expression}

Registry.add = fail
try:
    found = float(wg.grad(f)(1.5))
except BaseException as error:
    print(type(error).__name__)
    Registry.add = add
    names = set(protocols.registry._by_name)
    for name in names:
        primitive = protocols.registry._by_name[name]
        module = primitive.samples.__module__
        assert module in sys.modules, (name, module)
    for function, implementation in protocols.functions.items():
        module = getattr(implementation, "__module__", "numpy")
        assert module in sys.modules, (function, module)
    assert not protocols.loading
    found = float(wg.grad(f)(1.5))
print(found)
"""
FAILS = [
    ("np.linalg.det(np.array([[x, 2.0], [3.0, x]]))", 2, "KeyboardInterrupt", 3.0),
    ("np.linalg.det(np.array([[x, 2.0], [3.0, x]]))", 9, "ValueError", 3.0),
    ("np.einsum('i,i', np.array([x, 2.0]), np.array([x, 3.0]))", 1, "MemoryError", 3.0),
    ("np.sum(np.pad(np.array([x, 2.0]), 1, mode='edge'))", 1, "KeyboardInterrupt", 2.0),
    ("wg.cond(x > 0, lambda x: 2 * x, lambda x: x, x)", 1, "KeyboardInterrupt", 2.0),
]


@pytest.mark.parametrize(("expression", "at", "error", "expected"), FAILS)
def test_a_load_that_fails_leaves_nothing_behind(expression, at, error, expected):
    printed = run(FAILING.format(expression=expression, at=at, error=error))
    assert printed == [error, str(expected)]


def test_what_failed_is_loaded_again_by_name_and_whole():
    printed = run(
        "import wengert\n"
        "from wengert.ir.primitive import Registry, registry\n"
        "add, failed = Registry.add, []\n"
        "def fail(self, primitive):\n"
        "    add(self, primitive)\n"
        "    if primitive.name in {'qr', 'fourier', 'einsum'} - set(failed):\n"
        "        failed.append(primitive.name)\n"
        "        raise KeyboardInterrupt\n"
        "Registry.add = fail\n"
        "for attempt in range(4):\n"
        "    try:\n"
        "        print(len(registry))\n"
        "    except KeyboardInterrupt:\n"
        "        print(failed[-1])\n"
    )
    assert set(printed[:3]) == {"qr", "fourier", "einsum"}
    assert int(printed[3]) == len(list(registry)) - len(_loaded_here())


def _loaded_here():
    """Primitives of this process that loading what is deferred does not bring by itself."""
    fresh = run(
        "import wengert; from wengert.ir.primitive import registry\n"
        "print(*(primitive.name for primitive in registry))"
    )
    return {primitive.name for primitive in registry} - set(fresh)


def test_threads_that_load_at_once_each_find_all():
    printed = run(
        "import threading, numpy as np, wengert as wg\n"
        "start, found = threading.Barrier(8), []\n"
        "def f(x):\n"
        "    padded = np.pad(np.array([x]), 1)\n"
        "    return np.linalg.det(np.array([[x, 2.0], [3.0, x]])) + np.sum(padded)\n"
        "def work():\n"
        "    start.wait()\n"
        "    found.append(float(wg.grad(f)(1.5)))\n"
        "threads = [threading.Thread(target=work) for _ in range(8)]\n"
        "[thread.start() for thread in threads]\n"
        "[thread.join() for thread in threads]\n"
        "print(found == [4.0] * 8, found)"
    )
    assert printed[0] == "True", printed
