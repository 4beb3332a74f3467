"""Kinds that change no label: clean labels, and doubtful ones whose truth is unknown."""

from __future__ import annotations

import numpy as np

from benchmark.noise.base import Corruption, NoiseKind, Split


class NoNoise(NoiseKind):
    """Clean labels, from which every drop is measured."""

    names = ("none",)
    nested = False
    positional = ""

    def corrupt(self, split: Split, seed: int) -> Corruption:
        return Corruption(split.labels.copy(), np.eye(split.num_classes))


class AsIs(NoiseKind):
    """The labels as they are, some of them possibly wrong; the true ones are unknown."""

    names = ("as_is",)
    nested = False
    positional = ""
    truth_known = False

    def corrupt(self, split: Split, seed: int) -> Corruption:
        return Corruption(split.labels.copy())
