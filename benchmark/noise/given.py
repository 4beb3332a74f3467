"""Noisy labels that were observed, not drawn: they come with the data, from crowd workers, or from a file."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field, FilePath

from benchmark.noise.base import Corruption, NoiseError, NoiseKind, Settings, Split, check_labels, without_missing
from benchmark.noise.files import read_csv


class Given(NoiseKind):
    """Noisy labels that come with the data: any array `train_labels_NAME` of an npz file."""

    names = ("given",)
    nested = False
    positional = "labels"

    class Config(Settings):
        labels: str = Field(min_length=1)
        """Name of the array."""

    def skip(self, split: Split) -> str | None:
        return _missing(split, self.cfg.labels)

    def corrupt(self, split: Split, seed: int) -> Corruption:
        return _given(split, self.cfg.labels)


class Human(NoiseKind):
    """Labels of crowd workers: CIFAR-10N and CIFAR-100N (Wei et al., ICLR 2022)."""

    names = ("human",)
    nested = False
    positional = "labels"

    class Config(Settings):
        labels: Literal["aggre", "worse", "random_1", "random_2", "random_3", "noisy_label"]
        """CIFAR-10N: majority of three people, the worst of them, or one. CIFAR-100N: noisy_label."""

    def skip(self, split: Split) -> str | None:
        return _missing(split, self.cfg.labels)

    def corrupt(self, split: Split, seed: int) -> Corruption:
        return _given(split, self.cfg.labels)


class File(NoiseKind):
    """Noisy labels of a CSV file (split, index, clean, noisy), as `noisybench noise export` writes them."""

    names = ("file",)
    version = 2
    nested = False
    positional = "csv"

    class Config(Settings):
        csv: FilePath
        """One line for every sample, in any order. Of the columns split and original: see `noise export`."""

    def skip(self, split: Split) -> str | None:
        # A file without training labels is a fault; without validation labels, some are held out.
        if split.name != "train" and read_csv(self.cfg.csv, split) is None:
            return f"{self.cfg.csv.name} holds no labels of {split.name}"
        return None

    def corrupt(self, split: Split, seed: int) -> Corruption:
        read = read_csv(self.cfg.csv, split)
        if read is None:
            raise NoiseError(f"{self.cfg.csv} holds no labels of {split.name}; `noisybench noise export` writes them")
        return read


def _missing(split: Split, name: str) -> str | None:
    if name in split.given:
        return None
    return f"data set {split.dataset!r} ({split.name}) has no labels named {name!r}; {labels_of(split)}"


def labels_of(split: Split) -> str:
    """Which labels come with the data, or where they would."""
    if split.given:
        return f"it has {', '.join(sorted(split.given))}"
    return (
        f"it has none at all; expected arrays {split.name}_labels_NAME of an npz file (npz:FILE), or a table whose "
        "columns of readers are named (table:FILE,raters=A+B)"
    )


def _given(split: Split, name: str) -> Corruption:
    missing = _missing(split, name)
    if missing:
        raise NoiseError(missing)
    labels = checked_labels(split, name)
    return without_missing(labels, split)


def checked_labels(split: Split, name: str) -> np.ndarray:
    """[n] int64 labels that come with the data as `name`; -1 where there is none of an image."""
    labels = np.asarray(split.given[name])
    if labels.shape != split.labels.shape or not np.issubdtype(labels.dtype, np.integer):
        raise NoiseError(
            f"labels {name!r} of {split.dataset!r} have shape {labels.shape} and type {labels.dtype}; "
            f"expected {split.labels.shape} whole numbers, one per sample"
        )
    check_labels(labels[labels != -1], split.num_classes, f"labels {name!r} of {split.dataset!r} ({split.name})")
    return labels.astype(np.int64)
