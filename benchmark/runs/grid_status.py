"""How far a grid is: what waits, what is at work, what ended, what failed and why, and when the rest may be done.

Only reads. Claims tell what is at work, records and failures what ended. Imports no torch where no grid is named.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.store import claims
from benchmark.store.claims import STALE_SECONDS, Holder
from benchmark.store.content import Record
from benchmark.store.store import Contents, Store

if TYPE_CHECKING:
    from benchmark.grid.job import Job


@dataclass(frozen=True)
class AtWork:
    """A run that is claimed."""

    holder: Holder
    seconds: float
    """Since it began, by the clocks of its machine and of this one."""
    silent: float
    """Since its last sign of life, by the clocks of the file system and of this machine."""

    @property
    def stale(self) -> bool:
        """Whether its process has ended, or seems to: another one may take the run over."""
        return self.holder.process.ended() or self.silent > STALE_SECONDS


@dataclass(frozen=True)
class Failure:
    run: str
    cause: str
    """See `failures.Cause`; "" where an earlier version of noisybench wrote it."""
    kind: str
    """Class of the exception."""
    message: str
    again: bool | None
    """Whether the next `noisybench run` tries it again; None: if the code that failed has changed since."""


@dataclass(frozen=True)
class Eta:
    """What is left to do."""

    seconds: float
    """With as many runs at a time as are at work now, or one."""
    at_work: int
    unknown: int
    """Runs that are left out, as nothing like them was measured."""


@dataclass(frozen=True)
class GridStatus:
    runs: int
    """Of the grid; of a whole folder, those that it knows of."""
    ended: Counter[str]
    """State (ok, diverged, skipped) -> runs."""
    reasons: list[tuple[str, str, str]]
    """Run, state and reason of those that diverged or were skipped."""
    failures: list[Failure]
    at_work: list[AtWork]
    queued: int
    """Planned, and nobody is at it."""
    eta: Eta | None
    uncounted: list[Contents] = field(default_factory=list)
    """What was read, with the files that do not count."""

    @property
    def over(self) -> bool:
        """Whether no run waits or is at work."""
        return not self.queued and all(one.stale for one in self.at_work)

    @property
    def counts(self) -> dict[str, int]:
        """State -> runs, those that occur."""
        everything = {
            **self.ended,
            "failed": len(self.failures),
            "running": len(self.at_work),
            "queued": self.queued,
        }
        return {state: count for state, count in sorted(everything.items()) if count}


def read(store: Store, jobs: Sequence[Job] | None = None) -> GridStatus:
    """The status of the grid `jobs`, or of all that is in the folder. Raises StoreError where it cannot be read."""
    at_work = _at_work(store.folder)  # before the records: a run that ends meanwhile is in both, not in neither
    contents, attempts = store.records(("state", "reason")), store.failures()
    failed = {record["id"]: record for record in attempts.records}
    ids = None if jobs is None else {job.spec.id for job in jobs}
    records = [record for record in contents.records if ids is None or record["id"] in ids]
    states = {record["id"]: record["state"] for record in records}
    # A run is at work once; one that is carried out again has a record or a failure already.
    claimed = [one for one in at_work if ids is None or one.holder.run in ids]
    running = {one.holder.run for one in claimed}
    ended = Counter(state for run_id, state in states.items() if run_id not in running)
    held = _held(jobs, failed)
    failures = [
        _failure(record, None if jobs is None else run_id not in held)
        for run_id, record in sorted(failed.items())
        if (ids is None or run_id in ids) and run_id not in running
    ]
    left = [] if jobs is None else [job for job in jobs if job.spec.id not in states and job.spec.id not in failed]
    queued = [job for job in left if job.spec.id not in running]
    return GridStatus(
        runs=ended.total() + len(failures) + len(running) if jobs is None else len(ids or ()),
        ended=ended,
        reasons=[
            (record["id"], record["state"], record["reason"])
            for record in records
            if record["state"] in ("diverged", "skipped")
        ],
        failures=failures,
        at_work=claimed,
        queued=len(queued),
        eta=None if jobs is None else _eta(jobs, queued, claimed, store),
        uncounted=[contents, attempts],
    )


def _at_work(folder: Path) -> list[AtWork]:
    now = time.time()
    found = []
    for holder in claims.held(folder):
        try:
            beat = claims.place(folder, holder.run).stat().st_mtime
        except OSError:
            continue  # it has ended meanwhile
        began = now - holder.started if holder.started else 0.0
        found.append(AtWork(holder, max(0.0, began), max(0.0, now - beat)))
    return sorted(found, key=lambda one: (one.holder.host, one.holder.started))


def _held(jobs: Sequence[Job] | None, failed: Mapping[str, Record]) -> set[str]:
    if jobs is None or not failed:
        return set()
    from benchmark.runs.planning import unchanged

    return unchanged(jobs, failed)


def _failure(record: Record, again: bool | None) -> Failure:
    error = record["error"]
    cause = error.get("cause", "")
    return Failure(
        record["id"],
        cause,
        error["class"],
        error["message"],
        again if cause == "code" else True,
    )


def _eta(jobs: Sequence[Job], queued: Sequence[Job], at_work: Sequence[AtWork], store: Store) -> Eta | None:
    """None where nothing is left, or nothing of it was measured."""
    from benchmark.runs.order import expected_seconds

    live = {one.holder.run: one for one in at_work if not one.stale}
    waiting = [*queued, *(job for job in jobs if job.spec.id in {one.holder.run for one in at_work} - live.keys())]
    if not waiting and not live:
        return None
    expected = expected_seconds(jobs, store)
    running = [_left(one, expected[run_id]) for run_id, one in live.items()]
    known = [seconds for job in waiting if (seconds := expected[job.spec.id]) is not None]
    left = [seconds for seconds in running if seconds is not None]
    if not known and not left:
        return None
    # No division into slots is faster than the longest run that is left.
    seconds = max(sum([*known, *left]) / max(1, len(live)), *left, *known)
    return Eta(seconds, len(live), len(waiting) + len(live) - len(known) - len(left))


def _left(one: AtWork, expected: float | None) -> float | None:
    """Seconds until a run at work ends: by its epochs where it has some, else by what runs of its kind take."""
    done, total = one.holder.epoch, one.holder.epochs
    if expected is not None:
        return expected * (1 - done / total) if total else max(0.0, expected - one.seconds)
    return one.seconds / done * (total - done) if done else None
