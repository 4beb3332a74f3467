"""`ranks` and `matrix`: places with intervals, and every method against every other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from benchmark.metrics import LOWER_IS_BETTER
from benchmark.report.figures import canvas
from benchmark.report.figures.canvas import Page
from benchmark.report.figures.captions import Material, in_a_line, metric_name, origin
from benchmark.report.figures.lines import COLORS
from benchmark.report.figures.marks import explained, marks
from benchmark.report.figures.names import LABEL, labels, shown_text, wrapped
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
ALONE = 180.0
"""Width of the title of a panel that stands alone, in points."""
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
        raise no_score()
    left_out = [one.title for one, _, _ in panels[MOST_PANELS:]]
    panels = panels[:MOST_PANELS]
    wide = min(2, len(panels))
    groups = [panels[start : start + wide] for start in range(0, len(panels), wide)]
    heights = [0.8 + ROW * max(len(rows) for _, _, rows in group) for group in groups]
    page = canvas.page(f"Places of methods by {metric_name(material)}", len(groups), wide, heights=heights)
    blocks = [one for one, _, _ in panels]
    for axes, (one, budget, rows) in zip(page.panels(), panels, strict=False):
        total = int((one.block.methods["tuned"][one.block.methods["rank"].notna()] == budget).sum())
        _intervals(axes, rows, total, marks([one]))
        tuned = f", tuned (N = {budget})" if budget else ""
        axes.set_title(titled(one, blocks, f"n = {int(rows['repetitions'].max())}, {total} methods{tuned}"))
    page.fit(len(panels))
    page.caption = [
        _places_explained(pd.concat([rows for _, _, rows in panels])),
        explained(blocks, {str(name) for _, _, rows in panels for name in rows.index}),
        *origin(material, blocks),
    ]
    page.note(*map(_unclaimed, {id(rows): rows for _, _, rows in panels}.values()))
    page.note(*(unranked(one) for one in material.blocks), shown.for_want_of_room(left_out))
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
    title = f"Differences of {metric_name(material)}"
    marked = marks(blocks)
    page = canvas.page(title, len(panels), heights=heights, inches=canvas.PAGE)
    for axes, (board, methods) in zip(page.panels(), panels, strict=True):
        both = [board.matrix.index.get_level_values(level).isin(methods) for level in ("method", "other")]
        told = telling(board.units, len(board.matrix) // 2)
        _differences(axes, board.matrix[both[0] & both[1]], told, marked)
        axes.set_title(f"{shown_text(_title(board))}\n{len(methods)} of {len(board.methods)} methods")
    page.caption = [
        "Difference of row and column, mean over the noisy columns, positive where the row is better; then units "
        "(seeds, or data sets where there are several) in which the row wins / ties / loses (tie: at most "
        f"{ROPE:g} apart); then, where it can be other than 1, p of the exact sign-flip test over the units, corrected "
        "over all pairs of methods (Holm). Bold: p below .05.",
        _chosen(panels, named, material.baseline),
        explained(blocks, {method for _, methods in panels for method in methods}),
        *origin(material, blocks),
    ]
    page.note(*(reach(board.units, len(board.matrix) // 2) for board, _ in panels))
    page.note(*map(unranked, blocks), shown.for_want_of_room(left_out))
    return page


def _few(board: Leaderboard, chosen: set[str], most: int | None, baseline: str) -> list[str]:
    """The methods of a leaderboard that are shown, the best and the baseline if there are more than `most`."""
    methods = [method for method in board.methods.index if method in chosen]
    if most is None or len(methods) <= most:
        return methods
    others = [method for method in methods if method != baseline]
    return [*others[: most - (baseline in methods)], *([baseline] if baseline in methods else [])]


def _chosen(panels: list[tuple[Leaderboard, list[str]]], named: bool, baseline: str) -> str:
    """How the methods of a matrix were chosen, where not all are shown."""
    if all(len(methods) == len(board.methods) for board, methods in panels):
        return ""
    if named:
        return "Methods are shown as named."
    last = f" and {baseline}" if any(baseline in methods for _, methods in panels) else ""
    return f"Of more than {METHODS_OF_MATRIX} methods the best by average rank{last} are shown."


def _title(board: Leaderboard) -> str:
    tuned = f", tuned (N = {board.tuned})" if board.tuned else ""
    return f"{', '.join(board.datasets)}, {board.backbone}, {board.track} track{tuned}; n = {board.units} {board.unit}s"


def _places(one: Shown) -> pd.DataFrame:
    """Per ranked method that is shown: tuned, place, low, high, group, repetitions; best place first."""
    block = one.block
    scores = scores_of(one)["mean"]
    ranked = block.methods[block.methods["rank"].notna() & block.methods.index.isin(scores.index)]
    scores = scores.reindex(ranked.index)
    rows = ranked[["tuned", "low", "high", "group", "repetitions"]].assign(
        place=points.places(scores, ranked["tuned"], block.metric in LOWER_IS_BETTER), name=ranked.index
    )
    rows = rows[rows.index.isin(one.methods)]
    return rows.sort_values(["tuned", "place", "low", "high", "name"], kind="stable")


def _differences(axes: Axes, pairs: pd.DataFrame, tested: bool, marked: dict[str, str]) -> None:
    methods = list(dict.fromkeys(pairs.index.get_level_values("method")))
    values = pairs["difference"].unstack("other").reindex(index=methods, columns=methods).to_numpy(np.float64)
    most = max(float(np.nanmax(abs(values))), 1e-12)
    # The diagonal has no difference: it is left blank instead of hatched.
    known = np.where(np.eye(len(methods), dtype=bool), 0.0, values)
    names = labels(methods, NAMES, marked)
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


def _intervals(axes: Axes, rows: pd.DataFrame, total: int, marked: dict[str, str]) -> None:
    y = np.arange(len(rows))
    claimed = rows["repetitions"].to_numpy() >= MIN_UNITS
    color = np.where(claimed, COLORS[1], "#aaaaaa")
    axes.hlines(y, rows["low"].astype(float), rows["high"].astype(float), colors=list(color), linewidth=1.4)
    axes.scatter(rows["place"][claimed], y[claimed], 9, color="black", zorder=3)
    axes.set_yticks(y, labels(list(rows.index), marks=marked))
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


def scores_of(one: Shown) -> pd.DataFrame:
    """Per method without a hole: units, mean and half of its means over the noisy columns."""
    block = one.block
    values = block.cells["mean"].unstack("noise").reindex(columns=list(block.noisy))
    whole = list(values.index[values.notna().all(axis=1)])
    return points.over_noise(seed_means(block.valued, block.noisy, whole))


def titled(one: Shown, blocks: Sequence[Shown], counted: str) -> str:
    """A panel's title: where it stands alone its whole place, and else what differs, beside what was `counted`."""
    return (
        f"{wrapped(one.title, LABEL, ALONE)}\n{counted}" if len(blocks) == 1 else f"{counted}{in_a_line(one, blocks)}"
    )


