"""`rate` and `heatmap`: scores of methods by noise."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from benchmark.metrics import LOWER_IS_BETTER
from benchmark.report.figures import canvas
from benchmark.report.figures.canvas import Page
from benchmark.report.figures.captions import Material, capital, in_full, metric_name, origin, spelled
from benchmark.report.figures.left_out import drawn_methods
from benchmark.report.figures.marks import explained, marks
from benchmark.report.figures.names import labels, shown_text
from benchmark.tables import points, shown
from benchmark.tables.comparable import TableError
from benchmark.tables.shown import Shown
from benchmark.tables.statistics import DIGITS

METHODS = 5
MOST_PANELS = 12
ROW = 0.165
"""Inches of a row of a heat map."""
COLUMNS = 110.0
"""Width of the name of a column, in points."""
MOST_ROWS = 130
"""Rows of all heat maps of a figure together."""


def rate(material: Material) -> Page:
    """The metric against the noise rate: a panel per data set, backbone, track and kind of noise."""
    blocks, repeated = shown.without_repetition([one.first(METHODS, material.baseline) for one in material.blocks])
    panels = [
        (one, family, rows) for one in blocks for family, rows in _families(one).groupby("family", sort=True) if family
    ]
    if not panels:
        raise TableError(
            "no noisy column has a known rate, so there is nothing to draw against it; expected noise with a rate, "
            "such as --only symmetric, or known true labels; `noisybench plot heatmap` draws columns of any kind"
        )
    if all(rows["mean"].isna().all() for _, _, rows in panels):
        raise _no_figure(blocks[0])
    names = list(dict.fromkeys(method for one, _, _ in panels for method in one.methods))
    styles = material.styles(names)
    left_out = [f"{one.title}, {family}" for one, family, _ in panels[MOST_PANELS:]]
    panels = panels[:MOST_PANELS]
    columns = min(3, len(panels))
    page = canvas.page(
        f"{capital(metric_name(material))} against the noise rate", -(-len(panels) // columns), columns, share_y=True
    )
    for axes, (one, family, rows) in zip(page.panels(), panels, strict=False):
        for method in names:
            own = rows[rows["method"] == method]
            if len(own):
                canvas.band(axes, own["rate"], own["mean"], own["half"], method, **styles[method])
        axes.set_title(_panel_title(one, family, blocks))
        axes.set_xlabel("noise rate")
        axes.set_xticks(sorted(set(rows["rate"])), [f"{value:.2g}" for value in sorted(set(rows["rate"]))])
        if axes in page.axes[:, 0]:
            axes.set_ylabel(spelled(one.block.metric))
    page.fit(len(panels), at_most_one=_are_shares(blocks))
    page.legend, page.marks = names, marks(blocks)
    page.caption = [
        f"Mean over {_seeds(blocks)} seeds; band: 95 % t interval of the mean; rate 0: clean labels.",
        drawn_methods(blocks, material),
        explained([one for one, _, _ in panels]),
        *origin(material, blocks),
    ]
    page.note(*(sentence for one in blocks for sentence in _gaps(one)), *map(_without_rate, blocks))
    page.note("" if all(one.block.clean for one in blocks) else _no_clean(blocks))
    page.note(in_full(blocks), repeated, shown.for_want_of_room(left_out))
    return page


def heatmap(material: Material) -> Page:
    """The metric of every method in every noise column."""
    blocks: list[Shown] = []
    left_out: list[Shown] = []
    rows = 0
    for one in material.blocks:
        rows += len(one.methods)
        (blocks if not blocks or rows <= MOST_ROWS else left_out).append(one)
    heights = [0.4 + canvas.slanted_height(labels(one.noise, COLUMNS)) + ROW * len(one.methods) for one in blocks]
    wide = canvas.COLUMN if max(len(one.noise) for one in blocks) <= 4 else canvas.PAGE
    page = canvas.page(
        f"{capital(metric_name(material))} of methods at each noise", len(blocks), 1, inches=wide, heights=heights
    )
    for axes, one in zip(page.panels(), blocks, strict=True):
        _heat(page, axes, one)
    page.caption = [
        f"Cells: mean over {_seeds(blocks)} seeds, best average rank on top, clean column first; "
        "hatched: no figure. Colours span the values of their panel.",
        _not_begun(blocks),
        explained(blocks),
        *origin(material, blocks),
    ]
    page.note(
        in_full(blocks),
        *(sentence for one in blocks for sentence in _gaps(one)),
        shown.for_want_of_room([one.title for one in left_out]),
    )
    return page


def _heat(page: Page, axes: Axes, one: Shown) -> None:
    cells = one.block.cells
    means = cells["mean"].unstack("noise").loc[list(one.methods), list(one.noise)]
    states = cells[["state", "n", "total", "plain"]].loc[list(one.methods)]
    texts = [
        [_cell(means.at[method, noise], states.loc[(method, noise)]) for noise in one.noise] for method in one.methods
    ]
    values = means.to_numpy(dtype=np.float64)
    if not np.isfinite(values).any():
        raise _no_figure(one)
    limits = float(np.nanmin(values)), float(np.nanmax(values))
    lower = one.block.metric in LOWER_IS_BETTER
    image = canvas.matrix(
        axes, values, labels(one.methods, marks=marks([one])), labels(one.noise, COLUMNS), texts, limits=limits,
        size=5.5, colors="cividis_r" if lower else "cividis",
    )  # fmt: skip
    canvas.slanted(axes)
    axes.set_title(shown_text(one.title))
    bar = page.figure.colorbar(image, ax=axes, pad=0.01, fraction=0.03, aspect=30)
    bar.set_label(spelled(one.block.metric) + (" (lower is better)" if lower else ""))
    bar.outline.set_visible(False)


def _no_figure(one: Shown) -> TableError:
    return TableError(
        f"no cell of {one.title} has a figure by this rule and metric; expected one at least: choose another --rule or "
        "--metric, or finish the grid (`noisybench status`)"
    )


def _cell(mean: float, cell: pd.Series) -> str:
    if cell["state"] == "value":
        text = f"{mean:.{DIGITS}f}".replace("0.", ".", 1) if abs(mean) < 1 else f"{mean:.{DIGITS}f}"
        return text + ("‡" if cell["plain"] else "")
    return {"hole": f"{cell['n']}/{cell['total']}", "skipped": "skip", "undefined": "n/a"}.get(cell["state"], "-")


def _not_begun(blocks: list[Shown]) -> str:
    cells = [one.block.cells.loc[list(one.methods)] for one in blocks]
    begun = not any((of_block["plain"] > 0).any() for of_block in cells)
    return "" if begun else "‡ the epoch of some runs is one in which the method has not begun."


def _families(one: Shown) -> pd.DataFrame:
    block = one.block
    columns = points.rates(block.runs, block.valued)
    columns = columns[columns["clean"] | columns.index.isin(one.noise)]  # rate 0 belongs to every kind
    return points.by_rate(block.cells, columns, one.methods)


def _are_shares(blocks: list[Shown]) -> bool:
    """Whether no value can be above 1."""
    return all(one.block.metric not in {"nll", "brier", "mae"} for one in blocks)


def _panel_title(one: Shown, family: str, blocks: list[Shown]) -> str:
    """The kind of noise, and of the place what differs between the blocks."""
    place = shown.differing(one, blocks) or one.block.place.dataset
    return shown_text(f"{place}: {family}")


def _gaps(one: Shown) -> list[str]:
    return [shown.holes(one), shown.undefined(one), shown.single(one)]


def _without_rate(one: Shown) -> str:
    columns = points.rates(one.block.runs, one.block.valued)
    unknown = [noise for noise in one.noise if np.isnan(columns.at[noise, "rate"])]
    return f"left out, as their rate is unknown: {shown.some(unknown)}" if unknown else ""


def _no_clean(blocks: list[Shown]) -> str:
    missing = [one.title for one in blocks if one.block.clean is None]
    return (
        f"no clean runs in {shown.some(missing)}, so that lines begin at the lowest rate: a suite with the noise "
        '"none" makes them'
    )


def _seeds(blocks: list[Shown]) -> str:
    return "n = " + shown.span(n for one in blocks for n in _units(one))


def _units(one: Shown) -> pd.Series:
    cells = one.block.cells.loc[list(one.methods)]
    return cells["units"][cells["state"] == "value"]
