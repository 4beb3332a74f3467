"""Scores of predictions, sample selection and estimated T; memorization. Arrays in, plain numbers out; no torch."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypedDict

Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.integer[Any]]
Bools = NDArray[np.bool_]

SCALARS = (
    "accuracy", "balanced_accuracy", "auroc", "f1", "ece", "nll", "auprc", "mcc", "brier", "kappa", "mae",
)  # fmt: skip
"""Metrics with one value per run; `precision` and `recall` are lists per class."""
LOWER_IS_BETTER = frozenset({"ece", "nll", "brier", "mae"})
ECE_BINS = 15
IMBALANCE = 2.0
"""Balanced accuracy is the main metric of data whose largest class has more than this many times the images of the
smallest. Beyond it, guessing the larger of two classes is right for over two thirds of the images, and a method that
gives up the small classes gains in accuracy."""


class Calibration(TypedDict):
    """Confidence and hits of one set's predictions, in `ECE_BINS` equal bins (a, b] of the largest probability."""

    count: list[int]
    """[15] samples."""
    confidence: list[float]
    """[15] sum of their largest probabilities, to two decimals."""
    right: list[int]
    """[15] samples whose prediction is the label."""


class Outcome(TypedDict):
    """Predictions of one model on one test set, compact, but enough for later statistics of right and wrong ones."""

    confusion: list[list[int]]
    """[K, K] samples by label (row) and prediction (column)."""
    calibration: Calibration
    right: str
    """One bit per sample in the order of the set, 1 where the prediction is the label: packed, highest bit
    first, in base64."""


def main_metric(counts: Ints) -> str:
    """The metric that chooses epochs and is reported first, by the numbers of training images per class, [K]."""
    return "balanced_accuracy" if counts.max() > IMBALANCE * max(1, counts.min()) else "accuracy"


def score(probabilities: Floats, labels: Ints, num_classes: int) -> dict[str, Any]:
    """All metrics of `probabilities` [n, K] against `labels` [n] in 0..K-1, as JSON-able values.

    `auprc`: average precision, one class against the rest (binary: of class 1). `mcc`: Matthews' correlation.
    `brier`: squared error summed over the classes, in [0, 2]. `kappa`: Cohen's with quadratic weights, and
    `mae`: mean distance of the class numbers, both for ordinal classes.

    What is undefined is None: the recall of a class that is absent from `labels`, its precision when nobody
    predicted it either, an AUROC without a positive or without a negative, and kappa where labels and
    predictions are all of one class. Means over classes leave the absent ones out, except F1, which counts a
    class that was only predicted as 0 (scikit-learn's default). MCC is 0 where it is undefined, as there too.
    Raises ValueError on wrong shapes, labels out of range and non-finite probabilities.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    y = np.asarray(labels)
    _check(p, y, num_classes)
    predicted = p.argmax(1)
    correct = predicted == y
    matrix = confusion(y, predicted, num_classes)
    hits, support, chosen = np.diagonal(matrix), matrix.sum(1), matrix.sum(0)
    present, seen = support > 0, support + chosen > 0
    recall, f1 = _divided(hits, support), _divided(2 * hits, support + chosen)
    label_probability = p[np.arange(len(y)), y]
    areas, average_precisions = one_vs_rest(p, y)
    return {
        "accuracy": float(correct.mean()),
        "balanced_accuracy": float(recall[present].mean()),
        "auroc": areas,
        "f1": float(f1[seen].mean()),
        **per_class(matrix),
        "ece": expected_calibration_error(p.max(1), correct),
        "nll": float(-np.log(label_probability.clip(np.finfo(np.float64).eps)).mean()),
        "auprc": average_precisions,
        "mcc": matthews(matrix),
        "brier": float((np.einsum("nk,nk->n", p, p) - 2 * label_probability + 1).mean()),
        **ordinal(matrix),
    }


def outcome(probabilities: Floats, labels: Ints, num_classes: int) -> Outcome:
    """The hits and misses of `probabilities` [n, K] against `labels` [n]."""
    predicted = probabilities.argmax(1)
    correct = predicted == labels
    confidence = probabilities.max(1)
    which = _bins(confidence, ECE_BINS)
    sums = np.bincount(which, weights=confidence, minlength=ECE_BINS)
    return {
        "confusion": confusion(labels, predicted, num_classes).tolist(),
        "calibration": {
            "count": np.bincount(which, minlength=ECE_BINS).tolist(),
            "confidence": [round(float(value), 2) for value in sums],
            "right": np.bincount(which[correct], minlength=ECE_BINS).tolist(),
        },
        "right": base64.b64encode(np.packbits(correct).tobytes()).decode(),
    }


def confusion(labels: Ints, predicted: Ints, num_classes: int) -> Ints:
    """[K, K] samples by label (row) and prediction (column)."""
    cells = np.bincount(labels * num_classes + predicted, minlength=num_classes**2)
    return cells.reshape(num_classes, num_classes)


def per_class(matrix: Ints) -> dict[str, list[float | None]]:
    """Precision and recall [K] of a confusion `matrix` [K, K], None where `score` says."""
    hits, support, chosen = np.diagonal(matrix), matrix.sum(1), matrix.sum(0)
    return {
        "precision": _nullable(_divided(hits, chosen), support + chosen > 0),
        "recall": _nullable(_divided(hits, support), support > 0),
    }


def matthews(matrix: Ints) -> float:
    """Matthews' correlation of a confusion `matrix` [K, K]; 0 where labels or predictions are of one class."""
    counts = matrix.astype(np.float64)
    labels, chosen, total = counts.sum(1), counts.sum(0), counts.sum()
    spread = (total**2 - labels @ labels) * (total**2 - chosen @ chosen)
    return float((np.trace(counts) * total - labels @ chosen) / np.sqrt(spread)) if spread > 0 else 0.0


