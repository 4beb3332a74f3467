"""Splits a source that has none of its own, by patient where patients are known, and checks what came of it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmark.datasets.base import Arrays, DataError, DataWarning, Labels, stratified_split
from benchmark.seeds import seed_for

SHARES = {"train": 0.7, "val": 0.1, "test": 0.2}


def split(root: Path, labels: Labels, groups: Sequence[str] | None, seed: int) -> dict[str, np.ndarray]:
    """Sorted indices per split, 70/10/20 within the classes; no group is in two splits. Raises DataError."""
    if groups is not None:
        return grouped_split(labels, groups, SHARES, seed)
    try:
        rest, test = stratified_split(labels, SHARES["test"], seed)
        train, val = stratified_split(labels[rest], SHARES["val"] / (1 - SHARES["test"]), seed)
    except DataError:
        raise DataError(
            f"{root}: {len(labels)} images are too few for a 70/10/20 split: add some, or use them as an extra test set"
        ) from None
    return {"train": rest[train], "val": rest[val], "test": test}


def held_out(labels: Labels, groups: Sequence[str] | None, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Sorted indices (rest, held out) of a stratified split; no group is in both. Raises DataError where one would be
    empty."""
    if groups is None:
        return stratified_split(labels, share, seed)
    parts = grouped_split(labels, groups, {"rest": 1 - share, "held": share}, seed)
    if not all(map(len, parts.values())):
        raise DataError(
            f"the {len(labels)} training images are of {len(set(groups))} patient(s) (or other group), so no "
            "validation set can be held out; expected more of them, or a validation set of your own"
        )
    return parts["rest"], parts["held"]


def grouped_split(
    labels: Labels, groups: Sequence[str], shares: Mapping[str, float], seed: int
) -> dict[str, np.ndarray]:
    """Sorted indices per split; no group is in two, and classes are as near to `shares` as groups allow.

    Groups go one by one, the largest first, to the split that lacks most of their classes.
    """
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    counts = np.zeros((len(names), int(labels.max()) + 1))
    np.add.at(counts, (member, labels), 1)
    totals = counts.sum(0)
    wanted = np.array(list(shares.values()))[:, None] * totals
    missing = wanted.copy()
    chosen = np.empty(len(names), dtype=np.intp)
    tie = np.random.Generator(np.random.PCG64(seed_for("group split", seed))).random(len(names))
    for group in np.lexsort((tie, -counts.sum(1))):
        # Relative to the split's target, so that small splits fill up as evenly as large ones.
        lack = (missing / np.maximum(wanted, 1e-9)) @ counts[group]
        chosen[group] = int(lack.argmax())
        missing[chosen[group]] -= counts[group]
    where = chosen[member]
    return {split: np.flatnonzero(where == i) for i, split in enumerate(shares)}


def in_two_splits(groups: Sequence[str], splits: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Groups that have images in several splits, with these in the order of `SHARES`."""
    places: dict[str, set[str]] = {}
    for group, where in zip(groups, splits, strict=True):
        places.setdefault(group, set()).add(where)
    return {group: tuple(sorted(names, key=[*SHARES].index)) for group, names in places.items() if len(names) > 1}


def check_splits(
    root: Path, parts: Mapping[str, Arrays | None], classes: Sequence[str], notes: Sequence[str] = ()
) -> None:
    """Raises DataError where there is no training or test image, or no training image of a class; warns where another
    split has none of a class. `notes` may say why."""
    for name in ("train", "test"):
        if parts.get(name) is None:
            raise DataError(f"{root}: no image for the {name} split: add images (or groups) to split")
    for name, part in parts.items():
        if part is not None and name == "train":
            check_training(root, part, classes, notes)
        elif part is not None and (absent := absent_classes(part, classes)):
            message = f"{root}: the {name} split has no image of class {', '.join(absent)}"
            warnings.warn(message, DataWarning, stacklevel=3)


def check_training(root: Path, train: Arrays, classes: Sequence[str], notes: Sequence[str] = ()) -> None:
    """Raises DataError where there is no training image of a class. `notes` may say why."""
    if absent := absent_classes(train, classes):
        raise DataError(
            f"{root}: no training image of class {', '.join(absent)}; expected some of every class: "
            + "; ".join(["add images, or groups that hold fewer of a class", *notes])
        )


def absent_classes(part: Arrays, classes: Sequence[str]) -> list[str]:
    """Those that no image of `part` shows."""
    return [label for k, label in enumerate(classes) if not (part.labels == k).any()]
