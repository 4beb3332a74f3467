"""Colors of tissue stained with hematoxylin and eosin (H&E): their variation between laboratories, and normalization.

Images are [n, H, W, 3] in RGB. Light that passes a stain falls off exponentially, so that the optical density, minus
the logarithm of the share of light that comes through, is linear in the amounts of the stains (Beer-Lambert).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Images = NDArray[np.uint8]
Normalization = Literal["reinhard", "macenko"]

HED = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
"""Density of hematoxylin, eosin and DAB in red, green and blue (Ruifrok & Johnston, Anal Quant Cytol Histol 2001)."""

_LMS = np.array([[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]])
_LAB = np.diag([3**-0.5, 6**-0.5, 2**-0.5]) @ np.array([[1.0, 1, 1], [1, 1, -2], [1, -1, 0]])
REINHARD_MEAN = np.array([8.63234435, -0.11501964, 0.03868433])
REINHARD_SD = np.array([0.57506023, 0.10403329, 0.01364062])
"""Mean and standard deviation in l-alpha-beta of the reference image of HistomicsTK, a H&E slide of TCGA."""

_LIGHT = 240
"""Value of a pixel that all light passes, as in the published code of Macenko's method."""
_LEAST_DENSITY = 0.15
_PERCENTILE = 1
MACENKO_STAINS = np.array([[0.5626, 0.2159], [0.7201, 0.8012], [0.4062, 0.5581]])
"""[3, 2] density of hematoxylin and eosin in the reference image of Macenko's published code."""
MACENKO_AMOUNTS = np.array([1.9705, 1.0308])
"""99th percentile of their amounts there."""
LEAST_TISSUE = 0.1
"""Share of the pixels that must be stained: below it Macenko's method leaves an image as it is."""

BLOCK = 64
"""Images that are worked on at once."""


def varied(x: Floats, sigma: float, rng: np.random.Generator) -> Floats:
    """`x` [n, H, W, 3] in [0, 1] with other amounts of stain: per image and stain a * amount + b, with a drawn from
    [1 - sigma, 1 + sigma] and b from [-sigma, sigma] (Tellez et al., IEEE TMI 2018)."""
    shape = (len(x), 1, 1, 3)
    a, b = rng.uniform(1 - sigma, 1 + sigma, shape), rng.uniform(-sigma, sigma, shape)
    amounts = -np.log(np.maximum(x, 1 / 255)) @ np.linalg.inv(HED)
    return np.exp(-(amounts * a + b) @ HED)


def normalized(images: Images, by: Normalization) -> Images:
    """`images` [n, H, W, 3] with the colors of a published reference image, each image by itself."""
    method = METHODS[by]
    made = np.empty_like(images)
    for start in range(0, len(images), BLOCK):
        made[start : start + BLOCK] = method(images[start : start + BLOCK])
    return made


def reinhard(images: Images) -> Images:
    """Mean and standard deviation of every image in l-alpha-beta become those of the reference (Reinhard et al., IEEE
    Computer Graphics and Applications 2001). An image of one color gets the mean."""
    lab = np.log(np.maximum(images, 1).astype(np.float64) @ _LMS.T) @ _LAB.T
    mean, sd = lab.mean((1, 2), keepdims=True), lab.std((1, 2), keepdims=True)
    moved = (lab - mean) * np.where(sd > 1e-9, REINHARD_SD / np.maximum(sd, 1e-9), 0) + REINHARD_MEAN
    return _rounded(np.exp(moved @ np.linalg.inv(_LAB).T) @ np.linalg.inv(_LMS).T)


def macenko(images: Images) -> Images:
    """Stains and their largest amounts become those of the reference (Macenko et al., ISBI 2009).

    The stains of an image are the outermost directions of its optical densities. An image with less than `LEAST_TISSUE`
    stained pixels, or whose pixels all have one color, stays as it is.
    """
    return np.stack([_macenko(image) for image in images])


def _macenko(image: Images) -> Images:
    density = -np.log((image.reshape(-1, 3).astype(np.float64) + 1) / _LIGHT)
    stained = density[(density >= _LEAST_DENSITY).all(1)]
    if len(stained) < max(3, LEAST_TISSUE * len(density)):
        return image
    spread, directions = np.linalg.eigh(np.cov(stained.T))
    if spread[1] < 1e-9:
        return image
    plane = directions[:, [2, 1]]
    plane = plane * np.where(plane[0] < 0, -1, 1)
    across = stained @ plane
    angles = np.percentile(np.arctan2(across[:, 1], across[:, 0]), [_PERCENTILE, 100 - _PERCENTILE])
    first, second = (plane @ np.array([np.cos(angle), np.sin(angle)]) for angle in angles)
    # Hematoxylin takes more red light than eosin.
    stains = np.stack([first, second] if first[0] > second[0] else [second, first], axis=1)
    amounts = np.linalg.lstsq(stains, density.T, rcond=None)[0]
    largest = np.percentile(amounts, 100 - _PERCENTILE, axis=1)
    if (largest <= 1e-6).any():
        return image
    made = _LIGHT * np.exp(-MACENKO_STAINS @ (amounts * (MACENKO_AMOUNTS / largest)[:, None]))
    return _rounded(made.T.reshape(image.shape))


def _rounded(values: Floats) -> Images:
    return np.rint(np.clip(values, 0, 255)).astype(np.uint8)


METHODS: dict[Normalization, Callable[[Images], Images]] = {"reinhard": reinhard, "macenko": macenko}
