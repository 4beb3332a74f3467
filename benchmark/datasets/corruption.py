"""Corruptions of images, as MedMNIST-C defines them (Di Salvo et al., arXiv 2406.17536, 2024), and of H&E stains.

Every corruption takes images [n, H, W, 3] in [0, 1], the figures of its severity, and a generator, and returns images
of that shape, which may leave [0, 1]. MedMNIST-C is defined at 224 px: lengths are scaled by the side of the image, so
that a corruption covers the same share of it at every size. Our own formulas and drawings, not its code: kernels
of blurs are interpolated, so that they work below one pixel too, and marks are drawn instead of pasted.
"""

from __future__ import annotations

import io
import json
import string
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from benchmark.datasets import stain
from benchmark.seeds import seed_for

Floats: TypeAlias = NDArray[np.floating]
Images: TypeAlias = NDArray[np.uint8]
Figures: TypeAlias = Any
"""A number or a list of numbers: what the docstring of a corruption says."""
Corruption: TypeAlias = Callable[[Floats, Figures, np.random.Generator], Floats]

SIDE = 224
"""Side in px that lengths are given for."""
BLOCK = 64
"""Images that share a generator; part of the definition."""
SEVERITIES = (1, 2, 3, 4, 5)
LUMINANCE = np.array([0.299, 0.587, 0.114])
COLOR_ONLY = ("saturate", "stain_variation")
"""Corruptions that leave gray images as they are."""
COMMON = "common"
"""Severities for any data set: of each corruption those of one data set of MedMNIST-C where it is strong."""


@cache
def severities() -> dict[str, dict[str, list[Figures]]]:
    """Data set of MedMNIST-C, or `COMMON` -> corruption -> the figures of severity 1 to 5."""
    table: dict[str, dict[str, list[Figures]]] = json.loads(
        Path(__file__).with_name("corruption.json").read_text(encoding="utf-8")
    )
    return table


def corrupted(images: Images, kind: str, figures: Figures, seed: int) -> Images:
    """`images` [n, H, W, C] with the corruption `kind`; equal for equal arguments. Gray images are corrupted as RGB
    ones of equal channels, whose luminance is taken, as in MedMNIST-C."""
    made = np.empty_like(images)
    for block, start in enumerate(range(0, len(images), BLOCK)):
        x = images[start : start + BLOCK].astype(np.float32) / 255
        gray = x.shape[3] == 1
        rng = np.random.default_rng(seed_for("corruption", seed, kind, block))
        y = KINDS[kind](np.repeat(x, 3, axis=3) if gray else x, figures, rng)
        y = np.rint(np.clip(y, 0, 1) * 255)
        made[start : start + BLOCK] = np.rint(y @ LUMINANCE)[..., None] if gray else y
    return made


def pixelate(x: Floats, factor: Figures, rng: np.random.Generator) -> Floats:
    """Reduced to `factor` of the side, and enlarged again."""
    small = max(1, int(x.shape[1] * factor)), max(1, int(x.shape[2] * factor))
    return _each(
        x, lambda image: image.resize(small[::-1], Image.Resampling.BOX).resize(image.size, Image.Resampling.BOX)
    )


def jpeg_compression(x: Floats, quality: Figures, rng: np.random.Generator) -> Floats:
    def compressed(image: Image.Image) -> Image.Image:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        return Image.open(file)

    return _each(x, compressed)


def _each(x: Floats, change: Callable[[Image.Image], Image.Image]) -> Floats:
    pixels = np.rint(x * 255).astype(np.uint8)
    return np.stack([np.asarray(change(Image.fromarray(image)), dtype=np.float32) for image in pixels]) / 255


def gaussian_noise(x: Floats, sigma: Figures, rng: np.random.Generator) -> Floats:
    return x + np.float32(sigma) * rng.standard_normal(x.shape, dtype=np.float32)


