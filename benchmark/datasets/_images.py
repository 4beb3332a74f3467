"""Decodes image files to square uint8 arrays, in parallel. A file that cannot be decoded gives a reason instead."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngImageFile

from benchmark.datasets import _dicom
from benchmark.datasets._files import File, UnusableError
from benchmark.datasets.base import DataError, Progress
from benchmark.datasets.conversion import Conversion, Look

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"}) | _dicom.SUFFIXES
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP")
READ = "PNG, JPEG, TIFF, BMP, WebP or DICOM"
GRAY = frozenset({"1", "L", "LA", "La", "I", "F"})
TRANSPARENT = (255, 255, 255, 255)
"""Color behind transparent parts: white, as viewers and documents show it."""
TIFF_SUFFIXES = frozenset({".tif", ".tiff"})
MIN_IS_WHITE, REDUCED, UNSIGNED = 0, 1, 1
SUBFILE, BITS_PER_SAMPLE, PHOTOMETRIC, ORIENTATION, SAMPLE_FORMAT = 254, 258, 262, 274, 339
"""Tags of TIFF and EXIF."""
BATCH = 256
FIRST = 16
"""Size of the first batch, by which most data sets show what they need."""
WORTH_A_THREAD = 0.7e-3
"""Seconds that a file must take: threads that take turns at the interpreter cost small images more than they save."""

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Opening:
    """How files are opened."""

    first_page: bool = False
    """Of a file of several pictures take the first one."""
    windowed: bool = False
    """Show DICOM images through the window that each file stores."""


def look_at_all(
    files: Sequence[File], sample: int, opening: Opening, progress: Progress | None = None
) -> list[Look | str]:
    """Per file what its image is like, or why it cannot be decoded; `sample`: of deep images, values to take each."""
    looks = []
    for look in _in_parallel(lambda file: _guarded(file, lambda: _use(file, opening, _looker(sample))), files):
        looks.append(look)
        if progress:
            progress("look at images", len(looks), len(files))
    return looks


def decode_all(
    files: Sequence[File], out: np.ndarray, how: Conversion, opening: Opening, progress: Progress | None = None
) -> dict[int, str]:
    """Decodes `files` into `out` [n, size, size, 1 or 3] uint8; returns position -> why a file cannot be decoded.

    What lies in `out` for such a file is undefined. Raises DataError where a file cannot be read now.
    """

    def decode(position: int) -> str | None:
        def fill(image: Image.Image) -> None:
            pixels = np.asarray(_squared(_to_uint8(image, how), out.shape[1], how.fit))
            out[position] = pixels if pixels.ndim == 3 else pixels[..., None]

        return _guarded(files[position], lambda: _use(files[position], opening, fill))

    reasons = {}
    for position, reason in enumerate(_in_parallel(decode, range(len(files)))):
        if reason is not None:
            reasons[position] = reason
        if progress:
            progress("decode images", position + 1, len(files))
    return reasons


def pages_of_all(files: Sequence[File]) -> list[list[int]]:
    """Per file the numbers of its pictures; a single one of what is no TIFF file, or cannot be read."""

    def pages(file: File) -> list[int]:
        if file.suffix not in TIFF_SUFFIXES:
            return [0]
        with Image.open(file.content(), formats=FORMATS) as image:
            return _pages(image)

    found = _in_parallel(lambda file: _guarded(file, lambda: pages(file)), files)
    return [[0] if isinstance(numbers, str) else numbers for numbers in found]


def _in_parallel(function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
    """`function` of all items in their order: one after another, until most of a batch are worth a thread each."""
    done = 0
    while done < len(items):
        batch = items[done : done + (BATCH if done else FIRST)]
        seconds = []
        for item in batch:
            start = time.perf_counter()
            result = function(item)
            seconds.append(time.perf_counter() - start)
            yield result
        done += len(batch)
        if median(seconds) >= WORTH_A_THREAD:
            break
    # Threads suffice: Pillow releases the interpreter while it decodes and resizes. Batches, as a pool keeps what
    # it was given and what came of it.
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for begin in range(done, len(items), BATCH):
            yield from pool.map(function, items[begin : begin + BATCH])


def _guarded(file: File, use: Callable[[], T]) -> T | str:
    """What `use` makes of a file; or why its image cannot be decoded, the kind of fault first."""
    try:
        return use()
    except UnusableError as error:
        return str(error)
    except UnidentifiedImageError:
        if file.suffix in TIFF_SUFFIXES and file.head(2) in (b"II", b"MM"):
            return "a TIFF of a kind that is not read: save gray values as integers or 32-bit floats, colors as 8 bits"
        return f"not a {READ} image"
    except DataError:
        raise
    except Exception as error:  # a damaged file makes Pillow raise nearly anything
        if isinstance(error, OSError) and error.errno is not None:
            # Not damage: the file may be readable tomorrow, or for somebody else.
            path = file.place.root / file.name
            raise DataError(f"cannot read {path} ({error.strerror}): make it readable") from error
        return f"damaged: {(str(error).splitlines() or [type(error).__name__])[0]}"


def _use(file: File, opening: Opening, use: Callable[[Image.Image], T]) -> T:
    """What `use` makes of the opened image in a file. Raises UnusableError, and nearly anything where it is damaged."""
    known = file.suffix in SUFFIXES
    if file.size() == 0 and known:
        raise UnusableError("the file is empty")
    if (not known or file.suffix in _dicom.SUFFIXES) and _dicom.is_dicom(file):
        return use(_dicom.open_dicom(file, windowed=opening.windowed))
    if not known:
        raise UnusableError(f"not a {READ} file")
    with Image.open(file.content(), formats=FORMATS) as image:
        _go_to_page(image, file.page, opening.first_page)
        if opening.windowed and _is_deep(image):
            raise UnusableError("stores no window, which pixels=window needs; expected DICOM files: set pixels=auto")
        return use(image)


def _go_to_page(image: Image.Image, page: int | None, first: bool) -> None:
    """Goes to the picture `page`, or else to the one picture of a file. Raises UnusableError where there are more."""
    if page is None:
        pages = _pages(image)
        if len(pages) != 1 and not first:
            frames = getattr(image, "n_frames", 1)
            raise UnusableError(
                f"holds {frames} images, expected one: save each as a file of its own, or set pages=first or pages=all"
            )
        page = pages[0] if pages else 0
    if page or getattr(image, "n_frames", 1) > 1:
        image.seek(page)


def _pages(image: Image.Image) -> list[int]:
    """Numbers of the pictures of a file. Smaller copies of them do not count."""
    frames = getattr(image, "n_frames", 1)
    if frames == 1 or image.format == "MPO":  # a camera's JPEG with a preview behind the picture
        return [0]
    return [number for number in range(frames) if not _is_reduced(image, number)]


def _is_reduced(image: Image.Image, number: int) -> bool:
    image.seek(number)
    return bool(_tag(image, SUBFILE, 0) & REDUCED)


def _tag(image: Image.Image, tag: int, default: int) -> int:
    """A numeric tag of a TIFF file; `default` in other formats and where it is absent."""
    value = image.tag_v2.get(tag, default) if image.format == "TIFF" else default  # type: ignore[attr-defined]
    return int(value[0] if isinstance(value, tuple) else value)


def _looker(sample: int) -> Callable[[Image.Image], Look]:
    return lambda image: _look(image, sample)


def _look(image: Image.Image, sample: int) -> Look:
    width, height = image.size
    # Pillow decodes a whole PNG to look for an orientation, which hardly any has.
    if image.format != "PNG" and image.getexif().get(ORIENTATION, 1) >= 5:  # lies on its side
        width, height = height, width
    deep = _is_deep(image)
    bits = _bits(image)
    color = not deep and image.mode not in GRAY
    look = Look(width, height, bits, color, image.has_transparency_data, window=bool(_dicom_fact(image, "window")))
    if deep:
        return look.with_values(_gray_values(image), sample)
    # Pillow keeps the upper 8 bits of colors and of gray with transparency.
    return look.with_upper_bits(np.asarray(image)) if bits > 8 and len(image.getbands()) > 1 else look


def _dicom_fact(image: Image.Image, name: str) -> int:
    """What `open_dicom` says of an image; 0 of what is no DICOM, whose `info` is anybody's text."""
    return image.info[name] if image.format == _dicom.FORMAT else 0


