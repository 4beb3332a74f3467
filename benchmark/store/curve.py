"""A record's training curve: a column per figure, a row per epoch, rounded to five digits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from benchmark.store.columns import Columns
from benchmark.store.schema import Curve

DIGITS = 5
_CHOOSING = ("accuracy", "balanced_accuracy")
"""Metrics that choose an epoch."""
VALIDATION = (*_CHOOSING, "nll")
"""Metrics of a validation set that a curve keeps: its loss is shown beside that of training (`nll` is not in records
that were written before it was kept)."""
TEST = (*_CHOOSING, "auroc", "ece", "nll", "auprc", "brier")
"""Metrics of a test set that it keeps: the others follow from the confusion matrix of a rule's epoch."""
MEMORIZATION = ("true", "memorized")
"""Shares that it keeps; the third follows, as they sum to one."""
T = TypeVar("T")

Epoch = Mapping[str, Any]
"""`lr`, `phase`, `train`, `val_noisy`, `val_clean`, `test`, `extra`, `memorization`, `changed`, `diagnostics`."""


def curve_of(epochs: Sequence[Epoch]) -> Curve:
    """The columns of `epochs`, without per-class figures: `outcomes` gives those for the rules' epochs."""
    names = sorted({name for epoch in epochs for name in epoch.get("extra") or {}})
    return {
        "lr": [rounded(epoch["lr"]) for epoch in epochs],
        "phase": [epoch["phase"] for epoch in epochs],
        "train": _columns([epoch["train"] for epoch in epochs]) or {},
        "val_noisy": _columns([epoch["val_noisy"] for epoch in epochs], VALIDATION),
        "val_clean": _columns([epoch["val_clean"] for epoch in epochs], VALIDATION),
        "test": _columns([epoch["test"] for epoch in epochs], TEST),
        "extra": {name: _columns([epoch["extra"][name] for epoch in epochs], TEST) for name in names},
        "memorization": _columns([epoch["memorization"] for epoch in epochs], MEMORIZATION),
        "changed": [rounded(epoch.get("changed")) for epoch in epochs],
        "diagnostics": _columns([epoch["diagnostics"] for epoch in epochs]) or {},
    }


def rounded(value: T, digits: int = DIGITS) -> T:
    """`value` with that many significant digits in every float of it."""
    if isinstance(value, float):
        return float(f"{value:.{digits}g}")  # type: ignore[return-value]
    if isinstance(value, list):
        return [rounded(inner, digits) for inner in value]  # type: ignore[return-value]
    return value


def _columns(rows: Sequence[Mapping[str, Any] | None], wanted: Sequence[str] | None = None) -> Columns | None:
    """A column for every `wanted` figure (None: all) that is a number in some row; None if there is none."""
    numbers = {name for row in rows for name, value in (row or {}).items() if isinstance(value, int | float)}
    if wanted is not None:
        numbers.intersection_update(wanted)
    if not numbers:
        return None
    return {name: [rounded((row or {}).get(name)) for row in rows] for name in sorted(numbers)}
