"""What a run leaves behind: its record, or that of its failure, and the files that were asked to be kept."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from backbones.base import paths_on
from benchmark import model_selection
from benchmark.grid.job import Job
from benchmark.grid.spec import Part
from benchmark.metrics import SCALARS
from benchmark.model_selection import Rule
from benchmark.registry import BACKBONES, METHODS, Registry, RegistryError
from benchmark.runs.failures import Cause
from benchmark.runs.hints import Given
from benchmark.runs.prepare import LabelledSet, Prepared
from benchmark.runs.train import Trained
from benchmark.store import digests, schema
from benchmark.store.curve import curve_of, rounded
from benchmark.store.scored_sets import CorruptedFigures, CorruptedTest, Tests, TestSet
from benchmark.store.store import Store
from benchmark.store.tree import printable
from benchmark.training.trainer import Progress


def header(job: Job, classes: Sequence[str] = ()) -> dict[str, Any]:
    """What every record begins with, whatever its state. `classes`: [K] their names, where the data were read."""
    names = {"classes": list(map(printable, classes))} if classes else {}
    return {
        "schema": schema.SCHEMA,
        "id": job.spec.id,
        "spec": job.spec.model_dump(mode="json"),
        "provenance": {
            **job.provenance,
            **code_digests(job),
            "labels": {**job.labels, **names},
            "device": job.options.device,
            "threads": job.options.threads,
            "fast_paths": list(paths_on()),
        },
    }


def code_digests(job: Job) -> dict[str, str | None]:
    """SHA-256 of the source of a job's method and backbone."""
    return {
        "method_digest": _source_digest(METHODS, job.spec.method, job.sources),
        "backbone_digest": _source_digest(BACKBONES, job.spec.backbone, job.sources),
    }


def _source_digest(registry: Registry[Any], part: Part, sources: Mapping[str, str]) -> str | None:
    """SHA-256 of a plugin's source as the grid was started with it; None where the plugin cannot be found."""
    try:
        return part.source or sources.get(str(registry.find(part.name).path))
    except RegistryError:
        return None


def trained_record(run: Trained) -> dict[str, Any]:
    """The part of a record that a training gives."""
    progress, prepared = run.progress, run.prepared
    record: dict[str, Any] = {
        "main_metric": prepared.main_metric,
        "deviations": run.deviations,
        "curve": curve_of(progress.curve),
        "noise": _noise(run.given, prepared),
        "diagnostics": _diagnostics(progress),
        "hints": sorted(run.required),
        "images": prepared.images,
        "features": None if run.features is None else run.features.notes,
        "sizes": {
            "train": len(prepared.train.noisy),
            "val": len(prepared.val.noisy),
            "skipped_files": prepared.skipped_files,
            **({} if prepared.clean_set is None else {"clean_set": len(prepared.clean_set.noisy)}),
        },
        "tests": _tests(prepared),
        "timing": {
            "prepare_seconds": run.prepare_seconds,
            "train_seconds": float(sum(entry["seconds"]["train"] for entry in progress.curve)),
            "evaluate_seconds": float(sum(entry["seconds"]["evaluate"] for entry in progress.curve)),
            "seconds": progress.seconds,
            "estimate_seconds": run.given.estimate.seconds if run.given.estimate else None,
        },
    }
    if progress.diverged:
        return record | {"state": "diverged", "reason": progress.diverged}
    extra = model_selection.select_extra(progress.curve, prepared.main_metric)
    return record | {
        "state": "ok",
        "metrics": _scalars(model_selection.select(progress.curve, prepared.main_metric)),
        "extra_metrics": {name: _scalars(figures) for name, figures in extra.items()},
        "outcomes": progress.outcomes,
        "extra_outcomes": progress.extra_outcomes,
        **({"corrupted_tests": _corrupted(run)} if run.corrupted else {}),
    }


def summary(record: Mapping[str, Any]) -> str:
    """One short line for people about a run that has a record."""
    if record["state"] != "ok":
        return record["reason"]
    chosen = record["metrics"]["val_noisy"]
    return f"acc={chosen['accuracy']:.3f}".replace("=0.", "=.")


