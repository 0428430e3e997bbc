"""Every workload by name, in the order of the table.

Each module here holds plain NumPy functions and the records that describe them.
"""

from __future__ import annotations

from benchmarks.model import Workload
from benchmarks.workloads import (
    additions,
    arrays,
    checkpoints,
    cost,
    examples,
    learning,
    loops,
    scalar,
    vector,
    writes,
)

WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for module in (
        scalar,
        loops,
        checkpoints,
        vector,
        arrays,
        learning,
        examples,
        writes,
        additions,
        cost,
    )
    for workload in module.WORKLOADS
}
