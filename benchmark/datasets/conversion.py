"""How the gray values and shapes of a data set's image files become squares of 8 bits: one rule for all its images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from benchmark.datasets.base import DataError
from benchmark.store.schema import Images

Pixels: TypeAlias = Literal["auto", "full", "percentile", "window"] | tuple[float, float]
Fit: TypeAlias = Literal["auto", "crop", "pad", "stretch"]

SMALL_LOSS = 0.1
"""`auto` crops to the centered square where no image loses more than this share of its pixels."""
TAILS = (1, 99)
"""Percentiles that `percentile` makes 0 and 255. Letters on a radiograph cover less."""
SAMPLE = 4_000_000
"""Values looked at in all images together, for percentiles."""
TOO_DARK = 32
"""Colors of 16 bits whose largest upper 8 bits are below this would be nearly black."""
FAR = 4
"""How many times as large as the usual image one must be to be told, or as small."""


@dataclass(frozen=True)
class Look:
    """What one image file is like."""

    width: int
    """Of the upright image, in px."""
    height: int
    bits: int
    """Per channel, as stored."""
    color: bool
    transparent: bool = False
    """Whether it has transparent parts, or could have."""
    sample: np.ndarray | None = None
    """Evenly spaced gray values of a deep image: one of more than 8 bits, or of floats."""
    lowest: float = 0.0
    """Of all its gray values."""
    highest: float = 0.0
    upper: int | None = None
    """The largest upper 8 bits of a color image of 16 bits."""
    window: bool = False
    """Whether its file says which gray values a viewer shows."""

    def with_values(self, values: np.ndarray, count: int) -> Look:
        """With what the gray `values` [H, W] are. Raises ValueError where they are not finite."""
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ValueError("holds NaN or infinite values")
        flat = values.ravel()
        sample = flat[:: max(1, len(flat) // count)].copy()
        return replace(self, sample=sample, lowest=float(values.min()), highest=float(values.max()))

    def with_upper_bits(self, values: np.ndarray) -> Look:
        """With the largest of `values` [H, W, C] (colors, or gray and alpha), alpha left out."""
        colors = values[..., : 3 if values.shape[2] > 2 else 1]
        return replace(self, upper=int(colors.max()))

    @property
    def lost_by_crop(self) -> float:
        """Share of the pixels outside of the centered square."""
        return 1 - min(self.width, self.height) / max(self.width, self.height)


@dataclass(frozen=True)
class Conversion:
    """The rule for all images of a data set."""

    fit: Literal["crop", "pad", "stretch"]
    values: tuple[float, float] | None
    """Gray values that become 0 and 255 in deep images; None where there is none."""

    def to_uint8(self, gray: np.ndarray, *, inverted: bool) -> np.ndarray:
        """`gray` [H, W] as uint8; `inverted`: its smallest value means white."""
        assert self.values is not None
        low, high = self.values
        scaled = gray.astype(np.float32)
        scaled -= low
        scaled *= 255 / (high - low)
        eight_bits = np.rint(scaled.clip(0, 255, out=scaled), out=scaled).astype(np.uint8)
        return 255 - eight_bits if inverted else eight_bits


def convert(looks: Sequence[Look], pixels: Pixels, fit: Fit) -> Conversion:
    """The rule for images that look like `looks`. Raises DataError where none would keep what they show."""
    upper = [look.upper for look in looks if look.upper is not None]
    if pixels == "auto" and upper and max(upper) < TOO_DARK:
        raise DataError(
            f"{len(upper)} color image(s) of 16 bits use only values below {(max(upper) + 1) << 8:,} of 65,536 and "
            "would be nearly black: save them with 8 bits per channel, or set pixels=full to read them as they are"
        )
    return Conversion(fit=_fit(looks, fit), values=_values([k for k in looks if k.sample is not None], pixels))


def facts(looks: Sequence[Look], how: Conversion, pixels: Pixels) -> Images:
    """What was done to images that look like `looks`."""
    widths, heights = [look.width for look in looks], [look.height for look in looks]
    areas = np.array(widths, dtype=np.float64) * heights
    lost = float((areas * [look.lost_by_crop for look in looks]).sum() / areas.sum())
    return {
        "pixels": pixels if isinstance(pixels, str) else "given",
        "values": None if how.values is None else list(how.values),
        "fit": how.fit,
        "bit_depths": sorted({look.bits for look in looks}),
        "smallest": [min(widths), min(heights)],
        "largest": [max(widths), max(heights)],
        "share_cropped": lost if how.fit == "crop" else 0.0,
    }


def doubts(looks: Sequence[Look], how: Conversion) -> Iterable[str]:
    """What else was done, and what may be wrong with the rule; a sentence each."""
    if transparent := sum(look.transparent for look in looks):
        yield f"{transparent} image(s) have an alpha channel: their transparent parts are white"
    yield from _far_from_usual(looks)
    deep = [look for look in looks if look.sample is not None]
    if how.values is None or not deep:
        return
    if windows := sum(look.window for look in deep):
        yield f"{windows} image(s) store a window of their own, which is not used: pixels=window shows them through it"
    shallow = len(looks) - len(deep)
    if shallow:
        yield f"{len(deep)} image(s) of more than 8 bits were scaled, {shallow} image(s) of 8 bits were not"
    low, high = how.values
    seen = np.percentile(_samples(deep), TAILS)
    if seen[1] - seen[0] < (high - low) / 8:
        yield (
            f"nearly all gray values lie between {seen[0]:g} and {seen[1]:g} of {low:g} to {high:g}, so that images "
            "have little contrast: pixels=percentile uses the whole range"
        )


def _far_from_usual(looks: Sequence[Look]) -> Iterable[str]:
    """Images of other sizes than the rest: icons, overviews of a slide, cuts that failed."""
    usual = float(np.median([max(look.width, look.height) for look in looks])) if looks else 0.0
    small = [look for look in looks if FAR * max(look.width, look.height) < usual]
    large = [look for look in looks if max(look.width, look.height) > FAR * usual]
    for few, what, end in ((small, "less than a quarter of", min), (large, f"more than {FAR} times", max)):
        if few:
            one = end(few, key=lambda look: look.width * look.height)
            yield (
                f"{len(few)} image(s) have {what} the usual {usual:g} px a side, such as {one.width}x{one.height} px: "
                "look whether they show the same as the others"
            )


def describe(images: Images) -> str:
    """One line for people."""
    smallest, largest = ("x".join(map(str, images[key])) for key in ("smallest", "largest"))
    sizes = smallest if smallest == largest else f"{smallest} to {largest}"
    depths = " and ".join(map(str, images["bit_depths"]))
    done = {
        "crop": f"cropped to the centered square ({images['share_cropped']:.1%} of the pixels cut away)",
        "pad": "padded with black to squares",
        "stretch": "stretched to squares",
    }[images["fit"]]
    if images["fit"] == "crop" and not images["share_cropped"]:
        done = "square already"
    line = f"{sizes} px, {depths} bit(s) per channel; {done}"
    if images["values"] is not None:
        low, high = images["values"]
        line += f"; gray values {low:g} to {high:g} became 0 to 255 in all images (pixels={images['pixels']})"
    return line


def _fit(looks: Sequence[Look], fit: Fit) -> Literal["crop", "pad", "stretch"]:
    if fit != "auto":
        return fit
    return "crop" if all(look.lost_by_crop <= SMALL_LOSS for look in looks) else "pad"


def _values(deep: Sequence[Look], pixels: Pixels) -> tuple[float, float] | None:
    if not deep:
        return None
    if isinstance(pixels, tuple):
        return pixels
    floats = [look for look in deep if look.sample is not None and look.sample.dtype.kind == "f"]
    if 0 < len(floats) < len(deep):
        raise DataError(
            f"{len(floats)} of {len(deep)} deep images hold floats, the others integers: convert them all alike"
        )
    lowest, highest = min(look.lowest for look in deep), max(look.highest for look in deep)
    if pixels == "percentile":
        low, high = np.percentile(_samples(deep), TAILS)
        lowest, highest = (float(low), float(high)) if low < high else (lowest, highest)
    elif floats or lowest < 0 or highest > 65_535:
        if pixels == "full":
            raise DataError(
                f"gray values from {lowest:g} to {highest:g} have no full range, expected 16-bit integers: "
                "set pixels=auto, pixels=percentile or a range such as pixels=[0,4095]"
            )
    else:
        bits = 16 if pixels == "full" else max(8, int(highest).bit_length())
        lowest, highest = 0.0, float(2**bits - 1)
    return (lowest, highest) if lowest < highest else (lowest, lowest + 1)


def _samples(deep: Sequence[Look]) -> np.ndarray:
    return np.concatenate([look.sample for look in deep if look.sample is not None])
