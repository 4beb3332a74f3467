"""A detector that compares each label with those of similar images."""

from __future__ import annotations

import numpy as np

from benchmark.labels.detectors.base import Verdict, detector, of_given
from benchmark.labels.detectors.probe import Probe

NEIGHBOURS = 50
BLOCK = 1024
"""Rows of the matrix of similarities that are held at a time."""


@detector(needs="features")
def knn(probe: Probe) -> Verdict:
    """Share of the 50 nearest images with the same label, by the cosine of features (SimiFeat, Zhu et al., ICML 2022).

    Equal shares are ordered by the shares weighted by similarity.
    """
    probabilities = _shares(probe.features, probe.labels, probe.num_classes, min(NEIGHBOURS, len(probe.labels) - 1))
    return Verdict(of_given(probabilities, probe.labels), probabilities)


def _shares(features: np.ndarray, labels: np.ndarray, num_classes: int, k: int) -> np.ndarray:
    """[n, K] shares of the classes among the `k` nearest others of each row of `features` [n, D]."""
    directions = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    result = np.empty((len(labels), num_classes))
    for start in range(0, len(labels), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(labels)))
        similar = directions[rows] @ directions.T
        similar[np.arange(len(rows)), rows] = -np.inf
        nearest = np.argpartition(-similar, k - 1, axis=1)[:, :k]
        weights = 1 + 1e-3 * np.take_along_axis(similar, nearest, 1)
        shares = np.zeros((len(rows), num_classes))
        np.add.at(shares, (np.arange(len(rows))[:, None], labels[nearest]), weights)
        result[rows] = shares / shares.sum(1, keepdims=True)
    return result
