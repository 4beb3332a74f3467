"""What a grid will cost: from records of the same kind where there are some, else from a few timed steps."""

from __future__ import annotations

import time

import torch
from torch.nn import functional as F

from benchmark.grid.spec import Job
from benchmark.runs.frozen_features import stand_in
from benchmark.runs.order import declared_cost, kind, measured_seconds
from benchmark.runs.prepare import Prepared, Skipped, prepare
from benchmark.runs.worker import make_backbone, make_kit, make_train_set, pick_device
from benchmark.store.store import Store
from methods.base import Hints

TIMED_STEPS = 3
EVALUATION_SHARE = 0.35
"""Cost of an evaluated image relative to a trained one: one forward pass of three."""


def estimate_seconds(jobs: list[Job], store: Store) -> dict[str, float | None]:
    """Run id -> seconds in one slot; None where the data would have to be downloaded first."""
    measured = measured_seconds(store)
    timed: dict[bytes, float | None] = {}
    result: dict[str, float | None] = {}
    for job in jobs:
        own = measured.get(kind(job.spec.model_dump(mode="json")))
        if own is not None:
            result[job.spec.id] = own
            continue
        key = kind(job.spec.model_dump(mode="json"), ("dataset", "backbone", "recipe"))
        if key not in timed:
            timed[key] = _time_cross_entropy(job, store)
        plain = timed[key]
        result[job.spec.id] = None if plain is None else plain * declared_cost(job.spec.method.name)
    return result


def _time_cross_entropy(job: Job, store: Store) -> float | None:
    """Seconds of a run of plain cross entropy, from a few steps on the run's own data and network."""
    from benchmark.runs.prepare import make_dataset_of

    if not make_dataset_of(job).available():
        return None
    try:
        prepared = prepare(job, store.cache("data"))
    except Skipped:
        return 0.0
    device = pick_device(job.options.device)
    torch.set_num_threads(job.options.threads)
    backbone = make_backbone(job)
    inputs = stand_in(job, backbone, prepared.train) if backbone.frozen else None
    data = make_train_set(job, prepared.train, prepared.num_classes, device, inputs)
    kit = make_kit(job, data, Hints(), device)
    network = kit.network("net")
    optimizer = kit.optimizer("net", network.parameters())
    steps = []
    for _, batch in zip(range(TIMED_STEPS + 1), data.batches(), strict=False):
        started = time.perf_counter()
        kit.update(F.cross_entropy(network(batch.x[0]), batch.y), optimizer)
        steps.append((time.perf_counter() - started) / len(batch.index))
    per_image = min(steps)
    return per_image * job.spec.recipe.epochs * (len(data) + EVALUATION_SHARE * _evaluated(prepared))


def _evaluated(prepared: Prepared) -> int:
    tests = sum(len(part.noisy) for part in prepared.tests.values())
    return tests + len(prepared.val.noisy) + min(10_000, len(prepared.train.noisy))
