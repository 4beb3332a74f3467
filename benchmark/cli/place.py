"""Where a grid is carried out: `--executor NAME:KEY=VALUE`, over the table [executor.NAME] of its suite."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import click

from benchmark.errors import UsageError

if TYPE_CHECKING:
    from benchmark.grid.executor_settings import ExecutorSettings, RaySettings, SlurmSettings
    from benchmark.grid.suite import Suite
    from benchmark.runs.executors.packing import Packing
    from benchmark.store.store import Store

    ClusterSettings: TypeAlias = SlurmSettings | RaySettings

NAMES = ("local", "slurm", "ray")


def executor_options(command: Callable[..., Any]) -> Callable[..., Any]:
    options: list[Callable[..., Any]] = [
        click.option(
            "--executor",
            default="local",
            metavar="NAME[:KEY=VALUE,...]",
            help="Where runs are carried out: local, slurm:partition=gpu,time=2:00:00 or ray:gpus=0.25; see "
            "docs/clusters.md.  [default: local]",
        ),
        click.option("--address", metavar="HOST:PORT", help="Of the Ray cluster.  [default: one of this machine]"),
        click.option(
            "--bundle",
            type=click.IntRange(1),
            metavar="N",
            help="Runs per task of a cluster.  [default: as many as take some minutes]",
        ),
        click.option("--wait", is_flag=True, help="After submitting to Slurm, follow the runs until they have ended."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@dataclass(frozen=True)
class Place:
    """Where runs are carried out, and on which device."""

    executor: str
    devices: str
    """As typed: cuda:0,1."""
    device: str
    """Of a job."""
    slots: int | Literal["auto"] | None
    threads: int
    settings: ClusterSettings | None = None
    """What tasks ask of a cluster; None on this machine."""
    bundle: int | None = None

    def packing(self, store: Store) -> Packing:
        """How runs share the devices of this machine."""
        from benchmark.cli.machine import packing_of

        return packing_of(self.devices, self.slots, self.threads, store)

    @property
    def cpus(self) -> int:
        """Of a task, unless the settings say otherwise."""
        return self.threads * (self.slots if isinstance(self.slots, int) else 1)

    def limit(self, store: Store) -> int:
        """Runs at a time; 1 where that is the cluster's affair."""
        return 1 if self.settings else self.packing(store).limit


def place_of(options: dict[str, Any], suite: Callable[[], Suite]) -> Place:
    """What the options say, over what the suite says. Raises UsageError."""
    from benchmark.cli.machine import device_names

    name, _, text = options["executor"].partition(":")
    typed, slots, threads = options["device"], options["slots"], options["threads"]
    if name not in NAMES:
        raise UsageError(f"--executor {name!r}: expected one of {', '.join(NAMES)}, such as slurm:partition=gpu")
    if options["address"] is not None and name != "ray":
        raise UsageError("--address is that of a Ray cluster; expected with --executor ray")
    if name == "local":
        if text:
            raise UsageError(f"--executor local has no options, given {text!r}; --slots says how many runs at a time")
        for option in ("wait", "bundle"):
            if options[option]:
                raise UsageError(f"--{option} is for runs on a cluster; expected with --executor slurm or ray")
        return Place(name, typed, device_names(typed)[0], slots, threads)
    settings = _settings(name, text, options["address"], suite().executor)
    if typed not in ("auto", "cpu", "cuda"):
        raise UsageError(f"--device {typed}: the cluster chooses the GPU of a task; expected auto, cpu or cuda")
    on_gpu = typed == "cuda" or (typed == "auto" and settings.has_gpu)
    device = "cuda" if on_gpu else "cpu"
    return Place(
        name, device, device, slots or 1, threads, settings.with_gpu() if on_gpu else settings, options["bundle"]
    )


def _settings(name: str, text: str, address: str | None, of_suite: ExecutorSettings) -> ClusterSettings:
    from pydantic import ValidationError

    from benchmark.grid.faults import SuiteError, faults_of
    from benchmark.option_text import read_text

    base: ClusterSettings = getattr(of_suite, name)
    fields = type(base).model_fields
    typed, unnamed = read_text(text, fields)
    if unnamed:
        raise UsageError(f"--executor {name}: {unnamed[0]!r} has no name; expected KEY=VALUE of {', '.join(fields)}")
    if address is not None:
        typed["address"] = address
    try:
        return type(base).model_validate({**base.model_dump(exclude_unset=True), **typed})
    except ValidationError as error:
        raise SuiteError(f"--executor {name}", faults_of(error, fields)) from None