def speckle_noise(x: Floats, sigma: Figures, rng: np.random.Generator) -> Floats:
    """Gaussian noise in proportion to the value."""
    return x + x * np.float32(sigma) * rng.standard_normal(x.shape, dtype=np.float32)


def impulse_noise(x: Floats, share: Figures, rng: np.random.Generator) -> Floats:
    """A `share` of the values becomes 0 or 1."""
    draw = rng.random(x.shape, dtype=np.float32)
    return np.where(draw < share / 2, 0, np.where(draw >= 1 - share / 2, 1, x))


def shot_noise(x: Floats, photons: Figures, rng: np.random.Generator) -> Floats:
    """Poisson noise of a white pixel of so many `photons`."""
    return rng.poisson(x * photons) / photons


def defocus_blur(x: Floats, radius: Figures, rng: np.random.Generator) -> Floats:
    """Mean over a disk."""
    length = radius * _scale(x)
    return _convolved(x, _kernel(length, lambda row, column: row**2 + column**2 <= length**2))


def gaussian_blur(x: Floats, sigma: Figures, rng: np.random.Generator) -> Floats:
    width = sigma * _scale(x)
    return _convolved(x, _kernel(3 * width, lambda row, column: np.exp(-(row**2 + column**2) / (2 * width**2))))


def motion_blur(x: Floats, figures: Figures, rng: np.random.Generator) -> Floats:
    """Mean along a line to one side, 2 * radius long, in a direction of -45 to 45 degrees, with weights that fall off
    as a Gaussian; `figures`: radius and sigma."""
    length, sigma = 2 * figures[0] * _scale(x), figures[1] * _scale(x)
    along = np.linspace(0, length, max(2, int(8 * length)))
    weight = np.exp(-(along**2) / (2 * sigma**2))
    angle = np.deg2rad(rng.uniform(-45, 45, len(x)))[:, None]
    reach = int(np.ceil(length)) + 1
    kernels = np.zeros((len(x), 2 * reach + 1, 2 * reach + 1))
    which = np.arange(len(x))[:, None]
    row, column = reach + along * np.sin(angle), reach + along * np.cos(angle)
    top, left = np.floor(row).astype(int), np.floor(column).astype(int)
    for down in (0, 1):
        for right in (0, 1):
            part = np.abs(1 - down - (row - top)) * np.abs(1 - right - (column - left)) * weight
            np.add.at(kernels, (which, top + down, left + right), part)
    return _convolved(x, kernels / kernels.sum((1, 2), keepdims=True))


def zoom_blur(x: Floats, figures: Figures, rng: np.random.Generator) -> Floats:
    """Mean of the image and of enlargements of its center, from 1 to below the first of `figures` in steps of the
    second."""
    factors = np.arange(1, *figures).tolist()
    planes = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    total = planes.copy()
    for factor in factors:
        rows, columns = (_enlarging(side, factor) for side in planes.shape[2:])
        total += rows @ planes @ columns.T
    return total.transpose(0, 2, 3, 1) / (len(factors) + 1)


def _enlarging(side: int, factor: float) -> Floats:
    """[side, side] linear interpolation at the places whose distances from the center are divided by `factor`."""
    center = (side - 1) / 2
    place = center + (np.arange(side) - center) / factor
    return np.maximum(0, 1 - np.abs(place[:, None] - np.arange(side))).astype(np.float32)


def brightness(x: Floats, factor: Figures, rng: np.random.Generator) -> Floats:
    return x * np.float32(factor)


def contrast(x: Floats, factor: Figures, rng: np.random.Generator) -> Floats:
    """Distances from the image's mean luminance times `factor`."""
    mean = (x @ LUMINANCE.astype(x.dtype)).mean((1, 2))[:, None, None, None]
    return mean + np.float32(factor) * (x - mean)


