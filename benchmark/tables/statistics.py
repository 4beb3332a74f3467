"""Statistics of seeds: DataFrame in, DataFrame out. No p-values: a handful of seeds carries none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

LEVEL = 0.95


def t_factor(n: ArrayLike) -> NDArray[np.float64]:
    """Half width of the 95 % t interval of a mean of `n` values, in units of their sd; NaN below two."""
    from scipy.special import stdtrit  # the t quantile without scipy.stats, which takes a second to import

    counts = np.asarray(n, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(counts >= 2, stdtrit(counts - 1, (1 + LEVEL) / 2) / np.sqrt(counts), np.nan)


def summarize(runs: pd.DataFrame, by: Sequence[str], value: str = "value") -> pd.DataFrame:
    """Per group of `by`: n (values that are not NaN), mean, sd (n - 1) and half (of the 95 % t interval)."""
    summary = runs.groupby(list(by), sort=True, observed=True)[value].agg(n="count", mean="mean", sd="std")
    summary["half"] = t_factor(summary["n"]) * summary["sd"]
    return summary


def paired_difference(
    left: pd.DataFrame, right: pd.DataFrame, on: Sequence[str], by: Sequence[str], value: str = "value"
) -> pd.DataFrame:
    """`summarize` of left - right over the pairs that agree on the columns `on` (the group and the seeds).

    `right` holds at most one row per key; a row of `left` without partner is left out, which n shows.
    """
    pairs = left.merge(right[[*on, value]], on=list(on), suffixes=("", "_right"), validate="many_to_one")
    return summarize(pairs.assign(difference=pairs[value] - pairs[f"{value}_right"]), by, "difference")
