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
