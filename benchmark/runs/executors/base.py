"""Where runs are carried out: what every executor does, and the events that it reports.

What a run gives travels through the store, never through an executor, which only says what became of the run. So the
process that drives a grid may die at any moment and be started again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self

from benchmark.grid.job import Job
from benchmark.runs.failures import Cause

OnEpoch = Callable[[int, int], None]
"""Called with (epochs done, epochs in all)."""
OnPhase = Callable[[str], None]
"""Called with a short description of a slow step before the first epoch."""


@dataclass(frozen=True)
class Event:
    """Something happened to a run in a slot.

    `summary` says how the run ended, what the phase before its first epoch does, or why it is tried again.
    """

    kind: Literal["start", "phase", "epoch", "end", "again"]
    slot: int
    job: Job
    done: int = 0
    total: int = 0
    state: str = ""
    """At the end: ok, diverged, skipped, failed or cancelled."""
    cause: Cause | None = None
    """Of a failure."""
    given_up: bool = False
    """Of a failure: it has been tried again already, or was wanted, so that another attempt makes no sense."""
    summary: str = ""
    seconds: float = 0.0
    logs: tuple[Path, ...] = ()
    """Of a run that has failed for good: the files of what it printed, if anything."""


class Executor(Protocol):
    """Carries out runs somewhere. As a context manager it frees at its end what dies with this process."""

    def submit(self, jobs: Sequence[Job]) -> None:
        """Takes `jobs` on, in this order, and returns at once. A run that has failed may be submitted again."""

    def poll(self, seconds: float) -> list[Event]:
        """What happened since the last call; waits for something at most about `seconds`.

        Every submitted run ends in exactly one event of kind "end". Raises StoreError where results cannot be read.
        """

    def cancel(self) -> None:
        """Stops all runs that have not ended, here and elsewhere; they go on from their checkpoints some day."""

    def logs(self, run_id: str) -> list[Path]:
        """The files in which a run's output is, as far as it has begun."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
