"""Events that executors report while they carry out runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmark.grid.job import Job

OnEpoch = Callable[[int, int], None]
"""Called with (epochs done, epochs in all)."""
OnPhase = Callable[[str], None]
"""Called with a short description of a slow step before the first epoch."""


@dataclass(frozen=True)
class Event:
    """Something happened to a run in a slot: `kind` is start, phase, epoch or end.

    `summary` says how the run ended, or what the phase before its first epoch does.
    """

    kind: str
    slot: int
    job: Job
    done: int = 0
    total: int = 0
    state: str = ""
    summary: str = ""
    seconds: float = 0.0
