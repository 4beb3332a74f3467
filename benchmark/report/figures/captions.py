"""What every figure is made from, and the sentences that say so."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmark.metrics import LOWER_IS_BETTER
from benchmark.model_selection import RULES
from benchmark.report.figures.lines import line_styles
from benchmark.report.figures.names import shown_text
from benchmark.store.content import Record
from benchmark.tables.comparison import Table
from benchmark.tables.frame import MAIN
from benchmark.tables.shown import Shown, differing, shown

DIGITS = 12
"""Hexadecimal digits of the records' digest in a caption."""
ABBREVIATIONS = frozenset({"auroc", "auprc", "ece", "mae", "mcc", "nll", "f1"})
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

    def styles(self, names: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Of the lines of these methods: a method's depends on which methods the table has, not on their order."""
        return line_styles(
            names, {str(name) for block in self.table.blocks for name in block.methods.index}, self.baseline
        )


def spelled(metric: str) -> str:
    """The name of a metric as one reads it: "AUROC", "balanced accuracy"."""
    return metric.upper() if metric in ABBREVIATIONS else metric.replace("_", " ")


def capital(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}"


def metric_name(material: Material) -> str:
    """The metric within a sentence; `capital` begins one with it."""
    metrics = sorted({one.block.metric for one in material.blocks})
    lower = " (lower is better)" if LOWER_IS_BETTER.issuperset(metrics) else ""
    main = ", the main metric" if material.table.metric == MAIN and len(metrics) > 1 else ""
    return " or ".join(map(spelled, metrics)) + main + lower


def origin(material: Material, blocks: Sequence[Shown], rule: bool = True) -> list[str]:
    """Which data, epoch and runs: the last sentences of a caption. `rule`: whether the figure is of one epoch."""
    table = material.table
    test = f" Test set {table.extra_test}." if table.extra_test else ""
    recipes = {one.block.place.recipe for one in blocks}
    return [
        _in_common(blocks),
        *([f"Rule {table.rule}: {RULES[table.rule]}.{test}"] if rule else []),
        *([] if len(recipes) > 1 else [f"Recipe: {' '.join(recipes.pop().split()[:RECIPE])}."]),
        f"Suite {table.suite}; {table.num_runs} runs, records sha256:{table.digest[:DIGITS]}.",
    ]


def _in_common(blocks: Sequence[Shown]) -> str:
    """The data set, backbone, track and protocol of all panels; the titles have those in which panels differ."""
    places = [one.block.place for one in blocks]
    parts = {"dataset": "{}", "backbone": "{}", "track": "{} track", "protocol": "protocol {}"}
    same = [
        written.format(values.pop())
        for part, written in parts.items()
        if len(values := {getattr(place, part) for place in places}) == 1 and values != {""}
    ]
    return f"Of {', '.join(same)}." if same else ""


def in_full(blocks: Sequence[Shown]) -> str:
    """The whole names of the methods and columns of which something is left out."""
    names = {name: one.block.whole(name) for one in blocks for name in (*one.noise, *one.methods)}
    said = "; ".join(f"{name} is {whole}" for name, whole in names.items() if name != whole)
    return f"in full: {said}" if said else ""


def in_a_line(one: Shown, blocks: Sequence[Shown]) -> str:
    """What of its place differs from that of the other blocks, for a panel's title: a line of its own, or ""."""
    place = differing(one, blocks)
    return f"\n{shown_text(place)}" if place else ""
