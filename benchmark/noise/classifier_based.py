"""Noise from the predictions of a clean classifier, which is trained on the clean labels."""

from __future__ import annotations

from typing import Literal

import numpy as np

from benchmark.noise._draws import choose, solve, uniforms
from benchmark.noise._probabilities import checked_probabilities, without_probabilities
from benchmark.noise.base import Corruption, NoiseError, NoiseKind, RateSettings, Split


class PolynomialMargin(NoiseKind):
    """PMD (Zhang et al., ICLR 2021): the smaller the clean classifier's margin, the likelier the flip.

    The flip probability falls with the margin between the two likeliest classes and is scaled so that it
    averages to the rate over each split; the new class is the likeliest one that is not the label.
    """

    names = ("pmd",)
    needs_clean_classifier = True

    class Config(RateSettings):
        type: Literal[1, 2, 3] = 1
        """Polynomial of the margin d: 1/2 - d^2/2, 1 - d^3, or 1 - (d^3 + d^2 + d)/3."""
        official: bool = False
        """Official form of the scaling, 1 - (1 - f)/factor: confident samples flip nearly as often."""

    def skip(self, split: Split) -> str | None:
        return without_probabilities(split)

    def corrupt(self, split: Split, seed: int) -> Corruption:
        labels, rate = split.labels.copy(), self.cfg.rate
        if rate == 0 or not len(labels):
            return Corruption(labels)
        probabilities = checked_probabilities(split).copy()
        flips = margin_flips(probabilities, self.cfg.type)
        scale = official_scale if self.cfg.official else plain_scale
        factor = solve(lambda value: float(scale(flips, value).mean()), rate, low=1e-9, high=1e9)
        chances = scale(flips, factor)
        if abs(chances.mean() - rate) > 0.005:
            raise NoiseError(
                f"the clean classifier's margins on {split.dataset!r} ({split.name}) give a rate of "
                f"{chances.mean():.3f}; expected {rate:g}: choose another rate, type or scaling"
            )
        u, _ = uniforms(split, self.name, seed)
        flipped = np.flatnonzero(u < chances)
        probabilities[np.arange(len(labels)), labels] = -1.0
        labels[flipped] = probabilities[flipped].argmax(1)
        return Corruption(labels)


class Confusion(NoiseKind):
    """Every label flips at the rate, to a wrong class in proportion to the clean classifier's probabilities."""

    names = ("confusion",)
    needs_clean_classifier = True

    class Config(RateSettings):
        """No further options."""

    def skip(self, split: Split) -> str | None:
        if split.num_classes == 2:
            return f"data set {split.dataset!r} has two classes, where this is the same as symmetric noise"
        return without_probabilities(split)

    def corrupt(self, split: Split, seed: int) -> Corruption:
        labels = split.labels.copy()
        u, v = uniforms(split, self.name, seed)
        flipped = np.flatnonzero(u < self.cfg.rate)
        shares = checked_probabilities(split)[flipped]
        # Where all wrong classes have probability 0, they become equally likely.
        shares = np.maximum(shares, 1e-12)
        shares[np.arange(len(flipped)), labels[flipped]] = 0.0
        labels[flipped] = choose(shares, v[flipped])
        return Corruption(labels)


def margin_flips(probabilities: np.ndarray, kind: int) -> np.ndarray:
    """[n] polynomial of the margin between the two largest of `probabilities` [n, K], before scaling."""
    top = np.partition(probabilities, -2, axis=1)[:, -2:]
    margin = top[:, 1] - top[:, 0]
    if kind == 1:
        return 0.5 - 0.5 * margin**2
    if kind == 2:
        return 1.0 - margin**3
    return 1.0 - (margin**3 + margin**2 + margin) / 3.0


def plain_scale(flips: np.ndarray, factor: float) -> np.ndarray:
    return np.clip(factor * flips, 0.0, 1.0)


def official_scale(flips: np.ndarray, factor: float) -> np.ndarray:
    return np.clip(1.0 - (1.0 - flips) / factor, 0.0, 1.0)
