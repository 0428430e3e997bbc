"""What results and speed depend on besides the code: versions, processor, libraries, settings."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from typing import Any

import numpy as np

from ._version import __version__
from .config import config

_PACKAGES = ("numpy", "scipy", "llvmlite", "optree", "sympy", "matplotlib", "rich")


def info() -> dict[str, Any]:
    """Return what a report of a bug or of a measurement should say.

    Returns
    -------
    dict
        Names and values: versions, system, processor, BLAS, and the settings of `config`.

    Examples
    --------
    >>> import wengert as wg
    >>> wg.info()["wengert"] == wg.__version__
    True
    """
    found: dict[str, Any] = {
        "wengert": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
    }
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    build: Any = np.show_config(mode="dicts")
    blas = build.get("Build Dependencies", {}).get("blas", {})
    found["blas"] = f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip()
    features = build.get("SIMD Extensions", {}).get("found", [])
    found["numpy simd"] = ", ".join(features) if features else "baseline"
    for name in config.names:
        found[f"config.{name}"] = getattr(config, name)
    return found


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"
