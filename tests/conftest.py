"""Settings of all tests: machine code is not kept from one run to the next."""

import os

os.environ["WENGERT_CACHE_DIR"] = "off"
