"""Any file in the layout of MedMNIST, gray or RGB, with any number of further label arrays."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from benchmark.datasets._layout import read_npz, read_npz_test
from benchmark.datasets._stained import Stained, StainOption
from benchmark.datasets.base import Data, ExtraTest, InputFile, Progress
from benchmark.datasets.class_names import suspicions
from benchmark.datasets.regroup import Regrouping, former, regrouped, regrouped_test
from benchmark.store import digests
from benchmark.store.tree import readable


class Npz(Stained):
    """Your own file in MedMNIST layout, npz:FILE; arrays train_labels_<name> are noisy labels for given:<name>."""

    names: ClassVar[tuple[str, ...]] = ("npz",)
    augment: ClassVar = {"flip": True, "rotate": 15.0}

    class Config(Regrouping, StainOption):
        path: InputFile
        """Arrays `{train,val,test}_images`, uint8 [n, H, W] or [n, H, W, 3], and `{train,val,test}_labels`,
        (n,) or (n, 1); those of val may be absent. `{train,val}_labels_<name>` may hold -1 for "no label", and
        `{train,val}_counts` [n, K] is how many raters gave each class. An array `class_names` of strings [K] names the
        classes."""

    @property
    def label(self) -> str:
        return str(self.cfg.alias or self.cfg.path.stem)

    @cached_property
    def _digest(self) -> str:
        with readable():
            return digests.digest(self.cfg.path)

    def digest(self) -> str:
        return self._digest

    def path_digests(self) -> Mapping[Path, str]:
        return {self.cfg.path: self.digest()}

    def load(self, progress: Progress | None = None) -> Data:
        splits = read_npz(self.cfg.path)
        data = Data(
            name=self.label,
            num_classes=splits.num_classes,
            classes=splits.class_names or _numbers(splits.num_classes),
            train=splits.train,
            val=splits.val,
            test=splits.test,
            named=splits.class_names is not None,
            notes=tuple(suspicions([*former(self.label, names, self.cfg)])) if (names := splits.class_names) else (),
        )
        return self.with_stains(regrouped(data, self.cfg))

    def load_extra_test(self, progress: Progress | None = None) -> ExtraTest:
        test, num_classes, class_names = read_npz_test(self.cfg.path)
        whole = ExtraTest(class_names or _numbers(num_classes), class_names is not None, test)
        return self.test_with_stains(regrouped_test(whole, self.label, self.cfg))


def _numbers(num_classes: int) -> tuple[str, ...]:
    return tuple(map(str, range(num_classes)))
