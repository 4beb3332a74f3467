"""What a clinic asks, from kept predictions: what to refer, the cost of errors, rates at an operating point."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.report.document import Cell, Document, Grid, Section, Span, Text, grid, marked, plain, strong
from benchmark.report.layouts import cells, pages
from benchmark.tables.bootstrap import Groups
from benchmark.tables.clinical import (
    RATES,
    Kept,
    Target,
    aurc,
    calibration_by_frequency,
    operating_points,
    risk,
)
from benchmark.tables.comparable import TableError
from benchmark.tables.comparison import Block, Table

NAMES = {"sensitivity": "sensitivity", "specificity": "specificity", "ppv": "PPV", "npv": "NPV"}

_BY = {
    "labels": "their labels as the run was given them; where these are wrong, it does not reach on true labels what it "
    "reaches on them",
    "true": "their true labels",
}


@dataclass(frozen=True)
class Asked:
    """What is to be shown, and where predictions are found."""

    predictions: Callable[[str], Kept | None]
    """Of a run by its id; None where none are kept."""
    groups: Callable[[str], Groups | None]
    """Of a run's test images, such as their patients."""
    target: Target | None = None
    by: Literal["labels", "true"] = "labels"
    """Whether thresholds are chosen by the validation labels as the run was given them, or by the true ones."""
    positive: tuple[str, ...] = ()
    """Classes whose rates are shown; all where none is named."""
    cost: Callable[[tuple[str, ...]], NDArray[np.float64]] | None = None
    """[K, K] cost of an error by the names of the classes: row the true class, column the decision."""


def document(table: Table, asked: Asked) -> Document:
    """Per data set, kind of noise and method: AURC, calibration of rare and common classes, risk, and rates."""
    sections = [_section(table, block, asked) for block in table.blocks]
    if not any(section.grids for section in sections):
        raise TableError(
            f"no run here has kept {', '.join(sorted(_wanted(table, asked)))}; `noisybench run ... --keep predictions` "
            "trains runs that lack predictions again, with the same results"
        )
    made = pages.document([table], sections)
    test = f", test set {table.extra_test}" if table.extra_test else ""
    return replace(made, title=f"Clinical figures, {table.rule}{test}")


def _section(table: Table, block: Block, asked: Asked) -> Section:
    grids: list[Grid] = []
    lacking, grouped, known = 0, 0, 0
    for noise in block.columns:
        found: dict[str, list[pd.Series]] = {}
        points: dict[str, list[pd.DataFrame]] = {}
        for name in block.methods.index:
            ids = block.runs["id"][(block.runs["method"] == name) & (block.runs["noise"] == noise)].dropna()
            for run in ids:
                kept = asked.predictions(run)
                if kept is None or not _wanted(table, asked) <= set(kept):
                    lacking += 1
                    continue
                known += 1
                groups = asked.groups(run)
                grouped += groups is not None
                found.setdefault(str(name), []).append(_whole(kept, table, asked))
                if asked.target is not None:
                    rows = operating_points(kept, table.rule, _test(table), asked.target, groups, asked.by)
                    points.setdefault(str(name), []).append(_chosen(rows, asked.positive))
        if found:
            grids += _grids(block, noise, found, points, asked)
    notes: list[Text] = []
    if lacking:
        notes.append(marked(f"{lacking} of {lacking + known} runs have no kept predictions and are left out"))
    if known:
        notes += map(plain, _said(asked, grouped == known))
    return Section(pages.heading(block.place), grids=tuple(grids), notes=tuple(notes))


def _test(table: Table) -> str:
    return table.extra_test or "test"


def _wanted(table: Table, asked: Asked) -> set[str]:
    """The arrays that a run must have kept: an earlier version kept none of the validation set."""
    test = {f"{_test(table)}/{table.rule}", f"{_test(table)}/labels"}
    return test if asked.target is None else test | {f"val/{table.rule}", f"val/{asked.by}"}


