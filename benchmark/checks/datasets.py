"""Checks of what every data set promises; its files must be there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.checks.runner import CheckFailed
from benchmark.datasets.base import Arrays, CorruptedTests, Data, Dataset
from benchmark.registry import DATASETS
from benchmark.store.places import data_root

EXAMPLE = (6, 28, 28, 3)
"""Shape of the test images that corrupted copies are made of."""


def make(name: str, options: dict[str, Any]) -> Dataset:
    plugin = DATASETS.load(name)
    options = dict(options)
    root = Path(options.pop("root", data_root()))
    return plugin(name, plugin.Config.model_validate(options), root)


def loads_labelled_images(name: str, options: dict[str, Any]) -> None:
    """Gives uint8 images [n, H, W, 1 or 3], int64 labels in 0..K-1 and K class names; or copies of test images."""
    dataset = make(name, options)
    if isinstance(dataset, CorruptedTests):
        for copy, part in _parts(dataset).items():
            if part.images.dtype != np.uint8 or part.images.shape != EXAMPLE:
                raise CheckFailed(f"{copy} images are {part.images.dtype} {part.images.shape}, expected {EXAMPLE}")
        return
    data = dataset.load()
    for split, part in _splits(data).items():
        if part.images.dtype != np.uint8 or part.images.ndim != 4 or part.images.shape[3] not in (1, 3):
            raise CheckFailed(f"{split} images are {part.images.dtype} {part.images.shape}")
        if part.labels.dtype != np.int64 or part.labels.shape != part.images.shape[:1]:
            raise CheckFailed(f"{split} labels are {part.labels.dtype} {part.labels.shape}")
        if part.labels.min() < 0 or part.labels.max() >= data.num_classes:
            raise CheckFailed(f"{split} labels span {part.labels.min()}..{part.labels.max()}")
    if len(data.classes) != data.num_classes:
        raise CheckFailed(f"{len(data.classes)} class names for {data.num_classes} classes")


def is_read_only(name: str, options: dict[str, Any]) -> None:
    """Its arrays cannot be assigned to, so no noise can change them in place."""
    for split, part in _parts(make(name, options)).items():
        for array in (part.images, part.labels, *part.given.values()):
            if array.flags.writeable:
                raise CheckFailed(f"an array of {split} can be written")


def loads_the_same_twice(name: str, options: dict[str, Any]) -> None:
    """Two loads give equal arrays and digests."""
    one, other = make(name, options), make(name, options)
    if one.digest() != other.digest():
        raise CheckFailed("two digests of the same data differ")
    loaded = _parts(other)
    for split, part in _parts(one).items():
        again = loaded[split]
        if not (np.array_equal(part.images, again.images) and np.array_equal(part.labels, again.labels)):
            raise CheckFailed(f"two loads of {split} differ")


def _parts(dataset: Dataset) -> dict[str, Any]:
    """Its splits, or the copies that it makes of a few test images."""
    if not isinstance(dataset, CorruptedTests):
        return _splits(dataset.load())
    images = np.random.default_rng(0).integers(0, 256, EXAMPLE, dtype=np.uint8)
    test = Arrays(images, np.arange(len(images)) % 2)
    copies = dataset.of(test, "the example").copies
    return {f"{copy.kind}-{copy.severity}": replace(test, images=copy.images(images)) for copy in copies}


def _splits(data: Data) -> dict[str, Any]:
    return {"train": data.train, "test": data.test} | ({"val": data.val} if data.val is not None else {})


CHECKS: dict[str, Callable[..., None]] = {
    check.__name__: check for check in (loads_labelled_images, is_read_only, loads_the_same_twice)
}
