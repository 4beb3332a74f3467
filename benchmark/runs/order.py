"""The order in which runs start: grouped by data set and backbone, the longest first.

Runs of a group find decoded data, features and weights in memory, and no long run is left for the end. The order
changes no number: a record depends on its run spec alone.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from benchmark.grid.job import Job
from benchmark.grid.spec import Part, RunSpec
from benchmark.registry import METHODS
from benchmark.store.digests import canonical
from benchmark.store.store import Store


def ordered(jobs: Sequence[Job], store: Store) -> list[Job]:
    """`jobs` in the order in which they should start; ties keep their order."""
    measured = measured_seconds(store)
    groups: dict[bytes, list[Job]] = {}
    for job in jobs:
        groups.setdefault(kind(job.spec.model_dump(mode="json"), ("dataset", "backbone")), []).append(job)
    expected: dict[str, float] = {}
    for group in groups.values():
        recorded = {job.spec.id: measured.get(kind(job.spec.model_dump(mode="json"))) for job in group}
        rates = [seconds / _passes(job.spec) for job in group if (seconds := recorded[job.spec.id])]
        rate = statistics.median(rates) if rates else 1.0
        expected |= {job.spec.id: recorded[job.spec.id] or rate * _passes(job.spec) for job in group}
    sorted_groups = sorted(groups.values(), key=lambda group: -sum(expected[job.spec.id] for job in group))
    return [job for group in sorted_groups for job in sorted(group, key=lambda job: -expected[job.spec.id])]


def kind(spec: dict[str, Any], parts: Sequence[str] = ("dataset", "backbone", "recipe", "method")) -> bytes:
    """Key of runs that take about equally long: the `parts` of their spec as canonical JSON."""
    return canonical([spec[part] for part in parts])


def measured_seconds(store: Store) -> dict[bytes, float]:
    """Kind -> median seconds of the recorded runs."""
    seconds: dict[bytes, list[float]] = {}
    for record in store.records(("spec", "state", "timing.total_seconds")).records:
        if record["state"] == "ok":
            seconds.setdefault(kind(record["spec"]), []).append(record["timing"]["total_seconds"])
    return {key: statistics.median(values) for key, values in seconds.items()}


def declared_cost(method: Part) -> float:
    """Cost on the method's card, as a multiple of a training with cross entropy."""
    return METHODS.load(method.name, method.source).card.cost


def _passes(spec: RunSpec) -> float:
    """Expected cost in passes over the training set: declared cost times epochs."""
    return declared_cost(spec.method) * spec.training.epochs