def _places_explained(rows: pd.DataFrame) -> str:
    """What dots, bars and letters mean, as far as there are any: as in a table, few seeds claim no place."""
    claimed = rows["repetitions"] >= MIN_UNITS
    told = []
    if claimed.any():
        told.append(
            "Dot: place by the mean over the noisy columns; bar: its 95 % interval, from paired t tests over the seeds "
            "n, corrected for all comparisons of a method (Holm). Methods that share a letter are not told apart, by "
            "the same tests."
        )
    if not claimed.all():
        told.append(
            "Grey bar: every place is possible, so that no dot and no letter is drawn; rows are sorted by mean."
        )
    return " ".join(told)


def _unclaimed(rows: pd.DataFrame) -> str:
    few = rows["repetitions"] < MIN_UNITS
    n = shown.span(rows["repetitions"][few])
    return f"no order is claimed with n = {n}: {MIN_UNITS} seeds or more are needed for one" if few.any() else ""


def unranked(one: Shown) -> str:
    methods = one.block.methods.loc[list(one.methods)]
    unranked = sorted(methods.index[methods["rank"].isna()])
    return f"not ranked, for a hole in a noisy column or by the rule: {shown.some(unranked)}" if unranked else ""


def no_score() -> TableError:
    return TableError(
        "no method has a score in every noisy column, so there are no places; expected runs that ended at noise in "
        "which some label is wrong, and a rule that ranks: `noisybench status` says what is missing, and --rule "
        "val_noisy or last ranks"
    )
