"""Primitives' samples under ``vmap`` inside and around other transformations: as a loop does.

A sample of them; `tools/batch_samples.py` goes through all.
"""

import pytest

from primitive_calls import each, samples_of
from vmap.nested import WAYS, applies, check

# How many samples one is taken of, by what a check costs; each way takes others.
EVERY = {"vmap(vmap)": 2, "jit": 20, "derivatives of vmap": 3, "vmap of derivatives": 10}


def chosen():
    found = []
    for turn, way in enumerate(WAYS):
        samples = [p.values for p in each(samples_of) if applies(*p.values, way)]
        found += [
            pytest.param(name, index, way, id=f"{name}-{index}-{way}")
            for name, index in samples[turn :: EVERY[way]]
        ]
    return found


@pytest.mark.parametrize(("name", "index", "way"), chosen())
def test_is_the_loop(name, index, way):
    check(name, index, way)


def test_ways_apply_to_most():
    """A check that found nothing to do would prove nothing."""
    every = list(each(samples_of))
    for way in WAYS:
        assert sum(applies(*p.values, way) for p in every) > 0.6 * len(every)
