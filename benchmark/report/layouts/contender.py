"""One method against all others, a section per data set, backbone, recipe and track."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import pandas as pd

from benchmark.report.document import Cell, Document, Grid, Section, Span, Text, grid, marked, plain, strong
from benchmark.report.layouts import cells, pages
from benchmark.tables.comparison import Block, Table
from benchmark.tables.contender import MOST_SEEDS, Contest, contest
from benchmark.tables.footnotes import in_full
from benchmark.tables.matrix import ROPE
from benchmark.tables.note_text import probability
from benchmark.tables.order import MIN_UNITS

_GROUPS = {"behind": "Better than {}", "open": "Not told apart from {}", "ahead": "Worse than {}", "": "Others than {}"}
"""Verdict on the method -> what the others are."""


def document(tables: Sequence[Table], ids: Collection[str], rope: float = ROPE) -> Document:
    """The place of every method that has made the runs `ids`, and its lead over every other method.

    Of runs that stand in two tracks, the leads are told once.
    """
    sections = []
    told: set[str] = set()
    for pairs in pages.places(tables):
        table, block = pairs[0]
        own = block.runs[block.runs["id"].isin(ids)]
        for name, runs in own.groupby("method", sort=False):
            sections.append(_section(block, str(name), rope, table.baseline, told.issuperset(runs["id"])))
        told.update(own["id"])
    return pages.document(tables, sections)


def _section(block: Block, method: str, rope: float, baseline: str, is_told: bool) -> Section:
    heading = f"{method}: {pages.heading(block.place)}"
    found = contest(block, method, rope)
    if found is None:
        lacking = block.cells.loc[method]["state"]
        holes = ", ".join(noise for noise in block.noisy if lacking[noise] != "value") or "every noisy column"
        return Section(heading, (plain(f"It is not ranked: {holes} lacks a value of some run."),))
    if found.others.empty:
        told = "No other method has runs here with a value in all noisy columns, of this protocol and tuning budget."
        return Section(heading, (plain(told),))
    paragraphs = [plain(_place(block, method, found)), *_against(found, baseline)]
    if is_told:
        return Section(heading, (*paragraphs, plain("The same runs as in the track before, among other methods.")))
    explained = (
        f"lead: of {method} at equal seeds, mean over {', '.join(block.noisy)}, ± half width of its 95 % t interval, "
        f"n = {found.repetitions}; W/T/L: of these columns won, tied (within {rope:g}) and lost; further seeds: with "
        "which such a lead would be told"
    )
    return Section(
        heading,
        tuple(paragraphs),
        tuple(_grids(block, method, found)),
        notes=tuple(map(marked, (explained, _verdicts(method, found), *in_full(block.full), _MARKS))),
    )


def _verdicts(method: str, found: Contest) -> str:
    if found.repetitions < MIN_UNITS:
        return f"nobody is said to be better or worse with fewer than {MIN_UNITS} seeds"
    return (
        f"better, worse: by paired t tests over the seeds, corrected for all {len(found.others)} comparisons of a "
        "method (Holm), as the place is. The intervals of leads are of each comparison alone: a lead may be larger "
        "than its half width and yet not be told"
    )


_MARKS = (
    "† uses the noise rate or other knowledge, * sets a learning rate or weight decay of its own; `noisybench table "
    "--with FOLDER` has all notes on these methods"
)


def _grids(block: Block, method: str, found: Contest) -> Iterator[Grid]:
    """The others by verdict, and within one by the lead over them."""
    for verdict, heading in _GROUPS.items():
        rows = found.others[found.others["verdict"] == verdict].sort_values("lead", kind="stable")
        is_told = verdict in ("ahead", "behind")
        columns = ["method", "lead", "W/T/L", *([] if is_told else ["further seeds"])]
        if len(rows):
            yield grid(
                (*strong(heading.format(method)), Span(f": {len(rows)}")),
                columns,
                [[cells.method(block, str(name)), *_row(row)][: len(columns)] for name, row in rows.iterrows()],
            )


def _against(found: Contest, baseline: str) -> Iterator[Text]:
    if baseline in found.others.index:
        row = found.others.loc[baseline]
        verdict = f", {row['verdict']}" if row["verdict"] else ""
        yield plain(f"Against {baseline}: {_lead(row)}{verdict}; wins/ties/losses {_counts(row)}.")


def _place(block: Block, method: str, found: Contest) -> str:
    row, others = block.methods.loc[method], found.others
    among = len(others) + 1
    rank = f"average rank {row['rank']:.1f} among {among} methods"
    if found.repetitions < MIN_UNITS:
        seeds = "1 seed" if found.repetitions == 1 else f"{found.repetitions} seeds"
        few = f"with {seeds} no order is claimed, from {MIN_UNITS} on it is"
        return f"{rank[0].upper()}{rank[1:]}; {few}."
    counts = others["verdict"].value_counts()
    return (
        f"Place {row['low']:.0f}-{row['high']:.0f} of {among} (95 % interval), {rank}: ahead of "
        f"{counts.get('ahead', 0)}, behind {counts.get('behind', 0)}, not told apart from {counts.get('open', 0)}; "
        f"the best with probability {probability(row['best'])}."
    )


def _lead(row: pd.Series) -> str:
    return f"{cells.number(row['lead'], signed=True)}{cells.spread(row['half'])}"


def _counts(row: pd.Series) -> str:
    return f"{row['wins']:.0f}/{row['ties']:.0f}/{row['losses']:.0f}"


def _row(row: pd.Series) -> list[str | Cell]:
    return [_lead(row), _counts(row), _further(row)]


def _further(row: pd.Series) -> str | Cell:
    if pd.isna(row["half"]):
        return Cell(cells.ABSENT, meaning="one seed tells no spread")
    return f"over {MOST_SEEDS}" if pd.isna(row["further"]) else f"{max(1, row['further']):.0f}"
