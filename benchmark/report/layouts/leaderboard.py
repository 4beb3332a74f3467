"""Methods down, one place each over all data sets; a section per backbone, track and tuning budget."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from benchmark.report.document import Cell, Document, Grid, Section, Span, Text, grid, marked, plain, strong
from benchmark.report.layouts import cells, pages
from benchmark.report.layouts.cells import ABSENT
from benchmark.tables import note_text
from benchmark.tables.comparison import Table
from benchmark.tables.first_two import FirstTwo, first_two
from benchmark.tables.leaderboard import Leaderboard, leaderboards
from benchmark.tables.order import short_letters

_SCALE_FREE = (
    "improvability: by how much the best method's error is smaller, as a share of the method's own error; skill: 1 - "
    "geometric mean of its error over the baseline's; both over data sets"
)


def document(tables: Sequence[Table]) -> Document:
    """Place, group and differences over data sets, robustness, and whether the first place is luck of the test set.

    Several tables add the ranks by their rules and metrics, and how far these agree.
    """
    boards = [leaderboards(table) for table in tables]
    sections = [_section(board, tables, [_same(others, board) for others in boards]) for board in boards[0]]
    return pages.document(tables, sections or [_empty()])


def heading(board: Leaderboard) -> str:
    protocol = f", protocol {board.protocol}" if board.protocol else ""
    tuned = f", tuned (N = {board.tuned})" if board.tuned else ""
    return f"{board.backbone}, {board.track} track{tuned}{protocol}"


def datasets(board: Leaderboard) -> Text:
    names = ", ".join(board.datasets)
    return plain(f"Data sets: {names}" if len(board.datasets) > 1 else f"Data set: {names}")


def method(board: Leaderboard, name: str) -> Cell:
    """The name of a row with the marks of any of the data sets."""
    found = cells.method(board.blocks[0], name)
    return Cell(found.text, marks=found.marks, emphasis=cells.emphasis(board.methods.loc[name, "group"]))


def legend(board: Leaderboard) -> tuple[Text, ...]:
    if any(map(cells.emphasis, board.methods["group"])):
        return (
            plain(
                "Bold: the methods that are not told apart from the best one (group a). Underlined: the next group (b)"
            ),
        )
    return (plain("No method is emphasized: the order is not resolved"),)


def _empty() -> Section:
    return Section(
        "No leaderboard",
        notes=(plain("no method has a value in all noisy columns of a data set with the seeds of the others"),),
    )


def _same(boards: Sequence[Leaderboard], board: Leaderboard) -> Leaderboard | None:
    key = (board.backbone, board.track, board.protocol, board.tuned)
    return next((b for b in boards if (b.backbone, b.track, b.protocol, b.tuned) == key), None)


def _section(board: Leaderboard, tables: Sequence[Table], same: Sequence[Leaderboard | None]) -> Section:
    duel = first_two(board, tables[0])
    grids = [_places(board, tables[0]), *_means(board), *_robustness(board)]
    notes = [*map(marked, (*board.order, *board.notes)), plain(_SCALE_FREE)]
    if duel is not None:
        grids += _test_images(duel)
        notes += [marked(note) for note in duel.notes]
    if len(tables) > 1:
        made, found = _ranks(board, tables, same)
        grids.append(made)
        notes += found
    else:
        notes.append(
            plain("how far the order depends on the reporting rule: give several (--rule last --rule val_clean)")
        )
    return Section(heading(board), (datasets(board),), tuple(grids), legend(board), tuple(notes))


def _places(board: Leaderboard, table: Table) -> Grid:
    over = "its noisy columns" if board.unit == "seed" else "data sets"
    columns: list[str | Cell] = [
        "method",
        Cell("place", meaning="95 % interval of the place"),
        Cell("group", meaning="methods that share a letter are not told apart"),
        Cell("P(best)", meaning="probability of being the best"),
        Cell("rank", meaning=f"average rank over {over}"),
        "mean",
        Cell(f"over {table.baseline}", meaning=f"difference from {table.baseline}"),
        Cell("W/T/L", meaning=f"wins, ties and losses against {table.baseline}"),
        Cell("improvability", meaning="by how much the best method's error is smaller, as a share of the own error"),
        Cell("skill", meaning="1 - geometric mean of the error over the baseline's"),
    ]
    rows = [[method(board, str(name)), *_place(row)] for name, row in board.methods.iterrows()]
    caption = (
        *strong(f"{', '.join(board.metrics).replace('_', ' ').capitalize()}, mean over noisy columns"),
        Span(f"; n = {board.units} {board.unit}s"),
    )
    return grid(caption, columns, rows)


def _place(row: pd.Series) -> Iterator[Cell]:
    resolved = bool(row["group"])
    role = cells.emphasis(row["group"])
    unresolved = Cell(ABSENT, meaning="not resolved")
    yield Cell(f"{row['low']:.0f}-{row['high']:.0f}", emphasis=role) if resolved else unresolved
    yield Cell(short_letters(row["group"]), emphasis=role) if resolved else unresolved
    yield probability(row["best"]) if resolved else unresolved
    yield Cell(ABSENT, meaning="not ranked") if pd.isna(row["rank"]) else Cell(f"{row['rank']:.1f}")
    yield cells.valued(row["mean"])
    if pd.isna(row["delta"]):
        yield Cell(ABSENT, meaning="no difference")
        yield Cell(ABSENT, meaning="no difference")
    else:
        yield Cell(f"{cells.number(row['delta'], signed=True)}{cells.spread(row['delta_half'])}")
        yield Cell(f"{row['wins']:.0f}/{row['ties']:.0f}/{row['losses']:.0f}")
    yield cells.valued(row["improvability"])
    yield cells.valued(row["skill"])


def _means(board: Leaderboard) -> Iterator[Grid]:
    if len(board.datasets) > 1:
        rows = [[method(board, str(name)), *map(cells.valued, values)] for name, values in board.means.iterrows()]
        yield grid(strong("Means by data set, over noisy columns and seeds"), ["method", *board.datasets], rows)


def _robustness(board: Leaderboard) -> Iterator[Grid]:
    areas = board.robustness
    if areas.empty:
        return
    ends = areas.groupby("kind")[["low", "high", "rates"]].first()
    columns = [f"{kind} {row['low']:g}-{row['high']:g}" for kind, row in ends.iterrows()]
    rows = []
    for name in board.methods.index:
        found = [areas.loc[(name, kind)] if (name, kind) in areas.index else None for kind in ends.index]
        shown = [cells.valued(float("nan")) if area is None else _area(area) for area in found]
        rows.append([method(board, str(name)), *shown])
    interval = " ± half width of its 95 % t interval over seeds" if board.unit == "seed" else ", mean over data sets"
    yield grid(
        (*strong("Robustness"), Span(f": mean of the metric over the noise rates{interval}")),
        ["method", *columns],
        rows,
    )


def _area(area: pd.Series) -> Cell:
    return Cell(f"{cells.number(area['mean'])}{cells.spread(area['half'])}")


def _test_images(duel: FirstTwo) -> Iterator[Grid]:
    if duel.sampling.empty:
        return
    columns: list[str | Cell] = [
        "noise",
        Cell("lead", meaning="difference of the first method from the second, mean over runs"),
        Cell("P(false)", meaning="probability that the second method is truly as good"),
        Cell("only first", meaning="test images that the first method alone has right, mean over runs"),
        Cell("only second", meaning="test images that the second method alone has right, mean over runs"),
        Cell("P(false), 1 run", meaning="the same of a single run of each; median over runs"),
        Cell("McNemar p, 1 run", meaning="exact two-sided p of a single run of each; median over runs"),
    ]
    several = len(duel.sampling.index.unique("dataset")) > 1
    rows: list[list[str | Cell]] = [
        [
            f"{dataset}, {noise}" if several else str(noise),
            f"{cells.number(row['lead'], signed=True)}{cells.spread(row['half'])}",
            probability(row["false"]),
            _count(row["first_only"]),
            _count(row["second_only"]),
            probability(row["run_false"]),
            probability(row["run_p"], digits=3),
        ]
        for (dataset, noise), row in duel.sampling.iterrows()
    ]
    caption = (
        *strong("The first two on the test images"),
        Span(": lead of "),
        Span(duel.first, "code"),
        Span(" over "),
        Span(duel.second, "code"),
        Span(
            " ± half width of its 95 % interval over test sets; only first, only second: images that it alone has "
            "right, mean over runs; P(false): probability that the second is truly as good"
        ),
    )
    yield grid(caption, columns, rows)


def probability(value: float, digits: int = 2) -> Cell:
    if pd.isna(value):
        return Cell(ABSENT, meaning="no value")
    return Cell(note_text.probability(value, digits).replace("0.", ".", 1))


def _count(value: float) -> Cell:
    return Cell(ABSENT, meaning="no value") if pd.isna(value) else Cell(f"{value:.1f}")


def _ranks(board: Leaderboard, tables: Sequence[Table], same: Sequence[Leaderboard | None]) -> tuple[Grid, list[Text]]:
    """Ranks by every rule and metric, and Kendall's tau of each pair."""
    several = len({table.metric for table in tables}) > 1
    names = [f"{table.rule}, {table.metric}" if several else table.rule for table in tables]
    ranks = pd.DataFrame(
        {name: other.methods["rank"] for name, other in zip(names, same, strict=True) if other is not None}
    )
    ranks = ranks.reindex(index=board.methods.index, columns=names)
    rows = [[method(board, str(name)), *(_count(rank) for rank in values)] for name, values in ranks.iterrows()]
    return grid((*strong("Rank"), Span(" by reporting rule and metric")), ["method", *names], rows), list(
        pages.agreements(ranks)
    )