def ordinal(matrix: Ints) -> dict[str, float | None]:
    """Of a confusion `matrix` [K, K] with classes in their order: kappa with quadratic weights, and the MAE."""
    classes = np.arange(len(matrix))
    distance = np.abs(classes[:, None] - classes)
    total = int(matrix.sum())
    weights = (distance**2).astype(np.float64)
    by_chance = float((weights * np.outer(matrix.sum(1), matrix.sum(0))).sum()) / total
    kappa = 1 - float((weights * matrix).sum()) / by_chance if by_chance > 0 else None
    return {"kappa": kappa, "mae": float((distance * matrix).sum() / total)}


def _check(p: Floats, y: Ints, num_classes: int) -> None:
    if p.ndim != 2 or p.shape[1] != num_classes or y.shape != p.shape[:1] or len(y) == 0:
        raise ValueError(
            f"probabilities {p.shape} and labels {y.shape} do not fit; expected [n, {num_classes}] and [n], n > 0"
        )
    if y.min() < 0 or y.max() >= num_classes:
        raise ValueError(f"labels span {y.min()}..{y.max()}; expected 0..{num_classes - 1}")
    if not np.isfinite(p).all():
        raise ValueError("probabilities hold NaN or infinity: the run has diverged")


def _divided(above: Ints, below: Ints) -> Floats:
    """Elementwise, 0 where `below` is."""
    return np.divide(above, below, out=np.zeros(len(above)), where=below > 0)


def _nullable(values: Floats, defined: Bools) -> list[float | None]:
    return [float(v) if d else None for v, d in zip(values, defined, strict=True)]


def auroc(score: Floats, positive: Bools) -> float | None:
    """Area under the ROC curve of `score` [n] for `positive` [n], ties counted half; None if undefined.

    scikit-learn's value up to rounding, at a tenth of its time: it is taken for every class at every epoch.
    """
    return _areas(score, positive)[0]


