"""Random programs hold every property, and those that once failed still do.

A few are drawn here; `python tools/random_programs.py --count 100000` draws as many as you like.
"""

import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from random_checks import Disagreement, check_batched, check_compiled, check_program
from random_failures import FOUND
from random_programs import RandomProgram, random_program


@pytest.mark.parametrize(("function", "point"), FOUND.values(), ids=FOUND.keys())
def test_programs_that_failed_once(function, point):
    check_program(function, point)


@pytest.mark.parametrize(("function", "point"), FOUND.values(), ids=FOUND.keys())
def test_programs_that_failed_once_compile(function, point):
    check_compiled(function, point)
    check_batched(function, point)


@settings(
    max_examples=25,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(choose=st.randoms(use_true_random=False))
def test_programs_that_hypothesis_draws(choose):
    program = random_program(choose, choose.randint(1, 5))
    print(program.as_test("failure", "shown when the test fails"))
    check_program(program.compiled(), program.point)


@pytest.mark.parametrize("seed", range(12))
def test_programs_of_the_long_run(seed):
    program = random_program(random.Random(seed))
    check_program(program.compiled(), program.point)
    check_compiled(program.compiled(), program.point)


def test_vmap_of_random_programs_is_a_loop_or_a_refusal():
    programs = [random_program(random.Random(seed)) for seed in range(40)]
    batched = [check_batched(program.compiled(), program.point) for program in programs]
    assert sum(batched) > 10


def test_the_same_seed_gives_the_same_program_as_source_that_runs_alone():
    first, again = random_program(random.Random(3)), random_program(random.Random(3))
    assert first.source == again.source
    namespace = {"np": np, "found": lambda *point: lambda function: (function, point)}
    exec(first.as_test("pasted", "why"), namespace)
    function, point = namespace["pasted"]
    assert repr(point) == repr(first.point)
    assert np.array_equal(function(*point), first.compiled()(*first.point))


def test_a_wrong_derivative_is_caught(monkeypatch):
    """The test of the tester: sine's derivative off by a millionth in one mode, then in both."""
    import wengert as wg

    program = RandomProgram("def program(x0):\n    return np.sin(x0) * 2.0\n", (0.4,))
    jvp = wg.jvp
    monkeypatch.setattr(wg, "jvp", lambda *a: (jvp(*a)[0], jvp(*a)[1] * (1 + 1e-6)))
    with pytest.raises(Disagreement, match="linearize and jvp"):
        check_program(program.compiled(), program.point)
