"""Decides which jobs of a grid are carried out, after broken records were moved away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from benchmark.grid.job import Job
from benchmark.store import kept
from benchmark.store.store import Broken, Store

Again: TypeAlias = Literal["failed", "all"]


@dataclass(frozen=True)
class Plan:
    todo: list[Job]
    broken: list[tuple[Broken, Path | None]]
    """Broken files of the results folder, and where each was moved."""
    lacking: dict[str, list[Path]]
    """Id -> files to be kept that are absent, damaged or of an earlier version, of finished runs that run again."""


def plan(jobs: Sequence[Job], store: Store, *, again: Again | None = None, move: bool = True) -> Plan:
    """The jobs without a sound record. With `again` "failed" also those that diverged or were skipped, with "all" all.

    A finished run whose kept files are absent runs again too. `move`: move broken files to the quarantine, so that
    the runs that are carried out write their records anew. Raises StoreError where a file cannot be read now.
    """
    contents = store.records(("state",))
    for path in store.attempts():
        store.read_loose(path, contents)
    broken = [(file, store.quarantine(file.path) if move else None) for file in contents.broken]
    states = {record["id"]: record["state"] for record in contents.records}
    settled = {None: {"ok", "diverged", "skipped"}, "failed": {"ok"}, "all": set[str]()}[again]
    finished = [job for job in jobs if states.get(job.spec.id) in settled]
    lacking = {
        job.spec.id: paths
        for job in finished
        if states[job.spec.id] == "ok" and (paths := kept.lacking(store, job.spec.id, job.options.keep))
    }
    done = {job.spec.id for job in finished} - lacking.keys()
    return Plan([job for job in jobs if job.spec.id not in done], broken, lacking)
