"""How many labels of each class are likely of another class, with 95 % intervals, from the fits of the noise rate.

The same two estimates as of the rate, and an interval around both as there, for each pair of a true and a given class
and for each given class. Over all pairs the estimates add up to those of the rate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmark.noise.rate_estimate import MISATTRIBUTED, NORMAL, STUDENT, Fits


@dataclass(frozen=True)
class Shares:
    """Shares of all labels, arrays of one shape."""

    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray
    """Ends of the 95 % intervals."""


@dataclass(frozen=True)
class ConfusionEstimate:
    """Which labels are likely wrong."""

    pairs: Shares
    """[K, K] labels that are the column's class, of images of the row's class; 0 on the diagonal."""
    given: Shares
    """[K] wrong labels of each class."""


def estimate_confusions(fits: Fits) -> ConfusionEstimate:
    """Of all pairs of classes, and of each class as it was given."""
    mixture, anchors = _joint(fits.mixture.prior, fits.mixture.transition), fits.anchors
    resampled = np.stack([_joint(one.prior, one.transition) for one in fits.resampled])
    sizes = np.maximum(anchors.counts.sum(1, keepdims=True), 1)
    at_anchors = anchors.shares[:, None] * anchors.counts / sizes
    smoothed = (anchors.counts + 1) / (sizes + 2)
    # Nothing is predicted to be of a class without anchor points.
    variance = anchors.shares[:, None] ** 2 * smoothed * (1 - smoothed) / sizes
    for joint in (at_anchors, variance):
        np.fill_diagonal(joint, 0)
    own = _own_errors(fits.mixture.posterior)
    return ConfusionEstimate(
        _between(mixture, resampled, at_anchors, variance, own),
        _between(mixture.sum(0), resampled.sum(1), at_anchors.sum(0), variance.sum(0), own.sum(0)),
    )


def _joint(prior: np.ndarray, transition: np.ndarray) -> np.ndarray:
    """[K, K] shares of true (row) and given class, without the labels that are right."""
    joint = prior[:, None] * transition
    np.fill_diagonal(joint, 0)
    return joint


def _own_errors(posterior: np.ndarray) -> np.ndarray:
    """[K, K] shares of the samples of one class that the network takes for the other, by its own account.

    Those of both classes of a pair count, as errors of the network in either direction may pass for noise. The rate
    counts each of them once: over all pairs some cancel. (With half of them, as an equal share of the rate's, the
    intervals of 139 pairs of 17 cells held the truth in .88; with all of them in .94, and those of classes in .96. The
    cells are those of `scripts/rate_cells.py`, so this is no independent test.)
    """
    n, num_classes = posterior.shape
    taken = np.zeros((num_classes, num_classes))
    np.add.at(taken, posterior.argmax(1), posterior / n)
    np.fill_diagonal(taken, 0)
    return taken + taken.T


def _between(
    mixture: np.ndarray, resampled: np.ndarray, anchors: np.ndarray, variance: np.ndarray, own: np.ndarray
) -> Shares:
    """As `Evidence.interval`: from the lower to the higher estimate, widened by sampling and own errors."""
    model = MISATTRIBUTED * own
    ends = (
        (mixture, np.hypot(STUDENT * resampled.std(0, ddof=1), model)),
        (anchors, np.hypot(NORMAL * np.sqrt(variance), model)),
    )
    low = np.min([value - error for value, error in ends], axis=0)
    high = np.max([value + error for value, error in ends], axis=0)
    return Shares((mixture + anchors) / 2, np.maximum(low, 0.0), np.minimum(high, 1.0))
