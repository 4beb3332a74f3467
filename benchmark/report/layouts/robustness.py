"""Methods down, severities of corruption across: what is lost on corrupted copies of the test set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import pandas as pd

from benchmark.metrics import LOWER_IS_BETTER
from benchmark.report.document import Cell, Document, Grid, Section, Span, grid, marked, plain, strong
from benchmark.report.layouts import cells, pages
from benchmark.tables.comparison import Block
from benchmark.tables.robustness import Scored, drops, relative_errors

ACROSS = 8
"""Methods across in the grid of corruptions."""


@dataclass(frozen=True)
class _Blocks:
    """The blocks of one place."""

    clean: Block
    whole: Block
    severities: Mapping[int, Block]
    kinds: Mapping[str, Block]


def document(scored: Scored) -> Document:
    """Per data set and kind of noise: the metric by severity, the drop from the test set, and by corruption."""
    sections = [_section(scored, position) for position in range(len(scored.clean.blocks))]
    made = pages.document([scored.clean], sections)
    return replace(made, title=f"{made.title}, corrupted copies {scored.whole.extra_test}")


def _section(scored: Scored, position: int) -> Section:
    blocks = _Blocks(
        scored.clean.blocks[position],
        scored.whole.blocks[position],
        {severity: table.blocks[position] for severity, table in scored.severities.items()},
        {kind: table.blocks[position] for kind, table in scored.kinds.items()},
    )
    pair = (scored.clean, blocks.clean)
    notes = dict.fromkeys([*blocks.clean.notes, *_test_notes(blocks.whole)])
    return Section(
        heading=pages.heading(blocks.clean.place),
        paragraphs=(plain(f"Recipe: {blocks.clean.place.recipe}"),),
        grids=tuple(_grids(scored, blocks)),
        legend=pages.legend([pair]),
        notes=(*map(marked, notes), *map(plain, _said(scored, blocks))),
    )


def _test_notes(block: Block) -> list[str]:
    lines = block.runs["test_notes"].fillna("").str.split("\n").explode()
    return [line for line in lines.unique() if line]


def _grids(scored: Scored, blocks: _Blocks) -> Iterator[Grid]:
    baseline = scored.clean.baseline
    lost = drops(blocks.clean, blocks.whole)
    known = baseline in blocks.clean.methods.index
    kinds = list(blocks.kinds.values())
    errors = relative_errors(blocks.clean, blocks.whole, kinds, baseline) if known else None
    for noise in blocks.clean.columns:
        yield _by_severity(scored, blocks, noise, lost, errors)
    for noise in blocks.clean.columns:
        yield _by_kind(scored, blocks, noise)


def _by_severity(scored: Scored, blocks: _Blocks, noise: str, lost: pd.DataFrame, errors: pd.DataFrame | None) -> Grid:
    baseline, usual = scored.clean.baseline, blocks.clean.runs_per_cell
    columns: list[str | Cell] = ["method", "test set", *map(str, blocks.severities)]
    columns += [Cell("all", meaning="mean over all copies"), Cell("drop", meaning="of all copies from the test set")]
    if errors is not None:
        columns += [
            Cell(f"all, difference from {baseline}"),
            Cell("mCE", meaning=f"mean over corruptions of the error, of that of {baseline}"),
            Cell("relative drop", meaning=f"the drop, of that of {baseline}"),
        ]
    shown = [blocks.clean, *blocks.severities.values(), blocks.whole]
    rows = []
    for method in blocks.clean.methods.index:
        row = [
            cells.method(blocks.clean, method),
            *(cells.figure(_row(block, method, noise), usual) for block in shown),
            _with_half(lost, method, noise),
        ]
        if errors is not None:
            row.append(cells.difference(_row(blocks.whole, method, noise), usual))
            row += [cells.valued(errors.at[(method, noise), name]) for name in ("error", "relative")]
        rows.append(row)
    caption = (
        *strong(f"{noise}: {pages.score((scored.clean, blocks.clean), False)} by severity"),
        Span(
            f", mean over corruptions, ± sd over seeds, n = {usual} unless a cell says otherwise; drop and differences "
            "at equal seeds ± half width of their 95 % t interval"
        ),
    )
    return grid(caption, columns, rows)


def _row(block: Block, method: str, noise: str) -> cells.Row:
    row: cells.Row = block.cells.loc[(method, noise)].to_dict()
    return row


def _with_half(lost: pd.DataFrame, method: str, noise: str) -> Cell:
    if (method, noise) not in lost.index or pd.isna(lost.at[(method, noise), "mean"]):
        return Cell(cells.ABSENT, meaning="nothing to compare")
    row = lost.loc[(method, noise)]
    return Cell(f"{cells.number(row['mean'])}{cells.spread(row['half'])}")


def _by_kind(scored: Scored, blocks: _Blocks, noise: str) -> Grid:
    baseline = scored.clean.baseline
    methods = list(blocks.clean.methods.index)
    across = [name for place, name in enumerate(methods) if place < ACROSS or name == baseline]
    rows: list[list[str | Cell]] = [
        [name, *(cells.valued(block.cells.at[(method, noise), "mean"]) for method in across)]
        for name, block in {"test set": blocks.clean, **blocks.kinds}.items()
    ]
    hidden = len(methods) - len(across)
    left_out = f"; {hidden} methods are left out (--format csv has them)" if hidden else ""
    caption = (
        *strong(f"{noise}: {pages.score((scored.clean, blocks.clean), False)} by corruption"),
        Span(f", mean over severities and seeds{left_out}"),
    )
    return grid(caption, ["corruption", *across], rows)


def _said(scored: Scored, blocks: _Blocks) -> Iterator[str]:
    count = len(blocks.kinds)
    yield f"{count} corruption{'s' * (count > 1)}, severit{'ies' if len(blocks.severities) > 1 else 'y'} " + ", ".join(
        map(str, blocks.severities)
    )
    baseline = scored.clean.baseline
    if baseline in blocks.clean.methods.index:
        error = "the metric" if blocks.clean.metric in LOWER_IS_BETTER else "1 - the metric"
        yield (
            f"mCE: error ({error}) over the severities of a corruption, divided by that of {baseline}, mean over "
            f"corruptions; below 1 is better than {baseline}. Of balanced accuracy this is the BE of MedMNIST-C, there "
            f"against an AlexNet. Relative drop: the drop, divided by that of {baseline}"
        )
