"""Images and a table that says what they show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from benchmark.datasets._annotations import Annotation, annotated, majority
from benchmark.datasets._class_folders import is_junk
from benchmark.datasets._columns import Columns, choose, fitting
from benchmark.datasets._entries import Entry, read_entries
from benchmark.datasets._files import File, InputPlace, place_of
from benchmark.datasets._images import SUFFIXES
from benchmark.datasets._listed import ListedImages, ListedOptions, Listing
from benchmark.datasets._sheets import read_sheet
from benchmark.datasets._spellings import plain_number
from benchmark.datasets._stained import Stained, StainOption
from benchmark.datasets._texts import Name, Texts
from benchmark.datasets.base import Data, DataError, ExtraTest, InputFile, Progress
from benchmark.datasets.class_names import as_missing, as_one, nearest, suspicions
from benchmark.datasets.regroup import Regrouping, former, mentioned, regrouped, regrouped_test
from benchmark.datasets.splitting import SHARES, absent_classes, held_out, in_two_splits, split
from benchmark.option_text import located
from benchmark.parsers import parse_toml
from benchmark.seeds import seed_for
from benchmark.store import digests
from benchmark.store.schema import Images
from benchmark.store.tree import readable

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
VALIDATION_SHARE = 0.1
"""Of the training images, where the table names no validation images."""
NAMED = 5
"""Patients that a message names."""


@dataclass(frozen=True)
class _Annotated:
    """The images that the table gives a label, before they are split."""

    classes: tuple[str, ...]
    entries: tuple[Entry, ...]
    """Sorted by their files; `split` is empty where the table has no such column."""
    unusable: Mapping[str, str]
    notes: tuple[str, ...]
    columns: Columns
    rows: Mapping[str, Sequence[tuple[int, str]]]
    """Of every class the first rows of its files, and these."""


class Table(ListedImages, Stained):
    """Your own images and a table of their labels, table:FILE (CSV, TSV, Excel, Parquet), or table:FILE.toml."""

    version: ClassVar[int] = 2
    names: ClassVar[tuple[str, ...]] = ("table",)
    augment: ClassVar = {"flip": True, "rotate": 15.0}

    class Config(ListedOptions, Regrouping, StainOption):
        path: InputFile
        """The table; or a TOML file that holds these options, as `noisybench data describe` drafts it. Options beside
        it replace those in it."""
        root: InputPlace | None = None
        """Folder, or zip archive, that the names of the files begin in; that of the table where it is left out."""
        file: Name | None = None
        """Column that names the image files. This and the columns of label, patient, site and split are guessed by
        their names where exactly one fits."""
        label: Name | None = None
        """Column of the labels, names or numbers; where it is left out and there are raters, their majority."""
        raters: Texts = ()
        """Columns that hold a rater's labels each, [A,B,C] or A+B+C; cells may be empty."""
        patient: Name | None = None
        """Column of the patients: all images of one are in one split."""
        site: Name | None = None
        """Column of the hospitals, or whatever images come from."""
        split: Name | None = None
        """Column that says train, val or test; without it images are split 70/10/20."""
        only_sites: Texts = ()
        """Take the images of these sites only, [A] or A+B."""
        sheet: str | None = None
        """Of an Excel file with several."""
        missing: Texts = ()
        """Texts that mean that there is no label, beside an empty cell: [NA,-1]."""
        guess: bool = True
        """Whether columns may be guessed by their names."""
        encoding: str | None = None
        """Of a text file: cp1252, utf-16, ...; UTF-8, or else Windows-1252, where it is left out."""
        delimiter: Literal["comma", "semicolon", "tab", "bar"] | None = None
        """Of a text file; seen from its first lines where it is left out."""
        split_seed: int = Field(0, ge=0)
        """Seed of the split, and of ties between raters."""

        @model_validator(mode="before")
        @classmethod
        def _from_toml(cls, values: Any) -> Any:
            path = values.get("path") if isinstance(values, dict) else None
            if path is None or Path(path).suffix.lower() != ".toml":
                return values
            try:
                options = parse_toml(Path(path).read_text(encoding="utf-8-sig"))
            except (OSError, ValueError) as error:
                raise ValueError(f"{path} cannot be read as TOML: {error}") from None
            if "path" not in options:
                raise ValueError(f'{path} names no table; expected a line path = "labels.xlsx"')
            options = located(options, cls.model_fields, Path(path).parent)
            return {**options, **{name: value for name, value in values.items() if name != "path"}}

    @property
    def label(self) -> str:
        return str(self.cfg.alias or self.cfg.path.stem)

    @property
    def raters(self) -> tuple[str, ...]:
        columns: tuple[str, ...] = self.cfg.raters
        return columns

    @property
    def images_root(self) -> Path:
        root: Path = self.cfg.root or self.cfg.path.absolute().parent
        return root

    @cached_property
    def _annotated(self) -> _Annotated:
        cfg = self.cfg
        sheet = read_sheet(
            cfg.path, sheet=cfg.sheet, encoding=cfg.encoding, delimiter=cfg.delimiter and DELIMITERS[cfg.delimiter]
        )
        given = {role: getattr(cfg, role) for role in ("file", "label", "patient", "site", "split")}
        columns = choose(cfg.path, sheet.columns, given, cfg.raters, guess=cfg.guess)
        place = place_of(self.images_root)
        files = place.tree(is_junk).files
        found = annotated(sheet, columns, files, cfg.missing, self._is_read)
        if not found.by_file:
            raise DataError(
                f"{self.images_root} holds none of the {len(found.unusable)} files that the column {columns.file!r} of "
                f"{cfg.path} names, such as {next(iter(found.unusable), 'none')}: give the folder as root=DIR"
            )
        by_file = self._of_sites(found.by_file)
        unusable = {name: why for name, why in found.unusable.items() if self._is_read(found.sites[name])}
        labels, notes = self._labels(by_file, columns, sheet.columns)
        notes += _left_out(by_file, labels, columns)
        kept = {file: one for file, one in by_file.items() if file in labels and (one.split or not columns.split)}
        self._check_patients(kept, columns)
        present = {labels[file] for file in kept}
        # A class may be absent at the sites that are read, such as one that is misspelled at another.
        anywhere = {label for one in found.by_file.values() for label in (one.label, *one.raters.values()) if label}
        absent = mentioned(cfg) & anywhere - present
        classes = self._classes(present, absent, len(kept), columns)
        rows: dict[str, list[tuple[int, str]]] = {}
        for row, file in sorted((one.row, file) for file, one in kept.items()):
            rows.setdefault(labels[file], []).append((row, file))
        members = former(self.label, classes, cfg)
        counts = {name: sum(len(rows.get(one, ())) for one in ones) for name, ones in members.items()}
        notes += suspicions([*members], counts, cfg.missing)
        numbers = {name: k for k, name in enumerate(classes)}
        raters, foreign = _rated(kept, columns.raters, numbers)
        notes += foreign
        listed = found.by_file.keys() | found.unusable.keys()
        if unlisted := len({name for name in files if Path(name).suffix.lower() in SUFFIXES} - listed):
            notes.append(f"{unlisted} image file(s) in the folder of images are not in the table")
        entries = tuple(
            Entry(
                File(place, file),
                numbers[labels[file]],
                one.split or "",
                raters[file],
                one.patient,
                (one.site or "") if columns.site else None,
            )
            for file, one in kept.items()
        )
        notes = [*sheet.notes, *columns.notes, *found.notes, *notes]
        return _Annotated(classes, entries, unusable, tuple(notes), columns, rows)

    def _of_sites(self, by_file: Mapping[str, Annotation]) -> Mapping[str, Annotation]:
        if not self.cfg.only_sites:
            return by_file
        sites = {one.site for one in by_file.values() if one.site is not None}
        plain = set(map(plain_number, sites))
        unknown = [name for name in self.cfg.only_sites if plain_number(name) not in plain]
        if unknown:
            raise DataError(
                f"{self.cfg.path}: only_sites names {unknown[0]!r}; expected some of "
                f"{', '.join(sorted(map(repr, sites))) or 'the values of a column that site=COLUMN names'}"
            )
        return {file: one for file, one in by_file.items() if one.site is not None and self._is_read({one.site})}

    def _is_read(self, sites: Collection[str]) -> bool:
        """Whether rows of these sites are; of a row without one it is not known."""
        read = set(map(plain_number, self.cfg.only_sites))
        return not read or not sites or not read.isdisjoint(map(plain_number, sites))

    def _labels(
        self, by_file: Mapping[str, Annotation], columns: Columns, names: tuple[str, ...]
    ) -> tuple[dict[str, str], list[str]]:
        """The label of every file that has one, and what is to be said of it."""
        if columns.label is not None:
            return {file: one.label for file, one in by_file.items() if one.label is not None}, []
        labels, ties = {}, 0
        for file, one in by_file.items():
            if one.raters:
                commonest = majority(list(one.raters.values()))
                ties += len(commonest) > 1
                seed = seed_for("majority", file, self.cfg.split_seed)
                labels[file] = commonest[int(np.random.default_rng(seed).integers(len(commonest)))]
        unused = fitting(names, "label")
        instead = f"; label={unused[0]} takes that column instead" if len(unused) == 1 else ""
        notes = [f"the labels are the majority of {len(columns.raters)} rater(s){instead}"]
        if ties:
            notes.append(f"the raters of {ties} image(s) ({ties / len(labels):.1%}) tie: one of their labels was drawn")
        return labels, notes

    def _check_patients(self, kept: Mapping[str, Annotation], columns: Columns) -> None:
        unknown = [file for file, one in kept.items() if columns.patient and one.patient is None]
        if unknown:
            raise DataError(
                f"{self.cfg.path}: the column {columns.patient!r} is empty for {len(unknown)} image(s), such as "
                f"{unknown[0]}; expected the patient of each, as images of one must not be trained on and tested with "
                "(in Excel a merged cell fills its first row only)"
            )

    def _classes(self, labels: set[str], absent: set[str], images: int, columns: Columns) -> tuple[str, ...]:
        where = f"{self.cfg.path}: " + (f"the column {columns.label!r}" if columns.label else "the raters' majority")
        if len(labels) < 2:
            raise DataError(f"{where} holds {len(labels)} class(es) ({', '.join(labels) or 'none'}), expected two")
        if len(labels) > max(2, images / 2):
            raise DataError(
                f"{where} holds {len(labels)} different labels of {images} images; expected few classes with several "
                "images each: name the column of the classes, label=COLUMN"
            )
        named = labels | absent
        whole = all(label.removeprefix("-").isdecimal() for label in named)
        return tuple(sorted(named, key=int) if whole else sorted(named))

    def listing(self) -> Listing:
        found, cfg = self._annotated, self.cfg
        notes = list(found.notes)
        labels = np.array([entry.label for entry in found.entries], dtype=np.int64)
        groups = [entry.group for entry in found.entries if entry.group is not None] or None
        if found.columns.split is None:
            index = split(cfg.path, labels, groups, cfg.split_seed)
            notes.append(f"split {'by patient' if groups else 'at random'}, 70/10/20, with the seed {cfg.split_seed}")
            if not groups:
                notes.append(
                    "no column says whose images they are: those of one patient may be in training and test, and "
                    "results are then too good; name the column, patient=COLUMN"
                )
        else:
            splits = np.array([entry.split for entry in found.entries])
            index = {name: np.flatnonzero(splits == name) for name in SHARES}
            notes += _shared_patients(groups, splits.tolist()) if groups else []
            if not len(index["val"]) and len(index["train"]):
                train = index["train"]
                inside = groups and [groups[i] for i in train]
                rest, held = held_out(labels[train], inside, VALIDATION_SHARE, cfg.split_seed)
                index |= {"train": train[rest], "val": train[held]}
                notes.append(f"a tenth of the training images is taken for validation{', by patient' * bool(groups)}")
        where = {int(i): name for name, chosen in index.items() for i in chosen}
        entries = [replace(entry, split=where[i]) for i, entry in enumerate(found.entries)]
        if groups:
            counts = ", ".join(f"{name} {len({groups[i] for i in chosen})}" for name, chosen in index.items())
            notes.append(f"{len(set(groups))} patients: {counts}")
        return Listing(found.classes, entries, tuple(notes), found.unusable)

    def decoded(self, listing: Listing, progress: Progress | None) -> Data:
        return self.with_stains(regrouped(super().decoded(listing, progress), self.cfg))

    def check_training(self, data: Data) -> None:
        rows = self._annotated.rows
        for name in absent_classes(data.train, data.classes):
            if name in rows:  # else it is one of several that were merged
                raise DataError(self._without_training(name, rows[name]))
        super().check_training(data)

    def _without_training(self, name: str, rows: Sequence[tuple[int, str]]) -> str:
        """Most often a cell is misspelled."""
        cfg, columns = self.cfg, self._annotated.columns
        where = f"the column {columns.label!r}" if columns.label else "the raters' majority"
        meant = nearest(name, [other for other in self._annotated.classes if other != name])
        hint = f"; did you mean {meant!r}? Expected" if meant else "; expected"
        merged = f"take them for one with {as_one([[meant, name]])}, " if meant else ""
        (row, file), *_ = rows
        return (
            f"{cfg.path}: no training image of class {name!r}, which {where} gives {len(rows)} image(s), first in row "
            f"{row} ({file}){hint} some of every class: mend the cell(s), {merged}leave the images out with "
            f"{as_missing((*cfg.missing, name))}, or add images"
        )

    def load_extra_test(self, progress: Progress | None = None) -> ExtraTest:
        """The test images, or all images of a table that has no column of splits."""
        found = self._annotated
        entries = [entry for entry in found.entries if entry.split in ("", "test")]
        if not entries:
            raise DataError(f"{self.cfg.path}: no row is a test image; expected some in the column of splits")
        read = read_entries(self.images_root, entries, self.cfg, progress, found.unusable)
        test = read.parts({"test": np.arange(len(read.entries))})["test"]
        notes = (*found.notes, *read.decoded.doubts)
        whole = ExtraTest(found.classes, True, test, read.skipped, read.decoded.facts, notes)
        return self.test_with_stains(regrouped_test(whole, self.label, self.cfg))

    def like(self, images: Images) -> Table:
        return Table(self.name, self.cfg.like(images), self.root)

    @cached_property
    def _content(self) -> tuple[str, str]:
        """Digests of what the table says, and of the files that it names."""
        found = self._annotated
        said = ["\0".join(found.classes)]
        for entry in found.entries:
            given = "\0".join(f"{name}={label}" for name, label in sorted(entry.given.items()))
            said.append(
                "\0".join(map(str, (entry.file.name, entry.label, entry.split, entry.group, entry.site, given)))
            )
        with readable():
            files = digests.of_listing((entry.file.name, entry.file.digest()) for entry in found.entries)
        return digests.of_listing((), header="\n".join([*said, *sorted(found.unusable)])), files

    def digest(self) -> str:
        """Of what is read: labels, patients, sites, splits, and the images; not of the order of rows, of other columns,
        or of the kind of file that they stand in."""
        return digests.of_listing((), header="\0".join(self._content))

    def path_digests(self) -> Mapping[Path, str]:
        said, files = self._content
        return {self.cfg.path: said} | ({} if self.cfg.root is None else {self.cfg.root: files})


