"""The process of one run on this machine: claims the run, carries it out, and tells the driver through a pipe."""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeAlias

from benchmark.grid.job import Job
from benchmark.runs.failures import Cause, cause_of
from benchmark.store import cancelling, claims
from benchmark.store.atomic import StoreError
from benchmark.store.once import CacheWarning
from benchmark.store.store import Store


@dataclass(frozen=True)
class Order:
    """What the driver tells a worker, once."""

    job_json: str
    without: Collection[str] | None
    """Segments in which the driver found no record of the run; None: it is made although it has one."""


@dataclass(frozen=True)
class Epoch:
    done: int
    total: int


@dataclass(frozen=True)
class Ending:
    """How a run ended: ok, diverged, skipped, failed or cancelled, or "store" where its result cannot be written."""

    state: str
    summary: str
    cause: Cause | None = None


ELSEWHERE = Ending("elsewhere", "")
"""Another process carries the run out."""
CANCELLED = Ending("cancelled", "as `noisybench cancel` asked; `noisybench run` goes on with it")

LONGEST = 800
"""Characters of a text in a message. A pipe takes 4096 bytes whole or not at all, so that a worker that is killed or
stopped while it writes leaves no half message, for which the driver would wait."""

Message: TypeAlias = "Ending | Epoch | str"
"""What a worker tells; text is a slow step before the first epoch, "" a sign of life."""


def work(folder: str, orders: Connection, pipe: Connection, before: frozenset[str]) -> None:
    """The worker process: waits for its `Order`, and ends without one where the driver needs it no more.

    `before`: the requests to leave runs that were made before the driver began.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver handles Ctrl-C
    from benchmark.runs.executors.malloc import keep_freed_memory
    from benchmark.runs.worker import run_one

    keep_freed_memory()
    try:
        order: Order = orders.recv()
    except (EOFError, OSError):  # an OSError where the driver was killed in the middle of it
        return
    job = Job.model_validate_json(order.job_json)
    try:
        store = Store(Path(folder))
    except StoreError as error:
        with suppress(BrokenPipeError):  # the driver may be gone
            pipe.send(_store_failure(error))
        return
    claim = claims.take(store.folder, job.spec.id)
    if claim is not None and order.without is not None and _made_meanwhile(store, job.spec.id, order.without):
        claim.release()  # another process made the run since the driver looked
        claim = None
    if claim is None:
        with suppress(BrokenPipeError):  # the driver may be gone
            pipe.send(ELSEWHERE)
        return
    _log_to(store.log(job.spec.id))
    line = _Line(pipe, claim, store.folder, before)

    def show_warning(message: Warning | str, category: type[Warning], *place: object) -> None:
        if issubclass(category, CacheWarning):
            line.say(str(message))
        print(f"{category.__name__}: {message}", file=sys.stderr)  # noqa: T201 - the run's log

    warnings.showwarning = show_warning  # type: ignore[assignment]
    with _signs_of_life(line):
        try:
            outcome = run_one(job, store, line.epoch, line.say)
            ending = Ending(outcome.state, outcome.summary[:LONGEST], outcome.cause)
        except StoreError as error:
            ending = _store_failure(error)
    with suppress(OSError):  # a disk that is full now; the record is written
        sys.stdout.flush()  # whoever hears how the run ended may look into its log
        sys.stderr.flush()
    claim.release()
    line.tell(ending)


def _store_failure(error: StoreError) -> Ending:
    return Ending("store", str(error)[:LONGEST], cause_of(error))


def _made_meanwhile(store: Store, run_id: str, without: Collection[str]) -> bool:
    try:
        return store.has(run_id, without)
    except StoreError:  # what cannot be read now may hold it or not: at worst the run is made twice, to one record
        return False


class _Line:
    """What this process tells: to the driver through the pipe, to everybody through the claim."""

    def __init__(self, pipe: Connection, claim: claims.Claim, folder: Path, before: frozenset[str]) -> None:
        self.pipe = pipe
        self.claim = claim
        self.folder = folder
        self.before = before
        self.lock = threading.Lock()
        self.progress = Epoch(0, 0)
        self.doing = ""

    def epoch(self, done: int, total: int) -> None:
        self.progress, self.doing = Epoch(done, total), ""
        self.tell(self.progress)

    def say(self, what: str) -> None:
        self.doing = what[:LONGEST]
        self.tell(self.doing)

    def beat(self) -> None:
        if not self.claim.beat(epoch=self.progress.done, epochs=self.progress.total, doing=self.doing):
            self.tell(ELSEWHERE)
            os._exit(0)  # this process was stopped for so long that another one has taken the run over
        if cancelling.is_cancelled(self.folder, self.claim.holder.run, self.before):
            self.claim.release()
            self.tell(CANCELLED)
            os._exit(0)

    def tell(self, message: Message) -> None:
        try:
            with self.lock:
                self.pipe.send(message)
        except BrokenPipeError:
            self.claim.release()
            os._exit(1)  # the driver is gone: the next one resumes from the checkpoint


@contextmanager
def _signs_of_life(line: _Line) -> Iterator[None]:
    """Beats until the end of the block, for everybody and for the driver.

    In a thread for each: a disk that hangs is no reason to kill the worker.
    """
    over = threading.Event()

    def repeat(beat: Callable[[], None]) -> None:
        while not over.wait(claims.BEAT_SECONDS):
            beat()

    beats = (line.beat, lambda: line.tell(""))
    threads = [threading.Thread(target=repeat, args=[beat], daemon=True) for beat in beats]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


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
