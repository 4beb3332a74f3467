"""What every figure is made from, and the sentences that say so."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from benchmark.metrics import LOWER_IS_BETTER
from benchmark.model_selection import RULES
from benchmark.report.figures.names import shown_text
from benchmark.store.content import Record
from benchmark.tables.comparison import Table
from benchmark.tables.frame import MAIN
from benchmark.tables.shown import Shown, differing, shown

DIGITS = 12
"""Hexadecimal digits of the records' digest in a caption."""
RECIPE = 4
"""Items of the recipe in a caption: epochs, batch size, optimizer and learning rate."""


@dataclass(frozen=True)
class Material:
    """A table, what of it is shown, and the way to the curves and outcomes of its runs."""

    table: Table
    names: Sequence[str]
    """Of `--only`."""
    whole: Callable[[Collection[str]], Iterator[Record]]
    """Whole records by the ids of their runs."""

    @property
    def blocks(self) -> list[Shown]:
        return shown(self.table, self.names)

    @property
    def baseline(self) -> str:
        return self.table.baseline


def metric_name(material: Material) -> str:
    metrics = sorted({one.block.metric for one in material.blocks})
    lower = " (lower is better)" if LOWER_IS_BETTER.issuperset(metrics) else ""
    main = ", the main metric" if material.table.metric == MAIN and len(metrics) > 1 else ""
    return " or ".join(metrics).replace("_", " ").capitalize() + main + lower


def origin(material: Material, rule: bool = True) -> list[str]:
    """Which epoch, which runs: the last sentences of a caption. `rule`: whether the figure is of one epoch."""
    table = material.table
    test = f" Test set {table.extra_test}." if table.extra_test else ""
    recipes = {one.block.place.recipe for one in material.blocks}
    return [
        *([f"Rule {table.rule}: {RULES[table.rule]}.{test}"] if rule else []),
        *([] if len(recipes) > 1 else [f"Recipe: {' '.join(recipes.pop().split()[:RECIPE])}."]),
        f"Suite {table.suite}; {table.num_runs} runs, records sha256:{table.digest[:DIGITS]}.",
    ]


def drawn_methods(blocks: Sequence[Shown], material: Material) -> str:
    """Which methods a figure shows, where not all of them."""
    total = max(len(one.block.methods) for one in blocks)
    drawn = max(len(one.methods) for one in blocks)
    if drawn == total or any(one.named for one in blocks):
        return "" if drawn == total else f"{drawn} of {total} methods, as named."
    baseline = f"{material.baseline} and " if any(material.baseline in one.methods for one in blocks) else ""
    return f"{drawn} of {total} methods: {baseline}the best by average rank over the noisy columns."


def in_full(blocks: Sequence[Shown]) -> str:
    """The whole names of the methods and columns of which something is left out."""
    names = {name: one.block.whole(name) for one in blocks for name in (*one.noise, *one.methods)}
    said = "; ".join(f"{name} is {whole}" for name, whole in names.items() if name != whole)
    return f"in full: {said}" if said else ""


def in_a_line(one: Shown, blocks: Sequence[Shown]) -> str:
    """What of its place differs from that of the other blocks, for a panel's title: a line of its own, or ""."""
    place = differing(one, blocks)
    return f"\n{shown_text(place)}" if place else ""
