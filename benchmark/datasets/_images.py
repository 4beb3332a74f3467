"""Decodes image files to square uint8 arrays, in parallel. A file that cannot be decoded gives a reason instead."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngImageFile

from benchmark.datasets.base import DataError, Progress
from benchmark.datasets.conversion import Conversion, Look

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff"})
FORMATS = ("PNG", "JPEG", "TIFF")
GRAY = frozenset({"1", "L", "LA", "La", "I", "F"})
TRANSPARENT = (255, 255, 255, 255)
"""Color behind transparent parts: white, as viewers and documents show it."""
MIN_IS_WHITE, REDUCED, UNSIGNED = 0, 1, 1
SUBFILE, BITS_PER_SAMPLE, PHOTOMETRIC, ORIENTATION, SAMPLE_FORMAT = 254, 258, 262, 274, 339
"""Tags of TIFF and EXIF."""
BATCH = 256

T = TypeVar("T")
R = TypeVar("R")


def look_at_all(paths: Sequence[Path], sample: int, progress: Progress | None = None) -> list[Look | str]:
    """Per path what its image is like, or why it cannot be decoded; `sample`: of deep images, values to take each."""
    looks = []
    for look in _in_parallel(lambda path: _guarded(path, lambda image: _look(image, sample)), paths):
        looks.append(look)
        if progress:
            progress("look at images", len(looks), len(paths))
    return looks


def decode_all(
    paths: Sequence[Path], out: np.ndarray, how: Conversion, progress: Progress | None = None
) -> dict[int, str]:
    """Decodes `paths` into `out` [n, size, size, 1 or 3] uint8; returns position -> why a file cannot be decoded.

    What lies in `out` for such a file is undefined. Raises DataError where a file cannot be read now.
    """

    def decode(position: int) -> str | None:
        def fill(image: Image.Image) -> None:
            pixels = np.asarray(_squared(_to_uint8(image, how), out.shape[1], how.fit))
            out[position] = pixels if pixels.ndim == 3 else pixels[..., None]

        return _guarded(paths[position], fill)

    reasons = {}
    for position, reason in enumerate(_in_parallel(decode, range(len(paths)))):
        if reason is not None:
            reasons[position] = reason
        if progress:
            progress("decode images", position + 1, len(paths))
    return reasons


def _in_parallel(function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
    # Threads suffice: Pillow releases the interpreter while it decodes and resizes. Batches, as a pool keeps what
    # it was given and what came of it.
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(items), BATCH):
            yield from pool.map(function, items[start : start + BATCH])


def _guarded(path: Path, use: Callable[[Image.Image], T]) -> T | str:
    """What `use` makes of the image in a file; or why it cannot be decoded."""
    try:
        if path.suffix.lower() not in SUFFIXES:
            return "not a PNG, JPEG or TIFF file"
        if path.stat().st_size == 0:
            return "the file is empty"
        with Image.open(path, formats=FORMATS) as image:
            reason = _choose_page(image)
            return reason or use(image)
    except UnidentifiedImageError:
        if path.suffix.lower() in (".tif", ".tiff") and path.read_bytes()[:2] in (b"II", b"MM"):
            return "a TIFF of a kind that is not read: save gray values as integers or 32-bit floats, colors as 8 bits"
        return "not a PNG, JPEG or TIFF image"
    except DataError:
        raise
    except Exception as error:  # a damaged file makes Pillow raise nearly anything
        if isinstance(error, OSError) and error.errno is not None:
            # Not damage: the file may be readable tomorrow, or for somebody else.
            raise DataError(f"cannot read {path} ({error.strerror}): make it readable") from error
        return f"damaged: {(str(error).splitlines() or [type(error).__name__])[0]}"


def _choose_page(image: Image.Image) -> str | None:
    """Goes to the one picture of a file; or says how many there are. Smaller copies of it do not count."""
    frames = getattr(image, "n_frames", 1)
    if frames == 1 or image.format == "MPO":  # a camera's JPEG with a preview behind the picture
        return None
    pages = [number for number in range(frames) if not _is_reduced(image, number)]
    if len(pages) != 1:
        return f"holds {frames} images, expected one: save each as a file of its own"
    image.seek(pages[0])
    return None


def _is_reduced(image: Image.Image, number: int) -> bool:
    image.seek(number)
    return bool(_tag(image, SUBFILE, 0) & REDUCED)


def _tag(image: Image.Image, tag: int, default: int) -> int:
    """A numeric tag of a TIFF file; `default` in other formats and where it is absent."""
    value = image.tag_v2.get(tag, default) if image.format == "TIFF" else default  # type: ignore[attr-defined]
    return int(value[0] if isinstance(value, tuple) else value)


def _look(image: Image.Image, sample: int) -> Look:
    width, height = image.size
    # Pillow decodes a whole PNG to look for an orientation, which hardly any has.
    if image.format != "PNG" and image.getexif().get(ORIENTATION, 1) >= 5:  # lies on its side
        width, height = height, width
    deep = _is_deep(image)
    bits = _bits(image)
    look = Look(width, height, bits, not deep and image.mode not in GRAY, image.has_transparency_data)
    if deep:
        return look.with_values(_gray_values(image, image), sample)
    # Pillow keeps the upper 8 bits of colors and of gray with transparency.
    return look.with_upper_bits(np.asarray(image)) if bits > 8 and len(image.getbands()) > 1 else look


def _is_deep(image: Image.Image) -> bool:
    """Whether it holds gray values of more than 8 bits, or floats."""
    return image.mode in ("I", "F") or image.mode.startswith("I;16")


def _gray_values(upright: Image.Image, image: Image.Image) -> np.ndarray:
    """[H, W] the values of the deep image `upright`; `image`: as it was opened, with its tags."""
    values = np.asarray(upright)
    # Pillow takes all integers of 32 bits for signed ones.
    unsigned = image.mode == "I" and _bits(image) == 32 and _tag(image, SAMPLE_FORMAT, UNSIGNED) == UNSIGNED
    return values.view(np.uint32) if unsigned else values


def _bits(image: Image.Image) -> int:
    """Bits per channel, as stored."""
    if image.mode == "1":
        return 1
    if image.format == "TIFF":
        return _tag(image, BITS_PER_SAMPLE, 8)
    if isinstance(image, PngImageFile) and image.fp is not None:
        position = image.fp.tell()
        image.fp.seek(24)  # in the first chunk, whose layout is fixed
        (bits,) = image.fp.read(1)
        image.fp.seek(position)
        return int(bits)
    return 8


def _to_uint8(image: Image.Image, how: Conversion) -> Image.Image:
    """The upright image in mode L or RGB."""
    upright = ImageOps.exif_transpose(image)
    if _is_deep(image):
        # Pillow inverts 8 bits only.
        inverted = _tag(image, PHOTOMETRIC, 1) == MIN_IS_WHITE
        return Image.fromarray(how.to_uint8(_gray_values(upright, image), inverted=inverted))
    gray = upright.mode in GRAY
    if upright.has_transparency_data:
        visible = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", visible.size, TRANSPARENT), visible)
    return upright.convert("L" if gray else "RGB")


def _squared(image: Image.Image, size: int, fit: str) -> Image.Image:
    """The image with sides of `size` px (bicubic): its center, the whole on black, or the whole distorted."""
    if fit == "crop":
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    elif fit == "pad":
        scale = size / max(image.size)
        inner = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        canvas = Image.new(image.mode, (size, size))
        canvas.paste(image.resize(inner, Image.Resampling.BICUBIC), ((size - inner[0]) // 2, (size - inner[1]) // 2))
        return canvas
    return image.resize((size, size), Image.Resampling.BICUBIC)
