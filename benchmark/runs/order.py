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
    groups: dict[bytes, list[Job]] = {}
    for job, key in zip(jobs, kinds(jobs, ("dataset", "backbone")), strict=True):
        groups.setdefault(key, []).append(job)
    known = expected_seconds(jobs, store)
    # Where nothing of a group was measured, its passes are as good: only the order within it and the largest count.
    expected = {job.spec.id: known[job.spec.id] or passes(job.spec) for job in jobs}
    sorted_groups = sorted(groups.values(), key=lambda group: -sum(expected[job.spec.id] for job in group))
    return [job for group in sorted_groups for job in sorted(group, key=lambda job: -expected[job.spec.id])]


def expected_seconds(jobs: Sequence[Job], store: Store) -> dict[str, float | None]:
    """Run id -> seconds, from recorded runs of its kind, or else from those of its data set and backbone by declared
    cost; None where neither was measured."""
    measured = measured_seconds(store)
    recorded = {job.spec.id: measured.get(key) for job, key in zip(jobs, kinds(jobs), strict=True)}
    rates: dict[bytes, list[float]] = {}
    groups = kinds(jobs, ("dataset", "backbone"))
    for job, group in zip(jobs, groups, strict=True):
        if seconds := recorded[job.spec.id]:
            rates.setdefault(group, []).append(seconds / passes(job.spec))
    rate = {group: statistics.median(values) for group, values in rates.items()}
    expected: dict[str, float | None] = {}
    for job, group in zip(jobs, groups, strict=True):
        by_cost = rate[group] * passes(job.spec) if group in rate else None
        expected[job.spec.id] = recorded[job.spec.id] or by_cost
    return expected


PARTS = ("dataset", "backbone", "recipe", "method")
"""Of a spec: runs that are equal in them take about equally long."""


def kinds(jobs: Sequence[Job], parts: Sequence[str] = PARTS) -> list[bytes]:
    """The `kind` of every job; parts that jobs of a grid share are looked at once."""
    known: dict[tuple[int, ...], bytes] = {}
    keys = [tuple(id(getattr(job.spec, part)) for part in parts) for job in jobs]
    for job, key in zip(jobs, keys, strict=True):
        if key not in known:
            known[key] = canonical([getattr(job.spec, part).model_dump(mode="json") for part in parts])
    return [known[key] for key in keys]


def kind(spec: dict[str, Any], parts: Sequence[str] = PARTS) -> bytes:
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


def passes(spec: RunSpec) -> float:
    """Expected cost in passes over the training set: declared cost times epochs."""
    return declared_cost(spec.method) * spec.training.epochs


def together(seconds: Sequence[float], slots: int) -> float:
    """Seconds that runs of so many `seconds` take in `slots`: at least as long as the longest of them."""
    return max(sum(seconds) / slots, *seconds, 0.0)
