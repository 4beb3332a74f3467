"""Statistics of a data set: counts, duplicates, pixels, problems. Pure functions of `Data`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from benchmark.datasets.base import Arrays, Data
from benchmark.datasets.left_out import by_kind
from benchmark.datasets.near_duplicates import near_duplicates

CHUNK_BYTES = 1 << 22
"""Pixels looked at together; sums need eight times as much."""


def splits(data: Data) -> dict[str, Arrays]:
    """The splits of `data` by name, its extra test sets among them."""
    main = {"train": data.train, "val": data.val, "test": data.test}
    return {name: part for name, part in main.items() if part is not None} | dict(data.extra_tests)


def class_counts(data: Data) -> pd.DataFrame:
    """Images per class (rows, in label order) and split (columns), positives in a multi-label set."""
    counts = {
        name: part.labels.sum(0) if part.labels.ndim == 2 else np.bincount(part.labels, minlength=data.num_classes)
        for name, part in splits(data).items()
    }
    return pd.DataFrame(counts, index=pd.Index(data.classes, name="class"))


def channel_stats(arrays: Arrays) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the pixels per channel, [C] each, on the scale [0, 1]."""
    channels = arrays.images.shape[3]
    total, squares, n = np.zeros(channels), np.zeros(channels), 0
    for chunk in _chunks(arrays.images):
        pixels = chunk.reshape(-1, channels)
        # Integers, so that the sums are exact in any order.
        wide = pixels.astype(np.uint64)
        total += wide.sum(0)
        squares += np.einsum("nc,nc->c", wide, wide)
        n += len(pixels)
    mean = total / n
    return mean / 255, np.sqrt(np.maximum(squares / n - mean**2, 0)) / 255


def duplicates(data: Data) -> pd.DataFrame:
    """All images whose pixels occur more than once, in order: columns group, split, index, label, file.

    Rows of one `group` hold equal pixels. `label` is null in a multi-label set, `file` where there is none.
    """
    rows = [
        (
            fingerprint,
            name,
            i,
            int(part.labels[i]) if part.labels.ndim == 1 else None,
            part.files[i] if part.files else None,
        )
        for name, part in splits(data).items()
        for i, fingerprint in enumerate(part.fingerprints)
    ]
    table = pd.DataFrame(rows, columns=["group", "split", "index", "label", "file"])
    repeated = table[table.duplicated("group", keep=False)].copy()
    repeated["group"] = pd.factorize(repeated["group"])[0]
    return repeated.sort_values(["group"], kind="stable").reset_index(drop=True)


def duplicate_counts(found: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """From `duplicates`: groups of equal images that have members in both splits, [split, split].

    The diagonal counts groups with two or more members within one split.
    """
    members = pd.crosstab(found["group"], found["split"]).reindex(columns=list(names), fill_value=0)
    present = (members > 0).to_numpy().astype(int)
    shared = present.T @ present
    np.fill_diagonal(shared, (members > 1).to_numpy().sum(0))
    return pd.DataFrame(shared, index=list(names), columns=list(names))


def findings(data: Data) -> list[str]:
    """Problems of the data that affect results on it, one sentence each."""
    repeated = duplicates(data)
    shared = duplicate_counts(repeated, list(splits(data)))
    sentences = []
    for i, first in enumerate(shared.index):
        if within := int(shared.iloc[i, i]):
            sentences.append(f"{within} image(s) occur more than once within {first}")
        for j in range(i + 1, len(shared)):
            if across := int(shared.iloc[i, j]):
                second = shared.columns[j]
                sentences.append(f"{across} image(s) of {first} occur in {second} too")
    if conflicts := int((repeated.groupby("group")["label"].nunique() > 1).sum()):
        sentences.append(f"{conflicts} image(s) occur with different labels")
    counts = class_counts(data)
    for name in counts:
        absent = [str(label) for label, n in counts[name].items() if n == 0]
        if absent:
            sentences.append(f"{name} has no image of class {', '.join(absent)}")
    for name, part in splits(data).items():
        flat = sum(int((np.ptp(chunk, axis=(1, 2, 3)) == 0).sum()) for chunk in _chunks(part.images))
        if flat:
            sentences.append(f"{flat} image(s) of {name} are of one color")
    sentences += [f"left out: {line}" for line in by_kind(data.skipped)]
    return sentences


def near_findings(data: Data, most_pairs: int = 10**10) -> list[str]:
    """A sentence for every split with images that look like images of its own or of train; see `near_duplicates`.

    Splits whose images make more than `most_pairs` pairs are not compared, and this is said.
    """
    sentences = []
    for name, part in splits(data).items():
        for other, theirs in {name: part, "train": data.train}.items():
            if len(part) * len(theirs) > most_pairs:
                both = name if name == other else f"{name} and {other}"
                sentences.append(f"images of {both} that look the same were not sought, as there are many")
                continue
            pairs = near_duplicates(part, theirs)
            if pairs:
                nearest = max(pairs, key=lambda pair: pair.correlation)
                examples = f"{_named(part, nearest.index)} and {_named(theirs, nearest.other)}"
                images = "other images" if name == other else "images"
                sentences.append(
                    f"{len(pairs)} image(s) of {name} look like {images} of {other} without being equal, most of all "
                    f"{examples} (correlation {nearest.correlation:.3f}): look whether they show the same"
                )
    return sentences


def about_names(part: Arrays) -> list[str]:
    """What is known of the raters, groups and sites of a split, a line each."""
    lines = []
    for rater, labels in part.given.items():
        given = labels >= 0
        if not given.any():
            lines.append(f"labels {rater!r}: no image has one")
            continue
        wrong, count = int((labels != part.labels)[given].sum()), int(given.sum())
        having = "images" if given.all() else "images that have one"
        lines.append(
            f"labels {rater!r} differ from the main ones in {wrong} of the {count} {having} ({wrong / count:.1%})"
        )
    if part.groups is not None:
        sizes = Counter(part.groups).values()
        each = f"{min(sizes)} to {max(sizes)}" if min(sizes) < max(sizes) else f"{min(sizes)}"
        lines.append(f"{len(sizes)} patients or other groups, {each} image(s) each")
    if part.sites is not None:
        sites = ", ".join(f"{site or 'unknown'} {count}" for site, count in Counter(part.sites).most_common())
        lines.append(f"images by site: {sites}")
    return lines


def _named(part: Arrays, index: int) -> str:
    return f"number {index}" if part.files is None else part.files[index]


def _chunks(images: np.ndarray) -> Iterator[np.ndarray]:
    step = max(1, CHUNK_BYTES // images[0].nbytes)
    return (images[start : start + step] for start in range(0, len(images), step))
