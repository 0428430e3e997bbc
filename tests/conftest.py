"""Settings of all tests: machine code is not kept, all primitives are there, nothing is left.

After any test, whatever failed in it, no transformation runs and NumPy is NumPy again.
"""

import gc
import os
import signal

# A shell lets commands in the background ignore this signal, and whatever they start with them.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ["WENGERT_CACHE_DIR"] = "off"

import pytest

import wengert as wg
import wengert.ops.special
from wengert.tracing.core import depth
from wengert.tracing.creation import is_patched

# What is loaded at first use makes primitives too: the tests that loop over all of them find them.
for _name in wg.__all__:
    getattr(wg, _name)


def pytest_runtest_teardown():
    """Hold every test to it that it leaves nothing behind."""
    assert depth() == 0
    assert not is_patched()


@pytest.fixture
def nobody_hears_of_collections():
    """Let no package be called back by the collector: an interrupt in there would be swallowed."""
    callbacks = gc.callbacks[:]
    gc.callbacks.clear()
    yield
    gc.callbacks.extend(callbacks)
