"""From a run's specification to its labelled sets: data, then noise on all of it, then subset and splits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark.datasets.base import Arrays, Data, Dataset, stratified_split, stratified_subset
from benchmark.datasets.cache import cached, identity
from benchmark.errors import NoisybenchError
from benchmark.grid import suite
from benchmark.grid.spec import Job
from benchmark.noise.base import Corruption, NoiseKind, Split
from benchmark.noise.manifest import Manifest, make_manifest
from benchmark.registry import DATASETS, NOISE
from benchmark.runs.clean_probabilities import probabilities_of
from benchmark.seeds import seed_for
from benchmark.store.digests import to_paths

VALIDATION_SHARE = 0.1
IMBALANCE = 3.0


class Skipped(NoisybenchError):
    """The run does not apply, with the reason: recorded, never an error of the grid."""


@dataclass(frozen=True)
class LabelledSet:
    """One split: `noisy` and `clean` [n] int64; `clean` None if unknown."""

    whole: np.ndarray
    """[m, H, W, C] uint8, the part of the data that the samples are taken from, perhaps memory-mapped."""
    noisy: np.ndarray
    clean: np.ndarray | None
    index: np.ndarray | None = None
    """[n] positions in `whole`; None: all of it."""
    key: str = ""
    """Names the content of `whole` on every machine; empty where that is not known."""

    @property
    def images(self) -> np.ndarray:
        """[n, H, W, C] uint8."""
        return self.whole if self.index is None else self.whole[self.index]


@dataclass(frozen=True)
class Prepared:
    """All that a training needs."""

    num_classes: int
    train: LabelledSet
    val: LabelledSet
    tests: dict[str, LabelledSet]
    """"test" and the extra test sets."""
    manifest: Manifest
    transition: np.ndarray | None
    main_metric: str
    """Balanced accuracy where the largest class is over three times the smallest."""
    skipped_files: int
    """Files that could not be decoded and were left out on request."""


@dataclass(frozen=True)
class Drawn:
    """A part of the data with its noisy labels, before any subset or split is taken."""

    split: Split
    corruption: Corruption

    @property
    def kept(self) -> np.ndarray:
        """Sorted positions of the samples that stay."""
        selection = self.corruption.selection
        return np.arange(len(self.split.labels)) if selection is None else selection


def make_dataset_of(job: Job) -> Dataset:
    part = job.spec.dataset
    plugin = DATASETS.load(part.name)
    config = plugin.Config.model_validate(to_paths(part.config, job.sources))
    return plugin(part.name, config, Path(job.options.data_root))


def load_data(job: Job, cache: Path) -> Data:
    """The run's data set, from the cache of decoded arrays where possible. Raises Skipped, DataError."""
    dataset = make_dataset_of(job)
    if dataset.task != "multiclass":
        raise Skipped(f"{dataset.label} is a {dataset.task} set; label noise here is for one label per image")
    data = cached(dataset, cache, job.spec.dataset.digest)
    extra = {name: cached(source, cache, digest) for name, (source, digest) in _extra_tests(job).items()}
    return data.with_extra_tests(extra)


def _extra_tests(job: Job) -> dict[str, tuple[Dataset, str]]:
    """Further test sets: name -> where they come from, and their content digest."""
    root = Path(job.options.data_root)
    return {
        name: (suite.make_dataset(suite.read_reference(job.sources[digest]), root), digest)
        for name, digest in job.spec.dataset.extra_tests.items()
    }


def make_noise(job: Job) -> NoiseKind:
    plugin = NOISE.load(job.spec.noise.name)
    return plugin(plugin.Config.model_validate(to_paths(job.spec.noise.config, job.sources)))


def prepare(job: Job, cache: Path) -> Prepared:
    """Noise is drawn over the whole training set before any subset or split is taken.

    So every method, subset and backbone of one (data set, noise, seed) sees the same labels.
    """
    data = load_data(job, cache)
    kind, drawn = draw_noise(job, data)
    manifest = make_manifest(
        kind,
        job.spec.noise.config,
        drawn["train"].split,
        drawn["train"].corruption,
        allow_unidentifiable=job.options.allow_unidentifiable,
    )

    key = identity(make_dataset_of(job), job.spec.dataset.digest)
    keys = {name: identity(source, digest) for name, (source, digest) in _extra_tests(job).items()}

    def take(part: Drawn, index: np.ndarray) -> LabelledSet:
        assert part.split.images is not None
        clean = part.split.labels[index] if kind.truth_known else None
        return LabelledSet(part.split.images, part.corruption.labels[index], clean, index, f"{key}/{part.split.name}")

    selected = drawn["train"].kept
    counts = np.bincount(data.train.labels[selected], minlength=data.num_classes)
    if "val" in drawn:
        val = take(drawn["val"], drawn["val"].kept)
    else:
        cut = seed_for("validation", job.spec.dataset.digest)
        rest, held = stratified_split(data.train.labels[selected], VALIDATION_SHARE, cut)
        selected, val = selected[rest], take(drawn["train"], selected[held])
    if job.spec.dataset.subset is not None:
        size = job.spec.dataset.subset
        if size > len(selected):
            raise Skipped(f"subset {size} is larger than the {len(selected)} training images of {data.name}")
        chosen = stratified_subset(data.train.labels[selected], size, seed_for("subset", job.spec.dataset.digest))
        selected = selected[chosen]
    tests = {"test": data.test, **data.extra_tests}
    return Prepared(
        num_classes=data.num_classes,
        train=take(drawn["train"], selected),
        val=val,
        tests={
            name: LabelledSet(part.images, part.labels, part.labels, key=f"{keys.get(name, key)}/test")
            for name, part in tests.items()
        },
        manifest=manifest,
        transition=None if manifest.transition is None else np.array(manifest.transition),
        main_metric="balanced_accuracy" if counts.max() > IMBALANCE * max(1, counts.min()) else "accuracy",
        skipped_files=len(data.skipped),
    )


def draw_noise(job: Job, data: Data) -> tuple[NoiseKind, dict[str, Drawn]]:
    """The noise with what it learned from the training part, and the noisy labels of "train" and "val".

    There is no "val" where the data has none or the noise gives it no labels. Raises Skipped, NoiseError.
    """
    train = _as_split(job, data, "train", data.train)
    kind = make_noise(job)
    reason = kind.skip(train)
    if reason:
        raise Skipped(reason)
    kind = kind.resolve(train)
    splits = [train] if data.val is None else [train, _as_split(job, data, "val", data.val)]
    seed = job.spec.seeds.noise
    return kind, {split.name: Drawn(split, kind.corrupt(split, seed)) for split in splits if not kind.skip(split)}


def _as_split(job: Job, data: Data, name: str, arrays: Arrays) -> Split:
    return Split(
        name=name,
        labels=np.asarray(arrays.labels),
        num_classes=data.num_classes,
        dataset=data.name,
        key=job.spec.dataset.digest,
        images=arrays.images,
        given=arrays.given,
        probabilities=probabilities_of(job, name),
    )
