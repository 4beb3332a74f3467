"""What figures of cells show: scores by noise rate, and one score, place and cost per method. DataFrame in and out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import orjson
import pandas as pd

from benchmark.tables import display_names
from benchmark.tables.statistics import DIGITS, summarize


def rates(runs: pd.DataFrame) -> pd.DataFrame:
    """Per noise column of `runs` (as `frame.flatten` returns them): family, rate, clean, realized.

    Columns of one family differ in their rate alone, which is the one that their name says, or else the mean realized
    rate; NaN where neither is known. The clean column is of the family "", with rate 0.
    """
    columns = runs.groupby("noise").agg(
        kind=("noise_kind", "first"),
        key=("noise_key", "first"),
        named=("rate", "first"),
        clean=("clean", "first"),
        realized=("realized", "mean"),
    )
    columns["rate"] = columns["named"].fillna(columns["realized"]).mask(columns["clean"], 0.0)
    options = {name: display_names.options(orjson.loads(key)) for name, key in columns.pop("key").items()}
    differing = _differing(columns, options)
    columns["family"] = [
        "" if row["clean"] else ", ".join([row["kind"], *display_names.pairs(differing[name].items())])
        for name, row in columns.iterrows()
    ]
    return columns[["family", "rate", "clean", "realized"]]


def _differing(columns: pd.DataFrame, options: dict[str, dict[str, object]]) -> dict[str, dict[str, object]]:
    """Of every column with a named rate the options in which columns of its kind and rate differ."""
    differing: dict[str, dict[str, object]] = {name: {} for name in columns.index}
    for _, group in columns[columns["named"].notna()].groupby("kind"):
        names = list(group.index)
        for option in sorted({option for name in names for option in options[name]} - {"rate"}):
            values = {name: options[name].get(option) for name in names}
            if len({orjson.dumps(value) for value in values.values()}) > 1:
                for name in names:
                    differing[name][option] = values[name]
    return differing


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


def over_noise(runs: pd.DataFrame, noise: Sequence[str]) -> pd.DataFrame:
    """Per method: n, units, mean, sd and half of its means over the columns `noise`, a mean for each repetition.

    Columns share images and the rates of one kind share flips, so that only seeds are repetitions. Methods that lack a
    value in a column are left out.
    """
    valued = runs[runs["noise"].isin(noise) & runs["value"].notna()]
    repetition = valued["unit"].where(valued["unit"] != "", valued["seeds"].astype(str)).rename("repetition")
    means = valued.groupby([valued["method"], repetition, valued["noise"]])["value"].mean().unstack("noise")
    means = means.reindex(columns=list(noise))
    whole = means.dropna().mean(axis=1).rename("value").reset_index().assign(unit="")
    holes = set(means.index[means.isna().any(axis=1)].get_level_values("method"))
    return summarize(whole[~whole["method"].isin(holes)], ["method"])


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
