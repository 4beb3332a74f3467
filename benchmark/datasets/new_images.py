"""Images that somebody wants to have classified: read as the training images were, or refused with the reason."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal, TypeAlias

import numpy as np

from benchmark.datasets import _dicom
from benchmark.datasets._class_folders import is_junk
from benchmark.datasets._decoding import ImageOptions
from benchmark.datasets._files import DiskFolder, File, Place, ZipArchive
from benchmark.datasets._images import SUFFIXES, decode_all, look_at_all, pages_of_all
from benchmark.datasets.base import DataError, Progress
from benchmark.datasets.conversion import SMALL_LOSS, Conversion, Look, describe
from benchmark.datasets.stain import normalized
from benchmark.store.schema import Images

Colors: TypeAlias = Literal["gray", "color", "both"]
"""Whether images have colors. One whose channels are equal in every pixel is gray, however it is stored."""

FACTOR = 2
"""An image whose side is beyond this many times the sides of the training images is of another kind."""
SAMPLE = 64
"""Gray values that are looked at of each deep image."""
CHUNK = 1024
"""Images whose colors are looked at, at a time."""


@dataclass(frozen=True)
class Kind:
    """What images a network was trained on, and how they were read."""

    shape: tuple[int, int, int]
    """H, W, C of the arrays."""
    colors: Colors
    facts: Images | None
    """What was done to the image files; None where the data came as arrays."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """Options of the data set; those of `ImageOptions` count."""

    @property
    def options(self) -> ImageOptions:
        """How files are read. Arrays of 8 bits are taken for images that were squares."""
        if self.facts is None:
            return ImageOptions(size=self.shape[0], fit="crop")
        given = {name: value for name, value in self.config.items() if name in ImageOptions.model_fields}
        return ImageOptions.model_validate(given).like(self.facts)

    @property
    def sides(self) -> tuple[float, float]:
        """Least and largest side in px of an image of this kind."""
        if self.facts is None:
            return min(self.shape[:2]) / FACTOR, max(self.shape[:2]) * FACTOR
        return min(self.facts["smallest"]) / FACTOR, max(self.facts["largest"]) * FACTOR

    @property
    def deep(self) -> set[bool]:
        """Whether images have more than 8 bits per channel; both may occur."""
        return {False} if self.facts is None else {bits > 8 for bits in self.facts["bit_depths"]}

    @property
    def values(self) -> tuple[float, float] | None:
        """Gray values of deep images that become 0 and 255, where training had such images."""
        if self.facts is None or self.facts["values"] is None:
            return None
        black, white = self.facts["values"]
        return black, white

    def describe(self) -> str:
        """One line for people: what is expected, and what is done with it."""
        height, width, channels = self.shape
        colors = {"gray": "gray", "color": "color", "both": "gray or color"}[self.colors]
        if self.facts is None:
            what = f"square, 8 bits per channel, resized to {width}x{height} px where they have another size"
        else:
            what = f"as in training ({describe(self.facts)}), resized to {width}x{height} px"
        low, high = self.sides
        return f"{colors} images with sides of {low:g} to {high:g} px; {what}; {channels} channel(s)"

    def refusal(self, look: Look) -> str:
        """Why an image that looks like `look` is of another kind; empty where it is not."""
        low, high = self.sides
        if not low <= min(look.width, look.height) <= max(look.width, look.height) <= high:
            return f"of another size: {look.width}x{look.height} px, expected sides of {low:g} to {high:g} px"
        if self.facts is None and look.lost_by_crop > SMALL_LOSS:
            return f"not square: {look.width}x{look.height} px, expected squares as in training"
        if (look.bits > 8) not in self.deep or (look.sample is not None and self.values is None):
            expected = "more than 8" if self.deep == {True} else "at most 8"
            return f"of another depth: {look.bits} bits per channel, expected {expected} as in training"
        if look.sample is not None and self.values and self.facts and self.facts["pixels"] in ("auto", "full"):
            black, white = self.values
            if look.highest > 2 * white - black or look.lowest < 2 * black - white:
                return (
                    f"of another range: gray values {look.lowest:g} to {look.highest:g}, expected {black:g} to "
                    f"{white:g} as in training"
                )
        return ""

    def refused_colors(self, colored: bool) -> str:
        if self.colors == "both" or colored == (self.colors == "color"):
            return ""
        return "of another kind: " + ("it has colors, expected gray" if colored else "it is gray, expected colors")


@dataclass(frozen=True)
class Found:
    """The files that were named, or lie in folders and archives that were named."""

    files: list[tuple[str, File]]
    """What each is called for people, unique."""
    others: Counter[str]
    """Files of other kinds, which are left out: suffix -> number."""


@dataclass(frozen=True)
class NewImages:
    names: list[str]
    """[n]"""
    pixels: np.ndarray
    """[n, H, W, C] uint8 of the usable ones."""
    problems: dict[str, str]
    """Name -> why the image cannot be used."""


def find(paths: Sequence[Path]) -> Found:
    """Raises DataError where a path leads nowhere, an archive cannot be read, or nothing is an image."""
    files: dict[str, File] = {}
    others: Counter[str] = Counter()
    for path in paths:
        if not path.exists():
            raise DataError(f"{path} does not exist; expected a folder, a zip archive or an image file")
        if path.is_file() and not zipfile.is_zipfile(path):
            files[str(path)] = File(DiskFolder(path.parent), path.name)
            continue
        place: Place = DiskFolder(path) if path.is_dir() else ZipArchive(path)
        for name in place.tree(is_junk).files:
            file = File(place, name)
            if _is_meant(file):
                files[f"{path}/{name}"] = file
            else:
                others[file.suffix] += 1
    if not files:
        raise DataError(f"no image in {', '.join(map(str, paths))}; expected PNG, JPEG, TIFF, BMP, WebP or DICOM files")
    return Found(list(files.items()), others)


def _is_meant(file: File) -> bool:
    """Whether it is to be an image. DICOM files often have no suffix, or the last number of an id in its place."""
    suffix = PurePosixPath(file.name).suffix.lower()
    return suffix in SUFFIXES or ((not suffix or suffix[1:].isdigit()) and _dicom.is_dicom(file))


def read(files: Sequence[tuple[str, File]], kind: Kind, progress: Progress | None = None) -> Iterator[NewImages]:
    """The images of `files`, some at a time."""
    options = kind.options
    for start in range(0, len(files), CHUNK):
        named = list(files[start : start + CHUNK])
        if options.pages == "all":
            pages = pages_of_all([file for _, file in named])
            named = [
                (name, file) if len(numbers) == 1 else (f"{name}#{page + 1}", File(file.place, file.name, page))
                for (name, file), numbers in zip(named, pages, strict=True)
                for page in numbers
            ]
        yield _read(named, kind, options, progress)


def _read(named: Sequence[tuple[str, File]], kind: Kind, options: ImageOptions, progress: Progress | None) -> NewImages:
    looks = look_at_all([file for _, file in named], SAMPLE, options.opening, progress)
    problems = {i: look if isinstance(look, str) else kind.refusal(look) for i, look in enumerate(looks)}
    seen = [i for i, why in problems.items() if not why]
    assert options.fit != "auto"
    how = Conversion(options.fit, kind.values)
    pixels = np.empty((len(seen), options.size, options.size, 3), dtype=np.uint8)
    damaged = decode_all([named[i][1] for i in seen], pixels, how, options.opening, progress)
    colored = has_colors(pixels)
    problems |= {i: damaged.get(k) or kind.refused_colors(bool(colored[k])) for k, i in enumerate(seen)}
    good = [k for k, i in enumerate(seen) if not problems[i]]
    usable, stain = pixels[good][..., : kind.shape[2]], kind.config.get("stain")
    return NewImages(
        [named[seen[k]][0] for k in good],
        usable if stain is None else normalized(usable, stain),
        {named[i][0]: why for i, why in problems.items() if why},
    )


def has_colors(images: np.ndarray) -> np.ndarray:
    """[n] bool of `images` [n, H, W, C]: whether the channels differ in any pixel."""
    parts = (images[start : start + CHUNK] for start in range(0, len(images), CHUNK))
    return np.concatenate([np.zeros(0, dtype=bool), *((part != part[..., :1]).any((1, 2, 3)) for part in parts)])


def colors_of(images: np.ndarray) -> Colors:
    """Of `images` [n, H, W, C]."""
    colored = has_colors(images)
    if colored.any():
        return "color" if colored.all() else "both"
    return "gray"
