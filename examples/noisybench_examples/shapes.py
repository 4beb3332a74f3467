"""Drawn shapes whose labels are right by construction: a control in which every wrong label is the noise's."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from benchmark.datasets.base import Arrays, Data, Dataset, Progress, Settings, stratified_split

CLASSES = ("disk", "square", "diamond", "ring")
SIDE = 16


class Shapes(Dataset):
    """Gray images of 16x16 px, 4 shapes at random places, sizes and contrasts under pixel noise; no download.

    All numbers are integers, so that the images are the same on every machine.
    """

    names: ClassVar[tuple[str, ...]] = ("shapes",)
    augment: ClassVar[dict[str, Any]] = {"flip": True, "rotate": 0.0}

    class Config(Settings):
        per_class: int = Field(250, ge=10, le=100_000)
        """Images of each shape, before the split of 60/20/20 into train, val and test."""
        contrast: int = Field(60, ge=1, le=150)
        """Least difference between a shape and its background, in gray levels of 255; pixel noise spans 80."""

    @cached_property
    def _drawn(self) -> Arrays:
        labels = np.arange(len(CLASSES) * self.cfg.per_class, dtype=np.int64) % len(CLASSES)
        # The images belong to the data set: the seed is fixed, whatever the seeds of a run.
        generator = np.random.Generator(np.random.PCG64(0))
        count = (len(labels), 1, 1)
        radius = generator.integers(4, 7, count)
        rows, columns = (
            np.arange(SIDE).reshape(shape) - generator.integers(6, 10, count) for shape in ((-1, 1), (-1,))
        )
        level = self.cfg.contrast + generator.integers(0, 25, count)
        noise = generator.integers(0, 81, (len(labels), SIDE, SIDE))
        inside = _inside(labels[:, None, None], np.abs(rows), np.abs(columns), radius)
        images = (noise + level * inside).astype(np.uint8)
        return Arrays(images[..., None], labels)

    def digest(self) -> str:
        content = self._drawn.images.tobytes() + self._drawn.labels.tobytes()
        return "sha256:" + hashlib.sha256(content).hexdigest()

    def load(self, progress: Progress | None = None) -> Data:
        rest, test = stratified_split(self._drawn.labels, 0.2, seed=0)
        train, val = stratified_split(self._drawn.labels[rest], 0.25, seed=1)
        return Data(
            name=self.label,
            num_classes=len(CLASSES),
            classes=CLASSES,
            train=self._drawn.take(rest[train]),
            val=self._drawn.take(rest[val]),
            test=self._drawn.take(test),
        )


def _inside(labels: np.ndarray, down: np.ndarray, across: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """[n, SIDE, SIDE] bool: which pixels, `down` and `across` from the middle, belong to the shape."""
    squared = down**2 + across**2
    disk = squared <= radius**2
    return np.choose(
        labels,
        (
            disk,
            np.maximum(down, across) <= radius - 1,
            down + across <= radius,
            disk & (squared >= (radius - 2) ** 2),
        ),
    )
