"""The handwritten digits that come with scikit-learn: real images that need no download."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets.base import Arrays, Data, DataError, Dataset, Labels, Progress, stratified_split
from benchmark.errors import pip_install


class Digits(Dataset):
    """1,797 handwritten digits of 8x8 px, 10 classes (UCI; comes with scikit-learn, no download)."""

    names: ClassVar[tuple[str, ...]] = ("digits",)

    def digest(self) -> str:
        return "sha256:" + hashlib.sha256(_table()).hexdigest()

    def load(self, progress: Progress | None = None) -> Data:
        table = np.loadtxt(_table().decode().splitlines(), delimiter=",", dtype=np.int64)
        pixels, labels = table[:, :-1], table[:, -1]
        # The scan counted 0..16 ink pixels per cell: stretched to the whole range of uint8.
        images = ((pixels * 255 + 8) // 16).astype(np.uint8).reshape(-1, 8, 8, 1)
        everything, index = Arrays(images, labels), _split(labels)
        return Data(
            name=self.label,
            num_classes=10,
            classes=tuple("0123456789"),
            train=everything.take(index["train"]),
            val=everything.take(index["val"]),
            test=everything.take(index["test"]),
        )

    def original_order(self, split: str, size: int) -> NDArray[np.int64]:
        """Rows of scikit-learn's `load_digits`."""
        return _split(np.loadtxt(_table().decode().splitlines(), delimiter=",", dtype=np.int64)[:, -1])[split]


def _split(labels: Labels) -> dict[str, NDArray[np.int64]]:
    # The split belongs to the data set: the seed is fixed, whatever the seeds of a run.
    rest, test = stratified_split(labels, 0.2, seed=0)
    train, val = stratified_split(labels[rest], 0.25, seed=1)
    return {"train": rest[train], "val": rest[val], "test": test}


@cache
def _table() -> bytes:
    """Rows of 64 pixel counts and a label. Read as a file: importing scikit-learn costs a second."""
    package = importlib.util.find_spec("sklearn")
    if package is None or package.origin is None:
        raise DataError(f"digits needs scikit-learn, which is not installed: {pip_install('scikit-learn')}")
    path = Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz"
    try:
        return gzip.decompress(path.read_bytes())
    except (OSError, EOFError) as error:
        raise DataError(f"cannot read {path} ({error}): reinstall scikit-learn") from error