def predictions(run: Trained) -> dict[str, np.ndarray]:
    """The arrays of a file of predictions, so that others can score them: see docs/records.md."""
    prepared, progress = run.prepared, run.progress
    sets = {"test": prepared.test, **prepared.extra_tests}
    arrays = {"splits": np.array(list(sets)), "classes": np.array(prepared.classes), "val/labels": prepared.val.noisy}
    if prepared.val.clean is not None:
        arrays["val/true"] = prepared.val.clean
    if (groups := prepared.val.sample_groups) is not None:
        arrays["val/groups"] = np.array(groups)
    for name, by_rule in [*progress.probabilities.items(), *progress.extra_probabilities.items()]:
        arrays |= {f"{name}/{rule}": _narrow(array) for rule, array in by_rule.items()}
    for name, part in sets.items():
        arrays |= {f"{name}/labels": part.noisy, f"{name}/index": np.arange(len(part.noisy))}
        if part.files is not None:
            arrays[f"{name}/files"] = np.array(part.files)
    trained_on = np.arange(len(prepared.train.noisy)) if prepared.train.index is None else prepared.train.index
    arrays |= {f"train/{name}": array for name, array in progress.train.items()}
    return arrays | {"train/labels": prepared.train.noisy, "train/index": trained_on}


def _narrow(probabilities: np.ndarray) -> np.ndarray:
    """As float32 where that is exact: such rows sum to one as closely as scikit-learn expects of their type."""
    narrow = probabilities.astype(np.float32)
    return narrow if (narrow == probabilities).all() else probabilities


def write_failure(job: Job, store: Store, kind: str, message: str, cause: Cause, trace: str = "") -> None:
    log = str(store.log(job.spec.id))
    error = {"class": kind, "message": message, "traceback": trace[-8000:], "log": log, "cause": cause}
    store.write_failure(header(job) | {"state": "failed", "error": error})


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
    return {
        "size": len(part.noisy),
        "digest": digests.of_arrays(part.images, part.noisy),
        "groups": part.sample_groups,
        "notes": list(part.notes),
        "shared_images": part.shared_images,
    }


def _corrupted(run: Trained) -> dict[str, CorruptedTest]:
    left = iter(run.progress.at_end)
    return {
        name: {
            "kind": [one.kind for one in found.sets],
            "severity": [one.severity for one in found.sets],
            "notes": list(found.notes),
            "figures": _columns_by_rule(list(itertools.islice(left, len(found.sets)))),
        }
        for name, found in run.corrupted.items()
    }


def _columns_by_rule(sets: Sequence[Mapping[Rule, Mapping[str, Any] | None]]) -> dict[Rule, CorruptedFigures | None]:
    """Rule -> columns over `sets`."""
    by_rule: dict[Rule, CorruptedFigures | None] = {}
    for rule in sets[0]:
        figures = [of_set[rule] for of_set in sets]
        known = next((found for found in figures if found), None)
        columns = {name: [rounded((found or {}).get(name)) for found in figures] for name in SCALARS}
        by_rule[rule] = None
        if known:
            by_rule[rule] = {"epoch": known["epoch"], "phase": known["phase"], "metrics": columns}
    return by_rule


def _noise(given: Given, prepared: Prepared) -> dict[str, Any]:
    """The manifest, the share of wrong labels among those trained on, and the estimate of it with its interval."""
    manifest, truth = asdict(prepared.manifest), prepared.realized_rate
    estimate = None if given.estimate is None else given.estimate.noise
    rate = None if estimate is None else estimate.rate
    return manifest | {
        "realized_rate": truth,
        "realized_rate_all": manifest["realized_rate"],
        "estimated_rate": rate,
        "estimator_error": None if rate is None or truth is None else rate - truth,
        "estimate_interval": None if estimate is None else estimate.interval,
        "estimate_doubt": None if estimate is None else estimate.doubt,
    }
