"""What a clinic asks of predictions: figures at an operating point, the cost of errors, what to refer, calibration.

Arrays of kept predictions in (docs/records.md), plain numbers and DataFrames out. Probabilities are [n, K], labels [n]
from 0, groups [n] what images belong together, such as a patient's, or None.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from benchmark.metrics import expected_calibration_error
from benchmark.tables.bootstrap import Groups, sampling_error
from benchmark.tables.statistics import LEVEL

Floats = NDArray[np.float64]
Ints = NDArray[np.integer[Any]]
Bools = NDArray[np.bool_]
Kept = Mapping[str, NDArray[Any]]

RATES = ("sensitivity", "specificity", "ppv", "npv")
CERTAINTY = (0.0, 0.5, 0.7, 0.9, 0.99, 1.0)
"""Borders of the bands of `certainty`: a reader asks whether 90 % means 90 %, and few images lie below one half."""


@dataclass(frozen=True)
class Target:
    """What an operating point reaches on the validation set: at least `value` of `rate`."""

    rate: Literal["sensitivity", "specificity"]
    value: float


def operating_points(
    kept: Kept, rule: str, test: str, target: Target, groups: Groups | None, by: str = "labels"
) -> pd.DataFrame:
    """One row per class (of two classes: of the second alone), that class against the others.

    Columns: class, threshold, chosen (the target's rate on the validation set), positives, negatives (of `test`) and
    for each of `RATES` on `test` its value, low and high (`proportion`). An image is positive whose probability of the
    class is at least the threshold, which is chosen `by` the validation "labels" as the run was given them, or the
    "true" ones. NaN where the validation set has no positive or no negative, or nothing is left to divide by.
    """
    classes = [str(name) for name in kept["classes"]]
    rows = []
    for k in [1] if len(classes) == 2 else range(len(classes)):
        known = kept[f"val/{by}"] >= 0  # an image of no class has no true label
        val, given = kept[f"val/{rule}"][known, k], kept[f"val/{by}"][known] == k
        threshold = operating_threshold(val, given, target)
        positive = kept[f"{test}/labels"] == k
        row: dict[str, Any] = {"class": classes[k], "threshold": threshold, "chosen": np.nan}
        row |= {"positives": int(positive.sum()), "negatives": int((~positive).sum())}
        found = dict.fromkeys(RATES, (np.nan, np.nan, np.nan))
        if not math.isnan(threshold):
            row["chosen"] = _rates(val >= threshold, given, None)[target.rate][0]
            found = _rates(kept[f"{test}/{rule}"][:, k] >= threshold, positive, groups)
        for name, ends in found.items():
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))
        rows.append(row)
    return pd.DataFrame(rows)


def operating_threshold(score: Floats, positive: Bools, target: Target) -> float:
    """The threshold for `score` [n] at which the target is reached, with as much as possible of the other rate.

    NaN without a positive or without a negative.
    """
    if positive.all() or not positive.any():
        return float("nan")
    asked = np.sort(score[positive if target.rate == "sensitivity" else ~positive])
    needed = math.ceil(target.value * len(asked) - 1e-9)
    if target.rate == "sensitivity":
        return float(asked[len(asked) - needed]) if needed else math.inf
    return float(np.nextafter(asked[needed - 1], np.inf, dtype=score.dtype)) if needed else -math.inf


def _rates(chosen: Bools, positive: Bools, groups: Groups | None) -> dict[str, tuple[float, float, float]]:
    """Value, low and high of each of `RATES`: shares of the positive, the negative, the chosen and the others."""
    among = dict(zip(RATES, (positive, ~positive, chosen, ~chosen), strict=True))
    right = chosen == positive
    return {
        name: proportion(right[images], None if groups is None else groups[images]) for name, images in among.items()
    }


def proportion(hits: Bools, groups: Groups | None) -> tuple[float, float, float]:
    """Share of `hits` [n] and the ends of its 95 % interval over test sets. NaN of none; the ends NaN of one group.

    Wilson's interval (JASA 1927), which holds near 0 and 1 too, for as many independent images as vary like these
    groups do (effective sample size; Korn & Graubard, Survey Methodology 1998). Where all are hits or none is, there
    is nothing to see of how alike a group's images are: each group counts once.
    """
    if not len(hits):
        return float("nan"), float("nan"), float("nan")
    share, error, count = sampling_error(hits.astype(np.float64), groups)
    if count < 2:
        return share, float("nan"), float("nan")
    n = float(count)
    if 0 < share < 1:
        n = min(share * (1 - share) / error**2, len(hits)) if groups is not None else len(hits)
    z = float(stats.t.ppf((1 + LEVEL) / 2, count - 1)) if groups is not None else float(stats.norm.ppf((1 + LEVEL) / 2))
    middle, half = share + z**2 / (2 * n), z * math.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2)
    return share, max(0.0, (middle - half) / (1 + z**2 / n)), min(1.0, (middle + half) / (1 + z**2 / n))


def recognised(kept: Kept, rule: str, test: str, groups: Groups | None) -> pd.DataFrame:
    """One row per class, where an image is taken for its likeliest class. Columns: class, images (of that class in
    `test`), sensitivity (share of these that is taken for it), ppv (share of those taken for it that is of it), and of
    both the ends _low and _high (`proportion`)."""
    labels, decided = kept[f"{test}/labels"], kept[f"{test}/{rule}"].argmax(1)
    rows = []
    for k, name in enumerate(kept["classes"]):
        found = _rates(decided == k, labels == k, groups)
        row: dict[str, Any] = {"class": str(name), "images": int((labels == k).sum())}
        for rate in ("sensitivity", "ppv"):
            row |= dict(zip((rate, f"{rate}_low", f"{rate}_high"), found[rate], strict=True))
        rows.append(row)
    return pd.DataFrame(rows)


def certainty(probabilities: Floats, labels: Ints, groups: Groups | None) -> pd.DataFrame:
    """One row per band of the likeliest class's probability, between the borders `CERTAINTY`: from, to, images,
    certain (their mean probability), right (share whose label it is), low and high (`proportion`); NaN of no image."""
    likeliest, right = probabilities.max(1), probabilities.argmax(1) == labels
    band = np.clip(np.searchsorted(CERTAINTY, likeliest, side="right") - 1, 0, len(CERTAINTY) - 2)
    rows = []
    for k, (begin, end) in enumerate(pairwise(CERTAINTY)):
        inside = band == k
        share, low, high = proportion(right[inside], None if groups is None else groups[inside])
        certain = float(likeliest[inside].mean()) if inside.any() else float("nan")
        ends = {"from": begin, "to": end, "images": int(inside.sum()), "certain": certain}
        rows.append({**ends, "right": share, "low": low, "high": high})
    return pd.DataFrame(rows)


def aurc(probabilities: Floats, labels: Ints) -> float:
    """Area under the risk-coverage curve (Geifman & El-Yaniv, ICLR 2018), in [0, 1]; lower is better.

    The mean, over all shares of images that the network answers itself, of its error on them, when those with the
    smallest largest probability are referred to a human. Images of equal probability are referred in no order: their
    errors count in equal parts.
    """
    confidence, wrong = probabilities.max(1), (probabilities.argmax(1) != labels).astype(np.float64)
    order = np.argsort(-confidence, kind="stable")
    _, tied = np.unique(-confidence[order], return_inverse=True)
    shared = np.bincount(tied, weights=wrong[order]) / np.bincount(tied)
    return float((np.cumsum(shared[tied]) / np.arange(1, len(wrong) + 1)).mean())


def risk(probabilities: Floats, labels: Ints, cost: Floats) -> tuple[float, float]:
    """Mean cost of an image by `cost` [true class, decision]: of deciding for the likeliest class, and of deciding for
    what is expected to cost least by the probabilities."""
    likeliest, cheapest = probabilities.argmax(1), (probabilities @ cost).argmin(1)
    return float(cost[labels, likeliest].mean()), float(cost[labels, cheapest].mean())


def calibration_by_frequency(probabilities: Floats, labels: Ints) -> tuple[float, float]:
    """Expected calibration error of images that are taken for one of the rarer half of the classes, and of the others.

    Classes by their number of `labels`; of an odd number of classes the middle one counts as common. NaN where none is
    taken for such a class.
    """
    classes = probabilities.shape[1]
    rarer = np.argsort(np.bincount(labels, minlength=classes), kind="stable")[: classes // 2]
    predicted = probabilities.argmax(1)
    rare = np.isin(predicted, rarer)

    def error(images: Bools) -> float:
        right = predicted[images] == labels[images]
        return expected_calibration_error(probabilities[images].max(1), right) if images.any() else float("nan")

    return error(rare), error(~rare)
