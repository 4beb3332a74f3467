"""Leaderboards: one place per method over all data sets of a table, with what of it is resolved.

The data set is the unit of a general claim: its noisy columns share images, and the rates of one kind share flips, so
each data set counts once, with the mean over its noisy columns and seeds. With one data set, seeds are the units, and
nothing is claimed beyond it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmark.metrics import LOWER_IS_BETTER
from benchmark.tables import aggregates
from benchmark.tables.bootstrap import hierarchical_half
from benchmark.tables.comparable import TableError
from benchmark.tables.comparison import ORDER_SEED, UNRANKED_RULE, Block, Table
from benchmark.tables.footnotes import in_full
from benchmark.tables.matrix import comparison_matrix, reach, wins_ties_losses
from benchmark.tables.note_text import code, probability
from benchmark.tables.order import MIN_UNITS, letters_told, resolve
from benchmark.tables.per_seed import seed_means
from benchmark.tables.statistics import average_rank, t_factor

BOOTSTRAP_SEED = 0


@dataclass(frozen=True)
class Leaderboard:
    """Methods that were run under the same backbone, track, protocol and tuning budget, on one or several data sets."""

    backbone: str
    track: str
    protocol: str
    tuned: int
    """Configurations that each method was chosen from, 0 for its defaults."""
    datasets: tuple[str, ...]
    """Those that count, by name; with its recipe where a data set was trained with several."""
    metrics: tuple[str, ...]
    lower_is_better: bool
    unit: str
    """"data set" or "seed"."""
    units: int
    rope: float
    methods: pd.DataFrame
    """Per method, best first: rank (average over data sets; with one, over its noisy columns), mean (of the metric over
    data sets), repetitions, low, high, group, best (`order.resolve` over units), delta (mean difference from the
    baseline; NaN without it), delta_half (of its 95 % interval: over data sets by `bootstrap.hierarchical_half`, over
    seeds by t; NaN with 2 to 5 data sets), wins, ties, losses (units against the baseline), improvability, skill."""
    means: pd.DataFrame
    """[methods, data sets] of the metric: means over noisy columns and seeds."""
    robustness: pd.DataFrame
    """Per (method, kind of noise), mean over data sets: rates, low, high, n, mean, half (`aggregates.robustness`; half
    is NaN with several data sets)."""
    matrix: pd.DataFrame
    """`matrix.comparison_matrix` over units."""
    notes: tuple[str, ...]
    """What the figures are of, and what was left out."""
    order: tuple[str, ...]
    """What places, letters and differences from the baseline are."""
    blocks: tuple[Block, ...]
    """Those of `datasets`."""


@dataclass(frozen=True)
class _Unit:
    """The block of one data set."""

    name: str
    block: Block
    scores: pd.DataFrame
    """[repetitions, methods] means over the noisy columns, of all methods of the tuning budget without a hole there."""


def leaderboards(table: Table) -> tuple[Leaderboard, ...]:
    """One per (backbone, track, protocol, tuning budget) in which some method has all noisy columns of some data set.

    Raises TableError for a rule that ranks nothing.
    """
    if table.rule == UNRANKED_RULE:
        raise TableError(
            f"the rule {table.rule} chooses by the test labels and ranks nothing; expected another rule for a "
            "leaderboard: --rule val_noisy"
        )
    groups: dict[tuple[str, str, str, int], list[Block]] = {}
    for block in table.blocks:
        for tuned in sorted(block.methods["tuned"].unique()):
            key = (block.place.backbone, block.place.track, block.place.protocol, int(tuned))
            groups.setdefault(key, []).append(block)
    boards = (_board(key, blocks, table.baseline, table.rope) for key, blocks in groups.items())
    return tuple(board for board in boards if board is not None)


def _board(key: tuple[str, str, str, int], blocks: Sequence[Block], baseline: str, rope: float) -> Leaderboard | None:
    backbone, track, protocol, tuned = key
    units = [unit for block in blocks if (unit := _unit(block, blocks, tuned)) is not None]
    if not units:
        return None
    common = sorted(set.intersection(*(set(unit.scores.columns) for unit in units)))
    shared = {unit.name: unit.scores[common].dropna() for unit in units}
    units = [unit for unit in units if len(shared[unit.name])]
    if not common or not units:
        return None
    lower = units[0].block.metric in LOWER_IS_BETTER
    runs = pd.concat({unit.name: shared[unit.name] for unit in units})
    means = runs.groupby(level=0).mean().loc[[unit.name for unit in units]]
    oriented = -runs if lower else runs
    over_seeds = len(units) == 1
    scores = oriented.droplevel(0) if over_seeds else oriented.groupby(level=0).mean()
    methods = resolve(scores, np.random.default_rng(ORDER_SEED))
    block = units[0].block
    methods.insert(0, "rank", block.methods["rank"] if over_seeds else average_rank(means.T, lower))
    methods.insert(1, "mean", means.mean())
    reference = next((name for name in common if _is_baseline(block, name, baseline, tuned)), None)
    methods = methods.join(_against(reference, runs, scores, over_seeds, rope))
    errors = aggregates.errors(means, lower)
    methods["improvability"] = aggregates.improvability(errors)
    methods["skill"] = aggregates.skill(errors, reference) if reference else np.nan
    methods = methods.sort_values("rank", kind="stable")
    return Leaderboard(
        backbone=backbone,
        track=track,
        protocol=protocol,
        tuned=tuned,
        datasets=tuple(means.index),
        metrics=tuple(sorted({unit.block.metric for unit in units})),
        lower_is_better=lower,
        unit="seed" if over_seeds else "data set",
        units=len(scores),
        rope=rope,
        methods=methods,
        means=means.T.loc[methods.index],
        robustness=_robustness(units, methods.index),
        matrix=comparison_matrix(scores, rope, np.random.default_rng(BOOTSTRAP_SEED)),
        notes=(*_scope(units), *_left_out(blocks, units, runs, methods, tuned)),
        order=tuple(_order(units, runs, methods, rope, reference or "")),
        blocks=tuple(unit.block for unit in units),
    )


def _is_baseline(block: Block, name: str, baseline: str, tuned: int) -> bool:
    return name == baseline or (tuned > 0 and bool(block.methods.loc[name, "plugin"] == baseline))


def _unit(block: Block, blocks: Sequence[Block], tuned: int) -> _Unit | None:
    """The data set of `block`, or None if no method has a value in all of its noisy columns."""
    methods = block.methods.index[block.methods["tuned"] == tuned]
    states = block.cells["state"].unstack("noise").loc[methods, list(block.noisy)]
    valued = states.eq("value")
    columns = valued.columns[valued.any()]
    whole = methods[valued.loc[methods, columns].all(axis=1)]
    if not len(columns) or not len(whole):
        return None
    same = [other for other in blocks if other.place.dataset == block.place.dataset]
    name = block.place.dataset if len(same) == 1 else f"{block.place.dataset} ({block.place.recipe})"
    return _Unit(name, block, seed_means(block.valued, columns, whole))


def _against(
    reference: str | None, runs: pd.DataFrame, scores: pd.DataFrame, over_seeds: bool, rope: float
) -> pd.DataFrame:
    """Differences from the baseline in the metric's own sign; wins are of the better, whatever that is."""
    columns = ["delta", "delta_half", "wins", "ties", "losses"]
    if reference is None:
        return pd.DataFrame(np.nan, index=runs.columns, columns=columns)
    differences = runs.sub(runs[reference], axis=0)
    delta = differences.groupby(level=0).mean().mean()
    if over_seeds:
        half = t_factor(len(differences)) * differences.std()
    elif len(scores) >= MIN_UNITS:
        half = hierarchical_half(differences, np.random.default_rng(BOOTSTRAP_SEED))
    else:
        half = pd.Series(np.nan, index=runs.columns)
    counted = wins_ties_losses(scores.sub(scores[reference], axis=0), rope)
    found = pd.DataFrame({"delta": delta, "delta_half": half}).join(counted.astype("float64"))
    found.loc[reference] = np.nan
    return found[columns]


