"""Hands a grid of very many runs to a real Slurm or Ray, whose tasks train nothing, and follows it to its end."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import orjson

from benchmark.checks.speed.ratios import real_record
from benchmark.grid import suite as suites
from benchmark.grid.executor_settings import RaySettings, SlurmSettings
from benchmark.grid.expand import expand
from benchmark.grid.job import Job, Options
from benchmark.runs import driver
from benchmark.runs.executors.ray import Ray
from benchmark.runs.executors.remote import Cluster, Remote, Shape
from benchmark.runs.executors.slurm import Slurm
from benchmark.runs.planning import plan
from benchmark.store.store import Store
from scripts._scale.simulation import grid, machine

Name = Literal["slurm", "ray"]
BUNDLE = 1_000
"""Runs of a task: a task starts Python, which these runs without training would not outweigh otherwise."""


@dataclass
class Handed:
    """What handing runs to a cluster and following them cost."""

    executor: Name
    runs: int
    tasks: int = 0
    submissions: int = 0
    task_bytes: int = 0
    """Of all spec files and manifests."""
    submit_seconds: float = 0.0
    """By the clock, until the cluster has taken all tasks."""
    driver_seconds: float = 0.0
    """Processor seconds of the driver, submitting included, without the commands of Slurm that it starts."""
    clock: float = 0.0
    """From the first task file to the last record seen."""
    machine: str = ""


class Timed(Remote):
    """Notes how long submitting took."""

    submit_seconds = 0.0

    def submit(self, jobs: Sequence[Job]) -> None:
        started = time.perf_counter()
        super().submit(jobs)
        self.submit_seconds += time.perf_counter() - started


def hand_over(folder: Path, runs: int, name: Name, say: Callable[[str], None]) -> Handed:
    """Leaves the runs in `folder`/results. Raises AssertionError where a run is lost, and a NoisybenchError where the
    cluster is not there."""
    handed = Handed(name, runs, machine=machine(folder))
    record = folder / "real.json"
    record.write_bytes(orjson.dumps(real_record(folder / "real")))
    store = Store(folder / "results")
    store.prepare()
    jobs = expand(suites.build(grid(runs)), Options(results=str(store.folder), data_root=str(folder)))[:runs]
    say(f"{runs:,} runs to {name}")
    worker = (sys.executable, "-m", "scripts._scale.task", str(record))
    executor = Timed(store, _cluster(name, store, worker), Shape(bundle=BUNDLE))
    started, processor = time.perf_counter(), time.process_time()
    states = driver.carry_out(jobs, store, executor, on_event=lambda event: None)
    handed.clock, handed.driver_seconds = time.perf_counter() - started, time.process_time() - processor
    handed.submit_seconds = executor.submit_seconds
    handed.submissions = len(executor.launched)
    for submitted in executor.launched:
        handed.tasks += len(submitted.content.runs)
        handed.task_bytes += sum(path.stat().st_size for path in submitted.folder.glob("*.json"))
    assert len(states) == runs
    assert set(states.values()) == {"ok"}
    assert not plan(jobs, store).todo
    say(f"{handed.clock:.0f} s by the clock, {handed.driver_seconds:.0f} s of a processor for the driver")
    return handed


def _cluster(name: Name, store: Store, worker: Sequence[str]) -> Cluster:
    if name == "slurm":
        return Slurm(store, SlurmSettings(), title="a simulation", cpus=1, worker=worker)
    return Ray(RaySettings(), cpus=1, worker=worker)
