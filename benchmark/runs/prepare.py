"""Makes the labelled sets of a run: loads the data, draws noise on whole splits, takes the parts of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.datasets.base import (
    Arrays,
    Data,
    DataError,
    Dataset,
    ExtraTest,
    Fingerprints,
    balanced_subset,
    stratified_subset,
)
from benchmark.datasets.cache import cached, cached_extra_test, identity
from benchmark.datasets.extra_tests import with_extra_tests
from benchmark.datasets.label_set import LabelSet
from benchmark.datasets.splitting import held_out
from benchmark.errors import NoisybenchError
from benchmark.metrics import main_metric
from benchmark.noise.base import Corruption, NoiseKind, Split
from benchmark.noise.manifest import Manifest, make_manifest
from benchmark.runs import outside
from benchmark.runs.clean_probabilities import StoredProbabilities
from benchmark.runs.outside import Pool, Replaced, pools
from benchmark.seeds import seed_for
from benchmark.store.schema import Images

VALIDATION_SHARE = 0.1
OUTSIDE = -1
"""Clean label of an image of no class of the task."""


class Skipped(NoisybenchError):
    """The run does not apply; its reason is recorded, and the grid goes on."""


class CleanSetError(NoisybenchError):
    """The data has too few images for a clean set of that size."""


@dataclass(frozen=True)
class LabelledSet:
    """One split: `noisy` and `clean` [n] int64; `clean` None if unknown."""

    whole: np.ndarray
    """[m, H, W, C] uint8, all images of the split that the samples are taken from; may be memory-mapped."""
    noisy: np.ndarray
    clean: np.ndarray | None
    index: np.ndarray | None = None
    """[n] positions in `whole`; None: all of it."""
    key: str = ""
    """Identifies the content of `whole`, whatever the machine; empty if unknown."""
    shared_images: int | None = None
    """Of a test set: number of its images that are trained on too, equal in every pixel."""
    notes: tuple[str, ...] = ()
    """Of an extra test set: how its classes were matched, and what may make it hard to compare."""
    files: tuple[str, ...] | None = None
    """[m] names of the images of `whole`, where each is a file."""
    groups: tuple[str, ...] | None = None
    """[m] what images of `whole` belong together, such as a patient's, where that is known."""
    soft: np.ndarray | None = None
    """[n, K] float64 probabilities of the classes by the raters of each sample; None where there are none."""
    replaced: Replaced | None = None
    """Images of no class of the task in the place of those of `whole`; their clean label is OUTSIDE."""

    @property
    def sample_groups(self) -> list[str] | None:
        """[n] the groups of the samples as numbers, in the order in which they occur: nobody is named."""
        if self.groups is None:
            return None
        groups = self.groups if self.index is None else [self.groups[i] for i in self.index]
        numbers = {name: str(k) for k, name in enumerate(dict.fromkeys(groups))}
        return [numbers[name] for name in groups]

    @property
    def images(self) -> np.ndarray:
        """[n, H, W, C] uint8."""
        images = self.whole if self.index is None else self.whole[self.index]
        if self.replaced is not None:
            images = np.array(images)
            self.replaced.put_into(images)
        return images


@dataclass(frozen=True)
class Prepared:
    """The labelled sets of one run, and what was measured of their noise."""

    classes: tuple[str, ...]
    """[K] names in the order of the labels."""
    train: LabelledSet
    val: LabelledSet
    test: LabelledSet
    extra_tests: Mapping[str, LabelledSet]
    manifest: Manifest
    transition: np.ndarray | None
    main_metric: str
    """See `metrics.main_metric`."""
    skipped_files: int
    """Files that could not be decoded and were left out on request."""
    clean_set: LabelledSet | None
    """Training images whose true labels the method is given; not in `train`. None where it gets none."""
    images: Images | None
    """What was done to image files; None where the data set comes as arrays."""

    @property
    def num_classes(self) -> int:
        return len(self.classes)

    @property
    def realized_rate(self) -> float | None:
        """Share of wrong labels in `train`, without validation set, clean set and what a subset leaves out;
        None where the truth is unknown. The manifest's is that of all training labels."""
        if self.train.clean is None:
            return None
        return float(np.mean(self.train.noisy != self.train.clean))


