"""Drafts the TOML file that says how a table of labels and its images are read, for a person to correct."""

from __future__ import annotations

import json
import os
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.datasets._class_folders import is_junk
from benchmark.datasets._columns import fitting
from benchmark.datasets._files import place_of
from benchmark.datasets._lookup import Found, find
from benchmark.datasets._sheets import Sheet, read_sheet, text_of

TRIED = 200
"""Names of the table by which the folder of images is sought."""
MOST_CLASSES = 50
IMAGES_A_CLASS = 10
"""Fewest on average of a column whose name does not say that it holds classes: a patient has fewer."""
EXAMPLES = 3
NEARLY_ALL = 0.8
"""Share of a column's cells that name classes, from which it may hold a reader's labels."""
MOST_COLUMNS = 40
"""Without a meaning that a draft describes."""
MOST_FOLDERS = 100
"""Of one depth that are looked through."""
ROLES = {
    "file": "names the image file of each row",
    "label": "what the image shows: the class to be learned",
    "patient": "all images of a patient stay in one of training, validation and test",
    "site": "the hospital; only_sites = [...] below takes the images of some only",
    "split": "train, val or test; without it images are split 70/10/20, with the seed split_seed",
}


@dataclass(frozen=True)
class Draft:
    text: str
    """TOML."""
    lines: tuple[str, ...]
    """What was guessed, and what is left to the reader; a sentence each."""


@dataclass(frozen=True)
class _Column:
    name: str
    texts: Sequence[str | None]

    @property
    def counts(self) -> Counter[str]:
        return Counter(text for text in self.texts if text is not None)

    def describe(self) -> str:
        counts = self.counts
        empty = len(self.texts) - counts.total()
        return f"{len(counts)} different: {_shown(counts)}" + (f"; {empty} empty" if empty else "")


def _shown(counts: Counter[str]) -> str:
    """The commonest texts."""
    shown = ", ".join(f"{text} ({count})" if count > 1 else text for text, count in counts.most_common(EXAMPLES))
    return shown + (", ..." if len(counts) > EXAMPLES else "")


def draft(table: Path, out: Path, *, root: Path | None = None, sheet: str | None = None) -> Draft:
    """A draft for `table`, to be written to `out`: paths in it begin in that file's folder. Raises DataError."""
    read = read_sheet(table, sheet=sheet)
    columns = [_Column(name, [text_of(cell) for cell in read.column(name)]) for name in read.columns if name]
    by_name = {column.name: column for column in columns}
    roles: dict[str, str] = {}
    for role in ROLES:
        fits = [name for name in fitting(tuple(by_name), role) if name not in roles.values()]
        if len(fits) == 1:
            roles[role] = fits[0]
    places = [root] if root is not None else _places(table.absolute().parent)
    folder, found = _best(places, columns, roles)
    if found is not None and "file" not in roles:
        roles["file"] = found.column
    free = [column for column in columns if column.name not in roles.values()]
    if "label" not in roles:
        few = [column for column in free if _may_hold_classes(column) and _may_be_label(column)]
        if len(few) == 1:
            roles["label"] = few[0].name
    free = [column for column in free if column.name not in roles.values()]
    readings = [column for column in free if _may_hold_classes(column)]
    raters = _raters(readings, by_name.get(roles.get("label", "")))
    lines = [*read.notes, *(f"{role} = {name!r}" for role, name in roles.items())]
    lines += _said_of_raters(readings, raters, by_name, roles.get("label"))
    lines += [f"no column was taken for the {role}" for role in ("file", "label") if role not in roles and not raters]
    if "patient" not in roles:
        others = [column for column in free if column.name not in raters and _may_be_patient(column)]
        maybe = "; ".join(f"{column.name!r} ({column.describe()}) may be it" for column in others)
        lines.append(
            "no column was taken for the patient, so that images of one may be in training and test"
            + (f": {maybe}" if maybe else "; if there is one, name it")
        )
    lines.append(
        f"images in {folder}: {found.said}" if found else "no folder was found that holds the images: give root"
    )
    return Draft(_toml(read, columns, roles, raters, folder if found else None, found, out, sheet), tuple(lines))


@dataclass(frozen=True)
class _Hit:
    """How many of a column's files lie in a folder."""

    column: str
    found: Found
    tried: int

    @property
    def said(self) -> str:
        return f"{len(self.found.files)} of the first {self.tried} files were found there"


def _places(folder: Path) -> list[Path]:
    """The folder of the table, those in it and in these, and zip archives beside it."""
    below = [path for path in sorted(folder.iterdir()) if not is_junk(path.name)]
    folders = [path for path in below if path.is_dir()]
    deeper = [
        inner for path in folders for inner in sorted(path.iterdir()) if inner.is_dir() and not is_junk(inner.name)
    ]
    archives = [path for path in below if path.suffix.lower() == ".zip" and zipfile.is_zipfile(path)]
    # Folders of single patients are none that all names begin in.
    return [folder, *(one for ones in (folders, deeper) if len(ones) <= MOST_FOLDERS for one in ones), *archives]


def _best(places: Sequence[Path], columns: Sequence[_Column], roles: dict[str, str]) -> tuple[Path, _Hit | None]:
    """Where most files of the column of files lie, by their plain names if possible; the first of equals."""
    if "file" in roles:
        candidates = [column for column in columns if column.name == roles["file"]]
    else:  # nearly every row has a file of its own
        candidates = [column for column in columns if 2 * len(column.counts) > len(column.texts)]
    names = {column.name: list(column.counts)[:TRIED] for column in candidates}
    best, folder, score = None, places[0], (0, 0)
    for place in places:
        files = place_of(place).tree(is_junk).files
        for column, tried in names.items():
            found = find(tried, files)
            reached = (len(found.files) - len(found.how), len(found.files))
            if reached > score:
                best, folder, score = _Hit(column, found, len(tried)), place, reached
    return folder, best


