"""How wrong the labels of a data set are, and how far its raters agree, in plain words and tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmark.report.document import Cell, Document, Grid, Section, grid, plain
from benchmark.report.layouts import cells

MOST_CLASSES = 12
"""Whose confusion matrices are shown; larger ones stand in files only."""
MOST_PAIRS = 10
"""Pairs of classes, and of raters, that are shown."""
MOST_MATRICES = 6
"""Raters whose matrices are shown."""
SHARED = "errors that most raters make are not seen by the consensus"
RELIABLE, TENTATIVE = 0.8, 0.667
"""Alpha from which conclusions may be drawn, and tentative ones (Krippendorff, Content Analysis, 2004)."""


@dataclass(frozen=True)
class Estimate:
    """A share of wrong labels."""

    rate: float
    interval: tuple[float, float] | None
    doubt: str
    """Why it cannot be told; empty where it can."""

    @property
    def said(self) -> str:
        if self.interval is None:
            return "cannot tell"
        low, high = self.interval
        return f"{self.rate:.1%} ({low:.1%} to {high:.1%})"


@dataclass(frozen=True)
class Matrices:
    """How raters err by one reference."""

    reference: str
    """"by the consensus" or "by the truth"."""
    table: pd.DataFrame
    """As `labels.consensus.quality`."""
    transitions: np.ndarray
    """[R, K, K]; NaN where a rater labelled no image of the row's class."""


@dataclass(frozen=True)
class RatersFound:
    """What several raters say; the lists are in the order of their names."""

    names: Sequence[str]
    """Empty where only the number of raters who gave each class is known."""
    images: int
    """That two raters or more labelled."""
    alpha: tuple[float, float, float]
    """Krippendorff's, and the ends of its interval; NaN where it is undefined."""
    pairs: pd.DataFrame
    """As `labels.agreement.Agreement.pairs`."""
    differ: Sequence[float]
    """Share of labels that are not those of the data set."""
    by_networks: Sequence[Estimate]
    by: Sequence[Matrices]
    consensus: str
    """Words for the kind of consensus, and how far it is from the labels; empty where there is none."""
    notes: Sequence[str]


@dataclass(frozen=True)
class Report:
    place: str
    """The data set."""
    splits: str
    judge: str
    """The networks."""
    labels: int
    classes: Sequence[str]
    estimate: Estimate
    given: pd.DataFrame | None
    """As `labels.label_errors.LabelErrors`, and so is `confusions`."""
    confusions: pd.DataFrame | None
    raters: RatersFound | None
    truth: Sequence[str] = ()
    """Sentences that compare it with the truth, where that is known."""


def document(report: Report) -> Document:
    sections = [
        Section(
            "Which labels",
            tuple(map(plain, _which(report))),
            tuple(_tables(report)),
            notes=tuple(map(plain, _rules(report))),
        )
    ]
    if report.raters is not None:
        sections.append(_agreement(report.raters))
        sections += [_quality(report.raters, report.classes)] if report.raters.names else []
    if report.truth:
        sections.append(Section("Compared with the truth", tuple(map(plain, report.truth))))
    return Document(
        title="How wrong are the labels",
        paragraphs=(plain(headline(report)),),
        sections=tuple(sections),
        origin=(f"{report.place}: {report.labels:,} labels ({report.splits}), judged by {report.judge}",),
    )


def headline(report: Report) -> str:
    """The answer in one or two sentences."""
    found = report.estimate
    if found.interval is None:
        return f"How many labels are wrong cannot be told: {found.doubt}."
    low, high = found.interval
    said = f"About {100 * found.rate:.0f} % ({100 * low:.0f} to {100 * high:.0f} %) of the labels are likely wrong"
    assert report.confusions is not None
    clear = report.confusions[report.confusions["low"] >= 1]
    if not len(clear):
        return f"{said}. No confusion of two classes stands out."
    first = clear.iloc[0]
    return (
        f"{said}; most often {first['likely']} is given as {first['given']}: about {first['labels']:.0f} labels "
        f"({first['low']:.0f} to {first['high']:.0f})."
    )


def _which(report: Report) -> Iterator[str]:
    if report.given is None or report.confusions is None:
        yield (
            "The networks know these classes too little to tell wrong labels from their own errors. More images, or a "
            "pretrained backbone (-b), may help; `suspects` can still rank the labels."
        )
        return
    several = report.confusions[report.confusions["low"] >= 1]
    if len(several) > MOST_PAIRS:
        yield f"The {MOST_PAIRS} commonest of {len(several)} confusions that stand out."


def _tables(report: Report) -> Iterator[Grid]:
    if report.given is None or report.confusions is None:
        return
    rows: list[list[str | Cell]] = [
        [str(row["given"]), f"{row['labels']:,}", *_wrong(row)] for _, row in report.given.iterrows()
    ]
    yield grid(plain("Of each class as it was given"), ["given class", "labels", "wrong", "95 %", "share"], rows)
    several = report.confusions[report.confusions["low"] >= 1].head(MOST_PAIRS)
    if len(several):
        pairs: list[list[str | Cell]] = [
            [str(row["given"]), str(row["likely"]), f"{row['labels']:.0f}", f"{row['low']:.0f} to {row['high']:.0f}"]
            for _, row in several.iterrows()
        ]
        yield grid(plain("Which classes are confused"), ["given", "likely", "labels", "95 %"], pairs)


