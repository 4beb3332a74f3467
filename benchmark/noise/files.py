"""Noisy labels as CSV, so that any other code base can train on exactly the same ones, and hand in its own."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.noise.base import Corruption, NoiseError, Split, check_labels, without_missing
from benchmark.store.atomic import write_through

INDEX = "index"
"""Column of positions in the split of the data set as noisybench loads it, from 0."""
ORIGINAL = "original"
"""Column of positions (or file names) in the source's own order, which knows none of our splits."""
HEADERS = "split,index,clean,noisy or split,original,clean,noisy (split may be absent: labels of the training set)"


def export_csv(path: Path, drawn: Iterable[tuple[Split, Corruption]], column: str = INDEX) -> None:
    """Writes a line per sample: its split, its place by `column`, its clean and its noisy label.

    The noisy label of a sample that the noise leaves out is empty. Raises NoiseError where `column` is "original"
    and the source has no order of its own.
    """
    parts = []
    for split, corruption in drawn:
        noisy = pd.array(corruption.labels, dtype="Int64")
        if corruption.selection is not None:
            noisy[np.setdiff1d(np.arange(len(noisy)), corruption.selection)] = pd.NA
        place = np.arange(len(split.labels)) if column == INDEX else _original(split)
        parts.append(pd.DataFrame({"split": split.name, column: place, "clean": split.labels, "noisy": noisy}))
    text = pd.concat(parts).to_csv(index=False, lineterminator="\n")
    write_through(path, lambda file: file.write(text.encode()))


def read_csv(path: Path, split: Split) -> Corruption | None:
    """The noisy labels of `split`; None where the file holds none of it. Lines may come in any order.

    Raises NoiseError unless the file holds every sample of the split once, with its clean label and a label in
    range (or none, an empty one or -1, for a sample that is left out).
    """
    table = _table(path)
    whole = len(table)
    if ORIGINAL in table:
        names = _original(split).astype(str)
        places = pd.Series(np.arange(len(names)), index=names)
        table = table[table[ORIGINAL].isin(names)]
        index = places.loc[table[ORIGINAL]].to_numpy()
        if split.name != "train" and table.empty:
            return None
    else:
        if "split" in table:
            table = table[table["split"] == split.name]
        if (table.empty and whole) if "split" in table else split.name != "train":
            return None
        index = _numbers(path, table[INDEX], "index")
        _check_index(path, index, split)
    _check_complete(path, index, split)
    clean = _numbers(path, table["clean"], "clean")
    noisy = _numbers(path, table["noisy"].fillna("-1"), "noisy")
    check_labels(clean, split.num_classes, f"{path}: clean labels")
    check_labels(noisy[noisy != -1], split.num_classes, f"{path}: noisy labels")
    order = np.argsort(index)
    _check_clean(path, clean[order], split)
    return without_missing(noisy[order], split)


def _table(path: Path) -> pd.DataFrame:
    """The file's columns as text; empty entries are NaN."""
    try:
        # By default pandas takes texts such as "NA" for empty ones, a first column without a name for an index, and
        # calls a second column of one name otherwise: so the names are read as a line.
        table = pd.read_csv(
            path,
            dtype=str,
            encoding="utf-8-sig",
            header=None,
            skipinitialspace=True,
            keep_default_na=False,
            na_values=[""],
        )
    except (OSError, ValueError) as error:  # a ValueError: what pandas raises for files that are no CSV
        raise NoiseError(
            f"{path} cannot be read as noisy labels ({str(error).strip()}); expected the columns {HEADERS}"
        ) from None
    names = table.iloc[0].fillna("").str.strip()
    table = table.iloc[1:].set_axis(list(names), axis=1)
    table.index -= 1  # of lines below the names, from 0 on
    twice = [name for name in ("split", INDEX, ORIGINAL, "clean", "noisy") if (names == name).sum() > 1]
    if twice:
        raise NoiseError(f"{path} has the column {twice[0]} twice; expected {HEADERS}")
    places = {INDEX, ORIGINAL} & set(table.columns)
    if len(places) != 1 or not {"clean", "noisy"} <= set(table.columns):
        raise NoiseError(f"{path} has the columns {','.join(table.columns)[:100]}; expected {HEADERS}")
    if "split" in table and (unknown := sorted(set(table["split"].fillna("")) - {"train", "val", "test"})):
        raise NoiseError(f"{path}: split is {unknown[0]!r} in some line; expected train or val (test is passed over)")
    return table


def _original(split: Split) -> np.ndarray:
    if split.original is None:
        raise NoiseError(
            f"data set {split.dataset!r} has no order of its own beside that of its splits; "
            "name samples by the column index (--index split)"
        )
    return split.original


def _numbers(path: Path, column: pd.Series, name: str) -> np.ndarray:
    try:
        return column.str.strip().astype(np.int64).to_numpy()
    except (ValueError, TypeError, OverflowError):
        pattern = column.fillna("").str.fullmatch(r"\s*[+-]?\d+\s*")
        first = column.index[~pattern.to_numpy(dtype=bool)]
        line = f", line {first[0] + 2}: {name} is {column[first[0]]!r}" if len(first) else f": {name} is out of range"
        raise NoiseError(f"{path} cannot be read as noisy labels{line}; expected whole numbers") from None


def _check_index(path: Path, index: np.ndarray, split: Split) -> None:
    n = len(split.labels)
    outside = index[(index < 0) | (index >= n)]
    if len(outside):
        raise NoiseError(
            f"{path}: index {outside[0]} does not fit the {n} samples of {split.dataset!r} ({split.name}); "
            f"expected 0 to {n - 1}: was it made for another data set?"
        )


def _check_complete(path: Path, index: np.ndarray, split: Split) -> None:
    occurrences = np.bincount(index, minlength=len(split.labels))
    if (occurrences != 1).any():
        first = int(np.flatnonzero(occurrences != 1)[0])
        name = f"index {first}" if split.original is None else f"index {first} (original {split.original[first]})"
        raise NoiseError(
            f"{path}: {name} of {split.name} comes {occurrences[first]} times among {len(index)} lines; "
            f"expected each of its {len(split.labels)} samples once"
        )


def _check_clean(path: Path, clean: np.ndarray, split: Split) -> None:
    different = np.flatnonzero(clean != split.labels)
    if len(different):
        i = int(different[0])
        raise NoiseError(
            f"{path} gives sample {i} of {split.name} the clean label {clean[i]}, {split.dataset!r} has "
            f"{split.labels[i]} ({len(different)} differ): it was made for another data set or another split"
        )
