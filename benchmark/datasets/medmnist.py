"""The 2D sets of MedMNIST v2 and MedMNIST+ (Yang et al., Scientific Data 2023), from their official files."""

from __future__ import annotations

import ast
import importlib.util
import warnings
from functools import cache, cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

from benchmark.datasets._download import download, md5
from benchmark.datasets._layout import read_npz
from benchmark.datasets._stained import Stained, StainOption
from benchmark.datasets.base import Data, DataError, DataWarning, Progress
from benchmark.errors import pip_install


class MedMNIST(Stained):
    """A 2D MedMNIST set at 28, 64, 128 or 224 px (Yang et al. 2023; CC BY 4.0, dermamnist CC BY-NC 4.0)."""

    names: ClassVar[tuple[str, ...]] = (
        "bloodmnist",
        "breastmnist",
        "dermamnist",
        "octmnist",
        "organamnist",
        "organcmnist",
        "organsmnist",
        "pathmnist",
        "pneumoniamnist",
        "retinamnist",
        "tissuemnist",
    )
    augment: ClassVar = {"flip": True, "rotate": 15.0}

    class Config(StainOption):
        size: Literal[28, 64, 128, 224] = 28
        """Side of the images in px."""

    @property
    def _suffix(self) -> str:
        return "" if self.cfg.size == 28 else f"_{self.cfg.size}"

    @property
    def path(self) -> Path:
        return self.root / f"{self.name}{self._suffix}.npz"

    @property
    def _official_md5(self) -> str:
        return str(_info()[self.name][f"MD5{self._suffix}"])

    @cached_property
    def _digest(self) -> str:
        if not self.path.is_file():
            return f"md5:{self._official_md5}"
        actual = md5(self.path)
        if actual != self._official_md5:
            warnings.warn(
                f"{self.path} is not the official file (md5 {actual}, official {self._official_md5}): "
                "results on it are not comparable with published ones",
                DataWarning,
                stacklevel=3,
            )
        return f"md5:{actual}"

    def digest(self) -> str:
        return self._digest

    def fetch(self, progress: Progress | None = None) -> None:
        if not self.path.is_file():
            url = str(_info()[self.name][f"url{self._suffix}"])
            download(url, self.path, self._official_md5, progress)
            self.__dict__.pop("_digest", None)

    def available(self) -> bool:
        return self.path.is_file()

    def load(self, progress: Progress | None = None) -> Data:
        info = _info()[self.name]
        if not self.path.is_file():
            raise DataError(
                f"{self.name} at {self.cfg.size} px is not in {self.root}: run `noisybench data fetch "
                f"{self.name}{'' if self.cfg.size == 28 else f':size={self.cfg.size}'}`, or, without a network here, "
                f"download {info[f'url{self._suffix}']} "
                f"(md5 {self._official_md5}) on any machine and put it at {self.path}"
            )
        classes = tuple(str(info["label"][str(k)]) for k in range(len(info["label"])))
        splits = read_npz(self.path, len(classes), multilabel=self.task == "multilabel")
        side, channels = splits.train.images.shape[2:]
        if (side, channels) != (self.cfg.size, info["n_channels"]):
            raise DataError(
                f"{self.path} holds images of {side} px, {channels} channel(s), expected "
                f"{self.cfg.size} px with {info['n_channels']}: "
                f"it is another file under this name; use npz:{self.path}"
            )
        return self.with_stains(Data(self.label, len(classes), classes, splits.train, splits.test, splits.val))


class ChestMNIST(MedMNIST):
    """ChestMNIST: 14 findings per image, multi-label (Yang et al. 2023; CC BY 4.0)."""

    names: ClassVar[tuple[str, ...]] = ("chestmnist",)
    task: ClassVar[str] = "multilabel"


@cache
def _info() -> dict[str, Any]:
    """The package's table of data sets, read from its source, as importing the package imports torch."""
    package = importlib.util.find_spec("medmnist")
    if package is None or package.origin is None:
        raise DataError(f"MedMNIST sets need the package medmnist: {pip_install('medmnist')}")
    tree = ast.parse(Path(package.origin).with_name("info.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "INFO":
            return dict(ast.literal_eval(node.value))
    raise DataError(f"the installed medmnist has no table INFO: {pip_install('medmnist>=3,<4')}")
