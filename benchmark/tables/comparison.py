"""Comparison tables from run records: pure functions, no file and no formatting.

One block per (data set, backbone, recipe, track): methods down, noise cells across. A cell has a figure only
if all of its runs ended with a value; otherwise it is a hole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmark.hint_names import ALIKE_IN_BOTH_TRACKS
from benchmark.metrics import LOWER_IS_BETTER
from benchmark.store.content import Record
from benchmark.tables import footnotes
from benchmark.tables import frame as frames
from benchmark.tables.comparable import TableError
from benchmark.tables.display_names import Defaults
from benchmark.tables.matrix import ROPE
from benchmark.tables.order import ORDER, resolve
from benchmark.tables.per_seed import seed_means, valued_runs
from benchmark.tables.statistics import average_rank, paired_difference, summarize
from benchmark.tables.test_images import TestImages

__all__ = ["Block", "Defaults", "Marks", "Table", "TableError", "build"]

CELL = ["method", "noise"]
STATES = ("ok", "skipped", "diverged", "failed", "missing")
UNRANKED_RULE = "oracle_test"
ORDER_SEED = 0
"""Of the draws behind the probability of being best."""


@dataclass(frozen=True)
class Marks:
    """What a table shows of a method, by what its card says of a configuration."""

    needs: frozenset[str] = frozenset()
    """Hints that this configuration consumes."""
    cost: str = ""
    networks_at_test: int = 1
    plain_phases: frozenset[str] = frozenset()
    """Phases in which the method has not begun."""
    early_phases: frozenset[str] = frozenset()
    """Phases in which it has begun that come before its last one."""


@dataclass(frozen=True)
class Place:
    """What all runs of a block share."""

    dataset: str
    backbone: str
    recipe: str
    track: str
    protocol: str = ""
    """Said where the table holds runs of several protocols, which are never compared."""


@dataclass(frozen=True)
class Block:
    """The runs that may be compared with one another."""

    place: Place
    metric: str
    columns: tuple[str, ...]
    """Names of the kinds of noise with their rates, the clean one first."""
    clean: str | None
    noisy: tuple[str, ...]
    """The columns that methods are ranked by: those in which some label is wrong."""
    runs_per_cell: int
    """The number of runs of most cells: a cell with another number says so."""
    cells: pd.DataFrame
    """Per (method, noise): state (value, hole, skipped, undefined, absent), runs in each of `STATES`, total,
    n, units, mean, sd, half (width of the 95 % t interval), delta, delta_n, delta_half (against the baseline), drop
    (how much worse than the method's own clean runs), plain (runs whose epoch is of a phase in which the method has
    not begun), early (of another phase before its last one), and the means of
    `frames.DIAGNOSTICS`, NaN where the method reports none."""
    methods: pd.DataFrame
    """Per method, best average rank first: rank, repetitions, low, high, group, best (`order.resolve`; NaN where
    not ranked), cost, measured (seconds over the baseline's; NaN unless asked for), needs, networks, deviations (from
    the recipe, as text), unrecorded (some records do not hold them)."""
    notes: tuple[str, ...]
    """Each a `note_text`."""
    runs: pd.DataFrame
    """The runs behind it, a row each: columns as of `frames.flatten`, and needs."""
    valued: pd.DataFrame
    """Of these the runs of cells that have a value: see `per_seed.valued_runs`."""
    full: Mapping[str, str]
    """Name in which a long option is left out -> the whole name."""

    def whole(self, name: str) -> str:
        """A name of the block with nothing left out."""
        return self.full.get(name, name)


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
    rope: float = ROPE
    """Differences of at most so much are ties, where wins and losses are counted."""
    images: TestImages | None = None


def build(
    records: Sequence[Record],
    *,
    rule: str,
    metric: str,
    baseline: str,
    expected: Sequence[Record] | None = None,
    suite: str | None = None,
    marks: Mapping[bytes, Marks] | None = None,
    defaults: Defaults | None = None,
    extra_test: str | None = None,
    timing: bool = False,
    diagnostics: bool = False,
    rope: float = ROPE,
    images: TestImages | None = None,
) -> Table:
    """The table of `records` (ended runs and failures, in any order), by one reporting rule and metric.

    `metric`: "main" stands for each data set's own main metric. `baseline`: row name of the method that
    differences are taken from. `expected`: the runs of the grid, each with its spec; those without a record are
    missing. `marks`: by `frame.part_key` of the method. `defaults`: default configurations, so that row names show
    only the options that differ from them. `extra_test`: score on that test set instead. `timing`: measured cost
    too, which differs between equal runs. `diagnostics`: what methods report of themselves. `rope`, `images`: as in
    `Table`. Raises TableError where the runs are not comparable.
    """
    runs = frames.unique(records)
    kept = [record for record, _ in runs.values()]
    frame = frames.flatten(
        kept, rule=rule, metric=metric, extra_test=extra_test, expected=expected or (), defaults=defaults
    )
    frame["needs"] = _needs(frame, marks or {})
    compare = Comparison(baseline, rule != UNRANKED_RULE, timing, marks or {})
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
        blocks=tuple(_block(place, group, compare, explained) for place, group in _places(frame)),
        rope=rope,
        images=images,
    )


@dataclass(frozen=True)
class Comparison:
    """How the methods of every block are compared."""

    baseline: str
    ranked: bool
    timing: bool
    marks: Mapping[bytes, Marks]


def _needs(frame: pd.DataFrame, marks: Mapping[bytes, Marks]) -> pd.Series:
    """Per run the hints that it consumed, as text: as recorded, or else as its method says of the configuration."""
    said = {key: ", ".join(sorted(mark.needs)) for key, mark in marks.items()}
    return frame["hints"].fillna(frame["method_key"].map(lambda key: said.get(key, "")))


def _places(frame: pd.DataFrame) -> Iterator[tuple[Place, pd.DataFrame]]:
    """The runs of each (data set, backbone, recipe, track, protocol).

    A run that needs no hint but those of both tracks is made once, in the blind one, and is shown in the oracle track
    too.
    """
    several = frame["protocol"].nunique() > 1
    for (protocol, dataset, backbone, recipe), group in frame.groupby(
        ["protocol", "dataset", "backbone", "recipe"], sort=True
    ):
        tracks = dict(list(group.groupby("track", sort=True)))
        if set(tracks) == {"blind", "oracle"}:
            told = tracks["blind"]["needs"].str.split(", ").map(frozenset)
            shared = tracks["blind"][told.map(lambda names: names <= ALIKE_IN_BOTH_TRACKS | {""})]
            tracks["oracle"] = pd.concat([tracks["oracle"], shared])
            if len(shared) == len(tracks["blind"]):
                del tracks["blind"]
        for track, runs in tracks.items():
            yield Place(dataset, backbone, recipe, track, str(protocol) if several else ""), runs


def _block(place: Place, runs: pd.DataFrame, compare: Comparison, explained: frozenset[str]) -> Block:
    order = runs[["noise", "clean", "noise_kind", "rate"]].drop_duplicates("noise")
    order = order.sort_values(["clean", "noise_kind", "rate", "noise"], ascending=[False, True, True, True])
    columns = tuple(order["noise"])
    clean = columns[0] if order["clean"].iloc[0] else None
    worst = runs.groupby("noise")["realized"].max()
    noisy = tuple(name for name in columns if name != clean and worst[name] != 0)
    (metric,) = runs["metric"].unique()
    lower_is_better = metric in LOWER_IS_BETTER
    table = cells(runs, columns)
    with_value = table.index[table["state"] == "value"]
    whole = len(with_value) == len(table)  # the usual case
    valued = runs if whole else runs[pd.MultiIndex.from_frame(runs[CELL]).isin(with_value)]
    table = table.join(_deltas(valued, compare.baseline)).join(_drops(valued, clean, lower_is_better))
    table = table.join(valued.groupby(CELL)[list(frames.DIAGNOSTICS)].mean())
    for column in ("plain", "early"):
        phases = {key: getattr(mark, f"{column}_phases") for key, mark in compare.marks.items()}
        table[column] = _runs_in(valued, phases).reindex(table.index, fill_value=0)
    methods = _methods(runs, valued, table, compare)
    ranked = table["mean"].unstack("noise").reindex(columns=list(noisy))
    methods["rank"] = _ranks(ranked, methods["tuned"], lower_is_better) if compare.ranked and noisy else np.nan
    kept = valued_runs(valued)
    methods = methods.join(_resolved(kept, methods, noisy, lower_is_better))
    methods = _default_beside_tuned(methods)
    full = _full_names(runs)
    return Block(
        place,
        metric=metric,
        columns=columns,
        clean=clean,
        noisy=noisy,
        runs_per_cell=_most_common(table["total"]),
        cells=table,
        methods=methods,
        notes=tuple(
            footnotes.of_block(
                runs, table, methods, metric=metric, baseline=compare.baseline, explained=explained, full=full
            )
        ),
        runs=runs,
        valued=kept,
        full=full,
    )


def _full_names(runs: pd.DataFrame) -> dict[str, str]:
    names: dict[str, str] = {}
    for of_spec in runs.drop_duplicates("spec_key")["in_full"]:
        names |= of_spec
    return names


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
    """Differences from the baseline, paired by seeds within the noise cell; tuned methods from the tuned baseline."""
    valued = valued[[*CELL, "seeds", "unit", "tuned", "plugin", "value"]]
    is_baseline = (valued["method"] == baseline) | ((valued["tuned"] > 0) & (valued["plugin"] == baseline))
    differences = paired_difference(valued[~is_baseline], valued[is_baseline], on=["noise", "seeds", "tuned"], by=CELL)
    return differences.rename(columns={"mean": "delta", "n": "delta_n", "half": "delta_half"}).drop(
        columns=["sd", "units"]
    )


def _drops(valued: pd.DataFrame, clean: str | None, lower_is_better: bool) -> pd.Series:
    """How much worse than the method's own clean runs of the same seeds; positive is worse."""
    valued = valued[[*CELL, "seeds", "unit", "value"]]
    clean_runs = valued[valued["noise"] == clean]
    others = valued[valued["noise"] != clean]
    change = paired_difference(others, clean_runs, on=["method", "seeds"], by=CELL)["mean"]
    return (change if lower_is_better else -change).rename("drop")


