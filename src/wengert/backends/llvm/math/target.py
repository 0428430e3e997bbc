"""What the elementary functions ask of the machine that they are compiled for."""

from __future__ import annotations

import functools

from ..engine import host


@functools.cache
def has_fma() -> bool:
    """Return whether this machine multiplies and adds in one instruction with one rounding."""
    machine = host()
    if machine.triple.startswith(("x86_64", "i386", "i686")):
        return "+fma" in machine.features.split(",")
    return machine.triple.startswith(("aarch64", "arm64", "powerpc64", "s390x", "riscv64"))