@dataclass(frozen=True)
class Drawn:
    """A split with its noisy labels, before validation set and subset are taken."""

    split: Split
    corruption: Corruption
    pool: Pool | None = None
    """The images that take the place of others, where some do."""

    def take(self, index: np.ndarray, *, truth_known: bool, key: str = "") -> LabelledSet:
        """The samples at the positions `index`; `key` identifies the images of the split."""
        assert self.split.images is not None
        clean = self.split.labels[index] if truth_known else None
        replaced = None
        if self.pool is not None and self.corruption.outside is not None:
            places = self.corruption.outside[index]
            at = np.flatnonzero(places >= 0)
            replaced = Replaced(self.pool, at, places[at])
            clean = None if clean is None else np.where(places >= 0, OUTSIDE, clean)
        soft = None if self.corruption.soft is None else self.corruption.soft[index]
        return LabelledSet(
            self.split.images, self.corruption.labels[index], clean, index, key, soft=soft, replaced=replaced
        )

    @property
    def kept(self) -> np.ndarray:
        """Sorted positions of the samples that the noise keeps."""
        selection = self.corruption.selection
        return np.arange(len(self.split.labels)) if selection is None else selection


@dataclass(frozen=True)
class DataSource:
    """A data set and the digest of its content."""

    dataset: Dataset
    digest: str
    subset: int | None = None
    """Number of training images, a stratified subset; None: all."""
    labels: LabelSet | None = None
    """Labels that replace those of the data."""

    @property
    def key(self) -> str:
        """Identifies the images and their places, whatever the machine."""
        key = identity(self.dataset, self.digest)
        # With images left out, the others have other places.
        return key if self.labels is None or not self.labels.leaves_out else f"{key}-{self.labels.digest[7:23]}"

    def load(self, cache: Path) -> Data:
        """The decoded data, from `cache` if stored there. Raises Skipped, DataError."""
        self._check_task()
        data = cached(self.dataset, cache, self.digest)
        return data if self.labels is None else self.labels.apply(data)

    def like(self, data: Data) -> DataSource:
        """This source as an extra test set of `data`: image files are treated as those of `data`."""
        return self if data.images is None else replace(self, dataset=self.dataset.like(data.images))

    def load_extra_test(self, cache: Path) -> ExtraTest:
        """What is scored where this is an extra test set. Raises Skipped, DataError."""
        self._check_task()
        return cached_extra_test(self.dataset, cache, self.digest)

    def _check_task(self) -> None:
        if self.dataset.task != "multiclass":
            raise Skipped(
                f"{self.dataset.label} is a {self.dataset.task} set; label noise here is for one label per image"
            )

    def split(self, name: str, arrays: Arrays, num_classes: int, clean: StoredProbabilities | None) -> Split:
        """Split `name` ("train", "val") as input to a kind of noise; `clean`: the clean classifier's, if needed."""
        moved = self.labels is not None and self.labels.leaves_out
        original = None if moved else self.dataset.original_order(name, len(arrays))
        return Split(
            name=name,
            labels=np.asarray(arrays.labels),
            num_classes=num_classes,
            dataset=self.dataset.label,
            registered=self.dataset.name,
            key=self.digest,
            images=arrays.images,
            original=original if arrays.files is None else np.array(arrays.files),
            given=arrays.given,
            counts=arrays.counts,
            probabilities=None if clean is None else clean.of(name),
        )


@dataclass(frozen=True)
class LabelNoise:
    """A kind of noise, configured and seeded."""

    kind: NoiseKind
    config: Mapping[str, Any]
    """As it stands in the run's identity: files by their digests."""
    seed: int
    clean: StoredProbabilities | None = None
    """Probabilities of the clean classifier, for kinds that are made from them."""
    allow_unidentifiable: bool = False
    outside: DataSource | None = None
    """The data set that the noise takes images from, for kinds that do."""

    def draw(self, source: DataSource, data: Data, cache: Path) -> DrawnNoise:
        """Noisy labels of the training and the validation split of `data`; `cache` keeps decoded data.

        Raises Skipped, NoiseError, and DataError where the data set that images are taken from cannot be used.
        """
        found: Mapping[str, Pool] = {}
        notes: tuple[str, ...] = ()
        if self.outside is not None:
            other = self.outside.load(cache)
            found = pools(other, self.outside.key, data, VALIDATION_SHARE)
            notes = (outside.about(other, data),)

        def split_of(name: str, arrays: Arrays) -> Split:
            plain = source.split(name, arrays, data.num_classes, self.clean)
            return replace(plain, outside=len(found[name]) if name in found else 0)

        train = split_of("train", data.train)
        reason = self.kind.skip(train)
        if reason:
            raise Skipped(reason)
        kind = self.kind.resolve(train)
        splits = [train]
        if data.val is not None:
            splits.append(split_of("val", data.val))
        drawn = {}
        for s in splits:
            if not kind.skip(s):
                corruption = kind.corrupt(s, self.seed)
                corruption = replace(corruption, notes=(*corruption.notes, *notes))
                drawn[s.name] = Drawn(s, corruption, found.get(s.name))
        return DrawnNoise(kind, drawn["train"], drawn.get("val"))

    def manifest(self, kind: NoiseKind, part: Drawn) -> Manifest:
        """The noise of one split, as requested and as realized. Raises NoiseError."""
        return make_manifest(
            kind, self.config, part.split, part.corruption, allow_unidentifiable=self.allow_unidentifiable
        )


