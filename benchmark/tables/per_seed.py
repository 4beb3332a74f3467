"""The values of runs seed by seed, as statistics of orders and of differences take them."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from benchmark.tables.display_names import show


def valued_runs(runs: pd.DataFrame) -> pd.DataFrame:
    """Of the `runs` of a table (`frame.flatten`), those with a value: id, method, noise, value, kind, rate, seeds (a
    number for each choice of seeds) and repetition.

    `kind` is the noise without its rate ("symmetric"), `rate` 0 for clean labels and NaN for noise without one. Runs of
    different methods with the same `repetition` have equal seeds; where seeds are crossed, a repetition is the unit
    that counts as independent (`statistics.independent_units`), and holds several runs.
    """
    table = runs.loc[runs["value"].notna(), ["id", "method", "noise", "value"]].copy()
    rows = runs.loc[table.index]
    names = rows[["noise", "rate"]].drop_duplicates("noise").set_index("noise")["rate"]
    table["kind"] = rows["noise"].map({name: _kind(name, rate) for name, rate in names.items()})
    table["rate"] = rows["rate"].mask(rows["clean"], 0.0)
    table["seeds"] = rows["seeds"]
    table["repetition"] = rows["unit"].where(rows["unit"] != "", rows["seeds"].astype(str))
    return table.reset_index(drop=True)


def _kind(noise: str, rate: float) -> str:
    """ "symmetric:nested=true" of "symmetric:0.2,nested=true"."""
    name, colon, options = noise.partition(":")
    if pd.isna(rate) or not colon:
        return noise
    first, _, rest = options.partition(",")
    return noise if first != show(rate) else f"{name}:{rest}" if rest else name


def seed_means(runs: pd.DataFrame, noise: Sequence[str], methods: Sequence[str]) -> pd.DataFrame:
    """Mean value over the columns `noise` per repetition and method: [repetitions, methods], of `valued_runs`.

    NaN where a run is lacking in one of the columns, but for a column in which no method has a run: that is left out of
    all. The mean is over columns, each the mean of its runs.
    """
    chosen = runs[runs["noise"].isin(noise) & runs["method"].isin(methods)]
    cells = chosen.groupby(["repetition", "method", "noise"])["value"].mean().unstack("noise")
    return cells.mean(axis=1, skipna=False).unstack("method")
