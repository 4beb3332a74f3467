"""Data whose images may not be shown to others: a mark that lies beside them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from benchmark.datasets.base import Dataset

MARK = ".private"
"""A file of this name, which may be empty, marks what lies in its folder and in all folders below it."""


def mark_of(dataset: Dataset) -> Path | None:
    """The file that marks the data as private; None where there is none."""
    for path in _paths(dataset.cfg):
        resolved = path.resolve()
        marks = [folder / MARK for folder in (resolved, *resolved.parents)]
        found = next((mark for mark in marks if mark.is_file()), None)
        if found is not None:
            return found
    return None


def _paths(value: Any) -> Iterator[Path]:
    """All paths in the options of a data set."""
    if isinstance(value, Path):
        yield value
    elif isinstance(value, BaseModel):
        yield from (path for inner in dict(value).values() for path in _paths(inner))
    elif isinstance(value, dict):
        yield from (path for inner in value.values() for path in _paths(inner))
    elif isinstance(value, list | tuple):
        yield from (path for inner in value for path in _paths(inner))
