"""Checks of what every data set promises; its files must be there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.checks.runner import CheckFailed
from benchmark.datasets.base import Data, Dataset
from benchmark.registry import DATASETS
from benchmark.store.places import data_root


def make(name: str, options: dict[str, Any]) -> Dataset:
    plugin = DATASETS.load(name)
    options = dict(options)
    root = Path(options.pop("root", data_root()))
    return plugin(name, plugin.Config.model_validate(options), root)


def loads_labelled_images(name: str, options: dict[str, Any]) -> None:
    """Gives uint8 images [n, H, W, 1 or 3] and int64 labels [n] in 0..K-1, with K class names."""
    data = make(name, options).load()
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
    for split, part in _splits(make(name, options).load()).items():
        for array in (part.images, part.labels, *part.given.values()):
            if array.flags.writeable:
                raise CheckFailed(f"an array of {split} can be written")


def loads_the_same_twice(name: str, options: dict[str, Any]) -> None:
    """Two loads give equal arrays and digests."""
    one, other = make(name, options), make(name, options)
    if one.digest() != other.digest():
        raise CheckFailed("two digests of the same data differ")
    for split, part in _splits(one.load()).items():
        again = _splits(other.load())[split]
        if not (np.array_equal(part.images, again.images) and np.array_equal(part.labels, again.labels)):
            raise CheckFailed(f"two loads of {split} differ")


def _splits(data: Data) -> dict[str, Any]:
    return {"train": data.train, "test": data.test} | ({"val": data.val} if data.val is not None else {})


CHECKS: dict[str, Callable[..., None]] = {
    check.__name__: check for check in (loads_labelled_images, is_read_only, loads_the_same_twice)
}
