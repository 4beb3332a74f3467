"""Noise of ordered classes: the nearer two classes are, the likelier they are confused."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from benchmark.noise._draws import flip, solve
from benchmark.noise.base import Corruption, NoiseError, NoiseKind, RateSettings, Split


class Ordinal(NoiseKind):
    """Class i becomes class j with probability level / |i - j| (Garg & Manwani, ACML 2020); `rate` is that of all.

    The classes are ordered by their numbers. Classes in the middle have more neighbors and flip more often, as
    published. `level` is chosen such that the expected share of wrong labels in the training split is the rate.
    """

    names = ("ordinal",)

    class Config(RateSettings):
        reach: Literal["all", "adjacent"] = "all"
        """`adjacent`: only to the next lower and the next higher class (Takezaki et al., WACV 2025)."""

    def __init__(self, cfg: Any, level: float | None = None) -> None:
        super().__init__(cfg)
        self.level = level

    def resolve(self, train: Split) -> NoiseKind:
        return Ordinal(self.cfg, self._level_of(train))

    def corrupt(self, split: Split, seed: int) -> Corruption:
        if self.level is None and split.name != "train":
            # The level depends on the numbers of images per class: this split could get another T.
            raise NoiseError(
                f"the level of ordinal noise on {split.dataset!r} follows from the training split; "
                "call resolve() with the training split first"
            )
        level = self._level_of(split) if self.level is None else self.level
        near = closeness(split.num_classes, self.cfg.reach)
        transition = near / near.sum(1, keepdims=True) * flip_rates(near, level)[:, None]
        np.fill_diagonal(transition, 1.0 - flip_rates(near, level))
        drawn = flip(split, transition, self.name, seed)
        note = f"ordinal noise takes the classes in the order of their numbers, 0 to {split.num_classes - 1}"
        return Corruption(drawn.labels, drawn.transition, notes=(note,))

    def _level_of(self, train: Split) -> float:
        """The level at which the expected share of wrong labels of `train` is the rate."""
        rate, near = self.cfg.rate, closeness(train.num_classes, self.cfg.reach)
        if rate == 0 or not len(train.labels):
            return 0.0
        priors = np.bincount(train.labels, minlength=train.num_classes) / len(train.labels)
        return solve(lambda level: float(priors @ flip_rates(near, level)), rate, low=0.0, high=1.0 / near.sum(1).min())


def flip_rates(near: np.ndarray, level: float) -> np.ndarray:
    """[K] probability that a label of each class flips; at most 1, which only rates reach that cannot be identified."""
    return np.minimum(1.0, level * near.sum(1))


def closeness(num_classes: int, reach: Literal["all", "adjacent"]) -> np.ndarray:
    """[K, K] 1 / |i - j|, and 0 on the diagonal and beyond the reach."""
    distance = np.abs(np.subtract.outer(np.arange(num_classes), np.arange(num_classes)))
    near = (distance == 1) if reach == "adjacent" else (distance > 0)
    return np.where(near, 1.0 / np.maximum(distance, 1), 0.0)
