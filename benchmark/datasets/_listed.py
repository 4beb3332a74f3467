"""Data sets whose lists say which image file belongs to which split and class."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
from pydantic import Field

from benchmark.datasets._decoding import ImageOptions, decode, refuse_problems
from benchmark.datasets.base import Arrays, Data, DataError, Dataset, Progress, stratified_subset
from benchmark.seeds import seed_for
from benchmark.store import digests
from benchmark.store.tree import printable, readable

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Entry:
    """A line of a list."""

    root: Path
    name: str
    """Relative to the root."""
    split: str
    label: int
    given: Mapping[str, int] = field(default_factory=dict)
    """Labels of raters by name; -1 where one gave none."""


@dataclass(frozen=True)
class Listing:
    classes: tuple[str, ...]
    entries: Sequence[Entry]
    notes: tuple[str, ...] = ()


class ListedOptions(ImageOptions):
    train_images: int | None = Field(None, ge=2)
    """Decode only so many training images, a stratified choice; all where it is left out."""


class ListedImages(Dataset):
    """Reads the images of a listing. A family says in `listing` what its lists hold."""

    augment: ClassVar = {"flip": True, "rotate": 0.0}

    @property
    def label(self) -> str:
        return self.name

    @abstractmethod
    def listing(self) -> Listing:
        """All lists, checked. Raises DataError."""

    @cached_property
    def _listing(self) -> Listing:
        listing = self.listing()
        chosen = _chosen(listing.entries, self.cfg.train_images)
        listing = Listing(listing.classes, chosen, listing.notes)
        _check(self.cfg.path, self.name, listing)
        return listing

    @cached_property
    def _digests(self) -> dict[Path, str]:
        """Of the files below each root, their splits and labels, in the order of the lists."""
        roots = dict.fromkeys(entry.root for entry in self._listing.entries)
        with readable():
            return {root: digests.of_listing(self._of(root), header="\0".join(self._listing.classes)) for root in roots}

    def _of(self, root: Path) -> Iterator[tuple[str, Path]]:
        for entry in self._listing.entries:
            path = root / entry.name
            if entry.root == root and path.is_file():
                labels = "\0".join(f"{name}={label}" for name, label in sorted(entry.given.items()))
                yield f"{entry.split}\0{entry.label}\0{labels}\0{entry.name}", path

    def digest(self) -> str:
        values = list(self._digests.values())
        return values[0] if len(values) == 1 else digests.of_listing((), header="\0".join(values))

    def path_digests(self) -> Mapping[Path, str]:
        return self._digests

    def load(self, progress: Progress | None = None) -> Data:
        root = self.cfg.path
        entries, absent = _present(self._listing.entries)
        decoded = decode([entry.root / entry.name for entry in entries], self.cfg, progress)
        problems = [(entry.name, "named in a list, and absent") for entry in absent]
        problems += [(entries[i].name, why) for i, why in decoded.problems]
        refuse_problems(root, problems, len(self._listing.entries), self.cfg)
        kept = [entries[i] for i in decoded.files]
        parts = {}
        for split in SPLITS:
            chosen = [i for i, entry in enumerate(kept) if entry.split == split]
            if chosen:
                parts[split] = _arrays([kept[i] for i in chosen], decoded.pixels[decoded.rows[chosen]])
        for split in ("train", "test"):
            if split not in parts:
                raise DataError(f"{root}: no usable image for the {split} split of {self.name}")
        return Data(
            name=self.label,
            num_classes=len(self._listing.classes),
            classes=self._listing.classes,
            train=parts["train"],
            val=parts.get("val"),
            test=parts["test"],
            skipped=tuple(printable(name) for name, _ in problems),
            images=decoded.facts,
            notes=(*self._listing.notes, *decoded.doubts),
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
    try:
        value = int(str(text))
    except ValueError:
        value = -1
    if not 0 <= value < classes:
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


def _check(root: Path, name: str, listing: Listing) -> None:
    present = {entry.label for entry in listing.entries if entry.split == "train"}
    absent = [label for k, label in enumerate(listing.classes) if k not in present]
    if absent:
        raise DataError(f"{root}: the lists of {name} name no training image of class {', '.join(absent)}")
    found, missing = _present(listing.entries)
    if not found:
        first = missing[0]
        raise DataError(
            f"{first.root} holds none of the {len(missing)} images that the lists of {name} name, "
            f"such as {first.name}: unpack the images there"
        )


def _present(entries: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Those whose file is there, and the others."""
    found: list[Entry] = []
    absent: list[Entry] = []
    for entry in entries:
        (found if (entry.root / entry.name).is_file() else absent).append(entry)
    return found, absent


def _arrays(entries: Sequence[Entry], images: np.ndarray) -> Arrays:
    raters = sorted({rater for entry in entries for rater in entry.given})
    return Arrays(
        images,
        np.array([entry.label for entry in entries], dtype=np.int64),
        {r: np.array([entry.given.get(r, -1) for entry in entries], dtype=np.int64) for r in raters},
        files=tuple(printable(entry.name) for entry in entries),
    )
