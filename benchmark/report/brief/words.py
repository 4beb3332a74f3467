"""The page in words: every sentence for a physician who has trained no network."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from benchmark.report.brief.facts import DataFacts, Doubtful, Facts, LabelFacts, Lacking, ReaderFacts, Reading, Share
from benchmark.report.brief.methods import method_parts, method_points
from benchmark.report.brief.numbers import count, percent, share
from benchmark.report.document import Cell, Section, Span, Text, grid, plain, strong
from benchmark.report.layouts.label_errors import RELIABLE, TENTATIVE

MOST_PAIRS = 6
"""Pairs of classes that are named."""
SPLITS = {"train": "training", "val": "validation", "test": "test"}


@dataclass(frozen=True)
class Part:
    """A section with pictures after its tables."""

    section: Section
    pictures: tuple[Doubtful, ...] = ()


@dataclass(frozen=True)
class Page:
    title: str
    limits: str
    """The first paragraph."""
    points: tuple[str, ...]
    """What matters most, a sentence or two each."""
    parts: tuple[Part, ...]
    origin: tuple[str, ...]


def page(facts: Facts) -> Page:
    parts = [Part(_data(facts.data))]
    if facts.labels is not None:
        parts += [Part(_rate(facts.labels)), Part(_worst(facts.labels), facts.labels.worst)]
        if facts.readers is not None:
            parts.append(Part(_readers(facts.readers)))
        if facts.reading is not None:
            parts.append(Part(_reading(facts.reading, facts.labels)))
    if facts.methods is not None:
        rate = None if facts.labels is None else facts.labels.rate
        parts += map(Part, method_parts(facts.methods, rate))
    if facts.lacking:
        parts.append(Part(_lacking(facts.lacking)))
    return Page(
        title=f"{facts.data.name}: images, labels and networks",
        limits=_limits(facts),
        points=tuple(_points(facts)),
        parts=tuple(parts),
        origin=facts.origin,
    )


def _limits(facts: Facts) -> str:
    labels = facts.labels
    read = 0 if labels is None else sum(labels.decisions.values()) + labels.read_before
    by_whom = f"people have read {count(read, 'label')} again" if read else "nobody has read an image again for it"
    said = [
        f"What this page can and cannot tell. A program made it from the images and labels as they are; {by_whom}. "
        "It is no proof that a network may be used to care for patients."
    ]
    if facts.labels is not None:
        said.append(
            "How many labels are wrong is an estimate, and a label named below as doubtful may be right: only a reader "
            "can decide. Wrong labels that look right, such as an early stage called normal, are missed."
        )
    if facts.methods is not None:
        said.append(
            "Networks are measured against test labels of which some may be wrong, and the figures hold for patients "
            "and devices like those of the test images only."
        )
    said.append("The page shows images and names of files: keep it where these may be kept.")
    return " ".join(said)


def _points(facts: Facts) -> Iterator[str]:
    yield _read(facts.data)
    if facts.labels is not None:
        yield _wrong(facts.labels)
        if facts.readers is not None:
            yield _agreement(facts.readers.alpha)
        if facts.reading is not None:
            yield _first_reading(facts.reading)
    if facts.methods is not None:
        yield from method_points(facts.methods, None if facts.labels is None else facts.labels.rate)
    if facts.lacking:
        parts = "; ".join(one.part for one in facts.lacking)
        yield f"Not on this page: {parts}. Its end says how to get that."


def _read(data: DataFacts) -> str:
    images = int(data.counts.to_numpy().sum())
    patients = f" of {count(data.all_patients, 'patient')}" if data.patients else ""
    left = " Nothing was left out." if not data.left_out else ""
    return f"{count(images, 'image')}{patients} in {len(data.counts)} classes were read.{left}" + (
        f" Left out: {'; '.join(data.left_out)}." if data.left_out else ""
    )


def _wrong(labels: LabelFacts) -> str:
    if labels.rate is None:
        return "How many labels are wrong cannot be told: the networks know these images too little."
    clear = labels.pairs[labels.pairs["low"] >= 1].head(1)
    most = "".join(
        f" The commonest mistake: the label says {row.given}, the image looks like {row.likely}."
        for row in clear.itertuples()
    )
    return f"About {share(labels.rate)} of the labels are probably wrong.{most}"


def _first_reading(reading: Reading) -> str:
    row = reading.curve.iloc[len(reading.curve) // 2]
    read, random = count(int(row["read"]), "label"), f"about {row['random']:,.0f}"
    if "listed" in reading.curve:
        listed = f"about {row['listed']:,.0f} wrong ones in the order of the list of doubtful labels"
        return f"Reading {read} again finds {listed}, and {random} in random order."
    return f"Reading {read} again finds {random} wrong ones in random order, and more in the order of doubt."


def _data(data: DataFacts) -> Section:
    names = [_split(name) for name in data.counts]
    rows: list[list[str | Cell]] = [
        [str(label), *(f"{n:,}" for n in row), f"{sum(row):,}"]
        for label, row in zip(data.counts.index, data.counts.to_numpy(), strict=True)
    ]
    totals = data.counts.sum()
    rows.append(["all images", *(f"{n:,}" for n in totals), f"{totals.sum():,}"])
    if data.patients:
        rows.append(["patients", *(f"{data.patients[name]:,}" for name in data.counts), f"{data.all_patients:,}"])
    rows += [
        [f"images from {site or 'an unknown place'}", *(f"{n:,}" for n in row), f"{sum(row):,}"]
        for site, row in zip(data.sites.index, data.sites.to_numpy(), strict=True)
    ]
    said = [
        "Networks learn from the training images. Validation images choose between networks, test images only measure "
        f"them. {_separate(data)}"
    ]
    if data.files:
        said.append(f"How the files were read: {data.files}.")
    notes = [plain(f"Left out: {line}") for line in data.left_out] + [plain(note) for note in data.notes]
    table = grid(strong("Images and patients"), ["", *names, "all"], rows)
    return Section("What was read and what was left out", tuple(map(plain, said)), (table,), notes=tuple(notes))


def _separate(data: DataFacts) -> str:
    if not data.patients:
        return "Which images are of one patient is not known: if a patient is in two of them, results look too good."
    if sum(data.patients.values()) > data.all_patients:
        return "Some patients are in more than one of them: results look too good."
    return "No patient is in two of them."


def _rate(labels: LabelFacts) -> Section:
    heading = "How many labels are wrong, and which"
    where = f"{count(labels.examined, 'label')} of {_listed([_split(name) for name in labels.splits])} images"
    how = f"Networks judged {where}, each label by networks that had not learned from it."
    if labels.rate is None:
        why = f"They know these images too little to tell how many labels are wrong ({labels.doubt})."
        return Section(heading, (plain(f"{how} {why}"),))
    wrong = labels.rate.value * labels.examined
    said = f"{how} About {share(labels.rate)} are probably wrong, which is about {wrong:,.0f} labels."
    pairs = _pairs(labels)
    if pairs.empty:
        return Section(heading, (plain(said),))
    rows = [
        [
            f"{row['given']}, looks like {row['likely']}",
            f"{row['labels']:,.0f} ({row['low']:,.0f} to {row['high']:,.0f})",
        ]
        for _, row in pairs.iterrows()
    ]
    table = grid(
        (*strong("Classes that are confused"), Span(", the commonest first")),
        ["label", "images, about"],
        rows,
    )
    return Section(heading, (plain(said),), (table,))


def _pairs(labels: LabelFacts) -> pd.DataFrame:
    return labels.pairs[labels.pairs["labels"] >= 1].head(MOST_PAIRS)


def _worst(labels: LabelFacts) -> Section:
    unread = " that nobody has read again" if labels.decisions else ""
    said = [
        f"The {count(len(labels.worst), 'most doubtful label')}{unread} and that networks take for another class, the "
        "most doubtful first. Under each image: its file, its label, and what networks take it for. An unusual image "
        "looks doubtful too, although its label is right."
        if labels.worst
        else f"Networks take no image{unread} for another class than its label says."
    ]
    if labels.listed:
        said.append(f"All labels in this order, with columns for a reader to fill in: {labels.listed}.")
    if labels.decisions:
        names = {"keep": "right", "relabel": "changed", "drop": "left out", "unsure": "unsure"}
        done = ", ".join(f"{names[name]} {number:,}" for name, number in labels.decisions.items())
        said.append(f"Labels that people have read again so far: {sum(labels.decisions.values()):,} ({done}).")
    return Section("The labels to look at first", tuple(map(plain, said)))


def _readers(facts: ReaderFacts) -> Section:
    rows = [
        [
            str(row["reader"]),
            f"{row['images']:,.0f}",
            percent(row["differ"]),
            share(Share(row["wrong"], row["low"], row["high"])),
        ]
        for _, row in facts.readers.iterrows()
    ]
    said = (
        f"{_agreement(facts.alpha)} Measured on {count(facts.images, 'image')} that two or more have read, by "
        "Krippendorff's alpha: 1 is full agreement, 0 is chance; sure conclusions need 0.8, tentative ones 0.67. "
        "Mistakes that most readers make are not seen by comparing them."
    )
    columns = ["reader", "images read", "differs from the label", "wrong by the readers' consensus"]
    table = grid(strong("Readers"), columns, rows)
    return Section("Do the readers agree", (plain(said),), (table,), notes=tuple(map(plain, facts.notes)))


def _agreement(alpha: Share) -> str:
    if math.isnan(alpha.value):
        return "How far the readers agree cannot be told: too few images were read twice."
    enough = "well" if alpha.value >= RELIABLE else "moderately" if alpha.value >= TENTATIVE else "too little"
    ends = "" if math.isnan(alpha.low) else f" ({alpha.low:.2f} to {alpha.high:.2f})"
    return f"The readers agree {enough}: alpha {alpha.value:.2f}{ends}."


def _reading(reading: Reading, labels: LabelFacts) -> Section:
    simulated = "listed" in reading.curve
    columns = ["labels read again", "at random", *(["in the order of the list"] if simulated else []), "at best"]
    rows = [
        [
            f"{row['read']:,.0f} ({percent(row['read'] / labels.examined)})",
            *(f"{row[name]:,.0f}" for name in ("random", *(["listed"] if simulated else []), "perfect")),
        ]
        for _, row in reading.curve.iterrows()
    ]
    said = ["How many wrong labels are found by reading images again, at the estimated share of wrong labels."]
    if simulated:
        said.append(
            f"This was tried out: as many labels were made wrong by chance, and networks listed them ({reading.how}). "
            "Mistakes that people make follow the looks of an image and are harder to find for networks; where several "
            "readers are compared, or the classes confused are few, more may be found."
        )
        if reading.stop is not None:
            stop = count(reading.stop, "label")
            said.append(
                f"A reader who stops once fewer than one in ten labels has to be changed would read about {stop}."
            )
    else:
        said.append(
            "The list of doubtful labels lies between the two columns: better than chance, never better than best."
        )
    table = grid(strong("Wrong labels found"), columns, rows)
    return Section("What reading again brings", tuple(map(plain, said)), (table,))


def _lacking(lacking: tuple[Lacking, ...]) -> Section:
    notes: list[Text] = [
        (Span(f"{one.part.capitalize()}", "strong"), Span(f": {one.why}. "), Span(one.command, "code"))
        for one in lacking
    ]
    said = "A command behind each supplies it; make the page again afterwards."
    return Section("What this page lacks", (plain(said),), notes=tuple(notes))


def _split(name: str) -> str:
    return SPLITS.get(name, name)


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
