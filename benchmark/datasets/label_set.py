"""Labels of a data set in a file of their own, instead of those that it comes with: after people read them again.

A CSV file with a line per image: its split, its place there, its label; `noisybench relabel apply` writes it. The file
counts for the identity of a run by its content, as any file does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.datasets._sheets import read_texts
from benchmark.datasets.base import Arrays, Data, DataError
from benchmark.store import digests
from benchmark.store.spreadsheet import composed

COLUMNS = ("split", "index", "file", "given", "label")
"""The file's columns; `file` is empty where an image is no file of its own, `given` is the label of the data set, and
`label` the new one, empty where the image is left out. `given` and `file` may be absent."""
HEADERS = "split,index,file,given,label"


@dataclass(frozen=True)
class LabelSet:
    """New labels, as the lines of a file."""

    path: Path
    rows: pd.DataFrame
    """All columns as text."""
    assumed: tuple[str, ...] = ()
    """What was assumed of the file; a sentence each."""

    @classmethod
    def read(cls, path: Path) -> LabelSet:
        """Raises DataError where the file is no label set."""
        try:
            rows, assumed = read_texts(path)
        except DataError as error:
            raise DataError(f"no labels: {error}; expected a line for every image, with {HEADERS}") from None
        if not {"split", "index", "label"} <= set(rows.columns):
            raise DataError(f"{path} has the columns {','.join(rows.columns)[:100]}; expected {HEADERS}")
        return cls(path, rows, assumed)

    @cached_property
    def digest(self) -> str:
        return digests.digest(self.path)

    @property
    def leaves_out(self) -> bool:
        """Whether images have no label, so that the splits become smaller."""
        return bool((self.rows["label"] == "").any())

    def apply(self, data: Data) -> Data:
        """`data` with the labels of this file; splits that it does not hold stay as they are.

        Where the file names all images of `data` and others, such as those of another hospital, or where they lie in
        other splits, its lines are found by the names of image files. Raises DataError unless it holds every image of
        the splits that it names once, with a class of the data, and with the label of the data where the file says
        what that was.
        """
        found = self._by_file(data)
        if found is not None:
            return found.apply(data)
        splits = {"train": data.train, "val": data.val, "test": data.test}
        unknown = sorted(set(self.rows["split"]) - {name for name, part in splits.items() if part is not None})
        if unknown:
            raise DataError(f"{self.path}: {data.name} has no split {unknown[0]!r}; expected train, val or test")
        parts = {name: part if part is None else self._part(name, part, data.classes) for name, part in splits.items()}
        train, test = parts["train"], parts["test"]
        assert train is not None
        assert test is not None
        absent = [data.classes[k] for k in range(data.num_classes) if not (train.labels == k).any()]
        if absent:
            raise DataError(f"{self.path} leaves no training image of class {', '.join(absent)}; expected some of each")
        notes = (*data.notes, *(f"{self.path.name}: {said}" for said in self.assumed))
        return replace(data, train=train, val=parts["val"], test=test, notes=notes)

    def _by_file(self, data: Data) -> LabelSet | None:
        """The lines of the images of `data`, where they have other places there; None where places are those of the
        lines, or names cannot tell."""
        here = table_of(data)
        names = self.rows["file"] if "file" in self.rows else pd.Series(dtype=str)
        if names.empty or (names == "").any() or names.duplicated().any() or here["file"].duplicated().any():
            return None
        if not set(here["file"]) <= set(names) or set(_places(self.rows)) == set(_places(here)):
            return None
        lines = self.rows.set_index("file").loc[here["file"]].reset_index()
        lines[["split", "index"]] = here[["split", "index"]].astype(str)
        said = f"its lines are found by file; {len(names) - len(lines)} of {len(names)} are of images that are not here"
        return replace(self, rows=lines, assumed=(*self.assumed, said))

    def _part(self, split: str, part: Arrays, classes: Sequence[str]) -> Arrays:
        rows = self.rows[self.rows["split"] == split]
        if rows.empty:
            return part
        index = _positions(self.path, rows["index"], split, len(part))
        names = {composed(name): k for k, name in enumerate(classes)}
        given, labels = (np.full(len(part), -1, dtype=np.int64) for _ in range(2))
        labels[index] = _classes(self.path, rows["label"], names)
        given[index] = _classes(self.path, rows["given"], names) if "given" in rows else part.labels[index]
        other = np.flatnonzero(given != part.labels)
        if len(other):
            first = int(other[0])
            raise DataError(
                f"{self.path} gives image {first} of {split} the former label {given[first]}, the data set has "
                f"{part.labels[first]} ({len(other)} differ): it was made for other data, or for another split of it"
            )
        if "file" in rows and part.files is not None:
            moved = [(i, name) for i, name in zip(index, rows["file"], strict=True) if composed(part.files[i]) != name]
            if moved:
                raise DataError(
                    f"{self.path}: image {moved[0][0]} of {split} is {moved[0][1]} there and {part.files[moved[0][0]]} "
                    f"in the data ({len(moved)} differ); it was made for another state of the folder"
                )
        renewed = replace(part, labels=labels)
        return renewed if (labels >= 0).all() else renewed.take(np.flatnonzero(labels >= 0))


def _places(rows: pd.DataFrame) -> Iterator[tuple[str, str]]:
    return zip(rows["split"], rows["index"].astype(str), strict=True)


def _positions(path: Path, column: pd.Series, split: str, size: int) -> np.ndarray:
    try:
        index = column.astype(np.int64).to_numpy()
    except (ValueError, OverflowError):
        raise DataError(f"{path}: the column index of {split} holds something else than whole numbers") from None
    if not np.array_equal(np.sort(index), np.arange(size)):
        raise DataError(
            f"{path} has {len(index)} lines of {split}, from {index.min()} to {index.max()}; expected each of its "
            f"{size} images once"
        )
    return np.asarray(index)


def _classes(path: Path, column: pd.Series, names: dict[str, int]) -> np.ndarray:
    """[n] numbers of class names; -1 where a cell is empty."""
    unknown = sorted(set(column) - {*names, ""})
    if unknown:
        raise DataError(f"{path}: there is no class {unknown[0]!r}; expected one of {', '.join(list(names)[:20])}")
    return np.asarray(column.map({**names, "": -1}), dtype=np.int64)


def table_of(data: Data) -> pd.DataFrame:
    """All images of `data` with their labels, as the lines of a label set; names are `composed`."""
    parts = []
    for split, part in (("train", data.train), ("val", data.val), ("test", data.test)):
        if part is None:
            continue
        names = [composed(data.classes[k]) for k in part.labels]
        files = [""] * len(part) if part.files is None else list(map(composed, part.files))
        parts.append(
            pd.DataFrame({"split": split, "index": range(len(part)), "file": files, "given": names, "label": names})
        )
    return pd.concat(parts, ignore_index=True)
