"""Runs on a cluster: in tasks, whose results this process sees through the results folder alone.

Claims say which runs are at work and how far they are, records and failures how they ended. The cluster is asked only
which tasks have ended, so that a run whose task gave nothing counts as lost. A look costs as much as there is at work,
however many runs wait.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self

from benchmark.grid.job import Job
from benchmark.runs.executors import tasks
from benchmark.runs.executors.base import Event
from benchmark.runs.executors.tasks import Submitted, Task
from benchmark.runs.failures import PASSING, RETRY_SECONDS, Cause
from benchmark.runs.recording import summary, write_failure
from benchmark.store import cancelling, claims
from benchmark.store.content import Record
from benchmark.store.readable import present
from benchmark.store.store import Contents, Store, attempt_of

LOOK_SECONDS = 0.5
"""Least time between two looks at the results folder."""
LOOK_SHARE = 0.1
"""Most of this process's time that looking may take, while no look takes longer than a second."""
LOOK_MOST_SECONDS = 10.0
"""Longest time between two looks: one that finds thousands of new records takes long, and the next one would find still
more."""


@dataclass(frozen=True)
class Ended:
    """A task that is not carried out any more."""

    spec: Path
    reason: str = ""
    """Why, as the cluster says."""
    cancelled: bool = False
    """Somebody wanted it so."""


class Cluster(Protocol):
    """What carries tasks out."""

    name: str

    @property
    def most_tasks(self) -> int:
        """Of one submission."""

    def at_a_time(self) -> int:
        """Tasks that may well run at a time; 1 where nothing is known of it."""

    def queued(self) -> Mapping[Path, Submitted]:
        """Spec files of the tasks, of this results folder and whoever submitted them, that wait or are at work."""

    def launch(self, submitted: Submitted) -> None:
        """Takes the tasks of a submission on. Raises a NoisybenchError where it refuses them."""

    def ended(self) -> list[Ended]:
        """Those of the tasks that were queued or launched which have ended since the last call."""

    def cancel(self, specs: Collection[Path]) -> None:
        """Stops tasks, and takes those that wait off the queue."""

    def close(self) -> None:
        """Frees what dies with this process."""


@dataclass
class Open:
    """A task with runs that have not ended."""

    submitted: Submitted
    jobs: dict[str, Job] = field(default_factory=dict)


@dataclass(frozen=True)
class Shape:
    """What tasks are made of."""

    slots: int | Literal["auto"] = 1
    """Runs at a time of a task."""
    bundle: int | None = None
    """Runs per task; None: as many as take some minutes."""
    timeout: float | None = None
    """Seconds per run."""
    max_failures: int | None = None


