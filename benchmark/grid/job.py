"""A run spec with everything that a worker needs to carry it out on some machine."""

from __future__ import annotations

from typing import Any, Literal

from backbones.settings import Settings
from benchmark.grid.spec import RunSpec


class Options(Settings):
    """How a run is carried out. No option may change a number beyond the stated tolerance of hardware."""

    results: str
    """Absolute path of the results folder."""
    data_root: str
    """Absolute path of the folder of downloaded data sets."""
    device: str = "cpu"
    threads: int = 1
    keep: Literal["none", "predictions", "model"] = "none"
    allow_unidentifiable: bool = False
    """Allow noise whose T is not diagonally dominant."""
    checkpoint_seconds: float = 30.0
    """Least time between two checkpoints; 0: at every epoch's end."""


class Job(Settings):
    """One run to carry out. The worker unpacks it; the functions that it calls take only what they use."""

    spec: RunSpec
    options: Options
    files: dict[str, str] = {}
    """Content digest -> absolute path, for every digest in the spec that stands for a file or folder."""
    sources: dict[str, str] = {}
    """Absolute path -> content digest of the source files of its plugins, as they were when the grid was started."""
    plugins: tuple[str, ...] = ()
    """Plugin files, absolute."""
    label: str = ""
    """Short name for people, once in its grid: see `run_labels`."""
    labels: dict[str, str] = {}
    """Names for people: data set, suite."""
    provenance: dict[str, Any] = {}
