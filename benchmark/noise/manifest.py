"""The manifest of noisy labels: the kind and its options, realized rates, T and the labels' SHA-256."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmark.noise.base import Corruption, NoiseError, NoiseKind, Split

FEW = 10
"""A class with fewer correctly labeled samples than this gets a warning."""


@dataclass(frozen=True)
class OpenSetImages:
    """Images of no class of the task among those of a split."""

    count: int
    sha256: str
    """Of the kept images' positions in the source (-1: an image of the task), as the labels' digest."""


@dataclass(frozen=True)
class Manifest:
    """Plain values only: `dataclasses.asdict` gives what a record stores."""

    kind: str
    version: int
    config: dict[str, Any]
    num_samples: int
    class_counts: list[int]
    """[K] samples per clean class (per class of the labels at hand where the truth is unknown); images of no class of
    the task are not among them, nor in the rates per class and T."""
    realized_rate: float | None
    """Share of wrong labels, those of images of no class of the task among them; None where the truth is unknown."""
    realized_rate_per_class: list[float | None] | None
    """[K] share of wrong labels per clean class; None for a class without samples."""
    commonest_wrong_share: list[float | None] | None
    """[K] share of the commonest wrong class among the wrong labels of each clean class; None for a class without
    wrong labels. Near 1 the noise is nearly a map of classes, 1/(K-1) means that all wrong classes are equal."""
    transition: list[list[float]] | None
    """[K, K] T[clean, noisy], or None where the truth is unknown."""
    transition_source: str
    """"generator", "empirical" (counted from the labels), or "unknown"."""
    labels_sha256: str
    """Of the kept labels as little-endian int64, in order."""
    open_set: OpenSetImages | None
    """None where all images are of the task."""
    warnings: list[str]
    notes: list[str]
    """How the labels were made; a sentence each."""


def make_manifest(
    kind: NoiseKind,
    config: Mapping[str, Any],
    split: Split,
    corruption: Corruption,
    *,
    allow_unidentifiable: bool = False,
) -> Manifest:
    """The manifest of a split's noisy labels from `kind`; `config` as in the run spec.

    Raises NoiseError where the generator's T is not identifiable and `allow_unidentifiable` is false.
    """
    kept = slice(None) if corruption.selection is None else corruption.selection
    all_noisy = corruption.labels[kept]
    open_set, own = _open_set(corruption, kept)
    clean, noisy = split.labels[kept][own], all_noisy[own]
    counts = np.bincount(clean, minlength=split.num_classes)
    warnings: list[str] = []
    rate: float | None = None
    per_class: list[float | None] | None = None
    commonest: list[float | None] | None = None
    transition: np.ndarray | None = None
    source = "unknown"
    if kind.truth_known:
        joint = count(clean, noisy, split.num_classes)
        correct = np.diagonal(joint)
        rate = float(len(all_noisy) - correct.sum()) / max(1, len(all_noisy))
        pairs = zip(correct.tolist(), counts.tolist(), strict=True)
        per_class = [(n - c) / n if n else None for c, n in pairs]
        commonest = commonest_wrong_share(joint)
        if corruption.transition is not None:
            transition, source = corruption.transition, "generator"
            warnings += check_identifiable(transition, allow_unidentifiable=allow_unidentifiable)
        else:
            transition, source = empirical_transition(joint), "empirical"
            warnings += check_identifiable(transition, allow_unidentifiable=True)
        warnings += _few(split.name, correct, counts)
    return Manifest(
        kind=kind.name,
        version=kind.version,
        config=dict(config),
        num_samples=len(all_noisy),
        class_counts=counts.tolist(),
        realized_rate=rate,
        realized_rate_per_class=per_class,
        commonest_wrong_share=commonest,
        transition=None if transition is None else transition.tolist(),
        transition_source=source,
        labels_sha256=labels_sha256(all_noisy),
        open_set=open_set,
        warnings=warnings,
        notes=list(corruption.notes),
    )


def _open_set(corruption: Corruption, kept: slice | np.ndarray) -> tuple[OpenSetImages | None, slice | np.ndarray]:
    """What is known of the images of no class of the task, and which of the kept samples are not such."""
    if corruption.outside is None:
        return None, slice(None)
    outside = corruption.outside[kept]
    return OpenSetImages(int((outside >= 0).sum()), labels_sha256(outside)), np.flatnonzero(outside < 0)


def _few(split: str, correct: np.ndarray, counts: np.ndarray) -> list[str]:
    """One sentence on the classes with few correctly labeled samples, if there are any."""
    few = np.flatnonzero(correct < FEW)
    if not len(few):
        return []
    least = int(few[correct[few].argmin()])
    told = f"class {least} has {correct[least]} correctly labeled samples of {counts[least]} in {split}"
    others = f" ({len(few)} classes have so few)" if len(few) > 1 else ""
    return [f"{told}, fewer than {FEW}{others}"]


def labels_sha256(labels: np.ndarray) -> str:
    """Hexadecimal SHA-256 of labels [n] as little-endian int64, equal on every platform."""
    return hashlib.sha256(np.ascontiguousarray(labels, dtype="<i8").data).hexdigest()


def count(clean: np.ndarray, noisy: np.ndarray, num_classes: int) -> np.ndarray:
    """[K, K] number of samples by clean (row) and noisy (column) class."""
    cells = np.bincount(clean * num_classes + noisy, minlength=num_classes**2)
    return cells.reshape(num_classes, num_classes)


def empirical_transition(joint: np.ndarray) -> np.ndarray:
    """[K, K] T of counts [K, K] by clean and noisy class; a class without samples keeps its label."""
    totals = joint.sum(1, keepdims=True)
    return np.where(totals > 0, joint / np.maximum(totals, 1), np.eye(len(joint)))


def commonest_wrong_share(joint: np.ndarray) -> list[float | None]:
    """[K] of counts [K, K] by clean and noisy class: the largest wrong count over the sum of the wrong ones."""
    wrong = joint * (1 - np.eye(len(joint), dtype=joint.dtype))
    pairs = zip(wrong.max(1).tolist(), wrong.sum(1).tolist(), strict=True)
    return [largest / total if total else None for largest, total in pairs]


def check_identifiable(transition: np.ndarray, *, allow_unidentifiable: bool = False) -> list[str]:
    """Refuses a T [K, K] with T_ii <= T_ij for some j: i and j cannot be told apart without knowing T.

    Raises NoiseError, or returns the reason as a warning where that is allowed; empty for a sound T.
    """
    others = np.array(transition, dtype=np.float64)
    stays = np.diagonal(others).copy()
    np.fill_diagonal(others, -1.0)
    lost = np.flatnonzero(stays <= others.max(1) + 1e-12)
    if not len(lost):
        return []
    i = int(lost[0])
    j = int(others[i].argmax())
    reason = (
        f"not identifiable: class {i} keeps its label with probability {stays[i]:.4g} and becomes class {j} "
        f"with {others[i, j]:.4g} ({len(lost)} of {len(stays)} classes)"
    )
    if allow_unidentifiable:
        return [reason]
    raise NoiseError(
        f"the noise is {reason}; expected the true class to stay the likeliest: lower the rate, "
        "or say --allow-unidentifiable (in a suite: allow_unidentifiable = true)"
    )
