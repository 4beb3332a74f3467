"""A folder of your own images, with one sub-folder per class."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import Field, field_validator

from benchmark.datasets._class_folders import ClassImage, Listing, list_images
from benchmark.datasets._decoding import ImageOptions
from benchmark.datasets._entries import Entry, Read, read_entries
from benchmark.datasets._files import File, InputPlace, Place, place_of
from benchmark.datasets._stained import Stained, StainOption
from benchmark.datasets.base import Data, DataError, ExtraTest, Labels, Progress
from benchmark.datasets.splitting import check_splits, in_two_splits, split
from benchmark.store import digests
from benchmark.store.schema import Images
from benchmark.store.tree import printable, readable


class Folder(Stained):
    """Your own images, folder:DIR or folder:FILE.zip, in one folder per class, with or without train/ and test/."""

    version: ClassVar[int] = 3
    names: ClassVar[tuple[str, ...]] = ("folder",)
    augment: ClassVar = {"flip": True, "rotate": 15.0}

    class Config(ImageOptions, StainOption):
        path: InputPlace
        """`CLASS/*.png`, or `train/CLASS/*.png`, `test/...` and perhaps `val/...`, also named Training, valid, ...; a
        folder, or a zip archive, which is read without unpacking it."""
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
        path = Path(os.path.normpath(self.cfg.path.absolute()))
        return printable(path.stem if path.is_file() else path.name)

    @cached_property
    def _digest(self) -> str:
        place, listing = list_images(place_of(self.cfg.path), test_only=True)
        # A class may have no image, and a link may lead nowhere: both are told by `load`.
        with readable():
            files = ((f"{image.class_name}\0{image.name}", place.digest(image.name)) for image in listing.images)
            return digests.of_listing(files, header="\0".join([*listing.classes, "", *listing.broken]))

    def digest(self) -> str:
        """Of the classes and of the files that are read, in the order in which they are read."""
        return self._digest

    def path_digests(self) -> Mapping[Path, str]:
        return {self.cfg.path: self.digest()}

    def like(self, images: Images) -> Folder:
        return Folder(self.name, self.cfg.like(images), self.root)

    def load(self, progress: Progress | None = None) -> Data:
        root: Path = self.cfg.path
        place, listing = list_images(place_of(root))
        read = self._read(place, listing, listing.images, progress)
        _check_classes(root, read.labels, listing.classes)
        if listing.splits:
            _check_separate(root, read.entries)
            parts = read.by_split()
        else:
            groups = [entry.group for entry in read.entries if entry.group is not None] or None
            parts = read.parts(split(root, read.labels, groups, self.cfg.split_seed))
        check_splits(root, parts, listing.classes, listing.notes)
        data = Data(
            name=self.label,
            num_classes=len(listing.classes),
            classes=_printable(listing.classes),
            train=parts["train"],
            val=parts.get("val"),
            test=parts["test"],
            skipped=read.skipped,
            images=read.decoded.facts,
            notes=(*listing.notes, *read.decoded.doubts),
        )
        return self.with_stains(data)

    def load_extra_test(self, progress: Progress | None = None) -> ExtraTest:
        """The test images, or all images of a folder without splits."""
        place, listing = list_images(place_of(self.cfg.path), test_only=True)
        read = self._read(place, listing, [image for image in listing.images if image.split in ("", "test")], progress)
        if not read.entries:
            raise DataError(f"{self.cfg.path}: no usable test image; add some to its class folders")
        test = read.parts({"test": np.arange(len(read.entries))})["test"]
        notes = (*listing.notes, *read.decoded.doubts)
        whole = ExtraTest(_printable(listing.classes), True, test, read.skipped, read.decoded.facts, notes)
        return self.test_with_stains(whole)

    def _read(self, place: Place, listing: Listing, images: Sequence[ClassImage], progress: Progress | None) -> Read:
        """Decodes `images`. Raises DataError with all that cannot be used, unless those are to be left out."""
        numbers = {name: k for k, name in enumerate(listing.classes)}
        entries = [Entry(File(place, image.name), numbers[image.class_name], image.split) for image in images]
        unusable = dict.fromkeys(listing.stray, "not in a class folder")
        unusable |= dict.fromkeys(listing.broken, "a link to nothing, or no file")
        read = read_entries(self.cfg.path, entries, self.cfg, progress, unusable)
        if self.cfg.group_by is None:
            return read
        below = {image.name: image.below_class for image in images}
        return replace(read, entries=_grouped(self.cfg.path, read.entries, below, self.cfg.group_by))


def _printable(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(map(printable, names))


def _check_classes(root: Path, labels: Labels, classes: Sequence[str]) -> None:
    empty = [name for k, name in enumerate(classes) if not (labels == k).any()]
    if empty:
        raise DataError(f"{root}: no usable image of class {', '.join(empty)}: add some or remove the folder")


def _grouped(root: Path, entries: Sequence[Entry], below_class: Mapping[str, str], pattern: str) -> list[Entry]:
    """`entries` in the groups that the first group of `pattern` matches in their paths below the class folder."""
    matches = [re.search(pattern, below_class[entry.file.name]) for entry in entries]
    unmatched = [entry.file.name for entry, match in zip(entries, matches, strict=True) if not (match and match[1])]
    if unmatched:
        raise DataError(
            f"{root}: group_by={pattern!r} matches {len(entries) - len(unmatched)} of {len(entries)} files; "
            f"expected all (not, for example, {unmatched[0]}). It is searched "
            "in the path below the class folder"
        )
    return [replace(entry, group=match[1]) for entry, match in zip(entries, matches, strict=True) if match]


def _check_separate(root: Path, entries: Sequence[Entry]) -> None:
    grouped = [(entry.group, entry.split) for entry in entries if entry.group is not None]
    for group, splits in in_two_splits(*zip(*grouped, strict=True)).items() if grouped else ():
        raise DataError(f"{root}: group {group!r} has images in {' and '.join(splits)}: move them into one")
