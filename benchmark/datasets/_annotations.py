"""From the rows of a table to one annotation for every file: its labels as text, its patient, site and split."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time

from benchmark.datasets._class_folders import SPLIT_NAMES
from benchmark.datasets._columns import Columns
from benchmark.datasets._lookup import find
from benchmark.datasets._sheets import Sheet, exact_text, text_of
from benchmark.datasets._spellings import names_of, one_spelling
from benchmark.datasets.base import DataError
from benchmark.datasets.class_names import listed, nearest

SHOWN = 3
NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.0+)?")
LEADING_ZERO = re.compile(r"-?0\d")


@dataclass(frozen=True)
class Annotation:
    """What a table says of one file; None and absent raters: nothing."""

    label: str | None = None
    raters: Mapping[str, str] = field(default_factory=dict)
    patient: str | None = None
    site: str | None = None
    split: str | None = None
    row: int = 0
    """The first one that names the file, as a spreadsheet counts."""


@dataclass(frozen=True)
class Annotations:
    by_file: Mapping[str, Annotation]
    """By the name of the file, sorted."""
    unusable: Mapping[str, str]
    """Names that cannot be used, and why."""
    sites: Mapping[str, Collection[str]]
    """Of these, what the table says."""
    notes: tuple[str, ...]


def annotated(
    sheet: Sheet,
    columns: Columns,
    files: Sequence[str],
    missing: Sequence[str],
    is_read: Callable[[Collection[str]], bool],
) -> Annotations:
    """What the rows of `sheet` say of `files`; texts in `missing` are no labels.

    How files were found, and how many are named twice, is said of those whose sites are read.

    Rows of one file are merged where they do not contradict each other. Raises DataError for dates in the place of
    file names, and for splits of another name than train, val and test.
    """
    names = [exact_text(cell) for cell in sheet.column(columns.file)]
    _refuse_dates(sheet, columns.file, "file names")
    labels = {name: _labels(sheet, name, missing) for name in (columns.label, *columns.raters) if name}
    labels, told = _without_decimals(labels)
    patients, told_of_patients = names_of(sheet, columns.patient, "patient")
    sites, told_of_sites = names_of(sheet, columns.site, "site")
    splits = _splits(sheet, columns.split)
    found = find(filter(None, names), files)
    rows: dict[str, list[Annotation]] = {}
    for k, name in enumerate(names):
        if name is None or name not in found.files:
            continue
        raters = {rater: labels[rater][k] for rater in columns.raters}
        rows.setdefault(found.files[name], []).append(
            Annotation(
                label=labels[columns.label][k] if columns.label else None,
                raters={rater: label for rater, label in raters.items() if label is not None},
                patient=patients[k],
                site=sites[k],
                split=splits[k],
                row=sheet.numbers[k],
            )
        )
    merged, unusable = {}, dict(found.unusable)
    for file in sorted(rows):
        one = _merged(rows[file])
        if isinstance(one, str):
            unusable[file] = one
        else:
            merged[file] = one
    read = {name for name, site in zip(names, sites, strict=True) if name and is_read({site} if site else ())}
    notes = [*found.notes(read), *_unused(missing, [text for name in labels for text in _texts(sheet, name)])]
    of_read = [found.files[name] for name in names if name in read and name in found.files]
    if repeated := len(of_read) - len({*of_read}):
        notes.append(f"{repeated} row(s) name a file that another row names too")
    if nameless := names.count(None):
        notes.append(f"{nameless} row(s) name no file and were left out")
    notes += [note for name in labels for note in _numbers_as_text(sheet, name)]
    notes += [*told, *told_of_patients, *told_of_sites]
    sites_of: dict[str, set[str]] = {name: set() for name in unusable}
    for name, site in zip(names, sites, strict=True):
        for known in filter(None, (name, found.files.get(name or ""))):
            if known in sites_of and site is not None:
                sites_of[known].add(site)
    return Annotations(merged, unusable, sites_of, tuple(notes))


def _texts(sheet: Sheet, column: str) -> list[str | None]:
    return [text_of(cell) for cell in sheet.column(column)]


def _refuse_dates(sheet: Sheet, column: str, what: str) -> None:
    cells = sheet.column(column)
    dates = [(number, cell) for number, cell in zip(sheet.numbers, cells, strict=True) if isinstance(cell, date | time)]
    if dates:
        shown = ", ".join(f"row {number}: {text_of(cell)}" for number, cell in dates[:SHOWN])
        raise DataError(
            f"{sheet.path}: {len(dates)} cell(s) of the column {column!r} are dates ({shown}); expected {what}. Excel "
            "takes texts such as 3-12 or MAR1 for dates: format the column as text, and enter them again"
        )


def _labels(sheet: Sheet, column: str, missing: Sequence[str]) -> list[str | None]:
    """Numbers as numbers, whether they are stored as numbers or as text: "1", 1 and 1.0 are one label."""
    _refuse_dates(sheet, column, "labels")
    texts = [None if text in missing else text for text in _texts(sheet, column)]
    return [text.partition(".")[0] if text is not None and NUMBER.fullmatch(text) else text for text in texts]


def _unused(missing: Sequence[str], texts: Sequence[str | None]) -> list[str]:
    """A sentence for every text of `missing` that is in no cell."""
    given = sorted(set(filter(None, texts)))
    notes = []
    for text in missing:
        if text not in given:
            meant = nearest(text, given)
            hint = f"; did you mean {meant!r}?" if meant else ""
            notes.append(f"missing names {text!r}, which no cell of the labels holds{hint}")
    return notes


def _without_decimals(
    labels: Mapping[str, Sequence[str | None]],
) -> tuple[dict[str, list[str | None]], list[str]]:
    """Labels by column, "1,0" as "1" where both are there, and a sentence of it. "01" may be another class."""
    given = {text for texts in labels.values() for text in texts if text is not None}
    same = one_spelling(sorted(text for text in given if not LEADING_ZERO.match(text)))
    notes = []
    if same:
        notes.append(f"labels {listed(same)} are numbers with and without decimals: taken for the same numbers")
    return {name: [text and same.get(text, text) for text in texts] for name, texts in labels.items()}, notes


def _numbers_as_text(sheet: Sheet, column: str) -> list[str]:
    """A sentence where a column holds numbers of both kinds."""
    cells = sheet.column(column)
    as_text = sum(isinstance(cell, str) and NUMBER.fullmatch(cell.strip()) is not None for cell in cells)
    as_number = sum(isinstance(cell, int | float) and text_of(cell) is not None for cell in cells)
    if not (as_text and as_number):
        return []
    return [f"{as_text} label(s) of the column {column!r} are numbers stored as text: taken for the same numbers"]


def _splits(sheet: Sheet, column: str | None) -> list[str | None]:
    if column is None:
        return [None] * len(sheet.rows)
    texts = _texts(sheet, column)
    names = {text: _split_of(text) for text in set(texts) if text is not None}
    unknown = sorted(text for text, split in names.items() if split is None)
    if unknown:
        shown = ", ".join(map(repr, unknown[:5])) + (", ..." if len(unknown) > 5 else "")
        raise DataError(
            f"{sheet.path}: the column {column!r} holds {shown}; expected train, val or test (training, valid, dev, "
            "testing and the like), or empty cells for images that are left out"
        )
    return [None if text is None else names[text] for text in texts]


def _split_of(text: str) -> str | None:
    return next((split for split, names in SPLIT_NAMES.items() if names.fullmatch(text)), None)


def _merged(rows: Sequence[Annotation]) -> Annotation | str:
    """What all rows of a file say together, or how they contradict each other."""
    values = {name: _given([getattr(row, name) for row in rows]) for name in ("label", "patient", "site", "split")}
    names = sorted({rater for row in rows for rater in row.raters})
    raters = {name: _given([row.raters.get(name) for row in rows]) for name in names}
    for what, given in (*values.items(), *(("label of one rater", labels) for labels in raters.values())):
        if len(given) > 1:
            return f"rows of one file differ in the {what}: {' and '.join(given)}"
    one = {name: given[0] if given else None for name, given in values.items()}
    return Annotation(**one, raters={name: labels[0] for name, labels in raters.items()}, row=rows[0].row)


def _given(values: Sequence[str | None]) -> list[str]:
    """The different values that are given."""
    return list(dict.fromkeys(value for value in values if value is not None))


def majority(labels: Sequence[str]) -> list[str]:
    """The commonest ones of a file's labels, sorted; several in a tie."""
    counts = Counter(labels)
    return sorted(label for label, count in counts.items() if count == max(counts.values()))
