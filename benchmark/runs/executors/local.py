"""Runs on this machine: one fresh process per run, forked from a server that has torch preloaded.

A small loop over `multiprocessing.connection.wait` rather than a pool: it sees each worker's exit and its
epoch-by-epoch progress on the same wait, and a worker that is killed fails only its own run.
"""

from __future__ import annotations

import itertools
import multiprocessing
import signal
import time
from collections import deque
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmark.grid.job import Job
from benchmark.runs.executors import child
from benchmark.runs.executors.base import Event
from benchmark.runs.executors.packing import Device, Packing
from benchmark.runs.failures import Cause, cause_of
from benchmark.store import cancelling, claims, processes
from benchmark.store.atomic import StoreError
from benchmark.store.content import Record
from benchmark.store.store import Store

PRELOAD = ["noisybench", "benchmark.runs.executors.preload"]
SILENT_SECONDS = 6 * claims.BEAT_SECONDS
"""A worker that says nothing for so long was stopped, or hangs where not even its second thread can run."""
END_SECONDS = 5.0
"""For workers that were asked to end."""
OTHERS_SECONDS = 1.0
"""Between two looks at the runs that other processes carry out."""


@dataclass
class Running:
    job: Job
    slot: int
    process: Any
    pipe: Connection
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
        self.elsewhere: list[Job] = []
        self.watch = claims.Watch(store.folder)
        self.since = cancelling.moment(store.folder)
        self._looked = self._polled = time.monotonic()
        method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
        self.context: Any = multiprocessing.get_context(method)
        if method == "forkserver":
            self.context.set_forkserver_preload(PRELOAD)

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
        for running in [running for running in self.active if not running.process.is_alive()]:
            self._listen(running, events)
            self._end(running, events)
        self._start(events)
        return events

    def cancel(self) -> None:
        self.queue.clear()
        self.elsewhere.clear()
        started = [running for running in self.active if running.process.pid is not None]
        workers = [processes.of(running.process.pid) for running in started]
        try:
            for running in started:
                running.process.terminate()
            for running in started:
                running.process.join(END_SECONDS)
        finally:  # also where a second signal ends the waiting: this process would wait for them at its end
            for running, worker in zip(started, workers, strict=True):
                running.process.kill()
                running.process.join()
                worker.wait(END_SECONDS)  # where the fork server has ended too, nobody tells when its worker does
                claims.drop_of_ended(self.store.folder, running.job.spec.id)
            self.active.clear()

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

    def _device_for(self, job: Job) -> Device | None:
        return self.packing.choose(job, [(running.job.options.device, running.job) for running in self.active])

    def _start_or_wait(self, job: Job, device: Device | None, events: list[Event]) -> None:
        """Starts a run, unless another process has made it since it was planned, or is at it."""
        run_id = job.spec.id
        is_free = self.watch.is_free(run_id)  # asked first: who made the run wrote its record before it gave it free
        try:
            record = self._made(run_id)
        except StoreError as error:
            events.append(_failed_store(job, error))
            return
        if record is not None:
            events.append(Event("end", -1, job, state=record["state"], summary="(made by another process)"))
        elif self._is_cancelled(run_id):
            events.append(Event("end", -1, job, state=child.CANCELLED.state, summary=child.CANCELLED.summary))
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
        receiver, sender = self.context.Pipe(duplex=False)
        taken = {running.slot for running in self.active}
        slot = next(slot for slot in itertools.count() if slot not in taken)
        without = None if job.spec.id in self.recorded else self.store.segments_looked_at()
        process = self.context.Process(
            target=child.work, args=(job.model_dump_json(), str(self.store.folder), sender, without, self.since)
        )
        running = Running(job, slot, process, receiver)
        self.active.append(running)  # before it starts: a signal may end this process at any moment
        try:
            if self.context.get_start_method() == "forkserver":
                _ensure_fork_server()
            process.start()
        except (EOFError, OSError) as error:
            self.active.remove(running)
            message = f"no worker could be started ({error or 'the process that starts them was killed'})"
            events.append(self._failure(running, "NotStarted", message, "lost"))
        else:
            running.started = running.heard = time.monotonic()
            events.append(Event("start", slot, job))
        finally:
            sender.close()

    def _wait(self, seconds: float) -> None:
        limits = [seconds, *([OTHERS_SECONDS] if self.elsewhere else [claims.BEAT_SECONDS])]
        if self.timeout is not None:
            limits += [self.timeout - running.seconds for running in self.active]
        items = [item for r in self.active for item in (r.process.sentinel, r.pipe) if not _closed(item)]
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
        for running in self.active:
            if running.ended is not None or running.stopped is not None:
                continue
            if self.timeout is not None and running.seconds > self.timeout:
                running.stopped = ("timeout", "Timeout", f"took longer than {self.timeout:g} s; raise --timeout")
            elif now - running.heard > SILENT_SECONDS:
                silent = f"the worker gave no sign of life for {SILENT_SECONDS:g} s (was it stopped?)"
                running.stopped = ("lost", "Lost", silent)
            else:
                continue
            running.process.kill()
            running.process.join()

    def _listen(self, running: Running, events: list[Event]) -> None:
        try:
            while not running.pipe.closed and running.pipe.poll():
                message = running.pipe.recv()
                running.heard = time.monotonic()
                if isinstance(message, child.Ending):
                    running.ended = message
                elif isinstance(message, child.Epoch):
                    events.append(Event("epoch", running.slot, running.job, done=message.done, total=message.total))
                elif message:
                    events.append(Event("phase", running.slot, running.job, summary=message))
        except (EOFError, OSError):  # an OSError where the worker was killed in the middle of a message
            running.pipe.close()

    def _end(self, running: Running, events: list[Event]) -> None:
        """Frees the slot of a worker that has ended, and tells how."""
        self.active.remove(running)
        running.process.join()
        running.pipe.close()  # a worker that outlives the fork server ends when it finds this closed
        run_id = running.job.spec.id
        claims.drop_of_ended(self.store.folder, run_id)
        if running.ended == child.ELSEWHERE:
            self.elsewhere.append(running.job)
            return
        event = self._death(running) if running.ended is None else _end_event(running, running.ended)
        if event.cause == "memory":
            self.packing.crowded(running.job)
        elif event.state == "ok" and self.packing.per_device is None:
            with suppress(StoreError):  # what it needed stays unknown
                if record := self.store.read(run_id):
                    self.packing.learn(record)
        events.append(event)

    def _is_cancelled(self, run_id: str) -> bool:
        return cancelling.is_cancelled(self.store.folder, run_id, self.since)

    def _death(self, running: Running) -> Event:
        """Of a worker that ended without telling how."""
        code = running.process.exitcode
        try:
            if record := self._made(running.job.spec.id):
                return _end_event(running, child.Ending(record["state"], "(ended after its record was written)"))
        except StoreError as error:
            return _failed_store(running.job, error)
        if self._is_cancelled(running.job.spec.id):
            return _end_event(running, child.CANCELLED)
        if running.stopped is not None:
            cause, kind, message = running.stopped
            return self._failure(running, kind, message, cause)
        if code == -signal.SIGKILL and _oom_kills() > running.oom_kills:
            return self._failure(running, "Killed", "the kernel killed the worker, as memory had run out", "memory")
        if code is not None and code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
            return self._failure(running, "Killed", f"the worker was killed by {name}", "lost")
        return self._failure(running, "Exited", f"the worker ended with exit code {code} and no result", "lost")

    def _failure(self, running: Running, kind: str, message: str, cause: Cause) -> Event:
        """Writes the failure record of a run whose process could not."""
        from benchmark.runs.recording import write_failure

        try:
            write_failure(running.job, self.store, kind, message, cause)
        except StoreError as error:
            return _failed_store(running.job, error)
        return _end_event(running, child.Ending("failed", f"{kind}: {message}", cause))


def _end_event(running: Running, ended: child.Ending) -> Event:
    return Event(
        "end",
        running.slot,
        running.job,
        state=ended.state,
        cause=ended.cause,
        summary=ended.summary,
        seconds=running.seconds,
    )


def _failed_store(job: Job, error: StoreError) -> Event:
    return Event("end", -1, job, state="store", cause=cause_of(error), summary=str(error))


def _ensure_fork_server() -> None:
    """Starts the fork server with Ctrl-C blocked: while it imports torch, Ctrl-C would end it with a traceback."""
    from multiprocessing import forkserver, resource_tracker  # not on Windows

    resource_tracker.ensure_running()  # before, as it unblocks Ctrl-C when it has started
    former = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def _oom_kills() -> int:
    """How many processes the kernel has killed for want of memory; 0 where it does not tell."""
    with suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def _closed(item: Any) -> bool:
    return isinstance(item, Connection) and item.closed
