"""What `noisybench run` is about to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmark.cli.place import Place
    from benchmark.grid.job import Job
    from benchmark.store.store import Store


@dataclass(frozen=True)
class PlannedGrid:
    name: str
    jobs: list[Job]
    todo: list[Job]
    """The jobs that are carried out."""
    recorded: frozenset[str]
    """Those of them that are made although they have a record."""
    store: Store
    place: Place
    submits_only: bool
    """Whether the runs are left to the cluster."""
    timeout: float | None
    max_failures: int | None
    failed_before: int
    """Jobs that are not carried out, as they failed in code that has not changed since."""
    failed_trials: int = 0
    """Of a suite that tunes."""
