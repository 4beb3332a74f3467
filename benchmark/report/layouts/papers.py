"""Ours beside the figures that papers print, with the difference of the protocols."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import pandas as pd

from benchmark.report import papers
from benchmark.report.document import Cell, Document, Grid, Section, Span, Text, grid, plain, strong
from benchmark.report.layouts import cells, pages
from benchmark.report.papers import PaperFigures
from benchmark.tables.comparable import TableError
from benchmark.tables.comparison import Block, Table


def document(tables: Sequence[Table]) -> Document:
    """Per method and noise our figure and a paper's, and how far each is above cross entropy in its own protocol."""
    printed = papers.read()
    sections = []
    for pairs in pages.places(tables):
        grids = [made for pair in pairs if (made := _grid(pair, printed, several=len(pairs) > 1))]
        if grids:
            place = pairs[0][1].place
            protocol = tuple(_protocol(pairs[0][1], [table.rule for table, _ in pairs], printed))
            sections.append(Section(pages.heading(place), protocol, tuple(grids), notes=pages.notes(pairs)))
    if not sections:
        raise TableError(
            "no paper prints a figure for a method and noise of these runs; expected accuracies of methods and noise "
            f"of {papers.FILE.name}, such as {printed.figures[0].method} at {next(iter(printed.figures[0].accuracy))}"
        )
    return pages.document(tables, sections)


def _protocol(block: Block, rules: Sequence[str], printed: papers.Papers) -> Iterator[Text]:
    place = block.place
    yield plain(f"Ours: {place.dataset}, {place.backbone}, {place.recipe}, epoch by {' and by '.join(rules)}.")
    yield plain(
        f"Papers: {printed.dataset}; network, epochs and reported epoch of every source stand in its row. Values are "
        "not comparable with ours, nor between sources: images, networks, lengths, epochs and draws of the noise "
        "differ. Comparable is the direction: whether a method is above its baseline in both."
    )


def _grid(pair: pages.Pair, printed: papers.Papers, several: bool) -> Grid | None:
    """None where there is nothing to compare: papers print accuracies."""
    table, block = pair
    if block.metric != "accuracy":
        return None
    known = block.cells.to_dict("index")
    rows = [
        _row(block, name, noise, known[name, noise], figures)
        for name, plugin in block.methods["plugin"].items()
        for figures in sorted(printed.figures, key=lambda one: one.source)
        for noise in block.columns
        if figures.method == plugin and noise in figures.accuracy
    ]
    if not rows:
        return None
    caption = (
        *strong(f"{pages.score(pair, several)}, beside the papers"),
        Span(
            f"; ours: mean ± sd over seeds; gain: difference from {table.baseline} at equal seeds ± half width of its "
            "95 % t interval, and from cross entropy in the same table of the paper; direction: open where our "
            "interval holds 0"
        ),
    )
    columns = [
        *("method", "noise", "ours", "paper", "our gain", "paper's gain", "direction"),
        *("network", "epochs", "epoch", "source"),
    ]
    return grid(caption, columns, rows)


def _row(block: Block, name: str, noise: str, ours: cells.Row, figures: PaperFigures) -> list[Cell]:
    gain = figures.gain(noise)
    if figures.baseline_accuracy is None or gain is None:
        their_gain = Cell(cells.ABSENT, meaning="the source prints no baseline")
    else:
        against = "" if figures.baseline == papers.USUAL_BASELINE else f" over {figures.baseline}"
        their_gain = Cell(cells.number(gain / 100, signed=True), marks=against)
    return [
        cells.method(block, name),
        Cell(noise),
        cells.figure(ours, block.runs_per_cell),
        Cell(cells.number(figures.accuracy[noise] / 100)),
        cells.difference(ours, block.runs_per_cell),
        their_gain,
        Cell(_direction(ours["delta"], ours["delta_half"], gain, figures)),
        *(Cell(text) for text in (figures.network, figures.epochs, figures.epoch, figures.source)),
    ]


def _direction(delta: float, half: float, gain: float | None, figures: PaperFigures) -> str:
    if gain is None or pd.isna(delta) or figures.baseline != papers.USUAL_BASELINE:
        return ""
    if pd.isna(half) or abs(delta) <= half:
        return "open"
    return "same" if math.copysign(1, delta) == math.copysign(1, gain) else "opposite"
