"""The table of CIFAR-10 figures that papers print for the methods, with their protocols."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.report.papers import USUAL_BASELINE, PaperFigures

COLUMNS = ("symmetric:0.2", "symmetric:0.4", "symmetric:0.5", "symmetric:0.6", "symmetric:0.8", "asymmetric:0.4")
"""Kinds of noise with a column of their own; the others share one."""
HEAD = """## The papers' own CIFAR-10 figures

Test accuracies in percent as printed, in parentheses the difference to cross entropy in the same table; "seen" is what
was read of the source, so a figure that was only read in notes may carry their faults ("earlier notes" are those that
the methods were written from, and agree after rounding). **Not comparable in value**,
neither with the digits above nor between rows of different sources: images, networks, lengths, the reported epoch and
the draws of the noise differ (cross entropy under 40 % symmetric noise is 64.8 in one source and 81.9 in another).
**Comparable is the direction**: the sign of the difference to cross entropy beside that in `digits/`, a grid in which
all methods share a recipe. Made from `methods/published_figures.toml`.
"""


def _cell(figures: PaperFigures, noise: str) -> str:
    """The accuracy and its difference to the baseline in points, as far as they were printed."""
    if noise not in figures.accuracy:
        return ""
    gain = figures.gain(noise)
    return f"{figures.accuracy[noise]:g}" + ("" if gain is None else f" ({gain:+.1f})")


def _row(figures: PaperFigures) -> list[str]:
    """In the order of the table's columns."""
    others = [f"{noise} {_cell(figures, noise)}" for noise in figures.accuracy if noise not in COLUMNS]
    seen = f"{figures.seen}; also {figures.also}" if figures.also else figures.seen
    usual = figures.baseline == USUAL_BASELINE
    source = figures.source if usual else f"{figures.source}; differences to {figures.baseline}"
    protocol = [figures.network, figures.epochs, figures.epoch]
    return [figures.method, *(_cell(figures, noise) for noise in COLUMNS), ", ".join(others), *protocol, source, seen]


def table(figures: Sequence[PaperFigures]) -> str:
    """The section of the page, methods in alphabetical order."""
    names = [*COLUMNS, "others", "network", "epochs", "epoch reported", "source", "seen"]
    lines = [f"| method | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    ordered = sorted(figures, key=lambda figure: figure.method)
    return "\n".join([HEAD, *lines, *(f"| {' | '.join(_row(figure))} |" for figure in ordered), ""])
