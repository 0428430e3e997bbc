"""The example programs: each runs as a user runs it, and prints the numbers it should."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def output_of(name: str) -> str:
    done = subprocess.run(
        [sys.executable, EXAMPLES / name], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.fixture(scope="module")
def rosenbrock() -> str:
    # In the extra `test`; missing only where someone installed pytest by itself.
    pytest.importorskip("sklearn")
    return output_of("rosenbrock.py")


def test_gradient_descent_on_rosenbrock(rosenbrock):
    # Worked example 7.
    assert "1000 steps: (0.67388605, 0.45255952), loss 0.10659457\n" in rosenbrock


def test_newton_on_rosenbrock(rosenbrock):
    assert re.search(r"Newton's method, \d+ steps: \(1\.00000000, 1\.00000000\)\n", rosenbrock)


def test_logistic_regression(rosenbrock):
    before = float(re.search(r"loss before: ([\d.]+)", rosenbrock)[1])
    after = float(re.search(r"loss after: ([\d.]+)", rosenbrock)[1])
    training, testing = map(float, re.findall(r"accuracy: ([\d.]+)", rosenbrock))
    assert before == pytest.approx(0.69314718)  # log 2: every sample at even odds
    assert after < 0.1
    assert training > 0.97
    assert testing > 0.95
