"""What a method made of its training labels, as a verdict like that of a detector."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchmark.labels.detectors.base import Verdict, of_given


def verdict_of(told: Mapping[str, np.ndarray], labels: np.ndarray) -> Verdict:
    """From the arrays that a run kept of its n training samples (see `examined.of_run`).

    First come the labels that the method dropped or changed, then all others; within both by the method's own score
    where it gave one, else by the probability of the given label. A label that the method gave is the suggestion.
    """
    probabilities = told["last"].astype(np.float64)
    n = len(labels)
    order = np.argsort(of_given(probabilities, labels), kind="stable")
    score = np.empty(n)
    score[order] = np.arange(n) / n
    if "score" in told:
        by_method = told["score"].astype(np.float64)
        by_method = np.where(np.isfinite(by_method), by_method, np.nanmin(by_method, initial=0.0) - 1)
        order = np.lexsort((score, by_method))
        score[order] = np.arange(n) / n
    kept = told.get("kept", np.full(n, -1))
    label = told.get("label", np.full(n, -1))
    doubted = (kept == 0) | ((label >= 0) & (label != labels))
    changed = np.flatnonzero(label >= 0)
    probabilities[changed] = np.eye(probabilities.shape[1])[label[changed]]
    return Verdict(np.where(doubted, score - 1, score), probabilities)
