"""A folder of your own images, with one sub-folder per class."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import Field, field_validator

from benchmark.datasets._class_folders import ImageFile, Listing, list_images
from benchmark.datasets._decoding import ImageOptions, decode, refuse_problems
from benchmark.datasets.base import (
    Arrays,
    Data,
    DataError,
    Dataset,
    DataWarning,
    ExtraTest,
    InputFolder,
    Labels,
    Progress,
    stratified_split,
)
from benchmark.seeds import seed_for
from benchmark.store import digests
from benchmark.store.schema import Images
from benchmark.store.tree import printable, readable

SHARES = {"train": 0.7, "val": 0.1, "test": 0.2}


class Folder(Dataset):
    """Your own images, folder:DIR, in one folder per class (PNG, JPEG, TIFF), with or without train/ and test/."""

    version: ClassVar[int] = 2
    names: ClassVar[tuple[str, ...]] = ("folder",)
    augment: ClassVar = {"flip": True, "rotate": 15.0}

    class Config(ImageOptions):
        path: InputFolder
        """`CLASS/*.png`, or `train/CLASS/*.png`, `test/...` and perhaps `val/...`, also named Training, valid, ..."""
        group_by: str | None = None
        """Regular expression searched in the path below the class folder; images with the same first group,
        such as one patient's, stay in one split."""
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
        return printable(Path(os.path.normpath(self.cfg.path.absolute())).name)

    @cached_property
    def _digest(self) -> str:
        listing = list_images(self.cfg.path, test_only=True)
        files = ((f"{image.class_name}\0{image.name}", self.cfg.path / image.name) for image in listing.images)
        # A class may have no image, and a link may lead nowhere: both are told by `load`.
        with readable():
            return digests.of_listing(files, header="\0".join([*listing.classes, "", *listing.broken]))

    def digest(self) -> str:
        """Of the classes and of the files that are read, in the order in which they are read."""
        return self._digest

    def path_digests(self) -> Mapping[Path, str]:
        return {self.cfg.path: self.digest()}

    def like(self, images: Images) -> Folder:
        own = {"fit": self.cfg.fit, "pixels": self.cfg.pixels}
        theirs = {"fit": images["fit"], "pixels": images["values"] and tuple(images["values"])}
        update = {key: theirs[key] for key, value in own.items() if value == "auto" and theirs[key] is not None}
        return Folder(self.name, self.cfg.model_copy(update=update), self.root)

    def load(self, progress: Progress | None = None) -> Data:
        root: Path = self.cfg.path
        listing = list_images(root)
        read = self._read(listing, listing.images, progress)
        _check_classes(root, read.labels, listing.classes)
        groups = None if self.cfg.group_by is None else _groups(root, read.files, self.cfg.group_by)
        if listing.splits:
            where = np.array([file.split for file in read.files])
            index = {split: np.flatnonzero(where == split) for split in SHARES}
            if groups is not None:
                _check_separate(root, groups, index)
        else:
            index = _split(root, read.labels, groups, self.cfg.split_seed)
        parts = read.parts(index)
        _check_splits(root, parts, listing)
        return Data(
            name=self.label,
            num_classes=len(listing.classes),
            classes=read.classes,
            train=parts["train"],
            val=parts.get("val"),
            test=parts["test"],
            skipped=read.skipped,
            images=read.facts,
            notes=read.notes,
        )

    def load_extra_test(self, progress: Progress | None = None) -> ExtraTest:
        """The test images, or all images of a folder without splits."""
        listing = list_images(self.cfg.path, test_only=True)
        read = self._read(listing, [file for file in listing.images if file.split in ("", "test")], progress)
        if not read.files:
            raise DataError(f"{self.cfg.path}: no usable test image; add some to its class folders")
        test = read.parts({"test": np.arange(len(read.files))})["test"]
        return ExtraTest(read.classes, True, test, read.skipped, read.facts, read.notes)

    def _read(self, listing: Listing, files: Sequence[ImageFile], progress: Progress | None) -> _Read:
        """Decodes `files`. Raises DataError with all that cannot be used, unless those are to be left out."""
        root: Path = self.cfg.path
        decoded = decode([root / file.name for file in files], self.cfg, progress)
        problems = [(files[i].name, why) for i, why in decoded.problems]
        problems += [(name, "not in a class folder") for name in listing.stray]
        problems += [(name, "a link to nothing, or no file") for name in listing.broken]
        refuse_problems(root, problems, len(files) + len(listing.stray) + len(listing.broken), self.cfg)
        kept = [files[i] for i in decoded.files]
        classes = {name: k for k, name in enumerate(listing.classes)}
        return _Read(
            files=kept,
            classes=tuple(map(printable, listing.classes)),
            labels=np.array([classes[file.class_name] for file in kept], dtype=np.int64),
            pixels=decoded.pixels,
            rows=decoded.rows,
            facts=decoded.facts,
            skipped=tuple(printable(name) for name, _ in problems),
            notes=(*listing.notes, *decoded.doubts),
        )


