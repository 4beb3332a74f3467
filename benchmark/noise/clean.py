"""Labels that stay as they are: known to be clean, or doubtful with the truth unknown."""

from __future__ import annotations

import numpy as np

from benchmark.noise.base import Corruption, NoiseKind, Split


class NoNoise(NoiseKind):
    """Clean labels: the row that every drop is measured from."""

    names = ("none",)
    nested = False
    positional = ""

    def corrupt(self, split: Split, seed: int) -> Corruption:
        return Corruption(split.labels.copy(), np.eye(split.num_classes))


class AsIs(NoiseKind):
    """The labels of the file, taken as doubtful; nobody knows the true ones."""

    names = ("as_is",)
    nested = False
    positional = ""
    truth_known = False

    def corrupt(self, split: Split, seed: int) -> Corruption:
        return Corruption(split.labels.copy())
