"""The interface of data sets: labeled arrays in up to three splits, and a digest of their content."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, DirectoryPath, FilePath

from backbones.settings import Settings as Settings
from benchmark.errors import NoisybenchError
from benchmark.option_text import expanded
from benchmark.seeds import seed_for
from benchmark.store.places import data_root
from benchmark.store.schema import Images
from benchmark.store.tree import printable

Progress = Callable[[str, int, int], None]
"""Called with (what, done, total); the total is 0 where it is not known."""

Labels = NDArray[np.int64]
Fingerprints = NDArray[np.uint64]


def expand_home(value: Any) -> Any:
    # The shell does not expand the "~" in "npz:~/cells.npz".
    return str(expanded(value)) if isinstance(value, str) else value


InputFile = Annotated[FilePath, BeforeValidator(expand_home)]
InputFolder = Annotated[DirectoryPath, BeforeValidator(expand_home)]


class DataError(NoisybenchError, ValueError):
    """Data cannot be used; the message says why, and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))  # it may name files whose names are no UTF-8


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
    """Further label vectors [n] that come with the data, such as those of several raters, by name; -1 where there is
    none of an image."""
    counts: Labels | None = None
    """[n, K] how many of an image's raters gave each class, where only their numbers are known."""
    files: tuple[str, ...] | None = None
    """Names of the images, relative to the data set's folder, where each is a file."""
    groups: tuple[str, ...] | None = None
    """[n] what images belong together, such as a patient's, where that is known: they are in one split, and intervals
    of the results draw whole groups."""
    sites: tuple[str, ...] | None = None
    """[n] where images come from, such as a hospital; empty where that is not known of an image."""
    stored_fingerprints: Fingerprints | None = None
    """[n], where they are known already."""

    def __post_init__(self) -> None:
        self.images.setflags(write=False)
        counts = () if self.counts is None else (self.counts,)
        for labels in (self.labels, *self.given.values(), *counts):
            labels.setflags(write=False)

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def fingerprints(self) -> Fingerprints:
        """[n] equal for images of one shape that are equal in every pixel, and otherwise different."""
        if self.stored_fingerprints is not None:
            return self.stored_fingerprints
        digests = b"".join(hashlib.blake2b(image.tobytes(), digest_size=8).digest() for image in self.images)
        return np.frombuffer(digests, dtype="<u8").astype(np.uint64)

    def take(self, index: NDArray[np.intp]) -> Arrays:
        """The samples at `index`, in that order."""
        return Arrays(
            images=self.images[index],
            labels=self.labels[index],
            given={name: labels[index] for name, labels in self.given.items()},
            counts=None if self.counts is None else self.counts[index],
            files=_taken(self.files, index),
            groups=_taken(self.groups, index),
            sites=_taken(self.sites, index),
        )


def _taken(names: tuple[str, ...] | None, index: NDArray[np.intp]) -> tuple[str, ...] | None:
    return None if names is None else tuple(names[i] for i in index)


@dataclass(frozen=True, eq=False)
class ExtraTest:
    """Decoded test images of a data set, to be scored by networks that were trained on another one."""

    classes: tuple[str, ...]
    """[K] names in the order of the labels."""
    named: bool
    """False where the source knows numbers only, so that `classes` says nothing of what they mean."""
    test: Arrays
    skipped: Mapping[str, str] = field(default_factory=dict)
    """As in `Data`, and so are the following."""
    images: Images | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Data:
    """A decoded data set."""

    name: str
    """Shown in tables: "cifar10", or the stem of the file."""
    num_classes: int
    classes: tuple[str, ...]
    """[K] names in the order of the labels."""
    train: Arrays
    test: Arrays
    val: Arrays | None = None
    """None: the engine splits validation images off the training set."""
    extra_tests: Mapping[str, Arrays] = field(default_factory=dict)
    """Further test sets by name, with the labels of this data set; see `extra_tests.match`."""
    extra_notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """How their classes were matched, and what may make them hard to compare: sentences, by name."""
    skipped: Mapping[str, str] = field(default_factory=dict)
    """Files that could not be used and were left out on request: name -> why."""
    named: bool = True
    """False where the source knows numbers only, so that `classes` says nothing of what they mean."""
    images: Images | None = None
    """What was done to image files; None where the source holds arrays of 8 bits."""
    notes: tuple[str, ...] = ()
    """How the source was understood where it may be meant otherwise; a sentence each."""

    def as_extra_test(self) -> ExtraTest:
        return ExtraTest(self.classes, self.named, self.test, self.skipped, self.images, self.notes)


