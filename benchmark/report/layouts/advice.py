"""Which method to use for somebody's data, in plain words and a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from benchmark.report.document import Cell, Document, Section, Span, grid, plain, strong
from benchmark.report.layouts import cells
from benchmark.report.layouts.leaderboard import probability

ENOUGH = 0.02
"""Where no gain may be larger, the baseline is enough."""


@dataclass(frozen=True)
class Advice:
    """What was found for a data set and a backbone."""

    place: str
    metric: str
    baseline: str
    images: int
    """Of the validation set."""
    seeds: int
    rate: float | None
    """Estimated share of wrong labels; None where nothing can be said of it."""
    rate_interval: tuple[float, float] | None
    rate_doubt: str
    """Why the rate is not known; empty where it is."""
    methods: pd.DataFrame | None
    """As of `labels.advice.recommend`; None where there are too few validation images."""
    margin: float
    """In true accuracy: a method so close to the best is as good."""
    least_images: int
    """Validation images below which no method is named."""
    command: str
    """What trains one of the methods; `{method}` stands for its name."""


def shows_a_gain(advice: Advice) -> str | None:
    """The method with the best score, where the interval of its gain lies above 0; None where the data show none."""
    if advice.methods is None:
        return None
    first = advice.methods.iloc[0]
    return str(first.name) if first["low"] > 0 else None


def gains_little(advice: Advice) -> bool:
    """Whether no method may gain as much as `ENOUGH` over the baseline."""
    return advice.methods is not None and bool(advice.methods["high"].drop(advice.baseline).max() < ENOUGH)


def document(advice: Advice) -> Document:
    return Document(
        title="Which method to use",
        paragraphs=(plain(f"{advice.place}; {advice.images:,} validation images, {advice.seeds} seeds."),),
        sections=(_rate(advice), _methods(advice)),
        origin=(
            "Method and backbone are compared on the labels as they are; wrong labels are in training and "
            "validation alike",
        ),
    )


def _rate(advice: Advice) -> Section:
    if advice.rate is None:
        said = f"How many labels are wrong cannot be told: {advice.rate_doubt}."
    else:
        low, high = advice.rate_interval or (float("nan"), float("nan"))
        interval = "" if advice.rate_interval is None else f" (95 % interval {low:.1%} to {high:.1%})"
        said = f"About {advice.rate:.1%} of the training labels are wrong{interval}. Which classes they are in says "
    known = () if advice.rate is None else (Span("noisybench labels", "code"), Span("."))
    return Section("How wrong are the labels", ((*plain(said), *known),))


def _methods(advice: Advice) -> Section:
    heading = "Which method"
    found = advice.methods
    if found is None:
        few = (
            f"No method is named: {advice.images} validation images cannot tell methods apart. From "
            f"{advice.least_images} on they are compared; a larger validation set, or a split of your own, would help."
        )
        return Section(heading, (plain(few),))
    rows: list[list[str | Cell]] = [
        [
            Cell(str(name), emphasis="best" if row["chosen"] else None),
            "yes" if row["chosen"] else "",
            cells.valued(row["score"]),
            *_gain(str(name), row, advice),
            probability(row["best"]),
        ]
        for name, row in found.iterrows()
    ]
    columns: list[str | Cell] = [
        "method",
        "candidate",
        "noisy validation",
        f"gain over {advice.baseline}",
        "95 %",
        "P(best)",
    ]
    return Section(
        heading,
        tuple(plain(text) for text in _said(found, advice)),
        (
            grid(
                (*strong(advice.metric.replace("_", " ").capitalize()), Span(" on validation labels as given")),
                columns,
                rows,
            ),
        ),
        notes=tuple(plain(text) for text in _notes(advice)),
    )


def _gain(name: str, row: pd.Series, advice: Advice) -> Iterator[str | Cell]:
    if name == advice.baseline:
        yield from (Cell("", meaning="itself"), Cell("", meaning="itself"))
        return
    yield cells.number(row["gain"], signed=True)
    yield f"{cells.number(row['low'], signed=True)} to {cells.number(row['high'], signed=True)}"


def _said(found: pd.DataFrame, advice: Advice) -> Iterator[str]:
    chosen = list(found.index[found["chosen"]])
    first, better = str(found.index[0]), shows_a_gain(advice)
    if not better and gains_little(advice):
        plain_ce = f"Plain cross entropy with early stopping ({advice.baseline})"
        yield f"{plain_ce} is enough: no method gains much on these data."
    elif not better:
        yield (
            f"These data do not show that a method is better than plain cross entropy with early stopping "
            f"({advice.baseline}), nor that none is. More validation images, or labels that are read again, would tell."
        )
    else:
        row = found.loc[first]
        yield (
            f"Use {first}: expected gain over {advice.baseline} in true {advice.metric.replace('_', ' ')} "
            f"{row['gain']:+.3f} ({row['low']:+.3f} to {row['high']:+.3f})."
        )
    if len(chosen) > 1:
        names = ", ".join(map(str, chosen))
        yield f"Candidates, of which one is very likely within {advice.margin:g} of the best: {names}."
    elif chosen and chosen[0] != first:
        yield f"{chosen[0]} is very likely within {advice.margin:g} of the best."
    yield f"To train: {advice.command.format(method=better or advice.baseline)}"


def _notes(advice: Advice) -> Iterator[str]:
    scaled = (
        "gains are scaled to true labels by the estimated share of wrong ones, as if these were spread evenly over the "
        "other classes"
        if advice.rate is not None
        else "gains are those on the labels as given; with wrong labels among them true gains are larger"
    )
    yield (
        "candidate: in the smallest set that holds, in 90 % of drawn validation sets and seeds, a method within "
        f"{advice.margin:g} of the best"
    )
    yield scaled
    yield (
        "what validation images cannot tell: how the order changes where test images come from elsewhere (another "
        "scanner, another hospital)"
    )
