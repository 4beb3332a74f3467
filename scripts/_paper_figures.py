"""The table of CIFAR-10 figures that papers print for the methods, from a TOML file with their protocols."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from benchmark.errors import UsageError

COLUMNS = ("symmetric:0.2", "symmetric:0.4", "symmetric:0.5", "symmetric:0.6", "symmetric:0.8", "asymmetric:0.4")
"""Kinds of noise with a column of their own; the others share one."""
HEAD = """## The papers' own CIFAR-10 figures

Test accuracies in percent as printed, in parentheses the difference to cross entropy in the same table; "seen" is what
was read of the source, so a figure that was only read in notes may carry their faults ("earlier notes" are those that
the methods were written from, and agree after rounding). **Not comparable in value**,
neither with the digits above nor between rows of different sources: images, networks, lengths, the reported epoch and
the draws of the noise differ (cross entropy under 40 % symmetric noise is 64.8 in one source and 81.9 in another).
**Comparable is the direction**: the sign of the difference to cross entropy beside that in `digits/`, a grid in which
all methods share a recipe. Made from `reproduction/papers.toml`.
"""


@dataclass(frozen=True)
class PaperFigures:
    """A method's row in a published table: accuracies in percent by kind of noise."""

    method: str
    source: str
    """Where the row was printed."""
    seen: str
    """What was read of the source."""
    network: str
    epochs: str
    epoch: str
    """Which epoch is reported."""
    accuracy: dict[str, float]
    baseline: str = "cross entropy"
    baseline_accuracy: dict[str, float] | None = None
    """The baseline's row in the same table, if it has one."""
    also: str = ""
    """A second place with the same figures."""

    def cell(self, noise: str) -> str:
        """The accuracy and its difference to the baseline in points, as far as they were printed."""
        if noise not in self.accuracy:
            return ""
        value = self.accuracy[noise]
        baseline = (self.baseline_accuracy or {}).get(noise)
        return f"{value:g}" if baseline is None else f"{value:g} ({value - baseline:+.1f})"

    def row(self) -> list[str]:
        """In the order of the table's columns."""
        others = [f"{noise} {self.cell(noise)}" for noise in self.accuracy if noise not in COLUMNS]
        seen = f"{self.seen}; also {self.also}" if self.also else self.seen
        source = self.source if self.baseline == "cross entropy" else f"{self.source}; differences to {self.baseline}"
        protocol = [self.network, self.epochs, self.epoch]
        return [self.method, *map(self.cell, COLUMNS), ", ".join(others), *protocol, source, seen]


def read(path: Path) -> list[PaperFigures]:
    """The rows of a TOML file. Raises UsageError where one has other keys."""
    rows = tomllib.loads(path.read_text(encoding="utf-8"))["figures"]
    known = {field.name for field in fields(PaperFigures)}
    for row in rows:
        if unknown := row.keys() - known:
            raise UsageError(f"{path} has the keys {sorted(unknown)}; expected some of {sorted(known)}")
    return [PaperFigures(**row) for row in rows]


def table(figures: Sequence[PaperFigures]) -> str:
    """The section of the page, methods in alphabetical order."""
    names = [*COLUMNS, "others", "network", "epochs", "epoch reported", "source", "seen"]
    lines = [f"| method | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    ordered = sorted(figures, key=lambda figure: figure.method)
    return "\n".join([HEAD, *lines, *(f"| {' | '.join(figure.row())} |" for figure in ordered), ""])
