"""How wrong labels are: their rate, the wrong ones of each class, which classes are confused; all with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmark.noise.confusion_estimate import ConfusionEstimate, estimate_confusions
from benchmark.noise.rate_estimate import WIDEST, Fits, HeldOut, RateEstimate, fit, rate_of


@dataclass(frozen=True)
class LabelErrors:
    """What can be told of n labels."""

    labels: int
    rate: RateEstimate
    given: pd.DataFrame | None
    """One row per class as it was given, in their order: given, labels (numbers of them), wrong, low, high (numbers of
    wrong ones), doubt (why nothing can be told of the class, or empty). None where the rate cannot be told."""
    confusions: pd.DataFrame | None
    """One row per pair of classes, the commonest first: given, likely (the true class), labels, low, high (numbers of
    labels). Rows with `low` above 0 stand out. None where the rate cannot be told."""


def label_errors(labels: np.ndarray, held_out: HeldOut, classes: Sequence[str]) -> LabelErrors:
    """Of `labels` [n] with the names `classes` [K], from predictions of networks that did not see them."""
    return errors_of(fit(labels, held_out), labels, classes)


def errors_of(fits: Fits | str, labels: np.ndarray, classes: Sequence[str]) -> LabelErrors:
    """From the fits to `labels` [n].

    Nothing is told where the estimator of the rate refuses (see `estimate_rate`), and nothing of a class whose share of
    wrong labels has an interval wider than WIDEST.
    """
    rate = rate_of(fits)
    if isinstance(fits, str) or rate.doubt:
        return LabelErrors(len(labels), rate, None, None)
    found = estimate_confusions(fits)
    return LabelErrors(len(labels), rate, _of_classes(labels, found, classes), _of_pairs(labels, found, classes))


def _of_classes(labels: np.ndarray, found: ConfusionEstimate, classes: Sequence[str]) -> pd.DataFrame:
    counts = np.bincount(labels, minlength=len(classes))
    n, shares = len(labels), found.given
    wrong, low, high = (np.minimum(n * share, counts) for share in (shares.estimate, shares.low, shares.high))
    table = pd.DataFrame({"given": list(classes), "labels": counts, "wrong": wrong, "low": low, "high": high})
    return table.assign(doubt=[_doubt(*row) for row in zip(counts, low, high, strict=True)])


def _doubt(count: int, low: float, high: float) -> str:
    if not count:
        return "no label is of this class"
    if high - low <= WIDEST * count:
        return ""
    return f"the interval from {low / count:.0%} to {high / count:.0%} is wider than {WIDEST:.0%}"


def _of_pairs(labels: np.ndarray, found: ConfusionEstimate, classes: Sequence[str]) -> pd.DataFrame:
    n, shares, counts = len(labels), found.pairs, np.bincount(labels, minlength=len(classes))
    rows = [
        (
            classes[int(given)],
            classes[true],
            *(min(n * share[true, given], counts[given]) for share in (shares.estimate, shares.low, shares.high)),
        )
        for given in np.flatnonzero(counts)
        for true in range(len(classes))
        if true != given
    ]
    table = pd.DataFrame(rows, columns=["given", "likely", "labels", "low", "high"])
    return table.sort_values("labels", ascending=False, kind="stable", ignore_index=True)


@dataclass(frozen=True)
class Truth:
    """How far the estimate is right, where the true labels are known."""

    rate: float
    """Share of wrong labels."""
    covered: bool | None
    """Whether the interval holds it; None where there is none."""
    confusions: pd.DataFrame
    """The pairs of classes that were confused, the commonest first: given, true, labels."""
    among_first: int | None
    """How many of the first `first` true confusions are among as many that are estimated; None where nothing is."""
    first: int
    given_covered: int
    """Classes of which the interval holds the true number of wrong labels, of those that something is told of."""
    given_told: int

    @property
    def sentences(self) -> list[str]:
        """What was compared, in words."""
        place = {None: "nothing was told", True: "inside the interval", False: "outside of the interval"}[self.covered]
        said = [f"{self.rate:.1%} of the labels are wrong: {place}."]
        if self.among_first is not None:
            said.append(
                f"Of the {self.first} commonest confusions {self.among_first} are among the first {self.first}; of "
                f"{self.given_told} classes {self.given_covered} have their number of wrong labels in the interval."
            )
        return said


FIRST = 5
"""Confusions that are compared."""


def compare(errors: LabelErrors, labels: np.ndarray, clean: np.ndarray, classes: Sequence[str]) -> Truth:
    """The estimate beside what is true of the `labels` [n]; images of no class (`clean` below 0) count as wrong."""
    wrong = labels != clean
    pairs = pd.DataFrame({"given": labels[wrong], "true": clean[wrong]})
    counted = pairs[pairs["true"] >= 0].value_counts().rename("labels").reset_index()
    named = counted.assign(given=[classes[k] for k in counted["given"]], true=[classes[k] for k in counted["true"]])
    rate, interval = float(wrong.mean()), errors.rate.interval
    first = min(FIRST, len(named))
    if errors.confusions is None or errors.given is None or interval is None:
        return Truth(rate, None, named, None, first, 0, 0)
    told = set(zip(errors.confusions["given"][:first], errors.confusions["likely"][:first], strict=True))
    true = set(zip(named["given"][:first], named["true"][:first], strict=True))
    numbers = np.bincount(labels[wrong], minlength=len(classes))
    of_classes = errors.given.assign(true=numbers)[errors.given["doubt"] == ""]
    holds = (of_classes["low"] <= of_classes["true"]) & (of_classes["true"] <= of_classes["high"])
    covered = interval[0] <= rate <= interval[1]
    return Truth(rate, covered, named, len(told & true), first, int(holds.sum()), len(of_classes))