def _whole(kept: Kept, table: Table, asked: Asked) -> pd.Series:
    """What is asked of all classes of a run at once."""
    p = kept[f"{_test(table)}/{table.rule}"].astype(np.float64)
    labels = kept[f"{_test(table)}/labels"]
    rare, common = calibration_by_frequency(p, labels)
    found = {"AURC": aurc(p, labels), "ECE rare": rare, "ECE common": common}
    if asked.cost is not None:
        costs = asked.cost(tuple(str(name) for name in kept["classes"]))
        found["cost, likeliest"], found["cost, cheapest"] = risk(p, labels, costs)
    return pd.Series(found)


def _chosen(rows: pd.DataFrame, positive: tuple[str, ...]) -> pd.DataFrame:
    """The rows of the classes `positive`. Raises TableError where one is no class."""
    unknown = sorted(set(positive) - set(rows["class"]))
    if unknown and positive:
        raise TableError(
            f"no class {unknown[0]!r} has an operating point here; expected one of {', '.join(rows['class'])} "
            "(of two classes the second is the positive one)"
        )
    return rows[rows["class"].isin(positive)] if positive else rows


def _grids(
    block: Block,
    noise: str,
    found: Mapping[str, list[pd.Series]],
    points: Mapping[str, list[pd.DataFrame]],
    asked: Asked,
) -> Iterator[Grid]:
    names = list(next(iter(found.values()))[0].index)
    rows = []
    for method, of_runs in found.items():
        frame = pd.DataFrame(of_runs)
        rows.append([cells.method(block, method), *(_mean(frame[name]) for name in names)])
    yield grid((*strong(noise), Span(": all classes, mean ± sd over seeds")), ["method", *names], rows)
    if not points or asked.target is None:
        return
    by_class: list[list[str | Cell]] = []
    for method, of_points in points.items():
        together = pd.concat(of_points).groupby("class", sort=False).mean(numeric_only=True)
        for name, row in together.iterrows():
            by_class.append([f"{method}, {name}", f"{row['positives']:.0f}", *_rates(row)])
    caption = (
        *strong(f"{noise}: {NAMES[asked.target.rate]} of at least {asked.target.value:g} on validation images"),
        Span(", mean over seeds, with 95 % intervals over test sets"),
    )
    columns = ["method, class", "positive", "threshold", "validation", *(NAMES[name] for name in RATES)]
    yield grid(caption, columns, by_class)


def _rates(row: pd.Series) -> Iterator[Cell]:
    yield cells.valued(row["threshold"])
    yield cells.valued(row["chosen"])
    for name in RATES:
        ends = "" if pd.isna(row[f"{name}_low"]) else f" ({_end(row, name, 'low')}-{_end(row, name, 'high')})"
        yield cells.valued(row[name]) if not ends else Cell(f"{cells.number(row[name])}{ends}")


def _end(row: pd.Series, name: str, end: str) -> str:
    return cells.number(row[f"{name}_{end}"])


def _mean(values: pd.Series) -> Cell:
    if values.isna().any():
        return Cell(cells.ABSENT, meaning="no image, or not defined")
    return Cell(f"{cells.number(values.mean())}{cells.spread(values.std())}")


def _said(asked: Asked, grouped: bool) -> Iterator[str]:
    yield (
        "AURC: mean error on the images that are not referred to a human, over all shares of referred images, the "
        "least certain first; lower is better. ECE rare, common: expected calibration error of images that are taken "
        "for one of the rarer half of the classes, and of the others"
    )
    if asked.cost is not None:
        yield (
            "cost: of an image, by the given matrix; likeliest: the decision is the likeliest class, cheapest: what is "
            "expected to cost least by the probabilities"
        )
    if asked.target is not None:
        whole = "patients (groups of images)" if grouped else "images; no patients are known"
        yield (
            f"threshold: chosen on the validation images by {_BY[asked.by]}; PPV and NPV hold where classes are as "
            f"frequent as in the test set. Each class against all others. Intervals: Wilson, over {whole}"
        )
