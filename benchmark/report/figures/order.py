"""`ranks` and `cost`: the place of every method with its interval, and what its accuracy costs."""

from __future__ import annotations

import numpy as np
import pandas as pd

from benchmark.metrics import LOWER_IS_BETTER
from benchmark.report.figures import canvas
from benchmark.report.figures.canvas import Page
from benchmark.report.figures.captions import Material, in_a_line, metric_name, origin
from benchmark.report.figures.names import labels
from benchmark.tables import points, shown
from benchmark.tables.comparable import TableError
from benchmark.tables.order import MIN_UNITS
from benchmark.tables.shown import Shown

MOST_PANELS = 4
ROW = 0.165
"""Inches of a row of the figure of places."""
GAP = 0.052
"""Least distance between names of points, as a share of the height of the axes."""
MOST_NAMED = 12
"""Methods on the front that are named."""


def ranks(material: Material) -> Page:
    """95 % intervals of places, and the letters of methods that are not told apart."""
    panels = [
        (one, budget, rows)
        for one in material.blocks
        for budget, rows in _places(one).groupby("tuned", sort=True)
        if len(rows)
    ]
    if not panels:
        raise _no_score()
    left_out = [one.title for one, _, _ in panels[MOST_PANELS:]]
    panels = panels[:MOST_PANELS]
    wide = min(2, len(panels))
    groups = [panels[start : start + wide] for start in range(0, len(panels), wide)]
    heights = [0.8 + ROW * max(len(rows) for _, _, rows in group) for group in groups]
    page = canvas.page(f"Places of methods by {metric_name(material).lower()}", len(groups), wide, heights=heights)
    blocks = [one for one, _, _ in panels]
    for axes, (one, budget, rows) in zip(page.panels(), panels, strict=False):
        total = int((one.block.methods["tuned"][one.block.methods["rank"].notna()] == budget).sum())
        _intervals(axes, rows, total)
        tuned = f", tuned (N = {budget})" if budget else ""
        axes.set_title(f"n = {int(rows['repetitions'].max())}, {total} methods{tuned}{in_a_line(one, blocks)}")
    page.fit(len(panels))
    page.caption = [
        "Dot: place by the mean over the noisy columns; bar: its 95 % interval, from paired t tests over the seeds n, "
        "corrected for all comparisons (Holm). Methods that share a letter are not told apart.",
        *origin(material),
    ]
    page.note(*map(_unclaimed, {id(rows): rows for _, _, rows in panels}.values()))
    page.note(*(_unranked(one) for one in material.blocks), shown.for_want_of_room(left_out))
    return page


