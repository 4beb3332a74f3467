"""Stops runs that are at work: the processes of this machine at once, those of other hosts by a request."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from benchmark.store import cancelling, claims
from benchmark.store.claims import Holder
from benchmark.store.processes import machine
from benchmark.store.store import Store

PATIENCE = 5.0
"""Seconds that a process has to end before it is killed."""
_POLL = 0.05


@dataclass
class Cancelled:
    """What became of the runs that were at work."""

    stopped: list[Holder] = field(default_factory=list)
    """On this machine."""
    asked: list[Holder] = field(default_factory=list)
    """On other hosts, whose process sees the request at its next sign of life."""
    tasks: int = 0
    """Tasks that were taken off the queue of a cluster, or stopped there."""


def cancel(store: Store, run_ids: Collection[str] | None) -> Cancelled:
    """Has these runs, or with None all, left by whoever is at them or has them queued. Raises StoreError.

    Runs that wait in a driver are left when their turn comes. A cancelled run has neither record nor failure, and goes
    on from its checkpoint when it is run again.
    """
    cancelling.request(store.folder, run_ids)  # first, so that no driver takes a stopped process for a lost one
    done = Cancelled(tasks=_cancel_tasks(store, run_ids))
    for holder in claims.held(store.folder):
        if (run_ids is not None and holder.run not in run_ids) or holder.process.ended():
            continue
        if holder.machine == machine() and _stop(holder):
            claims.drop_of_ended(store.folder, holder.run)
            done.stopped.append(holder)
        else:
            done.asked.append(holder)
    return done


def _cancel_tasks(store: Store, run_ids: Collection[str] | None) -> int:
    """Takes the tasks off the queue of Slurm in which no other run is left; their number. Raises SlurmError."""
    if not store.files("work/tasks/[!.]*"):
        return 0
    from benchmark.runs.executors import slurm, tasks

    if not tasks.submissions(store, slurm.NAME):
        return 0
    count, finished = 0, store.finished()
    for queued in slurm.submissions(store):
        runs = queued.submitted.content.runs
        chosen = [at for at in queued.live() if run_ids is None or {*runs[at]} - finished <= {*run_ids}]
        slurm.cancel(queued, chosen)
        count += len(chosen)
    return count


def _stop(holder: Holder) -> bool:
    """Ends the process that a claim names, if it still is that process; whether it has ended."""
    with _handle(holder.pid) as send:
        # Asked after the handle was opened: from here on the number cannot become that of another process.
        for number, seconds in ((signal.SIGTERM, PATIENCE), (signal.SIGKILL, PATIENCE)):
            if holder.process.ended():
                return True
            with suppress(OSError):
                send(number)
            deadline = time.monotonic() + seconds
            while not holder.process.ended() and time.monotonic() < deadline:
                time.sleep(_POLL)
    return holder.process.ended()


class _Send:
    """Sends signals to one process."""

    def __init__(self, pid: int, handle: int | None) -> None:
        self.pid = pid
        self.handle = handle

    def __call__(self, number: signal.Signals) -> None:
        if self.handle is None:
            os.kill(self.pid, number)
        else:
            signal.pidfd_send_signal(self.handle, number)


@contextmanager
def _handle(pid: int) -> Iterator[_Send]:
    """By a handle of the process where the system has them, which never means another process of the same number."""
    handle = None
    if hasattr(os, "pidfd_open"):
        with suppress(OSError):
            handle = os.pidfd_open(pid)
    try:
        yield _Send(pid, handle)
    finally:
        if handle is not None:
            os.close(handle)
