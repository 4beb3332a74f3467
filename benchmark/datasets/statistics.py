"""What is in a data set: counts, duplicates, pixel statistics, contact sheets. Pure functions of `Data`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from benchmark.datasets.base import Arrays, Data

CHUNK = 4096
MARGIN = 4


def splits(data: Data) -> dict[str, Arrays]:
    """All splits that `data` has, the further test sets under their own names."""
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
        # Whole numbers, so that the sums are exact whatever the order.
        wide = pixels.astype(np.uint64)
        total += wide.sum(0)
        squares += (wide * wide).sum(0)
        n += len(pixels)
    mean = total / n
    return mean / 255, np.sqrt(np.maximum(squares / n - mean**2, 0)) / 255


def duplicates(data: Data) -> pd.DataFrame:
    """All images whose pixels occur more than once, in order: columns group, split, index, label, file.

    Rows of one `group` hold equal pixels. `label` is null in a multi-label set, `file` where there is none.
    """
    rows = [
        (
            hashlib.blake2b(image.tobytes(), digest_size=16).hexdigest(),
            name,
            i,
            int(part.labels[i]) if part.labels.ndim == 1 else None,
            part.files[i] if part.files else None,
        )
        for name, part in splits(data).items()
        for i, image in enumerate(part.images)
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
    """What somebody who trusts numbers on this data should know, one sentence each; empty if nothing."""
    found = duplicates(data)
    shared = duplicate_counts(found, list(splits(data)))
    told = []
    for i, first in enumerate(shared.index):
        if within := int(shared.iloc[i, i]):
            told.append(f"{within} image(s) occur more than once within {first}")
        for j in range(i + 1, len(shared)):
            if across := int(shared.iloc[i, j]):
                second = shared.columns[j]
                told.append(f"{across} image(s) of {first} occur in {second} too")
    if conflicts := int((found.groupby("group")["label"].nunique() > 1).sum()):
        told.append(f"{conflicts} image(s) occur with different labels")
    counts = class_counts(data)
    for name in counts:
        absent = [str(label) for label, n in counts[name].items() if n == 0]
        if absent:
            told.append(f"{name} has no image of class {', '.join(absent)}")
    for name, part in splits(data).items():
        flat = sum(int((np.ptp(chunk, axis=(1, 2, 3)) == 0).sum()) for chunk in _chunks(part.images))
        if flat:
            told.append(f"{flat} image(s) of {name} are of one color")
    if data.skipped:
        told.append(f"{len(data.skipped)} file(s) could not be decoded and were left out")
    return told


def _chunks(images: np.ndarray) -> list[np.ndarray]:
    return [images[start : start + CHUNK] for start in range(0, len(images), CHUNK)]


def contact_sheet(
    arrays: Arrays, classes: Sequence[str], per_class: int = 12, seed: int = 0, cell: int = 56
) -> Image.Image:
    """An RGB picture with a row per class: its name and up to `per_class` images drawn at random.

    `cell` is the side of each image in px; enlarged pixels stay visible as squares. Save it as PNG.
    """
    rng = np.random.default_rng(seed)
    text = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    gutter = 2 * MARGIN + int(max(text.textlength(name) for name in classes))
    step = cell + MARGIN
    sheet = Image.new("RGB", (gutter + per_class * step, MARGIN + len(classes) * step), "white")
    draw = ImageDraw.Draw(sheet)
    for k, name in enumerate(classes):
        top = MARGIN + k * step
        draw.text((MARGIN, top + cell // 2), name, fill="black", anchor="lm")
        has = arrays.labels[:, k] == 1 if arrays.labels.ndim == 2 else arrays.labels == k
        members = np.flatnonzero(has)
        chosen = np.sort(rng.permutation(members)[:per_class])
        for column, i in enumerate(chosen):
            sheet.paste(thumbnail(arrays.images[i], cell), (gutter + column * step, top))
    return sheet


def thumbnail(image: np.ndarray, cell: int) -> Image.Image:
    """[H, W, C] uint8 as an RGB picture of `cell` x `cell` px."""
    picture = Image.fromarray(np.ascontiguousarray(image[..., 0] if image.shape[2] == 1 else image))
    enlarging = image.shape[0] <= cell
    method = Image.Resampling.NEAREST if enlarging else Image.Resampling.LANCZOS
    return picture.convert("RGB").resize((cell, cell), method)
