"""What must hold between the fields of a record, whatever the run: its metrics and the epochs of its rules.

A metric that follows from the confusion matrix must be that of the matrix. A figure of a rule must be that of the
curve, which holds five digits, at the epoch that the rule chooses.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from benchmark import metrics
from benchmark.metrics import LOWER_IS_BETTER, Outcome
from benchmark.model_selection import LAST5_EPOCHS, LAST5_NEEDS, label_wave
from benchmark.store.content import Record
from benchmark.store.curve import DIGITS

EXACT = 1e-9
"""Relative difference of figures that are computed in another order."""
_ROUNDING = 0.5 * 10.0 ** (1 - DIGITS) * (1 + 1e-6)
"""Largest relative difference between a number and the same with `DIGITS` digits."""
_BIN_ROUNDING = 0.005 * (1 + 1e-6)
"""Largest difference of a bin's summed confidence, which has two decimals."""
WATCHED = 10_000
"""Largest number of training images that changes of predictions are counted on."""

Rows = Sequence[Mapping[str, Any]]


def faults(record: Record) -> Iterator[str]:
    """What does not hold in a whole record of the current schema, a part of a sentence each."""
    if record["state"] != "ok":
        return
    curve = record["curve"]
    epochs = len(curve["lr"])
    tests = {"": record["tests"]["test"], **record["tests"]["extra"]}
    by_test = {"": record["metrics"], **record["extra_metrics"]}
    outcomes = {"": record["outcomes"], **record["extra_outcomes"]}
    columns = {"": curve["test"], **curve["extra"]}
    for name, figures in by_test.items():
        of_test = f"{name}: " if name else ""
        for rule, found in figures.items():
            if found is None:
                continue
            where = f"{of_test}{rule}: "
            yield from (where + fault for fault in _of_curve(rule, found, columns.get(name), curve, epochs))
            outcome = outcomes.get(name, {}).get(rule)
            matrix = None if outcome is None else np.array(outcome["confusion"])
            if outcome is not None:
                yield from (where + fault for fault in _of_outcome(outcome, found, tests[name]["size"]))
            yield from (where + fault for fault in _of_classes(found, matrix, tests[name]["size"]))
    for name, copies in (record.get("corrupted_tests") or {}).items():
        yield from (f"{name}: {fault}" for fault in _of_copies(copies, record))
    for rule, expected_epochs in _chosen(record, epochs).items():
        found = record["metrics"].get(rule)
        if (found is None) != (not expected_epochs) or (found and found["epoch"] not in expected_epochs):
            said = "none" if found is None else f"epoch {found['epoch']}"
            yield f"{rule}: it reports {said}, and the curve gives {_one_of(expected_epochs)}"


def _one_of(epochs: Sequence[int]) -> str:
    return " or ".join(map(str, epochs)) if epochs else "none"


def _chosen(record: Record, epochs: int) -> dict[str, list[int]]:
    """The epochs, from 1, that each rule which chooses one may have chosen: several where five digits do not tell."""
    curve, main = record["curve"], record["main_metric"]
    chosen = {"last": [epochs] if curve["test"] else []}
    sizes = {"val_noisy": record["sizes"]["val"], "val_clean": record["sizes"]["val"]}
    sizes["test"] = record["tests"]["test"]["size"]
    for rule, split in (("val_noisy", "val_noisy"), ("val_clean", "val_clean"), ("oracle_test", "test")):
        scores = (curve[split] or {}).get(main) or []
        chosen[rule] = _best(scores, main, sizes[split]) if curve["test"] else []
    if "label_wave" in record["metrics"]:
        watched = min(record["sizes"]["train"], WATCHED)
        # The shares are counts over the watched images, which five digits tell exactly.
        shares = [None if share is None else round(share * watched) / watched for share in curve["changed"]]
        position = label_wave(shares)
        chosen["label_wave"] = [] if position is None or not curve["test"] else [position + 1]
    return chosen


def _best(scores: Sequence[float | None], main: str, size: int) -> list[int]:
    known = {at: score for at, score in enumerate(scores, 1) if score is not None}
    if not known:
        return []
    best = (min if main in LOWER_IS_BETTER else max)(known.values())
    tied = [at for at, score in known.items() if score == best]
    return tied[:1] if main == "accuracy" and size < 10 ** (DIGITS - 1) else tied


def _of_curve(
    rule: str, figures: Mapping[str, Any], columns: Mapping[str, Any] | None, curve: Mapping[str, Any], epochs: int
) -> Iterator[str]:
    """Figures that differ from those of the curve."""
    if columns is None:
        yield "it has figures, and the curve has none"
        return
    if rule == "last5":
        if epochs < LAST5_NEEDS:
            yield f"it is defined from {LAST5_NEEDS} epochs on, and there are {epochs}"
            return
        at = range(epochs - LAST5_EPOCHS, epochs)
    elif 1 <= figures["epoch"] <= epochs:
        at = range(figures["epoch"] - 1, figures["epoch"])
        if figures.get("phase") != (phase := curve["phase"][at[0]]):
            yield f"its phase is {figures.get('phase')!r}, and that of the epoch {phase!r}"
    else:
        yield f"its epoch {figures['epoch']} is not one of the {epochs}"
        return
    for name, column in columns.items():
        values = [column[position] for position in at]
        expected = None if any(value is None for value in values) else sum(values) / len(values)
        if not _close(figures.get(name), expected, _ROUNDING):
            yield f"{name} is {figures.get(name)!r}, and the curve gives {expected!r}"


