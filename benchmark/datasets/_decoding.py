"""Decodes the image files of a data set by one rule; the options that say which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field, field_validator

from benchmark.datasets import conversion
from benchmark.datasets._files import File
from benchmark.datasets._images import Opening, decode_all, look_at_all
from benchmark.datasets.base import Progress, Settings
from benchmark.datasets.conversion import Fit, Look, Pixels
from benchmark.store.schema import Images


class ImageOptions(Settings):
    """How image files become arrays."""

    added_later: ClassVar = frozenset({"pages"})

    size: int = Field(64, ge=8, le=1024)
    """Side in px to which every image is resized, once."""
    fit: Fit = "auto"
    """How images become squares: `crop` takes the centered square, `pad` adds black, `stretch` distorts. `auto`
    crops where no image loses more than a tenth of its pixels, and pads otherwise."""
    pixels: Pixels = "auto"
    """How gray values of more than 8 bits become 8, one rule for all images: `auto` uses the bits that occur
    (0 to 4095 for 12-bit data; for floats and negative values the range that occurs), `full` 0 to 65535,
    `percentile` the 1st to the 99th percentile, `window` in every DICOM file the window that it stores; or a range of
    your own, [0,4095]."""
    pages: Literal["one", "first", "all"] = "one"
    """Of a TIFF file of several pictures: `one` refuses it, `first` takes the first one, `all` takes each as an image
    with the file's label; they stay in one split."""
    skip_corrupt: bool = False
    """Leave out and count images that cannot be decoded, instead of raising an error."""

    @field_validator("pixels", mode="before")
    @classmethod
    def _is_a_rule_or_a_range(cls, value: object) -> object:
        if isinstance(value, list | tuple) and len(value) == 2 and all(type(v) in (int, float) for v in value):
            if value[0] < value[1]:
                return tuple(map(float, value))
        elif value in ("auto", "full", "percentile", "window"):
            return value
        raise ValueError("expected auto, full, percentile, window, or the values that become black and white: [0,4095]")

    def like(self, images: Images) -> Self:
        """These options, with what was done to other `images` where they leave it open."""
        values = "window" if images["pixels"] == "window" else images["values"] and tuple(images["values"])
        theirs = {"fit": images["fit"], "pixels": values}
        open_ones = [name for name in theirs if getattr(self, name) == "auto" and theirs[name] is not None]
        return self.model_copy(update={name: theirs[name] for name in open_ones})

    @property
    def opening(self) -> Opening:
        return Opening(first_page=self.pages == "first", windowed=self.pixels == "window")


@dataclass(frozen=True)
class Decoded:
    """The usable ones of some image files."""

    pixels: np.ndarray
    """[m, size, size, C] uint8, the usable images among them."""
    rows: np.ndarray
    """[n] where in `pixels` each usable image is."""
    files: list[int]
    """[n] which of the files they are."""
    problems: list[tuple[int, str]]
    """Files that cannot be used, and why."""
    facts: Images | None
    doubts: tuple[str, ...]
    """What may be wrong with the rule; a sentence each."""

    def parts(self, index: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """[k, size, size, C] per split the images at the positions in `files` that `index` gives, without empty splits.

        Moves the images within `pixels`, as a copy of each split would need the memory twice: to be called once.
        """
        order = np.concatenate([self.rows[chosen] for chosen in index.values()])
        rest = np.setdiff1d(np.arange(len(self.pixels)), order)
        _permute(self.pixels, np.concatenate([order, rest]))
        ends = np.cumsum([len(chosen) for chosen in index.values()])
        return {
            split: self.pixels[end - len(chosen) : end]
            for (split, chosen), end in zip(index.items(), ends, strict=True)
            if len(chosen)
        }


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


def decode(files: Sequence[File], options: ImageOptions, progress: Progress | None) -> Decoded:
    """All of `files`, as RGB where one has colors."""
    looks = look_at_all(files, max(64, conversion.SAMPLE // max(1, len(files))), options.opening, progress)
    reasons = {i: look for i, look in enumerate(looks) if isinstance(look, str)}
    seen = [i for i, look in enumerate(looks) if isinstance(look, Look)]
    usable_looks = [look for look in looks if isinstance(look, Look)]
    how = conversion.convert(usable_looks, options.pixels, options.fit)
    channels = 3 if any(look.color for look in usable_looks) else 1
    pixels = np.empty((len(seen), options.size, options.size, channels), dtype=np.uint8)
    damaged = decode_all([files[i] for i in seen], pixels, how, options.opening, progress)
    reasons |= {seen[i]: why for i, why in damaged.items()}
    good = [i for i in range(len(seen)) if i not in damaged]
    return Decoded(
        pixels=pixels,
        rows=np.array(good, dtype=np.intp),
        files=[seen[i] for i in good],
        problems=[(i, reasons[i]) for i in sorted(reasons)],
        facts=conversion.facts(usable_looks, how, options.pixels) if usable_looks else None,
        doubts=tuple(conversion.doubts(usable_looks, how)),
    )
