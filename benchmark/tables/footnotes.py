"""The footnotes of a table: marks, deviations, holes, skipped cells, realized noise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pandas as pd

from benchmark.hint_names import ALIKE_IN_BOTH_TRACKS, SOFT_LABELS
from benchmark.tables.note_text import code, probability
from benchmark.tables.order import MIN_UNITS, letters_told
from benchmark.tables.statistics import t_factor

NAMED_CELLS = 6
"""More cells than this are counted instead of named."""


def of_block(
    runs: pd.DataFrame,
    cells: pd.DataFrame,
    methods: pd.DataFrame,
    *,
    metric: str,
    baseline: str,
    explained: frozenset[str],
    full: Mapping[str, str],
) -> Iterator[str]:
    """Sentences about one block. `explained`: methods whose row names show every option that is not default.

    `full`: as in `comparison.Block`.
    """
    yield from _intervals(runs, cells)
    yield from _order(methods)
    yield from _scale(runs, cells, metric)
    yield from _tests(runs)
    yield from _marks(runs, methods)
    yield from _not_begun(cells)
    yield from _tuned(runs)
    if baseline not in methods.index:
        yield f"no runs of {code(baseline)} here: no differences from it, no measured cost"
    yield from _noise(runs)
    yield from _holes(runs, cells)
    unexplained = runs[~runs["plugin"].isin(explained)].drop_duplicates("method").sort_values("method")
    options = [f"{code(m)} {o}" for m, o in zip(unexplained["method"], unexplained["options"], strict=True) if o]
    if options:
        yield "full configurations: " + "; ".join(options)
    sources = runs.groupby("method")["source"].nunique()
    for method in sources.index[sources > 1]:
        yield (
            f"{code(method)}: its runs come from {sources[method]} states of its source file under one version "
            "number; run them again, or bump its version, if the change matters"
        )
    yield from in_full(full)


def in_full(names: Mapping[str, str]) -> Iterator[str]:
    """A sentence with the whole names of `comparison.Block.full`."""
    if names:
        yield "in full: " + "; ".join(f"{code(short)} is {code(full)}" for short, full in sorted(names.items()))


def _intervals(runs: pd.DataFrame, cells: pd.DataFrame) -> Iterator[str]:
    counts = sorted({int(units) for units in cells["units"][cells["state"] == "value"] if units > 1})
    if counts:
        factors = ", ".join(f"{t_factor(n):.2f} sd at n = {n}" for n in counts)
        yield f"95 % t interval of a mean: mean ± {factors}"
    units = runs["unit"][runs["unit"] != ""]
    for source in sorted({unit.partition("=")[0] for unit in units}):
        seeds = units[units.str.startswith(f"{source}=")].nunique()
        yield (
            f"seeds are crossed, so runs are not independent: sd and intervals are over the {seeds} seeds of "
            f"{source}, each the mean of its runs"
        )


def _order(methods: pd.DataFrame) -> Iterator[str]:
    """How much of the order the data resolve."""
    budgets = methods[methods["rank"].notna()].groupby("tuned")
    for budget, group in budgets:
        if len(group) < 2:
            continue
        of = (f" tuned (N = {budget:.0f})" if budget else " as they are") if budgets.ngroups > 1 else ""
        repetitions = int(group["repetitions"].iloc[0])
        if repetitions < MIN_UNITS:
            least = 0.5 ** (repetitions - 1)
            why = f" (an exact sign-flip test cannot go below p = {least:.3g})" if repetitions > 1 else ""
            yield f"order: none is claimed with n = {repetitions}{why}; {MIN_UNITS} seeds or more are needed for one"
            continue
        width = (group["high"] - group["low"] + 1).median()
        first = group["best"].idxmax()
        yield (
            f"place: 95 % interval among {len(group)} methods{of} (median width {width:g}), by paired t tests of the "
            f"means over the noisy columns, n = {repetitions} seeds, corrected for all comparisons of a method (Holm). "
            f"Methods that share a letter{letters_told(list(group['group']))} are not told apart, by the same tests. "
            "Most likely the best: "
            f"{code(first)}, with probability {probability(group['best'].max())}. The columns share images, and the "
            "rates of one kind share flips, so columns are no repetitions"
        )


def _scale(runs: pd.DataFrame, cells: pd.DataFrame, metric: str) -> Iterator[str]:
    """Which metric chose the epochs, and the sampling error of the test set."""
    choosers = sorted(set(runs["main_metric"].dropna()))
    if choosers:
        yield f"epochs chosen by {', '.join(choosers)}"
    sizes = runs["test_size"].dropna()
    means = cells["mean"].dropna()
    if metric == "accuracy" and len(sizes) and len(means):
        worst = (means * (1 - means) / sizes.min()).max() ** 0.5
        yield (
            f"sampling error of the test set ({sizes.min():.0f} images): sd up to {worst:.3f}; "
            "all methods share it, and no seed shows it"
        )


def _tests(runs: pd.DataFrame) -> Iterator[str]:
    """What is wrong with the test sets."""
    shared = runs.groupby("dataset")[["shared_images", "test_size"]].max()
    for dataset, (count, size) in shared[shared["shared_images"] > 0].iterrows():
        yield f"{count:.0f} of the {size:.0f} test images of {dataset} are training images too: figures are too high"
    yield from sorted({note for notes in runs["test_notes"].unique() for note in notes.split("\n") if note})
    trained = runs[runs["state"] == "ok"]
    unknown = sorted(set(trained["noise"][trained["realized"].isna()]))
    if unknown:
        yield (
            f"the true labels are unknown at {', '.join(unknown)}: the test labels may be as doubtful as the training "
            "labels, and a figure is the agreement with them"
        )


def _marks(runs: pd.DataFrame, methods: pd.DataFrame) -> Iterator[str]:
    for size, group in methods[methods["clean_set"] > 0].groupby("clean_set"):
        names = ", ".join(map(code, sorted(group.index)))
        yield f"† privileged: given the true labels of {size} training images, a clean set ({names})"
    told = methods["needs"].str.split(", ").map(frozenset)
    by_raters = sorted(methods.index[told.map(lambda names: SOFT_LABELS in names)])
    if by_raters:
        yield (
            "† trained on the probabilities that the raters of each image give the classes, where the others see one "
            f"label ({', '.join(map(code, by_raters))})"
        )
    needs = told.map(lambda names: ", ".join(sorted(names - ALIKE_IN_BOTH_TRACKS)))
    privileged = needs[needs != ""].sort_index()
    if len(privileged):
        users = privileged.groupby(privileged).agg(lambda same: ", ".join(map(code, same.index)))
        how = "uses" if (runs["track"] == "oracle").any() else "uses an estimate of"
        yield f"† privileged: {how} " + "; ".join(f"{needs} ({who})" for needs, who in users.items())
    deviating = methods["deviations"][methods["deviations"] != ""].sort_index()
    if len(deviating):
        brought = "; ".join(f"{code(method)} {text}" for method, text in deviating.items())
        yield f"* deviates from the matched recipe: {brought}"
    unrecorded = sorted(methods.index[methods["unrecorded"]])
    if unrecorded:
        whose = "" if len(unrecorded) == len(methods) else " of " + ", ".join(map(code, unrecorded))
        yield f"where optimizers{whose} deviate from the matched recipe is not recorded (records of schema 1)"


def _not_begun(cells: pd.DataFrame) -> Iterator[str]:
    affected = cells[cells["plain"] > 0].index.to_frame(index=False)
    if len(affected):
        yield f"‡ the reported epoch of some runs is one in which the method has not begun: {_where(affected)}"
    early = cells[cells["early"] > 0].index.to_frame(index=False)
    if len(early):
        yield f"the reported epoch of some runs lies before the method's last phase: {_where(early)}"


def _tuned(runs: pd.DataFrame) -> Iterator[str]:
    """What was chosen of every tuned method."""
    tuned = runs[runs["tuned"] > 0].drop_duplicates("method").sort_values("method")
    for budget, group in tuned.groupby("tuned"):
        chosen = "; ".join(
            f"{code(m)} {o or 'the default'}" for m, o in zip(group["plugin"], group["options"], strict=True)
        )
        yield (
            f"tuned (N = {budget}): of {budget} configurations of every method, the default among them, the one with "
            "the best noisy validation score over all columns, on a seed that is not reported; ranks and differences "
            f"are among rows of the same budget. Chosen: {chosen}"
        )


def _noise(runs: pd.DataFrame) -> Iterator[str]:
    """Realized noise rates, and the estimates that blind methods were given."""
    runs = runs[["noise", "seeds", "clean", "track", "realized", "estimated", "low", "high", "doubt"]]
    noisy = runs[~runs["clean"]].drop_duplicates(["noise", "seeds"])
    realized = noisy.groupby("noise")["realized"].mean().dropna()
    if len(realized):
        yield "realized noise rate: " + ", ".join(f"{noise} {rate:.3f}" for noise, rate in realized.items())
    # Where the estimator refused, methods got its fallback, which is no estimate.
    estimated = runs[runs["doubt"].isna()].dropna(subset=["estimated"]).drop_duplicates(["noise", "seeds"])
    if len(estimated) and (runs["track"] == "blind").any():
        means = estimated.groupby("noise")[["estimated", "low", "high"]].mean()
        yield (
            "rate given to blind methods (the engine's estimate, mean over seeds; in brackets its 95 % interval): "
            + (", ".join(f"{noise} {_estimate(mean)}" for noise, mean in means.iterrows()))
        )
    refused = runs.dropna(subset=["doubt"])
    for noise, group in refused.groupby("noise"):
        given = ", ".join(f"{rate:.3f}" for rate in sorted(group["estimated"].unique()))
        yield (
            f"the noise rate could not be estimated at {noise} ({len(group)} runs), and blind methods were given "
            f"{given} there: {group['doubt'].min()}"
        )


def _estimate(mean: pd.Series) -> str:
    """The rate, and its interval where there is one."""
    interval = "" if pd.isna(mean["low"]) else f" [{mean['low']:.3f}, {mean['high']:.3f}]"
    return f"{mean['estimated']:.3f}{interval}"


def _holes(runs: pd.DataFrame, cells: pd.DataFrame) -> Iterator[str]:
    """Why cells have no figure: one sentence per state and reason."""
    unsuccessful = runs[runs["state"].isin(["skipped", "diverged", "failed"])]
    for (state, reason), group in unsuccessful.groupby(["state", "reason"], sort=True):
        what = "skipped" if state == "skipped" else f"{len(group)} {state}"
        why = f" ({reason})" if reason else ""
        yield f"{what}{why}: {_where(group[['method', 'noise']].drop_duplicates())}"
    missing = cells[cells["missing"] > 0].index.to_frame(index=False)
    if len(missing):
        yield f"{cells['missing'].sum()} not run yet: {_where(missing)}"
    undefined = cells[(cells["n"] < cells["ok"])].index.to_frame(index=False)
    if len(undefined):
        yield (
            f"n/a, the rule or metric is undefined there (last5 needs 10 epochs, label_wave a record that holds it, "
            f"val_clean clean validation labels): {_where(undefined)}"
        )


def _where(places: pd.DataFrame) -> str:
    if len(places) > NAMED_CELLS:
        return f"{len(places)} cells, of {_some(places['method'])} at {_some(places['noise'])}"
    pairs = sorted(zip(places["method"], places["noise"], strict=True))
    return ", ".join(f"{code(method)} at {noise}" for method, noise in pairs)


def _some(labels: pd.Series) -> str:
    names = sorted(set(labels))
    more = f" and {len(names) - NAMED_CELLS} more" if len(names) > NAMED_CELLS else ""
    return ", ".join(names[:NAMED_CELLS]) + more
