"""Annotators who tire: the longer a session lasts, the more labels are wrong (a simple model, from no paper)."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from benchmark.noise.base import Corruption, NoiseKind, Settings, Split
from benchmark.seeds import seed_for


class Fatigue(NoiseKind):
    """Wrong with probability rate (1 - rise + 2 rise t), t from 0 to 1 over a session; any other class, equally likely.

    The images are labeled in a random order and in sessions of equal length. Over a session the probability
    rises linearly around `rate`, which is its mean. It depends on neither image nor class, so T is that of
    symmetric noise, but wrong labels come in runs along the order in which the labels were given.
    """

    names = ("fatigue",)

    class Config(Settings):
        rate: float = Field(ge=0, le=0.5)
        """Mean probability that a label ends up wrong; at most 0.5, so that the end of a session stays below 1."""
        rise: float = Field(1.0, ge=0, le=1)
        """0: equally careful all the time (symmetric noise); 1: no error at first, twice the rate in the end."""
        session: int = Field(100, ge=2, le=100_000)
        """Labels given between two breaks, about: all sessions are of one length."""

    def corrupt(self, split: Split, seed: int) -> Corruption:
        # Drawn without regard to the rate: labels that are wrong at .2 are among those that are wrong at .4.
        draws = np.random.Generator(np.random.PCG64(seed_for("noise", split.key, self.name, split.name, seed)))
        flips, shares = draws.random((2, len(split.labels)))
        steps = 1 + (shares * (split.num_classes - 1)).astype(np.int64)
        wrong = (split.labels + steps) % split.num_classes
        labels = np.where(flips < self.error(draws.permutation(len(split.labels))), wrong, split.labels)
        return Corruption(labels, self.transition(split.num_classes))

    def error(self, order: np.ndarray) -> np.ndarray:
        """[n] probability of a wrong label for samples that are labeled as number `order` [n], from 0 on."""
        sessions = max(1, round(len(order) / self.cfg.session))
        time = (order + 0.5) * sessions / len(order) % 1
        return self.cfg.rate * (1 - self.cfg.rise + 2 * self.cfg.rise * time)

    def transition(self, num_classes: int) -> np.ndarray:
        """[K, K] T[i, j] = P(noisy = j | clean = i)."""
        matrix = np.full((num_classes, num_classes), self.cfg.rate / (num_classes - 1))
        np.fill_diagonal(matrix, 1 - self.cfg.rate)
        return matrix