def saturate(x: Floats, added: Figures, rng: np.random.Generator) -> Floats:
    """The saturation of HSV plus `added`; hue and value stay. Gray has the hue 0, red."""
    value = x.max(3, keepdims=True)
    distance = value - x
    chroma = distance.max(3, keepdims=True)
    saturation = chroma / np.maximum(value, 1e-9)
    wanted = np.clip(saturation + np.float32(added), 0, 1) * value
    red = np.array([0, 1, 1], dtype=x.dtype)
    return value - wanted * np.where(chroma > 0, distance / np.maximum(chroma, 1e-9), red)


def gamma_corr(x: Floats, gamma: Figures, rng: np.random.Generator) -> Floats:
    return x ** np.float32(gamma)


def stain_deposit(x: Floats, most: Figures, rng: np.random.Generator) -> Floats:
    """Black marks of irregular outline, one to `most`, each with a radius of 3 to 7 % of the side."""
    n, width = len(x), x.shape[2]
    count = rng.integers(1, most + 1, n)
    for mark in range(most):
        radius = rng.uniform(0.03, 0.07, n) * width
        distance, angle = _around(x, 0.05 + 0.9 * rng.random((2, n)))
        waves = rng.uniform(-0.25, 0.25, (4, n)), rng.uniform(0, 2 * np.pi, (4, n))
        outline = 1 + sum(
            a[:, None, None] * np.cos(k * angle + b[:, None, None])
            for k, (a, b) in enumerate(zip(*waves, strict=True), 2)
        )
        x = x * (1 - _inside(radius[:, None, None] * outline, distance) * (mark < count)[:, None, None])[..., None]
    return x


def bubble(x: Floats, figures: Figures, rng: np.random.Generator) -> Floats:
    """White see-through disks with a lighter rim; `figures`: the largest radius, of 3 at least, and the largest number,
    of 7 at least."""
    n, scale = len(x), _scale(x)
    largest, most = figures
    count = rng.integers(7, most + 1, n)
    opacity = np.zeros(x.shape[:3], dtype=np.float32)
    for number in range(most):
        radius = rng.integers(3, largest + 1, n) * scale
        margin = radius / x.shape[2]
        distance, _ = _around(x, margin + (1 - 2 * margin) * rng.random((2, n)))
        drawn = (number < count)[:, None, None]
        for wider, alpha in ((2 * scale, 130 / 255), (0, 100 / 255)):
            cover = _inside((radius + wider)[:, None, None], distance) * drawn
            opacity = opacity + cover * (alpha - opacity)  # a later bubble replaces what is below it
    return x + (1 - x) * opacity[..., None]


def black_corner(x: Floats, factor: Figures, rng: np.random.Generator) -> Floats:
    """Black outside of a circle whose radius is `factor` times half the side."""
    distance, _ = _around(x, np.full((2, 1), 0.5))
    return x * _inside(factor * min(x.shape[1:3]) / 2, distance)[..., None]


