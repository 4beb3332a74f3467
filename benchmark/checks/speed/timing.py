"""Two pieces of work timed in turns, so that a machine whose speed drifts slows both alike."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

Work = Callable[[], object]
ROUNDS = 7
PATIENCE = 100
"""Rounds where the machine is busy: minima settle."""


def seconds(work: Work) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


@dataclass(frozen=True)
class Ratio:
    """The fastest round of some work and of its baseline."""

    work: float
    baseline: float

    @property
    def value(self) -> float:
        return self.work / self.baseline


def ratio(work: Work, baseline: Work, *, limit: float | None = None, rounds: int = ROUNDS) -> Ratio:
    """Both after one warm-up; with a `limit` that the minima do not keep yet, up to `PATIENCE` rounds."""
    work()
    baseline()
    ours, theirs = float("inf"), float("inf")
    for done in range(1, max(rounds, PATIENCE) + 1):
        theirs = min(theirs, seconds(baseline))
        ours = min(ours, seconds(work))
        if done >= rounds and (limit is None or ours <= limit * theirs):
            break
    return Ratio(ours, theirs)
