"""A folder of your own images, with one sub-folder per class."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import Field, field_validator

from benchmark.datasets._images import SUFFIXES, decode_all
from benchmark.datasets.base import (
    Arrays,
    Data,
    DataError,
    Dataset,
    DataWarning,
    InputFolder,
    Labels,
    Progress,
    Settings,
    stratified_split,
)
from benchmark.seeds import seed_for
from benchmark.store import digests

SPLITS = ("train", "val", "test")
SHARES = {"train": 0.7, "val": 0.1, "test": 0.2}


class Folder(Dataset):
    """Your own images, folder:DIR, in one folder per class (PNG, JPEG, TIFF), with or without train/ and test/."""

    names: ClassVar[tuple[str, ...]] = ("folder",)
    augment: ClassVar = {"flip": True, "rotate": 15.0}

    class Config(Settings):
        path: InputFolder
        """`CLASS/*.png`, or `train/CLASS/*.png`, `test/...` and perhaps `val/...`."""
        size: int = Field(64, ge=8, le=1024)
        """Side in px to which the centered square of every image is resized, once."""
        group_by: str | None = None
        """Regular expression searched in the path below the class folder; images with the same first group,
        such as one patient's, stay in one split."""
        skip_corrupt: bool = False
        """Leave out and count images that cannot be decoded, instead of raising an error."""
        split_seed: int = Field(0, ge=0)
        """Seed of the 70/10/20 split of a folder that has no train/ and test/."""

        @field_validator("group_by")
        @classmethod
        def _has_a_group(cls, value: str | None) -> str | None:
            if value is not None:
                try:
                    groups = re.compile(value).groups
                except re.error as error:
                    raise ValueError(f"not a regular expression: {error}") from None
                if groups == 0:
                    raise ValueError(r'expected a group in parentheses, such as "^(patient\d+)_"')
            return value

    @property
    def label(self) -> str:
        return str(self.cfg.path.resolve().stem)

    @cached_property
    def _digest(self) -> str:
        return digests.digest(self.cfg.path)

    def digest(self) -> str:
        return self._digest

    def load(self, progress: Progress | None = None) -> Data:
        root: Path = self.cfg.path
        listing = _list_images(root)
        decoded = decode_all([root / image.name for image in listing.images], self.cfg.size, progress)
        results = list(zip(listing.images, decoded, strict=True))
        problems = [(image.name, why) for image, why in results if isinstance(why, str)]
        problems += [(name, "not in a class folder") for name in listing.stray]
        if problems and not self.cfg.skip_corrupt:
            lines = "".join(f"\n  {name}: {why}" for name, why in problems)
            raise DataError(
                f"{len(problems)} of {len(listing.images) + len(listing.stray)} files in {root} cannot be used: "
                f"mend or remove them, or set skip_corrupt=true{lines}"
            )
        usable = [(image, pixels) for image, pixels in results if isinstance(pixels, np.ndarray)]
        images = [image for image, _ in usable]
        everything = Arrays(
            images=_stack([pixels for _, pixels in usable]),
            labels=np.array([listing.classes.index(image.class_name) for image in images], dtype=np.int64),
            files=tuple(image.name for image in images),
        )
        _check_classes(root, everything.labels, listing.classes)
        groups = None if self.cfg.group_by is None else _groups(root, images, self.cfg.group_by)
        if listing.is_split:
            where = np.array([image.split for image in images])
            index = {split: np.flatnonzero(where == split) for split in SPLITS}
            if groups is not None:
                _check_separate(root, groups, index)
        else:
            index = _split(root, everything.labels, groups, self.cfg.split_seed)
        parts = {split: everything.take(chosen) for split, chosen in index.items() if len(chosen)}
        _check_splits(root, parts, listing.classes)
        return Data(
            name=self.label,
            num_classes=len(listing.classes),
            classes=tuple(listing.classes),
            train=parts["train"],
            val=parts.get("val"),
            test=parts["test"],
            skipped=tuple(name for name, _ in problems),
        )


@dataclass(frozen=True)
class _Image:
    name: str
    """Relative to the root, with forward slashes."""
    split: str
    class_name: str
    below_class: str


@dataclass(frozen=True)
class _Listing:
    images: list[_Image]
    classes: list[str]
    stray: list[str]
    is_split: bool


