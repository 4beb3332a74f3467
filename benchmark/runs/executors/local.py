"""Runs on this machine: one process per run.

A small loop over `multiprocessing.connection.wait` rather than a pool: it sees each worker's exit and its
epoch-by-epoch progress on the same wait, and a worker that is killed fails only its own run.
"""

from __future__ import annotations

import itertools
import signal
import time
from collections import deque
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmark.grid.job import Job
from benchmark.runs.executors import child
from benchmark.runs.executors.base import Event
from benchmark.runs.executors.packing import Device, Packing
from benchmark.runs.executors.workers import END_SECONDS, Worker, Workers
from benchmark.runs.failures import Cause, cause_of
from benchmark.store import atomic, cancelling, claims
from benchmark.store.atomic import StoreError
from benchmark.store.content import Record
from benchmark.store.store import Store

SILENT_SECONDS = 6 * claims.BEAT_SECONDS
"""A worker that says nothing for so long was stopped, or hangs where not even its second thread can run."""
OTHERS_SECONDS = 1.0
"""Between two looks at the runs that other processes carry out."""


@dataclass(eq=False)
class Running:
    job: Job
    slot: int
    worker: Worker
    started: float = field(default_factory=time.monotonic)
    heard: float = field(default_factory=time.monotonic)
    oom_kills: int = field(default_factory=lambda: _oom_kills())
    """Processes of this machine that the kernel had killed for want of memory when the run started."""
    ended: child.Ending | None = None
    stopped: tuple[Cause, str, str] | None = None
    """Why this process killed it: cause, the failure's class, and a sentence."""

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def is_alive(self) -> bool:
        return bool(self.worker.process.is_alive())

    def is_over(self) -> bool:
        """Whether its slot is free: it has told its end, or has ended. The memory of a GPU is free only then."""
        return (self.ended is not None and self.job.options.device == "cpu") or not self.is_alive()

    def signs(self) -> list[Any]:
        """What becomes ready when the worker tells something or ends."""
        return [self.worker.process.sentinel, *([] if self.worker.pipe.closed else [self.worker.pipe])]


