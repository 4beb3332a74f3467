"""Checks of what every kind of label noise promises."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.checks.runner import CheckFailed
from benchmark.noise.base import Corruption, NoiseKind, Split
from benchmark.noise.files import export_csv
from benchmark.noise.manifest import make_manifest
from benchmark.registry import NOISE

NUM_CLASSES = 5
NUM_SAMPLES = 4000
RATES = (0.1, 0.3, 0.45)


def split(name: str = "train") -> Split:
    """Balanced labels with images, a noisy label array and a plausible clean classifier."""
    generator = np.random.default_rng(len(name))
    labels = np.arange(NUM_SAMPLES) % NUM_CLASSES
    doubts = generator.normal(size=(NUM_SAMPLES, NUM_CLASSES)) + 1.5 * np.eye(NUM_CLASSES)[labels]
    weights = np.exp(doubts)
    wrong = generator.random(NUM_SAMPLES) < 0.2
    return Split(
        name=name,
        labels=labels.astype(np.int64),
        num_classes=NUM_CLASSES,
        dataset="lab",
        key="lab",
        images=generator.integers(0, 256, (NUM_SAMPLES, 8, 8, 1)).astype(np.uint8),
        given={"worse": np.where(wrong, (labels + 1) % NUM_CLASSES, labels).astype(np.int64)},
        probabilities=weights / weights.sum(1, keepdims=True),
        outside=NUM_SAMPLES,
    )


@contextmanager
def made(noise: str, options: dict[str, Any], rate: float = 0.3) -> Iterator[NoiseKind]:
    """The kind with `options`, and example values for the field that "kind:VALUE" sets and for required ones."""
    plugin = NOISE.load(noise)
    with tempfile.TemporaryDirectory() as folder:
        matrix = np.full((NUM_CLASSES, NUM_CLASSES), rate / (NUM_CLASSES - 1))
        np.fill_diagonal(matrix, 1 - rate)
        np.save(Path(folder) / "matrix.npy", matrix, allow_pickle=False)
        export_csv(Path(folder) / "labels.csv", [(split(), Corruption(split().given["worse"]))])
        examples = {
            "rate": rate,
            "rho": 5.0,
            "labels": "worse",
            "source": "digits",
            "file": Path(folder) / "matrix.npy",
            "csv": Path(folder) / "labels.csv",
        }
        fields = plugin.Config.model_fields
        wanted = {name for name, field in fields.items() if field.is_required() or name == plugin.positional}
        known = {name: examples[name] for name in wanted & examples.keys()}
        yield plugin(plugin.Config.model_validate(known | options))


def corrupted(kind: NoiseKind, part: Split, seed: int = 0) -> Corruption:
    reason = kind.skip(part)
    if reason:
        raise CheckFailed(f"does not apply to {NUM_CLASSES} balanced classes with images: {reason}")
    return kind.resolve(split()).corrupt(part, seed)


def keeps_the_shape(noise: str, options: dict[str, Any]) -> None:
    """Gives int64 labels [n] in range, changes no input, and gives equal labels twice."""
    part = split()
    before = part.labels.copy()
    with made(noise, options) as kind:
        first, second = corrupted(kind, part).labels, corrupted(kind, part).labels
    if first.dtype != np.int64 or first.shape != before.shape:
        raise CheckFailed(f"labels are {first.dtype} {first.shape}; expected int64 {before.shape}")
    if first.min() < 0 or first.max() >= NUM_CLASSES:
        raise CheckFailed(f"labels span {first.min()}..{first.max()}; expected 0..{NUM_CLASSES - 1}")
    if not np.array_equal(part.labels, before):
        raise CheckFailed("the clean labels were changed in place")
    if not np.array_equal(first, second):
        raise CheckFailed("equal seeds give other labels: draw from seed_for, not from a global generator")


def soft_labels_are_probabilities(noise: str, options: dict[str, Any]) -> None:
    """Where it gives soft labels, they are [n, K] probabilities of the classes for every sample that is kept."""
    with made(noise, options) as kind:
        corruption = corrupted(kind, split())
    soft = corruption.soft
    if soft is None:
        return
    if soft.shape != (NUM_SAMPLES, NUM_CLASSES):
        raise CheckFailed(f"soft labels have the shape {soft.shape}; expected {(NUM_SAMPLES, NUM_CLASSES)}")
    kept = soft if corruption.selection is None else soft[corruption.selection]
    if not (kept >= 0).all() or not np.allclose(kept.sum(1), 1):
        raise CheckFailed("rows of soft labels are no probabilities; expected numbers from 0 on that sum to 1")


def follows_its_seed(noise: str, options: dict[str, Any]) -> None:
    """Another seed and another part of the data have other draws, where the kind draws at all."""

    def changed(kind: NoiseKind, part: Split, seed: int) -> np.ndarray:
        """[n] which samples have another label, or another image."""
        corruption = corrupted(kind, part, seed)
        replaced = corruption.outside is not None and corruption.outside >= 0
        return np.asarray((corruption.labels != part.labels) | replaced)

    with made(noise, options) as kind:
        one = changed(kind, split(), 0)
        if "rate" not in type(kind.cfg).model_fields:
            return
        if np.array_equal(one, changed(kind, split(), 1)):
            raise CheckFailed("seeds 0 and 1 change the same positions")
        if np.array_equal(one, changed(kind, split("val"), 0)):
            raise CheckFailed("train and val flip the same positions")


def rate_zero_is_identity(noise: str, options: dict[str, Any]) -> None:
    """At rate 0 no label changes."""
    with made(noise, options, rate=0.0) as kind:
        if "rate" not in type(kind.cfg).model_fields:
            return
        changed = int((corrupted(kind, split()).labels != split().labels).sum())
    if changed:
        raise CheckFailed(f"{changed} labels changed at rate 0")


def is_nested(noise: str, options: dict[str, Any]) -> None:
    """Labels that are wrong at a low rate stay wrong, with the same new class, at a higher one."""
    if not NOISE.load(noise).nested:
        return
    clean, lower = split().labels, None
    for rate in RATES:
        with made(noise, options, rate) as kind:
            labels = corrupted(kind, split()).labels
        if lower is not None:
            wrong = lower != clean
            if not np.array_equal(labels[wrong], lower[wrong]):
                raise CheckFailed(f"not nested at rate {rate}; say nested = False, or draw u and v once")
        lower = labels


def has_a_manifest(noise: str, options: dict[str, Any]) -> None:
    """Its manifest's T is row-stochastic and fits the labels that were drawn."""
    part = split()
    with made(noise, options) as kind:
        corruption = corrupted(kind, part)
        manifest = make_manifest(kind, {}, part, corruption)
    if not kind.truth_known:
        if manifest.realized_rate is not None or manifest.transition is not None:
            raise CheckFailed("the truth is unknown, yet the manifest holds a rate or T")
        return
    if manifest.transition is None:
        raise CheckFailed("there is no T, neither the generator's nor an empirical one")
    matrix = np.array(manifest.transition)
    if matrix.shape != (NUM_CLASSES, NUM_CLASSES) or not np.allclose(matrix.sum(1), 1):
        raise CheckFailed(f"T of shape {matrix.shape} has rows that sum to {matrix.sum(1)}")
    for label in range(NUM_CLASSES):
        kept = corruption.selection if corruption.selection is not None else np.arange(NUM_SAMPLES)
        members = kept[part.labels[kept] == label]
        share = np.bincount(corruption.labels[members], minlength=NUM_CLASSES) / max(1, len(members))
        allowed = 5 * np.sqrt(0.25 / max(1, len(members))) + 1e-9
        if np.abs(share - matrix[label]).max() > allowed:
            raise CheckFailed(f"T of class {label} says {matrix[label].round(3)}, the labels {share.round(3)}")


CHECKS: dict[str, Callable[..., None]] = {
    check.__name__: check
    for check in (
        keeps_the_shape,
        soft_labels_are_probabilities,
        follows_its_seed,
        rate_zero_is_identity,
        is_nested,
        has_a_manifest,
    )
}