def _may_be_label(column: _Column) -> bool:
    counts = column.counts
    return 2 <= len(counts) <= min(MOST_CLASSES, counts.total() / IMAGES_A_CLASS)


def _may_be_patient(column: _Column) -> bool:
    """Whether a column names many things, most of them in a few rows each."""
    counts = column.counts
    return len(counts) >= MOST_CLASSES / 2 and 2 * len(counts) <= counts.total()


def _may_hold_classes(column: _Column) -> bool:
    """Whether its name is not that of another thing, whose numbers may be those of the classes too."""
    return not any(fitting((column.name,), role) for role in ("patient", "site", "split"))


def _said_of_raters(
    columns: Sequence[_Column], raters: Sequence[str], by_name: Mapping[str, _Column], label: str | None
) -> list[str]:
    """Which columns are those of raters, and which nearly are."""
    said = []
    if raters:
        hold = "they hold the same labels" if len(raters) > 1 else f"it holds the same labels as {label!r}"
        said.append(f"raters = {', '.join(map(repr, raters))}: {hold}")
    pattern = label or next(iter(raters), None)
    if pattern is None:
        return said
    classes = by_name[pattern].counts.keys()
    for column in columns:
        strange = {text: count for text, count in column.counts.items() if text not in classes}
        share = 1 - sum(strange.values()) / max(1, column.counts.total())
        if strange and share >= NEARLY_ALL:
            named = _shown(Counter(strange))
            said.append(
                f"column {column.name!r} may be a reader's too: all but {sum(strange.values())} cell(s) hold names of "
                f"classes ({named}); mend these cells, or name it in raters"
            )
    return said


def _raters(columns: Sequence[_Column], label: _Column | None) -> tuple[str, ...]:
    """Columns that hold labels of one set of classes: that of the labels, or one that they share."""
    few = [column for column in columns if 2 <= len(column.counts) <= MOST_CLASSES]
    if label is not None:
        return tuple(column.name for column in few if column.counts.keys() <= label.counts.keys())
    for column in few:
        alike = [other.name for other in few if other.counts.keys() == column.counts.keys()]
        if len(alike) > 1:
            return tuple(alike)
    return ()


def _toml(
    read: Sheet,
    columns: Sequence[_Column],
    roles: dict[str, str],
    raters: Sequence[str],
    folder: Path | None,
    hit: _Hit | None,
    out: Path,
    sheet: str | None,
) -> str:
    meant = {*roles.values(), *raters}
    others = [column.name for column in columns if column.name not in meant]
    shown = [column for column in columns if column.name in {*meant, *others[:MOST_COLUMNS]}]
    width = max(len(column.name) for column in shown) + 2
    listed = [f"#   {_quoted(column.name):{width}}  {column.describe()}" for column in shown]
    if hidden := len(columns) - len(shown):
        listed.append(f"#   and {hidden} further columns, behind {_quoted(others[MOST_COLUMNS - 1])}")
    meanings = [
        f"{role} = {_quoted(roles[role])}  # {what}"
        if role in roles
        else f'# {role} = "COLUMN"  # no column was taken for it: {what}'
        for role, what in ROLES.items()
    ]
    if raters:
        said = "columns with the labels of one reader each; cells may be empty"
        meanings.append(f"raters = [{', '.join(map(_quoted, raters))}]  # {said}")
    else:
        meanings.append('# raters = ["COLUMN", "COLUMN"]  # columns with the labels of one reader each')
    if "label" not in roles and raters:
        meanings.append("# Without a label the majority of the raters is taken.")
    root = f"root = {_quoted(_relative(folder, out))}  # {hit.said}" if folder and hit else '# root = "FOLDER"'
    lines = [
        f"# How to read {read.path.name} and its images.",
        "#",
        "# Drafted by a program, which guesses: please check every line. What stands behind a # is a remark, and does",
        "# nothing. Try it with",
        f"#     noisybench data info table:{out.name}",
        "",
        f"alias = {_quoted(out.stem)}  # name of this data set in tables of results",
        "",
        "# The table. Its first row holds the names of the columns; every further row belongs to one image.",
        f"path = {_quoted(_relative(read.path, out))}  # {len(read.rows)} rows",
        f"sheet = {_quoted(sheet)}" if sheet else '# sheet = "NAME"  # of an Excel file with several',
        *(f"# Assumed: {note}." for note in read.notes),
        "",
        "# The folder, or zip archive, in which the names of the image files begin.",
        root,
        "",
        "# What the columns mean. There are:",
        *listed,
        "",
        *meanings,
        "",
        "# Further options; remove the # in front of a line to use it.",
        '# missing = ["unknown", "-1"]  # texts that mean that there is no label, beside an empty cell',
        '# only_sites = ["NAME"]  # images of these hospitals only',
        "# size = 64  # every image becomes a square of so many pixels a side",
        '# fit = "pad"  # oblong images: "pad" adds black, "crop" cuts to the middle, "stretch" distorts',
        '# pixels = "auto"  # gray values of more than 8 bits: "percentile", "full", [0, 4095], or "window" for DICOM',
        '# pages = "first"  # TIFF files of several pictures: the first, or "all"',
        "# skip_corrupt = true  # leave out files that are damaged or absent, instead of refusing the data",
        "# split_seed = 0  # another number gives another split",
    ]
    return "\n".join(lines) + "\n"


def _relative(path: Path, out: Path) -> str:
    return Path(os.path.relpath(path.absolute(), out.absolute().parent)).as_posix()


def _quoted(text: str) -> str:
    """A TOML string."""
    return json.dumps(text, ensure_ascii=False)