class Local:
    """An executor: see `base.Executor`. Runs that another process has claimed are left to it and waited for."""

    def __init__(
        self, store: Store, packing: Packing, *, timeout: float | None = None, recorded: Collection[str] = ()
    ) -> None:
        """`timeout`: seconds per run. `recorded`: runs that are made although they have a record."""
        self.store = store
        self.packing = packing
        self.timeout = timeout
        self.recorded = frozenset(recorded)
        self.queue: deque[Job] = deque()
        self.active: list[Running] = []
        self.leaving: list[Running] = []
        """They have told how their run ended; their processes are about to end."""
        self.elsewhere: list[Job] = []
        self.watch = claims.Watch(store.folder)
        self.before = cancelling.made(store.folder)
        self.workers = Workers(store.folder, self.before)
        self._looked = self._polled = time.monotonic()

    def submit(self, jobs: Sequence[Job]) -> None:
        self.queue.extend(jobs)

    def poll(self, seconds: float) -> list[Event]:
        events: list[Event] = []
        self._start(events)
        if not events:
            self._wait(seconds)
        for running in self.active:
            self._listen(running, events)
        self._look(events)
        for running in [running for running in self.active if not running.is_alive()]:
            self._listen(running, events)
        for running in [running for running in self.active if running.is_over()]:
            self._end(running, events)
        for running in [running for running in self.leaving if not running.is_alive()]:
            self._forget(running)
        self._start(events)
        return events

    def cancel(self) -> None:
        self.queue.clear()
        self.elsewhere.clear()
        try:
            try:
                for running in self.leaving:  # so that the end of what they printed gets into their logs
                    running.worker.process.join(END_SECONDS)
            finally:
                self.workers.end()
        finally:
            for running in (*self.active, *self.leaving):
                claims.drop_of_ended(self.store.folder, running.job.spec.id)
            self.active.clear()
            self.leaving.clear()

    def logs(self, run_id: str) -> list[Path]:
        log = self.store.log(run_id)
        return [log] if log.exists() else []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()

    def _start(self, events: list[Event]) -> None:
        if self.elsewhere and time.monotonic() - self._looked >= OTHERS_SECONDS:
            self._looked = time.monotonic()
            waiting, self.elsewhere = self.elsewhere, []
            for job in waiting:
                self._start_or_wait(job, self._device_for(job), events)
        while self.queue and (device := self._device_for(self.queue[0])):
            self._start_or_wait(self.queue.popleft(), device, events)
        if self.queue:
            self.workers.prepare()

    def _device_for(self, job: Job) -> Device | None:
        return self.packing.choose(job, [(running.job.options.device, running.job) for running in self.active])

    def _start_or_wait(self, job: Job, device: Device | None, events: list[Event]) -> None:
        """Starts a run, unless another process has made it since it was planned, or is at it."""
        run_id = job.spec.id
        is_free = self.watch.is_free(run_id)  # asked first: who made the run wrote its record before it gave it free
        try:
            record = self._made(run_id)
        except StoreError as error:
            events.append(_end(job, _store_failure(error)))
            return
        if record is not None:
            events.append(_end(job, child.Ending(record["state"], "(made by another process)")))
        elif self._is_cancelled(run_id):
            events.append(_end(job, child.CANCELLED))
        elif is_free and device is not None:
            self._begin(job, device, events)
        else:
            self.elsewhere.append(job)

    def _made(self, run_id: str) -> Record | None:
        """The record of a run that somebody made since the runs were planned."""
        if run_id in self.recorded or not self.store.has(run_id):
            return None
        return self.store.read(run_id)

    def _begin(self, job: Job, device: Device, events: list[Event]) -> None:
        job = job.model_copy(update={"options": job.options.model_copy(update={"device": device.name})})
        without = None if job.spec.id in self.recorded else self.store.segments_looked_at()
        taken = {running.slot for running in self.active}
        slot = next(slot for slot in itertools.count() if slot not in taken)
        try:
            worker = self.workers.give(child.Order(job.model_dump_json(), without))
        except (EOFError, OSError) as error:
            message = f"no worker could be started ({error or 'the process that starts them was killed'})"
            events.append(_end(job, self._failure(job, "NotStarted", message, "lost"), slot))
        else:
            self.active.append(Running(job, slot, worker))
            events.append(Event("start", slot, job))

    def _wait(self, seconds: float) -> None:
        limits = [seconds, *([OTHERS_SECONDS] if self.elsewhere else [claims.BEAT_SECONDS])]
        if self.timeout is not None:
            limits += [self.timeout - running.seconds for running in self.active]
        items = [item for r in self.active for item in r.signs()]
        if items:
            wait(items, max(0.0, min(limits)))
        else:
            time.sleep(max(0.0, min(limits)))

    def _look(self, events: list[Event]) -> None:
        """Kills workers that took too long or give no sign of life."""
        now = time.monotonic()
        if now - self._polled > SILENT_SECONDS / 2:  # this process was stopped itself: it could hear nobody
            for running in self.active:
                running.heard = now
        self._polled = now
        for running in (*self.active, *self.leaving):
            if running.stopped is not None:
                continue
            if running.ended is not None:
                if now - running.heard <= END_SECONDS:
                    continue
            elif self.timeout is not None and running.seconds > self.timeout:
                running.stopped = ("timeout", "Timeout", f"took longer than {self.timeout:g} s; raise --timeout")
            elif now - running.heard > SILENT_SECONDS:
                silent = f"the worker gave no sign of life for {SILENT_SECONDS:g} s (was it stopped?)"
                running.stopped = ("lost", "Lost", silent)
            else:
                continue
            running.worker.process.kill()
            running.worker.process.join()

    def _listen(self, running: Running, events: list[Event]) -> None:
        pipe = running.worker.pipe
        try:
            while not pipe.closed and pipe.poll():
                message = pipe.recv()
                running.heard = time.monotonic()
                if isinstance(message, child.Ending):
                    running.ended = message
                elif isinstance(message, child.Epoch):
                    events.append(Event("epoch", running.slot, running.job, done=message.done, total=message.total))
                elif message:
                    events.append(Event("phase", running.slot, running.job, summary=message))
        except (EOFError, OSError):  # an OSError where the worker was killed in the middle of a message
            pipe.close()

    def _end(self, running: Running, events: list[Event]) -> None:
        """Frees the slot of a run that is over, and tells how it ended."""
        self.active.remove(running)
        if running.is_alive():
            self.leaving.append(running)
        else:
            self._forget(running)
        if running.ended == child.ELSEWHERE:
            self.elsewhere.append(running.job)
            return
        ended = running.ended or self._death(running)
        if ended.cause == "memory":
            self.packing.crowded(running.job)
        elif ended.state == "ok" and self.packing.per_device is None:
            with suppress(StoreError):  # what it needed stays unknown
                if record := self.store.read(running.job.spec.id):
                    self.packing.learn(record)
        events.append(_end(running.job, ended, running.slot, running.seconds))

    def _forget(self, running: Running) -> None:
        """Takes note that the process has ended."""
        if running in self.leaving:
            self.leaving.remove(running)
        self.workers.forget(running.worker)
        claims.drop_of_ended(self.store.folder, running.job.spec.id)

    def _is_cancelled(self, run_id: str) -> bool:
        return cancelling.is_cancelled(self.store.folder, run_id, self.before)

    def _death(self, running: Running) -> child.Ending:
        """How the run of a worker ended that did not tell."""
        job, code = running.job, running.worker.process.exitcode
        try:
            if record := self._made(job.spec.id):
                atomic.remove(self.store.checkpoint(job.spec.id))  # it was killed before it did so itself
                return child.Ending(record["state"], "(ended after its record was written)")
        except StoreError as error:
            return _store_failure(error)
        if self._is_cancelled(job.spec.id):
            return child.CANCELLED
        if running.stopped is not None:
            cause, kind, message = running.stopped
            return self._failure(job, kind, message, cause)
        if code == -signal.SIGKILL and _oom_kills() > running.oom_kills:
            return self._failure(job, "Killed", "the kernel killed the worker, as memory had run out", "memory")
        if code is not None and code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
            return self._failure(job, "Killed", f"the worker was killed by {name}", "lost")
        return self._failure(job, "Exited", f"the worker ended with exit code {code} and no result", "lost")

    def _failure(self, job: Job, kind: str, message: str, cause: Cause) -> child.Ending:
        """Writes the failure record of a run whose process could not."""
        from benchmark.runs.recording import write_failure

        try:
            write_failure(job, self.store, kind, message, cause)
        except StoreError as error:
            return _store_failure(error)
        return child.Ending("failed", f"{kind}: {message}", cause)


def _end(job: Job, ended: child.Ending, slot: int = -1, seconds: float = 0.0) -> Event:
    return Event("end", slot, job, state=ended.state, cause=ended.cause, summary=ended.summary, seconds=seconds)


def _store_failure(error: StoreError) -> child.Ending:
    return child.Ending("store", str(error), cause_of(error))


def _oom_kills() -> int:
    """How many processes the kernel has killed for want of memory; 0 where it does not tell."""
    with suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0
