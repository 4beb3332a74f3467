"""Means over several kinds of noise, one per seed: columns share images and flips, so only seeds repeat."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from benchmark.tables.per_seed import seed_means
from benchmark.tables.statistics import t_factor


def without_holes(valued: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """`seed_means` over the noise `columns` of the methods that have a value in all of them.

    `valued`: as of `comparison.Block`, so that a cell with a hole has no runs.
    """
    present = valued.groupby("method")["noise"].agg(set)
    return seed_means(valued, columns, [name for name, noise in present.items() if noise >= set(columns)])


def summary(scores: pd.DataFrame) -> pd.DataFrame:
    """Per column of `scores` [repetitions, methods]: n, mean, sd and half (of the 95 % t interval)."""
    count = scores.count()
    sd = scores.std()
    return pd.DataFrame({"n": count, "mean": scores.mean(), "sd": sd, "half": t_factor(count) * sd})
