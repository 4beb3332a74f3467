"""Methods down, backbones across; a section per data set and track."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from benchmark.report.document import Cell, Document, Grid, Section, Span, grid, marked, plain, strong
from benchmark.report.layouts import cells, pages
from benchmark.tables import averages
from benchmark.tables.comparison import Block, Place, Table

Columns = Mapping[str, tuple[pages.Pair, ...]]
"""Heading -> the block of a backbone, by every rule and metric."""


def document(tables: Sequence[Table]) -> Document:
    """Per backbone the mean over the noisy columns that all backbones of a data set have, and the clean column."""
    found = sorted(pages.places(tables), key=lambda pairs: _group(pairs[0][1].place))
    grouped = groupby(found, key=lambda pairs: _group(pairs[0][1].place))
    return pages.document(tables, [_section(list(places)) for _, places in grouped])


def _group(place: Place) -> tuple[str, str, str]:
    return place.protocol, place.dataset, place.track


def _section(places: Sequence[tuple[pages.Pair, ...]]) -> Section:
    columns = _columns(places)
    blocks = {heading: pairs[0][1] for heading, pairs in columns.items()}
    place = places[0][0][1].place
    several = len(places[0]) > 1
    noisy = _common(list(blocks.values()))
    left_out = sorted({name for block in blocks.values() for name in block.noisy} - set(noisy))
    grids = [made for position in range(len(places[0])) for made in _grids(columns, position, noisy, several)]
    notes = [
        (f"{heading}, {pages.by(pair)}" if several else heading, note)
        for heading, pairs in columns.items()
        for pair in pairs
        for note in pair[1].notes
    ]
    count = len(columns) * len(places[0])
    protocol = f", protocol {place.protocol}" if place.protocol else ""
    return Section(
        heading=f"{place.dataset}, {place.track} track{protocol}",
        paragraphs=tuple(plain(text) for text in _recipes(blocks)),
        grids=tuple(grids),
        legend=pages.once(
            [(heading, cells.legend(block, table)) for heading, pairs in columns.items() for table, block in pairs],
            count,
        ),
        notes=(
            *([marked(f"left out, as not all backbones have it: {', '.join(left_out)}")] if left_out else []),
            *pages.once(notes, count),
        ),
    )


def _columns(places: Sequence[tuple[pages.Pair, ...]]) -> Columns:
    """Backbones that were trained by several recipes have a column for each."""
    names = [pairs[0][1].place.backbone for pairs in places]
    total, seen = Counter(names), Counter[str]()
    columns = {}
    for name, pairs in zip(names, places, strict=True):
        seen[name] += 1
        columns[f"{name}, recipe {seen[name]}" if total[name] > 1 else name] = pairs
    return columns


def _common(blocks: Sequence[Block]) -> list[str]:
    return [name for name in blocks[0].noisy if all(name in block.noisy for block in blocks)]


def _recipes(blocks: Mapping[str, Block]) -> Iterator[str]:
    recipes = {block.place.recipe for block in blocks.values()}
    if len(recipes) == 1:
        yield f"Recipe: {recipes.pop()}"
        return
    yield "Recipes differ, so that a row compares backbones with their recipes."
    yield from (f"Recipe of {heading}: {block.place.recipe}" for heading, block in blocks.items())


def _grids(columns: Columns, position: int, noisy: Sequence[str], several: bool) -> Iterator[Grid]:
    pairs = {heading: of_backbone[position] for heading, of_backbone in columns.items()}
    score = pages.score(next(iter(pairs.values())), several)
    methods = _names([block for _, block in pairs.values()])
    if noisy:
        caption = (*strong(f"{score}, mean over the noisy columns"), Span(f" {', '.join(noisy)} ± sd over seeds"))
        yield _grid(caption, methods, {heading: _averages(block, noisy) for heading, (_, block) in pairs.items()})
    if all(block.clean for _, block in pairs.values()):
        caption = (*strong(f"{score}, without noise"), Span(", mean ± sd over seeds"))
        yield _grid(caption, methods, {heading: _clean(block) for heading, (_, block) in pairs.items()})


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
