"""Runs on this machine: one fresh process per run, forked from a server that has torch preloaded.

A small loop over `multiprocessing.connection.wait` rather than a pool: it sees each worker's exit and its
epoch-by-epoch progress on the same wait, and a worker that is killed fails only its own run.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from benchmark.grid.job import Job
from benchmark.runs.executors.base import Event
from benchmark.store.atomic import StoreError
from benchmark.store.once import CacheWarning
from benchmark.store.store import Store

PRELOAD = ["noisybench", "benchmark.runs.executors.preload"]


@dataclass
class Running:
    job: Job
    slot: int
    process: Any
    pipe: Connection
    started: float = field(default_factory=time.monotonic)
    ended: tuple[str, str] | None = None

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started


def run(
    jobs: list[Job],
    store: Store,
    *,
    slots: int,
    timeout: float | None = None,
    on_event: Callable[[Event], None] = lambda event: None,
) -> dict[str, str]:
    """Carries out `jobs`, `slots` at a time; returns run id -> state. `timeout` is seconds per run.

    Raises StoreError when the results can no longer be written; KeyboardInterrupt stops the workers.
    """
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context: Any = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload(PRELOAD)
    queue = deque(jobs)
    free = list(range(slots))[::-1]
    active: list[Running] = []
    states: dict[str, str] = {}
    try:
        while queue or active:
            while queue and free:
                running = _start(context, queue.popleft(), free.pop(), store)
                active.append(running)
                on_event(Event("start", running.slot, running.job))
            _wait(active, timeout)
            for running in active:
                _drain(running, on_event)
            for running in [r for r in active if not r.process.is_alive()]:
                _drain(running, on_event)
                active.remove(running)
                free.append(running.slot)
                state, summary = running.ended or _record_death(running, store, timeout)
                if state == "store":
                    raise StoreError(summary)
                states[running.job.spec.id] = state
                on_event(
                    Event(
                        "end",
                        running.slot,
                        running.job,
                        state=state,
                        summary=summary,
                        seconds=running.seconds,
                    )
                )
    finally:
        for running in active:
            running.process.terminate()
        for running in active:
            running.process.join(5)
            if running.process.is_alive():
                running.process.kill()
    return states


def _start(context: Any, job: Job, slot: int, store: Store) -> Running:
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(job.model_dump_json(), str(store.folder), sender))
    process.start()
    sender.close()
    return Running(job, slot, process, receiver)


def _wait(active: list[Running], timeout: float | None) -> None:
    remaining = None
    if timeout is not None:
        remaining = max(0.0, min(timeout - running.seconds for running in active))
    wait([item for r in active for item in (r.process.sentinel, r.pipe) if not _closed(item)], remaining)
    for running in active:
        if timeout is not None and running.seconds > timeout and running.ended is None:
            running.process.kill()
            running.process.join()


def _closed(item: Any) -> bool:
    return isinstance(item, Connection) and item.closed


def _drain(running: Running, on_event: Callable[[Event], None]) -> None:
    try:
        while not running.pipe.closed and running.pipe.poll():
            kind, *payload = running.pipe.recv()
            if kind == "epoch":
                on_event(Event("epoch", running.slot, running.job, done=payload[0], total=payload[1]))
            elif kind == "phase":
                on_event(Event("phase", running.slot, running.job, summary=payload[0]))
            else:
                running.ended = (payload[0], payload[1])
    except EOFError:
        running.pipe.close()


def _record_death(running: Running, store: Store, timeout: float | None) -> tuple[str, str]:
    """Writes the failure record of a worker that ended without a result; returns state and summary."""
    from benchmark.runs.recording import write_failure

    running.process.join()
    code = running.process.exitcode
    if store.has(running.job.spec.id):
        return "ok", "(ended after its record was written)"
    if timeout is not None and running.seconds > timeout:
        kind, message = "Timeout", f"took longer than {timeout:g} s; raise --timeout"
    elif code is not None and code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        hint = "; the kernel does this when memory runs out: try fewer --slots" if name == "SIGKILL" else ""
        kind, message = "Killed", f"the worker was killed by {name}{hint}"
    else:
        kind, message = "Exited", f"the worker ended with exit code {code} and no result"
    write_failure(running.job, store, kind, message)
    return "failed", f"{kind}: {message}"


def _work(job_json: str, folder: str, pipe: Connection) -> None:
    """The worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver handles Ctrl-C
    from benchmark.runs.executors.malloc import keep_freed_memory
    from benchmark.runs.worker import run_one

    keep_freed_memory()
    job = Job.model_validate_json(job_json)
    store = Store(Path(folder))
    _log_to(store.work(job.spec.id) / "log.txt")

    def tell(*message: Any) -> None:
        try:
            pipe.send(message)
        except BrokenPipeError:
            os._exit(1)  # the driver is gone: the next one resumes from the checkpoint

    def show_warning(message: Warning | str, category: type[Warning], *place: Any) -> None:
        if issubclass(category, CacheWarning):
            tell("phase", str(message))
        print(f"{category.__name__}: {message}", file=sys.stderr)  # noqa: T201 - the run's log

    warnings.showwarning = show_warning  # type: ignore[assignment]
    try:
        outcome = run_one(job, store, partial(tell, "epoch"), partial(tell, "phase"))
        message = ("end", outcome.state, outcome.summary)
    except StoreError as error:
        message = ("end", "store", str(error))
    try:
        pipe.send(message)
    except BrokenPipeError:
        return


def _log_to(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    except OSError:
        return  # goes on without a log: writing the record will report the disk's error
    sys.stdout.flush()
    sys.stderr.flush()
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
