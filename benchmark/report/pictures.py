"""Pictures of noisy labels: matrices, rates, and images with captions. Arrays in, Pillow images out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from benchmark.report.lettering import SIZE, widest, write

MARGIN = 10
GAP = 4
INK = (8, 48, 107)
"""Color of 1 in a heat map; 0 is white."""
WRONG, RIGHT, UNKNOWN = (200, 40, 40), (40, 140, 60), (120, 120, 120)
HEAT = ((60, 0, 110), (190, 40, 90), (245, 130, 30), (250, 240, 120))
"""Colors of a map over an image, from low to high; they differ in lightness too."""
STOPS = np.linspace(0, 1, len(HEAT))


@dataclass(frozen=True)
class Captioned:
    """One image [H, W, C] uint8 of a sheet, the lines beneath it, and the color of its frame."""

    image: np.ndarray
    lines: Sequence[str]
    frame: tuple[int, int, int] = UNKNOWN


def heat_map(matrix: np.ndarray, names: Sequence[str], title: str) -> Image.Image:
    """`matrix` [K, K] of shares in [0, 1], rows named; cells hold their number where there is room."""
    classes = len(matrix)
    cell = int(np.clip(900 // classes, 6, 38))
    labelled = cell >= SIZE
    left = MARGIN + (widest(names) + 6 if labelled else 0)
    top = MARGIN + 3 * SIZE
    width = max(left + classes * cell + MARGIN, MARGIN * 2 + widest([title]))
    picture = Image.new("RGB", (width, top + classes * cell + MARGIN), "white")
    draw = ImageDraw.Draw(picture)
    write(draw, (MARGIN, MARGIN), title)
    for i in range(classes):
        if labelled:
            write(draw, (left - 6, top + i * cell + cell // 2), names[i], "rm")
            write(draw, (left + i * cell + cell // 2, top - 2), str(i), "mb")
        for j in range(classes):
            value = float(np.clip(matrix[i, j], 0, 1))
            x, y = left + j * cell, top + i * cell
            draw.rectangle((x, y, x + cell - 1, y + cell - 1), fill=_shade(value))
            if cell >= 28 and value > 0:
                text = f"{value:.2f}".lstrip("0")
                write(draw, (x + cell // 2, y + cell // 2), text, "mm", "white" if value > 0.3 else "black")
    draw.rectangle((left - 1, top - 1, left + classes * cell, top + classes * cell), outline=UNKNOWN)
    return picture


def bars(values: Sequence[float | None], names: Sequence[str], title: str, overall: float | None = None) -> Image.Image:
    """A bar for each of `values` in [0, 1] (None: no samples); a line marks the `overall` value."""
    left, length, step = MARGIN + widest(names) + 6, 400, SIZE + 6
    picture = Image.new("RGB", (left + length + 60, 3 * SIZE + MARGIN + len(values) * step), "white")
    draw = ImageDraw.Draw(picture)
    write(draw, (MARGIN, MARGIN), title)
    for i, value in enumerate(values):
        y = 3 * SIZE + i * step
        write(draw, (left - 6, y + SIZE // 2), names[i], "rm")
        draw.rectangle((left, y, left + length, y + SIZE), fill=(235, 235, 235))
        if value is not None:
            draw.rectangle((left, y, left + round(length * value), y + SIZE), fill=INK)
        write(draw, (left + length + 6, y + SIZE // 2), "-" if value is None else f"{value:.3f}", "lm")
    if overall is not None:
        x = left + round(length * overall)
        draw.line((x, 3 * SIZE - 3, x, 3 * SIZE + len(values) * step - 3), fill=WRONG, width=2)
    return picture


def sheet(items: Sequence[Captioned], title: str, columns: int = 8, cell: int = 84) -> Image.Image:
    """Images in rows of `columns`, each `cell` px wide in a colored frame with its lines beneath."""
    lines = max((len(item.lines) for item in items), default=0)
    text = [line for item in items for line in item.lines]
    wide, high = max(cell + 6, widest(text)) + MARGIN, cell + 6 + lines * (SIZE + 2) + MARGIN
    rows = -(-len(items) // columns)
    width = max(2 * MARGIN + min(columns, max(1, len(items))) * wide, 2 * MARGIN + widest([title]))
    picture = Image.new("RGB", (width, 3 * SIZE + rows * high), "white")
    draw = ImageDraw.Draw(picture)
    write(draw, (MARGIN, MARGIN), title)
    for place, item in enumerate(items):
        x, y = MARGIN + place % columns * wide, 3 * SIZE + place // columns * high
        draw.rectangle((x, y, x + cell + 5, y + cell + 5), fill=item.frame)
        picture.paste(thumbnail(item.image, cell), (x + 3, y + 3))
        for row, line in enumerate(item.lines):
            write(draw, (x, y + cell + 8 + row * (SIZE + 2)), line)
    return picture


def overlaid(image: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """`image` [H, W, C] uint8 in gray, [H, W, 3] uint8, colored where `heat` [H, W] in [0, 1] is high."""
    gray = image.astype(np.float64).mean(axis=2, keepdims=True)
    color = np.stack([np.interp(heat, STOPS, channel) for channel in zip(*HEAT, strict=True)], axis=-1)
    share = 0.75 * np.sqrt(heat)[..., None]
    return np.rint((1 - share) * gray + share * color).astype(np.uint8)


def contact_sheet(
    images: np.ndarray,
    labels: np.ndarray,
    classes: Sequence[str],
    per_class: int = 12,
    seed: int = 0,
    cell: int = 56,
) -> Image.Image:
    """An RGB picture with a row per class: its name and up to `per_class` images drawn at random.

    `images` [n, H, W, C] uint8; `labels` [n], or [n, K] of zeros and ones in a multi-label set; `cell` is the
    side of each image in px; enlarged pixels stay visible as squares. Save it as PNG.
    """
    rng = np.random.default_rng(seed)
    gutter = 2 * GAP + widest(classes)
    step = cell + GAP
    sheet = Image.new("RGB", (gutter + per_class * step, GAP + len(classes) * step), "white")
    draw = ImageDraw.Draw(sheet)
    for k, name in enumerate(classes):
        top = GAP + k * step
        write(draw, (GAP, top + cell // 2), name, "lm")
        has = labels[:, k] == 1 if labels.ndim == 2 else labels == k
        members = np.flatnonzero(has)
        chosen = np.sort(rng.permutation(members)[:per_class])
        for column, i in enumerate(chosen):
            sheet.paste(thumbnail(images[i], cell), (gutter + column * step, top))
    return sheet


def thumbnail(image: np.ndarray, cell: int) -> Image.Image:
    """[H, W, C] uint8 as an RGB picture of `cell` x `cell` px."""
    picture = Image.fromarray(np.ascontiguousarray(image[..., 0] if image.shape[2] == 1 else image))
    enlarging = image.shape[0] <= cell
    method = Image.Resampling.NEAREST if enlarging else Image.Resampling.LANCZOS
    return picture.convert("RGB").resize((cell, cell), method)


def _shade(value: float) -> tuple[int, int, int]:
    # The square root makes small values, which most of a noise matrix are, easier to tell apart.
    depth = value**0.5
    red, green, blue = (round(255 + (ink - 255) * depth) for ink in INK)
    return red, green, blue
