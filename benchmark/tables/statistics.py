"""Statistics of seeds: DataFrame in, DataFrame out. Without p-values; `sign_flip` says what few pairs can show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

LEVEL = 0.95
DIGITS = 3
"""Digits of a figure in a table. Means are ranked as they are shown: what prints alike ranks alike."""

EXACT_DIGITS = 12
"""Digits to which means are kept: how they were added up must not decide between .704 and .705 where one is .7045."""

SEEDS = ("noise", "init", "order", "method")


def t_factor(n: ArrayLike) -> NDArray[np.float64]:
    """Half width of the 95 % t interval of a mean of `n` values, in units of their sd; NaN below two."""
    from scipy.special import stdtrit  # the t quantile without scipy.stats, which takes a second to import

    counts = np.asarray(n, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(counts >= 2, stdtrit(counts - 1, (1 + LEVEL) / 2) / np.sqrt(counts), np.nan)


def independent_units(seeds: pd.DataFrame, cell: pd.Series) -> pd.Series:
    """Per run the unit that may count as independent of the others of its `cell`: "" for the run itself.

    `seeds`: a column for each of `SEEDS`. Runs are independent if each of their seeds is either the same in the
    whole cell or different in every run. Otherwise seeds are crossed: runs that share a seed vary together, and the
    unit is the source of randomness with the fewest seeds, as "noise=1"; the other sources are averaged over.
    """
    levels = seeds.groupby(cell).transform("nunique")
    size = seeds.groupby(cell).transform("size")
    varying = levels.gt(1)
    crossed = (varying & levels.ne(size, axis=0)).any(axis=1)
    unit = pd.Series("", index=seeds.index, dtype=object)
    if crossed.any():
        coarsest = levels[crossed].where(varying[crossed]).idxmin(axis=1)
        chosen = [f"{source}={seeds.at[row, source]}" for row, source in coarsest.items()]
        unit[crossed] = chosen
    return unit


def summarize(runs: pd.DataFrame, by: Sequence[str], value: str = "value") -> pd.DataFrame:
    """Per group of `by`: n (values that are not NaN), units, mean, sd (n - 1) and half (of the 95 % t interval).

    Mean, sd and half are over the independent units of the column `unit` (see `independent_units`); each is the
    mean of its runs. `units` is their number: n, unless seeds are crossed.
    """
    single = runs["unit"] == ""
    values = runs if single.all() else pd.concat([runs[single], _means(runs[~single], [*by, "unit"], value)])
    summary = values.groupby(list(by), sort=True, observed=True)[value].agg(units="count", mean="mean", sd="std")
    summary["mean"] = summary["mean"].round(EXACT_DIGITS)
    counts = summary["units"] if values is runs else runs.groupby(list(by), sort=True, observed=True)[value].count()
    summary.insert(0, "n", counts)
    summary["half"] = t_factor(summary["units"]) * summary["sd"]
    return summary


def _means(runs: pd.DataFrame, by: Sequence[str], value: str) -> pd.DataFrame:
    return runs.groupby(list(by), sort=True, observed=True)[value].mean().reset_index()


def paired_difference(
    left: pd.DataFrame, right: pd.DataFrame, on: Sequence[str], by: Sequence[str], value: str = "value"
) -> pd.DataFrame:
    """`summarize` of left - right over the pairs that agree on the columns `on` (the group and the seeds).

    `right` holds at most one row per key; a row of `left` without partner is left out, which n shows.
    """
    columns = list(dict.fromkeys([*by, *on, "unit", value]))
    pairs = left[columns].merge(right[[*on, value]], on=list(on), suffixes=("", "_right"), validate="many_to_one")
    return summarize(pairs.assign(difference=pairs[value] - pairs[f"{value}_right"]), by, "difference")


def average_rank(means: pd.DataFrame, lower_is_better: bool) -> pd.Series:
    """Mean over the noise cells of the rank (1 is best, ties share theirs) of `means` [methods, cells], as printed.

    A method without a value in a cell where another has one is not ranked.
    """
    whole = means.dropna(axis=1, how="all").dropna(axis=0)
    # Python's rounding, which is that of printing; numpy's differs where a figure lies between two digits.
    printed = whole.map(lambda mean: round(mean, DIGITS))
    return printed.rank(axis=0, ascending=lower_is_better).mean(axis=1)