def cost(material: Material) -> Page:
    """The mean over the noisy columns against the cost in passes, or as measured; the front is drawn as a line."""
    panels = [(one, rows) for one in material.blocks if len(rows := _costs(one, material.table.timing))]
    if not panels:
        raise _no_score()
    left_out = [one.title for one, _ in panels[MOST_PANELS:]]
    panels = panels[:MOST_PANELS]
    blocks = [one for one, _ in panels]
    wide = min(2, len(panels))
    page = canvas.page(f"{metric_name(material)} and cost", -(-len(panels) // wide), wide, heights=2.9)
    for axes, (one, rows) in zip(page.panels(), panels, strict=False):
        _scatter(axes, rows, material.baseline)
        axes.set_ylabel(f"{one.block.metric.replace('_', ' ')}, mean over noisy columns")
        axes.set_xlabel("seconds" if material.table.timing else "passes")
        axes.set_xlabel(f"{'seconds' if material.table.timing else 'passes over the data'}, {material.baseline} = 1")
        axes.set_title(f"{len(rows)} methods{in_a_line(one, blocks)}")
    page.fit(len(panels))
    counted = "measured seconds of training and evaluation" if material.table.timing else "forward and backward passes"
    page.caption = [
        f"Cost: {counted}, as a multiple of the baseline's{'' if material.table.timing else ', as methods declare it'}. "
        f"Line and filled dots: no other method is as cheap and better; bars: 95 % t interval over "
        f"n = {shown.span(n for _, rows in panels for n in rows['units'])} seeds; named: the front and the baseline.",
        *origin(material),
    ]
    page.note(*(_unranked(one) for one in blocks), *map(_without_cost, blocks), shown.for_want_of_room(left_out))
    return page


def _places(one: Shown) -> pd.DataFrame:
    """Per ranked method that is shown: tuned, place, low, high, group, repetitions; best place first."""
    block = one.block
    scores = points.over_noise(block.runs, block.noisy)["mean"]
    ranked = block.methods[block.methods["rank"].notna() & block.methods.index.isin(scores.index)]
    scores = scores.reindex(ranked.index)
    rows = ranked[["tuned", "low", "high", "group", "repetitions"]].assign(
        place=points.places(scores, ranked["tuned"], block.metric in LOWER_IS_BETTER), name=ranked.index
    )
    rows = rows[rows.index.isin(one.methods)]
    return rows.sort_values(["tuned", "place", "low", "high", "name"], kind="stable")


def _intervals(axes: canvas.Axes, rows: pd.DataFrame, total: int) -> None:
    y = np.arange(len(rows))
    claimed = rows["repetitions"].to_numpy() >= MIN_UNITS
    color = np.where(claimed, canvas.COLORS[1], "#aaaaaa")
    axes.hlines(y, rows["low"].astype(float), rows["high"].astype(float), colors=list(color), linewidth=1.4)
    axes.scatter(rows["place"], y, 9, color="black", zorder=3)
    axes.set_yticks(y, labels(list(rows.index)))
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0.3, total + 0.7)
    axes.set_xlabel("place (1 is best)")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", linewidth=0.3, color="#dddddd")
    axes.set_axisbelow(True)
    for at, letters in zip(y, rows["group"], strict=True):
        axes.text(1.01, at, str(letters), transform=axes.get_yaxis_transform(), va="center", fontsize=6)


def _costs(one: Shown, timing: bool) -> pd.DataFrame:
    """Per method that is shown, with a score and a cost: cost, units, mean, half, front."""
    block = one.block
    scores = points.over_noise(block.runs, block.noisy)[["units", "mean", "half"]]
    # A table holds the declared cost as it prints it: "2x".
    declared = pd.to_numeric(block.methods["cost"].str.removesuffix("x"), errors="coerce")
    rows = scores.join((block.methods["measured"] if timing else declared).rename("cost")).dropna(subset=["cost"])
    rows = rows[rows.index.isin(one.methods)].sort_index()
    return rows.join(points.front(rows, block.metric in LOWER_IS_BETTER))


def _scatter(axes: canvas.Axes, rows: pd.DataFrame, baseline: str) -> None:
    best = rows[rows["front"]].sort_values("cost", kind="stable")
    axes.errorbar(
        rows["cost"], rows["mean"], rows["half"].fillna(0.0), fmt="none", ecolor="#bbbbbb", elinewidth=0.6, zorder=1
    )
    axes.scatter(rows["cost"], rows["mean"], 10, facecolors="white", edgecolors="#777777", linewidths=0.7, zorder=2)
    axes.plot(
        best["cost"], best["mean"], drawstyle="steps-post", color=canvas.COLORS[1], marker="o", markersize=3.6, zorder=3
    )
    axes.margins(x=0.08)
    left, right = axes.get_xlim()
    axes.set_xlim(left, right + 0.35 * (right - left))  # for the names
    named = [*best.index[:MOST_NAMED], *([baseline] if baseline in rows.index and baseline not in best.index else [])]
    bottom, top = axes.get_ylim()
    wanted = [(float(rows.at[name, "mean"]) - bottom) / (top - bottom) for name in named]
    for name, text, height in zip(named, labels(named), spread(wanted), strict=True):
        point = float(rows.at[name, "cost"]), float(rows.at[name, "mean"])
        end = (point[0] + 0.04 * (right - left), bottom + height * (top - bottom))
        line = {"arrowstyle": "-", "linewidth": 0.4, "color": "#999999", "shrinkA": 0, "shrinkB": 2}
        axes.annotate(text, point, end, fontsize=6.5, va="center", arrowprops=line, zorder=4)


def spread(heights: list[float], gap: float = GAP) -> list[float]:
    """`heights` in [0, 1], moved so that no two are closer than `gap`, their order kept."""
    order = np.argsort(heights, kind="stable")
    placed = np.asarray(heights, dtype=np.float64)[order]
    for at in range(1, len(placed)):
        placed[at] = max(placed[at], placed[at - 1] + gap)
    if len(placed) and placed[-1] > 1:  # what went too high is pushed down again
        placed[-1] = 1
        for at in range(len(placed) - 2, -1, -1):
            placed[at] = min(placed[at], placed[at + 1] - gap)
    moved = np.empty_like(placed)
    moved[order] = placed
    return moved.tolist()


def _unclaimed(rows: pd.DataFrame) -> str:
    few = rows["repetitions"] < MIN_UNITS
    n = shown.span(rows["repetitions"][few])
    return f"no order is claimed with n = {n}: {MIN_UNITS} seeds or more are needed for one" if few.any() else ""


def _unranked(one: Shown) -> str:
    methods = one.block.methods.loc[list(one.methods)]
    unranked = sorted(methods.index[methods["rank"].isna()])
    return f"not ranked, for a hole in a noisy column or by the rule: {shown.some(unranked)}" if unranked else ""


def _without_cost(one: Shown) -> str:
    methods = one.block.methods.loc[list(one.methods)]
    unknown = sorted(methods.index[methods["cost"] == ""])
    return (
        f"left out, as their plugins are not installed and so declare no cost: {shown.some(unknown)}" if unknown else ""
    )


def _no_score() -> TableError:
    return TableError(
        "no method has a score in every noisy column, so there are no places; expected runs that ended at noise in "
        "which some label is wrong, and a rule that ranks: `noisybench status` says what is missing, and --rule "
        "val_noisy or last ranks"
    )
