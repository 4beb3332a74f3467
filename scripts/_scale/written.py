"""An executor that trains nothing: it claims each run and writes a record like that of a real one."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from benchmark.checks.speed.fake_records import shaken
from benchmark.grid.job import Job
from benchmark.runs.executors.base import Event
from benchmark.runs.recording import header
from benchmark.store import claims, schema
from benchmark.store.store import Store

SHAKEN = ("metrics", "timing", "curve")
VARIANTS = 512
"""Different figures: more than a compressor keeps in sight, so that segments are as large as those of real records."""


class Written:
    """An executor: see `runs.executors.base.Executor`."""

    def __init__(self, store: Store, real: Mapping[str, Any]) -> None:
        """`real`: the record of a real run, whose figures are changed at random for every run."""
        self.store = store
        self.real = real
        self.queue: deque[Job] = deque()
        generator = np.random.default_rng(0)
        self.variants = [{name: shaken(real[name], generator) for name in SHAKEN} for _ in range(VARIANTS)]
        self.seconds = 0.0
        """Processor seconds in `poll`: the rest is the driver's."""

    def submit(self, jobs: Sequence[Job]) -> None:
        self.queue.extend(jobs)

    def poll(self, seconds: float) -> list[Event]:
        """Ends one run, as a driver of long runs sees them end."""
        if not self.queue:
            return []
        started = time.process_time()
        job = self.queue.popleft()
        claim = claims.take(self.store.folder, job.spec.id)
        if claim is None:
            raise AssertionError(f"somebody else has claimed {job.spec.id}")
        claim.beat(epoch=1, epochs=job.spec.training.epochs)
        self.store.write(self.record(job))
        claim.release()
        took = time.process_time() - started
        self.seconds += took
        return [Event("start", 0, job), Event("end", 0, job, state="ok", seconds=took)]

    def record(self, job: Job) -> dict[str, Any]:
        changed = self.variants[int(job.spec.id, 16) % VARIANTS]
        record = {**self.real, **changed, **header(job, self.real["provenance"]["labels"]["classes"])}
        if not self.seconds:
            schema.check(record, "a record made for measuring")
        return record

    def cancel(self) -> None:
        self.queue.clear()

    def logs(self, run_id: str) -> list[Path]:
        return []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()
