"""Noisy labels as CSV, so that any other code base can train on exactly the same ones."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from benchmark.noise.base import NoiseError, check_labels
from benchmark.store.atomic import write_through

HEADER = "index,clean,noisy"


def export_csv(path: Path, clean: np.ndarray, noisy: np.ndarray, index: np.ndarray | None = None) -> None:
    """Writes one line per sample: its position in the training set, clean and noisy label ([n] each).

    `index`: positions of the samples that are written, sorted; None: all.
    """
    index = np.arange(len(clean)) if index is None else index
    rows = np.stack([index, clean[index], noisy[index]], axis=1)
    write_through(path, lambda file: np.savetxt(file, rows, fmt="%d", delimiter=",", header=HEADER, comments=""))


def read_csv(path: Path, n: int, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Clean and noisy labels, [n] int64 each, in the order of the training set; lines may come in any order.

    Raises NoiseError unless the file holds every index of 0 to n - 1 exactly once, with labels in range.
    """
    try:
        with path.open(encoding="utf-8-sig") as file:
            header = file.readline().strip()
            if header != HEADER:
                raise NoiseError(f"{path} begins with {header[:60]!r}; expected the line {HEADER!r}")
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "loadtxt: input contained no data")
                rows = np.loadtxt(file, delimiter=",", dtype=np.int64, ndmin=2)
    except NoiseError:
        raise
    except (OSError, ValueError) as error:
        raise NoiseError(
            f"{path} cannot be read as noisy labels ({error}); expected {HEADER!r} and whole numbers"
        ) from None
    if rows.size and rows.shape[1] != 3:
        raise NoiseError(f"{path} has {rows.shape[1]} columns; expected three: {HEADER}")
    rows = rows.reshape(-1, 3)
    index = rows[:, 0]
    outside = (index < 0) | (index >= n)
    if outside.any():
        raise NoiseError(
            f"{path}: index {index[outside][0]} does not fit a training set of {n} samples; "
            f"expected 0 to {n - 1}: was it made for another data set?"
        )
    occurrences = np.bincount(index, minlength=n)
    if (occurrences != 1).any():
        first = int(np.flatnonzero(occurrences != 1)[0])
        raise NoiseError(
            f"{path}: index {first} comes {occurrences[first]} times among {len(index)} lines; "
            f"expected every index from 0 to {n - 1} once"
        )
    check_labels(rows[:, 1], num_classes, f"{path}: clean labels")
    check_labels(rows[:, 2], num_classes, f"{path}: noisy labels")
    ordered = rows[np.argsort(index)]
    return ordered[:, 1].copy(), ordered[:, 2].copy()
