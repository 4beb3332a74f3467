"""How much the maps of two models of the same images differ."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Floats = NDArray[np.float64]

TOP = 0.1
"""Share of the pixels that count as the most important ones."""


def rank_correlations(ours: Floats, theirs: Floats) -> Floats:
    """[n] Spearman's correlation of the pixels of the maps [n, H, W]; NaN where a map is the same everywhere."""
    a, b = _ranks(ours), _ranks(theirs)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.where(lengths > 0, (a * b).sum(1) / np.where(lengths > 0, lengths, 1.0), np.nan)


def overlaps(ours: Floats, theirs: Floats) -> Floats:
    """[n] intersection over union of the most important pixels of the maps [n, H, W]; NaN where a map is 0."""
    a, b = _most_important(ours), _most_important(theirs)
    both, one = (a & b).sum(1), (a | b).sum(1)
    empty = ~a.any(1) | ~b.any(1)
    return np.where(empty, np.nan, both / np.maximum(one, 1))


def _ranks(maps: Floats) -> Floats:
    """[n, pixels] ranks without their mean; equal values have equal ranks."""
    ranks = rankdata(maps.reshape(len(maps), -1), axis=1)
    centered: Floats = ranks - ranks.mean(axis=1, keepdims=True)
    return centered


def _most_important(maps: Floats) -> NDArray[np.bool_]:
    """[n, pixels] the share TOP of highest values, fewer where the rest is 0."""
    flat = maps.reshape(len(maps), -1)
    least = np.quantile(flat, 1 - TOP, axis=1, keepdims=True)
    found: NDArray[np.bool_] = (flat >= least) & (flat > 0)
    return found