def _runs_in(valued: pd.DataFrame, phases: Mapping[bytes, frozenset[str]]) -> pd.Series:
    """Number of runs per cell whose reported epoch is of one of the `phases` of their method."""
    named = {key: of_method for key, of_method in phases.items() if of_method}
    runs = valued.loc[valued["method_key"].isin(named), [*CELL, "method_key", "phase"]]
    keys = zip(runs["method_key"], runs["phase"], strict=True)
    return runs[np.array([phase in named[key] for key, phase in keys], dtype=bool)].groupby(CELL).size()


def _ranks(means: pd.DataFrame, tuned: pd.Series, lower_is_better: bool) -> pd.Series:
    """Average ranks of `means` [methods, cells] among the methods of the same tuning budget."""
    groups = [average_rank(group, lower_is_better) for _, group in means.groupby(tuned.reindex(means.index))]
    return pd.concat(groups) if groups else pd.Series(dtype="float64")


def _resolved(runs: pd.DataFrame, methods: pd.DataFrame, noisy: Sequence[str], lower_is_better: bool) -> pd.DataFrame:
    """Per ranked method repetitions, low, high, group and best (see `resolve`), among methods of one tuning budget.

    Scores are means over the noisy columns, per seed: rates of one data set share images and flips, so they are no
    repetitions of one another.
    """
    ranked = methods.index[methods["rank"].notna()]
    scores = seed_means(runs, noisy, ranked)
    scores = -scores if lower_is_better else scores
    groups = [
        resolve(scores.reindex(columns=names).dropna(), np.random.default_rng(ORDER_SEED))
        for names in methods.loc[ranked].groupby("tuned").groups.values()
    ]
    return pd.concat(groups) if groups else pd.DataFrame(columns=ORDER)


