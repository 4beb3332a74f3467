"""Expected seconds of every run: from records of runs of the same kind, or else from a few timed steps."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch.nn import functional as F

from benchmark.errors import NoisybenchError
from benchmark.grid.job import Job
from benchmark.grid.spec import Recipe, Seeds
from benchmark.runs.assemble import Network, network_of, noise_of, pick_device, source_of
from benchmark.runs.frozen_features import stand_in
from benchmark.runs.order import declared_cost, kind, measured_seconds
from benchmark.runs.prepare import Prepared, Skipped, prepare
from benchmark.store.store import Store
from benchmark.training.samples import Images

TIMED_STEPS = 3
CHEAPEST = ("dataset", "backbone", "recipe")
"""Parts of a spec that decide how long a training with cross entropy takes."""
EVALUATION_SHARE = 0.35
"""Cost of an evaluated image relative to a trained one: one forward pass of three."""


def estimate_seconds(jobs: Sequence[Job], store: Store) -> dict[str, float | None]:
    """Run id -> seconds in one slot; None where the data would have to be downloaded first, or cannot be read, or the
    device is not one of this machine."""
    measured = measured_seconds(store)
    timed: dict[bytes, float | None] = {}
    result: dict[str, float | None] = {}
    for job in jobs:
        recorded = measured.get(kind(job.spec.model_dump(mode="json")))
        if recorded is not None:
            result[job.spec.id] = recorded
            continue
        key = kind({**job.spec.model_dump(mode="json"), "recipe": job.spec.training.model_dump(mode="json")}, CHEAPEST)
        if key not in timed:
            timed[key] = _seconds_of_cross_entropy(job, store)
        cross_entropy = timed[key]
        result[job.spec.id] = None if cross_entropy is None else cross_entropy * declared_cost(job.spec.method)
    return result


def _seconds_of_cross_entropy(job: Job, store: Store) -> float | None:
    source = source_of(job)
    if not source.dataset.available():
        return None
    try:
        device = pick_device(job.options.device)
        prepared = prepare(source, noise_of(job), store.cache("data"))
    except Skipped:
        return 0.0
    except NoisybenchError:
        return None
    torch.set_num_threads(job.options.threads)
    recipe = job.spec.training
    per_image = _seconds_per_image(network_of(job), prepared, recipe, job.spec.seeds, device)
    return per_image * recipe.epochs * (len(prepared.train.noisy) + EVALUATION_SHARE * _evaluated(prepared))


def _seconds_per_image(
    network: Network, prepared: Prepared, recipe: Recipe, seeds: Seeds, device: torch.device
) -> float:
    """Seconds per image of training with cross entropy, timed over a few steps on the run's data and network."""
    train = prepared.train
    frozen = network.backbone.frozen
    samples = stand_in(network.backbone, train) if frozen else Images(train.images, device)
    session = network.session(samples, train.noisy, prepared.num_classes, recipe, seeds)
    kit = session.kit()
    net = kit.network("net")
    optimizer = kit.optimizer("net", net.parameters())
    seconds = []
    for _, batch in zip(range(TIMED_STEPS + 1), session.data.batches(), strict=False):
        started = time.perf_counter()
        kit.update(F.cross_entropy(net(batch.x[0]), batch.y), optimizer)
        seconds.append((time.perf_counter() - started) / len(batch.index))
    return min(seconds)


def _evaluated(prepared: Prepared) -> int:
    tests = sum(len(part.noisy) for part in (prepared.test, *prepared.extra_tests.values()))
    return tests + len(prepared.val.noisy) + min(10_000, len(prepared.train.noisy))
