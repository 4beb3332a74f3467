"""Data sets whose lists say which image file belongs to which split and class."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import Field

from benchmark.datasets._decoding import ImageOptions
from benchmark.datasets._entries import Entry, read_entries
from benchmark.datasets._files import leads_out
from benchmark.datasets.base import Data, DataError, Dataset, Progress, stratified_subset
from benchmark.datasets.splitting import check_training
from benchmark.seeds import seed_for
from benchmark.store import digests
from benchmark.store.tree import readable


@dataclass(frozen=True)
class Listing:
    classes: tuple[str, ...]
    entries: Sequence[Entry]
    notes: tuple[str, ...] = ()
    unusable: Mapping[str, str] = field(default_factory=dict)
    """Further files that are named and cannot be used, and why."""


class ListedOptions(ImageOptions):
    train_images: int | None = Field(None, ge=2)
    """Decode only so many training images, a stratified choice; all where it is left out."""


class ListedImages(Dataset):
    """Reads the images of a listing. A family says in `listing` what its lists hold."""

    augment: ClassVar = {"flip": True, "rotate": 0.0}

    @property
    def label(self) -> str:
        return self.name

    @property
    def images_root(self) -> Path:
        """Where the images lie, for messages."""
        path: Path = self.cfg.path
        return path

    @abstractmethod
    def listing(self) -> Listing:
        """All lists, checked. Raises DataError."""

    @cached_property
    def _listing(self) -> Listing:
        listing = self.listing()
        for entry in listing.entries:
            if leads_out(entry.file.name):
                raise DataError(
                    f"a list of {self.name} names {entry.file.name!r}, which leads out of {entry.file.place.root}; "
                    "expected names of images below it"
                )
        chosen = _chosen(listing.entries, self.cfg.train_images)
        _check_present(self.name, chosen)
        return replace(listing, entries=chosen)

    @cached_property
    def _digests(self) -> dict[Path, str]:
        """Of the files below each root, their splits and labels, in the order of the lists."""
        roots = dict.fromkeys(entry.file.place.root for entry in self._listing.entries)
        with readable():
            return {root: digests.of_listing(self._of(root), header="\0".join(self._listing.classes)) for root in roots}

    def _of(self, root: Path) -> Iterator[tuple[str, str]]:
        for entry in self._listing.entries:
            if entry.file.place.root == root and entry.file.exists():
                labels = "\0".join(f"{name}={label}" for name, label in sorted(entry.given.items()))
                yield f"{entry.split}\0{entry.label}\0{labels}\0{entry.file.name}", entry.file.digest()

    def digest(self) -> str:
        values = list(self._digests.values())
        return values[0] if len(values) == 1 else digests.of_listing((), header="\0".join(values))

    def path_digests(self) -> Mapping[Path, str]:
        return self._digests

    def load(self, progress: Progress | None = None) -> Data:
        data = self.decoded(self._listing, progress)
        self.check_training(data)
        return data

    def check_training(self, data: Data) -> None:
        """Raises DataError where there is no training image of a class."""
        check_training(self.images_root, data.train, data.classes)

    def decoded(self, listing: Listing, progress: Progress | None) -> Data:
        """The images of `listing`. Raises DataError where there is none to train on or to test with."""
        root = self.images_root
        present, absent = _present(listing.entries)
        unusable = {**listing.unusable, **{entry.file.name: "named in a list, and absent" for entry in absent}}
        read = read_entries(root, present, self.cfg, progress, unusable)
        parts = read.by_split()
        for split in ("train", "test"):
            if split not in parts:
                raise DataError(f"{root}: no usable image for the {split} split of {self.name}")
        return Data(
            name=self.label,
            num_classes=len(listing.classes),
            classes=listing.classes,
            train=parts["train"],
            val=parts.get("val"),
            test=parts["test"],
            skipped=read.skipped,
            images=read.decoded.facts,
            notes=(*listing.notes, *read.decoded.doubts),
        )


def read_lines(path: Path, expected: str) -> list[str]:
    """The lines of a list that are not empty. Raises DataError, which says that it holds `expected`."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read ({error}); expected {expected}") from None
    return [line.strip() for line in text.splitlines() if line.strip()]


def number(text: object, classes: int, where: str) -> int:
    """A class number from 0 on. Raises DataError, which names `where` it stands."""
    digits = str(text).strip()
    # `int` takes digits of other scripts too, and "1_0" for ten.
    value = int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else classes
    if value >= classes:
        raise DataError(f"{where}: the label is {text!r}, expected a number from 0 to {classes - 1}")
    return value


def _chosen(entries: Sequence[Entry], train_images: int | None) -> Sequence[Entry]:
    """`entries` with a stratified choice of the training images."""
    train = [i for i, entry in enumerate(entries) if entry.split == "train"]
    if train_images is None or train_images >= len(train):
        return entries
    labels = np.array([entries[i].label for i in train], dtype=np.int64)
    kept = {train[i] for i in stratified_subset(labels, train_images, seed_for("listed"))}
    return [entry for i, entry in enumerate(entries) if entry.split != "train" or i in kept]


def _check_present(name: str, entries: Sequence[Entry]) -> None:
    found, missing = _present(entries)
    if not found:
        first = missing[0]
        raise DataError(
            f"{first.file.place.root} holds none of the {len(missing)} images that the lists of {name} name, "
            f"such as {first.file.name}: unpack the images there"
        )


def _present(entries: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Those whose file is there, and the others."""
    found: list[Entry] = []
    absent: list[Entry] = []
    for entry in entries:
        (found if entry.file.exists() else absent).append(entry)
    return found, absent
