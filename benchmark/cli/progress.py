"""Progress on stderr: a line per slot and one for the grid on a terminal, else one plain line per run."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmark.cli.streams import raw
from benchmark.escapes import visible_lines

if TYPE_CHECKING:
    from benchmark.grid.job import Job
    from benchmark.runs.executors.base import Event


MOST_LINES = 16
"""Of runs at work: a cluster may be at a thousand of them."""


def duration(seconds: float) -> str:
    """ "12s", "41m", "3.2h"."""
    if seconds < 60:
        return f"{seconds:.0f}s"
    return f"{seconds / 60:.0f}m" if seconds < 5400 else f"{seconds / 3600:.1f}h"


class GridProgress:
    """Follows the events of an executor."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.total = len(jobs)
        self.ended = 0
        # Long runs start first: what is left is shorter than what has ended.
        self.left = sum(map(_passes, jobs))
        self.trained = 0.0
        self.started = time.monotonic()
        self.console = Console(file=raw(sys.stderr))
        self.live = self.console.is_terminal and not self.console.is_dumb_terminal
        self.tasks: dict[int, Any] = {}
        self.bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}", markup=False),
            console=self.console,
        )

    def __enter__(self) -> Self:
        if self.live:
            self.bars.start()
            self.grid = self.bars.add_task("grid", total=self.total, note="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            self.bars.stop()

    def __call__(self, event: Event) -> None:
        if event.kind == "end":
            self._count(event)
            self._print(event)
        if event.kind == "again":
            self.say(f"{event.job.label} {event.summary}", "yellow")
        if not self.live:
            if event.kind == "phase":
                self.say(f"{event.job.label} {event.summary}")
            return
        if event.kind == "end":
            self.bars.update(self.grid, completed=self.ended, note=f"eta {self._eta()}")
            return
        if event.slot >= MOST_LINES:
            return
        if event.slot not in self.tasks:
            self.tasks[event.slot] = self.bars.add_task("", total=None, note="")
        task = self.tasks[event.slot]
        if event.kind == "start":
            self.bars.reset(
                task, description=visible_lines(event.job.label), total=event.job.spec.training.epochs, note=""
            )
        elif event.kind == "phase":
            self.bars.update(task, note=event.summary)
        elif event.kind == "epoch":
            self.bars.update(task, completed=event.done, total=event.total, note="")

    def _count(self, event: Event) -> None:
        self.ended += 1
        self.left -= _passes(event.job)
        if event.state != "skipped":
            self.trained += _passes(event.job)

    def _eta(self) -> str:
        if not self.trained:
            return "?" if self.ended < self.total else duration(0)
        elapsed = time.monotonic() - self.started
        return duration(elapsed / self.trained * max(0.0, self.left))

    def say(self, text: str, style: str | None = None) -> None:
        if self.live:
            self.console.print(visible_lines(text), style=style, markup=False, highlight=False, soft_wrap=True)
        else:
            click.echo(text, err=True)

    def _print(self, event: Event) -> None:
        width = len(str(self.total))
        line = (
            f"[{self.ended:>{width}}/{self.total}] {event.state} {event.job.label} {event.summary} "
            f"{event.seconds:.1f}s eta {self._eta()}{''.join(f'; log: {path}' for path in event.logs)}"
        )
        self.say(line, None if event.state == "ok" else "yellow" if event.state in ("skipped", "cancelled") else "red")


def _passes(job: Job) -> float:
    """Expected cost of a run in passes over its training set."""
    from benchmark.errors import NoisybenchError
    from benchmark.runs.order import passes

    try:
        return passes(job.spec)
    except NoisybenchError:  # a plugin that cannot be read here: the run will tell
        return job.spec.training.epochs


@contextmanager
def fetch_progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar per download or decoding, added at its first report; a line where stderr is no terminal."""
    console = Console(file=raw(sys.stderr))
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        tasks: dict[str, Any] = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks and not console.is_terminal:
                click.echo(what, err=True)
            if what not in tasks:
                tasks[what] = bars.add_task(visible_lines(what), total=total or None)
            bars.update(tasks[what], completed=done)

        yield report
