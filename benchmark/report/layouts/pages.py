"""What all layouts share: title, headings, notes and origin, of one table or of several by other rules and metrics."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from benchmark.metrics import LOWER_IS_BETTER
from benchmark.model_selection import RULES
from benchmark.report.document import Document, Section, Text, marked, plain
from benchmark.report.layouts import cells
from benchmark.tables.aggregates import agreement
from benchmark.tables.comparison import Block, Place, Table
from benchmark.tables.frame import MAIN

Pair = tuple[Table, Block]
"""A block and the table that it is of."""


def places(tables: Sequence[Table]) -> Iterator[tuple[Pair, ...]]:
    """The blocks of one place after another, each by every rule and metric: `tables` are of the same records."""
    for blocks in zip(*(table.blocks for table in tables), strict=True):
        yield tuple(zip(tables, blocks, strict=True))


def document(tables: Sequence[Table], sections: Sequence[Section]) -> Document:
    first = tables[0]
    metrics = sorted({block.metric for table in tables for block in table.blocks})
    rules = list(dict.fromkeys(table.rule for table in tables))
    lower = " (lower is better)" if LOWER_IS_BETTER.issuperset(metrics) else ""
    test = f", test set {first.extra_test}" if first.extra_test else ""
    return Document(
        title=f"{', '.join(metrics)}{lower}, {', '.join(rules)}{test}",
        paragraphs=tuple(plain(f"Rule {rule}: {RULES[rule]}.") for rule in rules),
        sections=tuple(sections),
        origin=(
            f"Suite {first.suite}; {first.num_runs} runs",
            f"Records sha256:{first.digest}",
            f"Commit {', '.join(first.commits) or 'unknown'}; hardware {'; '.join(first.hardware) or 'unknown'}",
        ),
    )


def heading(place: Place) -> str:
    protocol = f", protocol {place.protocol}" if place.protocol else ""
    return f"{place.dataset}, {place.backbone}, {place.track} track{protocol}"


def score(pair: Pair, several: bool) -> str:
    """The metric of a block, and where there are `several` tables the rule and what is better."""
    table, block = pair
    main = ", the main metric" if table.metric == MAIN else ""
    lower = " (lower is better)" if several and block.metric in LOWER_IS_BETTER else ""
    rule = f", by {table.rule}" if several else ""
    return f"{metric_name(block)}{main}{lower}{rule}"


def metric_name(block: Block) -> str:
    return block.metric.replace("_", " ").capitalize()


def by(pair: Pair) -> str:
    """The rule and metric of a block, to tell it from the others of its place."""
    table, block = pair
    return f"{metric_name(block)}, {table.rule}"


def notes(pairs: Sequence[Pair]) -> tuple[Text, ...]:
    return once([(by(pair), note) for pair in pairs for note in pair[1].notes], len(pairs))


def legend(pairs: Sequence[Pair]) -> tuple[Text, ...]:
    return once([(by((table, block)), cells.legend(block, table)) for table, block in pairs], len(pairs))


def agreements(ranks: pd.DataFrame) -> Iterator[Text]:
    """How far the orders in the columns of `ranks` [methods, ways of ranking them] agree, a sentence per pair."""
    for (first, second), row in agreement(ranks).iterrows():
        tau = "not defined" if pd.isna(row["tau"]) else f"{row['tau']:.2f}"
        yield marked(
            f"{first} against {second}: Kendall's tau {tau} over {row['methods']:.0f} methods; the place of some "
            f"method changes by {row['moved']:g}"
        )


def once(said: Sequence[tuple[str, str]], count: int) -> tuple[Text, ...]:
    """(name of its block, note) of `count` blocks: every note once, with its blocks where not all have it."""
    holders: dict[str, list[str]] = {}
    for name, note in said:
        holders.setdefault(note, []).append(name)
    return tuple(
        marked(note if len(names) == count else f"{'; '.join(dict.fromkeys(names))}: {note}")
        for note, names in holders.items()
    )
