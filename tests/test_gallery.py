"""The gallery: each example finds what it says it finds, and draws it."""

import io
import runpy
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples" / "gallery"

CHECKS = {
    "cost": lambda found: max(found["reverse mode"]) < 4 and found["forward mode"][-1] > 100,
    "denoising": lambda found: found["errors"][1] < 0.4 * found["errors"][0],
    "descent": lambda found: (
        np.allclose(found["gradient descent"][-1], [0.67388605, 0.45255952], atol=5e-9)
        and np.allclose(found["Newton"][-1], [1.0, 1.0], atol=1e-12)
    ),
    "differences": lambda found: (
        found["reverse mode"] == 0.0 and 0.004 < found["errors"][0.01] < 0.006
    ),
    "gaussian_process": lambda found: found["after"] < found["before"] - 20,
    "graph_of_a_neuron": lambda found: len(found.nodes) == 9,
    "heat": lambda found: (
        found["misfit"] < 1e-5 and np.max(abs(found["found"] - found["true"])) < 0.3
    ),
    "kepler": lambda found: found["error"] < 1e-11,
    "memory": lambda found: (
        found["everything"][-1] > 400 and found["sqrt"][-1] < 60 and found["log"][-1] < 30
    ),
    "methods": lambda found: (
        found["ratio"]["reverse mode"].error < 1e-15
        and len(found["logistic"].swell) == 12
        and found["rosenbrock"].scaling[1000]["reverse mode"].seconds
        < found["rosenbrock"].scaling[1000]["central difference"].seconds
    ),
    "moons": lambda found: found["right"] > 0.97,
    "pendulum": lambda found: np.allclose(found["found"], [1.3, 0.25], atol=0.01),
    "predator": lambda found: found["births"][0] == 0.0 and np.all(found["hares"] > 0),
    "swell": lambda found: (
        found["symbolic"][-1] > 1000 * found["reverse mode"][0]
        and len(set(np.diff(found["reverse mode"]))) == 1
    ),
    "throwing": lambda found: np.allclose(found["reached"], 40.0, atol=1e-9),
}


def test_every_example_is_checked():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(CHECKS)
    assert len(CHECKS) >= 12


@pytest.mark.parametrize("name", CHECKS)
def test_example(name):
    pytest.importorskip("matplotlib", reason="needs the extra `plot`")
    example = runpy.run_path(str(EXAMPLES / f"{name}.py"))
    assert CHECKS[name](example["result"]())
    buffer = io.BytesIO()
    example["picture"]().savefig(buffer, format="png")
    assert len(buffer.getvalue()) > 5_000
