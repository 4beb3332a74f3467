"""The interface of label noise: what a kind sees, what it returns, and its base class.

T[i, j] = P(noisy = j | clean = i): rows sum to 1. A rate is the probability that a label ends up wrong,
unless the kind says otherwise. The training and the validation split get the same process (same T, weights,
class map) with independent draws; the test split is never corrupted.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from backbones.settings import Settings as Settings
from benchmark.errors import NoisybenchError


class NoiseError(NoisybenchError, ValueError):
    """The noise cannot be drawn as configured, or needs `allow_unidentifiable`."""


class RateSettings(Settings):
    rate: float = Field(ge=0, lt=1)
    """Probability that a label ends up wrong, in [0, 1)."""


class Source(Settings):
    """A data set that a kind of noise takes images from, resolved."""

    name: str
    version: int
    config: dict[str, Any]


@dataclass(frozen=True)
class Split:
    """What a kind of noise sees of one split of a data set."""

    name: str
    """"train" or "val"."""
    labels: np.ndarray
    """[n] int64 clean labels (the doubtful ones where the truth is unknown)."""
    num_classes: int
    dataset: str
    """Name of the data set, for messages."""
    key: str
    """Digest of the data, equal for all splits. Draws depend on it, the kind, the split and the seed."""
    images: np.ndarray | None = None
    """[n, H, W, C] uint8, or None."""
    registered: str = ""
    """Name under which the data set is registered, such as "cifar10": class maps are looked up by it. Unlike the
    name of somebody's file, it is part of a run's identity."""
    original: np.ndarray | None = None
    """[n] the samples' places in the source's own order: positions, or names of files; None: it has none."""
    given: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Named noisy labels of this split, [n] int64 each; -1 where there is none of an image."""
    counts: np.ndarray | None = None
    """[n, K] how many of an image's raters gave each class, where only their numbers are known."""
    outside: int = 0
    """Number of images that the kind's `source` has for this split."""
    probabilities: np.ndarray | None = None
    """[n, K] out-of-fold probabilities of a clean classifier that was trained on clean labels; for a kind with
    `classifier_on_own_labels` of one that was trained on these labels."""

    def __post_init__(self) -> None:
        labels, classes = self.labels, self.num_classes
        if classes < 2:
            raise NoiseError(f"label noise needs at least 2 classes; data set {self.dataset!r} has {classes}")
        if labels.ndim != 1 or labels.dtype != np.int64:
            raise NoiseError(
                f"the labels of {self.dataset!r} have shape {labels.shape} and type {labels.dtype}; "
                "expected one int64 class number per sample: squeeze and convert them at loading"
            )
        check_labels(labels, classes, f"labels of {self.dataset!r} ({self.name})")


@dataclass(frozen=True)
class Corruption:
    """The noisy labels of one split."""

    labels: np.ndarray
    """[n] int64 noisy labels of the whole split."""
    transition: np.ndarray | None = None
    """[K, K] float64 T that the labels were drawn from, or None where there is no such T."""
    selection: np.ndarray | None = None
    """Sorted positions of the samples that are kept, int64; None: all of them."""
    outside: np.ndarray | None = None
    """[n] int64 position among the images of the kind's `source` of the one that takes the place of the sample's own
    image, -1 where it keeps its own; None: all keep their own."""
    notes: tuple[str, ...] = ()
    """How the labels were made where that is not plain from the options; a sentence each, for the manifest."""
    soft: np.ndarray | None = None
    """[n, K] float64 probabilities of the classes, where the labels are those of raters; a row of a sample that is not
    kept may hold anything. None where there is but one label."""


class NoiseKind(ABC):
    """A kind of label noise. Draws depend on the data, the kind, the split and the seed, never on the rate."""

    names: ClassVar[tuple[str, ...]]
    """The name it is registered under, as a tuple of one."""
    version: ClassVar[int] = 1
    """Bump when the labels change."""
    nested: ClassVar[bool] = True
    """Samples that are wrong at a low rate stay wrong, with the same new class, at every higher rate."""
    positional: ClassVar[str] = "rate"
    """The field that "kind:VALUE" sets; empty where the kind takes no value."""
    truth_known: ClassVar[bool] = True
    needs_clean_classifier: ClassVar[bool] = False
    """Whether `Split.probabilities` is needed whatever the data set; see `requires_clean_classifier`."""
    classifier_on_own_labels: bool = False
    """Whether the classifier behind `Split.probabilities` is trained on `classifier_labels`, not on clean labels."""
    Config: ClassVar[type[Settings]] = Settings

    def __init__(self, cfg: Any) -> None:
        self.cfg = cfg

    @property
    def name(self) -> str:
        return self.names[0]

    @property
    def source(self) -> Source | None:
        """The data set whose images take the place of others, if the kind has one."""
        return None

    def requires_clean_classifier(self, split: Split) -> bool:
        """Whether this configuration needs `Split.probabilities` on this data set.

        Also called before the data is loaded, with a split of which only the data set's name is known.
        """
        return self.needs_clean_classifier

    def classifier_labels(self, split: Split, seed: int) -> np.ndarray:
        """[n] labels of the training split that such a classifier is trained on; -1 where it leaves an image out."""
        raise NotImplementedError(f"{self.name} says classifier_on_own_labels; expected it to give these labels")

    def skip(self, split: Split) -> str | None:
        """Why this kind does not apply to the data, or None where it does."""
        return None

    def resolve(self, train: Split) -> NoiseKind:
        """This kind, to be used for all splits, with what it learns from the training split fixed."""
        return self

    @abstractmethod
    def corrupt(self, split: Split, seed: int) -> Corruption:
        """Noisy labels of one split. Raises NoiseError where the data do not fit the configuration."""


def without_missing(labels: np.ndarray, split: Split, transition: np.ndarray | None = None) -> Corruption:
    """Noisy `labels` [n] of which those that are -1 are left out."""
    kept = labels >= 0
    if kept.all():
        return Corruption(labels, transition)
    if not kept.any():
        raise NoiseError(
            f"every image of {split.dataset!r} ({split.name}) is without such a label (-1, or empty); expected labels "
            f"from 0 to {split.num_classes - 1}: give some in the data, or name other labels"
        )
    if split.name == "train" and kept.sum() == 1:
        raise NoiseError(
            f"one image of {split.dataset!r} (train) has such a label, which is too few to train on; give more, or "
            "name other labels"
        )
    note = f"{int((~kept).sum())} of {len(kept)} images of {split.name} have no label (-1) and are left out"
    return Corruption(np.where(kept, labels, split.labels), transition, np.flatnonzero(kept), notes=(note,))


def check_labels(labels: np.ndarray, num_classes: int, what: str) -> None:
    """Raises NoiseError unless all labels lie in [0, num_classes)."""
    if labels.size and not (labels.min() >= 0 and labels.max() < num_classes):
        raise NoiseError(
            f"{what} go from {labels.min()} to {labels.max()}; expected 0 to {num_classes - 1} "
            f"for {num_classes} classes: renumber the labels"
        )
