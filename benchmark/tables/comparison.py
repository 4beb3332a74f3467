"""Comparison tables from run records: pure functions, no file and no formatting.

One block per (data set, backbone, recipe, track): methods down, noise cells across. A cell has a figure only
if all of its runs ended with a value; otherwise it is a hole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmark.metrics import LOWER_IS_BETTER
from benchmark.store.content import Record
from benchmark.tables import footnotes
from benchmark.tables import frame as frames
from benchmark.tables.comparable import TableError
from benchmark.tables.display_names import Defaults
from benchmark.tables.statistics import paired_difference, summarize

__all__ = ["Block", "Defaults", "Marks", "Table", "TableError", "build"]

CELL = ["method", "noise"]
STATES = ("ok", "skipped", "diverged", "failed", "missing")
UNRANKED_RULE = "oracle_test"


@dataclass(frozen=True)
class Marks:
    """What a table shows of a method's card."""

    needs: frozenset[str] = frozenset()
    cost: str = ""
    networks_at_test: int = 1


@dataclass(frozen=True)
class Place:
    """What all runs of a block share."""

    dataset: str
    backbone: str
    recipe: str
    track: str


@dataclass(frozen=True)
class Block:
    """The runs that may be compared with one another."""

    place: Place
    columns: tuple[str, ...]
    """Names of the kinds of noise with their rates, the clean one first."""
    clean: str | None
    runs_per_cell: int
    """The number of runs of most cells: a cell with another number says so."""
    cells: pd.DataFrame
    """Per (method, noise): state (value, hole, skipped, undefined, absent), runs in each of `STATES`, total,
    n, mean, sd, half (width of the 95 % t interval), delta, delta_n, delta_half (against the baseline), drop
    (how much worse than the method's own clean runs), and the means of `frames.DIAGNOSTICS`, NaN where the
    method reports none."""
    methods: pd.DataFrame
    """Per method, best average rank first: rank, cost, measured (seconds over the baseline's; NaN unless
    asked for), needs, networks, deviations (from the recipe, as text), unrecorded (some records do not hold them)."""
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """Blocks, and where their numbers come from."""

    rule: str
    metric: str
    baseline: str
    extra_test: str | None
    suite: str
    num_runs: int
    digest: str
    """SHA-256 of the records: their curves, provenance and timing aside."""
    commits: tuple[str, ...]
    hardware: tuple[str, ...]
    timing: bool
    diagnostics: bool
    blocks: tuple[Block, ...]


def build(
    records: Sequence[Record],
    *,
    rule: str,
    metric: str,
    baseline: str,
    expected: Sequence[Mapping[str, Any]] | None = None,
    suite: str | None = None,
    needs: Mapping[str, Marks] | None = None,
    defaults: Defaults | None = None,
    extra_test: str | None = None,
    timing: bool = False,
    diagnostics: bool = False,
) -> Table:
    """The table of `records` (ended runs and failures, in any order), by one reporting rule and metric.

    `baseline`: row name of the method that differences are taken from. `expected`: the specs of the grid;
    those without a record are missing. `needs`: marks by method name. `defaults`: default configurations, so
    that row names show only the options that differ from them. `extra_test`: score on that test set instead.
    `timing`: measured cost too, which differs between equal runs. `diagnostics`: what methods report of themselves.
    Raises TableError where the runs are not comparable.
    """
    runs = frames.unique(records)
    kept = [record for record, _ in runs.values()]
    frame = frames.flatten(
        kept, rule=rule, metric=metric, extra_test=extra_test, expected=expected or (), defaults=defaults
    )
    marks = needs or {}
    compare = Comparison(baseline, metric, rule != UNRANKED_RULE, timing, marks)
    explained = frozenset((defaults or {}).get("method", {}))
    return Table(
        rule=rule,
        metric=metric,
        baseline=baseline,
        extra_test=extra_test,
        suite=suite or ", ".join(frames.suites(kept)) or "none",
        num_runs=len(runs),
        digest=frames.digest(runs),
        commits=frames.commits(kept),
        hardware=frames.hardware(kept),
        timing=timing,
        diagnostics=diagnostics,
        blocks=tuple(_block(place, group, compare, explained) for place, group in _places(frame, marks)),
    )


@dataclass(frozen=True)
class Comparison:
    """How the methods of every block are compared."""

    baseline: str
    metric: str
    ranked: bool
    timing: bool
    marks: Mapping[str, Marks]

    @property
    def lower_is_better(self) -> bool:
        return self.metric in LOWER_IS_BETTER


def _places(frame: pd.DataFrame, marks: Mapping[str, Marks]) -> Iterator[tuple[Place, pd.DataFrame]]:
    """The runs of each (data set, backbone, recipe, track).

    A method that needs no hint runs once, in the blind track, and is shown in the oracle track too.
    """
    neutral = [name for name, mark in marks.items() if not mark.needs]
    for (dataset, backbone, recipe), group in frame.groupby(["dataset", "backbone", "recipe"], sort=True):
        tracks = dict(list(group.groupby("track", sort=True)))
        if set(tracks) == {"blind", "oracle"}:
            shared = tracks["blind"][tracks["blind"]["plugin"].isin(neutral)]
            tracks["oracle"] = pd.concat([tracks["oracle"], shared])
            if len(shared) == len(tracks["blind"]):
                del tracks["blind"]
        for track, runs in tracks.items():
            yield Place(dataset, backbone, recipe, track), runs