def _wrong(row: pd.Series) -> list[str | Cell]:
    if row["doubt"]:
        return [Cell("cannot tell", meaning=str(row["doubt"])), "", ""]
    share = row["wrong"] / row["labels"]
    return [f"{row['wrong']:.0f}", f"{row['low']:.0f} to {row['high']:.0f}", f"{share:.1%}"]


def _rules(report: Report) -> Iterator[str]:
    if report.given is not None:
        yield (
            "intervals are 95 %; they reach from an estimate that is too low where errors follow the looks of images "
            "to one that is too high where the networks err"
        )
        for _, row in report.given[report.given["doubt"] != ""].iterrows():
            yield f"{row['given']}: cannot tell, as {row['doubt']}"
    yield (
        "cannot tell: the networks agree with held-out labels hardly more than by chance, two networks agree with each "
        "other on less than half of what is above chance, or the interval is wider than 35 percentage points"
    )
    yield "errors that look right to the networks too are not seen"


def _agreement(found: RatersFound) -> Section:
    heading = "Do the raters agree"
    value, low, high = found.alpha
    if not found.images:
        said = "Agreement is undefined: no image was labelled by two raters. Let some images be read by all of them."
        return Section(heading, (plain(said),))
    images = f"{found.images:,} images that two or more labelled"
    if np.isnan(value):
        said = f"Krippendorff's alpha is undefined over the {images}: all their labels are of one class."
    else:
        said = (
            f"Krippendorff's alpha is {cells.number(value)} ({cells.number(low)} to {cells.number(high)}) over the "
            f"{images}; 1 is full agreement, 0 what chance gives. {_meaning(value)}"
        )
    pairs = found.pairs.sort_values("kappa", kind="stable").head(MOST_PAIRS)
    rows: list[list[str | Cell]] = [
        [
            f"{row['first']}, {row['second']}",
            f"{row['images']:,}",
            "" if not row["images"] else f"{row['agree']:.1%}",
            cells.number(row["kappa"]),
            "" if pd.isna(row["low"]) else f"{cells.number(row['low'])} to {cells.number(row['high'])}",
        ]
        for _, row in pairs.iterrows()
    ]
    columns: list[str | Cell] = ["raters", "images", "agree on", "kappa", "95 %"]
    rest = f", the {MOST_PAIRS} of {len(found.pairs)} pairs that agree least" if len(found.pairs) > MOST_PAIRS else ""
    grids = (grid(plain(f"Cohen's kappa{rest}"), columns, rows),) if rows else ()
    return Section(heading, (plain(said),), grids, notes=tuple(map(plain, found.notes)))


def _meaning(alpha: float) -> str:
    if alpha >= RELIABLE:
        return f"From {RELIABLE:g} on labels count as reliable."
    if alpha >= TENTATIVE:
        return f"Between {TENTATIVE:g} and {RELIABLE:g} they allow tentative conclusions only."
    return f"Below {TENTATIVE} they do not count as reliable: a consensus, or clearer rules for reading, would help."


def _quality(found: RatersFound, classes: Sequence[str]) -> Section:
    rows: list[list[str | Cell]] = [
        [
            name,
            "-" if np.isnan(differ) else f"{differ:.1%}",
            networks.said,
            *(_share(one.table.iloc[place]) for one in found.by),
        ]
        for place, (name, differ, networks) in enumerate(zip(found.names, found.differ, found.by_networks, strict=True))
    ]
    columns: list[str | Cell] = ["rater", "differs from the labels", "wrong by the networks"]
    columns += [f"wrong {one.reference}" for one in found.by]
    grids = [grid(plain("Share of the labels of each rater, with 95 % intervals"), columns, rows)]
    if len(classes) <= MOST_CLASSES and len(found.names) <= MOST_MATRICES:
        grids += [
            _matrix(name, matrix, classes, one.reference)
            for one in found.by
            for name, matrix in zip(found.names, one.transitions, strict=True)
        ]
    said = (plain(found.consensus),) if found.consensus else ()
    return Section("How good is each rater", said, tuple(grids), notes=(plain(SHARED),) if found.consensus else ())


def _share(row: pd.Series) -> str | Cell:
    if pd.isna(row["wrong"]):
        return Cell(cells.ABSENT, meaning="no label")
    return f"{row['wrong']:.1%} ({row['low']:.1%} to {row['high']:.1%})"


def _matrix(name: str, matrix: np.ndarray, classes: Sequence[str], reference: str) -> Grid:
    rows: list[list[str | Cell]] = [
        [true, *(Cell(cells.ABSENT, meaning="no image") if np.isnan(x) else cells.number(x) for x in row)]
        for true, row in zip(classes, matrix, strict=True)
    ]
    return grid(
        plain(f"{name}: of the images that are of a class {reference}, the share that was given as"),
        ["", *classes],
        rows,
    )