class Remote:
    """An executor: see `base.Executor`."""

    def __init__(
        self,
        store: Store,
        cluster: Cluster,
        shape: Shape = Shape(),
        *,
        recorded: Collection[str] = (),
        seconds: Mapping[str, float | None] | None = None,
        on_submit: Callable[[Sequence[Submitted], Mapping[str, int]], None] = lambda launched, adopted: None,
    ) -> None:
        """`recorded`: runs that are made although they have a record. `seconds`: run id -> expected length. `on_submit`
        hears what was launched, and of how many runs other submissions (by name) are followed instead."""
        self.store = store
        self.cluster = cluster
        self.shape = shape
        self.before = cancelling.made(store.folder)
        self.recorded = {run_id: tasks.digest_of(store, run_id) or "" for run_id in recorded}
        self.seconds = seconds or {}
        self.open: dict[Path, Open] = {}
        self.task_of: dict[str, Path] = {}
        self.at_work: set[Path] = set()
        """Tasks of which a run has been at work."""
        self.on_submit = on_submit
        self.launched: list[Submitted] = []
        self._running: dict[str, tuple[int, claims.Holder]] = {}
        """Run id -> slot of its progress, and what its claim said last."""
        self._events: list[Event] = []
        self._next_look = 0.0

    def submit(self, jobs: Sequence[Job]) -> None:
        if not jobs:
            return
        recorded = self.store.finished()
        rest, adopted = self._adopt([job for job in jobs if job.spec.id not in recorded or not self._made(job)])
        before = len(self.launched)
        if rest:
            self._launch(rest)
        self.on_submit(self.launched[before:], adopted)

    def _launch(self, jobs: Sequence[Job]) -> None:
        parts = tasks.bundles(jobs, self.seconds, size=self.shape.bundle, at_a_time=self.cluster.at_a_time())
        most = self.cluster.most_tasks
        for start in range(0, len(parts), most):
            specs = [self._task(part) for part in parts[start : start + most]]
            submitted = tasks.write(self.store, specs, self.cluster.name)
            try:
                self.cluster.launch(submitted)
            except BaseException:
                tasks.discard(submitted)
                raise
            self.launched.append(submitted)
            for spec, part in zip(submitted.specs(), parts[start:], strict=False):
                self._follow(spec, submitted, part)

    def poll(self, seconds: float) -> list[Event]:
        if not self._events:
            time.sleep(max(0.0, min(seconds, self._next_look - time.monotonic())))
        started = time.monotonic()
        if started >= self._next_look:
            self._look()
            took = time.monotonic() - started
            self._next_look = time.monotonic() + min(max(LOOK_SECONDS, took / LOOK_SHARE), LOOK_MOST_SECONDS)
        events, self._events = self._events, []
        return events

    def cancel(self) -> None:
        self.cluster.cancel(list(self.open))
        self.open.clear()
        self.at_work.clear()
        self.task_of.clear()
        self._running.clear()

    def logs(self, run_id: str) -> list[Path]:
        own = self.store.log(run_id)
        return [*([own] if own.exists() else []), *tasks.logs(self.store, run_id)]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cluster.close()

    def _task(self, jobs: Sequence[Job]) -> Task:
        return Task(
            # Their provenance is that of the machine which carries them out.
            jobs=tuple(job.model_copy(update={"provenance": {}}) for job in jobs),
            recorded={job.spec.id: self.recorded[job.spec.id] for job in jobs if job.spec.id in self.recorded},
            slots=self.shape.slots,
            timeout=self.shape.timeout,
            max_failures=self.shape.max_failures,
        )

    def _made(self, job: Job) -> bool:
        """Whether the run has been made since it was planned, which is told."""
        run_id = job.spec.id
        record = None if self._is_old(run_id, self.recorded) else self.store.read(run_id)
        if record is None:
            return False
        self._events.append(Event("end", -1, job, state=record["state"], summary="(made by another process)"))
        return True

    def _adopt(self, jobs: Sequence[Job]) -> tuple[list[Job], Counter[str]]:
        """Follows those of `jobs` that are in queued tasks; returns the others, and of each submission how many."""
        adopted: Counter[str] = Counter()
        wanted = {job.spec.id: job for job in jobs}
        for spec, submitted in self.cluster.queued().items():
            runs = submitted.content.runs[int(spec.stem)]
            found = [wanted.pop(run_id) for run_id in runs if run_id in wanted]
            if found:
                self._follow(spec, submitted, found)
                adopted[submitted.name] += len(found)
        return list(wanted.values()), adopted

    def _follow(self, spec: Path, submitted: Submitted, jobs: Sequence[Job]) -> None:
        open_task = self.open.setdefault(spec, Open(submitted))
        for job in jobs:
            open_task.jobs[job.spec.id] = job
            self.task_of[job.spec.id] = spec

    def _look(self) -> None:
        self._hear_claims()
        ended = {one.spec: one for one in self.cluster.ended() if one.spec in self.open}
        concerned = self.at_work | ended.keys()
        if not concerned:
            return
        failures = self.store.last_attempts({run_id for spec in concerned for run_id in self.open[spec].jobs})
        for spec in concerned:
            self._collect(spec, failures, ended.get(spec))

    def _hear_claims(self) -> None:
        """Tells which runs are at work, and how far they are."""
        held = set()
        for holder in claims.held(self.store.folder):
            run_id = holder.run
            spec = self.task_of.get(run_id)
            if spec is None:
                continue
            held.add(run_id)
            self.at_work.add(spec)
            job = self.open[spec].jobs[run_id]
            if run_id not in self._running:
                slot = self._free_slot()
                self._running[run_id] = (slot, claims.Holder(run_id))
                self._events.append(Event("start", slot, job))
            slot, known = self._running[run_id]
            if holder.doing and holder.doing != known.doing:
                self._events.append(Event("phase", slot, job, summary=holder.doing))
            elif holder.epoch != known.epoch:
                self._events.append(Event("epoch", slot, job, done=holder.epoch, total=holder.epochs))
            self._running[run_id] = (slot, holder)
        for run_id in self._running.keys() - held:
            del self._running[run_id]

    def _free_slot(self) -> int:
        taken = {slot for slot, _ in self._running.values()}
        return next(slot for slot in range(len(taken) + 1) if slot not in taken)

    def _collect(self, spec: Path, failures: Mapping[str, Path], ended: Ended | None) -> None:
        """Tells which runs of a task have ended. Of a task that has ended itself all have, in one way or another."""
        task = self.open[spec]
        for run_id, job in list(task.jobs.items()):
            event = self._of_record(job, task, ended) or self._of_failure(job, task, failures, ended)
            if event is None and ended is not None:
                event = self._lost(job, ended)
            if event is not None:
                self._events.append(event)
                self._running.pop(run_id, None)
                del task.jobs[run_id], self.task_of[run_id]
        if not task.jobs:
            del self.open[spec]
            self.at_work.discard(spec)

    def _slot(self, job: Job) -> int:
        return self._running[job.spec.id][0] if job.spec.id in self._running else -1

    def _of_record(self, job: Job, task: Open, ended: Ended | None) -> Event | None:
        run_id = job.spec.id
        # A record may be moved into a segment meanwhile: it is looked for there when its task has ended.
        if not (present(self.store.run_path(run_id)) or (ended and self.store.has(run_id))):
            return None
        if self._is_old(run_id, task.submitted.content.recorded):
            return None
        record = self.store.read(run_id)
        return None if record is None else self._ok(job, record)

    def _ok(self, job: Job, record: Record) -> Event:
        seconds = record["timing"].get("total_seconds", 0.0)
        return Event("end", self._slot(job), job, state=record["state"], summary=summary(record), seconds=seconds)

    def _of_failure(self, job: Job, task: Open, failures: Mapping[str, Path], ended: Ended | None) -> Event | None:
        path = failures.get(job.spec.id)
        attempts = attempt_of(path) - task.submitted.content.attempts.get(job.spec.id, 0) if path else 0
        if path is None or attempts <= 0:
            return None
        read = self.store.read_loose(path, Contents())
        if read is None:
            return None
        error = read[0]["error"]
        cause: Cause | None = error.get("cause")
        if cause in PASSING and ended is None:
            return None  # the task tries again
        message = f"{error['class']}: {error['message']}".split("\n")[0]
        given_up = attempts > len(RETRY_SECONDS) or (ended is not None and ended.cancelled)
        return Event("end", self._slot(job), job, state="failed", cause=cause, summary=message, given_up=given_up)

    def _lost(self, job: Job, ended: Ended) -> Event:
        if ended.cancelled or cancelling.is_cancelled(self.store.folder, job.spec.id, self.before):
            return Event("end", self._slot(job), job, state="cancelled", summary="its task was cancelled")
        message = f"its task ended without a result{f' ({ended.reason})' if ended.reason else ''}"
        if last := _last_line(tasks.log_of(ended.spec)):
            message += f"; the task's last words: {last}"
        write_failure(job, self.store, "Lost", message, "lost")
        return Event("end", self._slot(job), job, state="failed", cause="lost", summary=f"Lost: {message}")

    def _is_old(self, run_id: str, recorded: Mapping[str, str]) -> bool:
        """Whether the record of a run is the one in spite of which it is made."""
        return run_id in recorded and tasks.digest_of(self.store, run_id) == recorded[run_id]


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1].strip()[:300] if lines else ""
