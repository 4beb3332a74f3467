"""From a run's specification to its labelled sets: data, then noise on all of it, then subset and splits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmark import suite
from benchmark.datasets.base import Arrays, Data, Dataset, stratified_split, stratified_subset
from benchmark.datasets.cache import cached
from benchmark.errors import NoisybenchError
from benchmark.files import to_paths
from benchmark.noise.base import NoiseKind, Split
from benchmark.noise.manifest import Manifest, make_manifest
from benchmark.registry import DATASETS, NOISE
from benchmark.seeds import seed_for
from benchmark.spec import Job

VALIDATION_SHARE = 0.1
IMBALANCE = 3.0


class Skipped(NoisybenchError):
    """The run does not apply, with the reason: recorded, never an error of the grid."""


@dataclass(frozen=True)
class LabelledSet:
    """One split: images [n, H, W, C] uint8; `noisy` and `clean` [n] int64; `clean` None if unknown."""

    images: np.ndarray
    noisy: np.ndarray
    clean: np.ndarray | None


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

    @property
    def image_size(self) -> int:
        return self.train.images.shape[1]

    @property
    def channels(self) -> int:
        return self.train.images.shape[3]


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
    root = Path(job.options.data_root)
    extra = {
        name: cached(suite.make_dataset(suite.read_reference(job.sources[digest]), root), cache, digest)
        for name, digest in job.spec.dataset.extra_tests.items()
    }
    return data.with_extra_tests(extra)


def make_noise(job: Job) -> NoiseKind:
    plugin = NOISE.load(job.spec.noise.name)
    return plugin(plugin.Config.model_validate(to_paths(job.spec.noise.config, job.sources)))


def prepare(job: Job, cache: Path) -> Prepared:
    """Noise is drawn over the whole training set before any subset or split is taken.

    So every method, subset and backbone of one (data set, noise, seed) sees the same labels.
    """
    data = load_data(job, cache)
    seed = job.spec.seeds.noise
    split = _as_split(job, data, "train", data.train)
    kind = make_noise(job)
    reason = kind.skip(split)
    if reason:
        raise Skipped(reason)
    kind = kind.resolve(split)
    corruption = kind.corrupt(split, seed)
    manifest = make_manifest(
        kind, job.spec.noise.config, split, corruption, allow_unidentifiable=job.options.allow_unidentifiable
    )
    selected = np.arange(len(split.labels)) if corruption.selection is None else corruption.selection
    clean = data.train.labels if kind.truth_known else None
    noisy = corruption.labels

    def take(index: np.ndarray) -> LabelledSet:
        return LabelledSet(data.train.images[index], noisy[index], None if clean is None else clean[index])

    val = _validation(job, data, kind, seed)
    if val is None:
        cut = seed_for("validation", job.spec.dataset.digest)
        rest, held = stratified_split(data.train.labels[selected], VALIDATION_SHARE, cut)
        selected, val = selected[rest], take(selected[held])
    if job.spec.dataset.subset is not None:
        size = job.spec.dataset.subset
        if size > len(selected):
            raise Skipped(f"subset {size} is larger than the {len(selected)} training images of {data.name}")
        chosen = stratified_subset(data.train.labels[selected], size, seed_for("subset", job.spec.dataset.digest))
        selected = selected[chosen]
    tests = {"test": data.test, **data.extra_tests}
    counts = np.bincount(data.train.labels, minlength=data.num_classes)
    return Prepared(
        num_classes=data.num_classes,
        train=take(selected),
        val=val,
        tests={name: LabelledSet(part.images, part.labels, part.labels) for name, part in tests.items()},
        manifest=manifest,
        transition=None if manifest.transition is None else np.array(manifest.transition),
        main_metric="balanced_accuracy" if counts.max() > IMBALANCE * max(1, counts.min()) else "accuracy",
    )


def _as_split(job: Job, data: Data, name: str, arrays: Arrays) -> Split:
    return Split(
        name=name,
        labels=np.asarray(arrays.labels),
        num_classes=data.num_classes,
        dataset=data.name,
        key=job.spec.dataset.digest,
        images=arrays.images,
        given=arrays.given,
    )


def _validation(job: Job, data: Data, kind: NoiseKind, seed: int) -> LabelledSet | None:
    """The validation split under the same noise; None where it has none or the noise gives it no labels."""
    if data.val is None:
        return None
    split = _as_split(job, data, "val", data.val)
    if kind.skip(split):
        return None
    corruption = kind.corrupt(split, seed)
    index = np.arange(len(split.labels)) if corruption.selection is None else corruption.selection
    clean = split.labels[index] if kind.truth_known else None
    return LabelledSet(data.val.images[index], corruption.labels[index], clean)
