"""`noisybench worker`: carries out the runs of one task, where an executor of a cluster starts it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from benchmark.cli.options import UserPath

if TYPE_CHECKING:
    from benchmark.runs.executors.tasks import Task
    from benchmark.store.store import Store


class TimeIsShort(BaseException):
    """The time limit of this task is near."""


@click.command(hidden=True)
@click.option("--spec", type=UserPath(), required=True, help="The task: RESULTS/work/tasks/SUBMISSION/N.json.")
@click.option("--until-stdin-closes", "tied", is_flag=True, help="End as after SIGTERM when stdin is closed.")
def worker(spec: Path, tied: bool) -> int:
    """Carry out the runs of a task, as `noisybench run` would on this machine.

    Executors start this command; it may be typed too, to see why a task fails. Runs that have a record are left out,
    those of a task that was stopped go on from their checkpoints. On Slurm a task that comes near its time limit, or is
    preempted, stops and puts itself into the queue again.
    """
    from benchmark.cli.main import Stopped

    task, store, before = None, None, None
    try:
        with _asked_to_stop(tied):  # before all that takes time to load
            from benchmark.runs.executors import tasks
            from benchmark.store.store import Store

            task = tasks.read(spec.absolute())
            store = Store(Path(task.jobs[0].options.results))
            store.prepare()
            before = _reached(task, store)
            return _carry_out(task, store)
    except TimeIsShort:
        if task is None or store is None or before is None or _reached(task, store) == before:
            _say(
                "the time limit is near, and no run has come to its end or to a checkpoint: give tasks more time "
                "(time = ... of [executor.slurm]), or let runs keep checkpoints more often (--checkpoint-seconds)"
            )
            return 1
        _requeue("the time limit is near")
        return 0
    except Stopped:
        from benchmark.runs.executors import slurm

        if slurm.inside() and slurm.preempted():
            _requeue("preempted")
        raise


def _requeue(why: str) -> None:
    from benchmark.runs.executors import slurm

    _say(f"{why}: this task goes into the queue again, and on from the checkpoint of its run")
    slurm.requeue()


def _carry_out(task: Task, store: Store) -> int:
    from benchmark.cli.machine import packing_of
    from benchmark.cli.progress import GridProgress
    from benchmark.runs import driver
    from benchmark.runs.executors.local import Local

    options = task.jobs[0].options
    packing = packing_of(options.device, task.slots, options.threads, store)
    executor = Local(store, packing, timeout=task.timeout, recorded=task.still_recorded(store))
    with GridProgress(task.jobs) as progress:
        states = driver.carry_out(task.jobs, store, executor, max_failures=task.max_failures, on_event=progress)
    return 1 if "failed" in states.values() else 0


def _reached(task: Task, store: Store) -> list[str]:
    """How far the runs of a task are: it changes with every record and every checkpoint."""
    reached = []
    for job in task.jobs:
        run_id = job.spec.id
        for path in (store.run_path(run_id), store.checkpoint(run_id)):
            with suppress(OSError):
                reached.append(f"{path.name} {path.stat().st_mtime_ns}")
    return reached


@contextmanager
def _asked_to_stop(tied: bool) -> Iterator[None]:
    """Turns Slurm's warning before the time limit into TimeIsShort, and, if `tied`, the end of stdin into SIGTERM."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeIsShort

    if tied:
        threading.Thread(target=_watch_stdin, daemon=True).start()
    number = getattr(signal, "SIGUSR1", None)  # Windows has none, and no Slurm
    former = None if number is None else signal.signal(number, stop)
    try:
        yield
    finally:
        if number is not None:
            signal.signal(number, former or signal.SIG_IGN)


def _watch_stdin() -> None:
    while os.read(0, 4096):
        continue
    os.kill(os.getpid(), signal.SIGTERM)


def _say(text: str) -> None:
    click.echo(text, err=True)
