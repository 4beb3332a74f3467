"""Any file in the layout of MedMNIST, gray or RGB, with any number of further label arrays."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar

from benchmark.datasets._layout import read_npz
from benchmark.datasets.base import Data, Dataset, InputFile, Progress, Settings
from benchmark.store import digests


class Npz(Dataset):
    """Your own file in MedMNIST layout, npz:FILE; arrays train_labels_<name> are noisy labels for given:<name>."""

    names: ClassVar[tuple[str, ...]] = ("npz",)
    augment: ClassVar = {"flip": True, "rotate": 15.0}

    class Config(Settings):
        path: InputFile
        """Arrays `{train,val,test}_images`, uint8 [n, H, W] or [n, H, W, 3], and `{train,val,test}_labels`,
        (n,) or (n, 1); those of val may be absent."""

    @property
    def label(self) -> str:
        return str(self.cfg.path.stem)

    @cached_property
    def _digest(self) -> str:
        return digests.digest(self.cfg.path)

    def digest(self) -> str:
        return self._digest

    def load(self, progress: Progress | None = None) -> Data:
        splits = read_npz(self.cfg.path)
        return Data(
            name=self.label,
            num_classes=splits.num_classes,
            classes=tuple(str(k) for k in range(splits.num_classes)),
            train=splits.train,
            val=splits.val,
            test=splits.test,
        )
