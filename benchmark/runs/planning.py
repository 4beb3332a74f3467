"""Decides which jobs of a grid are carried out, after broken records were moved away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from benchmark.grid.job import Job
from benchmark.runs.recording import code_digests
from benchmark.store import kept, leftovers, provenance
from benchmark.store.content import Record
from benchmark.store.store import Broken, Contents, Store

Again: TypeAlias = Literal["failed", "all"]


@dataclass(frozen=True)
class Plan:
    todo: list[Job]
    broken: list[tuple[Broken, Path | None]]
    """Broken files of the results folder, and where each was moved."""
    lacking: dict[str, list[Path]]
    """Id -> files to be kept that are absent, damaged or of an earlier version, of finished runs that run again."""
    recorded: frozenset[str]
    """Those of `todo` that have a record, and are to be made anew."""
    unchanged: list[Job]
    """Runs that are not carried out: they failed in code that is the same today, and would fail again."""


def plan(jobs: Sequence[Job], store: Store, *, again: Again | None = None, move: bool = True) -> Plan:
    """The jobs without a sound record, but for those that failed in code that is the same today.

    With `again` "failed" those too, and those that diverged or were skipped, with "all" all. A finished run whose kept
    files are absent runs again too. `move`: move broken files to the quarantine, so that the runs that are carried out
    write their records anew, and remove what killed processes left. Raises StoreError where a file cannot be read now.
    """
    contents = store.records(("state",))
    for path in store.attempts():
        store.read_loose(path, contents)
    broken = [(file, _moved(file.path, store) if move else None) for file in contents.broken]
    states = {record["id"]: record["state"] for record in contents.records}
    settled = {None: {"ok", "diverged", "skipped"}, "failed": {"ok"}, "all": set[str]()}[again]
    finished = [job for job in jobs if states.get(job.spec.id) in settled]
    lacking = {
        job.spec.id: paths
        for job in finished
        if states[job.spec.id] == "ok" and (paths := kept.lacking(store, job.spec.id, job.options.keep))
    }
    done = {job.spec.id for job in finished} - lacking.keys()
    todo = [job for job in jobs if job.spec.id not in done]
    held: set[str] = set() if again else unchanged(todo, {record["id"]: record for record in store.failures().records})
    same = [job for job in todo if job.spec.id in held]
    todo = [job for job in todo if job.spec.id not in held]
    ids = {job.spec.id for job in todo}
    if move:
        leftovers.sweep(store, ids, finished=states.keys() - ids)
    recorded = frozenset(states) & ids
    return Plan(todo, broken, lacking, recorded, same)


def _moved(path: Path, store: Store) -> Path | None:
    """Where a broken file is now; None where another process has moved it, or has made its run anew meanwhile."""
    if path.suffix == ".json":
        again = Contents()
        store.read_loose(path, again)
        if not again.broken:
            return None
    return store.quarantine(path)


def unchanged(jobs: Sequence[Job], failures: Mapping[str, Record]) -> set[str]:
    """Ids of `jobs` whose last attempt failed in the code of today: the plugins' and the engine's.

    `failures`: run id -> the record of its last failure.
    """
    failed = [job for job in jobs if _in_code(failures.get(job.spec.id))]
    today = provenance.collect() if failed else {}
    if today.get("dirty"):
        return set()  # any change of the engine may have mended them
    return {
        job.spec.id for job in failed if _code(failures[job.spec.id]["provenance"]) == _code(today | code_digests(job))
    }


def _in_code(failure: Record | None) -> bool:
    return failure is not None and failure["error"].get("cause") == "code"


def _code(origin: Mapping[str, Any]) -> list[Any]:
    names = ("noisybench", "commit", "dirty", "libraries", "method_digest", "backbone_digest")
    return [origin.get(name) for name in names]