def _robustness(units: Sequence[_Unit], methods: pd.Index) -> pd.DataFrame:
    """Over the kinds of noise whose rates have the same ends on all data sets."""
    areas = {unit.name: aggregates.robustness(_curves(unit.block, methods)) for unit in units}
    if len(units) == 1:
        return areas[units[0].name]
    together = pd.concat({name: found for name, found in areas.items() if len(found)} or {"": pd.DataFrame()})
    if together.empty:
        return together
    by_kind = together.groupby(["method", "kind"])
    same = by_kind[["rates", "low", "high"]].nunique().eq(1).all(axis=1) & by_kind.size().eq(len(units))
    shared = by_kind[["rates", "low", "high"]].first().assign(n=len(units), mean=by_kind["mean"].mean(), half=np.nan)
    return shared[same]


def _curves(block: Block, methods: pd.Index) -> pd.DataFrame:
    """Runs by kind of noise, with those on clean labels at rate 0 of every kind."""
    runs = block.valued[block.valued["method"].isin(methods) & block.valued["rate"].notna()]
    clean = runs["noise"] == block.clean
    kinds = runs.loc[~clean, "kind"].unique()
    return pd.concat([runs[~clean], *(runs[clean].assign(kind=kind) for kind in kinds)])


def _scope(units: Sequence[_Unit]) -> Iterator[str]:
    """How far what is said holds."""
    count = len(units)
    if count == 1:
        yield f"one data set ({units[0].name}): seeds are the units, and no claim holds beyond it"
        return
    if count < MIN_UNITS:
        yield (
            f"no general claim: {count} data sets, and a claim over data sets needs {MIN_UNITS} or more; means and "
            "counts describe these data sets only"
        )
    yield (
        "every data set counts once, with the mean over its noisy columns and seeds: columns share images, and the "
        "rates of one kind share flips"
    )


