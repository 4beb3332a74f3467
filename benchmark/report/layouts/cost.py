"""Cost beside accuracy: which methods give more for what they take."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmark.metrics import LOWER_IS_BETTER
from benchmark.report.document import Cell, Document, Grid, Section, Span, grid, plain, strong
from benchmark.report.layouts import cells, pages
from benchmark.tables import averages
from benchmark.tables.comparison import Block, Table


def document(tables: Sequence[Table]) -> Document:
    """Per method its cost, its clean figure, its mean over the noisy columns and the difference from the baseline."""
    sections = [
        Section(
            heading=pages.heading(pairs[0][1].place),
            paragraphs=(plain(f"Recipe: {pairs[0][1].place.recipe}"),),
            grids=tuple(_grid(pair, several=len(pairs) > 1) for pair in pairs),
            legend=pages.legend(pairs),
            notes=pages.notes(pairs),
        )
        for pairs in pages.places(tables)
    ]
    return pages.document(tables, sections)


def _grid(pair: pages.Pair, several: bool) -> Grid:
    table, block = pair
    scores = averages.without_holes(block.valued, block.noisy)
    noisy = averages.summary(scores)
    against = _differences(scores, block, table.baseline)
    methods = pd.DataFrame({"passes": passes(block)}, index=block.methods.index).join(noisy["mean"])
    loss = methods["mean"] if block.metric in LOWER_IS_BETTER else -methods["mean"]
    on_front = front(methods["passes"], loss)
    order = methods.assign(loss=loss).sort_values(["passes", "loss"], kind="stable").index
    columns: list[str | Cell] = [
        "method",
        Cell("cost", meaning="passes through a network, of those of the baseline"),
        *([Cell("measured", meaning="seconds, of those of the baseline")] if table.timing else []),
        *([block.clean] if block.clean else []),
        Cell("noisy", meaning="mean over the noisy columns"),
        *([Cell(f"difference from {table.baseline}")] if len(against) else []),
        Cell("front", meaning="no method is better at no more cost"),
    ]
    known = block.cells.to_dict("index")
    rows = [
        [
            cells.method(block, name),
            cells.cost(block.methods.at[name, "cost"]),
            *([cells.times(block.methods.at[name, "measured"])] if table.timing else []),
            *([cells.figure(known[name, block.clean], block.runs_per_cell)] if block.clean else []),
            cells.average(noisy, name),
            *([cells.average(against, name, signed=True)] if len(against) else []),
            "yes" if on_front[name] else "",
        ]
        for name in order
    ]
    measured = ", and seconds as measured, as multiples of those of the baseline" if table.timing else ""
    caption = (
        *strong(f"{pages.score(pair, several)} and cost"),
        Span(
            f"; cost: passes as declared{measured}; noisy: mean over "
            f"{', '.join(block.noisy)} ± sd over seeds, of methods without a hole; differences at equal seeds ± half "
            "width of their 95 % t interval; front: no other method has a better mean over the noisy columns at no "
            "more cost. The front compares means and does not say that its methods are told apart"
        ),
    )
    return grid(caption, columns, rows)


def passes(block: Block) -> list[float]:
    """The declared cost of every method as a number; NaN where none is known."""
    return [float(text.removesuffix("x")) if text else np.nan for text in block.methods["cost"]]


def _differences(scores: pd.DataFrame, block: Block, baseline: str) -> pd.DataFrame:
    if baseline not in scores:
        return averages.summary(scores.iloc[:, :0])
    others = scores.drop(columns=baseline)
    return averages.summary(others.sub(scores[baseline], axis=0))


def front(cost: pd.Series, loss: pd.Series) -> pd.Series:
    """Whether no other method is at most as dear and at most as bad, and better in one of the two."""
    on = pd.Series(False, index=cost.index)
    known = cost.notna() & loss.notna()
    for name in cost.index[known]:
        no_worse = (cost <= cost[name]) & (loss <= loss[name])
        better = (cost < cost[name]) | (loss < loss[name])
        on[name] = not (no_worse & better).any()
    return on
