"""Times two pieces of work in turns, so that changes in the machine's speed affect both."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

Work = Callable[[], object]
ROUNDS = 7
PATIENCE = 100
"""Most rounds, for a busy machine on which the minima settle late."""


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
    """The minima of `rounds` rounds after a warm-up, or of up to `PATIENCE` while their ratio exceeds `limit`."""
    work()
    baseline()
    ours, theirs = float("inf"), float("inf")
    for done in range(1, max(rounds, PATIENCE) + 1):
        theirs = min(theirs, seconds(baseline))
        ours = min(ours, seconds(work))
        if done >= rounds and (limit is None or ours <= limit * theirs):
            break
    return Ratio(ours, theirs)
