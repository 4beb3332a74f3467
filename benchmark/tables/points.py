"""What figures of cells show: scores by noise rate, and one score, place and cost per method. DataFrame in and out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmark.tables.statistics import DIGITS, summarize


def rates(runs: pd.DataFrame, valued: pd.DataFrame) -> pd.DataFrame:
    """Per noise column: family, rate and clean, of `Block.runs` and `Block.valued`.

    Columns of one family differ in their rate alone, which is the one that their name says, or else the mean realized
    rate of a kind of noise without rates; NaN where neither is known. The clean column is of the family "", rate 0.
    """
    columns = runs.groupby("noise").agg(
        family=("noise_kind", "first"), clean=("clean", "first"), realized=("realized", "mean")
    )
    named = valued.drop_duplicates("noise").set_index("noise")
    rate = named["rate"].reindex(columns.index)
    columns["family"] = named["kind"].reindex(columns.index).where(rate.notna(), columns["family"])
    columns["family"] = columns["family"].mask(columns["clean"], "")
    columns["rate"] = rate.fillna(columns.pop("realized")).mask(columns["clean"], 0.0)
    return columns


def by_rate(cells: pd.DataFrame, columns: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """Per (family, method, rate): mean, half and state of the cell; the clean cell begins every family.

    `cells` as of a `Block`, `columns` as `rates` returns them. Where two columns of a family have one rate, each has
    its row. Columns without a rate are left out.
    """
    known = columns[columns["rate"].notna()]
    clean, noisy = known[known["clean"]], known[~known["clean"]]
    begun = pd.concat([clean.assign(family=family) for family in noisy["family"].unique()] or [clean])
    points = pd.concat([begun, noisy]).rename_axis("noise").reset_index()
    points = points.merge(cells.loc[list(methods), ["state", "mean", "half"]].reset_index(), on="noise")
    return points.sort_values(["family", "method", "rate", "noise"], kind="stable", ignore_index=True)


def over_noise(scores: pd.DataFrame) -> pd.DataFrame:
    """Per method of `scores` [repetitions, methods] (`per_seed.seed_means`): n, units, mean, sd and half.

    Methods that lack a score of some repetition of theirs are left out: they have a hole in a column.
    """
    rows = scores.rename_axis(index="repetition", columns="method").stack().rename("value").reset_index()
    return summarize(rows.assign(unit=""), ["method"])


def places(scores: pd.Series, tuned: pd.Series, lower_is_better: bool) -> pd.Series:
    """Place of every mean score, as printed, among the methods of the same tuning budget; ties share a place."""
    printed = scores.map(lambda score: round(score, DIGITS))
    return printed.groupby(tuned.reindex(scores.index)).rank(ascending=lower_is_better, method="average")


def front(points: pd.DataFrame, lower_is_better: bool) -> pd.Series:
    """Per row of `points` (cost, mean) whether no other one is as cheap and better, or as good and cheaper."""
    sign = -1.0 if lower_is_better else 1.0
    cost, score = points["cost"].to_numpy(np.float64), sign * points["mean"].to_numpy(np.float64)
    no_worse = (cost[None, :] <= cost[:, None]) & (score[None, :] >= score[:, None])
    better = (cost[None, :] < cost[:, None]) | (score[None, :] > score[:, None])
    return pd.Series(~(no_worse & better).any(axis=1), index=points.index, name="front")
