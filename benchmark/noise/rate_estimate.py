"""Estimates of the noise rate and of the joint of labels from out-of-fold predictions, without clean labels."""

from __future__ import annotations

import math

import numpy as np

FOLDS = 4
ANCHOR_SHARE = 0.25
"""Share of the samples predicted to be of a class, most confident first, that are its anchor points."""
ANCHORS = 60
"""Least number of anchor points per class: a rate of .4 has a standard error of .06 then, .02 over ten classes."""


def noise_rate_of(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """The share of wrong labels among `labels` [n], given `probabilities` [n, K] of networks that did not see them.

    The most confident predictions of a class are taken for its true members (anchor points: Patrini et al., CVPR
    2017; Xia et al., T-revision, NeurIPS 2019), and the share of their labels that differ for its noise rate; the
    classes are weighted by how often they are predicted. Confidences are ranked but not summed: noise
    flattens them, and a sum (such as one minus the trace of a confident joint) counts the network's own errors
    as noise. Limitation: noise that the most confident samples of a class do not have is not seen.
    """
    predicted = probabilities.argmax(1)
    wrong = 0.0
    for label in np.unique(predicted):
        members = np.flatnonzero(predicted == label)
        count = max(math.ceil(ANCHOR_SHARE * len(members)), ANCHORS)
        anchors = members[np.argsort(-probabilities[members, label], kind="stable")[:count]]
        wrong += len(members) * np.mean(labels[anchors] != label)
    return float(np.clip(wrong / len(labels), 0, 0.99))


def doubt(labels: np.ndarray, probabilities: np.ndarray) -> str | None:
    """Why an estimate from these out-of-fold predictions says little; None where nothing speaks against it.

    `labels` [n], `probabilities` [n, K]. Predictions that agree with the labels no more often than by chance know
    nothing of the classes, and the estimate is then about the networks, not about the labels. Chance is the
    agreement of independent labels and predictions of the same class frequencies (as in Cohen's kappa), the error
    that of two standard deviations of a share.
    """
    predicted, n, num_classes = probabilities.argmax(1), len(labels), probabilities.shape[1]
    agreement = float(np.mean(predicted == labels))
    shares = [np.bincount(classes, minlength=num_classes) / n for classes in (labels, predicted)]
    chance = float(shares[0] @ shares[1])
    error = 2 * math.sqrt(max(chance * (1 - chance), agreement * (1 - agreement)) / n)
    if agreement > chance + error:
        return None
    return f"its networks agree with {agreement:.3f} of {n} held-out labels, by chance with {chance:.3f} ± {error:.3f}"


def confident_joint(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The classes that occur in `labels`, [k], and the estimated joint [k, k] of given (row) and true label.

    Northcutt et al., Confident Learning, JAIR 2021.
    """
    from cleanlab.count import estimate_joint

    present = np.unique(labels)
    renumbered = np.searchsorted(present, labels)
    kept = probabilities[:, present]
    return present, np.asarray(estimate_joint(renumbered, kept / kept.sum(1, keepdims=True)))
