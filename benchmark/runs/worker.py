"""One run, from its job to its record. Executors decide where this runs."""

from __future__ import annotations

import resource
import time
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmark import model_selection
from benchmark.grid.job import Job, Options
from benchmark.grid.spec import RunSpec
from benchmark.model_selection import Rule
from benchmark.noise.rate_estimate import FOLDS
from benchmark.registry import BACKBONES, METHODS, add_plugin_file
from benchmark.runs.assemble import Plugins, assemble, pick_device
from benchmark.runs.executors.base import OnEpoch, OnPhase
from benchmark.runs.frozen_features import FeatureSource
from benchmark.runs.hints import Estimate, Given, cached_estimate, find_hints
from benchmark.runs.prepare import LabelledSet, Prepared, Skipped, prepare
from benchmark.seeds import seed_everything, seed_for
from benchmark.store import digests, schema
from benchmark.store.atomic import StoreError, write_atomically, write_through
from benchmark.store.curve import curve_of, rounded
from benchmark.store.schema import Tests, TestSet
from benchmark.store.store import Store
from benchmark.training.samples import Images, Samples
from benchmark.training.session import Session
from benchmark.training.trainer import Evaluation, Evaluations, Progress, Trainer, Watched
from methods.base import Method


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
        try:
            record = _carry_out(assemble(job), job.spec, job.options, store, on_epoch, on_phase)
        except Skipped as reason:
            record = {"state": "skipped", "reason": str(reason), "timing": {}}
        record["timing"]["total_seconds"] = time.perf_counter() - started
        record["timing"]["peak_memory_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        record["timing"] = {name: rounded(value, 4) for name, value in record["timing"].items()}
        record = header(job) | record
        if fault := schema.fault(record):
            raise AssertionError(f"the engine made a record that {fault}")
    except StoreError:
        raise
    except Exception as error:
        write_failure(job, store, type(error).__name__, str(error), traceback.format_exc())
        return Outcome("failed", f"{type(error).__name__}: {error}".split("\n")[0])
    store.write(record)
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
        "schema": schema.SCHEMA,
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
        return record["reason"]
    chosen = record["metrics"]["val_noisy"]
    return f"acc={chosen['accuracy']:.3f}".replace("=0.", "=.")


def _carry_out(
    plugins: Plugins, spec: RunSpec, options: Options, store: Store, on_epoch: OnEpoch, on_phase: OnPhase
) -> dict[str, Any]:
    torch.set_num_threads(options.threads)
    torch.backends.cudnn.deterministic = True
    device = pick_device(options.device)
    started = time.perf_counter()
    prepared = prepare(plugins.source, plugins.noise, store.cache("data"), plugins.extra_tests)
    _refuse(plugins.method, spec.method.name, prepared.num_classes)
    inputs = Inputs(plugins, spec, prepared.train, store.cache("features"), device, on_phase)
    held = Evaluations(
        inputs.evaluation(prepared.val),
        inputs.evaluation(prepared.test),
        {name: inputs.evaluation(part) for name, part in prepared.extra_tests.items()},
    )
    session = plugins.network.session(inputs.train, prepared.train.noisy, prepared.num_classes, spec.recipe, spec.seeds)
    prepared_seconds = time.perf_counter() - started

    def estimate() -> Estimate:
        return cached_estimate(spec, store.cache("estimates"), lambda: _out_of_fold(session, spec, on_phase))

    required = plugins.method.requires(plugins.method_config)
    given = find_hints(required, spec.track, prepared.manifest, estimate, device)
    method, kit = session.method(
        plugins.method,
        plugins.method_config,
        seed=seed_for("method", spec.seeds.method, spec.method.name),
        hints=given.hints,
    )
    trainer = Trainer(
        method,
        kit,
        session.data,
        Watched(prepared.train.noisy, prepared.train.clean, prepared.transition),
        held,
        main_metric=prepared.main_metric,
        method_seed=seed_for("method-epochs", spec.seeds.method, spec.method.name),
        checkpoint=store.work(spec.id) / "checkpoint.pt",
        checkpoint_seconds=options.checkpoint_seconds,
        keep_predictions=options.keep != "none",
        on_epoch=on_epoch,
    )
    progress = trainer.run()
    if options.keep != "none" and not progress.diverged:
        _keep(store, spec.id, progress, method if options.keep == "model" else None)
    trained: dict[str, Any] = {
        "main_metric": prepared.main_metric,
        "deviations": kit.deviations,
        "curve": curve_of(progress.curve),
        "noise": asdict(prepared.manifest) | _estimated(given, prepared),
        "diagnostics": _diagnostics(progress),
        "features": inputs.features.notes if inputs.features else None,
        "sizes": {"train": len(session.data), "val": len(prepared.val.noisy), "skipped_files": prepared.skipped_files},
        "tests": _tests(prepared),
        "timing": {
            "prepare_seconds": prepared_seconds,
            "train_seconds": float(sum(entry["seconds"]["train"] for entry in progress.curve)),
            "evaluate_seconds": float(sum(entry["seconds"]["evaluate"] for entry in progress.curve)),
            "seconds": progress.seconds,
            "estimate_seconds": given.estimate.seconds if given.estimate else None,
        },
    }
    if progress.diverged:
        return trained | {"state": "diverged", "reason": progress.diverged}
    extra = model_selection.select_extra(progress.curve, prepared.main_metric)
    return trained | {
        "state": "ok",
        "metrics": _scalars(model_selection.select(progress.curve, prepared.main_metric)),
        "extra_metrics": {name: _scalars(figures) for name, figures in extra.items()},
        "outcomes": progress.outcomes,
        "extra_outcomes": progress.extra_outcomes,
    }


def _scalars(figures: Mapping[Rule, dict[str, Any] | None]) -> dict[Rule, dict[str, Any] | None]:
    """Without the figures per class, which follow from the outcomes."""
    return {
        rule: {name: value for name, value in found.items() if not isinstance(value, list)} if found else None
        for rule, found in figures.items()
    }


def _diagnostics(progress: Progress) -> dict[str, Any]:
    last = progress.curve[-1]["diagnostics"] if progress.curve else {}
    return {name: rounded(value) if isinstance(value, list) else value for name, value in last.items()}


def _tests(prepared: Prepared) -> Tests:
    return {
        "test": _test_set(prepared.test),
        "extra": {name: _test_set(part) for name, part in prepared.extra_tests.items()},
    }


def _test_set(part: LabelledSet) -> TestSet:
    return {"size": len(part.noisy), "digest": digests.of_arrays(part.images, part.noisy), "groups": None}


def _refuse(method: type[Method], name: str, num_classes: int) -> None:
    """Raises Skipped where the method is not for this data."""
    if num_classes < method.card.min_classes:
        raise Skipped(f"{name} needs at least {method.card.min_classes} classes; the data has {num_classes}")
    if "multiclass" not in method.card.tasks:
        raise Skipped(f"{name} is for {', '.join(method.card.tasks)} tasks; the data is multiclass")


class Inputs:
    """The labelled sets of a run as its network takes them: images, or the features of a frozen backbone."""

    def __init__(
        self, plugins: Plugins, spec: RunSpec, train: LabelledSet, cache: Path, device: torch.device, on_phase: OnPhase
    ) -> None:
        backbone = plugins.network.backbone
        self.device = device
        self.features: FeatureSource | None = None
        self.train: Samples
        if backbone.frozen:
            self.features = FeatureSource(backbone, spec.backbone, spec.recipe, train, cache, device, on_phase)
            self.train = self.features.train
        else:
            self.train = Images(train.images, device)

    def evaluation(self, part: LabelledSet) -> Evaluation:
        samples = Images(part.images, self.device) if self.features is None else self.features.features(part)
        return Evaluation(samples, part.noisy, part.clean)


def _out_of_fold(session: Session, spec: RunSpec, on_phase: OnPhase) -> tuple[np.ndarray, np.ndarray]:
    """Noisy labels [n] and [n, K] probabilities of networks that did not see them, for the rate estimate."""
    on_phase("estimates the noise rate")
    kit = session.kit()
    seed_everything(seed_for("estimate", spec.seeds.order))
    return session.data.y.cpu().numpy(), kit.out_of_fold(FOLDS).double().cpu().numpy()


def _estimated(given: Given, prepared: Prepared) -> dict[str, float | None]:
    """The estimate of the noise rate and its error, for the record."""
    if given.estimate is None:
        return {"estimated_rate": None, "estimator_error": None}
    rate, truth = given.estimate.noise_rate, prepared.manifest.realized_rate
    return {"estimated_rate": rate, "estimator_error": None if truth is None else rate - truth}


def _keep(store: Store, run_id: str, progress: Progress, method: Method | None) -> None:
    """Keeps test probabilities, and the weights of `method`. Before the record, so that a record's files exist."""
    base, arrays = store.run_path(run_id), progress.test_probabilities
    write_through(
        base.with_suffix(".predictions.npz"), lambda file: np.savez_compressed(file, allow_pickle=False, **arrays)
    )
    if method is not None:
        from safetensors.torch import save

        state = {name: tensor.contiguous().clone() for name, tensor in method.state_dict().items()}
        write_atomically(base.with_suffix(".safetensors"), save(state))
