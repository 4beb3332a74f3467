"""Methods down, and across what was varied beside the noise: backbones, or recipes; with how far the orders agree."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby

import pandas as pd

from benchmark.metrics import LOWER_IS_BETTER
from benchmark.report.document import Cell, Document, Grid, Section, Span, Text, grid, marked, plain, strong
from benchmark.report.layouts import cells, pages
from benchmark.tables import averages
from benchmark.tables.comparison import Block, Place, Table
from benchmark.tables.shown import told_apart
from benchmark.tables.statistics import average_rank

Columns = Mapping[str, tuple[pages.Pair, ...]]
"""Heading -> the block of a backbone or recipe, by every rule and metric."""


def backbones(tables: Sequence[Table]) -> Document:
    """Per backbone the mean over the noisy columns that all backbones of a data set have, the clean column, ranks."""
    sections = []
    for places in _grouped(tables, lambda place: (place.protocol, place.dataset, place.track)):
        place = places[0][0][1].place
        columns = dict(zip(_backbone_names(places), places, strict=True))
        sections.append(
            _section(f"{place.dataset}, {place.track} track", columns, "backbones", _recipes_of_backbones(columns))
        )
    return pages.document(tables, sections)


def recipes(tables: Sequence[Table]) -> Document:
    """The same for the recipes with which a backbone was trained on a data set, such as short and long runs."""
    sections = []
    for places in _grouped(tables, lambda place: (place.protocol, place.dataset, place.backbone, place.track)):
        place = places[0][0][1].place
        shared, own = told_apart([pairs[0][1].place.recipe for pairs in places])
        columns = dict(sorted(zip(own, places, strict=True), key=lambda one: _by_size(one[0])))
        said = [f"Recipe: {shared}"] if shared else []
        sections.append(_section(f"{place.dataset}, {place.backbone}, {place.track} track", columns, "recipes", said))
    return pages.document(tables, sections)


def _grouped(
    tables: Sequence[Table], key: Callable[[Place], tuple[str, ...]]
) -> Iterator[Sequence[tuple[pages.Pair, ...]]]:
    """The places that stand in one section."""

    def of(pairs: tuple[pages.Pair, ...]) -> tuple[str, ...]:
        return key(pairs[0][1].place)

    for _, places in groupby(sorted(pages.places(tables), key=of), key=of):
        yield list(places)


def _backbone_names(places: Sequence[tuple[pages.Pair, ...]]) -> list[str]:
    """Backbones that were trained by several recipes have a column for each."""
    names = [pairs[0][1].place.backbone for pairs in places]
    total, seen = Counter(names), Counter[str]()
    headings = []
    for name in names:
        seen[name] += 1
        headings.append(f"{name}, recipe {seen[name]}" if total[name] > 1 else name)
    return headings


def _recipes_of_backbones(columns: Columns) -> Iterator[str]:
    texts = {heading: pairs[0][1].place.recipe for heading, pairs in columns.items()}
    if len(set(texts.values())) == 1:
        yield f"Recipe: {next(iter(texts.values()))}"
        return
    yield "Recipes differ, so that a row compares backbones with their recipes."
    yield from (f"Recipe of {heading}: {recipe}" for heading, recipe in texts.items())


def _by_size(text: str) -> list[str | float]:
    """Sorts "epochs=30" before "epochs=100"."""
    return [float(part) if number % 2 else part for number, part in enumerate(re.split(r"(\d+)", text))]


def _section(heading: str, columns: Columns, called: str, paragraphs: Iterable[str]) -> Section:
    first = next(iter(columns.values()))
    blocks = [pairs[0][1] for pairs in columns.values()]
    several = len(first) > 1
    noisy = [name for name in blocks[0].noisy if all(name in block.noisy for block in blocks)]
    left_out = sorted({name for block in blocks for name in block.noisy} - set(noisy))
    grids: list[Grid] = []
    orders: list[Text] = []
    for position in range(len(first)):
        pairs = {heading: of_column[position] for heading, of_column in columns.items()}
        score = pages.score(next(iter(pairs.values())), several)
        grids += _grids(pairs, score, noisy)
        if noisy and len(columns) > 1:
            made, said = _ranks(pairs, score, noisy, called)
            grids.append(made)
            orders += [plain(f"{pages.by(first[position])}: ") + text if several else text for text in said]
    notes = [
        (f"{heading}, {pages.by(pair)}" if several else heading, note)
        for heading, pairs in columns.items()
        for pair in pairs
        for note in pair[1].notes
    ]
    count = len(columns) * len(first)
    protocol = f", protocol {blocks[0].place.protocol}" if blocks[0].place.protocol else ""
    return Section(
        heading=f"{heading}{protocol}",
        paragraphs=tuple(plain(text) for text in paragraphs),
        grids=tuple(grids),
        legend=pages.once(
            [(heading, cells.legend(block, table)) for heading, pairs in columns.items() for table, block in pairs],
            count,
        ),
        notes=(
            *([marked(f"left out, as not all {called} have it: {', '.join(left_out)}")] if left_out else []),
            *orders,
            *pages.once(notes, count),
        ),
    )


def _grids(pairs: Mapping[str, pages.Pair], score: str, noisy: Sequence[str]) -> Iterator[Grid]:
    methods = _names([block for _, block in pairs.values()])
    if noisy:
        caption = (*strong(f"{score}, mean over the noisy columns"), Span(f" {', '.join(noisy)} ± sd over seeds"))
        yield _grid(caption, methods, {heading: _averages(block, noisy) for heading, (_, block) in pairs.items()})
    if all(block.clean for _, block in pairs.values()):
        caption = (*strong(f"{score}, without noise"), Span(", mean ± sd over seeds"))
        yield _grid(caption, methods, {heading: _clean(block) for heading, (_, block) in pairs.items()})


def _ranks(pairs: Mapping[str, pages.Pair], score: str, noisy: Sequence[str], called: str) -> tuple[Grid, list[Text]]:
    """Average ranks over the `noisy` columns among the methods that have a value everywhere, and tau of each pair."""
    blocks = {heading: block for heading, (_, block) in pairs.items()}
    means = {name: block.cells["mean"].unstack("noise").reindex(columns=list(noisy)) for name, block in blocks.items()}
    complete = [set(of_one.dropna().index) for of_one in means.values()]
    methods = [cell for cell in _names(list(blocks.values())) if all(cell.text in names for names in complete)]
    names = [cell.text for cell in methods]
    ranks = pd.DataFrame(
        {
            name: average_rank(of_one.loc[names], blocks[name].metric in LOWER_IS_BETTER)
            for name, of_one in means.items()
        }
    )
    rows: list[list[str | Cell]] = [[cell, *(f"{rank:.1f}" for rank in ranks.loc[cell.text])] for cell in methods]
    caption = (*strong(f"{score}, average rank over the noisy columns"), Span(f" among the methods of all {called}"))
    return grid(caption, ["method", *ranks.columns], rows), list(pages.agreements(ranks))


def _averages(block: Block, noisy: Sequence[str]) -> dict[str, Cell]:
    """Emphasized where the groups of the block are over the same columns."""
    summary = averages.summary(averages.without_holes(block.valued, noisy))
    same = set(noisy) == set(block.noisy)
    return {
        name: cells.average(summary, name, emphasis=cells.emphasis(block.methods.at[name, "group"]) if same else None)
        for name in block.methods.index
    }


def _clean(block: Block) -> dict[str, Cell]:
    known = block.cells.to_dict("index")
    return {name: cells.figure(known[name, block.clean], block.runs_per_cell) for name in block.methods.index}


def _names(blocks: Sequence[Block]) -> list[Cell]:
    """Every method once; not emphasized, as groups are of one backbone."""
    named: dict[str, Cell] = {}
    for block in blocks:
        for name in block.methods.index:
            named.setdefault(name, Cell(name, marks=cells.marks(block, name)))
    return list(named.values())


def _grid(caption: tuple[Span, ...], methods: Sequence[Cell], columns: Mapping[str, Mapping[str, Cell]]) -> Grid:
    absent = Cell(cells.ABSENT, meaning="no such run")
    rows = [[name, *(of_backbone.get(name.text, absent) for of_backbone in columns.values())] for name in methods]
    return grid(caption, ["method", *columns], rows)
