"""Decodes image files to square uint8 arrays, in parallel. A file that cannot be decoded gives a reason instead."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from benchmark.datasets.base import Progress

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff"})
FORMATS = ("PNG", "JPEG", "TIFF")


def decode_all(paths: Sequence[Path], size: int, progress: Progress | None = None) -> list[np.ndarray | str]:
    """Per path the pixels, [size, size] (gray) or [size, size, 3] uint8, or why the file cannot be decoded."""
    decoded: list[np.ndarray | str] = []
    # Threads suffice: Pillow releases the interpreter while it decodes and resizes.
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for result in pool.map(lambda path: decode(path, size), paths):
            decoded.append(result)
            if progress:
                progress("decode images", len(decoded), len(paths))
    return decoded


def decode(path: Path, size: int) -> np.ndarray | str:
    """The largest centered square of an image, resized to `size` px (bicubic); or why that fails."""
    try:
        if path.stat().st_size == 0:
            return "the file is empty"
        if path.suffix.lower() not in SUFFIXES:
            return "not a PNG, JPEG or TIFF file"
        with Image.open(path, formats=FORMATS) as image:
            frames = getattr(image, "n_frames", 1)
            if frames > 1:
                return f"holds {frames} images, expected one"
            image.load()
            upright = ImageOps.exif_transpose(image)
        plain = _to_uint8(upright)
        if plain is None:
            return f"has pixels of mode {upright.mode}, expected 8 or 16 bits per channel"
        side = min(plain.size)
        left, top = (plain.width - side) // 2, (plain.height - side) // 2
        square = plain.crop((left, top, left + side, top + side))
        return np.asarray(square.resize((size, size), Image.Resampling.BICUBIC))
    except UnidentifiedImageError:
        return "not a PNG, JPEG or TIFF image"
    except Exception as error:  # a damaged file makes Pillow raise nearly anything
        return f"damaged: {(str(error).splitlines() or [type(error).__name__])[0]}"


def _to_uint8(image: Image.Image) -> Image.Image | None:
    """The image in mode L or RGB; 16-bit gray keeps its upper 8 bits. None for pixels of any other range."""
    if image.mode in ("L", "LA", "1"):
        return image.convert("L")
    if image.mode == "I" or image.mode.startswith("I;16"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65_535:
            return None
        return Image.fromarray((values >> 8).astype(np.uint8))
    return None if image.mode == "F" else image.convert("RGB")
