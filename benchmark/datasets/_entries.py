"""Image files with what is known of each, and how they become the splits of a data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from benchmark.datasets._decoding import Decoded, ImageOptions, decode
from benchmark.datasets._files import File
from benchmark.datasets._images import pages_of_all
from benchmark.datasets.base import Arrays, Labels, Progress
from benchmark.datasets.left_out import refuse
from benchmark.store.tree import printable


@dataclass(frozen=True)
class Entry:
    """An image file and what is known of it."""

    file: File
    label: int
    split: str = ""
    """train, val or test; empty where the source has no splits."""
    given: Mapping[str, int] = field(default_factory=dict)
    """Labels of raters by name; -1 where one gave none."""
    group: str | None = None
    """What belongs together, such as a patient's images."""
    site: str | None = None


@dataclass(frozen=True)
class Read:
    """The usable images of some entries, decoded."""

    entries: list[Entry]
    decoded: Decoded
    skipped: Mapping[str, str]
    """Files that cannot be used, and why."""

    @property
    def labels(self) -> Labels:
        return np.array([entry.label for entry in self.entries], dtype=np.int64)

    def by_split(self) -> dict[str, Arrays]:
        """The splits that the entries name."""
        named = np.array([entry.split for entry in self.entries])
        return self.parts({split: np.flatnonzero(named == split) for split in ("train", "val", "test")})

    def parts(self, index: Mapping[str, np.ndarray]) -> dict[str, Arrays]:
        """The splits that `index` gives by positions in `entries`, without empty ones; to be called once."""
        pixels = self.decoded.parts(index)
        return {split: _arrays([self.entries[i] for i in index[split]], images) for split, images in pixels.items()}


def read_entries(
    root: Path,
    entries: Sequence[Entry],
    options: ImageOptions,
    progress: Progress | None,
    unusable: Mapping[str, str] | None = None,
) -> Read:
    """Decodes the files of `entries`; `unusable`: name -> why of files that are known to be so already.

    Raises DataError with all that cannot be used, unless those are to be left out.
    """
    if options.pages == "all":
        entries = _with_pages(entries)
    decoded = decode([entry.file for entry in entries], options, progress)
    skipped = {entries[i].file.label: why for i, why in decoded.problems}
    skipped |= {printable(name): why for name, why in (unusable or {}).items()}
    if skipped and not options.skip_corrupt:
        refuse(root, skipped, len(entries) + len(unusable or {}))
    return Read([entries[i] for i in decoded.files], decoded, skipped)


def _with_pages(entries: Sequence[Entry]) -> list[Entry]:
    """An entry for every picture of a file. Those of one file belong together."""
    pages = pages_of_all([entry.file for entry in entries])
    return [
        replace(
            entry,
            file=entry.file if len(numbers) == 1 else replace(entry.file, page=page),
            group=entry.file.name if entry.group is None else entry.group,
        )
        for entry, numbers in zip(entries, pages, strict=True)
        for page in numbers
    ]


def _arrays(entries: Sequence[Entry], images: np.ndarray) -> Arrays:
    raters = sorted({rater for entry in entries for rater in entry.given})
    return Arrays(
        images,
        np.array([entry.label for entry in entries], dtype=np.int64),
        {r: np.array([entry.given.get(r, -1) for entry in entries], dtype=np.int64) for r in raters},
        files=tuple(entry.file.label for entry in entries),
        groups=_all_or_none([entry.group for entry in entries]),
        sites=_all_or_none([entry.site for entry in entries]),
    )


def _all_or_none(names: Sequence[str | None]) -> tuple[str, ...] | None:
    known = tuple(printable(name) for name in names if name is not None)
    return known if len(known) == len(names) else None
