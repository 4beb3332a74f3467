"""`confusion` and `reliability`: what is predicted of which class, and how surely."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from benchmark.metrics import ECE_BINS
from benchmark.report.figures import canvas
from benchmark.report.figures.canvas import Page
from benchmark.report.figures.captions import Material, in_a_line, in_full, origin
from benchmark.report.figures.left_out import CLEAN_AND_WORST, drawn_columns, drawn_methods, without
from benchmark.report.figures.marks import explained, marks
from benchmark.report.figures.names import labels
from benchmark.tables import predictions, shown
from benchmark.tables.comparable import TableError
from benchmark.tables.shown import Shown
from benchmark.tables.statistics import summarize

METHODS_OF_CONFUSION = 2
METHODS_OF_RELIABILITY = 4
MOST_PANELS = 6
MOST_NUMBERED = 12
"""Classes of a matrix whose cells hold numbers."""
MOST_TICKS = 20
MOST_NAMED = 20
"""Classes of a matrix whose rows and columns are named; more are numbered."""
NAMES = 75.0
"""Width of the name of a class beside a matrix, in points."""

Rows: TypeAlias = pd.DataFrame
Classes: TypeAlias = tuple[str, ...]
"""Names [K], or none where records hold none."""


def confusion(material: Material) -> Page:
    """Test confusion matrices, normalised by row, with counts."""
    blocks, repeated = shown.without_repetition(
        [one.first(METHODS_OF_CONFUSION, material.baseline).few_columns() for one in material.blocks]
    )
    cells, nothing = [], []
    for one, rows, classes in _read(blocks, material, predictions.confusion):
        for noise in one.noise:
            for method in one.methods:
                own = predictions.of_cell(shown.runs(one), rows, method, noise)
                if len(own):
                    cells.append((one, method, noise, own, classes))
                else:
                    nothing.append(f"{method} at {noise}")
    if not cells:
        raise _no_outcomes(material)
    left_out = [f"{method} at {noise}" for _, method, noise, _, _ in cells[MOST_PANELS:]]
    cells = cells[:MOST_PANELS]
    wide = min(2, len(cells))
    height = 3.0 + height_of_names(classes for *_, classes in cells)
    page = canvas.page("Confusion on the test set", -(-len(cells) // wide), wide, heights=height)
    for axes, (one, method, noise, own, classes) in zip(page.panels(), cells, strict=False):
        counts = own.groupby(["label", "prediction"])["count"].sum().unstack("prediction").to_numpy(np.float64)
        sums = counts.sum(axis=1, keepdims=True)
        shares = np.divide(counts, sums, out=np.full_like(counts, np.nan), where=sums > 0)
        texts = [[f"{two_digits(share)}\n{count:.0f}" if count else "" for share, count in zip(*row, strict=True)]
                 for row in zip(shares, counts, strict=True)]  # fmt: skip
        of_classes(axes, shares, texts, classes, size=4.3)
        axes.set_xlabel("predicted class")
        axes.set_ylabel("class by the test labels")
        axes.set_title(
            f"{labels([method], marks=marks([one]))[0]} at {labels([noise])[0]}{in_a_line(one, blocks)}, "
            f"n = {own['id'].nunique()}"
        )
    page.fit(len(cells))
    page.caption = [
        "Colour and first number: share of the images of the row's class; second number: images, summed over the "
        f"seeds n.{numbered(classes for *_, classes in cells)}",
        drawn_methods(blocks, material),
        explained(blocks),
        *origin(material, blocks),
    ]
    page.note(
        in_full(blocks),
        drawn_columns(blocks, material, CLEAN_AND_WORST),
        without("predictions by this rule", nothing),
        repeated,
        shown.for_want_of_room(left_out),
        *map(shown.unfinished, blocks),
    )
    return page


def reliability(material: Material) -> Page:
    """Accuracy against confidence, with the expected calibration error."""
    blocks, repeated = shown.without_repetition(
        [one.first(METHODS_OF_RELIABILITY, material.baseline).few_columns() for one in material.blocks]
    )
    panels, nothing = [], []
    for one, rows, _ in _read(blocks, material, predictions.calibration):
        for noise in one.noise:
            of_methods = {m: predictions.of_cell(shown.runs(one), rows, m, noise) for m in one.methods}
            nothing += [f"{method} at {noise}" for method, own in of_methods.items() if not len(own)]
            if any(len(own) for own in of_methods.values()):
                panels.append((one, noise, {method: own for method, own in of_methods.items() if len(own)}))
    if not panels:
        raise _no_outcomes(material)
    names = list(dict.fromkeys(method for one in blocks for method in one.methods))
    styles = material.styles(names)
    left_out = [f"{one.title} at {noise}" for one, noise, _ in panels[MOST_PANELS:]]
    panels = panels[:MOST_PANELS]
    wide = min(2, len(panels))
    page = canvas.page("Reliability on the test set", -(-len(panels) // wide), wide, heights=3.0)
    seeds: set[int] = set()
    for axes, (one, noise, of_methods) in zip(page.panels(), panels, strict=False):
        axes.plot([0, 1], [0, 1], color="#888888", linewidth=0.7, linestyle="--")
        for method, own in of_methods.items():
            style = styles[method]
            bins = predictions.reliability(own)
            axes.plot(bins["confidence"], bins["accuracy"], label=method, markevery=[], **style)
            areas = 4 + 90 * bins["count"] / bins["count"].sum()
            axes.scatter(
                bins["confidence"], bins["accuracy"], areas, style["color"], marker=style["marker"], linewidths=0
            )
            seeds.add(own["id"].nunique())
        told = [
            f"{labels([method], 70, marks([one]))[0]}:\n  {_ece(shown.runs(one), own)}"
            for method, own in of_methods.items()
        ]
        axes.text(1.04, 1.0, "ECE\n" + "\n".join(told), fontsize=6, va="top", transform=axes.transAxes)
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.02)
        axes.set_aspect("equal")
        axes.set_xlabel("confidence")
        axes.set_ylabel("accuracy")
        axes.set_title(f"{labels([noise])[0]}{in_a_line(one, blocks)}")
    page.fit(len(panels))
    page.legend, page.marks = names, marks(blocks)
    page.caption = [
        f"{ECE_BINS} equal bins of the largest probability, over the images of all seeds (n = {shown.span(seeds)}); "
        "area: share of the images; below the dashed line a model is too sure. ECE (Guo et al., ICML 2017): mean over "
        "the seeds ± half width of its 95 % t interval.",
        drawn_methods(blocks, material),
        explained(blocks),
        *origin(material, blocks),
    ]
    page.note(
        in_full(blocks), drawn_columns(blocks, material, CLEAN_AND_WORST),
        without("predictions by this rule", nothing), repeated, shown.for_want_of_room(left_out),
        *map(shown.unfinished, blocks),
        "no interval of ECE where there is one seed; --seeds 6 makes more" if 1 in seeds else "",
    )  # fmt: skip
    return page


def of_classes(axes: Axes, shares: np.ndarray, texts: list[list[str]], classes: Classes, size: float) -> None:
    """Shares of a row's class; without numbers in the cells where there are many classes."""
    count = len(shares)
    every = -(-count // MOST_TICKS)
    numbers = [str(k) if k % every == 0 else "" for k in range(count)]
    named = _are_shown(classes) and len(classes) == count
    names = labels(classes, NAMES) if named else numbers
    canvas.matrix(
        axes, shares, names, names, texts if count <= MOST_NUMBERED else None, limits=(0, 1), size=size, colors="Blues"
    )
    axes.set_aspect("equal")
    if named:
        canvas.slanted(axes)


def _are_shown(classes: Classes) -> bool:
    """Whether classes have names, which say more than their numbers do, and few enough."""
    return 0 < len(classes) <= MOST_NAMED and classes != tuple(map(str, range(len(classes))))


def height_of_names(cells: Iterable[Classes]) -> float:
    """Inches that the names of columns take below their axes."""
    return max((canvas.slanted_height(labels(classes, NAMES)) for classes in cells if _are_shown(classes)), default=0.0)


def numbered(cells: Iterable[Classes]) -> str:
    """The sentence on numbers that stand for classes, with a space before it; "" where all are named."""
    different = set(cells)
    if all(map(_are_shown, different)):
        return ""
    unknown = ": some records hold no names of classes" if () in different else ""
    return f" Classes are numbered as in the data set{unknown}."


def two_digits(value: float) -> str:
    """ ".93", "1.0": two digits, no zero before the point."""
    return "1.0" if value >= 0.995 else f"{value:.2f}"[1:]


def _ece(runs: Rows, own: Rows) -> str:
    errors = predictions.ece(own).merge(runs[["id", "method", "unit"]], on="id")
    found = summarize(errors, ["method"]).iloc[0]
    spread = "" if np.isnan(found["half"]) else f" ± {found['half']:.3f}"
    return f"{found['mean']:.3f}{spread}"


def _read(blocks: list[Shown], material: Material, read: Callable[..., Rows]) -> Iterator[tuple[Shown, Rows, Classes]]:
    """What `read` makes of the records of each block, and the names of its classes."""
    for one in blocks:
        known = predictions.ClassNames()
        records = known.noted(material.whole(set(shown.ended(one)["id"])))
        yield one, read(records, material.table.rule, material.table.extra_test), known.names


def _no_outcomes(material: Material) -> TableError:
    rule = material.table.rule
    if rule == "last5":
        return TableError(
            "the rule last5 is a mean over epochs, and predictions are kept of one epoch; expected a rule that chooses "
            "one: --rule val_noisy, last, label_wave, val_clean or oracle_test"
        )
    return TableError(
        f"no run of what is drawn holds its predictions by the rule {rule}; expected records of schema 2 or later and "
        "a rule that is defined there: run the grid again into a new folder (`noisybench run SUITE --results DIR`), or "
        "choose another --rule"
    )
