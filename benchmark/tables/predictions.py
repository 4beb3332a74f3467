"""Confusion, calibration and T of runs, summed or averaged over the seeds of a cell. Records in, DataFrames out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from benchmark.metrics import ECE_BINS
from benchmark.store.content import Record


def outcome_of(record: Record, rule: str, extra_test: str | None = None) -> Mapping[str, Any] | None:
    """The confusion and calibration of one run's epoch by `rule`; None where the record does not hold it."""
    outcomes = record.get("outcomes") if extra_test is None else (record.get("extra_outcomes") or {}).get(extra_test)
    return (outcomes or {}).get(rule)


def confusion(records: Iterable[Record], rule: str, extra_test: str | None = None) -> pd.DataFrame:
    """Columns id, label, prediction and count: a row per entry of every run's confusion matrix."""
    parts = []
    for record in records:
        outcome = outcome_of(record, rule, extra_test)
        if outcome is not None:
            counts = np.asarray(outcome["confusion"])
            labels, predictions = np.indices(counts.shape)
            columns = {"label": labels.ravel(), "prediction": predictions.ravel(), "count": counts.ravel()}
            parts.append(pd.DataFrame({"id": record["id"], **columns}))
    return _joined(parts, ["label", "prediction", "count"])


class ClassNames:
    """The names of classes that records agree on, of those that hold any."""

    def __init__(self) -> None:
        self._found: set[tuple[str, ...]] = set()

    def noted(self, records: Iterable[Record]) -> Iterator[Record]:
        """The records, of which each is looked at as it passes."""
        for record in records:
            self.note(record)
            yield record

    def note(self, record: Record) -> None:
        names = ((record.get("provenance") or {}).get("labels") or {}).get("classes")
        if names:
            self._found.add(tuple(names))

    @property
    def names(self) -> tuple[str, ...]:
        """[K], or none where no record holds them or some differ."""
        return next(iter(self._found)) if len(self._found) == 1 else ()


def calibration(records: Iterable[Record], rule: str, extra_test: str | None = None) -> pd.DataFrame:
    """Columns id, bin (0 to 14), count, confidence (sum) and right (hits): a row per bin of every run."""
    parts = []
    for record in records:
        outcome = outcome_of(record, rule, extra_test)
        if outcome is not None:
            parts.append(pd.DataFrame({"id": record["id"], "bin": range(ECE_BINS), **outcome["calibration"]}))
    return _joined(parts, ["bin", "count", "confidence", "right"])


def transitions(records: Iterable[Record]) -> pd.DataFrame:
    """Columns id, clean, noisy, true and estimated: a row per entry of every run's T; NaN where it is unknown."""
    parts = []
    for record in records:
        true = (record.get("noise") or {}).get("transition")
        estimate = (record.get("diagnostics") or {}).get("transition")
        if true is None and estimate is None:
            continue
        known = np.asarray(true if estimate is None else estimate, dtype=np.float64)
        clean, noisy = np.indices(known.shape)
        unknown = np.full(known.shape, np.nan)
        columns = {
            "true": (unknown if true is None else np.asarray(true, dtype=np.float64)).ravel(),
            "estimated": (unknown if estimate is None else known).ravel(),
        }
        parts.append(pd.DataFrame({"id": record["id"], "clean": clean.ravel(), "noisy": noisy.ravel(), **columns}))
    return _joined(parts, ["clean", "noisy", "true", "estimated"])


def _joined(parts: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """The rows of all runs by id: sums depend on the order of what is added."""
    if not parts:
        return pd.DataFrame(columns=["id", *columns])
    return pd.concat(parts).sort_values("id", kind="stable", ignore_index=True)


def of_cell(runs: pd.DataFrame, rows: pd.DataFrame, method: str, noise: str) -> pd.DataFrame:
    """The rows (by their id) of the runs of one cell."""
    cell = runs["id"][(runs["method"] == method) & (runs["noise"] == noise)]
    return rows[rows["id"].isin(cell)]


def reliability(rows: pd.DataFrame) -> pd.DataFrame:
    """Per bin that holds a sample: count, confidence (mean) and accuracy, over all `rows` of `calibration`."""
    sums = rows.groupby("bin")[["count", "confidence", "right"]].sum().astype("float64")
    sums = sums[sums["count"] > 0]
    return pd.DataFrame(
        {
            "count": sums["count"],
            "confidence": sums["confidence"] / sums["count"],
            "accuracy": sums["right"] / sums["count"],
        }
    )


def ece(rows: pd.DataFrame) -> pd.DataFrame:
    """Per run of `rows` of `calibration`: id and value, its expected calibration error."""
    rows = rows.astype({"count": "float64", "confidence": "float64", "right": "float64"})
    gaps = (rows["right"] - rows["confidence"]).abs()
    sums = pd.DataFrame({"id": rows["id"], "gap": gaps, "count": rows["count"]}).groupby("id").sum()
    return (sums["gap"] / sums["count"]).rename("value").reset_index()
