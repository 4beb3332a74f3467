"""Default beside tuned: what the search for a configuration won for every method."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from benchmark.report.document import Cell, Document, Grid, Section, Span, grid, plain, strong
from benchmark.report.layouts import cells, pages
from benchmark.tables import averages
from benchmark.tables.comparable import TableError
from benchmark.tables.comparison import Block, Table


def document(tables: Sequence[Table]) -> Document:
    """Per method its default and its tuned configuration, and their difference at equal seeds."""
    sections = [
        Section(
            heading=pages.heading(pairs[0][1].place),
            paragraphs=(plain(f"Recipe: {pairs[0][1].place.recipe}"),),
            grids=tuple(made for pair in pairs for made in _grids(pair, several=len(pairs) > 1)),
            notes=pages.notes(pairs),
        )
        for pairs in pages.places(tables)
        if _pairs(pairs[0][1])
    ]
    if not sections:
        raise TableError("no method is tuned here; expected runs of a search: `noisybench run SUITE --tune N`")
    return pages.document(tables, sections)


def _pairs(block: Block) -> list[tuple[str, str]]:
    """(tuned, default) row names, best rank first; a tuned row without default is left out."""
    tuned = block.methods[block.methods["tuned"] > 0]
    named = [(name, name.removesuffix(f" tuned (N = {budget})")) for name, budget in tuned["tuned"].items()]
    return [(name, default) for name, default in named if default in block.methods.index]


def _grids(pair: pages.Pair, several: bool) -> Iterator[Grid]:
    _, block = pair
    score = pages.score(pair, several)
    rows = _pairs(block)
    if block.noisy:
        scores = averages.without_holes(block.valued, block.noisy)
        summary, won = averages.summary(scores), averages.summary(_won(scores, rows))
        yield grid(
            (
                *strong(f"{score}, mean over the noisy columns"),
                Span(
                    f" {', '.join(block.noisy)} ± sd over seeds; difference of tuned from default at equal seeds "
                    "± half width of its 95 % t interval"
                ),
            ),
            ["method", "default", "tuned", "difference"],
            [
                [
                    cells.method(block, tuned),
                    cells.average(summary, default),
                    cells.average(summary, tuned),
                    cells.average(won, tuned, signed=True),
                ]
                for tuned, default in rows
            ],
        )
    yield grid(
        (
            *strong(f"{score}, tuned less default"),
            Span(" at equal seeds, per column ± half width of its 95 % t interval"),
        ),
        ["method", *block.columns],
        _by_column(block, rows),
    )


def _won(scores: pd.DataFrame, rows: Sequence[tuple[str, str]]) -> pd.DataFrame:
    both = [(tuned, default) for tuned, default in rows if {tuned, default} <= set(scores.columns)]
    return pd.DataFrame({tuned: scores[tuned] - scores[default] for tuned, default in both}, index=scores.index)


def _by_column(block: Block, rows: Sequence[tuple[str, str]]) -> list[list[Cell]]:
    won = {}
    for column in block.columns:
        scores = averages.without_holes(block.valued, [column])
        won[column] = averages.summary(_won(scores, rows))
    return [
        [cells.method(block, tuned), *(cells.average(won[column], tuned, signed=True) for column in block.columns)]
        for tuned, _ in rows
    ]
