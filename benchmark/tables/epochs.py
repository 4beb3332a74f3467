"""Training curves of runs as DataFrames: one row per run, figure and epoch, and their means over seeds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from benchmark.store.content import Record
from benchmark.tables.statistics import summarize

CELL = ["method", "noise"]
TRAIN, VAL_NOISY, VAL_CLEAN, TEST = "train", "val, noisy labels", "val, true labels", "test"
SPLITS = {"val_noisy": VAL_NOISY, "val_clean": VAL_CLEAN, "test": TEST}
"""Field of a record's curve -> its name in a figure."""
LOSS = "loss"
"""The method's own objective in training, cross entropy elsewhere."""
_LOSSES = {TRAIN: "loss"}
MEMORIZATION = {"memorized": "the wrong label", "true": "the true class"}
"""Shares in a record's curve -> what is predicted of samples with a wrong label."""


def curves(records: Iterable[Record], score: str, extra_test: str | None = None) -> pd.DataFrame:
    """Columns id, split, figure ("loss" or `score`), epoch (from 1) and value, of the records with a curve.

    `extra_test`: the curve of that test set instead of the main one.
    """
    rows = (
        (record["id"], split, figure, epoch, value)
        for record in records
        if record.get("curve")
        for split, columns in _splits(record["curve"], extra_test)
        for figure, name in ((LOSS, _LOSSES.get(split, "nll")), (score, score))
        for epoch, value in enumerate(columns.get(name) or (), start=1)
        if value is not None
    )
    return _frame(rows, ["id", "split", "figure", "epoch", "value"])


def _splits(curve: Mapping[str, Any], extra_test: str | None) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield TRAIN, curve["train"]
    for field, split in SPLITS.items():
        scored = curve["extra"].get(extra_test) if field == "test" and extra_test else curve[field]
        yield split, scored or {}


def memorization(records: Iterable[Record]) -> pd.DataFrame:
    """Columns id, figure (a value of `MEMORIZATION`), epoch and value, of the records that have some."""
    rows = (
        (record["id"], figure, epoch, value)
        for record in records
        if record.get("curve")
        for name, figure in MEMORIZATION.items()
        for epoch, value in enumerate((record["curve"]["memorization"] or {}).get(name) or (), start=1)
        if value is not None
    )
    return _frame(rows, ["id", "figure", "epoch", "value"])


def _frame(rows: Iterable[tuple[Any, ...]], columns: list[str]) -> pd.DataFrame:
    frame = pd.DataFrame(list(rows), columns=columns).astype({"epoch": "int64", "value": "float64"})
    return frame.sort_values("id", kind="stable", ignore_index=True)  # sums depend on the order of what is added


def over_seeds(runs: pd.DataFrame, values: pd.DataFrame) -> pd.DataFrame:
    """Per method, noise and whatever else tells `values` apart, by epoch: n, units, mean, sd and half over the seeds.

    `runs`: rows of `frame.flatten`, whose columns id, method, noise and unit are used.
    """
    by = [*CELL, *(column for column in values.columns if column not in ("id", "value"))]
    return summarize(values.merge(runs[["id", *CELL, "unit"]], on="id"), by).reset_index()
