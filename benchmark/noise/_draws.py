"""The random draws that all kinds share: two uniforms per sample, and how labels follow from them.

`u` decides whether a label flips, `v` to which class. Neither depends on the rate, so
samples that are wrong at .2 are also wrong at .4, with the same new class.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmark.noise.base import Corruption, Split
from benchmark.seeds import seed_for

CHUNK = 2**16
"""Samples drawn at a time: temporary arrays then fit the processor's cache, which is twice as fast."""


def uniforms(split: Split, kind: str, seed: int) -> np.ndarray:
    """[2, n] uniforms in [0, 1): u and v of every sample."""
    return generator(split.key, kind, split.name, seed).random((2, len(split.labels)))


def generator(*keys: str | int) -> np.random.Generator:
    """The noise generator of these keys. PCG64 by name, since numpy may change its default."""
    return np.random.Generator(np.random.PCG64(seed_for("noise", *keys)))


def flip(split: Split, transition: np.ndarray, kind: str, seed: int) -> Corruption:
    """Labels of a split drawn from the class-conditional `transition` [K, K]."""
    u, v = uniforms(split, kind, seed)
    return Corruption(draw(split.labels, transition, u, v), transition)


def draw(labels: np.ndarray, transition: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Noisy labels [n] of clean `labels` [n] under T [K, K]: flips where u < 1 - T_yy, never to itself."""
    classes = len(transition)
    wrong = transition.copy()
    np.fill_diagonal(wrong, 0.0)
    rates = wrong.sum(1)
    # Rounded, so that the shares of the wrong classes are bit-equal at every rate.
    shares = np.round(np.cumsum(wrong, 1) / np.where(rates > 0, rates, 1.0)[:, None], 12)
    shares[:, -1] = 1.0
    # All rows in one ascending table, row y shifted by y: one binary search per flipped sample.
    table = (shares + np.arange(classes)[:, None]).ravel()
    ends = np.nextafter(np.arange(1.0, classes + 1.0), 0.0)
    noisy = labels.copy()
    for start in range(0, len(labels), CHUNK):
        chunk = noisy[start : start + CHUNK]
        flipped = np.flatnonzero(u[start : start + CHUNK] < rates[chunk])
        clean = chunk[flipped]
        place = np.minimum(v[start : start + CHUNK][flipped] + clean, ends[clean])
        chunk[flipped] = np.searchsorted(table, place, side="right") - clean * classes
    return noisy


def choose(weights: np.ndarray, v: np.ndarray) -> np.ndarray:
    """One column per row of `weights` [m, K] >= 0, in proportion to them, by inverse CDF of v [m]."""
    cumulative = np.cumsum(weights, 1)
    total = cumulative[:, -1]
    place = np.minimum(v * total, np.nextafter(total, 0.0))
    return (cumulative <= place[:, None]).sum(1)


def solve(rising: Callable[[float], float], target: float, low: float, high: float) -> float:
    """The x in [low, high] at which the non-decreasing function `rising` reaches `target`, by bisection."""
    for _ in range(100):
        middle = (low + high) / 2
        if middle in (low, high) or high - low < 1e-12 * max(1.0, abs(high)):
            break
        low, high = (middle, high) if rising(middle) < target else (low, middle)
    return high
