"""Decodes the image files of a data set by one rule; the options that say which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import Field, field_validator

from benchmark.datasets import conversion
from benchmark.datasets._images import decode_all, look_at_all
from benchmark.datasets.base import DataError, Progress, Settings
from benchmark.datasets.conversion import Fit, Look, Pixels
from benchmark.store.schema import Images

LISTED = 50
"""Unusable files that a message lists."""


class ImageOptions(Settings):
    """How image files become arrays."""

    size: int = Field(64, ge=8, le=1024)
    """Side in px to which every image is resized, once."""
    fit: Fit = "auto"
    """How images become squares: `crop` takes the centered square, `pad` adds black, `stretch` distorts. `auto`
    crops where no image loses more than a tenth of its pixels, and pads otherwise."""
    pixels: Pixels = "auto"
    """How gray values of more than 8 bits become 8, one rule for all images: `auto` uses the bits that occur
    (0 to 4095 for 12-bit data; for floats and negative values the range that occurs), `full` 0 to 65535,
    `percentile` the 1st to the 99th percentile; or a range of your own, [0,4095]."""
    skip_corrupt: bool = False
    """Leave out and count images that cannot be decoded, instead of raising an error."""

    @field_validator("pixels", mode="before")
    @classmethod
    def _is_a_rule_or_a_range(cls, value: object) -> object:
        if isinstance(value, list | tuple) and len(value) == 2 and all(type(v) in (int, float) for v in value):
            if value[0] < value[1]:
                return tuple(map(float, value))
        elif value in ("auto", "full", "percentile"):
            return value
        raise ValueError("expected auto, full, percentile, or the values that become black and white: [0,4095]")


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


def decode(paths: Sequence[Path], options: ImageOptions, progress: Progress | None) -> Decoded:
    """All of `paths`, as RGB where one has colors."""
    looks = look_at_all(paths, max(64, conversion.SAMPLE // max(1, len(paths))), progress)
    reasons = {i: look for i, look in enumerate(looks) if isinstance(look, str)}
    seen = [i for i, look in enumerate(looks) if isinstance(look, Look)]
    usable_looks = [look for look in looks if isinstance(look, Look)]
    how = conversion.convert(usable_looks, options.pixels, options.fit)
    channels = 3 if any(look.color for look in usable_looks) else 1
    pixels = np.empty((len(seen), options.size, options.size, channels), dtype=np.uint8)
    damaged = decode_all([paths[i] for i in seen], pixels, how, progress)
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


def refuse_problems(root: Path, problems: Sequence[tuple[str, str]], total: int, options: ImageOptions) -> None:
    """Raises DataError with all files that cannot be used, unless those are to be left out."""
    if not problems or options.skip_corrupt:
        return
    lines = "".join(f"\n  {name}: {why}" for name, why in problems[:LISTED])
    lines += f"\n  and {len(problems) - LISTED} more" if len(problems) > LISTED else ""
    raise DataError(
        f"{len(problems)} of {total} files in {root} cannot be used: mend or remove them, or set "
        f"skip_corrupt=true{lines}"
    )