def _default_beside_tuned(methods: pd.DataFrame) -> pd.DataFrame:
    """The rows by rank; a tuned method stands below the same method as it is."""
    place = methods["rank"].where(methods["tuned"] == 0)
    of_plugin = place.groupby(methods["plugin"]).transform("min").fillna(methods["rank"])
    own = place.fillna(of_plugin)
    order = methods.assign(place=own, name=methods.index.str.replace(r" tuned \(N = \d+\)$", "", regex=True))
    return methods.loc[order.sort_values(["place", "name", "tuned"], kind="stable").index]


def _methods(runs: pd.DataFrame, valued: pd.DataFrame, table: pd.DataFrame, compare: Comparison) -> pd.DataFrame:
    methods = (
        runs[["method", "method_key", "plugin", "tuned", "clean_set"]].drop_duplicates("method").set_index("method")
    )
    of_method = runs.groupby("method")
    methods["deviations"] = of_method["deviations"].agg(lambda texts: " or ".join(sorted(set(texts) - {""})))
    methods["unrecorded"] = of_method["unrecorded"].any()
    methods["needs"] = of_method["needs"].max()
    marks = [compare.marks.get(key, Marks()) for key in methods.pop("method_key")]
    methods["cost"] = [mark.cost for mark in marks]
    methods["networks"] = [mark.networks_at_test for mark in marks]
    methods["measured"] = _measured_cost(valued, compare.baseline) if compare.timing else np.nan
    return methods


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