def _block(place: Place, runs: pd.DataFrame, compare: Comparison, explained: frozenset[str]) -> Block:
    order = runs[["noise", "clean", "noise_kind", "rate"]].drop_duplicates("noise")
    order = order.sort_values(["clean", "noise_kind", "rate", "noise"], ascending=[False, True, True, True])
    columns = tuple(order["noise"])
    clean = columns[0] if order["clean"].iloc[0] else None
    table = cells(runs, columns)
    with_value = table.index[table["state"] == "value"]
    valued = runs[pd.MultiIndex.from_frame(runs[CELL]).isin(with_value)]
    table = table.join(_deltas(valued, compare.baseline)).join(_drops(valued, clean, compare.lower_is_better))
    table = table.join(valued.groupby(CELL)[list(frames.DIAGNOSTICS)].mean())
    methods = _methods(runs, valued, table, compare)
    return Block(
        place,
        columns=columns,
        clean=clean,
        runs_per_cell=_most_common(table["total"]),
        cells=table,
        methods=methods,
        notes=tuple(
            footnotes.of_block(
                runs, table, methods, metric=compare.metric, baseline=compare.baseline, explained=explained
            )
        ),
    )


def cells(runs: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Per (method, noise): the number of runs by state and, where all have a value, mean, sd and half."""
    index = pd.MultiIndex.from_product([sorted(runs["method"].unique()), columns], names=CELL)
    counts = runs.groupby([*CELL, "state"]).size().unstack("state", fill_value=0)
    counts = counts.reindex(index=index, columns=list(STATES), fill_value=0).astype(int)
    counts["total"] = counts.sum(axis=1)
    table = counts.join(summarize(runs, CELL))
    table["n"] = table["n"].fillna(0).astype(int)
    n, total = table["n"], table["total"]
    kinds = {
        "absent": total == 0,
        "value": n == total,
        "skipped": table["skipped"] == total,
        "undefined": (table["ok"] == total) & (n == 0),
    }
    table["state"] = np.select(list(kinds.values()), list(kinds), "hole")
    table.loc[table["state"] != "value", ["mean", "sd", "half"]] = np.nan
    return table


def _deltas(valued: pd.DataFrame, baseline: str) -> pd.DataFrame:
    """Differences from the baseline, paired by seeds within the noise cell."""
    baseline_runs = valued[valued["method"] == baseline]
    others = valued[valued["method"] != baseline]
    differences = paired_difference(others, baseline_runs, on=["noise", "seeds"], by=CELL)
    return differences.rename(columns={"mean": "delta", "n": "delta_n", "half": "delta_half"}).drop(columns="sd")


def _drops(valued: pd.DataFrame, clean: str | None, lower_is_better: bool) -> pd.Series:
    """How much worse than the method's own clean runs of the same seeds; positive is worse."""
    clean_runs = valued[valued["noise"] == clean]
    others = valued[valued["noise"] != clean]
    change = paired_difference(others, clean_runs, on=["method", "seeds"], by=CELL)["mean"]
    return (change if lower_is_better else -change).rename("drop")


def _methods(runs: pd.DataFrame, valued: pd.DataFrame, table: pd.DataFrame, compare: Comparison) -> pd.DataFrame:
    methods = runs[["method", "plugin"]].drop_duplicates("method").set_index("method")
    of_method = runs.groupby("method")
    methods["deviations"] = of_method["deviations"].agg(lambda texts: " or ".join(sorted(set(texts) - {""})))
    methods["unrecorded"] = of_method["unrecorded"].any()
    marks = [compare.marks.get(plugin, Marks()) for plugin in methods["plugin"]]
    methods["needs"] = [", ".join(sorted(mark.needs)) for mark in marks]
    methods["cost"] = [mark.cost for mark in marks]
    methods["networks"] = [mark.networks_at_test for mark in marks]
    methods["rank"] = average_rank(table["mean"].unstack("noise"), compare.lower_is_better)
    if not compare.ranked:
        methods["rank"] = np.nan
    methods["measured"] = _measured_cost(valued, compare.baseline) if compare.timing else np.nan
    return methods.sort_values(["rank", "method"])


def average_rank(means: pd.DataFrame, lower_is_better: bool) -> pd.Series:
    """Mean over the noise cells of the rank (1 is best, ties share theirs) of `means` [methods, cells].

    A method without a value in a cell where another has one is not ranked.
    """
    whole = means.dropna(axis=1, how="all").dropna(axis=0)
    return whole.rank(axis=0, ascending=lower_is_better).mean(axis=1)


def _measured_cost(valued: pd.DataFrame, baseline: str) -> pd.Series:
    """Seconds over the baseline's, summed over the noise cells that both have."""
    seconds = valued.groupby(CELL)["seconds"].mean().astype("float64").unstack("noise")
    if baseline not in seconds.index:
        return pd.Series(dtype="float64")
    shared = seconds.notna() & seconds.loc[baseline].notna()
    return seconds.where(shared).sum(axis=1, min_count=1) / shared.mul(seconds.loc[baseline]).sum(axis=1)


def _most_common(totals: pd.Series) -> int:
    counts = totals[totals > 0].value_counts()
    return int(counts.index[counts == counts.max()].max())
