"""`transition`: the noise matrix T of the labels, and what methods estimate of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes

from benchmark.report.figures import canvas
from benchmark.report.figures.canvas import Page
from benchmark.report.figures.captions import Material, in_a_line, in_full, origin
from benchmark.report.figures.left_out import WORST_OF_KIND, drawn_columns, without
from benchmark.report.figures.marks import explained, marks
from benchmark.report.figures.names import labels
from benchmark.report.figures.predictions import (
    MOST_PANELS,
    Classes,
    Rows,
    height_of_names,
    numbered,
    of_classes,
    two_digits,
)
from benchmark.tables import predictions, shown
from benchmark.tables.comparable import TableError
from benchmark.tables.shown import Shown

METHODS_OF_MATRICES = 2
L1 = " L1: sum of the absolute errors of a row, mean over the rows and seeds."


def transition(material: Material) -> Page:
    """T of the noisy labels, and what methods estimate of it."""
    estimating = [_estimating(one, material) for one in material.blocks]
    blocks, repeated = shown.without_repetition([one.worst_of_each_kind() for one in estimating])
    cells, nothing = [], []
    for one in blocks:
        runs = shown.ended(one)
        known = predictions.ClassNames()
        rows = predictions.transitions(known.noted(material.whole(set(runs["id"]))))
        for noise in one.noise:
            of_noise = runs["id"][runs["noise"] == noise]
            own = rows[rows["id"].isin(of_noise)]
            if own["true"].notna().any() or own["estimated"].notna().any():
                cells.append((one, noise, own, known.names))
            elif noise != one.block.clean:
                nothing.append(noise)
    if not cells:
        raise TableError(
            "T is unknown in all that is drawn, and no method estimated it; expected runs that ended with noise whose "
            "true labels are known, such as --only symmetric"
        )
    left_out = [f"{one.title} at {noise}" for one, noise, _, _ in cells[MOST_PANELS:]]
    cells = cells[:MOST_PANELS]
    wide = 1 + max(len(one.methods) if own["estimated"].notna().any() else 0 for one, _, own, _ in cells)
    height = 2.4 + height_of_names(classes for *_, classes in cells)
    page = canvas.page("T: true and estimated", len(cells), wide, heights=height)
    page.fit(0)
    errors: list[str] = []
    for axes, (one, noise, own, classes) in zip(page.axes, cells, strict=True):
        known_in = _seeds(one, own["id"][own["true"].notna()])
        _transition(
            axes[0], own, classes, "true", f"true T, {labels([noise])[0]}{in_a_line(one, blocks)}, n = {known_in}"
        )
        for place, method in enumerate(one.methods, start=1):
            estimates = predictions.of_cell(shown.runs(one), own, method, noise)
            estimates = estimates[estimates["estimated"].notna()]
            if len(estimates):
                n, error = estimates["id"].nunique(), _l1(shown.runs(one), method, noise)
                errors.append(error)
                name = labels([method], marks=marks([one]))[0]
                _transition(axes[place], estimates, classes, "estimated", f"{name}, n = {n}\n{error}")
    page.caption = [
        "T[i, j]: probability that an image of class i (row) has the label j (column); mean over the n seeds of the "
        "title." + (L1 if any(errors) else "") + numbered(classes for *_, classes in cells),
        _drawn(blocks, material) if wide > 1 else "",
        explained(blocks, {method for one in blocks for method in one.methods} if wide > 1 else ()),
        *origin(material, blocks, rule=False),
    ]
    if wide == 1:
        page.note(
            "no run here estimated T: `noisybench table --diagnostics` names the methods that do, where there are any"
        )
    page.note(in_full(blocks), drawn_columns(blocks, material, WORST_OF_KIND))
    page.note(without("true T and no estimate", nothing), repeated, shown.for_want_of_room(left_out))
    return page


def _estimating(one: Shown, material: Material) -> Shown:
    """With the methods that estimate T, the best by rank first; the baseline where none does."""
    methods = _estimators(one)
    if not methods:
        return one.first(1, material.baseline)
    return replace(one, methods=methods if one.named else methods[:METHODS_OF_MATRICES])


def _seeds(one: Shown, ids: Iterable[str]) -> int:
    """How many choices of seeds these runs have: runs of several methods have the same labels."""
    runs = shown.ended(one)
    return int(runs["seeds"][runs["id"].isin(set(ids))].nunique())


def _estimators(one: Shown) -> tuple[str, ...]:
    runs = shown.ended(one)
    estimating = set(runs["method"][runs["transition_l1"].notna()])
    return tuple(method for method in one.methods if method in estimating)


def _drawn(blocks: list[Shown], material: Material) -> str:
    """Which of the methods that estimate T are drawn, and how they were chosen."""
    whole = {id(one.block): one for one in material.blocks}
    total = max(len(_estimators(whole[id(one.block)])) for one in blocks)
    drawn = max(len(one.methods) for one in blocks)
    if any(one.named for one in blocks):
        return f"{drawn} of the named methods estimate T."
    chosen = "all of them" if drawn == total else "the best of them by average rank over the noisy columns"
    return f"{drawn} of {total} methods that estimate T: {chosen}."


def _transition(axes: Axes, rows: Rows, classes: Classes, column: str, title: str) -> None:
    axes.set_visible(True)
    mean = rows.groupby(["clean", "noisy"])[column].mean().unstack("noisy").to_numpy(np.float64)
    texts = [[two_digits(value) if value >= 0.005 else "" for value in row] for row in mean]
    of_classes(axes, mean, texts, classes, size=4.5)
    axes.set_xlabel("label")
    axes.set_ylabel("class")
    axes.set_title(title)


def _l1(runs: Rows, method: str, noise: str) -> str:
    cell = runs[(runs["method"] == method) & (runs["noise"] == noise)]
    error = cell["transition_l1"].mean()
    return "" if np.isnan(error) else f"L1 {error:.3f}"