def _of_outcome(outcome: Outcome, figures: Mapping[str, Any], size: int) -> Iterator[str]:
    """Counts of an outcome that do not fit, and metrics that are not those of its confusion matrix."""
    matrix, calibration = np.array(outcome["confusion"]), outcome["calibration"]
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.min() < 0:
        yield f"its confusion matrix of shape {matrix.shape} is not one of counts [K, K]"
        return
    hits = int(np.trace(matrix))
    if int(matrix.sum()) != size:
        yield f"its confusion matrix sums to {matrix.sum()}, and the test set has {size} images"
        return
    count, right = np.array(calibration["count"]), np.array(calibration["right"])
    confidence = np.array(calibration["confidence"])
    if count.sum() != size or right.sum() != hits or (right > count).any() or (right < 0).any():
        yield "the counts of its calibration do not fit its confusion matrix"
    try:
        packed = np.frombuffer(base64.b64decode(outcome["right"], validate=True), dtype=np.uint8)
    except (ValueError, binascii.Error):
        packed = np.zeros(0, dtype=np.uint8)
    bits = np.unpackbits(packed)
    if len(packed) != -(-size // 8) or int(bits[:size].sum()) != hits or bits[size:].any():
        yield f"its bits of right predictions are not {hits} of {size}"
    expected = {
        "f1": _macro_f1(matrix),
        "mcc": metrics.matthews(matrix),
        **metrics.ordinal(matrix),
    }
    for name, value in expected.items():
        if name in figures and not _close(figures[name], value, EXACT):
            yield f"{name} is {figures[name]!r}, and the confusion matrix gives {value!r}"
    ece = float(np.abs(right - confidence).sum() / size)
    if abs(figures["ece"] - ece) > metrics.ECE_BINS * _BIN_ROUNDING / size:
        yield f"ece is {figures['ece']!r}, and the calibration gives {ece!r}"


def _macro_f1(matrix: metrics.Ints) -> float:
    doubled, marginal = 2 * np.diagonal(matrix), matrix.sum(0) + matrix.sum(1)
    seen = marginal > 0
    return float((doubled[seen] / marginal[seen]).mean())


def _of_classes(figures: Mapping[str, Any], matrix: metrics.Ints | None, size: int) -> Iterator[str]:
    """Identities of accuracy and recall; without a matrix (schema 1) of the recall that the figures hold."""
    recall = figures.get("recall") if matrix is None else metrics.per_class(matrix)["recall"]
    if recall is None:
        return
    known = [value for value in recall if value is not None]
    if not known or not _close(figures["balanced_accuracy"], sum(known) / len(known), EXACT):
        yield f"balanced_accuracy is {figures['balanced_accuracy']!r}, and the mean recall {sum(known) / len(known)!r}"
    accuracy = figures["accuracy"]
    if matrix is None:
        if not known or not min(known) - EXACT <= accuracy <= max(known) + EXACT:
            yield f"accuracy is {accuracy!r}, which lies outside of the recall of the classes"
        return
    support = matrix.sum(1)
    weighted = sum((value or 0.0) * int(weight) for value, weight in zip(recall, support, strict=True)) / size
    false = int(matrix.sum() - np.trace(matrix))
    micro_f1 = 2 * int(np.trace(matrix)) / (2 * int(np.trace(matrix)) + 2 * false)
    for what, value in (("recall weighted by the support", weighted), ("micro-F1", micro_f1)):
        if "epoch" in figures and not _close(accuracy, value, EXACT):
            yield f"accuracy is {accuracy!r}, and the {what} {value!r}"


def _of_copies(copies: Mapping[str, Any], record: Record) -> Iterator[str]:
    """Figures on corrupted copies of the test set that cannot be those of its images, or of the rule's epoch."""
    size, count = record["tests"]["test"]["size"], len(copies["kind"])
    pairs = set(zip(copies["kind"], copies["severity"], strict=False))
    if len(copies["severity"]) != count or len(pairs) != count:
        yield f"its {count} kinds and {len(copies['severity'])} severities name {len(pairs)} copies"
    for rule, found in copies["figures"].items():
        if found is None:
            continue
        if found["epoch"] != (expected := (record["metrics"][rule] or {}).get("epoch")):
            yield f"{rule}: its epoch is {found['epoch']}, and the rule chooses {expected}"
        for name, column in found["metrics"].items():
            if len(column) != count:
                yield f"{rule}: {name} has {len(column)} figures of {count} copies"
        for share in found["metrics"]["accuracy"]:
            right = (share or 0) * size
            if not -EXACT <= right <= size + EXACT or abs(right - round(right)) > _ROUNDING * right + EXACT:
                yield f"{rule}: accuracy {share!r} is no share of {size} images"


def _close(value: float | None, expected: float | None, tolerance: float) -> bool:
    if value is None or expected is None:
        return value is expected
    return math.isclose(value, expected, rel_tol=tolerance, abs_tol=1e-12)