@dataclass(frozen=True)
class CorruptedCopy:
    """A copy of the test images with a corruption of some severity, made when it is asked for: all copies of a test set
    at once would not fit into the memory."""

    kind: str
    severity: int
    """From 1, the weakest."""
    key: str
    """Tells the corruption from every other one, of whatever version."""
    images: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]
    """From the first m of the test images [m, H, W, C] to those of the copy. Raises DataError."""


@dataclass(frozen=True)
class CorruptedCopies:
    copies: tuple[CorruptedCopy, ...]
    notes: tuple[str, ...] = ()
    """What was left out, and what may make them hard to compare; a sentence each."""


class Dataset(ABC):
    """A source of labeled images. A family lists what it can load in the literal tuple `names`."""

    version: ClassVar[int] = 1
    """Bump when the loaded arrays change."""
    names: ClassVar[tuple[str, ...]] = ()
    task: ClassVar[str] = "multiclass"
    """"multiclass" or "multilabel"; runs of methods that do not support the task are skipped."""
    augment: ClassVar[dict[str, Any]] = {"flip": False, "rotate": 0.0}
    """Default training augmentation: `flip` mirrors at random, `rotate` is the largest angle in degrees."""

    of_test_images: ClassVar[bool] = False
    """Whether this is no data set by itself, but a source of `CorruptedCopies` of another one's test images."""

    class Config(Settings):
        """No options."""

    def __init__(self, name: str, cfg: Any, root: Path | None = None) -> None:
        self.name = name
        self.cfg = cfg
        self.root = data_root() if root is None else expanded(root)

    @property
    def label(self) -> str:
        """The name in tables, and for looking up class maps."""
        return self.name

    @property
    def raters(self) -> tuple[str, ...]:
        """Names of the label vectors in `Arrays.given` that are known to be of one rater each."""
        return ()

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

    def load_extra_test(self, progress: Progress | None = None) -> ExtraTest:
        """Decodes what is scored where this is an extra test set; needs no training images. Raises DataError.

        All images of a source that has no splits of its own belong to it.
        """
        return self.load(progress).as_extra_test()

    def like(self, images: Images) -> Dataset:
        """This data set, its image files treated as those of another one were where its options leave that open."""
        return self

    def raw(self) -> Dataset:
        """This data set without what `preprocess` does."""
        return self

    def preprocess(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """What `load` does to every image [n, H, W, C] of the raw data set, each by itself."""
        return images

    def path_digests(self) -> Mapping[Path, str]:
        """The digests of paths in the configuration, where they are not those of all that lies there."""
        return {}


class CorruptedTests(Dataset):
    """A source of corrupted copies of the test images of the data set that a run trains on."""

    of_test_images: ClassVar[bool] = True

    def load(self, progress: Progress | None = None) -> Data:
        raise DataError(
            f"{self.name} makes corrupted copies of the test images of a data set and holds none of its own; name a "
            f"data set, and this as an extra test set: -d DATA --extra-test {self.name}"
        )

    @abstractmethod
    def of(self, test: Arrays, name: str) -> CorruptedCopies:
        """The copies of `test`, the raw test images of the data set `name`. Raises DataError where there are none."""


def stratified_subset(labels: Labels, n: int, seed: int) -> NDArray[np.intp]:
    """Sorted indices of a stratified subset of `n` of the `labels` [N]; small classes are rounded up.

    Subsets of one seed are nested: that of 100 lies within that of 200. Every class has a sample in it if
    `n` is at least the number of classes. Raises DataError unless 1 <= n <= N.
    """
    if not 1 <= n <= len(labels):
        raise DataError(f"subset of {n} samples asked for, expected 1 to {len(labels)}")
    return np.sort(_spread(labels, 0.0, seed_for("subset", seed))[:n])


def balanced_subset(labels: Labels, n: int, classes: Sequence[str], seed: int) -> NDArray[np.intp]:
    """Sorted indices of `n` of the `labels` [N], equally many of each class; the commonest get one more if they must.

    Raises DataError where a class would have no sample in it, or none outside of it.
    """
    counts = np.bincount(labels, minlength=len(classes))
    share = np.full(len(classes), n // len(classes))
    share[np.argsort(-counts, kind="stable")[: n % len(classes)]] += 1
    if n < len(classes):
        raise DataError(
            f"{n} images cannot hold one of each of the {len(classes)} classes; expected at least that many"
        )
    for name, count, wanted in zip(classes, counts, share, strict=True):
        if wanted >= count:
            raise DataError(
                f"class {name!r} has {count} training images, of which {wanted} would be taken and none left; expected "
                f"at most {max(0, len(classes) * (counts.min() - 1))} images in all, equally many of each class"
            )
    generator = np.random.default_rng(seed)
    chosen = [generator.choice(np.flatnonzero(labels == k), share[k], replace=False) for k in range(len(classes))]
    return np.sort(np.concatenate(chosen))


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