def _is_deep(image: Image.Image) -> bool:
    """Whether it holds gray values of more than 8 bits, or floats."""
    return image.mode in ("I", "F") or image.mode.startswith("I;16")


def _gray_values(image: Image.Image) -> np.ndarray:
    """[H, W] the values of a deep image."""
    values = np.asarray(image)
    # Pillow takes all integers of 32 bits in TIFF files for signed ones.
    unsigned = (
        image.format == "TIFF"
        and image.mode == "I"
        and _bits(image) == 32
        and _tag(image, SAMPLE_FORMAT, UNSIGNED) == UNSIGNED
    )
    return values.view(np.uint32) if unsigned else values


def _bits(image: Image.Image) -> int:
    """Bits per channel, as stored."""
    if image.format == _dicom.FORMAT:
        return int(_dicom_fact(image, "bits"))
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
    # Every step that would only copy is left out: small images cost more in copies than in decoding.
    ImageOps.exif_transpose(image, in_place=True)
    if _is_deep(image):
        # Pillow inverts 8 bits only.
        inverted = bool(_dicom_fact(image, "inverted")) or _tag(image, PHOTOMETRIC, 1) == MIN_IS_WHITE
        return Image.fromarray(how.to_uint8(_gray_values(image), inverted=inverted))
    gray, upright = image.mode in GRAY, image
    if upright.has_transparency_data:
        visible = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", visible.size, TRANSPARENT), visible)
    mode = "L" if gray else "RGB"
    return upright if upright.mode == mode else upright.convert(mode)


def _squared(image: Image.Image, size: int, fit: str) -> Image.Image:
    """The image with sides of `size` px (bicubic): its center, the whole on black, or the whole distorted."""
    if image.size == (size, size):
        return image
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
