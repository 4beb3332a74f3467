"""The interface of data sets: labeled arrays in up to three splits, and a digest of their content."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, DirectoryPath, FilePath

from backbones.settings import Settings as Settings
from benchmark.errors import NoisybenchError
from benchmark.seeds import seed_for

DEFAULT_ROOT = Path.home() / ".medmnist"
"""Default folder of downloaded data sets, the one that the `medmnist` package uses."""

Progress = Callable[[str, int, int], None]
"""Called with (what, done, total); the total is 0 where it is not known."""

Labels = NDArray[np.int64]


def _expand_home(value: Any) -> Any:
    # The shell does not expand the "~" in "npz:~/cells.npz".
    return str(Path(value).expanduser()) if isinstance(value, str) else value


InputFile = Annotated[FilePath, BeforeValidator(_expand_home)]
InputFolder = Annotated[DirectoryPath, BeforeValidator(_expand_home)]


class DataError(NoisybenchError, ValueError):
    """Data cannot be used; the message says why, and what to do."""


class DataWarning(UserWarning):
    """Data can be used, but results need care: not the official file, a class without test images, ..."""


@dataclass(frozen=True, eq=False)
class Arrays:
    """One split. Its arrays are read-only, so that nothing can change the labels of a data set in place."""

    images: NDArray[np.uint8]
    """[n, H, W, C], uint8, C is 1 or 3."""
    labels: Labels
    """[n] int64; [n, K] of zeros and ones in a multi-label set."""
    given: Mapping[str, Labels] = field(default_factory=dict)
    """Further label vectors [n] that come with the data, such as those of several raters, by name."""
    files: tuple[str, ...] | None = None
    """Names of the images, relative to the data set's folder, where each is a file."""

    def __post_init__(self) -> None:
        self.images.setflags(write=False)
        for labels in (self.labels, *self.given.values()):
            labels.setflags(write=False)

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, index: NDArray[np.intp]) -> Arrays:
        """The samples at `index`, in that order."""
        return Arrays(
            images=self.images[index],
            labels=self.labels[index],
            given={name: labels[index] for name, labels in self.given.items()},
            files=None if self.files is None else tuple(self.files[i] for i in index),
        )


@dataclass(frozen=True, eq=False)
class Data:
    """A decoded data set."""

    name: str
    """Shown in tables, and looked up in the stored class maps: "cifar10", or the stem of the file."""
    num_classes: int
    classes: tuple[str, ...]
    """[K] names in the order of the labels."""
    train: Arrays
    test: Arrays
    val: Arrays | None = None
    """None: the engine splits validation images off the training set."""
    extra_tests: Mapping[str, Arrays] = field(default_factory=dict)
    """Further test sets of the same classes, by name."""
    skipped: tuple[str, ...] = ()
    """Files that could not be decoded and were left out on request."""

    def with_extra_tests(self, sources: Mapping[str, Data]) -> Data:
        """A copy that holds the test splits of `sources` too. Raises DataError where one does not fit."""
        for name, other in sources.items():
            if other.num_classes > self.num_classes:
                raise DataError(
                    f"extra test set {name!r} has {other.num_classes} classes, {self.name} has "
                    f"{self.num_classes}; expected the same classes in the same order"
                )
            if other.test.images.shape[1:] != self.test.images.shape[1:]:
                raise DataError(
                    f"extra test set {name!r} has images of shape {other.test.images.shape[1:]}, expected "
                    f"{self.test.images.shape[1:]} as in {self.name}: resize them"
                )
        return replace(self, extra_tests={name: other.test for name, other in sources.items()})


class Dataset(ABC):
    """A source of labeled images. A family lists what it can load in the literal tuple `names`."""

    version: ClassVar[int] = 1
    """Bump when the loaded arrays change."""
    names: ClassVar[tuple[str, ...]] = ()
    task: ClassVar[str] = "multiclass"
    """"multiclass" or "multilabel"; runs of methods that do not support the task are skipped."""
    augment: ClassVar[dict[str, Any]] = {"flip": False, "rotate": 0.0}
    """Default training augmentation: `flip` mirrors at random, `rotate` is the largest angle in degrees."""

    class Config(Settings):
        """No options."""

    def __init__(self, name: str, cfg: Any, root: Path = DEFAULT_ROOT) -> None:
        self.name = name
        self.cfg = cfg
        self.root = Path(root).expanduser()

    @property
    def label(self) -> str:
        """The name in tables, and for looking up class maps."""
        return self.name

    @abstractmethod
    def digest(self) -> str:
        """ "md5:..." or "sha256:..." of the content, computed without decoding an image.

        Before a file is downloaded: its official digest."""

    def fetch(self, progress: Progress | None = None) -> None:
        """Downloads missing files. Raises DataError, with instructions for doing it by hand, where that fails."""
        return

    def original_order(self, split: str, size: int) -> NDArray[np.int64] | None:
        """[size] positions of the samples of `split` in the source's own order; None where it has no other order.

        Images in files need no positions: they have names."""
        return None

    def available(self) -> bool:
        """Whether `load` needs no download."""
        return True

    @abstractmethod
    def load(self, progress: Progress | None = None) -> Data:
        """Decodes all splits. Raises DataError where a file is missing or malformed."""


def stratified_subset(labels: Labels, n: int, seed: int) -> NDArray[np.intp]:
    """Sorted indices of a stratified subset of `n` of the `labels` [N]; small classes are rounded up.

    Subsets of one seed are nested: that of 100 lies within that of 200. Every class has a sample in it if
    `n` is at least the number of classes. Raises DataError unless 1 <= n <= N.
    """
    if not 1 <= n <= len(labels):
        raise DataError(f"subset of {n} samples asked for, expected 1 to {len(labels)}")
    return np.sort(_spread(labels, 0.0, seed_for("subset", seed))[:n])


def stratified_split(labels: Labels, fraction: float, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Sorted indices (rest, part) of a stratified split; `part` holds round(fraction * N) samples.

    A class of a single sample stays in `rest` while `fraction` is below one half. Raises DataError unless
    0 < fraction < 1 and both parts hold a sample.
    """
    size = round(fraction * len(labels))
    if not 0 < fraction < 1 or not 0 < size < len(labels):
        raise DataError(f"cannot split {fraction:g} off {len(labels)} samples: one part would be empty")
    order = _spread(labels, 0.5, seed_for("split", seed))
    return np.sort(order[size:]), np.sort(order[:size])


def _spread(labels: Labels, offset: float, seed: int) -> NDArray[np.intp]:
    """All indices, shuffled within each class, the classes interleaved in proportion to their sizes.

    Sorted by (rank within the class + offset) / size of the class, so that the first n indices are
    stratified for every n.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    shuffled = rng.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    _, sizes = np.unique(labels, return_counts=True)
    rank = np.arange(len(labels)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    place = (rank + offset) / np.repeat(sizes, sizes)
    return by_class[np.lexsort((rng.random(len(labels)), place))]
