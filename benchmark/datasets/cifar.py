"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009), with the human labels of CIFAR-N (Wei et al., ICLR 2022)."""

from __future__ import annotations

import pickle
import shutil
import tarfile
import tempfile
import warnings
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from benchmark.datasets._download import download, md5
from benchmark.datasets.base import Arrays, Data, DataError, Dataset, DataWarning, Labels, Progress
from benchmark.store import digests
from benchmark.store.tree import readable

HUMAN_FILES = {"cifar10": "CIFAR-10_human.pt", "cifar100": "CIFAR-100_human.pt"}
OFFICIAL_HUMAN = {
    "cifar10": "sha256:873e69c39cb9b5e97fb6bae2d60bb59b38a5cbc31d2b868f7903dcb2b9dd2310",
    "cifar100": "sha256:bd2d80409754d420292d622e15e25248ba21e37d27429efac49c8da723f44394",
}
HUMAN_NAMES = {
    "aggre_label": "aggre",
    "worse_label": "worse",
    "random_label1": "random_1",
    "random_label2": "random_2",
    "random_label3": "random_3",
    "noisy_label": "noisy_label",
}
READ_ERRORS = (
    pickle.UnpicklingError,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    LookupError,
    AttributeError,
)
SOURCE = "https://github.com/UCSC-REAL/cifar-10-100n (CC BY-NC 4.0)"


class Cifar(Dataset):
    """CIFAR photographs, 32 px; labels of CIFAR-N from CIFAR-{10,100}_human.pt in the data root."""

    names: ClassVar[tuple[str, ...]] = ("cifar10", "cifar100")
    augment: ClassVar = {"flip": True, "rotate": 0.0}

    @cached_property
    def _source(self) -> Any:
        # Imported here, as torchvision imports torch, which takes seconds.
        from torchvision import datasets

        return {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[self.name]

    @property
    def human_path(self) -> Path:
        return self.root / HUMAN_FILES[self.name]

    @cached_property
    def _digest(self) -> str:
        official = f"md5:{self._source.tgz_md5}"
        if not self.human_path.is_file():
            return official
        with readable():
            human_digest = digests.digest(self.human_path)
        # The official label file leaves the digest as it is, so that adding it changes no run's id.
        if human_digest == OFFICIAL_HUMAN[self.name]:
            return official
        warnings.warn(
            f"{self.human_path} is not the official file ({human_digest}): results on its labels are not comparable "
            f"with published ones; the official one is at {SOURCE}",
            DataWarning,
            stacklevel=3,
        )
        return f"{official}+{human_digest}"

    def digest(self) -> str:
        return self._digest

    def fetch(self, progress: Progress | None = None) -> None:
        source = self._source
        if (self.root / source.base_folder).is_dir():
            return
        archive = self.root / source.filename
        if not (archive.is_file() and md5(archive) == source.tgz_md5):
            download(source.url, archive, source.tgz_md5, progress)
        _extract(archive, self.root, source.base_folder)

    def available(self) -> bool:
        return (self.root / self._source.base_folder).is_dir()

    def load(self, progress: Progress | None = None) -> Data:
        source = self._source
        folder = self.root / source.base_folder
        if not folder.is_dir():
            raise DataError(
                f"{self.name} is not in {self.root}: run `noisybench data fetch {self.name}`, or, without a "
                f"network here, download {source.url} on any machine and put it at {self.root / source.filename}"
            )
        try:
            train, test = source(self.root, train=True), source(self.root, train=False)
        except READ_ERRORS as error:
            raise DataError(
                f"{folder} is incomplete or damaged ({error}): remove the folder, and `noisybench run` fetches it anew"
            ) from error
        labels = np.asarray(train.targets, dtype=np.int64)
        given = self._human(labels, len(train.classes)) if self.human_path.is_file() else {}
        return Data(
            name=self.label,
            num_classes=len(train.classes),
            classes=tuple(train.classes),
            train=Arrays(np.ascontiguousarray(train.data), labels, given),
            test=Arrays(np.ascontiguousarray(test.data), np.asarray(test.targets, dtype=np.int64)),
        )

    def original_order(self, split: str, size: int) -> NDArray[np.int64]:
        """The order of torchvision's `CIFAR10(train=True)`, which is ours too."""
        return np.arange(size)

    def _human(self, clean: Labels, num_classes: int) -> dict[str, Labels]:
        path = self.human_path
        table = _read_human(path)
        if "clean_label" not in table:
            raise DataError(f"{path} has no clean_label; expected the official file from {SOURCE}")
        stored_clean = _vector(path, "clean_label", table["clean_label"], len(clean), num_classes)
        if not np.array_equal(stored_clean, clean):
            raise DataError(
                f"{path}: its clean labels differ from those of {self.name} in {int((stored_clean != clean).sum())} "
                f"of {len(clean)} places, so they are in another order: take the PyTorch file from {SOURCE}"
            )
        return {
            name: _vector(path, key, table[key], len(clean), num_classes)
            for key, name in HUMAN_NAMES.items()
            if key in table
        }


def _read_human(path: Path) -> Mapping[str, Any]:
    """The dictionary in a CIFAR-N file, read without running code from it."""
    import torch
    from numpy._core import multiarray

    # The official files were written with numpy 1, whose module has since been renamed.
    rebuild = multiarray._reconstruct
    renamed = [(rebuild, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")]
    kinds = [type(np.dtype(kind)) for kind in ("int64", "int32", "int16", "uint8")]
    try:
        with torch.serialization.safe_globals([np.ndarray, np.dtype, *kinds, *renamed]):
            table = torch.load(path, map_location="cpu", weights_only=True)
    except READ_ERRORS as error:
        raise DataError(f"{path} is damaged or holds more than label arrays: copy it again from {SOURCE}") from error
    if not isinstance(table, Mapping):
        raise DataError(f"{path} holds a {type(table).__name__}, expected the dictionary of {SOURCE}")
    return table


def _vector(path: Path, key: str, value: Any, n: int, num_classes: int) -> Labels:
    labels = np.asarray(value)
    if labels.shape != (n,) or labels.dtype.kind not in "iu":
        raise DataError(f"{path}: {key} is {labels.dtype} of shape {labels.shape}, expected {n} integers")
    if labels.min() < 0 or labels.max() >= num_classes:
        raise DataError(f"{path}: {key} goes from {labels.min()} to {labels.max()}, expected 0..{num_classes - 1}")
    return labels.astype(np.int64)


def _extract(archive: Path, root: Path, base_folder: str) -> None:
    """Unpacks through a temporary folder, so that a half-unpacked archive never counts as complete."""
    try:
        with tempfile.TemporaryDirectory(prefix=".unpack.", dir=root) as scratch:
            with tarfile.open(archive) as tar:
                tar.extractall(scratch, filter="data")
            shutil.move(Path(scratch) / base_folder, root / base_folder)
    except (OSError, EOFError, tarfile.TarError) as error:
        raise DataError(f"cannot unpack {archive} ({error}): make room in {root} and try again") from error