@dataclass(frozen=True)
class DrawnNoise:
    """Noisy labels of whole splits, before any subset is taken."""

    kind: NoiseKind
    """Resolved: whatever it estimates from the training split is fixed."""
    train: Drawn
    val: Drawn | None
    """None where the data has no validation split or the noise gives it no labels."""

    @property
    def splits(self) -> dict[str, Drawn]:
        """By name, for output."""
        return {"train": self.train} | ({} if self.val is None else {"val": self.val})


def prepare(
    source: DataSource,
    noise: LabelNoise,
    cache: Path,
    extra_tests: Mapping[str, DataSource] | None = None,
    clean_set: int | None = None,
) -> Prepared:
    """Draws the noise and splits the data for one run.

    Noise is drawn over the whole training set before validation set and subset are taken, so that every method,
    subset and backbone of one (data set, noise, seed) sees the same labels. The clean set, `clean_set` images drawn
    with the seed of the noise, is taken out of what is left then. Raises Skipped, DataError, NoiseError,
    CleanSetError.
    """
    data = source.load(cache)
    extra = {name: other.like(data) for name, other in (extra_tests or {}).items()}
    data = with_extra_tests(data, {name: other.load_extra_test(cache) for name, other in extra.items()})
    drawn = noise.draw(source, data, cache)
    manifest = noise.manifest(drawn.kind, drawn.train)
    if drawn.val is None and data.val is not None:
        said = (
            f"there are no noisy labels of the {len(data.val)} validation images of {data.name}: "
            f"{VALIDATION_SHARE:.0%} of the training images are held out for validation instead"
        )
        manifest = replace(manifest, warnings=[*manifest.warnings, said])

    def take(part: Drawn, index: np.ndarray) -> LabelledSet:
        taken = part.take(index, truth_known=drawn.kind.truth_known, key=f"{source.key}/{part.split.name}")
        arrays = data.val if part is drawn.val else data.train
        return taken if arrays is None else replace(taken, groups=arrays.groups, files=arrays.files)

    selected = drawn.train.kept
    counts = np.bincount(data.train.labels[selected], minlength=data.num_classes)
    if drawn.val is not None:
        val = take(drawn.val, drawn.val.kept)
    else:
        cut = seed_for("validation", source.digest)
        groups = None if data.train.groups is None else [data.train.groups[i] for i in selected]
        rest, held = held_out(data.train.labels[selected], groups, VALIDATION_SHARE, cut)
        selected, val = selected[rest], take(drawn.train, selected[held])
    if source.subset is not None:
        if source.subset > len(selected):
            raise Skipped(f"subset {source.subset} is larger than the {len(selected)} training images of {data.name}")
        seed = seed_for("subset", source.digest)
        selected = selected[stratified_subset(data.train.labels[selected], source.subset, seed)]
    whole = take(drawn.train, selected)
    inside = selected if whole.clean is None else selected[whole.clean != OUTSIDE]
    trained_on = data.train.fingerprints[inside]  # the clean set too
    clean = None
    if clean_set is not None:
        if whole.clean is None:
            raise Skipped("the true labels are unknown, so there is no clean set; leave out methods that need one")
        labels = data.train.labels[inside]
        held = _clean_positions(labels, clean_set, data, seed_for("clean-set", source.digest, noise.seed))
        clean = replace(take(drawn.train, inside[held]), noisy=labels[held])
        selected = selected[~np.isin(selected, inside[held])]
    return Prepared(
        classes=data.classes,
        train=take(drawn.train, selected),
        val=val,
        test=_test_set(data.test, f"{source.key}/test", trained_on),
        extra_tests={
            name: replace(
                _test_set(part, f"{extra[name].key}/extra", trained_on),
                notes=data.extra_notes[name],
            )
            for name, part in data.extra_tests.items()
        },
        manifest=manifest,
        transition=None if manifest.transition is None else np.array(manifest.transition),
        main_metric=main_metric(counts),
        skipped_files=len(data.skipped),
        clean_set=clean,
        images=data.images,
    )


def _clean_positions(labels: np.ndarray, size: int, data: Data, seed: int) -> np.ndarray:
    """Sorted positions in `labels` [n], true training labels, of a clean set of that size. Raises CleanSetError."""
    try:
        return balanced_subset(labels, size, data.classes, seed)
    except DataError as error:
        raise CleanSetError(f"clean set of {size} images of {data.name} (--clean-set): {error}") from None


def _test_set(part: Arrays, key: str, trained_on: Fingerprints) -> LabelledSet:
    shared = int(np.isin(part.fingerprints, trained_on).sum())
    return LabelledSet(
        part.images, part.labels, part.labels, key=key, shared_images=shared, files=part.files, groups=part.groups
    )
