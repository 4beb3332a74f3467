"""What is done once before a grid starts, so that no worker finds out alone what would stop them all."""

from __future__ import annotations

from benchmark.cli.progress import fetch_progress
from benchmark.errors import NoisybenchError
from benchmark.grid.spec import Job
from benchmark.runs.prepare import load_data, make_dataset_of
from benchmark.runs.worker import make_backbone
from benchmark.store.store import Store


def fetch(jobs: list[Job]) -> None:
    """Downloads what is missing. Raises DataError."""
    for job in {job.spec.dataset.digest: job for job in jobs}.values():
        with fetch_progress() as report:
            make_dataset_of(job).fetch(report)


def build_backbones(jobs: list[Job], store: Store) -> None:
    """Builds every backbone once, for every shape of images that it gets. Raises BackboneError.

    Data that cannot be read are the affair of their own runs, which fail with the reason and stop no other.
    """
    shapes: dict[str, tuple[int, int] | None] = {}
    built = set()
    for job in jobs:
        dataset, part = job.spec.dataset.digest, job.spec.backbone
        if dataset not in shapes:
            shapes[dataset] = _shape(job, store)
        shape, key = shapes[dataset], part.model_dump_json()
        if shape is not None and (key, shape) not in built:
            built.add((key, shape))
            channels, side = shape
            make_backbone(job).build(channels, 2, side, amp=False, small_maps=job.spec.recipe.small_maps)


def _shape(job: Job, store: Store) -> tuple[int, int] | None:
    """Channels and side of the images."""
    try:
        _, side, _, channels = load_data(job, store.cache("data")).train.images.shape
    except NoisybenchError:
        return None
    return channels, side