def characters(x: Floats, figures: Figures, rng: np.random.Generator) -> Floats:
    """Words of small letters in random colors; `figures`: the largest number of words, of letters in a word, and of the
    size, in units of 22 px, of .14 at least."""
    words, letters, size = figures
    height, width = x.shape[1:3]
    finer = -(-SIDE // width)  # drawn at 224 px at least: at 28 px no letter would be left
    made = np.empty_like(x)
    for k, image in enumerate(x):
        layer = Image.new("RGBA", (width * finer, height * finer))
        draw = ImageDraw.Draw(layer)
        for _ in range(rng.integers(1, words + 1)):
            word = "".join(rng.choice(list(string.ascii_lowercase), rng.integers(3, letters + 1)))
            pixels = rng.uniform(0.14, size) * 22 * width * finer / SIDE
            place = rng.random(2) * (layer.width - 0.6 * pixels * len(word), layer.height - 2 * pixels)
            # A capital letter is about .7 of a font's size.
            draw.text(
                tuple(place), word, font=_font(round(pixels / 0.7, 1)), fill=(*rng.integers(0, 256, 3).tolist(), 255)
            )
        # Pillow mixes the color with the layer's transparent black, so that it comes out times its opacity.
        covered = np.stack([np.asarray(band.reduce(finer), dtype=np.float32) for band in layer.split()], axis=2) / 255
        made[k] = image * (1 - covered[..., 3:]) + covered[..., :3]
    return made


@cache
def _font(size: float) -> Any:
    return ImageFont.load_default(size)


def _scale(x: Floats) -> float:
    return x.shape[2] / SIDE


def _kernel(reach: float, density: Callable[[Floats, Floats], Floats]) -> Floats:
    """[1, k, k] kernel that spreads a point by `density` (row, column) up to `reach`; it sums to one.

    Every place gives its weight to the four pixels around it (linear interpolation), so that a spread of less than a
    pixel counts too.
    """
    finer, pixels = 10, int(np.ceil(reach)) + 1
    at = (np.arange((2 * pixels - 1) * finer) + 0.5) / finer - pixels + 0.5
    share = np.maximum(0, 1 - np.abs(np.arange(-pixels, pixels + 1)[:, None] - at))
    kernel = share @ np.asarray(density(at[:, None], at[None]), dtype=np.float64) @ share.T
    return (kernel / kernel.sum())[None]


def _convolved(x: Floats, kernels: Floats) -> Floats:
    """`x` [n, H, W, C] with a kernel [n or 1, k, k] for each image; outside of an image its border continues."""
    from scipy import fft

    reach = kernels.shape[1] // 2
    padded = np.pad(x, ((0, 0), (reach, reach), (reach, reach), (0, 0)), mode="edge")
    shape = [fft.next_fast_len(side, real=True) for side in padded.shape[1:3]]
    spectrum = fft.rfft2(padded, shape, axes=(1, 2)) * fft.rfft2(kernels, shape, axes=(1, 2))[..., None]
    blurred = fft.irfft2(spectrum, shape, axes=(1, 2))
    return blurred[:, 2 * reach : 2 * reach + x.shape[1], 2 * reach : 2 * reach + x.shape[2]]


def _around(x: Floats, center: Floats) -> tuple[Floats, Floats]:
    """[n, H, W] distance in px and angle of every pixel from its image's `center` [2, n] (row, column in [0, 1])."""
    height, width = x.shape[1:3]
    row = np.arange(height)[None, :, None] + 0.5 - center[0][:, None, None] * height
    column = np.arange(width)[None, None] + 0.5 - center[1][:, None, None] * width
    return np.hypot(row, column).astype(np.float32), np.arctan2(row, column).astype(np.float32)


def _inside(radius: Any, distance: Floats) -> Floats:
    """How much of a pixel at this distance from the center lies within the radius, about."""
    return np.clip(radius - distance + 0.5, 0, 1).astype(np.float32)


KINDS: Mapping[str, Corruption] = {
    "pixelate": pixelate,
    "jpeg_compression": jpeg_compression,
    "gaussian_noise": gaussian_noise,
    "speckle_noise": speckle_noise,
    "impulse_noise": impulse_noise,
    "shot_noise": shot_noise,
    "defocus_blur": defocus_blur,
    "gaussian_blur": gaussian_blur,
    "motion_blur": motion_blur,
    "zoom_blur": zoom_blur,
    "brightness_up": brightness,
    "brightness_down": brightness,
    "contrast_up": contrast,
    "contrast_down": contrast,
    "saturate": saturate,
    "gamma_corr_up": gamma_corr,
    "gamma_corr_down": gamma_corr,
    "stain_deposit": stain_deposit,
    "bubble": bubble,
    "black_corner": black_corner,
    "characters": characters,
    "stain_variation": stain.varied,
}
"""Name in MedMNIST-C -> the function; `stain_variation` is none of its."""
NAMES: Sequence[str] = tuple(KINDS)
