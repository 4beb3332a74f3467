"""Estimates of the noise rate and of the joint of labels from out-of-fold predictions, without clean labels."""

from __future__ import annotations

import math

import numpy as np

FOLDS = 4
ANCHOR_SHARE = 0.25
"""Share of the samples predicted to be of a class, most confident first, that are its anchor points."""
ANCHORS = 60
"""Least number of anchor points per class: a rate of .4 has a standard error of .06 then, .02 over ten classes."""

LEAST_SKILL = 0.5
"""Share of the agreement above chance that networks must reach for an estimate to be believed. Measured on blood
cells (8 classes, 1,000 images, 12 epochs): .90 without noise, .78 at symmetric .4; 400 images, 2 epochs: .30-.36."""


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
    """Why `noise_rate_of` says little of these out-of-fold predictions; None where nothing speaks against it.

    `labels` [n], `probabilities` [n, K]. A good network agrees with about 1 - rate of the labels. One that knows
    little of the classes agrees with fewer, and the rate then counts its errors as noise. So the agreement must be
    above chance by more than three standard errors, and by more than half of what a network that is right wherever
    the label is would reach at that rate. Chance is the agreement of independent labels and predictions of the same
    class frequencies (as in Cohen's kappa).
    """
    predicted, n, num_classes = probabilities.argmax(1), len(labels), probabilities.shape[1]
    agreement, rate = float(np.mean(predicted == labels)), noise_rate_of(labels, probabilities)
    shares = [np.bincount(classes, minlength=num_classes) / n for classes in (labels, predicted)]
    chance = float(shares[0] @ shares[1])
    error = 3 * math.sqrt(max(chance * (1 - chance), agreement * (1 - agreement)) / n)
    if agreement > chance + max(error, LEAST_SKILL * (1 - rate - chance)):
        return None
    return (
        f"its networks agree with {agreement:.3f} of {n} held-out labels, by chance with {chance:.3f}; "
        f"at a rate of {rate:.3f} good ones would with {1 - rate:.3f}"
    )


def confident_joint(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The classes that occur in `labels`, [k], and the estimated joint [k, k] of given (row) and true label.

    Northcutt et al., Confident Learning, JAIR 2021.
    """
    from cleanlab.count import estimate_joint

    present = np.unique(labels)
    renumbered = np.searchsorted(present, labels)
    kept = probabilities[:, present]
    return present, np.asarray(estimate_joint(renumbered, kept / kept.sum(1, keepdims=True)))
