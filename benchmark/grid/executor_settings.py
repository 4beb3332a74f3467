"""What a suite or a command line may say of the place where runs are carried out. Never part of a run's identity."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from backbones.settings import Settings

OWN_SBATCH_OPTIONS = ("array", "chdir", "job-name", "open-mode", "output", "parsable", "requeue", "signal", "wrap")
"""Options of sbatch that noisybench sets itself."""


def _like(pattern: str, expected: str) -> Callable[[str], str]:
    """A check: what matches can stand in a line of a batch script, whose parser knows quotes and blanks."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"expected {expected}")
        return text

    return check


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _sbatch_option(text: str) -> str:
    found = re.fullmatch(r"--([a-z][a-z-]*)(=[^\s\"'\\#]+)?", text)
    if not found:
        raise ValueError("expected a long option of sbatch without blanks and quotes, such as --exclude=n7")
    if found[1] in OWN_SBATCH_OPTIONS:
        raise ValueError(f"noisybench sets --{found[1]} itself; leave it out")
    return text


Name = Annotated[str, AfterValidator(_like(r"[\w.,:@+-]+", "a name as Slurm knows it, without blanks"))]
Feature = Annotated[str, AfterValidator(_like(r"[\w.,:@+&|*()\[\]-]+", "features of nodes, such as a100|h100"))]
Gres = Annotated[
    str, AfterValidator(_like(r"[\w.-]+(:[\w.-]+)*(,[\w.-]+(:[\w.-]+)*)*", "gpu:1, gpu:a100:1 or shard:2"))
]
Time = Annotated[
    str,
    BeforeValidator(_as_text),
    AfterValidator(_like(r"\d+|(\d+-)?\d+(:\d+){1,2}|\d+-\d+", "minutes, or HOURS:MINUTES:SECONDS, or DAYS-HOURS")),
]
Memory = Annotated[
    str, BeforeValidator(_as_text), AfterValidator(_like(r"\d+[KMGT]?", "a number of megabytes, or one such as 16G"))
]
SbatchOption = Annotated[str, AfterValidator(_sbatch_option)]


class SlurmSettings(Settings):
    """The table [executor.slurm] of a suite: what every task asks of Slurm. Absent: the site's default."""

    partition: Name | None = None
    account: Name | None = None
    qos: Name | None = None
    constraint: Feature | None = None
    time: Time | None = None
    """Time limit of a task. At the limit it goes on in a new one, from the checkpoint of its run."""
    memory: Memory | None = None
    """Of the node, for a task."""
    cpus: int | None = Field(None, ge=1)
    """Of a task; absent: as many as it has threads at a time."""
    gres: Gres | None = None
    """GPUs of a task: "gpu:1", or "shard:N" where several tasks share one."""
    at_a_time: int | None = Field(None, ge=1)
    """Most tasks of a submission that run at a time."""
    sbatch: list[SbatchOption] = []
    """Further options of sbatch: ["--exclude=n7", "--reservation=night"]."""

    @property
    def has_gpu(self) -> bool:
        return self.gres is not None and any(name in self.gres for name in ("gpu", "shard"))

    def with_gpu(self) -> SlurmSettings:
        return self if self.has_gpu else self.model_copy(update={"gres": ",".join(filter(None, [self.gres, "gpu:1"]))})


class RaySettings(Settings):
    """The table [executor.ray] of a suite: which cluster, and what every task takes of it."""

    address: str | None = Field(None, min_length=1)
    """HOST:PORT, or "auto"; absent: $RAY_ADDRESS, or else a cluster of this machine that ends with the command."""
    cpus: float | None = Field(None, ge=0)
    """Of a task; absent: as many as it has threads at a time."""
    gpus: float | None = Field(None, ge=0)
    """Of a task, 0.25 to let four share one; absent: 1 with a GPU as device, else 0."""

    @property
    def has_gpu(self) -> bool:
        return bool(self.gpus)

    def with_gpu(self) -> RaySettings:
        return self if self.has_gpu else self.model_copy(update={"gpus": 1.0})


class ExecutorSettings(Settings):
    """The tables [executor.NAME] of a suite; the command line chooses the executor and wins over them."""

    slurm: SlurmSettings = SlurmSettings()
    ray: RaySettings = RaySettings()