def _list_images(root: Path) -> _Listing:
    """All files below class folders, in the order of their names; names that begin with a dot are ignored."""
    tops = _folders(root)
    is_split = any(top.name == "train" and _folders(top) for top in tops)
    if is_split and not (root / "test").is_dir():
        raise DataError(f"{root} has a folder train but no folder test: add it, or drop the level train")
    places = [(top.name, top) for top in tops if top.name in SPLITS] if is_split else [("", root)]
    classes = sorted({folder.name for _, place in places for folder in _folders(place)})
    if len(classes) < 2:
        listed = ", ".join(classes) or "none"
        raise DataError(f"{root} has {len(classes)} class folder(s) ({listed}), expected one per class")
    images = [
        _Image(file.relative_to(root).as_posix(), split, folder.name, file.relative_to(folder).as_posix())
        for split, place in places
        for folder in _folders(place)
        for file in _visible_files(folder)
    ]
    stray = [
        file.relative_to(root).as_posix()
        for place in {root, *(place for _, place in places)}
        for file in place.iterdir()
        if file.is_file() and file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
    ]
    return _Listing(sorted(images, key=lambda image: image.name), classes, sorted(stray), is_split)


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def _visible_files(folder: Path) -> list[Path]:
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]


def _stack(pixels: Sequence[np.ndarray]) -> np.ndarray:
    """[n, H, W, C]: C = 1 where all images are gray, otherwise gray ones are repeated to RGB."""
    if not pixels:
        return np.empty((0, 1, 1, 1), dtype=np.uint8)
    channels = 3 if any(image.ndim == 3 for image in pixels) else 1
    stacked = np.empty((len(pixels), *pixels[0].shape[:2], channels), dtype=np.uint8)
    for target, image in zip(stacked, pixels, strict=True):
        target[...] = image if image.ndim == 3 else image[..., None]
    return stacked


def _check_classes(root: Path, labels: Labels, classes: Sequence[str]) -> None:
    empty = [name for k, name in enumerate(classes) if not (labels == k).any()]
    if empty:
        raise DataError(f"{root}: no usable image of class {', '.join(empty)}: add some or remove the folder")


def _check_splits(root: Path, parts: dict[str, Arrays], classes: Sequence[str]) -> None:
    for split in ("train", "test"):
        if split not in parts:
            raise DataError(f"{root}: no image for the {split} split: add images (or groups) to split")
    for split, part in parts.items():
        absent = [name for k, name in enumerate(classes) if not (part.labels == k).any()]
        if absent and split == "train":
            raise DataError(
                f"{root}: no training image of class {', '.join(absent)}; expected some of every class: "
                "add images, or groups that hold fewer of a class"
            )
        if absent:
            message = f"{root}: the {split} split has no image of class {', '.join(absent)}"
            warnings.warn(message, DataWarning, stacklevel=3)


def _groups(root: Path, images: Sequence[_Image], pattern: str) -> list[str]:
    """Per image what the first group of `pattern` matches."""
    matches = [re.search(pattern, image.below_class) for image in images]
    unmatched = [image.name for image, match in zip(images, matches, strict=True) if not (match and match[1])]
    if unmatched:
        raise DataError(
            f"{root}: group_by={pattern!r} matches {len(images) - len(unmatched)} of {len(images)} files; "
            f"expected all (not, for example, {unmatched[0]}). It is searched "
            "in the path below the class folder"
        )
    return [match[1] for match in matches if match]


def _check_separate(root: Path, groups: Sequence[str], index: dict[str, np.ndarray]) -> None:
    seen: dict[str, str] = {}
    for split, chosen in index.items():
        for group in {groups[i] for i in chosen}:
            if seen.setdefault(group, split) != split:
                raise DataError(f"{root}: group {group!r} has images in {seen[group]} and {split}: move them into one")


def _split(root: Path, labels: Labels, groups: Sequence[str] | None, seed: int) -> dict[str, np.ndarray]:
    if groups is not None:
        return grouped_split(labels, groups, SHARES, seed)
    try:
        rest, test = stratified_split(labels, SHARES["test"], seed)
        train, val = stratified_split(labels[rest], SHARES["val"] / (1 - SHARES["test"]), seed)
    except DataError:
        raise DataError(f"{root}: {len(labels)} images are too few for a 70/10/20 split: add some") from None
    return {"train": rest[train], "val": rest[val], "test": test}


def grouped_split(labels: Labels, groups: Sequence[str], shares: dict[str, float], seed: int) -> dict[str, np.ndarray]:
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