def _order(
    units: Sequence[_Unit], runs: pd.DataFrame, methods: pd.DataFrame, rope: float, reference: str
) -> Iterator[str]:
    """What places, letters and differences from the reference are."""
    over_seeds = len(units) == 1
    count = len(runs) if over_seeds else len(units)
    what = f"n = {count} {'seed' if over_seeds else 'data set'}{'s' if count > 1 else ''}"
    if count >= MIN_UNITS and len(methods) > 1:
        first = methods["best"].idxmax()
        yield (
            f"place: 95 % interval among {len(methods)} methods by paired t tests, {what}, corrected for all "
            f"comparisons of a method (Holm). Methods that share a letter{letters_told(list(methods['group']))} are "
            "not told apart, by the same tests. "
            f"Most likely the best: {code(str(first))}, with probability {probability(methods['best'].max())}"
        )
    elif over_seeds and len(methods) > 1:
        yield f"order: none is claimed with {what}: {reach(count, 1)}"
    if reference:
        how = (
            "95 % t interval over seeds"
            if over_seeds
            else ("95 % interval over data sets and seeds, hierarchical bootstrap-t")
        )
        interval = f" ± half width of its {how}" if over_seeds or count >= MIN_UNITS else ""
        counted = "seeds" if over_seeds else "data sets"
        yield (
            f"difference from {code(reference)}{interval}; W/T/L: {counted} on which the method is better, "
            f"within {rope:g} (practical equivalence), or worse"
        )


def _left_out(
    blocks: Sequence[Block], units: Sequence[_Unit], runs: pd.DataFrame, methods: pd.DataFrame, tuned: int
) -> Iterator[str]:
    """What does not count, and why: nothing is averaged over a hole."""
    metrics = sorted({unit.block.metric for unit in units})
    if len(metrics) > 1:
        yield f"means are over {' and '.join(metrics)}: each data set's own main metric"
    used = [unit.block for unit in units]
    missing = sorted(block.place.dataset for block in blocks if all(block is not other for other in used))
    if missing:
        yield (
            "left out, as no method has a value in all noisy columns, or no seed is common to all methods: "
            f"{', '.join(missing)}"
        )
    for unit in units:
        empty = [name for name in unit.block.noisy if name not in set(unit.block.valued["noise"])]
        if empty:
            yield f"left out of {unit.name}, as no method has a value there: {', '.join(empty)}"
        dropped = len(unit.scores) - len(runs.loc[unit.name])
        if dropped:
            yield f"seeds of {unit.name} that not all methods ran with are left out: {dropped}"
    known = sorted({name for block in blocks for name in block.methods.index[block.methods["tuned"] == tuned]})
    holes = [name for name in known if name not in methods.index]
    if holes:
        by_places: dict[str, list[str]] = {}
        for name in holes:
            by_places.setdefault(_lacks(name, units), []).append(code(name))
        named = "; ".join(f"{', '.join(names)} on {places}" for places, names in by_places.items())
        yield f"not ranked, for want of a value in some noisy column: {named}"
    yield from in_full({short: full for block in used for short, full in block.full.items()})


def _lacks(name: str, units: Sequence[_Unit]) -> str:
    return ", ".join(unit.name for unit in units if name not in unit.scores.columns)