def _left_out(by_file: Mapping[str, Annotation], labels: Mapping[str, str], columns: Columns) -> list[str]:
    notes = []
    if unlabelled := len(by_file) - len(labels):
        notes.append(f"{unlabelled} image(s) have no label and were left out")
    if unsplit := sum(columns.split is not None and by_file[file].split is None for file in labels):
        notes.append(f"{unsplit} image(s) have no split and were left out")
    return notes


def _rated(
    kept: Mapping[str, Annotation], raters: Sequence[str], numbers: Mapping[str, int]
) -> tuple[dict[str, dict[str, int]], list[str]]:
    """The raters' labels of every file as numbers, -1 for none; and what labels name a class that is none."""
    rated = {
        file: {rater: numbers.get(one.raters.get(rater, ""), -1) for rater in raters} for file, one in kept.items()
    }
    foreign = Counter(
        (rater, label) for one in kept.values() for rater, label in one.raters.items() if label not in numbers
    )
    if not foreign:
        return rated, []
    named = [_foreign(*one, count, numbers) for one, count in foreign.most_common(NAMED)]
    more = ", ..." * (len(foreign) > NAMED)
    return rated, [
        f"{foreign.total()} label(s) of raters name a class that no image has, and were left out: "
        f"{', '.join(named)}{more}"
    ]


def _foreign(rater: str, label: str, count: int, classes: Iterable[str]) -> str:
    meant = nearest(label, classes)
    return f"{label!r} of {rater} ({count}{f'; is {meant!r} meant?' if meant else ''})"


def _shared_patients(patients: Sequence[str], splits: Sequence[str]) -> list[str]:
    """A sentence where the table puts patients into two splits."""
    shared = in_two_splits(patients, splits)
    if not shared:
        return []
    named = ", ".join(f"{name} ({' and '.join(shared[name])})" for name in sorted(shared)[:NAMED])
    return [
        f"{len(shared)} of {len(set(patients))} patients have images in two splits of the table, so that scores may be "
        f"too good: {named}{', ...' if len(shared) > NAMED else ''}"
    ]
