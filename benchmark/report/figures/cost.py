"""`cost`: what a score costs, and the front of the methods that no other one beats in both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from benchmark.metrics import LOWER_IS_BETTER
from benchmark.report.figures import canvas
from benchmark.report.figures.canvas import Page
from benchmark.report.figures.captions import Material, capital, metric_name, origin, spelled
from benchmark.report.figures.lines import MOST_LINES
from benchmark.report.figures.marks import explained, marks
from benchmark.report.figures.names import shown_text
from benchmark.report.figures.order import MOST_PANELS, no_score, scores_of, titled, unranked
from benchmark.tables import points, shown
from benchmark.tables.comparable import TableError
from benchmark.tables.shown import Shown

APART = 0.03
"""Of the range of costs: nearer points would hide one another's intervals."""


def cost(material: Material) -> Page:
    """The mean over the noisy columns against the cost in passes, or as measured; the front is drawn as a line."""
    panels = [(one, rows) for one in material.blocks if len(rows := _costs(one, material.table.timing))]
    if not panels and any(len(scores_of(one)) for one in material.blocks):
        raise TableError(
            f"no method has a cost: measured ones are multiples of that of {material.baseline}, which has no runs; "
            "leave --timing out"
            if material.table.timing
            else "no method has a cost: plugins declare it, and these are not installed; --timing draws measured costs"
        )
    if not panels:
        raise no_score()
    left_out = [one.title for one, _ in panels[MOST_PANELS:]]
    panels = panels[:MOST_PANELS]
    blocks = [one for one, _ in panels]
    fronts = [name for _, rows in panels for name in rows.index[rows["front"] | (rows.index == material.baseline)]]
    names = list(dict.fromkeys(fronts))
    unmarked, names = names[MOST_LINES:], names[:MOST_LINES]
    styles = material.styles(names)
    moved = 0.0
    wide = min(2, len(panels))
    page = canvas.page(f"{capital(metric_name(material))} and cost", -(-len(panels) // wide), wide, heights=2.9)
    for axes, (one, rows) in zip(page.panels(), panels, strict=False):
        moved = max(moved, _scatter(axes, rows, styles))
        axes.set_ylabel(f"{spelled(one.block.metric)}, mean over noisy columns")
        axes.set_xlabel(
            f"{'seconds' if material.table.timing else 'passes over the data'}, {shown_text(material.baseline)} = 1"
        )
        axes.set_title(titled(one, blocks, f"{len(rows)} methods"))
    page.fit(len(panels))
    page.legend, page.marks = names, marks(blocks)
    counted = "measured seconds of training and evaluation" if material.table.timing else "forward and backward passes"
    page.caption = [
        f"Cost: {counted}, as a multiple of the baseline's{'' if material.table.timing else ', as declared'}. "
        "Line: the front, where no other method is as cheap and better; marked: the front and the baseline, with 95 % "
        f"t intervals over n = {shown.span(n for _, rows in panels for n in rows['units'])} seeds; rings: the others.",
        f"Marked points whose costs are nearly equal stand side by side, moved by at most {moved:.2g}."
        if moved
        else "",
        explained(blocks, names),
        *origin(material, blocks),
    ]
    page.note(f"on the front, and not marked, for want of signs: {shown.some(unmarked)}" if unmarked else "")
    page.note(*(unranked(one) for one in blocks), *map(_without_cost, blocks), shown.for_want_of_room(left_out))
    return page


def _costs(one: Shown, timing: bool) -> pd.DataFrame:
    """Per method that is shown, with a score and a cost: cost, units, mean, half, front."""
    block = one.block
    scores = scores_of(one)[["units", "mean", "half"]]
    # A table holds the declared cost as it prints it: "2x".
    declared = pd.to_numeric(block.methods["cost"].str.removesuffix("x"), errors="coerce")
    rows = scores.join((block.methods["measured"] if timing else declared).rename("cost")).dropna(subset=["cost"])
    rows = rows[rows.index.isin(one.methods)].sort_index()
    return rows.join(points.front(rows, block.metric in LOWER_IS_BETTER))


def _scatter(axes: Axes, rows: pd.DataFrame, styles: Mapping[str, Mapping[str, Any]]) -> float:
    """Every method as a grey ring, those of `styles` in the marks of the legend; by how much the latter were moved."""
    named = rows[rows.index.isin(styles)].sort_values(["cost", "mean"], kind="stable")
    others = rows.drop(named.index)
    step = APART * (float(rows["cost"].max() - rows["cost"].min()) or 1.0)
    at = apart(named["cost"].to_numpy(np.float64), step)
    axes.scatter(others["cost"], others["mean"], 10, facecolors="white", edgecolors="#999999", linewidths=0.7, zorder=1)
    on_front = named["front"].to_numpy(bool)
    axes.plot(at[on_front], named["mean"][on_front], drawstyle="steps-post", color="#555555", linewidth=0.8, zorder=2)
    for place, (name, row) in zip(at, named.iterrows(), strict=True):
        style = {**styles[str(name)], "linestyle": "none", "markersize": 4.5, "zorder": 3}
        axes.errorbar(place, row["mean"], row["half"], ecolor=style["color"], elinewidth=0.7, fmt="none")
        axes.plot(place, row["mean"], label=str(name), **style)
    axes.margins(x=0.08)
    return float(abs(at - named["cost"]).max()) if len(named) else 0.0


def apart(costs: np.ndarray, step: float) -> np.ndarray:
    """`costs` [n] in ascending order, moved as little as groups allow until neighbours are `step` apart.

    Points that would be nearer form a group, which stands side by side around the mean of its costs.
    """
    groups: list[list[float]] = []
    for cost in costs:
        groups.append([float(cost)])
        while len(groups) > 1 and _edges(groups[-1], step)[0] - _edges(groups[-2], step)[1] < step * (1 - 1e-9):
            last = groups.pop()
            groups[-1] += last
    return np.array([place for group in groups for place in np.linspace(*_edges(group, step), len(group))])


def _edges(group: list[float], step: float) -> tuple[float, float]:
    """Where the first and the last of a group stand."""
    middle, reach = sum(group) / len(group), step * (len(group) - 1) / 2
    return middle - reach, middle + reach


def _without_cost(one: Shown) -> str:
    methods = one.block.methods.loc[list(one.methods)]
    unknown = sorted(methods.index[methods["cost"] == ""])
    return (
        f"left out, as their plugins are not installed and so declare no cost: {shown.some(unknown)}" if unknown else ""
    )
