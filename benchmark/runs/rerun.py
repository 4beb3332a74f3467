"""Repeats published runs, and compares what comes out with their records."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmark.errors import UsageError
from benchmark.grid.job import Job
from benchmark.grid.spec import PROTOCOL, RunSpec
from benchmark.runs.clean_classifier import attach
from benchmark.store.content import Record, content_digest
from benchmark.store.digests import canonical

STANDARD_ERRORS = 4.0
"""Tolerance between different processors, where rounding leads a training another way: the main metric may differ by
so many standard errors of the difference of two independent trainings on test sets of that size."""
COMPARED_RULES = ("val_noisy", "last")
_SAME_LIBRARIES = ("torch", "numpy")
_PARTS = ("dataset", "noise", "backbone")


def rerunnable(records: Sequence[Record], jobs: Sequence[Job]) -> list[tuple[Record, Job]]:
    """The trained runs of `records` that the expanded grid `jobs` tells how to repeat, with their jobs.

    Raises UsageError, with the reason, where there is none.
    """
    trained = [record for record in records if record["state"] == "ok"]
    by_parts = {_parts(job.spec.model_dump(mode="json")): job for job in jobs}
    versions = {(job.spec.method.name, job.spec.method.version, job.spec.method.source) for job in jobs}
    sources = {path: digest for job in jobs for path, digest in job.sources.items()}
    pairs = []
    reasons = []
    for record in trained:
        spec, template = record["spec"], by_parts.get(_parts(record["spec"]))
        method = spec["method"]
        if spec["protocol"] != PROTOCOL:
            reasons.append(f"protocol {spec['protocol']}, and this version runs protocol {PROTOCOL}")
        elif (method["name"], method["version"], method.get("source")) not in versions:
            reasons.append(f"version {method['version']} of {method['name']}, which is not here")
        elif template is None:
            reasons.append(
                f"the data set, noise or backbone {', '.join(_named(spec, part) for part in _PARTS)}, which is not "
                "that of the suite with the data given (-d npz:FILE)"
            )
        else:
            changes = {"spec": RunSpec.model_validate(spec), "sources": sources, "label": record["id"]}
            pairs.append((record, template.model_copy(update=changes)))
    if not pairs:
        raise UsageError(f"no run can be repeated: they have {reasons[0] if reasons else 'no figures'}")
    return pairs


def _parts(spec: Mapping[str, Any]) -> bytes:
    """What the files of a job depend on; a clean classifier is trained here."""
    noise = {name: value for name, value in spec["noise"].items() if name != "clean_classifier"}
    return canonical([spec["dataset"], noise, spec["backbone"]])


def _named(spec: Mapping[str, Any], part: str) -> str:
    digest = spec[part].get("digest")
    return f"{spec[part]['name']} v{spec[part]['version']}" + (f" ({digest[:19]})" if digest else "")


def choose(pairs: Sequence[tuple[Record, Job]], count: int, seed: int) -> list[tuple[Record, Job]]:
    """`count` of them, or all if there are fewer, by a generator of that seed."""
    places = np.random.default_rng(seed).permutation(len(pairs))[:count]
    return [pairs[place] for place in sorted(places)]


def with_classifier(job: Job, say: Callable[[str], None]) -> Job:
    """`job` with the clean classifier that its noise needs, trained here."""
    own = job.spec.noise.model_copy(update={"clean_classifier": None})
    plain = job.model_copy(update={"spec": job.spec.model_copy(update={"noise": own})})
    return attach(plain, say=say)


@dataclass(frozen=True)
class Comparison:
    """A repeated run beside its record."""

    run_id: str
    equal: bool
    """Bit for bit."""
    same_kind: bool
    """Whether processor, device, threads and libraries are those of the record, so that it must be equal."""
    differences: tuple[str, ...]
    """What lies outside of the tolerance."""

    @property
    def passed(self) -> bool:
        return self.equal if self.same_kind else not self.differences


def compare(record: Record, again: Record) -> Comparison:
    return Comparison(
        record["id"],
        content_digest(record) == content_digest(again),
        _machine(record) == _machine(again),
        tuple(_differences(record, again)),
    )


def _machine(record: Record) -> tuple[Any, ...]:
    origin = record["provenance"]
    libraries = tuple(origin["libraries"].get(name) for name in _SAME_LIBRARIES)
    hardware = tuple(sorted((name, str(value)) for name, value in origin["hardware"].items() if name != "cores"))
    return hardware, origin["threads"], libraries


def _differences(record: Record, again: Record) -> Iterator[str]:
    if again["state"] != record["state"]:
        yield f"it ended {again['state']}, and its record {record['state']}"
        return
    if again["noise"]["labels_sha256"] != record["noise"]["labels_sha256"]:
        yield "its noisy labels are others"
    size, metric = record["tests"]["test"]["size"], record["main_metric"]
    for rule in COMPARED_RULES:
        figures, repeated = record["metrics"][rule], again["metrics"][rule]
        if figures is None or repeated is None:
            continue
        tolerance = tolerance_of(figures[metric], size)
        if abs(figures[metric] - repeated[metric]) > tolerance:
            yield (
                f"{metric} by {rule} is {repeated[metric]:.4f}, and in its record {figures[metric]:.4f}; "
                f"expected at most {tolerance:.4f} between them"
            )


def tolerance_of(share: float, size: int) -> float:
    """Largest difference of two shares of a test set of `size` images on different processors."""
    return STANDARD_ERRORS * math.sqrt(2 * max(share * (1 - share), 1 / size) / size)
