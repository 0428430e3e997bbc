"""Settings of all tests: machine code is not kept, and all primitives are there."""

import os

os.environ["WENGERT_CACHE_DIR"] = "off"

import wengert as wg
import wengert.ops.special

# What is loaded at first use makes primitives too: the tests that loop over all of them find them.
for _name in wg.__all__:
    getattr(wg, _name)
