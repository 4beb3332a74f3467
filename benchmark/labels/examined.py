"""Which labels of a data set are examined: those of the training set, as the noise leaves them, or of all splits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.datasets.base import Arrays, Data
from benchmark.datasets.statistics import splits
from benchmark.errors import UsageError
from benchmark.runs.noisy_data import NoisyData
from benchmark.runs.prepare import Drawn, LabelledSet
from benchmark.store.kept import read_predictions
from benchmark.store.store import Store
from benchmark.tables.bootstrap import Groups


@dataclass(frozen=True)
class Examined:
    """n labels, and where each lies."""

    part: LabelledSet
    places: pd.DataFrame
    """[n rows] split, index in it, and file: the name of the image's file, missing where it is none."""
    votes: np.ndarray | None = None
    """[n, R] labels of R raters, -1 where a rater gave none; None where they were not asked for."""
    groups: Groups | None = None
    """[n] what images belong together, such as a patient's, where that is known."""
    counts: np.ndarray | None = None
    """[n, K] how many raters gave each class, where only their numbers are known."""

    def images(self, chosen: np.ndarray) -> np.ndarray:
        """[k, H, W, C] uint8 of the labels `chosen` [k]."""
        return self.part.images[chosen]


def in_training_set(noisy: NoisyData, data: Data, cache: Path, raters: Sequence[str] = ()) -> Examined:
    """The training labels that the noise keeps. Raises UsageError where a rater's labels are not there."""
    drawn = noisy.noise.draw(noisy.source, data, cache)
    kept = drawn.train.kept
    # The key makes stored features of whole splits serve here.
    part = drawn.train.take(kept, truth_known=drawn.kind.truth_known, key=f"{noisy.source.key}/train")
    parts = {"train": data.train}
    counts = None if data.train.counts is None else data.train.counts[kept]
    votes, groups = _votes(parts, raters, [kept]), _groups(parts, [kept])
    return Examined(part, _places("train", data.train, kept), votes, groups, counts)


def with_noise(noisy: NoisyData, data: Data, cache: Path) -> Examined:
    """The noisy labels of all splits that the noise has labels for, the test set among them, whose true labels are
    known. (In runs the test set is never corrupted; here people would read it too.)

    Raises UsageError where the truth is unknown, or images are replaced.
    """
    drawn = noisy.noise.draw(noisy.source, data, cache)
    test = noisy.source.split("test", data.test, data.num_classes, None)
    splits = dict(drawn.splits)
    if noisy.noise.clean is None and not drawn.kind.skip(test):
        splits["test"] = Drawn(test, drawn.kind.corrupt(test, noisy.noise.seed))
    if not drawn.kind.truth_known or any(part.corruption.outside is not None for part in splits.values()):
        raise UsageError(
            f"noise {drawn.kind.name!r}: the true classes of its images are unknown, so nothing can be simulated; "
            "expected noise whose truth is known, such as symmetric:0.2 or given:NAME"
        )
    kept = {name: part.kept for name, part in splits.items()}
    parts = {"train": data.train, "val": data.val, "test": data.test}
    taken = [part.take(kept[name], truth_known=True) for name, part in splits.items()]
    whole = all(len(kept[name]) == len(parts[name] or ()) for name in splits)
    everything = LabelledSet(
        np.concatenate([part.images for part in taken]),
        np.concatenate([part.noisy for part in taken]),
        np.concatenate([data.train.labels[:0], *[part.clean for part in taken if part.clean is not None]]),
        key=f"{noisy.source.key}/{'+'.join(splits)}" if whole else "",
    )
    places = [_places(name, part, kept[name]) for name, part in parts.items() if part is not None and name in splits]
    return Examined(everything, pd.concat(places, ignore_index=True))


def in_all_splits(noisy: NoisyData, data: Data, raters: Sequence[str] = ()) -> Examined:
    """The labels of training, validation and test set, as they are. Raises UsageError as `in_training_set`."""
    parts = splits(data)
    everything = LabelledSet(
        np.concatenate([part.images for part in parts.values()]),
        np.concatenate([part.labels for part in parts.values()]),
        None,
        key=f"{noisy.source.key}/{'+'.join(parts)}",
    )
    index = [np.arange(len(part)) for part in parts.values()]
    places = [_places(name, part, rows) for (name, part), rows in zip(parts.items(), index, strict=True)]
    votes, groups = _votes(parts, raters, index), _groups(parts, index)
    known = [part.counts for part in parts.values() if part.counts is not None]
    counts = np.concatenate(known) if len(known) == len(parts) else None
    return Examined(everything, pd.concat(places, ignore_index=True), votes, groups, counts)


def of_run(noisy: NoisyData, data: Data, store: Store, run_id: str) -> tuple[Examined, dict[str, np.ndarray]]:
    """The labels that a run was trained on, and what it kept of each (see docs/records.md): probabilities "last", and
    "kept", "score" and "label" where its method reported them.

    Raises UsageError where the run kept nothing of its training images, or was trained on other data.
    """
    record = store.read(run_id)
    try:
        arrays = read_predictions(store, run_id)
    except (OSError, ValueError) as error:
        raise UsageError(f"run {run_id} kept no predictions ({error}); run it again with --keep predictions") from None
    if "train/last" not in arrays:
        raise UsageError(
            f"run {run_id} kept nothing of its training images: an earlier version ran it; run it again with --again "
            "all --keep predictions"
        )
    spec = {} if record is None else record["spec"]["dataset"]
    if spec.get("digest") != noisy.source.digest:
        raise UsageError(
            f"run {run_id} was trained on {spec.get('name')} with the digest {str(spec.get('digest'))[:19]}, "
            f"{noisy.source.dataset.label} has {noisy.source.digest[:19]}; expected the data set of the run (-d)"
        )
    index, labels = arrays["train/index"], arrays["train/labels"]
    known = record is not None and record["noise"]["realized_rate"] is not None
    part = LabelledSet(data.train.images, labels, data.train.labels[index] if known else None, index)
    told = {name.removeprefix("train/"): array for name, array in arrays.items() if name.startswith("train/")}
    return Examined(part, _places("train", data.train, index)), told


def _places(split: str, part: Arrays, index: np.ndarray) -> pd.DataFrame:
    files = None if part.files is None else [part.files[i] for i in index]
    return pd.DataFrame({"split": split, "index": index, "file": files})


def _votes(parts: dict[str, Arrays], raters: Sequence[str], index: Sequence[np.ndarray]) -> np.ndarray | None:
    """[n, R] of all parts, one after the other; -1 in a part that has no labels of the rater."""
    if not raters:
        return None
    missing = [name for name in raters if all(name not in part.given for part in parts.values())]
    if missing:
        known = ", ".join(sorted({name for part in parts.values() for name in part.given})) or "none"
        raise UsageError(f"--raters: {', '.join(parts)}: no labels named {', '.join(missing)}; there are: {known}")
    columns = [
        np.stack([np.asarray(part.given.get(name, np.full(len(part), -1)))[rows] for name in raters], 1)
        for part, rows in zip(parts.values(), index, strict=True)
    ]
    return np.concatenate(columns)


def _groups(parts: dict[str, Arrays], index: Sequence[np.ndarray]) -> Groups | None:
    """[n] of all parts, one after the other; None where they are not known."""
    known = [part.groups for part in parts.values() if part.groups is not None]
    if len(known) < len(parts):
        return None
    return np.concatenate([np.asarray(groups)[rows] for groups, rows in zip(known, index, strict=True)])
