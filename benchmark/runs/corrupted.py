"""Corrupted copies of a run's test set, each made when it is scored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from benchmark.datasets.base import Arrays, CorruptedCopy, CorruptedTests
from benchmark.runs.prepare import DataSource


@dataclass(frozen=True)
class CorruptedSet:
    """The test set with other images; their labels and their order are those of the test set."""

    kind: str
    severity: int
    key: str
    """Identifies the images, whatever the machine."""
    images: Callable[[], np.ndarray]
    """[n, H, W, C] uint8."""


@dataclass(frozen=True)
class Corrupted:
    """The corrupted copies under one name of an extra test set."""

    sets: tuple[CorruptedSet, ...]
    notes: tuple[str, ...]


def corrupted_copies(tests: CorruptedTests, source: DataSource, test: Arrays, cache: Path) -> Corrupted:
    """Corrupted copies of `test`, the test images of `source`. Raises DataError.

    What the data set does to its images (`Dataset.preprocess`) is done after the corruption, as it would be in use.
    """
    dataset = source.dataset
    raw = dataset.raw()
    plain = test if raw is dataset else replace(source, dataset=raw).load(cache).test
    found = tests.of(plain, dataset.label)

    def made(copy: CorruptedCopy) -> np.ndarray:
        return dataset.preprocess(copy.images(plain.images))

    sets = [
        CorruptedSet(copy.kind, copy.severity, f"{source.key}/test/{copy.key}", partial(made, copy))
        for copy in found.copies
    ]
    return Corrupted(tuple(sets), found.notes)
