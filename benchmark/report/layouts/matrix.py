"""Methods down, the first of them and the baseline across; a section per backbone, track and tuning budget."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from benchmark.report.document import Cell, Document, Section, Span, grid, marked, plain, strong
from benchmark.report.layouts import cells, leaderboard, pages
from benchmark.tables.comparable import TableError
from benchmark.tables.comparison import Table
from benchmark.tables.leaderboard import Leaderboard, leaderboards
from benchmark.tables.matrix import critical_difference, reach, telling

ACROSS = 4
"""Methods across, beside the baseline: a cell is wide."""

LEAST_DATASETS = 6
"""For a critical difference of ranks, which is that of a large number of data sets."""


def document(tables: Sequence[Table]) -> Document:
    """Every method against the first ones and the baseline: mean difference, wins/ties/losses, p corrected by Holm."""
    table = tables[0]
    if len(tables) > 1:
        raise TableError("the layout matrix compares by one rule and metric; expected one --rule and one --metric")
    sections = [_section(board, table) for board in leaderboards(table) if len(board.methods) > 1]
    if not sections:
        raise TableError(
            "the layout matrix compares methods, and fewer than two have a value in all noisy columns of a data set; "
            "`noisybench status` says which runs are missing"
        )
    return pages.document(tables, sections)


def _section(board: Leaderboard, table: Table) -> Section:
    names = list(board.matrix.index.get_level_values("method").unique())
    reference = [name for name in names[ACROSS:] if name == table.baseline]
    across = names[:ACROSS] + reference
    known = board.matrix.to_dict("index")
    tested = telling(board.units, len(known) // 2)
    rows = [
        [leaderboard.method(board, name), *(_cell(known.get((name, other)), tested) for other in across)]
        for name in names
    ]
    unit = f"{board.unit}s"
    caption = (
        *strong("Row against column"),
        Span(
            f": mean difference; wins/ties/losses over {board.units} {unit}"
            + ("; p of the exact sign-flip test, corrected (Holm)" if tested else "")
        ),
    )
    return Section(
        leaderboard.heading(board),
        (leaderboard.datasets(board),),
        (grid(caption, ["method", *across], rows),),
        leaderboard.legend(board),
        (
            plain(
                f"{len(known)} ordered pairs, of which those with {len(across)} methods are shown; a difference of at "
                f"most {board.rope:g} is a tie. What a pair says depends on no third method, but for the correction"
            ),
            plain(reach(board.units, len(known) // 2)),
            *map(plain, _critical(board)),
            *map(marked, board.notes),
        ),
    )


def _critical(board: Leaderboard) -> Iterator[str]:
    ranks = board.methods["rank"].dropna().to_numpy()
    if board.unit == "seed" or board.units < LEAST_DATASETS or len(ranks) < 2:
        return
    critical = critical_difference(len(ranks), board.units)
    apart = int((abs(np.subtract.outer(ranks, ranks)) > critical).sum()) // 2
    yield (
        f"critical difference of average ranks: {critical:.1f} places for {len(ranks)} methods on {board.units} data "
        f"sets (Nemenyi, 95 %; Demšar, JMLR 2006); {apart} of {len(ranks) * (len(ranks) - 1) // 2} pairs are further "
        "apart. It grows with every method that is added, so the pairs above say more"
    )


def _cell(pair: dict[str, float] | None, tested: bool) -> Cell:
    if pair is None:
        return Cell("", meaning="itself")
    counts = f"{pair['wins']:.0f}/{pair['ties']:.0f}/{pair['losses']:.0f}"
    p = f" {cells.number(pair['p_holm'])}" if tested else ""
    return Cell(f"{cells.number(pair['difference'], signed=True)} {counts}{p}")
