"""One run from its job to its record. Where it is called (a process, a cluster task) is the executor's affair."""

from __future__ import annotations

import resource
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from backbones.base import Backbone, Network
from benchmark import model_selection
from benchmark.errors import UsageError
from benchmark.grid.spec import Augment, Job
from benchmark.noise.rate_estimate import FOLDS, cached_estimate
from benchmark.registry import BACKBONES, METHODS, add_plugin_file
from benchmark.runs.frozen_features import FeatureSource
from benchmark.runs.prepare import LabelledSet, Prepared, Skipped, prepare
from benchmark.seeds import seed_for
from benchmark.store import digests
from benchmark.store.store import SCHEMA, Store, StoreError
from benchmark.training.kit import EngineKit
from benchmark.training.train_set import DeviceTrainSet, Images, Samples
from benchmark.training.trainer import Evaluation, Progress, Trainer, Watched, seed_everything
from methods.base import Hints, Method

OnEpoch = Callable[[int, int], None]
OnPhase = Callable[[str], None]
"""Called with a few words on what takes its time before the first epoch."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended: ok, diverged, skipped or failed; `summary` is one short line for people."""

    state: str
    summary: str


def run_one(
    job: Job,
    store: Store,
    on_epoch: OnEpoch = lambda done, total: None,
    on_phase: OnPhase = lambda what: None,
) -> Outcome:
    """Trains one run and writes its record. A failure is recorded too; StoreError alone is raised."""
    started = time.perf_counter()
    try:
        for plugin in job.plugins:
            add_plugin_file(Path(plugin))
        record = _train(job, store, on_epoch, on_phase)
    except StoreError:
        raise
    except Skipped as reason:
        record = {"state": "skipped", "reason": str(reason)}
    except Exception as error:
        write_failure(job, store, type(error).__name__, str(error), traceback.format_exc())
        return Outcome("failed", f"{type(error).__name__}: {error}".split("\n")[0])
    record.setdefault("timing", {})["total_seconds"] = time.perf_counter() - started
    record["timing"]["peak_memory_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    store.write(header(job) | record)
    (store.work(job.spec.id) / "checkpoint.pt").unlink(missing_ok=True)
    return Outcome(record["state"], _summary(record))


def header(job: Job) -> dict[str, Any]:
    """What every record begins with, whatever its state."""
    sources = {
        f"{registry.kind}_digest": digests.digest(path)
        for registry, name in ((METHODS, job.spec.method.name), (BACKBONES, job.spec.backbone.name))
        if (path := registry.find(name).path) is not None
    }
    return {
        "schema": SCHEMA,
        "id": job.spec.id,
        "spec": job.spec.model_dump(mode="json"),
        "provenance": {
            **job.provenance,
            **sources,
            "labels": job.labels,
            "device": job.options.device,
            "threads": job.options.threads,
        },
    }


def write_failure(job: Job, store: Store, kind: str, message: str, trace: str = "") -> None:
    log = store.work(job.spec.id) / "log.txt"
    error = {"class": kind, "message": message, "traceback": trace[-8000:], "log": str(log)}
    store.write_failure(header(job) | {"state": "failed", "error": error})


def _summary(record: dict[str, Any]) -> str:
    if record["state"] != "ok":
        return record["reason"] or ""
    chosen = record["metrics"]["val_noisy"]
    return f"acc={chosen['accuracy']:.3f}".replace("=0.", "=.")


def make_train_set(
    job: Job, train: LabelledSet, num_classes: int, device: torch.device, inputs: Samples | None = None
) -> DeviceTrainSet:
    """`inputs` are the samples of `train` as the network takes them; by default its images."""
    return DeviceTrainSet(
        Images(train.images, device) if inputs is None else inputs,
        train.noisy,
        num_classes,
        batch_size=job.spec.recipe.batch_size,
        policy=job.spec.recipe.augment or Augment(),
        order_seed=job.spec.seeds.order,
    )


def make_backbone(job: Job) -> Backbone:
    part = job.spec.backbone
    plugin = BACKBONES.load(part.name)
    config = plugin.Config.model_validate(digests.to_paths(part.config, job.sources))
    return plugin(config, part.name.partition("/")[2])


def make_source(
    job: Job, train: LabelledSet, store: Store, device: torch.device, on_phase: OnPhase = lambda what: None
) -> FeatureSource | None:
    """Where the features of a frozen backbone come from; None where the images themselves are trained on."""
    backbone = make_backbone(job)
    if not backbone.frozen:
        return None
    return FeatureSource(job, backbone, train, store.cache("features"), device, on_phase)


def make_kit(job: Job, data: DeviceTrainSet, hints: Hints, device: torch.device) -> EngineKit:
    part, backbone = job.spec.backbone, make_backbone(job)
    amp = job.spec.recipe.precision == "amp"
    shape = data.images.data.shape

    def build(num_classes: int) -> Network:
        if backbone.frozen:
            return backbone.build_head(shape[1], num_classes, amp)
        return backbone.build(shape[3], num_classes, shape[1], amp, job.spec.recipe.small_maps)

    init_key = (job.spec.seeds.init, part.name, str(part.config))
    return EngineKit(data=data, build=build, recipe=job.spec.recipe, hints=hints, device=device, init_key=init_key)


def pick_device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UsageError("device cuda was asked for, but torch sees no CUDA device; use --device cpu or auto")
    return torch.device(name)


def _train(job: Job, store: Store, on_epoch: OnEpoch, on_phase: OnPhase) -> dict[str, Any]:
    torch.set_num_threads(job.options.threads)
    torch.backends.cudnn.deterministic = True
    device = pick_device(job.options.device)
    started = time.perf_counter()
    prepared = prepare(job, store.cache("data"))
    part = job.spec.method
    plugin: type[Method] = METHODS.load(part.name)
    config = plugin.Config.model_validate(digests.to_paths(part.config, job.sources))
    if prepared.num_classes < plugin.min_classes:
        raise Skipped(f"{part.name} needs at least {plugin.min_classes} classes; the data has {prepared.num_classes}")
    if "multiclass" not in plugin.tasks:
        raise Skipped(f"{part.name} is for {', '.join(sorted(plugin.tasks))} tasks; the data is multiclass")
    source = make_source(job, prepared.train, store, device, on_phase)
    data = make_train_set(job, prepared.train, prepared.num_classes, device, source.train if source else None)
    held = {
        name: Evaluation(source.features(part) if source else Images(part.images, device), part.noisy, part.clean)
        for name, part in {"val": prepared.val, **prepared.tests}.items()
    }
    prepared_seconds = time.perf_counter() - started

    hints, noise, estimate_seconds = _hints(job, plugin.requires(config), prepared, data, store, device, on_phase)
    kit = make_kit(job, data, hints, device)
    seed_everything(seed_for("method", job.spec.seeds.method, part.name))
    method = plugin(config, kit).to(device)
    trainer = Trainer(
        method,
        kit,
        data,
        Watched(prepared.train.noisy, prepared.train.clean, prepared.transition),
        held,
        main_metric=prepared.main_metric,
        method_seed=seed_for("method-epochs", job.spec.seeds.method, part.name),
        checkpoint=store.work(job.spec.id) / "checkpoint.pt",
        checkpoint_seconds=job.options.checkpoint_seconds,
        keep_predictions=job.options.keep != "none",
        on_epoch=on_epoch,
    )
    progress = trainer.run()
    if job.options.keep != "none" and not progress.diverged:
        _keep(job, store, progress, method)
    curve, metric = progress.curve, prepared.main_metric
    return {
        "state": "diverged" if progress.diverged else "ok",
        "reason": progress.diverged or None,
        "main_metric": metric,
        "metrics": None if progress.diverged else model_selection.select(curve, metric),
        "extra_metrics": None if progress.diverged else model_selection.select_extra(curve, metric),
        "curve": [{k: v for k, v in entry.items() if k != "seconds"} for entry in curve],
        "noise": asdict(prepared.manifest) | noise,
        "diagnostics": curve[-1]["diagnostics"] if curve else {},
        **({"features": source.notes} if source else {}),
        "sizes": {"train": len(data), "val": len(prepared.val.noisy)}
        | {name: len(part.noisy) for name, part in prepared.tests.items()}
        | {"skipped_files": prepared.skipped_files},
        "timing": {
            "prepare_seconds": prepared_seconds,
            "epochs": [entry["seconds"] for entry in curve],
            "seconds": progress.seconds,
            "estimate_seconds": estimate_seconds,
        },
    }


def _hints(
    job: Job,
    required: frozenset[str],
    prepared: Prepared,
    data: DeviceTrainSet,
    store: Store,
    device: torch.device,
    on_phase: OnPhase,
) -> tuple[Hints, dict[str, Any], float | None]:
    """What the method may know: the truth in the oracle track, an estimate of the rate in the blind one.

    Also what the record says of the estimate, and the seconds that it took.
    """
    rate, transition, seconds = None, None, None
    noted: dict[str, Any] = {"estimated_rate": None, "estimator_error": None}
    truth = prepared.manifest.realized_rate
    if job.spec.track == "oracle" and required:
        if truth is None:
            raise Skipped("the true labels are unknown, so there is no oracle track; use --track blind")
        rate = truth
        if prepared.manifest.transition is not None:
            transition = torch.tensor(prepared.manifest.transition, dtype=torch.float32, device=device)
    elif "transition" in required:
        raise UsageError(f"{job.spec.method.name} needs the transition matrix; run it with --track oracle")
    elif "noise_rate" in required:

        def predict() -> tuple[np.ndarray, np.ndarray]:
            on_phase("estimates the noise rate")
            kit = make_kit(job, data, Hints(), device)
            seed_everything(seed_for("estimate", job.spec.seeds.order))
            return prepared.train.noisy, kit.out_of_fold(FOLDS).double().cpu().numpy()

        estimate = cached_estimate(job.spec, store.cache("estimates"), predict)
        rate = estimate.noise_rate
        seconds = estimate.seconds
        noted = {"estimated_rate": rate, "estimator_error": None if truth is None else rate - truth}
    hints = Hints(rate if "noise_rate" in required else None, transition if "transition" in required else None)
    return hints, noted, seconds


def _keep(job: Job, store: Store, progress: Progress, method: Method) -> None:
    """Written before the record, so that a record's files exist."""
    base = store.run_path(job.spec.id)
    base.parent.mkdir(parents=True, exist_ok=True)
    try:
        with base.with_suffix(".predictions.npz").open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **progress.test_probabilities)
        if job.options.keep == "model":
            from safetensors.torch import save_file

            state = {name: tensor.contiguous().clone() for name, tensor in method.state_dict().items()}
            save_file(state, base.with_suffix(".safetensors"))
    except OSError as error:
        raise StoreError(f"cannot write the kept files of {job.spec.id}: {error}") from error
