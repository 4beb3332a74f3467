"""`ranks`, `matrix` and `cost`: places with intervals, every method against every other, and what a score costs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from benchmark.metrics import LOWER_IS_BETTER
from benchmark.report.figures import canvas
from benchmark.report.figures.canvas import Page
from benchmark.report.figures.captions import Material, in_a_line, metric_name, origin
from benchmark.report.figures.names import labels, shown_text
from benchmark.tables import points, shown
from benchmark.tables.comparable import TableError
from benchmark.tables.leaderboard import Leaderboard, leaderboards
from benchmark.tables.matrix import ROPE, reach, telling
from benchmark.tables.order import MIN_UNITS, short_letters
from benchmark.tables.per_seed import seed_means
from benchmark.tables.shown import Shown
from benchmark.tables.statistics import DIGITS, LEVEL

MOST_PANELS = 4
METHODS_OF_MATRIX = 8
MOST_MATRICES = 2
NAMES = 95.0
"""Width of a name beside a matrix, in points."""
ROW = 0.165
"""Inches of a row of the figure of places."""


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
        "corrected for all comparisons of a method (Holm). Methods that share a letter are not told apart, by the same "
        "tests.",
        *origin(material),
    ]
    page.note(*map(_unclaimed, {id(rows): rows for _, _, rows in panels}.values()))
    page.note(*(_unranked(one) for one in material.blocks), shown.for_want_of_room(left_out))
    return page


def matrix(material: Material) -> Page:
    """Every method against every other: mean difference over the noisy columns, wins, ties and losses, exact p.

    The units are data sets, or, where there is one, seeds. p is corrected over the pairs of all methods that were
    compared, not only of those that are shown, as these were chosen by their ranks.
    """
    blocks = material.blocks
    boards = leaderboards(replace(material.table, blocks=tuple(one.block for one in blocks)))
    named = any(one.named for one in blocks)
    chosen = {method for one in blocks for method in one.methods}
    panels = [(board, _few(board, chosen, None if named else METHODS_OF_MATRIX, material.baseline)) for board in boards]
    panels = [(board, methods) for board, methods in panels if len(methods) > 1]
    if not panels:
        raise TableError(
            "there are no two methods to compare; expected two, each with a figure in every noisy column: name more "
            "with --only, or finish the grid (`noisybench status`)"
        )
    left_out = [_title(board) for board, _ in panels[MOST_MATRICES:]]
    panels = panels[:MOST_MATRICES]
    heights = [0.5 + canvas.slanted_height(labels(methods, NAMES)) + 0.5 * len(methods) for _, methods in panels]
    title = f"Differences of {metric_name(material).lower()}"
    page = canvas.page(title, len(panels), heights=heights, inches=canvas.PAGE)
    for axes, (board, methods) in zip(page.panels(), panels, strict=True):
        both = [board.matrix.index.get_level_values(level).isin(methods) for level in ("method", "other")]
        _differences(axes, board.matrix[both[0] & both[1]], telling(board.units, len(board.matrix) // 2))
        axes.set_title(f"{shown_text(_title(board))}\n{len(methods)} of {len(board.methods)} methods")
    page.caption = [
        "Difference of row and column, mean over the noisy columns, positive where the row is better; then units "
        "(seeds, or data sets where there are several) in which the row wins / ties / loses (tie: at most "
        f"{ROPE:g} apart); then, where it can be other than 1, p of the exact sign-flip test over the units, corrected "
        "over all pairs of methods (Holm). Bold: p below .05.",
        *origin(material),
    ]
    page.note(*(reach(board.units, len(board.matrix) // 2) for board, _ in panels))
    page.note(*map(_unranked, blocks), shown.for_want_of_room(left_out))
    return page


def _few(board: Leaderboard, chosen: set[str], most: int | None, baseline: str) -> list[str]:
    """The methods of a leaderboard that are shown, the best and the baseline if there are more than `most`."""
    methods = [method for method in board.methods.index if method in chosen]
    if most is None or len(methods) <= most:
        return methods
    others = [method for method in methods if method != baseline]
    return [*others[: most - (baseline in methods)], *([baseline] if baseline in methods else [])]


def _title(board: Leaderboard) -> str:
    tuned = f", tuned (N = {board.tuned})" if board.tuned else ""
    return f"{', '.join(board.datasets)}, {board.backbone}, {board.track} track{tuned}; n = {board.units} {board.unit}s"


def cost(material: Material) -> Page:
    """The mean over the noisy columns against the cost in passes, or as measured; the front is drawn as a line."""
    panels = [(one, rows) for one in material.blocks if len(rows := _costs(one, material.table.timing))]
    if not panels and any(len(_scores(one)) for one in material.blocks):
        raise TableError(
            f"no method has a cost: measured ones are multiples of that of {material.baseline}, which has no runs; "
            "leave --timing out"
            if material.table.timing
            else "no method has a cost: plugins declare it, and these are not installed; --timing draws measured costs"
        )
    if not panels:
        raise _no_score()
    left_out = [one.title for one, _ in panels[MOST_PANELS:]]
    panels = panels[:MOST_PANELS]
    blocks = [one for one, _ in panels]
    fronts = [name for _, rows in panels for name in rows.index[rows["front"] | (rows.index == material.baseline)]]
    names = list(dict.fromkeys(fronts))[: canvas.MOST_LINES]
    wide = min(2, len(panels))
    page = canvas.page(f"{metric_name(material)} and cost", -(-len(panels) // wide), wide, heights=2.9)
    for axes, (one, rows) in zip(page.panels(), panels, strict=False):
        _scatter(axes, rows, names)
        axes.set_ylabel(f"{one.block.metric.replace('_', ' ')}, mean over noisy columns")
        axes.set_xlabel(
            f"{'seconds' if material.table.timing else 'passes over the data'}, {shown_text(material.baseline)} = 1"
        )
        axes.set_title(f"{len(rows)} methods{in_a_line(one, blocks)}")
    page.fit(len(panels))
    page.legend = names
    counted = "measured seconds of training and evaluation" if material.table.timing else "forward and backward passes"
    page.caption = [
        f"Cost: {counted}, as a multiple of the baseline's{'' if material.table.timing else ', as declared'}. "
        "Line: the front, where no other method is as cheap and better; marked: the front and the baseline, with 95 % "
        f"t intervals over n = {shown.span(n for _, rows in panels for n in rows['units'])} seeds; rings: the others.",
        *origin(material),
    ]
    page.note(*(_unranked(one) for one in blocks), *map(_without_cost, blocks), shown.for_want_of_room(left_out))
    return page


def _places(one: Shown) -> pd.DataFrame:
    """Per ranked method that is shown: tuned, place, low, high, group, repetitions; best place first."""
    block = one.block
    scores = _scores(one)["mean"]
    ranked = block.methods[block.methods["rank"].notna() & block.methods.index.isin(scores.index)]
    scores = scores.reindex(ranked.index)
    rows = ranked[["tuned", "low", "high", "group", "repetitions"]].assign(
        place=points.places(scores, ranked["tuned"], block.metric in LOWER_IS_BETTER), name=ranked.index
    )
    rows = rows[rows.index.isin(one.methods)]
    return rows.sort_values(["tuned", "place", "low", "high", "name"], kind="stable")


def _differences(axes: Axes, pairs: pd.DataFrame, tested: bool) -> None:
    methods = list(dict.fromkeys(pairs.index.get_level_values("method")))
    values = pairs["difference"].unstack("other").reindex(index=methods, columns=methods).to_numpy(np.float64)
    most = max(float(np.nanmax(abs(values))), 1e-12)
    # The diagonal has no difference: it is left blank instead of hatched.
    known = np.where(np.eye(len(methods), dtype=bool), 0.0, values)
    names = labels(methods, NAMES)
    image = canvas.matrix(axes, known, names, names, limits=(-most, most), colors="PuOr")
    place = {method: float(at) for at, method in enumerate(methods)}
    for (method, other), pair in pairs.iterrows():
        sure = pair["p_holm"] < 1 - LEVEL
        text = f"{_signed(pair['difference'])}\n{pair['wins']:.0f} / {pair['ties']:.0f} / {pair['losses']:.0f}" + (
            f"\np {_short(pair['p_holm'])}" if tested else ""
        )
        axes.text(
            place[other], place[method], text, ha="center", va="center", fontsize=5.5, linespacing=1.15,
            fontweight="bold" if sure else "normal", color=canvas.ink(image, pair["difference"]),
        )  # fmt: skip
    canvas.slanted(axes)


def _signed(value: float) -> str:
    """ "+.012"."""
    rounded = round(value, DIGITS) + 0.0
    return f"{rounded:+.{DIGITS}f}".replace("0.", ".", 1) if abs(rounded) < 1 else f"{rounded:+.{DIGITS}f}"


def _short(p: float) -> str:
    return "< .001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def _intervals(axes: Axes, rows: pd.DataFrame, total: int) -> None:
    y = np.arange(len(rows))
    claimed = rows["repetitions"].to_numpy() >= MIN_UNITS
    color = np.where(claimed, canvas.COLORS[1], "#aaaaaa")
    axes.hlines(y, rows["low"].astype(float), rows["high"].astype(float), colors=list(color), linewidth=1.4)
    axes.scatter(rows["place"], y, 9, color="black", zorder=3)
    axes.set_yticks(y, labels(list(rows.index)))
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(0.3, total + 0.7)
    axes.set_xticks(_ticks(total))
    axes.set_xlabel("place (1 is best)")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", linewidth=0.3, color="#dddddd")
    axes.set_axisbelow(True)
    for at, letters in zip(y, rows["group"], strict=True):
        axes.text(
            1.01, float(at), short_letters(str(letters)), transform=axes.get_yaxis_transform(), va="center", fontsize=6
        )


def _ticks(total: int) -> list[int]:
    """1, and round places up to the last one."""
    step = next((step for step in (1, 2, 5, 10, 20, 50) if total <= 6 * step), 100)
    return [1, *range(max(step, 2), total + 1, step)]


def _costs(one: Shown, timing: bool) -> pd.DataFrame:
    """Per method that is shown, with a score and a cost: cost, units, mean, half, front."""
    block = one.block
    scores = _scores(one)[["units", "mean", "half"]]
    # A table holds the declared cost as it prints it: "2x".
    declared = pd.to_numeric(block.methods["cost"].str.removesuffix("x"), errors="coerce")
    rows = scores.join((block.methods["measured"] if timing else declared).rename("cost")).dropna(subset=["cost"])
    rows = rows[rows.index.isin(one.methods)].sort_index()
    return rows.join(points.front(rows, block.metric in LOWER_IS_BETTER))


def _scores(one: Shown) -> pd.DataFrame:
    """Per method without a hole: units, mean and half of its means over the noisy columns."""
    block = one.block
    values = block.cells["mean"].unstack("noise").reindex(columns=list(block.noisy))
    whole = list(values.index[values.notna().all(axis=1)])
    return points.over_noise(seed_means(block.valued, block.noisy, whole))


def _scatter(axes: Axes, rows: pd.DataFrame, names: list[str]) -> None:
    """Every method as a grey ring, those of `names` in the marks of the legend."""
    best = rows[rows["front"]].sort_values("cost", kind="stable")
    named = rows[rows.index.isin(names)]
    axes.scatter(rows["cost"], rows["mean"], 10, facecolors="white", edgecolors="#999999", linewidths=0.7, zorder=1)
    axes.plot(best["cost"], best["mean"], drawstyle="steps-post", color="#555555", linewidth=0.8, zorder=2)
    for name, row in named.iterrows():
        style = canvas.line_style(names.index(str(name))) | {"linestyle": "none", "markersize": 4.5, "zorder": 3}
        axes.errorbar(row["cost"], row["mean"], row["half"], ecolor=style["color"], elinewidth=0.7, fmt="none")
        axes.plot(row["cost"], row["mean"], label=str(name), **style)
    axes.margins(x=0.08)


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
