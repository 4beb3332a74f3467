"""The detector for features of a frozen network: linear heads that see all labels, and the T of their doubts."""

from __future__ import annotations

import numpy as np
from scipy.special import softmax

from benchmark.labels.detectors.base import TINY, Verdict, detector, of_given
from benchmark.labels.detectors.held_out import scores_of
from benchmark.labels.detectors.probe import Probe
from benchmark.noise.label_mixture import likeliest_mixture
from benchmark.seeds import seed_for

STRENGTHS = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1)
"""Weights of the log loss, summed over the samples, against the squared weights of the head, from weak to strong."""
PARTS, HELD_PARTS = 5, 3
"""The labels are divided into so many parts; the log loss of so many of them, each by a head fitted to all other parts,
chooses the weight."""
STEPS = 150
"""Of the optimizer, at most."""


@detector(needs="features")
def heads(probe: Probe) -> Verdict:
    """Probability that the given label is right, by linear heads fitted to all labels, and again to what they said.

    The heads are penalized logistic regressions, which cannot fit single labels of thousands, so that predictions of
    the samples that they were fitted to rank wrong labels better than held-out ones (arXiv 2510.16211 finds the same).
    With T they give probabilities of the true classes (see `label_mixture`). T is fitted to held-out predictions, as
    heads follow wrong labels of rare classes, which then look right. Another head is fitted to these probabilities
    instead of the labels; it follows no label, so that its T is fitted to its own predictions. The score is the mean
    over both rounds and two penalties: that with the least log loss of held-out labels, and the next stronger one, as
    noisy labels ask for too weak a penalty.

    Where the noise rate cannot be estimated, because the heads are too weak, T cannot either: then the score is the
    mean probability that the heads of the first round give. (On fundus photographs of 28 px, where the estimate
    refuses, T brings the average precision from .22 down to .15.)
    """
    features, labels = probe.features, probe.labels
    given = np.eye(probe.num_classes, dtype=np.float32)[labels]
    mixture = None if probe.estimate.doubt else likeliest_mixture(scores_of(probe.held_out.probabilities), labels)
    rounds = []
    for strength in _chosen(features, given, labels, probe.seeds.order):
        first = fitted(features, given, strength)
        if mixture is None:
            rounds.append(first)
            continue
        targets = mixture.right(scores_of(first), labels)
        second = scores_of(fitted(features, targets, strength))
        rounds += [targets, likeliest_mixture(second, labels).right(second, labels)]
    probabilities = np.mean(rounds, axis=0)
    return Verdict(of_given(probabilities, labels), probabilities)


def _chosen(features: np.ndarray, given: np.ndarray, labels: np.ndarray, seed: int) -> tuple[float, float]:
    """The strength with the least log loss of held-out labels [n], and the one before it."""
    parts = np.array_split(np.random.default_rng(seed_for("heads", seed)).permutation(len(labels)), PARTS)
    best, chosen = np.inf, 0
    for place, strength in enumerate(STRENGTHS):
        loss = 0.0
        for held in parts[:HELD_PARTS]:
            kept = np.setdiff1d(np.arange(len(labels)), held)
            probabilities = fitted(features[kept], given[kept], strength, at=features[held])
            loss -= float(np.log(np.maximum(of_given(probabilities, labels[held]), TINY)).mean())
        if loss >= best:
            break
        best, chosen = loss, place
    return STRENGTHS[max(chosen - 1, 0)], STRENGTHS[max(chosen, 1)]


def fitted(features: np.ndarray, targets: np.ndarray, strength: float, *, at: np.ndarray | None = None) -> np.ndarray:
    """[m, K] probabilities of the rows of `at` [m, D] by a logistic regression fitted to `features` [n, D]; of the
    latter where there is no `at`.

    `targets` [n, K] are probabilities of the classes. Minimizes strength * sum of cross entropies + |weights|^2 / 2,
    as scikit-learn's LogisticRegression(C=strength) does for labels; in float32, by L-BFGS.
    """
    from scipy.optimize import minimize

    (n, width), classes = features.shape, targets.shape[1]
    x, y = np.asarray(features, dtype=np.float32), np.asarray(targets, dtype=np.float32)
    pull = 1 / (strength * n)

    def objective(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        weights, offsets = _parts(parameters.astype(np.float32), width, classes)
        logits = x @ weights + offsets
        logits -= logits.max(1, keepdims=True)
        odds = np.exp(logits)
        total = odds.sum(1, keepdims=True)
        excess = odds / total - y
        cross_entropy = float(np.sum(y * (np.log(total) - logits), dtype=np.float64)) / n
        penalized = parameters[: width * classes]
        slope = (x.T @ excess).ravel().astype(np.float64) / n + pull * penalized
        gradient = np.concatenate([slope, excess.sum(0, dtype=np.float64) / n])
        return cross_entropy + pull / 2 * float(penalized @ penalized), gradient

    start = np.zeros((width + 1) * classes)
    options = {"maxiter": STEPS, "gtol": 1e-4, "ftol": 1e-7}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options=options)
    weights, offsets = _parts(found.x, width, classes)
    return np.asarray(softmax((x if at is None else at) @ weights + offsets, axis=1))


def _parts(parameters: np.ndarray, width: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights [D, K] and offsets [K]."""
    return parameters[: width * classes].reshape(width, classes), parameters[width * classes :]
