"""Methods down, kinds of noise with their rates across; a section per data set, backbone, recipe and track."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import pandas as pd

from benchmark.metrics import LOWER_IS_BETTER
from benchmark.report.document import Cell, Document, Grid, Section, Span, grid, plain, strong
from benchmark.report.layouts import cells, pages
from benchmark.tables.comparison import Block, Table
from benchmark.tables.order import short_letters

_MEANINGS = {
    "kept_precision": "Precision of the kept samples: the share whose label is right",
    "kept_recall": "Recall of the kept samples: the share of the rightly labelled that was kept",
    "kept_auroc": "AUROC of the score by which samples are kept, right against wrong labels",
    "corrected_accuracy": "Accuracy of the corrected labels",
    "transition_l1": "L1 error of the estimated transition matrix, mean over its rows",
}
"""Captions of `frames.DIAGNOSTICS`."""

Columns = Mapping[Cell, Sequence[Cell]]
"""Heading -> a cell per row."""


def document(tables: Sequence[Table]) -> Document:
    """Mean ± sd, differences from the baseline and drop from clean. Several tables stand below one another."""
    return pages.document(tables, [_section(pairs) for pairs in pages.places(tables)])


def _section(pairs: Sequence[pages.Pair]) -> Section:
    table, block = pairs[0]
    grids = [made for pair in pairs for made in _grids(pair, several=len(pairs) > 1)]
    if table.diagnostics:
        grids += _diagnostics(block)
    return Section(
        heading=pages.heading(block.place),
        paragraphs=(plain(f"Recipe: {block.place.recipe}"),),
        grids=tuple(grids),
        legend=pages.legend(pairs),
        notes=pages.notes(pairs),
    )


def _grids(pair: pages.Pair, several: bool) -> Iterator[Grid]:
    table, block = pair
    of = f" ({pages.score(pair, several)})" if several else ""
    usual = block.runs_per_cell
    yield _grid(
        block,
        (
            *strong(f"{pages.score(pair, several)}, mean ± sd over seeds, n = {usual}"),
            Span(" unless a cell says otherwise" + _rank_caption(block)),
        ),
        block.columns,
        lambda row: cells.figure(row, usual),
        _rank(block),
    )
    if block.cells["delta"].notna().any():
        measured = ", and seconds as measured, as multiples of those of the baseline" if table.timing else ""
        yield _grid(
            block,
            (
                *strong(f"Difference from {table.baseline}"),
                Span(f"{of} at equal seeds ± half width of its 95 % t interval; cost: passes as declared{measured}"),
            ),
            block.columns,
            lambda row: cells.difference(row, usual),
            _costs(block, table),
        )
    if block.cells["drop"].notna().any():
        yield _grid(
            block,
            (
                *strong("Rise" if block.metric in LOWER_IS_BETTER else "Drop"),
                Span(f"{of} from the method's own runs at {block.clean}, at equal seeds"),
            ),
            block.columns[1:],
            lambda row: cells.valued(row["drop"]),
            {},
        )


def _diagnostics(block: Block) -> Iterator[Grid]:
    for name, meaning in _MEANINGS.items():
        values = block.cells[name].unstack("noise").reindex(block.methods.index)
        methods = values.index[values.notna().any(axis=1)]
        if len(methods):
            caption = (*strong(meaning), Span(", mean over seeds, last epoch"))
            yield _grid(block, caption, block.columns, _value_of(name), {}, methods)


def _value_of(name: str) -> Callable[[cells.Row], Cell]:
    return lambda row: cells.valued(row[name])


def _rank_caption(block: Block) -> str:
    if block.methods["rank"].isna().all():
        return ""
    return f"; in the order of rank: average over {', '.join(block.noisy)}, of methods without a hole, means as printed"


def _rank(block: Block) -> Columns:
    methods = block.methods
    if methods["rank"].isna().all():
        return {}
    emphasis = list(map(cells.emphasis, methods["group"]))
    columns = {
        Cell("rank", meaning="average rank over the noisy columns"): [
            Cell(cells.ABSENT, meaning="not ranked") if pd.isna(rank) else Cell(f"{rank:.1f}", emphasis=role)
            for rank, role in zip(methods["rank"], emphasis, strict=True)
        ]
    }
    resolved = methods["best"].notna()
    if resolved.any():
        rows = list(zip(resolved, methods["low"], methods["high"], methods["group"], emphasis, strict=True))
        columns[Cell("place", meaning="95 % interval of the place")] = [
            Cell(f"{low:.0f}-{high:.0f}" if claimed else "", emphasis=role) for claimed, low, high, _, role in rows
        ]
        columns[Cell("group", meaning="methods that share a letter are not told apart")] = [
            Cell(short_letters(group) if claimed else "", emphasis=role) for claimed, _, _, group, role in rows
        ]
    return columns


def _costs(block: Block, table: Table) -> Columns:
    heading = Cell("cost", meaning="passes through a network, of those of the baseline")
    columns = {heading: [cells.cost(cost) for cost in block.methods["cost"]]}
    if table.timing:
        measured = Cell("measured", meaning="seconds, of those of the baseline")
        columns[measured] = [cells.times(factor) for factor in block.methods["measured"]]
    return columns


def _grid(
    block: Block,
    caption: tuple[Span, ...],
    columns: Sequence[str],
    show: Callable[[cells.Row], Cell],
    extra: Columns,
    methods: Sequence[str] | None = None,
) -> Grid:
    """`methods`: rows to show, all by default; `extra` has a cell per row."""
    known = block.cells.to_dict("index")
    rows = [
        [
            cells.method(block, method),
            *(show(known[method, noise]) for noise in columns),
            *(values[position] for values in extra.values()),
        ]
        for position, method in enumerate(block.methods.index if methods is None else methods)
    ]
    return grid(caption, ["method", *columns, *extra], rows)
