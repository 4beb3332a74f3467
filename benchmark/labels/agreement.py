"""How far raters agree: Cohen's kappa of each pair, Krippendorff's alpha of all, with intervals over drawn images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix, hstack

from benchmark.tables.bootstrap import Groups
from benchmark.tables.statistics import LEVEL

DRAWS = 1000
BLOCK = 50
"""Draws whose weights are held at a time."""


@dataclass(frozen=True)
class Interval:
    """A statistic and the ends of its 95 % interval; all NaN where the statistic is undefined."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Agreement:
    images: int
    """That at least two raters labelled."""
    alpha: Interval
    pairs: pd.DataFrame
    """One row per pair: first, second, images (that both labelled), agree (share of them), kappa, low, high."""


def agreement(
    votes: np.ndarray, names: Sequence[str], num_classes: int, groups: Groups | None, generator: np.random.Generator
) -> Agreement:
    """Of the raters `names` [R] with the labels `votes` [n, R], -1 where a rater gave none.

    For the intervals images are drawn with replacement, or whole `groups` [n], such as patients.
    """
    counts = (votes[..., None] == np.arange(num_classes)).sum(1)
    pairs = list(combinations(range(len(names)), 2))
    stats = [_disagreements(counts), *(_joint(votes[:, i], votes[:, j], num_classes) for i, j in pairs)]
    sums = _drawn(hstack(stats, format="csr"), groups, generator)
    first = 1 + num_classes
    rows = []
    for place, (i, j) in enumerate(pairs):
        joint = sums[:, first + place * num_classes**2 : first + (place + 1) * num_classes**2]
        joint = joint.reshape(len(sums), num_classes, num_classes)
        both = int(joint[0].sum())
        agree = float(np.trace(joint[0]) / both) if both else float("nan")
        kappa = _interval(_kappa(joint))
        rows.append((names[i], names[j], both, agree, kappa.value, kappa.low, kappa.high))
    columns = ["first", "second", "images", "agree", "kappa", "low", "high"]
    several = int((counts.sum(1) >= 2).sum())
    return Agreement(several, _interval(_alpha(sums[:, :first])), pd.DataFrame(rows, columns=columns))


def alpha_of_counts(counts: np.ndarray, groups: Groups | None, generator: np.random.Generator) -> Agreement:
    """Where only `counts` [n, K] are known, how many raters gave each class: no pairs can be told."""
    sums = _drawn(_disagreements(counts), groups, generator)
    columns = ["first", "second", "images", "agree", "kappa", "low", "high"]
    return Agreement(int((counts.sum(1) >= 2).sum()), _interval(_alpha(sums)), pd.DataFrame(columns=columns))


def _disagreements(counts: np.ndarray) -> csr_matrix:
    """[n, 1 + K] of each image: its observed disagreement, and how many raters gave each class; 0 below two raters."""
    given = counts.astype(np.float64)
    raters = given.sum(1)
    given[raters < 2] = 0
    observed = (raters**2 - (given**2).sum(1)) / np.maximum(raters - 1, 1)
    observed[raters < 2] = 0
    return csr_matrix(np.column_stack([observed, given]))


def _alpha(sums: np.ndarray) -> np.ndarray:
    """[draws] Krippendorff's alpha for nominal classes, 1 - D_o / D_e, from sums of `_disagreements`.

    Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011. Images that fewer than two raters labelled do not
    count. Undefined where all labels are one class.
    """
    observed, given = sums[:, 0], sums[:, 1:]
    total = given.sum(1)
    expected = total**2 - (given**2).sum(1)
    ratio = np.divide((total - 1) * observed, expected, out=np.full(len(sums), np.nan), where=expected > 0)
    return np.asarray(1 - ratio)


def _joint(first: np.ndarray, second: np.ndarray, num_classes: int) -> csr_matrix:
    """[n, K * K] one at the two labels of each image that both raters labelled."""
    both = np.flatnonzero((first >= 0) & (second >= 0))
    cells = first[both] * num_classes + second[both]
    return csr_matrix((np.ones(len(both)), (both, cells)), shape=(len(first), num_classes**2))


def _kappa(joint: np.ndarray) -> np.ndarray:
    """[draws] Cohen's kappa (1960) of tables of counts [draws, K, K]; undefined where both give one class only."""
    total = joint.sum((1, 2))
    equal = np.trace(joint, axis1=1, axis2=2) * total
    chance = (joint.sum(1) * joint.sum(2)).sum(1)
    rest = total**2 - chance
    return np.asarray(np.divide(equal - chance, rest, out=np.full(len(joint), np.nan), where=rest > 0))


def _drawn(stats: csr_matrix, groups: Groups | None, generator: np.random.Generator) -> np.ndarray:
    """[1 + DRAWS, S] sums of `stats` [n, S]: over all images, then over drawn ones."""
    if groups is not None:
        codes = np.unique(groups, return_inverse=True)[1]
        stats = csr_matrix((np.ones(len(codes)), (codes, np.arange(len(codes))))) @ stats
    units = stats.shape[0]
    blocks = [np.asarray(stats.sum(0))]
    for _ in range(DRAWS // BLOCK):
        weights = generator.multinomial(units, np.full(units, 1 / units), BLOCK)
        blocks.append((stats.T @ weights.T.astype(np.float64)).T)
    return np.concatenate(blocks)


def _interval(values: np.ndarray) -> Interval:
    """From the observed value and those of the draws, of which those that are undefined do not count."""
    drawn = values[1:][np.isfinite(values[1:])]
    if not np.isfinite(values[0]) or not len(drawn):
        return Interval(float("nan"), float("nan"), float("nan"))
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(values[0]), float(low), float(high))
