"""Every transformation on every other: pairs, and triples drawn at random, against differences.

On small programs, and on those of the corpus: each pair on another program, a sample of what
`tools/compose_corpus.py` goes through.
"""

import random

import numpy as np
import pytest

import wengert as wg
from compositions import ASKING, PAIRS, SCALES, TRIPLES, WAYS, check, drawn, vector_program
from corpus import PROGRAMS as CORPUS
from wengert.errors import BatchingError

# ------------------------------------------------------------------ programs


def smooth(x):
    return np.sin(x) * x[::-1] + 0.3 * x**2


def writing(x):
    y = np.zeros(3)
    for i in range(3):
        y[i] = np.tanh(x[i]) + 0.5 * y[i - 1] * x[0]
    y[1:] *= x[:-1]
    return y


def algebra(x):
    a = np.outer(x, x) + 2.0 * np.eye(3)
    return np.linalg.solve(a, np.exp(0.3 * x)) + np.maximum(x, -x) * 0.2


def looping(x):
    total, kept = wg.scan(lambda c, s: (np.cos(c) * s + x * 0.1, np.sum(c)), x, SCALES)
    return total + np.sum(kept)


PROGRAMS = {f.__name__: f for f in (smooth, writing, algebra, looping)}

# ------------------------------------------------------------------ on them, and on the corpus


@pytest.mark.parametrize("names", PAIRS, ids="-".join)
def test_pairs(names):
    for program in (smooth, writing):
        check(names, program)


@pytest.mark.parametrize("names", random.Random(5).sample(TRIPLES, 80), ids="-".join)
def test_triples(names):
    program = random.Random("-".join(names)).choice(list(PROGRAMS))
    check(names, PROGRAMS[program])


@pytest.mark.parametrize("names", PAIRS, ids="-".join)
def test_pairs_on_the_corpus(names):
    check(names, vector_program(drawn(names)))


@pytest.mark.parametrize("names", random.Random(6).sample(TRIPLES, 40), ids="-".join)
def test_triples_on_the_corpus(names):
    check(names, vector_program(drawn(names)))


def test_each_chain_takes_another_program():
    assert len({drawn(names) for names in PAIRS}) > 60
    assert {drawn(("grad", "scan"), turn) for turn in range(len(CORPUS))} == set(CORPUS)


def test_programs_that_ask_say_what_to_write_under_vmap():
    assert len(ASKING) > 20
    for name in ASKING:
        with pytest.raises(BatchingError, match=r"where|an argument"):
            WAYS["vmap"][0](vector_program(name))(np.ones(3))
