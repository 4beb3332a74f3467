"""CIFAR-10H (Peterson et al., ICCV 2019): about 51 people's labels of each of CIFAR-10's test images."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets._layout import check_counts
from benchmark.datasets.base import Arrays, Data, DataError, Dataset, Progress, stratified_split
from benchmark.datasets.cifar import Cifar
from benchmark.seeds import seed_for
from benchmark.store import digests
from benchmark.store.arrays import UNREADABLE
from benchmark.store.tree import readable

COUNTS = "cifar10h-counts.npy"
SOURCE = "https://github.com/jcpeterson/cifar-10h (CC BY-NC-SA 4.0)"
AGREEMENT = 0.9
"""Least share of images whose commonest label is CIFAR-10's own; people agree with it on 99 %."""


class Cifar10H(Dataset):
    """CIFAR-10's test images with the counts of CIFAR-10H, from cifar10h-counts.npy in the data root; noise raters."""

    names: ClassVar[tuple[str, ...]] = ("cifar10h",)
    augment: ClassVar = {"flip": True, "rotate": 0.0}

    @cached_property
    def _images(self) -> Cifar:
        return Cifar("cifar10", Cifar.Config(), self.root)

    @property
    def path(self) -> Path:
        return self.root / COUNTS

    @cached_property
    def _digest(self) -> str:
        self._check_present()
        with readable():
            return f"md5:{self._images._source.tgz_md5}+{digests.digest(self.path)}"

    def digest(self) -> str:
        return self._digest

    def fetch(self, progress: Progress | None = None) -> None:
        self._images.fetch(progress)

    def available(self) -> bool:
        return self._images.available() and self.path.is_file()

    def load(self, progress: Progress | None = None) -> Data:
        """10,000 images, split 75/5/20 within the classes."""
        self._check_present()
        data = self._images.load(progress)
        images, labels = data.test.images, data.test.labels
        try:
            stored = np.load(self.path, allow_pickle=False)
        except UNREADABLE as error:
            raise DataError(f"{self.path} cannot be read ({error}); copy it again from {SOURCE}") from None
        counts = check_counts(self.path, "its array", np.asarray(stored), len(labels))
        if counts.shape[1] != data.num_classes:
            raise DataError(f"{self.path} has {counts.shape[1]} columns, expected {data.num_classes}: see {SOURCE}")
        agreement = float((counts.argmax(1) == labels).mean())
        if agreement < AGREEMENT:
            raise DataError(
                f"{self.path}: its commonest labels are those of CIFAR-10 for {agreement:.0%} of the images, expected "
                f"nearly all: it is in another order than CIFAR-10's test set; take the file of {SOURCE}"
            )
        whole = Arrays(images, labels, counts=counts)
        train, val, test = (whole.take(index) for index in _split(labels))
        return Data(self.label, data.num_classes, data.classes, train, test, val)

    def original_order(self, split: str, size: int) -> NDArray[np.int64]:
        """Positions in CIFAR-10's test set."""
        labels = self._images.load().test.labels
        return _split(labels)[("train", "val", "test").index(split)].astype(np.int64)

    def _check_present(self) -> None:
        if not self.path.is_file():
            raise DataError(f"{self.path} does not exist: download {COUNTS} of {SOURCE} and put it there")


def _split(labels: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    rest, test = stratified_split(labels, 0.2, seed_for("cifar10h"))
    train, val = stratified_split(labels[rest], 0.0625, seed_for("cifar10h"))
    return rest[train], rest[val], test
