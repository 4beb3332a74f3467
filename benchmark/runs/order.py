"""In which order runs start: those that share data and backbone together, the longest first.

Neighbours then find decoded data, features and weights in memory, and no long run is left over when all
others have ended. The order decides nothing else: a record is a function of its run alone.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from benchmark.grid.job import Job
from benchmark.grid.spec import RunSpec
from benchmark.registry import METHODS
from benchmark.store.digests import canonical
from benchmark.store.store import Store


def ordered(jobs: Sequence[Job], store: Store) -> list[Job]:
    """`jobs` in the order in which they should start; equal ones stay in the order in which they came."""
    measured = measured_seconds(store)
    groups: dict[bytes, list[Job]] = {}
    for job in jobs:
        groups.setdefault(kind(job.spec.model_dump(mode="json"), ("dataset", "backbone")), []).append(job)
    expected: dict[str, float] = {}
    for group in groups.values():
        known = {job.spec.id: measured.get(kind(job.spec.model_dump(mode="json"))) for job in group}
        rates = [seconds / _passes(job.spec) for job in group if (seconds := known[job.spec.id])]
        rate = statistics.median(rates) if rates else 1.0
        expected |= {job.spec.id: known[job.spec.id] or rate * _passes(job.spec) for job in group}
    placed = sorted(groups.values(), key=lambda group: -sum(expected[job.spec.id] for job in group))
    return [job for group in placed for job in sorted(group, key=lambda job: -expected[job.spec.id])]


def kind(spec: dict[str, Any], parts: Sequence[str] = ("dataset", "backbone", "recipe", "method")) -> bytes:
    """What runs share that take about as long as one another."""
    return canonical([spec[part] for part in parts])


def measured_seconds(store: Store) -> dict[bytes, float]:
    """Kind -> median seconds of the recorded runs."""
    seconds: dict[bytes, list[float]] = {}
    for record in store.records(("spec", "state", "timing.total_seconds")).records:
        if record["state"] == "ok":
            seconds.setdefault(kind(record["spec"]), []).append(record["timing"]["total_seconds"])
    return {key: statistics.median(values) for key, values in seconds.items()}


def declared_cost(method: str) -> float:
    """What the method says it costs, in trainings with plain cross entropy."""
    return METHODS.load(method).card.cost


def _passes(spec: RunSpec) -> float:
    """Passes over the training set, as far as the specification tells."""
    return declared_cost(spec.method.name) * spec.recipe.epochs
