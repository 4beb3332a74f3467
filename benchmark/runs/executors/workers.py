"""The worker processes of this machine: a fresh one per run, forked from a server that has torch preloaded.

One waits in reserve while others work, so that a run need not wait until its process has started. It knows nothing of
its run before it gets it: what a run gives depends on no other.
"""

from __future__ import annotations

import multiprocessing
import signal
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmark.runs.executors import child
from benchmark.store import processes

PRELOAD = ["noisybench", "benchmark.runs.executors.preload"]
END_SECONDS = 5.0
"""For workers that have told how their run ended, or were asked to end."""


@dataclass(eq=False)
class Worker:
    """A process, and its two pipes: what it tells, and its order."""

    process: Any
    pipe: Connection
    orders: Connection

    def close(self) -> None:
        """Closes the pipes: a worker without an order ends then, and so does one that outlives the fork server."""
        self.orders.close()
        self.pipe.close()


class Workers:
    def __init__(self, folder: Path, before: frozenset[str]) -> None:
        """`folder`: of the results. `before`: the requests to leave runs that were made before
        this process began."""
        self.folder = folder
        self.before = before
        self.known: list[Worker] = []
        """All that were started and not forgotten."""
        self.reserve: Worker | None = None
        method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
        self.context: Any = multiprocessing.get_context(method)
        if method == "forkserver":
            self.context.set_forkserver_preload(PRELOAD)

    def prepare(self) -> None:
        """Starts the one in reserve, unless there is one."""
        if self.reserve is None:
            with suppress(EOFError, OSError):  # told when one is needed and cannot be started
                self.reserve = self._start()

    def give(self, order: child.Order) -> Worker:
        """A worker that carries out `order`. Raises EOFError or OSError where none can be started."""
        worker, self.reserve = self.reserve, None
        if worker is not None and worker.process.is_alive():
            if _sent(worker, order):
                return worker
            worker.process.kill()
        if worker is not None:
            self.forget(worker)
        worker = self._start()
        _sent(worker, order)  # one that has ended already is noticed as any other that ends
        return worker

    def forget(self, worker: Worker) -> None:
        """Takes note that it has ended."""
        worker.process.join()
        worker.close()
        self.known.remove(worker)

    def end(self) -> None:
        """Ends all of them, and waits for that."""
        running = [worker for worker in self.known if worker.process.pid is not None]
        ids = [processes.of(worker.process.pid) for worker in running]
        try:
            for worker in running:
                worker.process.terminate()
            for worker in running:
                worker.process.join(END_SECONDS)
        finally:  # also where a second signal ends the waiting: this process would wait for them at its end
            for worker in self.known:
                worker.close()
            for worker, process in zip(running, ids, strict=True):
                worker.process.kill()
                worker.process.join()
                process.wait(END_SECONDS)  # where the fork server has ended too, nobody tells when its worker does
            self.known.clear()
            self.reserve = None

    def _start(self) -> Worker:
        pipe, told = self.context.Pipe(duplex=False)
        received, orders = self.context.Pipe(duplex=False)
        process = self.context.Process(target=child.work, args=(str(self.folder), received, told, self.before))
        worker = Worker(process, pipe, orders)
        self.known.append(worker)  # before it starts: a signal may end this process at any moment
        try:
            if self.context.get_start_method() == "forkserver":
                _ensure_fork_server()
            process.start()
        except (EOFError, OSError):
            self.known.remove(worker)
            worker.close()
            raise
        finally:
            told.close()
            received.close()
        return worker


def _sent(worker: Worker, order: child.Order) -> bool:
    try:
        worker.orders.send(order)
    except OSError:  # it was killed
        return False
    return True


def _ensure_fork_server() -> None:
    """Starts the fork server with Ctrl-C blocked: while it imports torch, Ctrl-C would end it with a traceback."""
    from multiprocessing import forkserver, resource_tracker  # not on Windows

    resource_tracker.ensure_running()  # before, as it unblocks Ctrl-C when it has started
    former = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)