@dataclass(frozen=True)
class _Read:
    """The usable images of a folder, decoded."""

    files: list[ImageFile]
    classes: tuple[str, ...]
    """[K] as they can be written anywhere, and so are all names that leave this module."""
    labels: Labels
    pixels: np.ndarray
    """[m, size, size, C] uint8, the usable images among them."""
    rows: np.ndarray
    """[n] where in `pixels` each of `files` is."""
    facts: Images | None
    skipped: tuple[str, ...]
    notes: tuple[str, ...]

    def parts(self, index: Mapping[str, np.ndarray]) -> dict[str, Arrays]:
        """The splits that `index` gives by positions in `files`, without empty ones.

        Moves the images within `pixels`, as a copy of each split would need the memory twice.
        """
        order = np.concatenate([self.rows[chosen] for chosen in index.values()])
        rest = np.setdiff1d(np.arange(len(self.pixels)), order)
        _permute(self.pixels, np.concatenate([order, rest]))
        parts, start = {}, 0
        for split, chosen in index.items():
            if len(chosen):
                names = tuple(printable(self.files[i].name) for i in chosen)
                parts[split] = Arrays(self.pixels[start : start + len(chosen)], self.labels[chosen], files=names)
            start += len(chosen)
        return parts


def _permute(rows: np.ndarray, order: np.ndarray) -> None:
    """Moves row order[i] to i, for all i, in place."""
    done = order == np.arange(len(order))
    for start in range(len(order)):
        if done[start]:
            continue
        first, at = rows[start].copy(), start
        while order[at] != start:
            rows[at] = rows[order[at]]
            done[at] = True
            at = order[at]
        rows[at] = first
        done[at] = True


def _check_classes(root: Path, labels: Labels, classes: Sequence[str]) -> None:
    empty = [name for k, name in enumerate(classes) if not (labels == k).any()]
    if empty:
        raise DataError(f"{root}: no usable image of class {', '.join(empty)}: add some or remove the folder")


def _check_splits(root: Path, parts: dict[str, Arrays], listing: Listing) -> None:
    for split in ("train", "test"):
        if split not in parts:
            raise DataError(f"{root}: no image for the {split} split: add images (or groups) to split")
    for split, part in parts.items():
        absent = [name for k, name in enumerate(listing.classes) if not (part.labels == k).any()]
        if absent and split == "train":
            raise DataError(
                f"{root}: no training image of class {', '.join(absent)}; expected some of every class: "
                + "; ".join(["add images, or groups that hold fewer of a class", *listing.notes])
            )
        if absent:
            message = f"{root}: the {split} split has no image of class {', '.join(absent)}"
            warnings.warn(message, DataWarning, stacklevel=3)


def _groups(root: Path, images: Sequence[ImageFile], pattern: str) -> list[str]:
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
        raise DataError(
            f"{root}: {len(labels)} images are too few for a 70/10/20 split: add some, or use them as an extra test set"
        ) from None
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
