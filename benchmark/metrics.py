"""Scores of predictions, and what became of the wrong labels. Arrays in, plain numbers out; no torch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]
Bools = NDArray[np.bool_]

SCALARS = ("accuracy", "balanced_accuracy", "auroc", "f1", "ece", "nll")
"""Metrics with one value per run; `precision` and `recall` are lists per class."""
LOWER_IS_BETTER = frozenset({"ece", "nll"})
ECE_BINS = 15


def score(probabilities: Floats, labels: Ints, num_classes: int) -> dict[str, Any]:
    """All metrics of `probabilities` [n, K] against `labels` [n] in 0..K-1, as JSON-able values.

    What is undefined is None: the recall of a class that is absent from `labels`, its precision when nobody
    predicted it either, and an AUROC without a positive or without a negative. Means over classes leave the
    absent ones out, except F1, which counts a class that was only predicted as 0 (scikit-learn's default).
    Raises ValueError on wrong shapes, labels out of range and non-finite probabilities.
    """
    from sklearn.metrics import precision_recall_fscore_support

    p = np.asarray(probabilities, dtype=np.float64)
    y = np.asarray(labels)
    _check(p, y, num_classes)
    predicted = p.argmax(1)
    correct = predicted == y
    precision, recall, f1, support = precision_recall_fscore_support(
        y, predicted, labels=np.arange(num_classes), zero_division=0.0
    )
    present = support > 0
    met = present | (np.bincount(predicted, minlength=num_classes) > 0)
    likelihood = p[np.arange(len(y)), y].clip(np.finfo(np.float64).eps)
    return {
        "accuracy": float(correct.mean()),
        "balanced_accuracy": float(recall[present].mean()),
        "auroc": macro_auroc(p, y),
        "f1": float(f1[met].mean()),
        "precision": _nullable(precision, met),
        "recall": _nullable(recall, present),
        "ece": expected_calibration_error(p.max(1), correct),
        "nll": float(-np.log(likelihood).mean()),
    }


def _check(p: Floats, y: Ints, num_classes: int) -> None:
    if p.ndim != 2 or p.shape[1] != num_classes or y.shape != p.shape[:1] or len(y) == 0:
        raise ValueError(
            f"probabilities {p.shape} and labels {y.shape} do not fit; expected [n, {num_classes}] and [n], n > 0"
        )
    if y.min() < 0 or y.max() >= num_classes:
        raise ValueError(f"labels span {y.min()}..{y.max()}; expected 0..{num_classes - 1}")
    if not np.isfinite(p).all():
        raise ValueError("probabilities hold NaN or infinity: the run has diverged")


def _nullable(values: Floats, defined: Bools) -> list[float | None]:
    return [float(v) if d else None for v, d in zip(values, defined, strict=True)]


def auroc(score: Floats, positive: Bools) -> float | None:
    """Area under the ROC curve of `score` [n] for `positive` [n], ties counted half; None if undefined.

    scikit-learn's value up to rounding, at a tenth of its time: it is taken for every class at every epoch.
    """
    order = np.argsort(score)
    ordered = np.asarray(score)[order]
    group_ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)) if len(order) else order
    positives = np.cumsum(np.asarray(positive, dtype=bool)[order])[group_ends].astype(np.float64)
    negatives = group_ends + 1 - positives
    if not len(order) or positives[-1] == 0 or negatives[-1] == 0:
        return None
    below = np.append(0.0, negatives[:-1])
    wins = np.diff(positives, prepend=0.0) @ (below + negatives) / 2
    return float(wins / (positives[-1] * negatives[-1]))


def macro_auroc(p: Floats, y: Ints) -> float | None:
    """One-vs-rest AUROC of `p` [n, K], mean over the classes that `y` [n] holds; binary: of class 1."""
    classes = [1] if p.shape[1] == 2 else range(p.shape[1])
    values = [value for k in classes if (value := auroc(p[:, k], y == k)) is not None]
    return float(np.mean(values)) if values else None


def expected_calibration_error(confidence: Floats, correct: Bools, bins: int = ECE_BINS) -> float:
    """Guo et al. (ICML 2017): weighted mean of |accuracy - confidence| over equal bins (a, b] of [0, 1]."""
    edges = np.linspace(0.0, 1.0, bins + 1)
    which = (np.searchsorted(edges, confidence, side="left") - 1).clip(0, bins - 1)
    gaps = np.bincount(which, weights=correct - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence))


def memorization(predictions: Ints, clean: Ints, noisy: Ints) -> dict[str, float] | None:
    """How the mislabelled samples of [n] are predicted: shares with the true, the wrong given, another label.

    None where no label is wrong.
    """
    wrong = clean != noisy
    if not wrong.any():
        return None
    true = float((predictions[wrong] == clean[wrong]).mean())
    memorized = float((predictions[wrong] == noisy[wrong]).mean())
    other = float(((predictions != clean) & (predictions != noisy))[wrong].mean())
    return {"true": true, "memorized": memorized, "other": other}


def selection_scores(
    kept: Ints | Bools | None,
    score: Floats | None,
    label: Ints | None,
    clean: Ints,
    noisy: Ints,
    num_classes: int,
) -> dict[str, Any]:
    """The kept set as a detector of clean labels, and the labels that a method would give instead.

    All arrays are [n]; a sample without report has `kept` -1, `score` NaN, `label` -1, and is not counted.
    An array that is None was not reported at all, and its scores are None. `score`: higher is cleaner.
    Per class means per given (noisy) label, which is what a method selects by. Precision: share of the kept
    whose label is right; recall: share of the rightly labelled that were kept; `corrected_accuracy`: share
    of `label` that is the true class.
    """
    right = clean == noisy
    groups = [np.ones(len(right), dtype=bool), *(noisy == k for k in range(num_classes))]
    found: dict[str, list[float | None]] = {}
    if kept is not None:
        known, chosen = kept != -1, kept == 1
        found["precision"] = [_share(right, chosen & group) for group in groups]
        found["recall"] = [_share(chosen, right & known & group) for group in groups]
    if score is not None:
        known = ~np.isnan(score)
        found["auroc"] = [auroc(score[known & group], right[known & group]) for group in groups]
    result: dict[str, Any] = {}
    for name in ("precision", "recall", "auroc"):
        values = found.get(name)
        result[name] = values[0] if values else None
        result[f"{name}_per_class"] = values[1:] if values else None
    result["corrected_accuracy"] = None if label is None else _share(label == clean, label != -1)
    return result


def _share(of: Bools, among: Bools) -> float | None:
    return float(of[among].mean()) if among.any() else None


def transition_error(estimate: Floats, truth: Floats) -> dict[str, float]:
    """L1 distance of two transition matrices [K, K]: mean over the rows, and in total."""
    if estimate.shape != truth.shape or truth.ndim != 2:
        raise ValueError(f"T of shapes {estimate.shape} and {truth.shape} do not fit; expected both [K, K]")
    rows = np.abs(np.asarray(estimate, dtype=np.float64) - truth).sum(1)
    return {"l1_row_mean": float(rows.mean()), "l1_total": float(rows.sum())}
