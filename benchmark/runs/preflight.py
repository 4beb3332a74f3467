"""Checks that run once, before any worker starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from benchmark.datasets.base import Progress
from benchmark.datasets.conversion import describe
from benchmark.datasets.extra_tests import match
from benchmark.errors import NoisybenchError
from benchmark.grid.job import Job
from benchmark.runs.assemble import extra_tests_of, network_of, source_of
from benchmark.runs.prepare import DataSource


def fetch(sources: Iterable[DataSource], progress: Callable[[], AbstractContextManager[Progress]]) -> None:
    """Downloads what is missing, with a progress bar for each. Raises DataError."""
    for source in {source.digest: source for source in sources}.values():
        with progress() as report:
            source.dataset.fetch(report)


def build_backbones(jobs: Sequence[Job], cache: Path) -> None:
    """Builds every backbone once, for every shape of images that it gets. Raises BackboneError.

    Unreadable data is not an error here: the affected runs fail individually. `cache` holds decoded data.
    """
    shapes: dict[str, tuple[int, int] | None] = {}
    built = set()
    for job in jobs:
        dataset, part = job.spec.dataset.digest, job.spec.backbone
        if dataset not in shapes:
            shapes[dataset] = _shape(source_of(job), cache)
        shape, key = shapes[dataset], part.model_dump_json()
        if shape is not None and (key, shape) not in built:
            built.add((key, shape))
            channels, side = shape
            network_of(job).backbone.build(channels, 2, side, amp=False)


def data_notes(jobs: Sequence[Job], cache: Path) -> Iterator[str]:
    """How data sets and extra test sets are read and matched; a sentence each.

    Raises DataError where an extra test set does not fit. Unreadable data is not an error here either, and nothing
    is downloaded.
    """
    seen = set()
    for job in jobs:
        part = job.spec.dataset.model_copy(update={"subset": None})
        if (key := part.model_dump_json()) in seen:
            continue
        seen.add(key)
        main, extra = source_of(job), extra_tests_of(job)
        if not all(source.dataset.available() for source in (main, *extra.values())):
            continue
        try:
            data = main.load(cache)
            others = {name: source.like(data).load_extra_test(cache) for name, source in extra.items()}
        except NoisybenchError:
            continue
        if data.images is not None:
            yield f"data set {data.name}: {describe(data.images)}"
        yield from (f"data set {data.name}: {note}" for note in data.notes)
        for name, other in others.items():
            yield from match(data, name, other).notes


def _shape(source: DataSource, cache: Path) -> tuple[int, int] | None:
    """Channels and side of the images."""
    try:
        _, side, _, channels = source.load(cache).train.images.shape
    except NoisybenchError:
        return None
    return channels, side
