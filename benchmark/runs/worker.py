"""One run, from its job to its record. Executors decide where this runs."""

from __future__ import annotations

import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from benchmark import plugin_files
from benchmark.grid.job import Job
from benchmark.runs import kept_model
from benchmark.runs.assemble import assemble
from benchmark.runs.executors.base import OnEpoch, OnPhase
from benchmark.runs.failures import Cause, cause_of
from benchmark.runs.prepare import Skipped
from benchmark.runs.recording import header, predictions, summary, trained_record, write_failure
from benchmark.runs.train import train
from benchmark.store import kept, schema
from benchmark.store.atomic import StoreError
from benchmark.store.curve import rounded
from benchmark.store.provenance import gpu_memory_mib, peak_memory_mib
from benchmark.store.store import Store


@dataclass(frozen=True)
class Outcome:
    """How a run ended: ok, diverged, skipped or failed; `summary` is one short line for people."""

    state: str
    summary: str
    cause: Cause | None = None
    """Of a failure."""


def run_one(
    job: Job,
    store: Store,
    on_epoch: OnEpoch = lambda done, total: None,
    on_phase: OnPhase = lambda what: None,
) -> Outcome:
    """Trains one run and writes its record. A failure is recorded too; StoreError alone is raised."""
    started = time.perf_counter()
    try:
        record = _record(job, store, on_epoch, on_phase)
        record["timing"]["total_seconds"] = time.perf_counter() - started
        record["timing"]["peak_memory_mib"] = peak_memory_mib()
        if record["state"] != "skipped" and job.options.device.startswith("cuda"):
            record["timing"]["gpu_memory_mib"] = gpu_memory_mib(job.options.device)
        record["timing"] = {name: rounded(value, 4) for name, value in record["timing"].items()}
        if fault := schema.fault(record):
            raise AssertionError(f"the engine made a record that {fault}")
    except StoreError:
        raise
    except Exception as error:
        cause = cause_of(error)
        write_failure(job, store, type(error).__name__, str(error), cause, traceback.format_exc())
        return Outcome("failed", f"{type(error).__name__}: {error}".split("\n")[0], cause)
    store.write(record)
    with suppress(OSError):  # the run has ended, whatever the disk does now
        store.checkpoint(job.spec.id).unlink(missing_ok=True)
    return Outcome(record["state"], summary(record))


def _record(job: Job, store: Store, on_epoch: OnEpoch, on_phase: OnPhase) -> dict[str, Any]:
    try:
        plugins = assemble(job)
        run = train(plugins, job.spec, job.options, store, on_epoch, on_phase)
        plugin_files.check_imported(job.sources)
    except Skipped as reason:
        return header(job) | {"state": "skipped", "reason": str(reason), "timing": {}}
    if not run.progress.diverged:  # before the record, so that a finished run has its files
        if job.options.keep != "none":
            kept.write_predictions(store, job.spec.id, predictions(run))
        if job.options.keep == "model":
            kept_model.write(run, plugins, job, store)
    return header(job, run.prepared.classes) | trained_record(run)