def _areas(score: Floats, positive: Bools) -> tuple[float | None, float | None]:
    """AUROC, and average precision (None without a positive), from one sorting."""
    order = np.argsort(score)
    ordered = np.asarray(score)[order]
    group_ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)) if len(order) else order
    positives = np.cumsum(np.asarray(positive, dtype=bool)[order])[group_ends].astype(np.float64)
    if not len(order) or positives[-1] == 0:
        return None, None
    gained = np.diff(positives, prepend=0.0)
    # A threshold at a group selects this group and all above it.
    selected_positives = positives[-1] - positives + gained
    selected = len(order) - np.append(0.0, group_ends[:-1] + 1)
    average_precision = float(gained @ (selected_positives / selected) / positives[-1])
    negatives = group_ends + 1 - positives
    if negatives[-1] == 0:
        return None, average_precision
    below = np.append(0.0, negatives[:-1])
    wins = gained @ (below + negatives) / 2
    return float(wins / (positives[-1] * negatives[-1])), average_precision


def one_vs_rest(p: Floats, y: Ints) -> tuple[float | None, float | None]:
    """AUROC and average precision of `p` [n, K], means over the classes that `y` [n] holds; binary: of class 1."""
    classes = [1] if p.shape[1] == 2 else range(p.shape[1])
    pairs = [_areas(p[:, k], y == k) for k in classes]
    means = []
    for values in zip(*pairs, strict=True):
        known = [value for value in values if value is not None]
        means.append(float(np.mean(known)) if known else None)
    return means[0], means[1]


def expected_calibration_error(confidence: Floats, correct: Bools, bins: int = ECE_BINS) -> float:
    """Guo et al. (ICML 2017): weighted mean of |accuracy - confidence| over equal bins (a, b] of [0, 1]."""
    gaps = np.bincount(_bins(confidence, bins), weights=correct - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence))


def _bins(confidence: Floats, bins: int) -> Ints:
    edges = np.linspace(0.0, 1.0, bins + 1)
    return (np.searchsorted(edges, confidence, side="left") - 1).clip(0, bins - 1)


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
    of `label` that is the true class. `clean` is -1 for an image of no class of the task: its label is wrong, and
    where there are such images, the kept set and the score are also scored as detectors of them.
    """
    right, own = clean == noisy, clean >= 0
    groups = [np.ones(len(right), dtype=bool), *(noisy == k for k in range(num_classes))]
    scores: dict[str, list[float | None]] = {}
    if kept is not None:
        known, chosen = kept != -1, kept == 1
        scores["precision"] = [_share(right, chosen & group) for group in groups]
        scores["recall"] = [_share(chosen, right & known & group) for group in groups]
    if score is not None:
        known = ~np.isnan(score)
        scores["auroc"] = [auroc(score[known & group], right[known & group]) for group in groups]
    result: dict[str, Any] = {}
    for name in ("precision", "recall", "auroc"):
        values = scores.get(name)
        result[name] = values[0] if values else None
        result[f"{name}_per_class"] = values[1:] if values else None
    result["corrected_accuracy"] = None if label is None else _share(label == clean, (label != -1) & own)
    if not own.all():
        result["open_set_kept"] = None if kept is None else _share(~own, kept == 1)
        result["open_set_dropped"] = None if kept is None else _share(kept != 1, ~own & (kept != -1))
        known = own if score is None else ~np.isnan(score)
        result["open_set_auroc"] = None if score is None else auroc(score[known], own[known])
    return result


def _share(of: Bools, among: Bools) -> float | None:
    return float(of[among].mean()) if among.any() else None


def transition_error(estimate: Floats, truth: Floats) -> dict[str, float]:
    """L1 distance of two transition matrices [K, K]: mean over the rows, and in total."""
    if estimate.shape != truth.shape or truth.ndim != 2:
        raise ValueError(f"T of shapes {estimate.shape} and {truth.shape} do not fit; expected both [K, K]")
    rows = np.abs(np.asarray(estimate, dtype=np.float64) - truth).sum(1)
    return {"l1_row_mean": float(rows.mean()), "l1_total": float(rows.sum())}
