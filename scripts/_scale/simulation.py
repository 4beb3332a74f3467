"""Carries out a grid of very many runs with the real planning, driver and store, and times each step."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from benchmark.checks.health.place import file_system
from benchmark.checks.speed.ratios import real_record
from benchmark.grid import suite as suites
from benchmark.grid.expand import expand
from benchmark.grid.job import Job, Options
from benchmark.registry import METHODS
from benchmark.runs import driver, order
from benchmark.runs.planning import plan
from benchmark.store import compaction, provenance
from benchmark.store.provenance import peak_memory_mib
from benchmark.store.store import Store
from scripts._scale.written import Written

T = TypeVar("T")

RATES = tuple(f"{0.02 * k:.2f}" for k in range(1, 21))
MOST_METHODS = 50


@dataclass
class Measured:
    """What each step took, and what lay on disk."""

    runs: int
    seconds: dict[str, float] = field(default_factory=dict)
    """Processor seconds, of all processes: on a machine that others use too they say more than those of a clock."""
    clock: dict[str, float] = field(default_factory=dict)
    driven: int = 0
    """Runs that were carried out."""
    driver_seconds: float = 0.0
    """Of driving, the driver's own part: without claims and records."""
    record_bytes: int = 0
    """Of all loose record files."""
    segments: int = 0
    segment_bytes: int = 0
    machine: str = ""
    memory_mib: float = 0.0
    """The most that this process has held, which also trains a run and compacts."""

    @contextmanager
    def timed(self, step: str, say: Callable[[str], None]) -> Iterator[None]:
        started, processor = time.perf_counter(), processor_seconds()
        yield
        self.clock[step] = time.perf_counter() - started
        self.seconds[step] = processor_seconds() - processor
        say(f"{step}: {self.seconds[step]:.1f} s of a processor, {self.clock[step]:.1f} s by the clock")


def processor_seconds() -> float:
    """Of this process and of its children that have ended."""
    return sum(os.times()[:4])


def grid(runs: int) -> dict[str, Any]:
    """A suite of at least `runs` runs: methods x rates x seeds on the digits that come with scikit-learn."""
    cards = {entry.name: METHODS.load(entry.name).card for entry in METHODS.entries()}
    blind = [name for name, card in cards.items() if {"noise_rate"} >= {*card.needs}]
    methods = blind[:MOST_METHODS]
    seeds = math.ceil(runs / (len(methods) * len(RATES)))
    return {
        "datasets": ["digits"],
        "methods": methods,
        "noise": [f"symmetric:{','.join(RATES)}"],
        "seeds": seeds,
        "recipe": {"epochs": 10},
    }


def simulate(folder: Path, measured: Measured, say: Callable[[str], None]) -> None:
    """Fills `measured` step by step and leaves the runs in `folder`/results. Raises AssertionError where a run is lost
    or counted twice."""
    runs = measured.runs
    measured.machine = machine(folder)
    real = real_record(folder / "real")
    store = Store(folder / "results")
    store.prepare()
    suite = suites.build(grid(runs))
    suite_file = folder / "grid.toml"
    suite_file.write_text(_toml(grid(runs)), encoding="utf-8")
    options = Options(results=str(store.folder), data_root=str(folder))
    with measured.timed("expand", say):
        jobs = expand(suite, options)[:runs]
    with measured.timed("plan", say):
        planned = plan(jobs, store)
    with measured.timed("check", say):
        driver.check(planned.todo, store, on_fetch=None, say=lambda text: None, of=len(jobs))
    with measured.timed("order", say):
        order.ordered(planned.todo, store)
    half = planned.todo[: runs // 2]
    with measured.timed("drive the first half", say):
        _drive(half, store, real, measured)
    with measured.timed("plan the second half", say):
        planned = plan(jobs, store)
    assert {job.spec.id for job in planned.todo} == {job.spec.id for job in jobs[runs // 2 :]}
    measured.record_bytes = sum(path.stat().st_size for path in store.loose()) * 2
    _commands(measured, "loose, half", store, suite_file, say)
    with measured.timed("compact the first half", say):
        compaction.compact(store)
    with measured.timed("drive the second half", say):
        _drive(planned.todo, store, real, measured)
    with measured.timed("compact the second half", say):
        compaction.compact(store)
    with measured.timed("plan a finished grid", say):
        planned = plan(jobs, store)
    assert not planned.todo
    assert len(store.records(("state",)).records) == runs
    segments = store.segments()
    measured.segments, measured.segment_bytes = len(segments), sum(path.stat().st_size for path in segments)
    _commands(measured, "compacted", store, suite_file, say)
    measured.memory_mib = peak_memory_mib() or 0.0


def machine(folder: Path) -> str:
    hardware = provenance.collect()["hardware"]
    return f"{hardware['processor']}, {hardware['cores']} cores, results on {file_system(folder) or 'an unknown disk'}"


def _drive(jobs: list[Job], store: Store, real: Any, measured: Measured) -> None:
    executor = Written(store, real)
    started = processor_seconds()
    states = driver.carry_out(jobs, store, executor, on_event=lambda event: None)
    assert len(states) == len(jobs)
    measured.driver_seconds += processor_seconds() - started - executor.seconds
    measured.driven += len(jobs)


def _commands(measured: Measured, when: str, store: Store, suite_file: Path, say: Callable[[str], None]) -> None:
    """What a user types, each in a process of its own."""
    for name, arguments in (
        ("status", ("status",)),
        ("status of the suite", ("status", str(suite_file))),
        ("table", ("table", "--rule", "last")),
    ):
        with measured.timed(f"{name} ({when})", say):
            done = subprocess.run(
                [sys.executable, "-m", "noisybench", *arguments, "--results", str(store.folder)],
                capture_output=True,
                text=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
        assert done.returncode == 0, done.stderr


def _toml(suite: dict[str, Any]) -> str:
    lines = [f"{key} = {value!r}".replace("'", '"') for key, value in suite.items() if key != "recipe"]
    return "\n".join([*lines, "[recipe]", *(f"{key} = {value}" for key, value in suite["recipe"].items()), ""])
