"""Noise that depends on the image: part-dependent label noise (Xia et al., NeurIPS 2020)."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from benchmark.noise._draws import choose, generator, solve, uniforms
from benchmark.noise.base import Corruption, NoiseError, NoiseKind, RateSettings, Split

SPREAD = 0.1
"""Standard deviation of the normal, before truncation, that flip probabilities come from (paper)."""
CHUNK = 2**23
"""Pixels that are held as float64 at a time: 64 MiB."""


class Instance(NoiseKind):
    """PDN: each image has its own flip probability, and its pixels decide to which class.

    q ~ Normal(mean, .1) truncated to [0, 1]; wrong classes in proportion to softmax(x W[y]) with W normal
    and x the pixels in [0, 1], unscaled as published. Truncation raises the mean of q at low rates, so the
    mean is chosen such that the flip probabilities of each split average to the rate.
    """

    names = ("instance",)

    class Config(RateSettings):
        added_later: ClassVar = frozenset({"center"})
        official: bool = False
        """Official form: truncate around `rate` itself, so that .05 becomes .10, .10 .13, .20 .21."""
        center: bool = False
        """Subtract the mean training image from x. Without it x W[y] is mostly that of the mean image, so that nearly
        all wrong labels of a class are one and the same class: see `commonest_wrong_share` in the manifest."""

    def __init__(self, cfg: Any, mean: np.ndarray | None = None) -> None:
        super().__init__(cfg)
        self.mean = mean
        """[d] the mean training image in [0, 1], where it is subtracted."""

    def skip(self, split: Split) -> str | None:
        return None if split.images is not None else f"data set {split.dataset!r} has no pixels to depend on"

    def resolve(self, train: Split) -> NoiseKind:
        return Instance(self.cfg, mean_image(train)) if self.cfg.center else self

    def corrupt(self, split: Split, seed: int) -> Corruption:
        labels, images, rate = split.labels.copy(), split.images, self.cfg.rate
        assert images is not None
        if rate == 0 or not len(labels):
            return Corruption(labels)
        u, v = uniforms(split, self.name, seed)
        q = self._flip_probabilities(split, seed)
        flipped = np.flatnonzero(u < q)
        pixels = images.reshape(len(images), -1)
        origin = self._origin(split)
        step = max(1, CHUNK // pixels.shape[1])
        for label in range(split.num_classes):
            members = flipped[split.labels[flipped] == label]
            if not len(members):
                continue
            # One generator per class: all splits share W, and only K columns of it are held at a time.
            weights = generator(split.key, self.name, "weights", seed, label).standard_normal(
                (pixels.shape[1], split.num_classes)
            )
            for start in range(0, len(members), step):
                rows = members[start : start + step]
                # In float64, so that a class depends neither on the rate nor on how the machine blocks the product.
                labels[rows] = choose(wrong_shares(pixels[rows] / 255.0 - origin, weights, label), v[rows])
        return Corruption(labels)

    def _origin(self, split: Split) -> np.ndarray | float:
        """What is subtracted from the pixels in [0, 1]."""
        if not self.cfg.center:
            return 0.0
        if self.mean is None and split.name != "train":
            raise NoiseError(
                f"the mean training image of {split.dataset!r} is that of the training split; "
                "call resolve() with the training split first"
            )
        return mean_image(split) if self.mean is None else self.mean

    def _flip_probabilities(self, split: Split, seed: int) -> np.ndarray:
        draws = generator(split.key, self.name, split.name, seed, "flip probability")
        quantiles, rate = draws.random(len(split.labels)), self.cfg.rate
        return flip_probabilities(quantiles, rate) if self.cfg.official else calibrated_flips(quantiles, rate)


def mean_image(split: Split) -> np.ndarray:
    """[d] mean of the images of `split`, in [0, 1]; sums of whole numbers, so that it is equal on every machine."""
    assert split.images is not None
    pixels = split.images.reshape(len(split.images), -1)
    return pixels.sum(0, dtype=np.int64) / (255.0 * max(1, len(pixels)))


def wrong_shares(x: np.ndarray, weights: np.ndarray, label: int) -> np.ndarray:
    """[m, K] softmax of x [m, d] @ weights [d, K] over all classes but `label`, whose share is 0."""
    logits = x @ weights
    logits[:, label] = -np.inf
    logits -= logits.max(1, keepdims=True)
    np.exp(logits, out=logits)
    return logits / logits.sum(1, keepdims=True)


def flip_probabilities(quantiles: np.ndarray, mean: float) -> np.ndarray:
    """Quantiles in [0, 1) of Normal(mean, SPREAD) truncated to [0, 1]; they rise with `mean`."""
    from scipy.special import log_ndtr, ndtri_exp

    if mean > 0.5:
        return 1.0 - flip_probabilities(1.0 - quantiles, 1.0 - mean)
    # Logarithms of upper tails: a mean far below 0 leaves tails that underflow otherwise.
    above_zero, above_one = log_ndtr(mean / SPREAD), log_ndtr((mean - 1.0) / SPREAD)
    tail = above_zero + np.log1p(quantiles * np.expm1(above_one - above_zero))
    return np.clip(mean - SPREAD * ndtri_exp(tail), 0.0, 1.0)


def calibrated_flips(quantiles: np.ndarray, rate: float) -> np.ndarray:
    """Flip probabilities of these quantiles, with the mean chosen so that they average to `rate`."""
    # Nearer to 0 or 1 rounding errors would dominate: there the probabilities at the limit are scaled.
    inner = min(max(rate, 1e-6), 1 - 1e-6)
    # Far below 0 the truncated normal is nearly exponential with mean SPREAD^2 / |mean|.
    reach = 50 * SPREAD**2
    mean = solve(
        lambda value: float(flip_probabilities(quantiles, value).mean()),
        inner,
        low=-1.0 - reach / inner,
        high=2.0 + reach / (1.0 - inner),
    )
    return flip_probabilities(quantiles, mean) * min(1.0, rate / inner)
