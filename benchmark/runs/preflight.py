"""Checks that run once, before any worker starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from benchmark.datasets.base import Progress
from benchmark.errors import NoisybenchError
from benchmark.grid.job import Job
from benchmark.runs.assemble import network_of, source_of
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


def _shape(source: DataSource, cache: Path) -> tuple[int, int] | None:
    """Channels and side of the images."""
    try:
        _, side, _, channels = source.load(cache).train.images.shape
    except NoisybenchError:
        return None
    return channels, side
