"""Where a record comes from: versions, commit, hardware."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmark.registry import ROOT

LIBRARIES = ("torch", "torchvision", "timm", "numpy", "scipy", "scikit-learn", "cleanlab", "medmnist")

SOURCES = ("benchmark", "methods", "backbones", "noisybench.py", "pyproject.toml")
"""What runs are made by: here a new file is a change too. Elsewhere it is none, such as data, notes or results."""

CUDA_CONTEXT_MIB = 600.0
"""What a process holds of a GPU besides PyTorch's allocations, which PyTorch does not tell: roughly so much."""


def collect() -> dict[str, Any]:
    """The provenance that all runs of one driver process share."""
    commit = _git("rev-parse", "HEAD")
    return {
        "noisybench": importlib.metadata.version("noisybench") if _installed("noisybench") else None,
        "python": platform.python_version(),
        "libraries": {name: importlib.metadata.version(name) for name in LIBRARIES if _installed(name)},
        "commit": commit,
        "dirty": commit is not None and _differs(),
        "platform": platform.platform(),
        "hardware": {"processor": _processor(), "cores": cores()},
    }


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def peak_memory_mib() -> float | None:
    """The most memory that this process has held, in MiB; None on Windows."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)  # macOS counts bytes, others kibibytes


def gpu_memory_mib(device: str) -> float:
    """The most memory of a GPU that this process has held, in MiB, with an allowance for CUDA's own part."""
    import torch

    return torch.cuda.max_memory_reserved(device) / 2**20 + CUDA_CONTEXT_MIB


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _differs() -> bool:
    """Whether the checkout differs from its commit; True where git does not say."""
    # Changes below results/ do not count: after one suite is published, the next one still runs on this commit.
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!results")
    if changed != "":
        return True
    # Of all folders this would walk through data and environments too, and it is asked for every grid.
    return _git("ls-files", "--others", "--exclude-standard", "--", *SOURCES) != ""


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
