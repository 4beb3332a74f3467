"""One method against all others, a section per data set, backbone, recipe and track."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pandas as pd

from benchmark.report.document import Cell, Document, Section, Span, grid, marked, plain, strong
from benchmark.report.layouts import cells, pages
from benchmark.tables.comparison import Block, Table
from benchmark.tables.contender import MOST_SEEDS, Contest, contest
from benchmark.tables.matrix import ROPE, reach
from benchmark.tables.note_text import probability
from benchmark.tables.order import MIN_UNITS


def document(tables: Sequence[Table], ids: Collection[str], rope: float = ROPE) -> Document:
    """The place of every method that has made the runs `ids`, and its lead over every other method."""
    sections = []
    for pairs in pages.places(tables):
        block = pairs[0][1]
        names = block.runs.loc[block.runs["id"].isin(ids), "method"].unique()
        sections += [_section(block, str(name), rope) for name in names]
    return pages.document(tables, sections)


def _section(block: Block, method: str, rope: float) -> Section:
    heading = f"{method}: {pages.heading(block.place)}"
    found = contest(block, method, rope)
    if found is None:
        lacking = block.cells.loc[method]["state"]
        holes = ", ".join(noise for noise in block.noisy if lacking[noise] != "value") or "every noisy column"
        return Section(heading, (plain(f"It is not ranked: {holes} lacks a value of some run."),))
    if found.others.empty:
        told = "No other method has runs here with a value in all noisy columns, of this protocol and tuning budget."
        return Section(heading, (plain(told),))
    caption = (
        *strong(f"Lead of {method}"),
        Span(
            f", mean over {', '.join(block.noisy)} at equal seeds, ± half width of its 95 % t interval; "
            f"n = {found.repetitions}; wins/ties/losses: these columns, a tie is within {rope:g}; further seeds: with "
            "which such a lead would be told"
        ),
    )
    rows = [[cells.method(block, str(name)), *_row(row)] for name, row in found.others.iterrows()]
    return Section(
        heading,
        (plain(_place(block, method, found)),),
        (grid(caption, ["against", "lead", "wins/ties/losses", "verdict", "further seeds"], rows),),
        notes=(plain(reach(found.repetitions, len(rows))), *map(marked, block.notes)),
    )


def _place(block: Block, method: str, found: Contest) -> str:
    row, others = block.methods.loc[method], found.others
    among = len(others) + 1
    rank = f"average rank {row['rank']:.1f} among {among} methods"
    if found.repetitions < MIN_UNITS:
        few = f"with n = {found.repetitions} seeds no order is claimed, from {MIN_UNITS} on it is"
        return f"{rank[0].upper()}{rank[1:]}; {few}."
    counts = others["verdict"].value_counts()
    return (
        f"Place {row['low']:.0f}-{row['high']:.0f} of {among} (95 % interval), {rank}: ahead of "
        f"{counts.get('ahead', 0)}, behind {counts.get('behind', 0)}, not told apart from {counts.get('open', 0)}; "
        f"the best with probability {probability(row['best'])}."
    )


def _row(row: pd.Series) -> list[str | Cell]:
    further = row["further"]
    told = row["verdict"] in ("ahead", "behind")
    return [
        f"{cells.number(row['lead'], signed=True)}{cells.spread(row['half'])}",
        f"{row['wins']:.0f}/{row['ties']:.0f}/{row['losses']:.0f}",
        row["verdict"] or Cell(cells.ABSENT, meaning="no order is claimed"),
        Cell("", meaning="") if told else f"over {MOST_SEEDS}" if pd.isna(further) else f"{max(1, further):.0f}",
    ]
