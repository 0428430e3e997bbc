"""Ways to run functions in tests: as a list, for the memory they need; what jit did with them."""

import tracemalloc

import wengert as wg
from wengert.ir.verify import verify


def staged(fun):
    """Return a function as its list, verified and evaluated: what a compiled function does."""

    def run(*args):
        program = wg.trace(fun)(*args)
        verify(program)
        (result,) = program.evaluate(*args)
        return result

    return run


def peak(fun, *args):
    """Return the most memory that a second call held, above what was held before."""
    fun(*args)
    tracemalloc.start()
    try:
        fun(*args)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def traces(jitted):
    """How often the function ran to be recorded."""
    return sum(known.traces for known in jitted.known.values())


def uncompiled(jitted):
    """Why the function runs as it is, for each signature for which it does."""
    return [known.eager for known in jitted.known.values() if known.eager is not None]
